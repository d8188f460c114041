//! Enough of Rust's grammar to look at code alone: comments and literals blanked, test code blanked. Lines
//! stay where they are. Used by the rules that forbid a call or a macro.

use crate::tree::Tree;

/// The code of a Rust file: comments and the insides of literals become spaces.
pub(crate) fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let length = not_code(bytes, at);
        blank(&mut out[at..at + length]);
        at += length.max(1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The code of a Rust file without what is compiled for tests only.
pub(crate) fn product_code_of(text: &str) -> String {
    let code = code_of(text);
    let mut out = code.clone().into_bytes();
    for (start, end) in test_items(&code) {
        blank(&mut out[start..end]);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a file is compiled for tests or examples only: by its place, or because its parent says
/// `#[cfg(test)] mod name;`.
pub(crate) fn is_test_file(tree: &Tree, path: &str) -> bool {
    let mut folders: Vec<&str> = path.split('/').collect();
    let name = folders.pop().unwrap_or_default();
    if name == "tests.rs" || folders.iter().any(|f| ["tests", "examples", "benches"].contains(f)) {
        return true;
    }
    let module = if name == "mod.rs" { folders.pop() } else { name.strip_suffix(".rs") };
    let Some(module) = module else { return false };
    let folder = folders.join("/");
    [format!("{folder}/mod.rs"), format!("{folder}/lib.rs"), format!("{folder}.rs")]
        .iter()
        .filter_map(|parent| tree.find(parent))
        .any(|parent| declares_for_tests(&parent.text, module))
}

fn declares_for_tests(text: &str, module: &str) -> bool {
    let code = code_of(text);
    let declared = format!("mod {module};");
    test_items(&code).iter().any(|&(start, end)| code[start..end].ends_with(&declared))
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// The length of the comment or literal that begins at `at`; 0 where code goes on.
fn not_code(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !follows_word(bytes, at) => raw_string(rest),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        [b'\'', ..] => character(rest),
        _ => 0,
    }
}

/// Whether `at` is inside a word; the `b` and `c` of `br"` and `cr"` do not count.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |index: usize| bytes[index] == b'_' || bytes[index].is_ascii_alphanumeric();
    match at {
        0 => false,
        1 => is_word(0) && !matches!(bytes[0], b'b' | b'c'),
        _ => is_word(at - 1) && (!matches!(bytes[at - 1], b'b' | b'c') || is_word(at - 2)),
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0; // a raw identifier
    }
    let end = [b"\"".as_slice(), &rest[1..1 + hashes]].concat();
    let body = 2 + hashes;
    let length = rest[body..].windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| body + length + end.len())
}

/// A character literal, or nothing where the quote begins a lifetime.
fn character(rest: &[u8]) -> usize {
    let length = match rest.get(1) {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    if rest.get(1 + length) == Some(&b'\'') { length + 2 } else { 0 }
}

/// Start and end of every item that stands behind `#[cfg(test)]` or `#[cfg(any(test, …))]`.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    const MARKS: [&str; 2] = ["#[cfg(test)]", "#[cfg(any(test"];
    const ITEMS: [&str; 11] =
        ["mod", "fn", "pub", "use", "impl", "struct", "enum", "const", "static", "type", "async"];
    let mut items = Vec::new();
    for mark in MARKS {
        for (start, _) in code.match_indices(mark) {
            let item = start + attributes(&code[start..]);
            let word: String = code[item..].chars().take_while(char::is_ascii_alphabetic).collect();
            if ITEMS.contains(&word.as_str()) {
                items.push((start, item + item_length(&code[item..])));
            }
        }
    }
    items
}

/// The length of the attributes and white space at the start.
fn attributes(code: &str) -> usize {
    let mut at = 0;
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        if !code[at..].starts_with("#[") {
            return at;
        }
        at += balanced(&code[at + 1..], '[', ']') + 1;
    }
}

/// The length of an item: to its closing brace, or to its semicolon if that comes before any brace.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, char) in code.char_indices() {
        match char {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            '{' if depth == 0 => {
                let end = at + balanced(&code[at..], '{', '}');
                return end + usize::from(code[end..].starts_with(';')); // `use a::{b, c};`
            }
            _ => {}
        }
    }
    code.len()
}

/// The length up to and with the bracket that closes the first one.
fn balanced(code: &str, open: char, close: char) -> usize {
    let mut depth = 0;
    for (at, char) in code.char_indices() {
        if char == open {
            depth += 1;
        } else if char == close {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    code.len()
}

#[test]
fn comments_and_literals_are_not_code() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x \" y") g"#, "f(        ) g"),
        (r##"f(r#"x " y"#) g"##, "f(          ) g"),
        (r#"f(br"x\", y) g"#, "f(b     , y) g"),
        ("r#type x", "r#type x"),
        (r"'a' '\'' 'é' 'static x", "              'static x"),
        ("var\"a\"", "var   "),
    ];
    for (text, code) in cases {
        let out = code_of(text);
        assert_eq!(out.trim_end(), code.trim_end(), "{text}");
        assert_eq!(out.len(), text.len(), "{text}: every byte keeps its place");
    }
}

#[test]
fn test_code_is_not_product_code() {
    let cases = [
        ("#[cfg(test)]\nmod tests { fn f() { a } }\nb", "\n\nb"),
        ("#[cfg(test)] mod tests;\nb", "\nb"),
        ("#[cfg(test)]\n#[allow(x)]\npub fn f(a: [u8; 2]) { c }\nb", "\n\n\nb"),
        ("#[cfg(any(test, feature = \"x\"))]\nmod m { a }\nb", "\n\nb"),
        ("#[cfg(test)]\nuse a::{b, c};\nd", "\n\nd"),
        ("#[cfg(not(test))] fn f() { a }", "#[cfg(not(test))] fn f() { a }"),
    ];
    for (text, code) in cases {
        let out = product_code_of(text);
        let lines = |text: &str| text.lines().map(|l| l.trim().to_string()).collect::<Vec<_>>();
        assert_eq!(lines(&out).join("\n"), code, "{text}");
    }
}
