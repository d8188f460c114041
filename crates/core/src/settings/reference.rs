//! The reference text, in Markdown, made of the same declarations as the reader and the schema.

use super::schema::plain;
use super::{Absent, Declaration, Shape};
use std::fmt::Write;

/// One section per group of keys, each with a table of its keys; the groups inside one follow it.
pub fn reference(root: &Declaration) -> String {
    let mut out = String::new();
    let mut waiting = vec![(String::new(), root.clone())];
    let mut seen: Vec<&str> = Vec::new();
    while !waiting.is_empty() {
        let (path, declaration) = waiting.remove(0);
        if seen.contains(&declaration.name) {
            continue;
        }
        seen.push(declaration.name);
        section(&path, &declaration, &mut out);
        let mut inside = Vec::new();
        for field in &declaration.fields {
            inner(&format!("{path}{}", field.key), &field.shape, &mut inside);
        }
        waiting.splice(..0, inside);
    }
    out
}

fn section(path: &str, declaration: &Declaration, out: &mut String) {
    let title = if path.is_empty() { "The file" } else { path.trim_end_matches('.') };
    let title = if path.is_empty() { title.to_owned() } else { format!("`{title}`") };
    let mut text = format!("## {title}\n\n{}\n\n", plain(declaration.doc));
    if let Some(short) = declaration.short {
        let is_list = declaration.short_shape().is_some_and(Shape::is_list);
        let form = if is_list { "a value or a list" } else { "a value" };
        text.push_str(&format!("Short form: {form} alone stands for `{short}`.\n\n"));
    }
    text.push_str("| key | value | default | |\n|---|---|---|---|\n");
    for field in &declaration.fields {
        let absent = match &field.absent {
            Absent::Refused => "must be written".to_owned(),
            Absent::Nothing => String::new(),
            Absent::Value(shown) => format!("`{}`", cell(shown)),
        };
        let values = cell(&describe(&field.shape));
        text.push_str(&format!("| `{}` | {values} | {absent} | {} |\n", field.key, cell(&plain(field.doc))));
    }
    for field in &declaration.fields {
        if let Some(words) = words_of(&field.shape) {
            writeln!(text, "\n`{}`:", field.key).unwrap_or_default();
            for (word, doc) in words {
                writeln!(text, "- `{word}`: {}", plain(doc)).unwrap_or_default();
            }
        }
    }
    out.push_str(&text);
    out.push('\n');
}

/// The words that are one way to write a value.
fn words_of(shape: &Shape) -> Option<&[(&'static str, &'static str)]> {
    match shape {
        Shape::Choice(words) => Some(words),
        Shape::Either(all) => all.iter().find_map(words_of),
        Shape::Called(_, shape) => words_of(shape),
        _ => None,
    }
}

/// The groups inside a value, with the path that leads to them.
fn inner(path: &str, shape: &Shape, waiting: &mut Vec<(String, Declaration)>) {
    match shape {
        Shape::Struct(declaration) => waiting.push((format!("{path}."), declaration.clone())),
        Shape::List(shape) => inner(&format!("{path}[]"), shape, waiting),
        Shape::Table { value, .. } => inner(&format!("{path}.NAME"), value, waiting),
        Shape::Called(_, shape) => inner(path, shape, waiting),
        Shape::Either(all) => all.iter().for_each(|shape| inner(path, shape, waiting)),
        _ => {}
    }
}

/// What may be written, in a few words.
fn describe(shape: &Shape) -> String {
    match shape {
        Shape::Word { what, .. } => (*what).to_owned(),
        Shape::Secret { what } => format!("{what}; never shown"),
        Shape::Literal(word) => format!("`{word}`"),
        Shape::Choice(words) => {
            words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Integer { min, max } if min == max => format!("`{min}`"),
        Shape::Integer { min: 0, max } if *max == u64::from(u32::MAX) => "a whole number".to_owned(),
        Shape::Integer { min, max } if *max == u64::from(u32::MAX) => format!("a whole number from {min} on"),
        Shape::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Shape::Either(all) => all.iter().map(describe).collect::<Vec<_>>().join(" or "),
        Shape::Called(what, _) => (*what).to_owned(),
        Shape::List(inner) => format!("a list: {}", describe(inner)),
        Shape::Table { value, .. } => format!("by name: {}", describe(value)),
        Shape::Struct(_) => "keys, below".to_owned(),
    }
}

/// Text inside a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
