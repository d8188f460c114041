//! What the system tells of this process, under the names that Prometheus' own clients use. Read from /proc: what cannot
//! be read is left out.

use super::Page;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};
use tidegate_core::descriptors::DESCRIPTORS;

pub(super) fn page(out: &mut Page) {
    let name = "tidegate_out_of_descriptors_total";
    out.family(name, "counter", "How often there was no file descriptor, by what it was wanted for.");
    for (what, count) in DESCRIPTORS.wants.all() {
        out.line(name, &[("what", what)], count);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        // The folder that is being read is one of them.
        let open = entries.count().saturating_sub(1);
        out.single("process_open_fds", "gauge", "Number of open file descriptors.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        out.single("process_max_fds", "gauge", "Maximum number of open file descriptors.", most);
    }
    let Some(stat) = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) else {
        return;
    };
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let help = "Total user and system CPU time spent in seconds.";
    out.single("process_cpu_seconds_total", "counter", help, stat.cpu_ticks as f64 / ticks);
    let resident = stat.resident_pages * rustix::param::page_size() as u64;
    out.single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident);
    let help = "Virtual memory size in bytes.";
    out.single("process_virtual_memory_bytes", "gauge", help, stat.virtual_bytes);
    out.single("process_threads", "gauge", "Number of OS threads in the process.", stat.threads);
    let since_boot = clock_gettime(ClockId::Boottime);
    let age = since_boot.tv_sec as f64 + since_boot.tv_nsec as f64 / 1e9 - stat.started_ticks as f64 / ticks;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let help = "Start time of the process since unix epoch in seconds.";
    out.single("process_start_time_seconds", "gauge", help, format!("{:.2}", now - age));
}

/// What is used of /proc/self/stat (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    started_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// The second field is the program's name in brackets, whatever is in it.
    fn parse(text: &str) -> Option<Stat> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<u64> =
            rest.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Stat {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            started_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_kernel_is_read_whatever_the_program_is_called() {
        let line = "42 (a) 7 (b) R 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 123456 10485760 2048 18446744073709551615 1";
        let stat = Stat {
            cpu_ticks: 200,
            threads: 9,
            started_ticks: 123_456,
            virtual_bytes: 10_485_760,
            resident_pages: 2048,
        };
        assert_eq!(Stat::parse(line), Some(stat));
        assert_eq!(Stat::parse("42 (a) R 1"), None);
    }
}
