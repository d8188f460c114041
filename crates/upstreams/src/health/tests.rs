//! What checks and requests do to the backends of a service, as histories: what happened to whom, and what each is
//! then.

use super::*;
use crate::balancers::simulation::roster;
use std::time::Duration;
use tidegate_core::service::Check;

/// One thing that happens to a backend.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A check finds this.
    Check(Finding),
    /// A check is late, and the backend answered a request while it ran.
    LateUnderLoad,
    /// A request is refused.
    RequestRefused,
    /// A request connects.
    RequestConnects,
}
use Event::{Check as C, LateUnderLoad, RequestConnects, RequestRefused};
use Finding::{Bad, Good, Late, Refused};

/// To which backend.
type Happened = (usize, Event);

fn health(healthy: u32, unhealthy: u32) -> Health {
    let every = Duration::from_secs(2);
    Health { check: Check::Connect, every, timeout: Duration::from_secs(1), healthy, unhealthy }
}

fn found(finding: Finding, began: Nanos, ended: Nanos) -> Checked {
    let reason = match finding {
        Refused => DownReason::Refused,
        Late => DownReason::CheckTimeout,
        Good | Bad => DownReason::CheckStatus(500),
    };
    Checked { finding, reason, began, ended }
}

/// Plays a history, an event a second, and gives the states as `u`nknown, `U`p, `O`ut and `G`one; `!` behind them where
/// the checks are not believed.
fn play(backends: usize, rules: &Health, history: &[Happened]) -> String {
    let roster = roster(&vec![1; backends]);
    for (second, &(index, event)) in history.iter().enumerate() {
        let second = |at: f64| Nanos(((second as f64 + 1.0 + at) * 1e9) as u64);
        let cell = &roster.backends[index].cell;
        let check = |finding| {
            let checked = found(finding, second(0.0), second(0.5));
            if note(cell, rules, checked) {
                settle(&roster, second(0.5));
            }
        };
        match event {
            C(finding) => check(finding),
            LateUnderLoad => {
                cell.answered_at.store(second(0.2).0, Relaxed);
                check(Late);
            }
            RequestRefused => {
                cell.connect_failed(second(0.0), DownReason::Refused);
                settle(&roster, second(0.1)); // as happens now and then
            }
            RequestConnects => cell.reached(second(0.0)),
        }
    }
    let letters = roster.backends.iter().map(|backend| match backend.cell.state.get() {
        State::Unknown => 'u',
        State::Up => 'U',
        State::Out => 'O',
        State::Gone => 'G',
    });
    let panic = roster.is_panicking.load(Relaxed).then_some('!');
    letters.chain(panic).collect()
}

#[test]
fn histories_end_as_they_should() {
    let on = |index: usize, events: &[Event]| -> Vec<Happened> {
        events.iter().map(|event| (index, *event)).collect()
    };
    let cases: [(&str, Vec<Happened>, &str); _] = [
        ("nothing is known", vec![], "uu"),
        ("one good check", on(0, &[C(Good)]), "Uu"),
        ("a request connects", on(0, &[RequestConnects]), "Uu"),
        ("failures below the limit", on(0, &[C(Bad), C(Late)]), "uu"),
        ("failures in a row", on(0, &[C(Bad), C(Late), C(Bad)]), "Ou"),
        ("failures with a good one between", on(0, &[C(Bad), C(Bad), C(Good), C(Bad), C(Bad)]), "Uu"),
        ("refused by a check", on(0, &[C(Good), C(Refused)]), "Gu"),
        ("refused by a request", on(0, &[C(Good), RequestRefused]), "Gu"),
        ("a request connects to one that is gone", on(0, &[RequestRefused, RequestConnects]), "Gu"),
        ("one good check is not enough", on(0, &[RequestRefused, C(Good)]), "Ou"),
        ("two good checks are", on(0, &[RequestRefused, C(Good), C(Good)]), "Uu"),
        (
            "good checks before its end do not count",
            on(0, &[C(Good), C(Good), RequestRefused, C(Good)]),
            "Ou",
        ),
        ("refused while it comes back", on(0, &[C(Refused), C(Good), RequestRefused, C(Good)]), "Ou"),
        ("back from failures", on(0, &[C(Bad), C(Bad), C(Bad), C(Good), C(Good)]), "Uu"),
        ("gone, then there and not well", on(0, &[C(Refused), C(Bad)]), "Ou"),
        ("gone, then not to be reached", on(0, &[C(Refused), C(Late), C(Late), C(Late)]), "Gu"),
        ("late under load, for ever", on(0, &[LateUnderLoad; 20]), "uu"),
        ("late under load between failures", on(0, &[C(Late), C(Late), LateUnderLoad, C(Late)]), "Ou"),
    ];
    for (name, history, expected) in cases {
        assert_eq!(play(2, &health(2, 3), &history), expected, "{name}");
    }
}

#[test]
fn when_all_fail_their_checks_each_is_down_and_none_is_left_out() {
    let ill = |index: usize| vec![(index, C(Late)); 3];
    let well = |index: usize| vec![(index, C(Good)); 2];
    let refused = |index: usize| vec![(index, RequestRefused)];
    let cases: [(&str, Vec<Vec<Happened>>, &str); _] = [
        ("two of three", vec![well(2), ill(0), ill(1)], "OOU"),
        ("all", vec![well(2), ill(0), ill(1), ill(2)], "OOO!"),
        ("one of all is well again", vec![ill(0), ill(1), ill(2), well(1)], "OUO"),
        (
            "those that are gone are not those that are left",
            vec![well(2), ill(0), refused(1), refused(2)],
            "OGG!",
        ),
        (
            "and are no help when they come back ill",
            vec![ill(0), refused(1), refused(2), vec![(1, C(Bad))]],
            "OOG!",
        ),
        (
            "nothing listens anywhere: there is no doubt",
            [0, 1, 2].map(|i| vec![(i, C(Refused))]).into(),
            "GGG",
        ),
        (
            "the first of all to come back is not kept waiting",
            [0, 1, 2].map(|i| vec![(i, C(Refused))]).into_iter().chain([vec![(1, C(Good))]]).collect(),
            "GOG!",
        ),
        ("until one is well", vec![ill(0), refused(1), refused(2), well(2)], "OGU"),
    ];
    for (name, parts, expected) in cases {
        assert_eq!(play(3, &health(2, 3), &parts.concat()), expected, "{name}");
    }
    assert_eq!(play(1, &health(1, 1), &[(0, C(Bad)), (0, C(Late))]), "O!", "a single one");
    assert_eq!(play(1, &health(1, 1), &[(0, C(Refused))]), "G", "nothing listens: there is no doubt");
}

#[test]
fn other_limits_hold_for_what_was_counted_before() {
    let roster = roster(&[1, 1]);
    let cell = &roster.backends[0].cell;
    let checked = found(Late, Nanos(1), Nanos(2));
    assert!(!note(cell, &health(2, 10), checked) && !note(cell, &health(2, 10), checked));
    assert!(note(cell, &health(2, 3), checked), "a reload has lowered the limit: this is the third");
    settle(&roster, Nanos(3));
    assert_eq!((cell.state.get(), cell.state.since()), (State::Out, Nanos(3)));
}

#[test]
fn what_is_down_says_why() {
    let on = |events: &[Event]| -> Option<DownReason> {
        let roster = roster(&[1, 1]);
        let cell = &roster.backends[0].cell;
        for (event, at) in events.iter().zip(1..) {
            match event {
                C(finding) => {
                    let _ = note(cell, &health(2, 2), found(*finding, Nanos(at), Nanos(at)));
                }
                _ => cell.connect_failed(Nanos(at), DownReason::Timeout),
            }
            settle(&roster, Nanos(at));
        }
        cell.down_reason()
    };
    let cases: [(&[Event], Option<DownReason>); _] = [
        (&[C(Bad)], None),
        (&[C(Bad), C(Bad)], Some(DownReason::CheckStatus(500))),
        (&[C(Bad), C(Late)], Some(DownReason::CheckTimeout)),
        (&[C(Bad), C(Bad), C(Good), C(Good)], None),
        (&[C(Refused)], Some(DownReason::Refused)),
        (&[RequestRefused, C(Late)], Some(DownReason::Timeout)),
        (&[RequestRefused, C(Bad)], Some(DownReason::CheckStatus(500))),
        (&[RequestRefused, C(Good)], Some(DownReason::Timeout)),
    ];
    for (events, reason) in cases {
        assert_eq!(on(events), reason, "{events:?}");
    }
}

/// It starts anew, and the streak that brought it back goes on.
#[test]
fn what_comes_back_has_no_past() {
    let roster = roster(&[1, 1]);
    let cell = &roster.backends[0].cell;
    cell.latency_ns.store(5_000_000_000, Relaxed);
    cell.connect_failed(Nanos(1), DownReason::Refused);
    for at in [2, 3] {
        let _ = note(cell, &health(2, 3), found(Good, Nanos(at), Nanos(at)));
    }
    assert_eq!((cell.state.get(), cell.latency_ns.load(Relaxed)), (State::Up, 0));
    assert_eq!((cell.streak.load(Relaxed), cell.is_ill.load(Relaxed)), (2, false));
}
