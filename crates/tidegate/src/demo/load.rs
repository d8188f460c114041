//! Open-loop load on a thread of its own: every request has its moment, whatever became of those before it, and its
//! time counts from that moment. What a loop that waits for answers would hide, a stall, shows here.

use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::client::{Answer, Connection};
use super::histogram::Histogram;
use super::shop;

/// Requests a second. Enough to fill a percentile every second, little enough for one small machine with seven
/// services and a gateway on it.
pub(super) const RATE: u64 = 300;
/// How long an answer may take; half of what the gateway waits for a backend.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Requests under way at a time. The gateway would have to stall for two seconds to reach it.
const IN_FLIGHT_MAX: usize = 600;

/// The parts of the story that are compared at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything is up and always was.
    #[default]
    Before,
    /// An instance is gone.
    During,
    /// Everything is up again.
    After,
}

/// What has become of the requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Requests whose moment has come.
    pub(super) sent: u64,
    /// Those with a whole and right answer.
    pub(super) answered: u64,
    /// The others.
    pub(super) failed: u64,
    /// What went wrong first.
    pub(super) first_failure: Option<String>,
    /// Where requests that end now belong.
    pub(super) phase: Phase,
    /// Times of answers by phase.
    phases: [Histogram; 3],
    second: Second,
}

/// What ended since the last look.
#[derive(Debug, Default)]
pub(super) struct Second {
    /// Times of answers.
    pub(super) times: Histogram,
    /// The same by the instance that answered, as far as any has.
    pub(super) by_instance: BTreeMap<usize, Histogram>,
    /// Requests that failed.
    pub(super) failed: u64,
}

impl Tally {
    /// Times of answers of a phase.
    pub(super) fn times(&self, phase: Phase) -> &Histogram {
        &self.phases[phase as usize]
    }

    /// What ended since this was last asked.
    pub(super) fn take_second(&mut self) -> Second {
        std::mem::take(&mut self.second)
    }

    /// Counts a request that has ended: who answered it, or why it failed.
    pub(super) fn record(&mut self, took: Duration, outcome: Result<usize, String>) {
        match outcome {
            Ok(instance) => {
                self.second.by_instance.entry(instance).or_default().record(took);
                self.answered += 1;
                self.phases[self.phase as usize].record(took);
                self.second.times.record(took);
            }
            Err(reason) => {
                self.failed += 1;
                self.second.failed += 1;
                self.first_failure.get_or_insert(reason);
            }
        }
    }
}

/// A running load.
pub(super) struct Load {
    tally: Arc<Mutex<Tally>>,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Load {
    /// Starts sending to a gateway. Right answers are those of the instances, each a service's name and an address.
    pub(super) fn start(gateway: SocketAddr, instances: Vec<(&'static str, SocketAddr)>) -> io::Result<Load> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let is_stopping = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("tidegate-load".into()).spawn({
            let (tally, is_stopping) = (tally.clone(), is_stopping.clone());
            move || run(gateway, instances, tally, &is_stopping)
        })?;
        Ok(Load { tally, is_stopping, thread: Some(thread) })
    }

    /// What has become of the requests so far.
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// Sends nothing more, and waits for what is under way; at most as long as an answer may take.
    pub(super) fn stop(&mut self) {
        self.is_stopping.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // Had it failed or panicked, sent requests would lack an outcome, and those count as failed.
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn run(
    gateway: SocketAddr,
    instances: Vec<(&'static str, SocketAddr)>,
    tally: Arc<Mutex<Tally>>,
    is_stopping: &AtomicBool,
) -> io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    let sender = Rc::new(Sender { gateway, instances, tally, idle: RefCell::default() });
    runtime.block_on(send_on_time(sender, is_stopping));
    Ok(())
}

async fn send_on_time(sender: Rc<Sender>, is_stopping: &AtomicBool) {
    let begin = Instant::now();
    let mut under_way = JoinSet::new();
    for number in 0.. {
        let moment = begin + Duration::from_nanos(number * 1_000_000_000 / RATE);
        sleep_until(moment).await;
        if is_stopping.load(Relaxed) {
            break;
        }
        while under_way.try_join_next().is_some() {}
        lock(&sender.tally).sent += 1;
        if under_way.len() >= IN_FLIGHT_MAX {
            let reason = format!("{IN_FLIGHT_MAX} requests were waiting for their answers already");
            lock(&sender.tally).record(Duration::ZERO, Err(reason));
            continue;
        }
        let sender = sender.clone();
        under_way.spawn_local(async move { sender.send(number, moment).await });
    }
    under_way.join_all().await;
}

struct Sender {
    gateway: SocketAddr,
    instances: Vec<(&'static str, SocketAddr)>,
    tally: Arc<Mutex<Tally>>,
    /// Connections without a request. The one that waits longest is used first, so none waits so long that the
    /// gateway closes it just as it is used.
    idle: RefCell<VecDeque<Connection>>,
}

impl Sender {
    async fn send(&self, number: u64, moment: Instant) {
        let (trade, path) = shop::request(number);
        let outcome = match timeout_at(moment + ANSWER_TIME_MAX, self.get(&path)).await {
            Ok(Ok(answer)) => self.who_answered(&answer, trade.name),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer in {} s", ANSWER_TIME_MAX.as_secs())),
        };
        let outcome = outcome.map_err(|reason| format!("GET {path}: {reason}"));
        lock(&self.tally).record(moment.elapsed(), outcome);
    }

    async fn get(&self, path: &str) -> io::Result<Answer> {
        // Taken first, as a borrow must not last across an await.
        let kept = self.idle.borrow_mut().pop_front();
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::to(self.gateway).await?,
        };
        let answer = connection.get(path, "").await?;
        if answer.is_kept {
            self.idle.borrow_mut().push_back(connection);
        }
        Ok(answer)
    }

    /// The instance whose answer it is, if it is one of the service that was asked.
    fn who_answered(&self, answer: &Answer, service: &str) -> Result<usize, String> {
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("status {}: {}", answer.status, body.trim_end()));
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is_said = |(name, address): &(&str, SocketAddr)| {
            *name == service && said["service"] == *name && said["instance"] == address.to_string()
        };
        let instance = self.instances.iter().position(is_said);
        instance.ok_or_else(|| format!("an answer that is not of {service}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_testkit::{Act, Message, RawBackend};

    /// Every service has one instance, which is the gateway itself.
    fn answer(request: &Message) -> Vec<u8> {
        let service = request.target().split('/').nth(1).unwrap();
        let instance = request.value("host");
        let body = format!("{{\"service\":\"{service}\",\"instance\":\"{instance}\"}}");
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn loaded(gateway: &RawBackend, requests: u64) -> Load {
        let instances = shop::TRADES.iter().map(|trade| (trade.name, gateway.address)).collect();
        let mut load = Load::start(gateway.address, instances).unwrap();
        let begin = std::time::Instant::now();
        while load.tally().sent < requests {
            assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", load.tally());
            std::thread::sleep(Duration::from_millis(1));
        }
        load.stop();
        load
    }

    #[test]
    fn every_request_has_an_outcome_and_connections_are_kept() {
        let gateway = RawBackend::by_request(|request| vec![Act::Send(answer(request))]);
        let load = loaded(&gateway, 100);
        let tally = load.tally();
        assert!(tally.sent >= 100 && tally.answered == tally.sent && tally.failed == 0, "{tally:?}");
        assert_eq!(gateway.take_arrivals().len() as u64, tally.sent);
        assert!(gateway.connections() < 50, "{} connections", gateway.connections());
        assert_eq!(tally.times(Phase::Before).count(), tally.sent);
        drop(tally);
        let shares: Vec<u64> =
            load.tally().take_second().by_instance.values().map(Histogram::count).collect();
        assert!(shares.len() == 3 && shares.is_sorted_by(|a, b| a > b), "by instance: {shares:?}");
    }

    #[test]
    fn a_stall_is_counted_from_the_moment_of_each_request() {
        let stall = Duration::from_millis(500);
        let begin = std::time::Instant::now();
        let gateway = RawBackend::by_request(move |request| {
            let wait = stall.saturating_sub(begin.elapsed());
            vec![Act::Pause(wait), Act::Send(answer(request))]
        });
        let load = loaded(&gateway, 140);
        // One of the first waited for nearly all of the stall; so did, by and by, all that came during it.
        let long = load.tally().times(Phase::Before).percentile(75).unwrap();
        assert!(long > Duration::from_millis(50), "{long:?}");
        assert!(load.tally().times(Phase::Before).percentile(100).unwrap() > Duration::from_millis(300));
    }

    #[test]
    fn wrong_answers_and_none_are_failures_with_a_reason() {
        let check = |act: Act, expected: &str| {
            let gateway = RawBackend::by_request(move |_| vec![act.clone()]);
            let load = loaded(&gateway, 10);
            let tally = load.tally();
            assert_eq!((tally.answered, tally.failed), (0, tally.sent), "{expected}");
            let reason = tally.first_failure.as_deref().unwrap();
            assert!(reason.starts_with("GET /") && reason.contains(expected), "{reason}");
        };
        let sent = |status: &str, body: &str| {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            Act::Send((head + body).into_bytes())
        };
        check(Act::Close, "ended before the answer");
        check(sent("503 No", "shed"), "status 503: shed");
        check(sent("200 OK", "else"), "not of");
        let foreign = "{\"service\":\"catalog\",\"instance\":\"127.0.0.1:1\"}";
        check(sent("200 OK", foreign), "not of");
    }

    #[test]
    fn times_are_kept_by_phase_and_by_second() {
        let mut tally = Tally::default();
        let ms = Duration::from_millis;
        tally.record(ms(1), Ok(0));
        tally.phase = Phase::During;
        tally.record(ms(100), Ok(2));
        tally.record(ms(100), Err("x".into()));
        let second = tally.take_second();
        assert_eq!((second.times.count(), second.failed), (2, 1));
        assert_eq!(second.by_instance.keys().collect::<Vec<_>>(), [&0, &2]);
        tally.phase = Phase::After;
        tally.record(ms(7), Ok(0));
        assert_eq!((tally.take_second().times.count(), tally.take_second().times.count()), (1, 0));
        let slowest = |phase| tally.times(phase).percentile(100).unwrap().as_millis();
        assert_eq!([Phase::Before, Phase::During, Phase::After].map(slowest), [1, 100, 7]);
    }
}
