//! The page of limits says what the program does: every bound of a listener, a route and the codec with the value it
//! has, and no others.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate_config::ListenLimits;
use tidegate_core::limits;
use tidegate_core::settings::Absent;

/// The rows of the table under a heading: what stands in its first column, and in its second.
fn table(heading: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/limits.md");
    let page = std::fs::read_to_string(path).unwrap();
    let section = page.split(&format!("## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    rows.map(cells).map(|cells| (cells[1].replace('`', ""), cells[2].replace('`', ""))).collect()
}

fn row(what: &str, bound: impl ToString) -> (String, String) {
    (what.to_owned(), bound.to_string())
}

#[test]
fn the_table_of_a_listener_is_its_declaration() {
    let declared = ListenLimits::declaration().fields.into_iter().map(|field| match field.absent {
        Absent::Value(value) => row(field.key, value),
        // Its default depends on who connects, and is told in words.
        _ => row(field.key, "1000, connections from this machine and of trusted peers not counted"),
    });
    assert_eq!(table("Of a listener"), declared.collect());
}

#[test]
fn the_fixed_bounds_are_those_of_the_code() {
    let bytes = |bytes: usize| format!("{bytes} bytes");
    let kib = |bytes: usize| format!("{} KiB", bytes >> 10);
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    let expected = [
        row("method", bytes(limits::METHOD_BYTES_MAX)),
        row("host", bytes(limits::HOST_BYTES_MAX)),
        row("field name", bytes(limits::FIELD_NAME_BYTES_MAX)),
        row("options of connection", limits::CONNECTION_OPTIONS_MAX),
        row("declared length, or a chunk", format!("{} bytes", limits::BODY_BYTES_MAX)),
        row("chunk extensions of a body", bytes(limits::CHUNK_EXTENSION_BYTES_MAX)),
        row(
            "trailers of a body",
            format!("{} fields, {}", limits::TRAILER_FIELDS_MAX, kib(limits::TRAILER_BYTES_MAX)),
        ),
        row(
            "body left unread when the answer is out",
            format!("{}, {} s", kib(limits::UNREAD_BODY_BYTES_MAX), limits::LINGER_TIME.as_secs()),
        ),
        row(
            "the same of an HTTP/2 stream",
            format!("{}, {} s", mib(limits::DRAIN_BYTES_MAX), limits::DRAIN_TIME.as_secs()),
        ),
        row("bodies held in memory for policies (shield)", mib(limits::GATHERED_BYTES_MAX)),
        row("the same of one client", mib(limits::GATHERED_BYTES_PER_CLIENT_MAX)),
        row("HTTP/2 uploads that no backend takes", mib(limits::UNTAKEN_BYTES_MAX)),
        row("of them, of one client", mib(limits::UNTAKEN_BYTES_PER_CLIENT_MAX)),
        row("passwords that wait to be verified", limits::PASSWORDS_WAITING_MAX),
        row("those of one client", limits::PASSWORDS_PER_CLIENT_MAX),
        row("compressors of answers", mib(limits::COMPRESSORS_BYTES_MAX)),
        row("TLS records in a row without data", limits::TLS_BARE_RECORDS_MAX),
        row("TLS handshakes under way, of a worker", limits::HANDSHAKES_MAX),
        row("the same with one client", limits::HANDSHAKES_PER_CLIENT_MAX),
        row("passes through this gateway", 1),
    ];
    assert_eq!(table("Fixed"), expected.into_iter().collect());
}
