//! The table under floods of keys and of threads, on a clock that stands still unless a test moves it.

use super::*;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

const START: Nanos = Nanos(1_000_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn gcra(count: u64) -> Gcra {
    Gcra::new(count, MINUTE, count).unwrap()
}

/// Asks so many times; how often it may pass.
fn passes(table: &Table, id: LimitId, key: &[u8], gcra: Gcra, asks: usize, now: Nanos) -> usize {
    (0..asks).filter(|_| table.take(id, key, gcra, now).wait.is_none()).count()
}

#[test]
fn ten_thousand_at_once_pass_exactly_a_hundred_times() {
    const THREADS: usize = 8;
    for round in 0..20 {
        let table = Table::default();
        let id = table.limit("orders", "default");
        let passed = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let here = passes(&table, id, b"web", gcra(100), 10_000 / THREADS, START);
                    passed.fetch_add(here as u64, Relaxed);
                });
            }
        });
        assert_eq!(passed.load(Relaxed), 100, "round {round}");
    }
}

#[test]
fn on_a_running_clock_the_rate_passes_and_no_more() {
    let table = Table::default();
    let id = table.limit("orders", "default");
    assert_eq!(passes(&table, id, b"web", gcra(60), 100, START), 60);
    for second in 1..=30 {
        let now = START.after(Duration::from_secs(second));
        assert_eq!(passes(&table, id, b"web", gcra(60), 5, now), 1, "second {second}");
    }
    assert_eq!(passes(&table, id, b"web", gcra(60), 100, START.after(Duration::from_secs(90))), 60);
}

#[test]
fn keys_limits_and_routes_are_counted_apart() {
    let table = Table::default();
    let ids =
        [("a", "default"), ("a", "slow"), ("b", "default")].map(|(route, name)| table.limit(route, name));
    for id in ids {
        for key in [&b""[..], b"x", b"y", &[0; 8], &[0; 4]] {
            assert_eq!(passes(&table, id, key, gcra(3), 5, START), 3, "{id:?} {key:?}");
        }
    }
    assert_eq!(table.limit("a", "slow"), ids[1], "a limit is the same after a reload");
    assert_eq!(passes(&table, ids[1], b"x", gcra(3), 5, START), 0);
}

#[test]
fn ten_million_keys_stay_within_the_memory() {
    let table = Table::default();
    let id = table.limit("orders", "default");
    let most = table.fill(START).entries_max;
    assert_eq!(most, (LIMIT_TABLE_BYTES_MAX / 64 * SLOTS) as u64);
    for key in 0..10_000_000_u64 {
        assert!(table.take(id, &key.to_le_bytes(), gcra(100), START).wait.is_none(), "a new key passes");
    }
    let fill = table.fill(START);
    let chunks = table.chunks();
    assert!(chunks.len() * size_of::<Chunk>() <= LIMIT_TABLE_BYTES_MAX);
    assert!(fill.entries <= most && fill.entries > most / 10 * 9, "{fill:?}");
    assert!(fill.evictions >= 10_000_000 - most, "{fill:?}");
    // Time alone frees them all.
    let later = START.after(MINUTE);
    assert_eq!(table.fill(later), Fill { entries: 0, ..fill });
    assert_eq!(passes(&table, id, b"new", gcra(100), 101, later), 100);
    assert_eq!(table.fill(later).evictions, fill.evictions, "a free slot is no eviction");
}

#[test]
fn a_key_at_its_limit_outlives_a_flood_of_others() {
    // 640 slots, and 100 times as many other keys, each of which comes once.
    let table = Table::new(8192);
    let (limited, flood) = (table.limit("orders", "default"), table.limit("orders", "ip"));
    let keys: Vec<[u8; 4]> = (0..100_u32).map(u32::to_le_bytes).collect();
    for key in &keys {
        assert_eq!(passes(&table, limited, key, gcra(100), 200, START), 100);
    }
    for key in 0..64_000_u64 {
        table.take(flood, &key.to_le_bytes(), gcra(100), START);
    }
    assert!(table.fill(START).evictions > 50_000, "{:?}", table.fill(START));
    // Six of them in one bucket of five would make one be forgotten: with this many keys that is rare, and the forgotten
    // one has its burst once more.
    let passed: Vec<usize> =
        keys.iter().map(|key| passes(&table, limited, key, gcra(100), 200, START)).collect();
    let forgotten = passed.iter().filter(|&&passed| passed > 0).count();
    assert!(forgotten <= 3, "{passed:?}");
    assert!(passed.iter().all(|&passed| passed <= 100), "{passed:?}");
}

#[test]
fn a_flood_refuses_nobody() {
    let table = Table::new(4096);
    let (id, other) = (table.limit("orders", "default"), table.limit("orders", "slow"));
    let passed = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (table, passed) = (&table, &passed);
            scope.spawn(move || {
                for key in 0..20_000_u64 {
                    let key = (thread << 32 | key).to_le_bytes();
                    let id = if key[0] % 2 == 0 { id } else { other };
                    let is_passed = table.take(id, &key, gcra(100), START).wait.is_none();
                    passed.fetch_add(u64::from(is_passed), Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.load(Relaxed), 80_000, "the first request of a key always passes");
}

#[test]
fn memory_comes_with_the_keys() {
    let table = Table::default();
    let id = table.limit("orders", "default");
    let made = |table: &Table| table.chunks().iter().filter(|chunk| chunk.get().is_some()).count();
    assert_eq!(made(&table), 0);
    for key in 0..10_u64 {
        passes(&table, id, &key.to_le_bytes(), gcra(100), 3, START);
    }
    assert!((1..=10).contains(&made(&table)));
}
