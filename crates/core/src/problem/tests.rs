//! What a problem looks like, and which word was meant.

use super::{Place, Problem, Problems, Source, nearest, quote};

#[test]
fn the_word_that_was_meant_is_found() {
    let keys = ["balance", "backends", "timeouts", "retry", "host", "connections", "on", "to", "GET", "POST"];
    let cases = [
        ("blance", Some("balance")),
        ("Balance", Some("balance")),
        ("backend", Some("backends")),
        ("conections", Some("connections")),
        ("hots", Some("host")),
        ("get", Some("GET")),
        ("retyr", Some("retry")),
        ("x", None),
        ("xx", None),
        ("health", None),
        ("", None),
        ("timeoutstimeouts", None),
    ];
    for (word, meant) in cases {
        assert_eq!(nearest(word, keys), meant, "{word}");
    }
    assert_eq!(nearest(&"a".repeat(65), ["a"]), None, "long words are not compared");
    assert_eq!(nearest("tests", ["best", "test", "tests2"]), Some("test"), "the first of the nearest");
}

fn shown(line: &str, from: usize, length: u32) -> String {
    let source = Source::new("f.yaml", ".", format!("first\n{line}\r\nlast"));
    Problem::at(&Place::on_line(&source, 2, from, length), "reason").to_string()
}

#[test]
fn carets_stand_under_what_is_meant() {
    let cases = [
        ("a: b", 3, 1, "f.yaml:2:4: reason\n  2 | a: b\n    |    ^"),
        ("\ta: b", 4, 1, "f.yaml:2:5: reason\n  2 |     a: b\n    |        ^"),
        ("日本: b", 8, 1, "f.yaml:2:5: reason\n  2 | 日本: b\n    |       ^"),
        ("a: 日本", 3, 2, "f.yaml:2:4: reason\n  2 | a: 日本\n    |    ^^^^"),
        ("e\u{301}: b", 5, 1, "f.yaml:2:5: reason\n  2 | e\u{301}: b\n    |    ^"),
        ("a: \u{1b}[31m\u{202e}", 3, 1, "f.yaml:2:4: reason\n  2 | a: ·[31m·\n    |    ^"),
        ("a:", 2, 0, "f.yaml:2:3: reason\n  2 | a:\n    |   ^"),
        ("a:", 99, 9, "f.yaml:2:3: reason\n  2 | a:\n    |   ^"),
    ];
    for (line, from, length, expected) in cases {
        assert_eq!(shown(line, from, length), expected, "{line:?}");
    }
}

#[test]
fn long_lines_are_cut_around_the_caret() {
    let line = "é".repeat(5000) + "HERE" + &"é".repeat(5000);
    let text = shown(&line, 10_000, 4);
    let [head, source, carets] = text.split('\n').collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(head, "f.yaml:2:5001: reason");
    assert!(source.chars().count() <= "  2 | ".len() + 101 && source.starts_with("  2 | …"), "{source}");
    assert!(source.ends_with('…'), "{source}");
    let before = source.split("HERE").next().unwrap().chars().count();
    assert_eq!(carets.find('^'), Some(before), "{text}");
    assert!(carets.ends_with("^^^^") && !carets.ends_with("^^^^^"), "{carets}");
    let wide = shown(&"x".repeat(100_000), 0, 100_000);
    assert!(wide.len() < 400, "a long mark is cut too: {} bytes", wide.len());
}

#[test]
fn problems_are_bounded_counted_and_in_order() {
    let source = Source::new("f.yaml", ".", "a\nb\n");
    let mut problems = Problems::default();
    problems.push(Problem::at(&Place::on_line(&source, 2, 0, 1), "second"));
    problems.push(Problem::at(&Place::on_line(&source, 1, 0, 1), "first"));
    problems.push(Problem::new("nowhere").hint("look elsewhere"));
    let text = problems.clone().sorted().to_string();
    assert_eq!(
        text,
        "nowhere\n  hint: look elsewhere\n\nf.yaml:1:1: first\n  1 | a\n    | ^\n\nf.yaml:2:1: second\n  2 | b\n    | ^"
    );
    for _ in 0..200 {
        problems.push_with(|| Problem::new("more"));
    }
    assert_eq!((problems.count(), problems.iter().count()), (203, 100));
    assert!(problems.to_string().ends_with("\n\nand 103 more"));
    assert!(problems.unless_any(()).is_err() && Problems::default().unless_any(()).is_ok());
}

#[test]
fn what_an_operator_wrote_is_quoted_in_bounds_and_cannot_drive_a_terminal() {
    assert_eq!(quote("a\tb\n\u{7}\u{9b}"), "`a\\tb\\n··`");
    assert_eq!(quote(&"x".repeat(1000)).chars().count(), 63);
}

#[test]
fn colour_is_written_only_where_it_was_asked_for() {
    let source = Source::new("f.yaml", ".", "a: b");
    let placed = Problem::at(&Place::on_line(&source, 1, 3, 1), "reason").hint("hint");
    let inked =
        "f.yaml:1:4: \x1b[1mreason\x1b[0m\n  1 | a: b\n    |    \x1b[1;31m^\x1b[0m \x1b[36mhint\x1b[0m";
    assert_eq!(format!("{placed:#}"), inked);
    let placeless = Problem::new("reason").hint("hint");
    assert_eq!(format!("{placeless:#}"), "\x1b[1mreason\x1b[0m\n  \x1b[36mhint: hint\x1b[0m");
    let mut both = Problems::from(placed);
    both.push(placeless);
    assert!(format!("{both:#}").starts_with(inked));
    assert!(!both.to_string().contains('\x1b'));
}
