//! Durations in the buckets of the Prometheus text: few, so that every route can have them. Finer ones, of which
//! quantiles are read, are in `latency`.

use super::bump;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the histogram in seconds: the OpenTelemetry advice for HTTP durations, and 500 µs and 1 ms
/// below it, as a gateway's own answers are faster than its lowest bound.
pub const BOUNDS_SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];

/// Durations in buckets. Written by one worker.
#[derive(Debug, Default)]
#[repr(C)] // see `RouteCells`
pub struct Histogram {
    sum_ns: AtomicU64,
    buckets: [AtomicU64; BOUNDS_SECONDS.len() + 1],
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let ns = duration.as_nanos() as u64;
        let index = BOUNDS_NS.partition_point(|bound| *bound < ns);
        bump(&self.buckets[index], 1);
        bump(&self.sum_ns, ns);
    }

    /// Adds what is here to a sum.
    pub fn add_to(&self, sum: &mut HistogramSum) {
        for (total, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        sum.sum_seconds += self.sum_ns.load(Relaxed) as f64 / 1e9;
    }
}

const BOUNDS_NS: [u64; BOUNDS_SECONDS.len()] = {
    let mut bounds = [0; BOUNDS_SECONDS.len()];
    let mut i = 0;
    while i < bounds.len() {
        bounds[i] = (BOUNDS_SECONDS[i] * 1e9) as u64;
        i += 1;
    }
    bounds
};

/// Histograms of several workers added up.
#[derive(Clone, Debug, Default)]
pub struct HistogramSum {
    /// Counts per bucket, not cumulative; the last is above every bound.
    pub buckets: [u64; BOUNDS_SECONDS.len() + 1],
    /// Sum of all durations.
    pub sum_seconds: f64,
}

impl HistogramSum {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets() {
        let histogram = Histogram::default();
        for ms in [0, 1, 3, 20_000] {
            histogram.record(Duration::from_millis(ms));
        }
        let mut sum = HistogramSum::default();
        histogram.add_to(&mut sum);
        assert_eq!(sum.count(), 4);
        assert_eq!((sum.buckets[0], sum.buckets[1], sum.buckets[3], sum.buckets[16]), (1, 1, 1, 1));
        assert!((sum.sum_seconds - 20.004).abs() < 1e-9);
    }
}
