//! YAML or JSON text to a tree of nodes. The parser gives events; this gives them places and bounds, and
//! refuses what a configuration has no use for: anchors, tags, several documents, keys that are not text.
//! No recursion: depth is bounded before a node is made, whatever the file holds.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use tidegate_core::node::{Entry, Node, Scalar, Value};
use tidegate_core::problem::{Place, Problem, Problems, Source, quote};

/// Deeper than any sensible file; the trees are read by recursion later.
const DEPTH_MAX: usize = 64;
/// 10,000 routes with everything set have about 300,000 keys and values. Bounds the memory and the time that
/// a dense file of 10 MiB can ask for.
const NODES_MAX: usize = 500_000;
/// Maps of this size are searched faster than a table of theirs is made.
const SMALL_MAP: usize = 16;

/// Reads the text of a source; `nodes` counts those of all texts of a configuration. `None` when there is nothing in
/// it, and after telling why it cannot be read; some problems leave a tree that is whole but for what was refused.
pub(crate) fn parse(source: &Arc<Source>, nodes: &mut usize, problems: &mut Problems) -> Option<Node> {
    // In a list in brackets the parser reads up to the closing one before it tells of the first item.
    let marks = source.text().bytes().filter(|b| matches!(b, b',' | b'[' | b'{')).count();
    if marks > NODES_MAX {
        problems.push(Problem::at(&Place::whole(source), "holds more than 500,000 commas and brackets"));
        return None;
    }
    let mut tree =
        Tree { marks: Marks::new(source), stack: Vec::new(), root: None, nodes, documents: 0, problems };
    let mut parser = Parser::new_from_str(source.text());
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => Err(scan_problem(&tree.marks, &error)),
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
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// The line of each key, once there are too many to look through.
    lines: HashMap<Box<str>, u32>,
    key: Option<Key>,
}

/// A key that waits for its value. `None` once it was refused: its value is read and dropped.
type Key = Option<(Box<str>, Place)>;

struct Tree<'a> {
    marks: Marks<'a>,
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: &'a mut usize,
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
                self.open(span, Content::Map(OpenMap::default()), anchor, tag.is_some())?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn place(&self, span: Span) -> Place {
        self.marks.place(span)
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
        let place = self.place(span).with_length(1);
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
            Content::Map(map) => Value::Map(map.entries),
        };
        self.add(Node { place, value })
    }

    /// Puts a finished node where it belongs: a key, a value, an item, or the root.
    fn add(&mut self, node: Node) -> Result<(), Problem> {
        *self.nodes += 1;
        if *self.nodes > NODES_MAX {
            return Err(Problem::at(&node.place, "more than 500,000 keys and values up to here"));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map(map) => match map.key.take() {
                None => map.key = Some(map.new_key(node, self.problems)),
                Some(Some((key, place))) => map.entries.push(Entry { key, place, value: node }),
                Some(None) => {}
            },
        }
        Ok(())
    }
}

impl OpenMap {
    /// A key, unless it is no text or there already.
    fn new_key(&mut self, node: Node, problems: &mut Problems) -> Key {
        let Value::Scalar(Scalar { text, .. }) = node.value else {
            if node.value != Value::Refused {
                let problem = Problem::at(&node.place, "this key is not a text");
                problems.push(problem.hint("a key is one word before a `:`"));
            }
            return None;
        };
        if let Some(line) = self.line_of(&text) {
            let reason = format!("the key {} is in line {line} already", quote(&text));
            problems.push(Problem::at(&node.place, reason).hint("keep one of the two"));
            return None;
        }
        Some((text, node.place))
    }

    fn line_of(&mut self, key: &str) -> Option<u32> {
        if self.entries.len() <= SMALL_MAP {
            return self.entries.iter().find(|entry| &*entry.key == key).map(|entry| entry.place.line);
        }
        // Catches up with the entries added since; each is added once.
        for entry in &self.entries[self.lines.len()..] {
            self.lines.insert(entry.key.clone(), entry.place.line);
        }
        self.lines.get(key).copied()
    }
}

fn unwanted(place: &Place, what: &str, hint: &str) -> Problem {
    Problem::at(place, format!("{what} has no use here")).hint(hint)
}

fn too_deep(place: &Place) -> Problem {
    Problem::at(place, format!("nested deeper than {DEPTH_MAX} levels"))
}

/// Turns the parser's marks into places. It counts characters, and places need bytes.
struct Marks<'a> {
    source: &'a Arc<Source>,
    /// The byte offset of every so many characters; empty where the text is ASCII and both are one.
    steps: Vec<u32>,
    /// The character and byte found last: marks come nearly in order.
    last: Cell<(usize, usize)>,
}

impl<'a> Marks<'a> {
    /// A lookup walks this many characters at most; the table is a hundredth of the text.
    const STEP: usize = 256;

    fn new(source: &'a Arc<Source>) -> Marks<'a> {
        let steps = match source.text().is_ascii() {
            true => Vec::new(),
            false => source.text().char_indices().step_by(Marks::STEP).map(|(at, _)| at as u32).collect(),
        };
        Marks { source, steps, last: Cell::new((0, 0)) }
    }

    fn byte(&self, index: usize) -> usize {
        if self.steps.is_empty() {
            return index;
        }
        let mut near = self.last.get();
        if index < near.0 || index - near.0 > Marks::STEP {
            let step = (index / Marks::STEP).min(self.steps.len() - 1);
            near = (step * Marks::STEP, self.steps[step] as usize);
        }
        let rest = &self.source.text()[near.1..];
        let byte = near.1 + rest.char_indices().nth(index - near.0).map_or(rest.len(), |(at, _)| at);
        self.last.set((index, byte));
        byte
    }

    /// Lines count from 1 and columns from 0, in characters.
    fn place(&self, span: Span) -> Place {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let start = (number(span.start.line()), number(span.start.col() + 1), self.byte(span.start.index()));
        let place =
            Place::new(self.source, start, number(span.end.index().saturating_sub(span.start.index())));
        // The parser counts white space after a text in quotes as part of it; what goes on in later lines is
        // underlined to the end of its first.
        let written = place.text().trim_end();
        place.with_length(number(written.chars().count()))
    }
}

/// The parser's complaint in words for people who write YAML, not parsers.
fn scan_problem(marks: &Marks<'_>, error: &ScanError) -> Problem {
    let place = marks.place(Span::empty(*error.marker())).with_length(1);
    let (source, info) = (marks.source, error.info());
    let line = source.line(place.line);
    if info.contains("recursion limit") {
        return too_deep(&place);
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    if info.split(|c: char| !c.is_alphabetic()).any(|word| matches!(word, "tab" | "tabs")) {
        let place = indent.find('\t').map(|tab| Place::on_line(source, place.line, tab, 1)).unwrap_or(place);
        return Problem::at(&place, "a tab where YAML wants spaces").hint("indent with spaces alone");
    }
    // The parts of its messages that tell one cause from another, and what to say instead.
    const WORDS: &[(&str, &str, &str)] = &[
        ("flow construct", "a `{` or `[` above this line does not end", "write its `}` or `]`"),
        ("did not find expected key", UNEVEN.0, UNEVEN.1),
        ("wrongly indented", UNEVEN.0, UNEVEN.1),
        ("indentation", UNEVEN.0, UNEVEN.1),
        (
            "mapping values are not allowed",
            "a `:` that is not expected here",
            "write a space after the `:` of a key, and quote a text that holds `: `",
        ),
        ("simple key", "a key without its `:`", "write `key: value`, with a space after the `:`"),
        ("flow mapping", "a map in braces that does not go on", "write `,` or `}`"),
        ("flow sequence", "a list in brackets that does not go on", "write `,` or `]`"),
        ("end of stream", "a text in quotes that does not end", "write the closing quote"),
        (
            "Unicode character escape",
            "an escape that is no character",
            "YAML has no surrogate pairs: write the character itself, or `\\U` and eight digits",
        ),
        ("escape", "an escape that YAML does not know", "in double quotes write `\\\\` for a backslash"),
        ("anchor", "an anchor or alias has no use here", "quote a text that begins with `&` or `*`"),
    ];
    match WORDS.iter().find(|(part, _, _)| info.contains(part)) {
        Some((_, reason, hint)) => Problem::at(&place, *reason).hint(*hint),
        None => Problem::at(&place, format!("not YAML: {info}")),
    }
}

const UNEVEN: (&str, &str) =
    ("this line is not indented like those around it", "the keys of one map begin in the same column");
