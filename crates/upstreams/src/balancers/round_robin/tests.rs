//! The order of turns, and that workers share it. Shares in general: the tests of the family.

use super::*;
use crate::balancers::simulation::{pick, roster};
use tidegate_core::state::DownReason;

const NOW: Nanos = Nanos(1);

fn order(balancer: &RoundRobin, roster: &Roster, picks: usize) -> Vec<usize> {
    let mut dice = Dice::new(5);
    (0..picks).map(|_| balancer.pick(roster, pick(NOW, &mut dice)).expect("a backend")).collect()
}

#[test]
fn equal_backends_come_strictly_in_turn() {
    let balancer = RoundRobin::default();
    assert_eq!(order(&balancer, &roster(&[1, 1, 1]), 7), [0, 1, 2, 0, 1, 2, 0]);
    assert_eq!(order(&RoundRobin::default(), &roster(&[4, 4]), 4), [0, 1, 0, 1]);
}

#[test]
fn weights_are_exact_and_interleaved() {
    for weights in [&[5, 1, 1][..], &[5, 3, 2], &[2, 1], &[7, 7, 1, 3]] {
        let (balancer, roster) = (RoundRobin::default(), roster(weights));
        let sum = weights.iter().sum::<u32>() as usize;
        let picked = order(&balancer, &roster, 4 * sum);
        for (index, &weight) in weights.iter().enumerate() {
            let places: Vec<usize> = (0..picked.len()).filter(|&at| picked[at] == index).collect();
            assert_eq!(places.len(), 4 * weight as usize, "{index} of {weights:?}: {picked:?}");
            // Nobody waits twice as long as it would if all stood at even distances, and one round.
            let gap_max = 2 * sum / weight as usize + weights.len();
            let is_even = places.windows(2).all(|pair| pair[1] - pair[0] <= gap_max);
            assert!(is_even, "{index} of {weights:?}: {picked:?}");
        }
    }
    // What smooth weighted round robin is about: the light ones are not served in one go.
    let picked = order(&RoundRobin::default(), &roster(&[5, 1, 1]), 7);
    assert!(!picked.windows(4).any(|run| run == [0, 0, 0, 0]), "{picked:?}");
}

#[test]
fn the_turns_of_one_that_is_down_are_spread_over_all_others() {
    let roster = roster(&[1, 1, 1, 1]);
    roster.backends[1].cell.connect_failed(NOW, DownReason::Refused);
    assert_eq!(order(&RoundRobin::default(), &roster, 6), [0, 2, 3, 0, 2, 3]);
}

#[test]
fn workers_share_the_turns() {
    let weights = [3, 1, 2];
    let (balancer, roster) = (RoundRobin::default(), roster(&weights));
    let picked: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(|| order(&balancer, &roster, 15_000))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect()
    });
    for (index, weight) in weights.into_iter().enumerate() {
        let count = picked.iter().flatten().filter(|&&picked| picked == index).count();
        assert!(count.abs_diff(10_000 * weight as usize) <= 3, "{index} of {weights:?} had {count}");
    }
}
