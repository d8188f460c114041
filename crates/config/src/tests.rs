//! What cannot be seen from outside: places of nodes, and `${…}` with variables of a test's own.

#[path = "../tests/members/mod.rs"]
pub(crate) mod members;

use crate::interpolate::Filling;
use crate::yaml;
use std::sync::Arc;
use tidegate_core::node::{Kind, Node, Value};
use tidegate_core::problem::{Problems, Source};

fn tree(text: &str) -> (Arc<Source>, Node) {
    let source = Source::new("f.yaml", env!("CARGO_MANIFEST_DIR"), text);
    let mut problems = Problems::default();
    let root = yaml::parse(&source, &mut 0, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    (source, root.unwrap())
}

#[test]
fn every_node_knows_where_it_stands() {
    let text = "# é 日本\nkey: value # comment\n\"日本\": 'é é'   \nlist:\n- one\r\n- { a: 1, b: }\n- [x, \"y\"]\nblock: |\n  first\n  second\n";
    let (_, root) = tree(text);
    let mut seen = Vec::new();
    let mut waiting = vec![&root];
    while let Some(node) = waiting.pop() {
        match &node.value {
            Value::List(nodes) => waiting.extend(nodes.iter().rev()),
            Value::Map(entries) => {
                for entry in entries.iter().rev() {
                    assert_eq!(entry.place.text().trim_matches('"'), &*entry.key);
                    waiting.push(&entry.value);
                }
            }
            _ => {}
        }
        let place = &node.place;
        seen.push((place.line, place.column, place.length, node.kind(), place.text().to_owned()));
    }
    let expected = [
        (2, 1, 1, Kind::Map, "k"),
        (2, 6, 5, Kind::Text, "value"),
        (3, 7, 5, Kind::Text, "'é é'"),
        (5, 3, 1, Kind::List, "o"),
        (5, 3, 3, Kind::Text, "one"),
        (6, 3, 1, Kind::Map, "{"),
        (6, 8, 1, Kind::Number, "1"),
        (6, 12, 0, Kind::Null, ""),
        (7, 3, 1, Kind::List, "["),
        (7, 4, 1, Kind::Text, "x"),
        (7, 7, 3, Kind::Text, "\"y\""),
        (9, 3, 5, Kind::Text, "first"),
    ];
    let seen: Vec<_> = seen.iter().map(|(l, c, n, kind, text)| (*l, *c, *n, *kind, text.as_str())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn variables_are_filled_in_after_parsing_and_marked() {
    let variables = |name: &str| match name {
        "HOST" => Some("example.com".to_owned()),
        "EMPTY" => Some(String::new()),
        "TRICK" => Some("a: b\n${HOST}".to_owned()),
        _ => None,
    };
    // Text, what becomes of it, whether any came from outside.
    let cases = [
        ("plain $HOST {HOST}", "plain $HOST {HOST}", false),
        ("${HOST}", "example.com", true),
        ("http://${HOST}:${PORT:-80}/", "http://example.com:80/", true),
        ("${EMPTY}", "", true),
        ("${EMPTY:-default}", "default", true),
        ("${NONE:-}", "", true),
        ("${NONE:-a:-b}", "a:-b", true),
        ("$${HOST}", "${HOST}", false),
        ("$$${HOST}", "$${HOST}", false),
        ("$${HOST} ${HOST}", "${HOST} example.com", true),
        ("${TRICK}", "a: b\n${HOST}", true),
    ];
    for (text, expected, is_resolved) in cases {
        let (_, mut root) = tree(&format!("key: '{text}'\n"));
        let mut problems = Problems::default();
        Filling::new(&variables).fill(&mut root, &mut problems);
        assert!(problems.is_empty(), "{text}: {problems}");
        let scalar = root.entry("key").unwrap().value.scalar().unwrap();
        assert_eq!((&*scalar.text, scalar.is_resolved), (expected, is_resolved), "{text}");
    }
    let (_, mut root) = tree("${HOST}: 1\n");
    Filling::new(&variables).fill(&mut root, &mut Problems::default());
    assert!(root.entry("${HOST}").is_some(), "keys are taken as they are");
}

#[test]
fn a_short_file_cannot_ask_for_a_long_one_many_times() {
    let (_, mut root) = tree(&format!("a:\n{}", "- ${LONG}\n".repeat(100)));
    let mut problems = Problems::default();
    Filling::new(&|_| Some("x".repeat(1 << 20))).fill(&mut root, &mut problems);
    assert_eq!(problems.count(), 1);
    assert!(problems.to_string().contains("all that came from `${…}` is more than 16 MiB"), "{problems}");
}
