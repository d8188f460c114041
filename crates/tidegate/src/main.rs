//! The program: command line and assembly. The only crate that names every member of every family.

mod access_log;
mod cli;
mod demo;
mod descriptors;
mod discovery;
mod documents;
mod families;
mod gateway;
mod health;
mod lag;
mod local;
mod node;
mod notify;
mod stage;
mod state;
mod stores;
mod tls;
mod up;
mod worker;

/// Heads, buffers and tasks are many small allocations of like size on one thread: what mimalloc is best at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Without huge pages memory grows by what connections use, not by 2 MiB at a time: 0.8 KiB instead of 1.6 per
    // idle connection, at no measurable cost in time. A kernel that refuses changes nothing but that.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    tidegate_telemetry::say::tell_panics();
    cli::run()
}
