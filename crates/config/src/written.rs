//! A configuration as it was written, as JSON that may be shown: secrets are not in it, and what came from `${…}` stands
//! there as `${…}`. Made while the tree is there, so that neither the tree nor a secret has to be kept for it.

use serde_json::Value as Json;
use std::fmt::{self, Debug, Formatter, Write};
use std::sync::Arc;
use tidegate_core::node::{Kind, Node, Scalar, Value};
use tidegate_core::problem::Source;
use tidegate_core::settings::{Declaration, Shape};

/// Stands for a secret that is written in the file itself.
const SECRET: &str = "[secret]";
/// Stands for what came from `${…}` where that cannot be cut out of the text.
const RESOLVED: &str = "[from ${…}]";

/// A configuration as it was written.
#[derive(Clone)]
pub struct Written {
    files: Vec<String>,
    json: Arc<str>,
}

impl Written {
    /// The names of the files, as the operator wrote them; the one that was asked for first.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// The configuration as JSON text, keys in the order of the file. Nothing in it is secret.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What was written below `root`, which is of this declaration.
    pub(crate) fn of(root: &Node, declaration: &Declaration) -> Written {
        let mut writer = Writer { out: String::new(), sources: Vec::new() };
        writer.node(root, &[&Shape::Struct(declaration.clone())]);
        let files = writer.sources.iter().map(|source| source.name.clone()).collect();
        Written { files, json: writer.out.into() }
    }
}

impl PartialEq for Written {
    /// Any two are equal: how a configuration is written is no part of what it says.
    fn eq(&self, _: &Written) -> bool {
        true
    }
}

impl Debug for Written {
    /// The names alone: the text may be 10 MiB.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

struct Writer {
    out: String,
    sources: Vec<Arc<Source>>,
}

impl Writer {
    /// Writes a node that has one of these shapes. Depth is bounded by the reader of the file.
    fn node(&mut self, node: &Node, shapes: &[&Shape]) {
        if !self.sources.iter().any(|source| Arc::ptr_eq(source, &node.place.source)) {
            self.sources.push(node.place.source.clone());
        }
        match &node.value {
            Value::Null | Value::Refused => self.out.push_str("null"),
            Value::Scalar(scalar) => self.scalar(node, scalar, shapes),
            Value::List(nodes) => {
                let items: Vec<&Shape> = shapes.iter().flat_map(|shape| items(shape)).collect();
                self.out.push('[');
                for (index, item) in nodes.iter().enumerate() {
                    self.out.push_str(if index == 0 { "" } else { "," });
                    self.node(item, &items);
                }
                self.out.push(']');
            }
            Value::Map(entries) => {
                self.out.push('{');
                for (index, entry) in entries.iter().enumerate() {
                    self.out.push_str(if index == 0 { "" } else { "," });
                    self.text(&entry.key);
                    self.out.push(':');
                    let values: Vec<&Shape> =
                        shapes.iter().flat_map(|shape| values(shape, &entry.key)).collect();
                    self.node(&entry.value, &values);
                }
                self.out.push('}');
            }
        }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, shapes: &[&Shape]) {
        // What no declaration knows may be anything: it is treated as a secret.
        let is_secret = shapes.is_empty() || shapes.iter().any(|shape| is_secret(shape));
        let written = node.place.text().trim_matches(['"', '\'']);
        match (is_secret, scalar.is_resolved) {
            (true, _) => self.text(node.reference().unwrap_or(SECRET)),
            (false, true) if written.contains("${") => self.text(written),
            (false, true) => self.text(RESOLVED),
            (false, false) => match scalar.kind() {
                Kind::Bool | Kind::Number => self.out.push_str(&scalar.text),
                _ => self.text(&scalar.text),
            },
        }
    }

    fn text(&mut self, text: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{}", Json::from(text));
    }
}

/// Whether a scalar of this shape is a secret.
fn is_secret(shape: &Shape) -> bool {
    match shape {
        Shape::Secret { .. } => true,
        Shape::Either(all) => all.iter().any(is_secret),
        Shape::Called(_, inner) | Shape::List(inner) => is_secret(inner),
        Shape::Struct(declaration) => short(declaration).is_some_and(is_secret),
        Shape::Word { .. } | Shape::Literal(_) | Shape::Choice(_) | Shape::Bool => false,
        Shape::Integer { .. } | Shape::Table { .. } => false,
    }
}

/// The shapes of the items, where a list has this one.
fn items(shape: &Shape) -> Vec<&Shape> {
    match shape {
        Shape::List(inner) => vec![inner],
        Shape::Either(all) => all.iter().flat_map(items).collect(),
        Shape::Called(_, inner) => items(inner),
        _ => Vec::new(),
    }
}

/// The shapes of the value of a key, where a map has this one.
fn values<'a>(shape: &'a Shape, key: &str) -> Vec<&'a Shape> {
    match shape {
        Shape::Table { value, .. } => vec![value],
        Shape::Either(all) => all.iter().flat_map(|shape| values(shape, key)).collect(),
        Shape::Called(_, inner) | Shape::List(inner) => values(inner, key),
        Shape::Struct(declaration) => {
            declaration.fields.iter().filter(|field| field.key == key).map(|field| &field.shape).collect()
        }
        _ => Vec::new(),
    }
}

/// What a scalar stands for.
fn short(declaration: &Declaration) -> Option<&Shape> {
    declaration.fields.iter().find(|field| declaration.short == Some(field.key)).map(|field| &field.shape)
}

#[cfg(test)]
mod tests;
