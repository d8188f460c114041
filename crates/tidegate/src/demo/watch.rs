//! Looks at the running gateway once a second: what each instance does and what clients got, with the last minute
//! of both. Reads the gateway's own cells and the load's tally; draws nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::plan::Snapshot;
use tidegate_core::service::BackendCell;

use super::load::Second;
use super::story::Sight;

/// Seconds kept: what the sparklines show.
pub(super) const MINUTE: usize = 60;

/// A row of values, one for each of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(VecDeque<u64>);

impl Series {
    /// A second more; the oldest goes when there are sixty.
    pub(super) fn push(&mut self, value: u64) {
        if self.0.len() == MINUTE {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// The last so many values, the oldest first.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = u64> + Clone {
        self.0.iter().copied().skip(self.0.len().saturating_sub(count))
    }

    /// The newest value; 0 before there is one.
    pub(super) fn newest(&self) -> u64 {
        self.0.back().copied().unwrap_or(0)
    }
}

/// An instance as the gateway sees it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The service.
    pub(super) service: Arc<str>,
    /// The instance's address.
    pub(super) address: Arc<str>,
    /// Whether it gets no requests.
    pub(super) is_down: bool,
    /// Requests it has now.
    pub(super) in_flight: u32,
    /// Half of its answers of the last second took clients no longer; `None` if there were none.
    pub(super) p50: Option<Duration>,
    /// Requests in each of the last seconds.
    pub(super) requests: Series,
    requests_ever: u64,
}

impl Row {
    /// An instance of which nothing is known yet.
    pub(super) fn new(service: Arc<str>, address: Arc<str>) -> Row {
        Row {
            service,
            address,
            is_down: false,
            in_flight: 0,
            p50: None,
            requests: Series::default(),
            requests_ever: 0,
        }
    }
}

/// What clients got.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    /// Answers in each of the last seconds.
    pub(super) rate: Series,
    /// 99 of 100 answers took no longer, in microseconds, in each of the last seconds.
    pub(super) p99_micros: Series,
    /// Half of the answers of the last second took no longer.
    pub(super) p50: Option<Duration>,
    /// 99 of 100 took no longer.
    pub(super) p99: Option<Duration>,
    /// Requests that failed in the last second.
    pub(super) failed: u64,
}

/// Everything that is watched.
pub(super) struct Watch {
    snapshot: Arc<Snapshot>,
    /// In the order of the configuration, which is that of the instances.
    pub(super) rows: Vec<Row>,
    /// Clients.
    pub(super) clients: Clients,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Watch {
        let rows = snapshot.services.iter().flat_map(|service| {
            let roster = service.roster.load();
            let rows = roster.backends.iter();
            rows.map(|backend| Row::new(service.name.clone(), backend.label.clone())).collect::<Vec<_>>()
        });
        Watch { rows: rows.collect(), snapshot, clients: Clients::default() }
    }

    /// Reads what changes all the time: states and requests in flight.
    pub(super) fn look(&mut self) {
        for (row, cell) in self.rows.iter_mut().zip(cells(&self.snapshot)) {
            row.is_down = cell.is_down();
            row.in_flight = cell.in_flight.load(Relaxed);
        }
    }

    /// A second is over: adds what came of it to the last minute.
    pub(super) fn end_second(&mut self, second: &Second) {
        for (index, (row, cell)) in self.rows.iter_mut().zip(cells(&self.snapshot)).enumerate() {
            row.p50 = second.by_instance.get(&index).and_then(|times| times.percentile(50));
            let ever = cell.requests.load(Relaxed);
            row.requests.push(ever.saturating_sub(row.requests_ever));
            row.requests_ever = ever;
        }
        let clients = &mut self.clients;
        clients.rate.push(second.times.count());
        (clients.p50, clients.p99) = (second.times.percentile(50), second.times.percentile(99));
        clients.p99_micros.push(clients.p99.map_or(0, |time| time.as_micros() as u64));
        clients.failed = second.failed;
    }

    /// What the gateway knows about the so-many-th instance.
    pub(super) fn sight(&self, index: usize) -> Option<Sight> {
        let cell = cells(&self.snapshot).nth(index)?;
        let changed = cell.state.since();
        Some(Sight { is_down: cell.is_down(), changed, requests: cell.requests.load(Relaxed) })
    }

    /// Requests that were tried again on another instance, and then answered.
    pub(super) fn retries_answered(&self) -> u64 {
        self.snapshot.services.iter().map(|service| service.meters.retries_answered.load(Relaxed)).sum()
    }
}

/// The cells of all instances. Those of a demo stay the same.
fn cells(snapshot: &Snapshot) -> impl Iterator<Item = Arc<BackendCell>> {
    let rosters = snapshot.services.iter().map(|service| service.roster.load());
    rosters.flat_map(|roster| roster.backends.iter().map(|backend| backend.cell.clone()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;
    use tidegate_core::clock::Nanos;
    use tidegate_core::entry::NameBook;
    use tidegate_core::meters::Meters;
    use tidegate_core::service::CellBook;
    use tidegate_core::state::DownReason;

    fn watched() -> Watch {
        let text = "version: 1\nlisten: { a: \"127.0.0.1:1\" }\nservices:\n  \
            a: { backends: [\"127.0.0.1:2\", \"127.0.0.1:3\"] }\n  b: { backends: [\"127.0.0.1:4\"] }\n";
        let config =
            tidegate_config::from_text("x", text, std::path::Path::new("/"), &families::ALL).unwrap();
        let (cells, meters) = (CellBook::new(1), Meters::new(1));
        let workshop = tidegate_config::Workshop {
            cells: &cells,
            names: &NameBook::default(),
            meters: &meters,
            previous: None,
        };
        Watch::new(Arc::new(tidegate_config::compile(&config, 1, &workshop).unwrap()))
    }

    #[test]
    fn rows_follow_the_cells_of_the_gateway() {
        let mut watch = watched();
        let cell = cells(&watch.snapshot).nth(1).unwrap();
        cell.in_flight.store(3, Relaxed);
        cell.requests.store(10, Relaxed);
        watch.look();
        watch.end_second(&Second::default());
        assert_eq!(watch.rows[1].p50, None);
        cell.requests.store(25, Relaxed);
        let mut second = Second::default();
        second.by_instance.entry(1).or_default().record(Duration::from_micros(20));
        watch.end_second(&second);
        let row = &watch.rows[1];
        assert_eq!((&*row.service, &*row.address, row.is_down), ("a", "127.0.0.1:3", false));
        assert_eq!((row.in_flight, row.p50), (3, Some(Duration::from_micros(20))));
        assert_eq!(row.requests.last(60).collect::<Vec<_>>(), [10, 15]);
        assert_eq!(watch.rows[0].requests.newest(), 0);

        cell.connect_failed(Nanos(77), DownReason::Refused);
        watch.look();
        assert!(watch.rows[1].is_down);
        let sight = watch.sight(1).unwrap();
        assert!(sight.is_down && sight.changed == Nanos(77) && sight.requests == 25);
        assert!(!watch.sight(0).unwrap().is_down && watch.sight(3).is_none());
    }

    #[test]
    fn a_series_is_a_minute_long() {
        let mut series = Series::default();
        assert_eq!(series.newest(), 0);
        (0..100).for_each(|value| series.push(value));
        assert_eq!(series.last(MINUTE).collect::<Vec<_>>(), (40..100).collect::<Vec<_>>());
        assert_eq!(series.last(2).collect::<Vec<_>>(), [98, 99]);
        assert_eq!(series.newest(), 99);
    }
}
