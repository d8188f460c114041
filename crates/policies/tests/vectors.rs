//! libinjection's own vectors, which `scripts/test-vectors` fetches: what the library here makes of them, and what the
//! shield does, which looks for more and leaves out what ordinary text has. The files hold a value a line, escaped as in
//! a query; some lines are known to their authors to be missed, as the scripts beside them say.

use libinjectionrs::{SqliFlags, SqliState, detect_xss};
use std::fs;
use std::path::PathBuf;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::node::{Node, Scalar, Value};
use tidegate_core::policy::{Policy, RequestView, Verdict};
use tidegate_core::problem::{Place, Source};
use tidegate_core::template::Origin;

/// Lines that libinjection may miss or flag by its own scripts: of SQL, of script, of false positives.
const MISSED_SQL_MAX: usize = 18;
const MISSED_XSS_MAX: usize = 18;
const FLAGGED_MAX: usize = 21;
/// What the library here misses beside that, as it is another program that does nearly the same.
const LIBRARY_MISSED_MAX: usize = 180;

fn folder() -> PathBuf {
    let root = std::env::var_os("TIDEGATE_TEST_VECTORS")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/vectors")));
    let folder = root.join("libinjection");
    assert!(
        folder.join("complete").exists(),
        "no vectors in {}. Run: scripts/test-vectors",
        folder.display()
    );
    folder
}

/// The values of all files that begin so.
fn values(begin: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder().join("data")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_string_lossy().starts_with(begin));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read(file).unwrap();
        let lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
        all.extend(lines.filter(|line| !line.is_empty() && line[0] != b'#').map(unescaped));
    }
    all
}

fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut rest = line;
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, escaped.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                value.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => value.push(b' '),
            _ => value.push(*first),
        }
        rest = after;
    }
    value
}

fn is_sql(value: &[u8]) -> bool {
    SqliState::new(value, SqliFlags::FLAG_NONE).detect()
}

fn shield() -> Box<dyn Policy> {
    let kind = tidegate_policies::ALL.iter().find(|kind| kind.name == "shield").expect("a member");
    let value = Value::Scalar(Scalar { text: "true".into(), is_quoted: false, is_resolved: false });
    let node = Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value };
    Alone::new("a", &[]).build(|building| (kind.build)(&node, building)).pop().expect("a shield")
}

/// Whether the shield refuses a request with this value in its query.
fn is_refused(policy: &dyn Policy, value: &[u8]) -> bool {
    let client =
        Client { address: None, listener: "http".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let mut head = RequestHead::default();
    let query: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
    head.path = head.fields.add_text(b"/a");
    head.query = head.fields.add_text(format!("q={query}").as_bytes());
    head.has_query = true;
    !matches!(policy.request(RequestView { head: &mut head, origin, note: &mut 0 }), Verdict::Continue)
}

/// The share of values of which something holds, printed; and how many are left over.
fn left(what: &str, values: &[Vec<u8>], holds: impl Fn(&[u8]) -> bool) -> usize {
    let over: Vec<&Vec<u8>> = values.iter().filter(|value| !holds(value)).collect();
    println!("{what}: {} of {}", values.len() - over.len(), values.len());
    for value in over.iter().take(20) {
        println!("    {}", String::from_utf8_lossy(value));
    }
    over.len()
}

#[test]
fn the_library_passes_its_own_tests_of_fingerprints() {
    let mut count = 0;
    for entry in fs::read_dir(folder().join("tests")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("test-sqli-") {
            continue;
        }
        let text = String::from_utf8(fs::read(&file).unwrap()).unwrap();
        let (_, rest) = text.split_once("--INPUT--\n").unwrap();
        let (input, expected) = rest.split_once("--EXPECTED--\n").unwrap();
        let input = input.trim_end_matches('\n');
        let mut state = SqliState::new(input.as_bytes(), SqliFlags::FLAG_NONE);
        let found = if state.detect() { state.get_fingerprint().as_str().to_owned() } else { String::new() };
        assert_eq!(found.trim_end_matches('\0'), expected.trim(), "{name}: {input}");
        count += 1;
    }
    assert!(count >= 50, "{count}");
}

/// The library knows `IN BOOLEAN MODE` as three words, which libinjection knows as one; the shield looks for that itself.
fn is_known_gap(value: &[u8]) -> bool {
    value.to_ascii_uppercase().windows(15).any(|part| part == b"IN BOOLEAN MODE")
}

#[test]
fn attacks_that_libinjection_knows_are_refused() {
    let (sql, xss) = (values("sqli-"), values("xss-"));
    assert!(sql.len() > 80_000 && xss.len() > 80_000, "{} {}", sql.len(), xss.len());
    let known = |value: &[u8]| is_sql(value) || is_known_gap(value);
    assert!(left("SQL, the library", &sql, known) <= MISSED_SQL_MAX + LIBRARY_MISSED_MAX);
    assert!(left("script, the library", &xss, |value| detect_xss(value).is_injection()) <= MISSED_XSS_MAX);
    let shield = shield();
    let missed = left("SQL, the shield", &sql, |value| is_refused(&*shield, value));
    assert!(missed * 200 <= sql.len(), "{missed}: more than one in 200");
    assert!(left("script, the shield", &xss, |value| is_refused(&*shield, value)) <= MISSED_XSS_MAX);
}

#[test]
fn what_was_once_taken_for_sql_by_mistake_passes() {
    let benign = values("false_positives");
    assert!(benign.len() > 400, "{}", benign.len());
    let flagged = left("ordinary, the library", &benign, |value| !is_sql(value));
    let shield = shield();
    let refused = left("ordinary, the shield", &benign, |value| !is_refused(&*shield, value));
    assert!(flagged <= FLAGGED_MAX && refused < flagged, "{refused} {flagged}");
}
