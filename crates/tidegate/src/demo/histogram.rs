//! Durations in buckets of equal relative width, for quantiles of any number of them in fixed memory. Not the
//! gateway's own histogram, which has the few bounds that a metrics page can carry.

use std::time::Duration;

/// Buckets between one power of two and the next: the error of a quantile is at most 1/32.
const STEPS: u64 = 32;
/// 2^36 µs are 19 hours; longer durations count as that.
const MICROS_MAX: u64 = (1 << 36) - 1;
const BUCKETS: usize = bucket_of(MICROS_MAX) + 1;

/// Counts of durations, by the microsecond below 32 µs, then by a 32nd.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl Histogram {
    /// Counts a duration.
    pub(super) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(MICROS_MAX).min(MICROS_MAX);
        self.counts[bucket_of(micros)] += 1;
        self.total += 1;
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        self.total
    }

    /// The least duration that this share of all, in percent, does not exceed; rounded up by at most 1/32. `None`
    /// when nothing was counted.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let bucket = self.counts.iter().position(|count| {
            passed += count;
            passed >= rank
        })?;
        Some(Duration::from_micros(last_of(bucket)))
    }
}

const fn bucket_of(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    // Values from 2^p on fall into 32 buckets of 2^(p-5) each.
    let shift = micros.ilog2() - STEPS.ilog2();
    (shift as u64 * STEPS + (micros >> shift)) as usize
}

/// The longest duration of a bucket, in microseconds.
const fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_ends_where_the_next_begins() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(last_of(bucket)), bucket);
            assert_eq!(bucket_of(last_of(bucket) + 1), bucket + 1, "{bucket}");
        }
        assert_eq!(last_of(BUCKETS - 1), MICROS_MAX);
    }

    #[test]
    fn percentiles_are_at_most_a_32nd_too_long() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        (1..=10_000).for_each(|micros| histogram.record(Duration::from_micros(micros)));
        for (percent, exact) in [(0, 1), (1, 100), (50, 5000), (99, 9900), (100, 10_000)] {
            let said = histogram.percentile(percent).unwrap().as_micros() as u64;
            assert!(said >= exact && said <= exact + exact / STEPS, "p{percent}: {said}");
        }
        assert_eq!(histogram.count(), 10_000);
    }

    #[test]
    fn durations_without_bound_are_counted_too() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.percentile(50), Some(Duration::from_micros(MICROS_MAX)));
    }
}
