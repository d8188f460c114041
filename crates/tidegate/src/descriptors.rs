//! File descriptors of this process: takes as many as the system gives, shares them out, warns when that is little, and
//! tells when there were too few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;
use tidegate_config::Config;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::descriptors::{CONNECTIONS_MIN, DESCRIPTORS, RESERVE_MIN, reserve};
use tidegate_core::problem::Problem;
use tidegate_telemetry::say;

/// How often it is looked whether there were too few.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two lines that there were.
const AGAIN_TIME: Duration = Duration::from_secs(10);
/// The limit of a process that has none: what Linux allows at most unless it is told otherwise (fs.nr_open).
const NO_LIMIT: u64 = 1 << 20;

/// Connections are descriptors: takes as many as the system lets this process have.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Refused or not, the gateway works with what it has.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn limit() -> usize {
    getrlimit(Resource::Nofile).current.unwrap_or(NO_LIMIT).min(NO_LIMIT) as usize
}

/// How many are open now; where that cannot be read, what a small gateway has.
fn open() -> usize {
    const USUAL: usize = 64;
    std::fs::read_dir("/proc/self/fd").map_or(USUAL, |entries| entries.count())
}

/// Before a start opens anything: whether there are enough for it at all. The runtimes of threads panic where they cannot
/// have what they need.
pub(crate) fn refuse_too_few(config: &Config, workers: usize) -> Result<(), Problem> {
    /// Of a thread with a runtime: what it polls, what wakes it, what it hears signals by.
    const PER_THREAD: usize = 4;
    /// Sockets of a worker's listener: one that is served, one that is kept for the next configuration.
    const PER_LISTENER: usize = 2;
    /// Standard streams, files of the state folder, the admin listener, and what is read at the start.
    const OTHERS: usize = 20;
    let threads = PER_THREAD * (workers + 1) + PER_LISTENER * workers * config.listen.iter().count();
    let needed = threads + OTHERS + RESERVE_MIN + CONNECTIONS_MIN;
    match limit() {
        few if few < needed => Err(too_few(few, &format!("{needed} are needed to begin with"))),
        _ => Ok(()),
    }
}

fn too_few(limit: usize, why: &str) -> Problem {
    let problem = Problem::new(format!("this process may have {limit} file descriptors: {why}"));
    problem.hint("raise `ulimit -n`, or LimitNOFILE of its unit")
}

/// Once all that a start opens is open: how many of the rest connections may hold. Warns when that is less than they may
/// have by the configuration.
pub(crate) fn share_out(config: &Config) -> Result<(), Problem> {
    let (limit, open) = (limit(), open());
    let most = limit.saturating_sub(open + reserve(limit));
    if most < CONNECTIONS_MIN {
        let why =
            format!("{open} are open and {} kept back, which leaves none for connections", reserve(limit));
        return Err(too_few(limit, &why));
    }
    DESCRIPTORS.bound(most);
    warn_if_few(config);
    Ok(())
}

/// Warns when connections may hold fewer than they may have by the configuration: those of clients at every listener, and of
/// those at backends no more than there are clients who ask.
pub(crate) fn warn_if_few(config: &Config) {
    let listeners = config.listen.iter().filter_map(|row| row.value.limits.connections.on());
    let clients: usize = listeners.map(|most| most.get() as usize).sum();
    let services = config.services.iter().map(|row| row.value.connections.max.get() as usize);
    let wanted = clients + services.sum::<usize>().min(clients);
    let most = DESCRIPTORS.most();
    if most < wanted {
        let text = "the limit of file descriptors is small for what is configured: raise it (`ulimit -n`, LimitNOFILE), or \
                    lower `limits.connections` of the listeners and `connections.max` of the services";
        let limit = limit();
        say::warn(text, &[("limit", &limit), ("wanted", &(limit - most.min(limit) + wanted))]);
    }
}

/// Tells, for as long as the process runs, when there were too few.
pub(crate) async fn watch() {
    let mut every = tokio::time::interval(LOOK_EVERY);
    let (mut seen, mut said_at) = ([0; 3], None::<Nanos>);
    loop {
        every.tick().await;
        let now = clock::exact();
        let wants = DESCRIPTORS.wants.all().map(|(_, count)| count);
        if wants == seen || said_at.is_some_and(|at| now.since(at) < AGAIN_TIME) {
            continue;
        }
        let [accept, connect, check] = std::array::from_fn(|index| wants[index] - seen[index]);
        let details: say::Details<'_> = &[
            ("limit", &limit()),
            ("connections_refused", &accept),
            ("requests_failed", &connect),
            ("checks_not_made", &check),
        ];
        say::warn("out of file descriptors: raise their limit (`ulimit -n`, LimitNOFILE)", details);
        (seen, said_at) = (wants, Some(now));
    }
}
