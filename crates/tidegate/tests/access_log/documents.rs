//! The guides name every field and every metric there is, and no others.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::everything_to;
use tidegate_testkit::{RawBackend, Setup, process};

use crate::{BIN, FIELDS, parsed};

fn guide(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in the first column of a guide's tables.
fn told(guide: &str) -> BTreeSet<String> {
    let first = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    first.map(|name| name.split('{').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_guide_tells_every_field_and_shows_a_line() {
    let guide = guide("access-log.md");
    let expected: BTreeSet<String> = FIELDS.iter().map(|field| (*field).to_owned()).collect();
    assert_eq!(told(&guide), expected);
    let examples: Vec<_> = guide.lines().filter(|line| line.starts_with("{\"time\"")).map(parsed).collect();
    assert!(!examples.is_empty(), "it shows a line");
}

#[test]
fn what_the_guides_say_to_write_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tidegate.yaml");
    let mut count = 0;
    for name in ["access-log.md", "metrics.md"] {
        for block in guide(name).split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let text = format!("version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\n{block}");
            std::fs::write(&file, text).expect("write the configuration");
            let ended = process::run(Command::new(BIN).arg("validate").arg(&file));
            assert_eq!(ended.code, Some(0), "{name}: {block}{}", ended.stderr);
            count += 1;
        }
    }
    assert!(count >= 2, "{count} examples");
}

#[test]
fn the_guide_tells_every_metric() {
    let backend = RawBackend::answering(OK);
    let gateway = Setup::new(BIN).start(&everything_to(&[backend.address], ""));
    gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let page = gateway.admin_get("/metrics");
    let page = String::from_utf8_lossy(&page.body).into_owned();
    let families: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(told(&guide("metrics.md")), families);
    gateway.stop();
}
