//! YAML or JSON text to a tree of nodes. The parser gives events; this gives them places and bounds, and
//! refuses what a configuration has no use for: anchors, tags, several documents, keys that are not text.
//! No recursion: depth is bounded before a node is made, whatever the file holds.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;
use std::sync::Arc;
use tidegate_core::node::{Entry, Node, Scalar, Value};
use tidegate_core::problem::{Place, Problem, Problems, Source, quote};

/// Deeper than any sensible file; the trees are read by recursion later.
const DEPTH_MAX: usize = 64;
/// 10,000 routes have about 200,000 nodes. Bounds the memory that a dense file of 10 MiB can ask for.
const NODES_MAX: usize = 1_000_000;

/// Reads the text of a source. `None` after telling why not; some problems leave a tree that is whole but
/// for what was refused.
pub(crate) fn parse(source: &Arc<Source>, problems: &mut Problems) -> Option<Node> {
    let mut tree = Tree { source, stack: Vec::new(), root: None, nodes: 0, documents: 0, problems };
    let mut parser = Parser::new_from_str(source.text());
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => Err(scan_problem(source, &error)),
        };
        if let Err(problem) = step {
            tree.problems.push(problem);
            return None;
        }
    }
    tree.root
}

/// A collection that is not closed yet.
struct Open {
    place: Place,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: HashMap<Box<str>, u32>, key: Option<Key> },
}

/// A key that waits for its value. `None` once it was refused: its value is read and dropped.
type Key = Option<(Box<str>, Place)>;

struct Tree<'a> {
    source: &'a Arc<Source>,
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    problems: &'a mut Problems,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let problem = Problem::at(&self.place(span), "a second document begins here");
                    return Err(problem.hint("one file holds one configuration: remove the line `---`"));
                }
            }
            Event::Alias(_) => {
                let place = self.place(span);
                self.problems.push(unwanted(
                    &place,
                    "an alias (`*name`)",
                    "write the value where it is needed",
                ));
                self.add(Node { place, value: Value::Refused })?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let place = self.place(span);
                self.refuse_extras(&place, anchor, tag.is_some());
                let is_quoted = style != ScalarStyle::Plain;
                let value = match &*text {
                    "" | "null" | "~" if !is_quoted => Value::Null,
                    text => Value::Scalar(Scalar { text: text.into(), is_quoted, is_resolved: false }),
                };
                self.add(Node { place, value })?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(span, Content::List(Vec::new()), anchor, tag.is_some())?
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), lines: HashMap::new(), key: None };
                self.open(span, content, anchor, tag.is_some())?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn place(&self, span: Span) -> Place {
        place(self.source, span.start, span.end)
    }

    fn refuse_extras(&mut self, place: &Place, anchor: usize, is_tagged: bool) {
        if anchor != 0 {
            self.problems.push(unwanted(place, "an anchor (`&name`)", "write the value where it is needed"));
        }
        if is_tagged {
            self.problems.push(unwanted(
                place,
                "a tag (`!name`)",
                "remove it: each key knows what its value is",
            ));
        }
    }

    fn open(&mut self, span: Span, content: Content, anchor: usize, is_tagged: bool) -> Result<(), Problem> {
        let place = Place { length: 1, ..self.place(span) };
        self.refuse_extras(&place, anchor, is_tagged);
        if self.stack.len() == DEPTH_MAX {
            return Err(too_deep(&place));
        }
        self.stack.push(Open { place, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(Open { place, content }) = self.stack.pop() else { return Ok(()) };
        let value = match content {
            Content::List(nodes) => Value::List(nodes),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        self.add(Node { place, value })
    }

    /// Puts a finished node where it belongs: a key, a value, an item, or the root.
    fn add(&mut self, node: Node) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Problem::at(&node.place, "there are more than a million values up to here"));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map { entries, lines, key } => match key.take() {
                None => *key = Some(new_key(node, lines, self.problems)),
                Some(Some((key, place))) => entries.push(Entry { key, place, value: node }),
                Some(None) => {}
            },
        }
        Ok(())
    }
}

/// A key, unless it is no text or there already.
fn new_key(node: Node, lines: &mut HashMap<Box<str>, u32>, problems: &mut Problems) -> Key {
    let Value::Scalar(scalar) = node.value else {
        if node.value != Value::Refused {
            let problem = Problem::at(&node.place, "this key is not a text");
            problems.push(problem.hint("a key is one word before a `:`"));
        }
        return None;
    };
    if let Some(line) = lines.get(&scalar.text) {
        let reason = format!("the key {} is in line {line} already", quote(&scalar.text));
        problems.push(Problem::at(&node.place, reason).hint("keep one of the two"));
        return None;
    }
    lines.insert(scalar.text.clone(), node.place.line);
    Some((scalar.text, node.place))
}

fn unwanted(place: &Place, what: &str, hint: &str) -> Problem {
    Problem::at(place, format!("{what} has no use here")).hint(hint)
}

fn too_deep(place: &Place) -> Problem {
    Problem::at(place, format!("nested deeper than {DEPTH_MAX} levels"))
}

/// Markers count lines from 1 and columns from 0, in characters.
fn place(source: &Arc<Source>, start: Marker, end: Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let line = number(start.line()).max(1);
    let column = number(start.col()).saturating_add(1);
    let length = match end.line() == start.line() {
        true => number(end.index().saturating_sub(start.index())),
        // What goes on in later lines is underlined to the end of its first.
        false => number(source.line(line).chars().count()).saturating_sub(column - 1),
    };
    Place { source: source.clone(), line, column, length }
}

/// The parser's complaint in words for people who write YAML, not parsers.
fn scan_problem(source: &Arc<Source>, error: &ScanError) -> Problem {
    let place = Place { length: 1, ..place(source, *error.marker(), *error.marker()) };
    let line = source.line(place.line);
    let info = error.info();
    if info.contains("recursion limit") {
        return too_deep(&place);
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    if info.contains("tab") || indent.contains('\t') {
        let tab = u32::try_from(indent.chars().take_while(|&c| c != '\t').count()).unwrap_or(0);
        let place = if indent.contains('\t') { Place { column: tab + 1, ..place } } else { place };
        return Problem::at(&place, "a tab where YAML wants spaces").hint("indent with spaces alone");
    }
    let (reason, hint) = match info {
        _ if info.contains("did not find expected key")
            || info.contains("wrongly indented")
            || info.contains("indentation") =>
        {
            ("this line is not indented like those around it", "the keys of one map begin in the same column")
        }
        _ if info.contains("mapping values are not allowed") => (
            "a `:` that is not expected here",
            "quote a text that holds `: `, and put each key on its own line",
        ),
        _ if info.contains("simple key") => {
            ("a key without its `:`", "write `key: value`, with a space after the colon")
        }
        _ if info.contains("flow mapping") => ("a map in braces that does not go on", "write `,` or `}`"),
        _ if info.contains("flow sequence") => ("a list in brackets that does not go on", "write `,` or `]`"),
        _ if info.contains("end of stream") => {
            ("a text in quotes that does not end", "write the closing quote")
        }
        _ if info.contains("escape") => {
            ("an escape that YAML does not know", "in double quotes write `\\\\` for a backslash")
        }
        _ if info.contains("anchor") => {
            ("an anchor or alias has no use here", "quote a text that begins with `&` or `*`")
        }
        _ => return Problem::at(&place, format!("not YAML: {info}")),
    };
    Problem::at(&place, reason).hint(hint)
}
