//! Durations in buckets so fine that quantiles can be read of them: 32 in each doubling, so that a bucket's middle is
//! at most 1.6 % from any duration in it. One set of 3.7 KiB per worker and service, taken at the first request;
//! recording touches one line of it. Deltas of it are folded once a second by `telemetry`.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of one doubling, as a power of two. 32: the greatest error is half a bucket, 1/64.
const SPLIT_BITS: u32 = 5;
/// Durations below 2^10 ns share the first bucket: no request is answered within a microsecond.
const LEAST_BITS: u32 = 10;
/// Durations from 2^39 ns on (nine minutes) share the last.
const MOST_BITS: u32 = 39;
/// How many buckets there are.
pub const LATENCY_BUCKETS: usize = 1 + ((MOST_BITS - LEAST_BITS) << SPLIT_BITS) as usize;

/// Durations of one worker. Counts wrap around: whoever reads looks at differences between two looks.
#[derive(Debug)]
#[repr(align(64))]
pub struct Latency {
    buckets: [AtomicU32; LATENCY_BUCKETS],
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { buckets: [const { AtomicU32::new(0) }; LATENCY_BUCKETS] }
    }
}

impl Latency {
    /// Counts one duration. Only the worker it belongs to may.
    pub fn record(&self, duration: Duration) {
        let bucket = &self.buckets[bucket_of(duration.as_nanos() as u64)];
        bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The count of every bucket now, added to what is there; all wrap around.
    pub fn add_to(&self, counts: &mut [u32; LATENCY_BUCKETS]) {
        for (count, bucket) in counts.iter_mut().zip(&self.buckets) {
            *count = count.wrapping_add(bucket.load(Relaxed));
        }
    }
}

/// The bucket of a duration.
fn bucket_of(ns: u64) -> usize {
    if ns < 1 << LEAST_BITS {
        return 0;
    }
    let ns = ns.min((1 << MOST_BITS) - 1);
    let doubling = ns.ilog2();
    let part = (ns >> (doubling - SPLIT_BITS)) as usize & ((1 << SPLIT_BITS) - 1);
    1 + (((doubling - LEAST_BITS) as usize) << SPLIT_BITS) + part
}

/// The middle of a bucket in nanoseconds.
fn middle_of(bucket: usize) -> u64 {
    let Some(index) = bucket.checked_sub(1) else { return 1 << (LEAST_BITS - 1) };
    let doubling = LEAST_BITS + (index >> SPLIT_BITS) as u32;
    let part = (index & ((1 << SPLIT_BITS) - 1)) as u64;
    let width = 1 << (doubling - SPLIT_BITS);
    (1 << doubling) + part * width + width / 2
}

/// The duration that a share `q` of those counted does not exceed (nearest rank), within 1.6 %; `None` when none was
/// counted. `counts` is by bucket.
pub fn quantile(counts: &[u64; LATENCY_BUCKETS], q: f64) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).clamp(1, total);
    let mut below = 0;
    let bucket = counts.iter().position(|count| {
        below += count;
        below >= rank
    })?;
    Some(Duration::from_nanos(middle_of(bucket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_within_a_sixtieth_of_its_buckets_middle() {
        for shift in LEAST_BITS..MOST_BITS {
            for step in 0..1000u64 {
                let ns = (1 << shift) + ((1u64 << shift) / 1000) * step;
                let middle = middle_of(bucket_of(ns)) as f64;
                assert!((middle - ns as f64).abs() <= ns as f64 / 60.0, "{ns} ns is shown as {middle}");
            }
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), LATENCY_BUCKETS - 1);
        assert!(size_of::<Latency>() <= 3776);
    }

    /// splitmix64, for distributions that are the same at every run.
    fn draw(state: &mut u64) -> f64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    type Draw = fn(&mut u64) -> f64;

    #[test]
    fn quantiles_are_within_two_percent_of_an_exact_recording() {
        let distributions: [(&str, Draw); 6] = [
            ("even, 0 to 20 ms", |s| draw(s) * 20e6),
            ("exponential, 5 ms", |s| -(1.0 - draw(s)).ln() * 5e6),
            ("log-normal", |s| {
                let normal = (-2.0 * (1.0 - draw(s)).ln()).sqrt() * (std::f64::consts::TAU * draw(s)).cos();
                (normal * 1.5 + 14.0).exp()
            }),
            ("pareto", |s| 200e3 / (1.0 - draw(s)).powf(1.2)),
            ("two humps", |s| if draw(s) < 0.985 { 1e6 + draw(s) * 1e5 } else { 9e8 + draw(s) * 1e8 }),
            ("all alike", |_| 3_141_592.0),
        ];
        for (name, next) in distributions {
            for seed in 0..20u64 {
                let mut state = seed;
                let size = 100 + (draw(&mut state) * 20_000.0) as usize;
                let latency = Latency::default();
                let mut exact: Vec<u64> =
                    (0..size).map(|_| next(&mut state).clamp(2e3, 5e11) as u64).collect();
                exact.iter().for_each(|ns| latency.record(Duration::from_nanos(*ns)));
                exact.sort_unstable();
                let mut counts = [0u32; LATENCY_BUCKETS];
                latency.add_to(&mut counts);
                let counts = counts.map(u64::from);
                for q in [0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
                    let rank = ((q * size as f64).ceil() as usize).clamp(1, size);
                    let wanted = exact[rank - 1] as f64;
                    let got = quantile(&counts, q).unwrap().as_nanos() as f64;
                    assert!(
                        (got / wanted - 1.0).abs() <= 0.02,
                        "{name}, seed {seed}, {size} durations, q {q}: {got} for {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(quantile(&[0; LATENCY_BUCKETS], 0.99), None);
    }
}
