//! Every word is read, shown and refused as documented.

use super::{Bind, ByteRate, Bytes, Count, Label, Period, Rate, Share, Use, inet};
use crate::node::{Node, Scalar, Value};
use crate::problem::{Place, Problems, Source};
use crate::settings::{Setting, Word};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Each text is read as the value, and what is shown is read back as the same. `Err` is part of the reason.
fn check<T: Word + PartialEq + Debug>(cases: &[(&str, Result<T, &str>)]) {
    for (text, expected) in cases {
        match (T::parse(text), expected) {
            (Ok(value), Ok(expected)) => {
                assert_eq!(&value, expected, "{text}");
                assert_eq!(
                    T::parse(&value.show()).as_ref(),
                    Ok(expected),
                    "{text} shown as {}",
                    value.show()
                );
            }
            (Err(fault), Err(expected)) => {
                assert!(fault.reason.contains(expected), "{text}: {}", fault.reason)
            }
            (read, _) => panic!("{text}: {read:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn times() {
    let ms = |ms| Ok(Duration::from_millis(ms));
    check(&[
        ("1ms", ms(1)),
        ("250ms", ms(250)),
        ("10s", ms(10_000)),
        ("5m", ms(300_000)),
        ("90m", ms(5_400_000)),
        ("1h", ms(3_600_000)),
        ("30d", ms(2_592_000_000)),
        ("1y", ms(31_536_000_000)),
        ("100y", ms(3_153_600_000_000)),
        ("101y", Err("is too long")),
        ("18446744073709551615s", Err("is too long")),
        ("184467440737095516150s", Err("is too long")),
        ("0s", Err("is no time at all")),
        ("10", Err("has no unit")),
        ("s", Err("is not a time")),
        ("", Err("is not a time")),
        ("1.5s", Err("is not a time")),
        ("-1s", Err("is not a time")),
        ("1 s", Err("is not a time")),
        (" 1s", Err("is not a time")),
        ("1S", Err("is not a time")),
        ("1min", Err("is not a time")),
        ("1m30s", Err("is not a time")),
        ("١s", Err("is not a time")),
    ]);
    assert_eq!(Word::show(&Duration::from_secs(3600)), "1h");
    assert_eq!(Word::show(&Duration::from_millis(1500)), "1500ms");
}

#[test]
fn sizes() {
    check::<Bytes>(&[
        ("0", Ok(Bytes(0))),
        ("4096", Ok(Bytes(4096))),
        ("512B", Ok(Bytes(512))),
        ("8KiB", Ok(Bytes(8 << 10))),
        ("64MiB", Ok(Bytes(64 << 20))),
        ("1GiB", Ok(Bytes(1 << 30))),
        ("2TiB", Ok(Bytes(2 << 40))),
        ("1048576TiB", Ok(Bytes(1 << 60))),
        ("1048577TiB", Err("is too large")),
        ("99999999999999999999", Err("is too large")),
        ("8KB", Err("is not a size")),
        ("8k", Err("is not a size")),
        ("8 KiB", Err("is not a size")),
        ("-1", Err("is not a size")),
        ("", Err("is not a size")),
        ("KiB", Err("is not a size")),
    ]);
    check::<Bytes<256, 4096>>(&[
        ("256", Ok(Bytes(256))),
        ("4KiB", Ok(Bytes(4096))),
        ("255", Err("is too small")),
        ("4097", Err("is too large")),
    ]);
}

#[test]
fn counts() {
    check::<Count<1, 10>>(&[
        ("1", Ok(Count(1))),
        ("10", Ok(Count(10))),
        ("007", Ok(Count(7))),
        ("0", Err("is out of range")),
        ("11", Err("is out of range")),
        ("99999999999999999999999", Err("is out of range")),
        ("1e3", Err("is not a whole number")),
        ("-1", Err("is not a whole number")),
        ("", Err("is not a whole number")),
    ]);
}

#[test]
fn shares() {
    let share = |millionths| Ok(Share { millionths });
    check(&[
        ("0%", share(0)),
        ("20%", share(200_000)),
        ("99.9%", share(999_000)),
        ("0.0001%", share(1)),
        ("100%", share(1_000_000)),
        ("100.0001%", Err("is more than the whole")),
        ("99999999999999999999%", Err("is not a share")),
        ("1.23456%", Err("is not a share")),
        ("0.2", Err("is not a share")),
        (".5%", Err("is not a share")),
        ("5.%", Err("is not a share")),
        ("%", Err("is not a share")),
        ("+5%", Err("is not a share")),
    ]);
}

#[test]
fn rates() {
    let rate = |count, per| Ok(Rate { count, per });
    check(&[
        ("100/s", rate(100, Period::Second)),
        ("100/min", rate(100, Period::Minute)),
        ("5/h", rate(5, Period::Hour)),
        ("1500/day", rate(1500, Period::Day)),
        ("10k/month", rate(10_000, Period::Month)),
        ("1M/month", rate(1_000_000, Period::Month)),
        ("0/s", Err("lets nothing through")),
        ("100", Err("is not a rate")),
        ("100/m", Err("has a period that is not known")),
        ("/s", Err("is not a rate")),
        ("1K/s", Err("is not a rate")),
    ]);
    let bytes = |bytes_per_second| Ok(ByteRate { bytes_per_second });
    check(&[
        ("1000B/s", bytes(1000)),
        ("50MiB/s", bytes(50 << 20)),
        ("1000", Err("is not a rate of bytes")),
        ("1000/s", Err("is not a rate of bytes")),
        ("1MB/s", Err("is not a rate of bytes")),
        ("0B/s", Err("is no rate at all")),
    ]);
}

#[test]
fn names() {
    let long = "a".repeat(63);
    let name = |text: &str| Ok(Label(text.into()));
    check(&[
        ("a", name("a")),
        ("orders-v2", name("orders-v2")),
        (long.as_str(), name(&long)),
        (&"a".repeat(64), Err("is not a name")),
        ("", Err("is not a name")),
        ("2a", Err("is not a name")),
        ("-a", Err("is not a name")),
        ("Orders", Err("is not a name")),
        ("a_b", Err("is not a name")),
        ("é", Err("is not a name")),
    ]);
}

fn read<T: Setting>(text: &str) -> Result<T, String> {
    let source = Source::new("f.yaml", "/srv/gate", text);
    let scalar = Scalar { text: text.into(), is_quoted: true, is_resolved: false };
    let node = Node { place: Place::on_line(&source, 1, 0, 1), value: Value::Scalar(scalar) };
    let mut problems = Problems::default();
    let value = T::read(&node, &mut problems);
    problems
        .unless_any(value)
        .map_err(|problems| problems.iter().map(|problem| problem.reason.clone()).collect())
}

#[test]
fn binds_and_paths_are_read_from_the_folder_of_their_file() {
    let inet = |text: &str| Ok(Bind::Inet(text.parse().unwrap()));
    let unix = |path: &str| Ok(Bind::Unix(path.into()));
    let cases = [
        ("127.0.0.1:8080", inet("127.0.0.1:8080")),
        ("[::1]:80", inet("[::1]:80")),
        ("0.0.0.0:0", inet("0.0.0.0:0")),
        ("unix:/run/a.sock", unix("/run/a.sock")),
        ("unix:///run/a.sock", unix("/run/a.sock")),
        ("unix:run/a.sock", unix("/srv/gate/run/a.sock")),
        ("unix:", Err("`unix:` has no path")),
        ("unix:a\0b", Err("`unix:a·b` holds a zero byte")),
        (":8080", Err("`:8080` has no address")),
        ("8080", Err("`8080` has no address")),
    ];
    for (text, expected) in cases {
        assert_eq!(read::<Bind>(text), expected.map_err(str::to_owned), "{text}");
    }
    let long = format!("unix:/{}", "a".repeat(107));
    assert!(read::<Bind>(&long).unwrap_err().ends_with("is too long for a socket"));
    assert!(read::<Bind>(&long[..long.len() - 1]).is_ok(), "107 bytes fit");
    assert_eq!(read::<PathBuf>("state").as_deref(), Ok(Path::new("/srv/gate/state")));
    assert_eq!(read::<PathBuf>("/var/state").as_deref(), Ok(Path::new("/var/state")));
    assert!(read::<PathBuf>("").is_err() && read::<PathBuf>("a\0b").is_err());
}

#[test]
fn addresses_are_refused_with_what_was_meant() {
    let cases = [
        (":80", Use::Listen, "write `127.0.0.1:80` for this machine alone, `0.0.0.0:80` for every address"),
        ("*:80", Use::Connect, "write `127.0.0.1:80` for this machine"),
        ("10.0.0.1", Use::Listen, "write a port after it: `10.0.0.1:8080`"),
        ("[::1]", Use::Listen, "write a port after it: `[::1]:8080`"),
        ("::1", Use::Listen, "write an IPv6 address in brackets and a port after them: `[::1]:8080`"),
        ("fe80::1:80", Use::Listen, "write an IPv6 address in brackets and a port after them: `[::1]:8080`"),
        ("gate:80", Use::Listen, "write an IP address and a port: `127.0.0.1:8080`, `[::1]:8080`"),
    ];
    for (text, usage, hint) in cases {
        assert_eq!(inet(text, usage).unwrap_err().hint.as_deref(), Some(hint), "{text}");
    }
}
