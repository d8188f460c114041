//! Files of users and credentials as they come. Who is let in is tested through the gateway.

use super::decoded;
use super::known::{KEPT, KEPT_MAX, Known};
use super::users::read;
use super::verifying::Outcome;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::cell::Cell;
use std::sync::Arc;
use tidegate_core::clock::Nanos;
use tidegate_core::identity::{Consumer, Identity};

/// `secret`, by the least cost there is.
fn bcrypted() -> String {
    bcrypt::hash("secret", 10).unwrap()
}

#[test]
fn users_with_safe_hashes_are_read_and_all_that_is_wrong_is_told() {
    let hash = bcrypted();
    let users = read(&format!("# people\n\nana:{hash}\nbob:{}\n", hash.replacen("$2b$", "$2y$", 1))).unwrap();
    assert_eq!(users.len(), 2);
    assert!(users["ana"].hash.is_of(b"secret") && users["bob"].hash.is_of(b"secret"));
    assert!(!users["ana"].hash.is_of(b"Secret") && !users["ana"].hash.is_of(b""));
    let argon = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$7cAXlVZM5Cgb9AoDQlaTPrKCN8oGbN0jPfIDZBGyWZk";
    assert_eq!(read(&format!("eve:{argon}")).map(|users| users.len()), Ok(1));
    let text = format!(
        "ana:{hash}\nana:{hash}\nbob\neve:$apr1$x$y\nmal:plain\nhal:$2b$x\n a b:{hash}\n\u{fc}:{hash}"
    );
    let wrong = read(&text).unwrap_err();
    let begins = ["line 2: `ana`", "line 3 is", "line 4: the", "line 5: the", "line 6: the", "line 8 has"];
    assert_eq!(wrong.len(), begins.len(), "{wrong:#?}");
    for (said, begin) in wrong.iter().zip(begins) {
        assert!(said.starts_with(begin) && !said.contains("plain"), "{said}");
    }
    assert_eq!(read("# nobody\n").unwrap_err(), ["has no users"]);
}

#[test]
fn hashes_that_are_too_cheap_or_too_dear_are_refused() {
    let bcrypt = |cost: &str| format!("ana:$2y${cost}$abcdefghijklmnopqrstuuFZ7mO3kq5CA6hLRSGJTCPRJUvUkS0Eq");
    let argon = |costs: &str| {
        format!("ana:$argon2id$v=19${costs}$c29tZXNhbHQ$7cAXlVZM5Cgb9AoDQlaTPrKCN8oGbN0jPfIDZBGyWZk")
    };
    for good in [bcrypt("10"), bcrypt("15"), argon("m=7168,t=5,p=1"), argon("m=47104,t=1,p=1")] {
        assert!(read(&good).is_ok(), "{good}: {:?}", read(&good));
    }
    for (bad, why) in [
        (bcrypt("05"), "below 10"),
        (bcrypt("16"), "above 15"),
        (bcrypt("31"), "above 15"),
        (argon("m=8,t=1,p=1"), "too small"),
        (argon("m=4194304,t=1,p=1"), "too large"),
        (argon("m=65536,t=1000,p=1"), "too large"),
        ("ana:$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ".into(), "not an argon2 hash"),
    ] {
        assert!(read(&bad).is_err_and(|told| told[0].contains(why)), "{bad}: {:?}", read(&bad));
    }
    let users =
        read(&format!("{}\n{}", bcrypt("10"), argon("m=47104,t=2,p=1").replacen("ana", "bob", 1))).unwrap();
    assert!(users["ana"].hash.cost() < users["bob"].hash.cost(), "1024 rounds against 94,208 KiB");
}

#[test]
fn a_password_that_many_show_at_once_is_verified_once() {
    let known = Known::new();
    let tag = known.tag(b"x");
    let begun = Cell::new(0);
    let begin = || {
        begun.set(begun.get() + 1);
        Some(Arc::new(Outcome::default()))
    };
    let first = known.join(tag, begin).unwrap();
    assert!(Arc::ptr_eq(&first, &known.join(tag, begin).unwrap()));
    assert!(!Arc::ptr_eq(&first, &known.join(known.tag(b"y"), begin).unwrap()));
    drop(first);
    assert!(known.join(tag, begin).is_some());
    assert_eq!(begun.get(), 3, "over is over");
    assert!(known.join(known.tag(b"z"), || None).is_none());
}

#[test]
fn a_right_password_is_renewed_by_its_use_and_the_one_unused_for_longest_makes_room() {
    let known = Known::new();
    let identity = Arc::new(Identity {
        consumer: Consumer::new("ana").unwrap(),
        scopes: Box::default(),
        by: "staff".into(),
    });
    let tag = |number: usize| known.tag(&number.to_be_bytes());
    let at = |seconds: u64| Nanos(seconds * 1_000_000_000);
    let most = KEPT.as_secs();
    known.keep(tag(0), &identity, at(0));
    known.keep(tag(1), &identity, at(0));
    for turn in 1..=5 {
        assert!(known.find(tag(0), at(turn * (most - 1))).is_some(), "in use, {turn}");
    }
    assert!(known.find(tag(1), at(most)).is_none(), "unused for as long as it is kept");
    assert!(known.find(tag(0), at(5 * (most - 1) + most)).is_none());
    let later = 10 * most;
    for number in 2..2 + KEPT_MAX {
        known.keep(tag(number), &identity, at(later));
    }
    assert!(known.find(tag(2), at(later + 1)).is_some());
    known.keep(tag(1), &identity, at(later + 2));
    let is_known = |number: usize| known.find(tag(number), at(later + 3)).is_some();
    assert!(is_known(1) && is_known(2), "what is in use stays");
    assert_eq!((2..2 + KEPT_MAX).filter(|number| !is_known(*number)).count(), 1);
}

#[test]
fn a_credential_is_a_name_without_a_colon_and_a_password_with_any() {
    let read = |text: &str| decoded(&STANDARD.encode(text));
    assert_eq!(read("ana:se:cret"), Some(("ana".into(), b"se:cret".to_vec())));
    assert_eq!(read("ana:"), Some(("ana".into(), Vec::new())));
    for text in ["", "ana", ":secret", "ana:se\0cret"] {
        assert_eq!(read(text), None, "{text:?}");
    }
    assert_eq!(decoded("not base64!"), None);
}
