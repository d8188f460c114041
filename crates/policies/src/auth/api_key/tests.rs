//! The form of keys, and what a file of them says. Who is let in is tested through the gateway.

use super::config::Day;
use super::key::{Digest, is_key, make};
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
