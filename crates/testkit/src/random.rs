//! Chance with a seed that is printed, so that a failure can be played again with TIDEGATE_TEST_SEED.

use std::time::{SystemTime, UNIX_EPOCH};

/// A reproducible sequence (splitmix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of one seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A sequence from TIDEGATE_TEST_SEED or, without it, from the clock. Prints the seed: the test runner
    /// shows it when the test fails.
    pub fn announced(what: &str) -> Random {
        let given = std::env::var("TIDEGATE_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64)
        });
        println!("{what}: TIDEGATE_TEST_SEED={seed}");
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// Bytes of every value.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.bits().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// Sizes that add up to `total`: at most `count_max` of them, none is 0.
    pub fn pieces(&mut self, total: usize, count_max: usize) -> Vec<usize> {
        let mut cuts: Vec<usize> = (1..count_max).map(|_| self.below(total + 1)).collect();
        cuts.push(total);
        cuts.sort_unstable();
        let mut before = 0;
        let sizes = cuts.into_iter().map(|cut| cut - std::mem::replace(&mut before, cut));
        sizes.filter(|&size| size > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_sequence() {
        assert_eq!(Random::new(7).bytes(100), Random::new(7).bytes(100));
        assert_ne!(Random::new(7).bytes(100), Random::new(8).bytes(100));
    }

    #[test]
    fn pieces_add_up_and_none_is_empty() {
        let mut random = Random::new(1);
        for total in [0, 1, 2, 100, 65_536] {
            let pieces = random.pieces(total, 9);
            assert_eq!(pieces.iter().sum::<usize>(), total);
            assert!(pieces.len() <= 9 && pieces.iter().all(|&size| size > 0));
        }
    }
}
