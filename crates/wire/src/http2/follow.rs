//! Follows a client's header blocks (HPACK, RFC 7541) far enough to tell what `h2` drops without a word: a fragment in
//! `:path`, and pseudo-fields in trailers. Texts are not kept: of a field only its size and these two facts are known.
//! What is malformed is for `h2` to judge, which ends the connection over it. Pure. Called by `watch`.

use memchr::memchr;
use std::collections::VecDeque;

use super::huffman::Huffman;

/// The table that clients may use: what they are told, which is the protocol's own size.
const TABLE_BYTES_MAX: usize = super::limits::FIELD_TABLE_BYTES as usize;
/// What an entry counts beside its texts (RFC 7541 §4.1).
const ENTRY_BYTES: usize = 32;
/// Bytes of the names in the static table, by index from 1 (RFC 7541 appendix A).
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13,
    12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3,
    16,
];

/// What a name is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Ordinary,
    /// Begins with a colon.
    Pseudo,
    Path,
}

/// What is known of a field.
#[derive(Clone, Copy, Debug, Default)]
struct Field {
    kind: Kind,
    name_bytes: usize,
    value_bytes: usize,
    has_fragment: bool,
}

/// What a header block has in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pseudo: bool,
    pub(super) fragment: bool,
}

/// An integer under way (RFC 7541 §5.1).
#[derive(Clone, Copy, Debug)]
struct Number {
    value: usize,
    shift: u32,
}

/// A text under way.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    left: usize,
    huffman: Option<Huffman>,
    /// Bytes once decoded.
    bytes: usize,
    /// So far it is the beginning of `:path`.
    is_path: bool,
    is_pseudo: bool,
    has_mark: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Name,
    Value,
}

/// Where in a field the next byte stands.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Indexed(Number),
    Resize(Number),
    NameOf(Number),
    LengthBegin(Part),
    Length(Part, Number),
    Text(Part),
}

/// One client's blocks, in the order they come.
pub(super) struct Follower {
    step: Step,
    field: Field,
    /// The field goes into the table.
    is_kept: bool,
    text: Text,
    /// The dynamic table, newest first.
    table: VecDeque<Field>,
    table_bytes: usize,
    table_bytes_max: usize,
    found: Found,
    /// Something was malformed: the connection is about to end.
    is_lost: bool,
}

impl Follower {
    /// Nothing has come.
    pub(super) fn new() -> Follower {
        Follower {
            step: Step::Begin,
            field: Field::default(),
            is_kept: false,
            text: Text::default(),
            table: VecDeque::new(),
            table_bytes: 0,
            table_bytes_max: TABLE_BYTES_MAX,
            found: Found::default(),
            is_lost: false,
        }
    }

    /// These bytes of a block came.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !self.is_lost
            && let [byte, rest @ ..] = bytes
        {
            bytes = match self.step {
                Step::Text(part) => self.text(part, bytes),
                _ => {
                    self.step(*byte);
                    rest
                }
            };
        }
    }

    /// The block has ended. Says what was in it.
    pub(super) fn end(&mut self) -> Found {
        self.is_lost |= !matches!(self.step, Step::Begin);
        std::mem::take(&mut self.found)
    }

    fn step(&mut self, byte: u8) {
        match self.step {
            Step::Begin => self.begin(byte),
            Step::Indexed(number) => self.go_on(number, byte, Step::Indexed, Follower::indexed),
            Step::Resize(number) => self.go_on(number, byte, Step::Resize, Follower::resize),
            Step::NameOf(number) => self.go_on(number, byte, Step::NameOf, Follower::name_of),
            Step::LengthBegin(part) => {
                self.text = Text {
                    huffman: (byte & 0x80 != 0).then(Huffman::default),
                    is_path: true,
                    ..Text::default()
                };
                self.number(
                    byte,
                    7,
                    |number| Step::Length(part, number),
                    |this, left| this.length(part, left),
                );
            }
            Step::Length(part, number) => {
                let step = |number| Step::Length(part, number);
                self.go_on(number, byte, step, |this, left| this.length(part, left));
            }
            Step::Text(_) => {}
        }
    }

    fn begin(&mut self, byte: u8) {
        self.field = Field::default();
        match byte {
            0x80.. => self.number(byte, 7, Step::Indexed, Follower::indexed),
            0x40.. => {
                self.is_kept = true;
                self.number(byte, 6, Step::NameOf, Follower::name_of);
            }
            0x20.. => self.number(byte, 5, Step::Resize, Follower::resize),
            _ => {
                self.is_kept = false;
                self.number(byte, 4, Step::NameOf, Follower::name_of);
            }
        }
    }

    /// An integer begins with the last bits of a byte.
    fn number(
        &mut self,
        byte: u8,
        bits: u32,
        step: impl Fn(Number) -> Step,
        done: impl Fn(&mut Follower, usize),
    ) {
        let most = (1_u8 << bits) - 1;
        match byte & most {
            value if value == most => self.step = step(Number { value: usize::from(value), shift: 0 }),
            value => done(self, usize::from(value)),
        }
    }

    fn go_on(
        &mut self,
        Number { value, shift }: Number,
        byte: u8,
        step: impl Fn(Number) -> Step,
        done: impl Fn(&mut Follower, usize),
    ) {
        let value = value + (usize::from(byte & 0x7f) << shift);
        match byte & 0x80 {
            0 => done(self, value),
            // More than any size that is possible here.
            _ if shift >= 21 => self.is_lost = true,
            _ => self.step = step(Number { value, shift: shift + 7 }),
        }
    }

    fn known(&mut self, index: usize) -> Field {
        let field = match index.checked_sub(1) {
            Some(at) if at < STATIC_NAMES.len() => {
                let kind = match index {
                    4 | 5 => Kind::Path,
                    1..=14 => Kind::Pseudo,
                    _ => Kind::Ordinary,
                };
                Some(Field { kind, name_bytes: usize::from(STATIC_NAMES[at]), ..Field::default() })
            }
            Some(at) => self.table.get(at - STATIC_NAMES.len()).copied(),
            None => None,
        };
        self.is_lost |= field.is_none();
        field.unwrap_or_default()
    }

    fn indexed(&mut self, index: usize) {
        self.field = self.known(index);
        self.is_kept = false;
        self.done();
    }

    fn name_of(&mut self, index: usize) {
        if index == 0 {
            self.step = Step::LengthBegin(Part::Name);
            return;
        }
        let Field { kind, name_bytes, .. } = self.known(index);
        self.field = Field { kind, name_bytes, ..Field::default() };
        self.step = Step::LengthBegin(Part::Value);
    }

    fn resize(&mut self, bytes: usize) {
        self.is_lost |= bytes > TABLE_BYTES_MAX;
        self.table_bytes_max = bytes;
        self.evict(0);
        self.step = Step::Begin;
    }

    fn length(&mut self, part: Part, bytes: usize) {
        self.text.left = bytes;
        self.step = Step::Text(part);
        if bytes == 0 {
            self.text_done(part);
        }
    }

    /// Takes what is there of a text; says what is left of the bytes.
    fn text<'a>(&mut self, part: Part, bytes: &'a [u8]) -> &'a [u8] {
        let (ours, rest) = bytes.split_at(self.text.left.min(bytes.len()));
        self.text.left -= ours.len();
        let is_path = part == Part::Value && self.field.kind == Kind::Path;
        match (&mut self.text.huffman, part) {
            (Some(_), Part::Value) if !is_path && !self.is_kept => {} // neither its size nor its bytes are asked for
            (None, Part::Value) => {
                self.text.bytes += ours.len();
                self.text.has_mark |= is_path && memchr(b'#', ours).is_some();
            }
            (None, Part::Name) => ours.iter().for_each(|byte| self.text.take(*byte)),
            (Some(huffman), _) => {
                let mut huffman = *huffman;
                for byte in ours {
                    huffman.decode(*byte, |byte| self.text.take(byte));
                }
                self.text.huffman = Some(huffman);
            }
        }
        if self.text.left == 0 {
            self.text_done(part);
        }
        rest
    }

    fn text_done(&mut self, part: Part) {
        match part {
            Part::Name => {
                self.field.name_bytes = self.text.bytes;
                self.field.kind = match self.text {
                    Text { is_path: true, bytes, .. } if bytes == PATH.len() => Kind::Path,
                    Text { is_pseudo: true, .. } => Kind::Pseudo,
                    _ => Kind::Ordinary,
                };
                self.step = Step::LengthBegin(Part::Value);
            }
            Part::Value => {
                self.field.value_bytes = self.text.bytes;
                self.field.has_fragment = self.text.has_mark && self.field.kind == Kind::Path;
                self.done();
            }
        }
    }

    fn done(&mut self) {
        self.found.pseudo |= self.field.kind != Kind::Ordinary;
        self.found.fragment |= self.field.has_fragment;
        if self.is_kept {
            let bytes = self.field.table_bytes();
            self.evict(bytes);
            if bytes <= self.table_bytes_max {
                self.table_bytes += bytes;
                self.table.push_front(self.field);
            }
        }
        self.step = Step::Begin;
    }

    /// Makes room for so many bytes (RFC 7541 §4.4).
    fn evict(&mut self, bytes: usize) {
        while self.table_bytes + bytes > self.table_bytes_max
            && let Some(oldest) = self.table.pop_back()
        {
            self.table_bytes -= oldest.table_bytes();
        }
    }
}

impl Field {
    fn table_bytes(&self) -> usize {
        self.name_bytes + self.value_bytes + ENTRY_BYTES
    }
}

const PATH: &[u8] = b":path";

impl Text {
    fn take(&mut self, byte: u8) {
        self.is_path &= PATH.get(self.bytes) == Some(&byte);
        self.is_pseudo |= self.bytes == 0 && byte == b':';
        self.has_mark |= byte == b'#';
        self.bytes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Found = Found { pseudo: false, fragment: false };
    const PSEUDO: Found = Found { pseudo: true, fragment: false };
    const FRAGMENT: Found = Found { pseudo: true, fragment: true };

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// What is found in each of these blocks, whole and byte by byte, and the table's size behind them.
    fn check(blocks: &[(&str, Found)], table_bytes: usize) {
        for piece in [1, 7, 1000] {
            let mut follower = Follower::new();
            for (block, expected) in blocks {
                bytes(block).chunks(piece).for_each(|piece| follower.read(piece));
                assert_eq!(follower.end(), *expected, "{block} in pieces of {piece}");
                assert!(!follower.is_lost, "{block} in pieces of {piece}");
            }
            assert_eq!(follower.table_bytes, table_bytes, "behind {:?}", blocks.last());
        }
    }

    #[test]
    fn the_tables_of_the_specifications_examples_come_out() {
        // RFC 7541 C.2.2, C.3 and C.4.
        check(&[("040c 2f73 616d 706c 652f 7061 7468", PSEUDO)], 0);
        check(
            &[
                ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", PSEUDO),
                ("8286 84be 5808 6e6f 2d63 6163 6865", PSEUDO),
                ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", PSEUDO),
            ],
            164,
        );
        check(
            &[
                ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", PSEUDO),
                ("8286 84be 5886 a8eb 1064 9cbf", PSEUDO),
                ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", PSEUDO),
            ],
            164,
        );
    }

    #[test]
    fn fragments_and_pseudo_fields_are_found_however_they_are_written() {
        for (block, found) in [
            ("04 04 2f612362", FRAGMENT),
            ("00 05 3a70617468 03 2f2361", FRAGMENT),
            ("00 07 3a6d6574686f64 03 474554", PSEUDO),
            ("00 06 3a7061746878 02 2f23", PSEUDO),
            ("00 04 70617468 02 2f23", NOTHING),
            ("00 01 78 01 23", NOTHING),
            // `/#` and `:path` in Huffman code.
            ("04 83 63febf", FRAGMENT),
            ("00 84 b958d33f 02 2f23", FRAGMENT),
        ] {
            check(&[(block, found)], 0);
        }
        // By way of the table: each of the two fields is named again by its index.
        check(&[("44 04 2f612362", FRAGMENT), ("be", FRAGMENT), ("0f2f 01 2f", PSEUDO)], 5 + 4 + 32);
        check(&[("40 01 78 01 23", NOTHING), ("be", NOTHING)], 34);
    }

    #[test]
    fn entries_leave_as_the_table_is_too_small_for_them() {
        let kept = "40 01 61 01 62";
        check(&[(kept, NOTHING), ("20", NOTHING)], 0);
        check(&[(kept, NOTHING), ("3f 05", NOTHING), (kept, NOTHING), ("be", NOTHING)], 34);
        // An entry above the table's size empties it (RFC 7541 §4.4).
        let large = format!("40 01 61 7f a11f {}", "78".repeat(4128));
        check(&[(kept, NOTHING), (&large, NOTHING)], 0);
        let mut lost = Follower::new();
        lost.read(&[0xbe]);
        assert!(lost.is_lost, "no such entry");
    }
}
