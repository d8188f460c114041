//! Tests of the book of meters: bounds on names, and things that are counted while they live.

use super::*;

fn names(meters: &Meters) -> Vec<String> {
    meters.routes().iter().map(|meters| meters.route.to_string()).collect()
}

#[test]
fn routes_past_the_bound_are_counted_together() {
    let meters = Meters::new(1);
    meters.bound_routes(2);
    let service: Arc<str> = "api".into();
    let get = |name: &str| meters.route(&name.into(), &service);
    let kept = [get("a"), get("b"), get("c"), get("d")];
    assert_eq!(names(&meters), ["_other", "a", "b"]);
    assert!(Arc::ptr_eq(&kept[2], &kept[3]), "two routes, one set of counters");
    assert!(Arc::ptr_eq(&kept[0], &get("a")), "a name that is known stays its own");
}

#[test]
fn names_out_of_use_make_room_only_when_it_is_needed() {
    let meters = Meters::new(1);
    meters.bound_routes(2);
    let service: Arc<str> = "api".into();
    let get = |name: &str| meters.route(&name.into(), &service);
    let _used = get("a");
    drop(get("b"));
    assert_eq!(names(&meters), ["a", "b"], "counts outlive a route while there is room");
    let _next = get("c");
    assert_eq!(names(&meters), ["a", "c"]);
}

#[test]
fn a_thing_counts_until_it_is_dropped() {
    let meters = Meters::new(1);
    let (one, two) = (meters.snapshot(), meters.snapshot());
    assert_eq!(meters.snapshots_alive(), 2);
    drop(one);
    assert_eq!(meters.snapshots_alive(), 1);
    drop(two);
    assert_eq!(meters.snapshots_alive(), 0);
}

#[test]
fn a_delay_is_shown_for_one_to_two_periods() {
    let lag = Lag::default();
    let at = |seconds: u64| Nanos(seconds * 1_000_000_000);
    lag.record(at(100), Duration::from_millis(70));
    lag.record(at(101), Duration::from_millis(1));
    assert_eq!(lag.greatest(), Duration::from_millis(70));
    lag.record(at(116), Duration::from_millis(2));
    assert_eq!(lag.greatest(), Duration::from_millis(70), "within two periods");
    lag.record(at(132), Duration::from_millis(3));
    assert_eq!(lag.greatest(), Duration::from_millis(3));
}
