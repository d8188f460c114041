//! The form of keys, and what a file of them says. Who is let in is tested through the gateway.

use super::ApiKey;
use super::config::Day;
use super::key::{Digest, is_key, make};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tidegate_core::auth::Finding;
use tidegate_core::header::HeaderName;
use tidegate_core::identity::{Consumer, Identity};
use tidegate_core::keys::{self, HandedOut, Keys, Lookup, Unable};
use tidegate_core::settings::Word;

#[test]
fn a_new_key_has_the_form_and_no_slip_of_it_does() {
    for prefix in ["tg", "tg_live", "a1_b2_c3"] {
        let key = make(prefix).unwrap();
        assert!(key.starts_with(&format!("{prefix}_")) && is_key(&key), "{key}");
        assert_ne!(key, make(prefix).unwrap());
        for at in 0..key.len() {
            let shorter = format!("{}{}", &key[..at], &key[at + 1..]);
            assert!(!is_key(&shorter), "{shorter}");
            let other = if key.as_bytes()[at] == b'x' { "y" } else { "x" };
            let slip = format!("{}{other}{}", &key[..at], &key[at + 1..]);
            assert!(!is_key(&slip), "{slip}");
        }
    }
    for text in ["", "_", "tg", "tg_a_b", "tg__000000", "\u{e9}_a_b", &"x".repeat(5000)] {
        assert!(!is_key(text), "{text}");
    }
    for prefix in ["", "_", "TG", "tg_", "tg live", "tg\n", &"x".repeat(33)] {
        assert!(make(prefix).is_err(), "{prefix}");
    }
    // Computed elsewhere (zlib and base 62 of its CRC-32): the form must not change under keys that are handed out.
    assert!(is_key("tg_live_0123456789ABCDEFGHIJKLMNOPQRSTUV_2ALRRa"));
}

/// Knows one key, and has to ask for it; or cannot.
struct Elsewhere(Result<HandedOut, Unable>);

impl Keys for Elsewhere {
    fn find(&self, digest: keys::Digest) -> Lookup<'_> {
        Lookup::Wait(Box::pin(async move {
            match &self.0 {
                Ok(key) => Ok(Some(key.clone()).filter(|key| key.digest[..4] == digest[..4])),
                Err(unable) => Err(*unable),
            }
        }))
    }
}

/// What a key is found to be by whoever has to ask for it.
fn asked(keys: Result<HandedOut, Unable>, shown: &str, now: u64) -> String {
    let entry = ApiKey {
        entry: "a".into(),
        header: HeaderName::of("x-api-key"),
        keys: Box::new(Elsewhere(keys)),
        is_kept: false,
    };
    let mut said = entry.judge(shown.as_bytes(), now);
    while let Finding::Wait(mut future) = said {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(next) = future.as_mut().poll(&mut context) else { panic!("waits for nothing") };
        said = next;
    }
    match said {
        Finding::Known(identity) => identity.consumer.as_str().into(),
        Finding::Refused(reason) | Finding::Unable(reason) => reason.code.into(),
        _ => panic!("neither good nor bad"),
    }
}

#[test]
fn keys_may_be_kept_elsewhere() {
    let (key, other) = (make("tg").unwrap(), make("tg").unwrap());
    let identity =
        Identity { consumer: Consumer::new("web").unwrap(), scopes: Box::default(), by: "a".into() };
    let kept = HandedOut { digest: Digest::of(&key).0, identity: Arc::new(identity), ends: Some(100) };
    assert_eq!(asked(Ok(kept.clone()), &key, 99), "web");
    assert_eq!(asked(Ok(kept.clone()), &key, 100), "expired");
    assert_eq!(asked(Ok(kept.clone()), &other, 99), "unknown_key");
    // What is alike enough to be found is compared in full.
    let mut alike = kept;
    alike.digest[31] ^= 1;
    assert_eq!(asked(Ok(alike), &key, 99), "unknown_key");
    assert_eq!(asked(Err(Unable("store_away")), &key, 99), "store_away");
}

#[test]
fn digests_are_written_one_way() {
    let digest = Digest::of("abc");
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest.show(), format!("sha256:{hex}"));
    assert_eq!(Digest::parse(&digest.show()), Ok(digest));
    for text in
        ["", hex, "sha256:", &format!("sha256:{}", hex.to_uppercase()), &format!("sha256:{hex}0"), "md5:00"]
    {
        assert!(Digest::parse(text).is_err(), "{text}");
    }
}

#[test]
fn days_are_those_of_the_calendar() {
    let cases = [
        ("1970-01-01", 0),
        ("2000-03-01", 951_868_800),
        ("2024-02-29", 1_709_164_800),
        ("2100-01-01", 4_102_444_800),
    ];
    for (text, seconds) in cases {
        assert_eq!(Day::parse(text), Ok(Day(seconds)), "{text}");
    }
    for text in [
        "",
        "2027",
        "2027-02-29",
        "2100-02-29",
        "2027-13-01",
        "2027-00-01",
        "2027-1-1",
        "1969-12-31",
        "2027-01-01T00:00:00Z",
    ] {
        assert!(Day::parse(text).is_err(), "{text}");
    }
}
