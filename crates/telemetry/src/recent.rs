//! How long requests took of late, by service: the workers' fine histograms, folded once a second into a window of
//! ten. What `/metrics` shows as quantiles, and whoever else asks for them, comes from here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_core::meters::{LATENCY_BUCKETS, Meters, quantile};

/// Seconds in the window. Ten give 1,000 durations, and so a p99, from 100 requests a second on.
pub const WINDOW_SECONDS: usize = 10;

/// Counts by bucket of `Latency`.
type Counts = [u64; LATENCY_BUCKETS];

/// The window, for every service that was ever asked.
#[derive(Debug, Default)]
pub struct Recent {
    tracks: Mutex<BTreeMap<Arc<str>, Track>>,
}

/// Durations of the window.
#[derive(Clone, Debug)]
pub struct Durations {
    counts: Box<Counts>,
}

impl Durations {
    /// How many requests ended.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What a share `q` of them did not exceed, within 1.6 %; `None` if there were none.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        quantile(&self.counts, q)
    }
}

impl Recent {
    /// Takes in what was counted since the last call. Once a second.
    pub fn fold(&self, meters: &Meters) {
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, service) in meters.services() {
            let mut now = [0; LATENCY_BUCKETS];
            let workers = service.latency.used().map(|latency| latency.add_to(&mut now)).count();
            if workers > 0 {
                tracks.entry(name).or_default().fold(now);
            }
        }
    }

    /// The durations of a service; `none` names the requests that went to no service.
    pub fn of(&self, service: &str) -> Option<Durations> {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.get(service).map(|track| Durations { counts: track.window.clone() })
    }

    /// The durations of all requests.
    pub fn of_all(&self) -> Durations {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = Box::new([0; LATENCY_BUCKETS]);
        for track in tracks.values() {
            counts.iter_mut().zip(track.window.iter()).for_each(|(sum, count)| *sum += count);
        }
        Durations { counts }
    }

    /// The services with their durations, in order of name.
    pub fn services(&self) -> Vec<(Arc<str>, Durations)> {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let shown =
            |(name, track): (&Arc<str>, &Track)| (name.clone(), Durations { counts: track.window.clone() });
        tracks.iter().map(shown).collect()
    }
}

/// One service's window. A second is kept as the buckets in which anything was counted: few.
#[derive(Debug)]
struct Track {
    last: Box<[u32; LATENCY_BUCKETS]>,
    seconds: VecDeque<Vec<(u16, u32)>>,
    window: Box<Counts>,
}

impl Default for Track {
    fn default() -> Track {
        Track {
            last: Box::new([0; LATENCY_BUCKETS]),
            seconds: VecDeque::with_capacity(WINDOW_SECONDS + 1),
            window: Box::new([0; LATENCY_BUCKETS]),
        }
    }
}

impl Track {
    fn fold(&mut self, now: [u32; LATENCY_BUCKETS]) {
        let added = now.iter().zip(self.last.iter()).map(|(now, last)| now.wrapping_sub(*last));
        let second: Vec<(u16, u32)> = (0..).zip(added).filter(|(_, added)| *added > 0).collect();
        for (bucket, added) in &second {
            self.window[usize::from(*bucket)] += u64::from(*added);
        }
        self.seconds.push_back(second);
        if self.seconds.len() > WINDOW_SECONDS {
            for (bucket, added) in self.seconds.pop_front().into_iter().flatten() {
                self.window[usize::from(bucket)] -= u64::from(added);
            }
        }
        *self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p50_ms(recent: &Recent) -> Option<f64> {
        recent.of("api")?.quantile(0.5).map(|duration| duration.as_secs_f64() * 1e3)
    }

    #[test]
    fn the_window_holds_what_came_in_its_seconds_over_all_workers() {
        let (meters, recent) = (Meters::new(2), Recent::default());
        let service = meters.service(&"api".into());
        recent.fold(&meters);
        assert!(recent.of("api").is_none(), "never asked");
        for worker in [0, 1] {
            (0..50).for_each(|_| service.latency.of(worker).record(Duration::from_millis(10)));
        }
        recent.fold(&meters);
        assert_eq!(recent.of("api").unwrap().count(), 100);
        assert!((p50_ms(&recent).unwrap() / 10.0 - 1.0).abs() < 0.02);
        for _ in 1..WINDOW_SECONDS {
            service.latency.of(0).record(Duration::from_millis(80));
            recent.fold(&meters);
        }
        assert_eq!(recent.of("api").unwrap().count(), 109);
        recent.fold(&meters);
        assert_eq!(recent.of_all().count(), 9, "the first second has left");
        assert!((p50_ms(&recent).unwrap() / 80.0 - 1.0).abs() < 0.02);
        (0..WINDOW_SECONDS).for_each(|_| recent.fold(&meters));
        assert_eq!((recent.of_all().count(), p50_ms(&recent)), (0, None));
    }
}
