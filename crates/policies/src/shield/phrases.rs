//! Phrases of SQL that libinjection lets pass, as it knows a text by its first tokens alone. Each is one that no
//! ordinary text has: words of a language may follow each other anywhere, and so a phrase asks for what stands behind
//! them as well. Pure; allocates only where one of the first words is there.

/// A piece of a text: a word, or a sign. Blanks and comments stand between pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Word(&'t [u8]),
    Sign(u8),
}

impl Piece<'_> {
    fn is(self, word: &str) -> bool {
        matches!(self, Piece::Word(bytes) if bytes.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn is_number(self) -> bool {
        matches!(self, Piece::Word(bytes) if bytes.iter().all(u8::is_ascii_digit))
    }
}

/// Without one of these there is no phrase.
const FIRST_WORDS: [&str; 18] = [
    "select", "shutdown", "waitfor", "analyse", "convert", "true", "false", "drop", "delete", "insert",
    "update", "exec", "outfile", "like", "order", "create", "boolean", "declare",
];
/// How far behind SELECT its FROM is looked for: a list of a dozen columns.
const FROM_PIECES_MAX: usize = 24;

/// The name of a phrase in the text, in place of a fingerprint.
pub(super) fn find(text: &[u8]) -> Option<&'static [u8; 8]> {
    if !Pieces(text).any(|piece| FIRST_WORDS.iter().any(|word| piece.is(word))) {
        return is_ended_name(text).then_some(b"name'#\0\0");
    }
    let pieces: Vec<Piece<'_>> = Pieces(text).collect();
    if is_truth(&pieces) {
        return Some(b"truth\0\0\0");
    }
    (0..pieces.len()).find_map(|at| begins(&pieces[at..]))
}

/// Whether a phrase begins here.
fn begins(pieces: &[Piece<'_>]) -> Option<&'static [u8; 8]> {
    let is = |at: usize, word: &str| pieces.get(at).is_some_and(|piece| piece.is(word));
    let has = |at: usize, sign: u8| pieces.get(at) == Some(&Piece::Sign(sign));
    let selects = |at: usize| is(at, "select") && selects(&pieces[at + 1..]);
    let is_number = |at: usize| pieces.get(at).is_some_and(|piece| piece.is_number());
    let is_name = |at: usize| matches!(pieces.get(at), Some(Piece::Word(name)) if name.is_ascii());
    let comments = |at: usize| has(at, b'#') || has(at, b'-') && has(at + 1, b'-');
    let ends = |at: usize| matches!(pieces.get(at), None | Some(Piece::Sign(b'-' | b';' | b'#' | b'(')));
    match () {
        () if is(0, "union") && (selects(1) || is(1, "all") && selects(2)) => Some(b"union\0\0\0"),
        () if is(0, "union") && has(1, b'(') && selects(2) => Some(b"union\0\0\0"),
        () if has(0, b'(') && selects(1) => Some(b"select\0\0"),
        () if is(0, "order")
            && is(1, "by")
            && is_number(2)
            && (has(3, b',') && is_number(4) || comments(3)) =>
        {
            Some(b"order\0\0\0")
        }
        () if matches!(pieces[0], Piece::Sign(b'\'' | b'"' | b')'))
            && is(1, "order")
            && is(2, "by")
            && is_number(3)
            && pieces.len() == 4 =>
        {
            Some(b"order\0\0\0")
        }
        () if is(0, "declare") && has(1, b'@') => Some(b"declare\0"),
        () if is(0, "in") && is(1, "boolean") && is(2, "mode") && has(3, b')') => Some(b"boolean\0"),
        () if has(0, b';') && creates(&pieces[1..]) => Some(b"create\0\0"),
        () if is(0, "select") && asks(&pieces[1..]) => Some(b"query\0\0\0"),
        () if has(0, b';') && selects(1) => Some(b"select\0\0"),
        () if has(0, b';') && is(1, "shutdown") && (is(2, "with") || has(2, b'-')) => Some(b"shutdown"),
        () if has(0, b';') && is(1, "drop") && is(2, "table") && is_name(3) && ends(4) => {
            Some(b"drop\0\0\0\0")
        }
        () if has(0, b';')
            && is(1, "delete")
            && is(2, "from")
            && is_name(3)
            && (ends(4) || is(4, "where")) =>
        {
            Some(b"delete\0\0")
        }
        () if has(0, b';') && is(1, "insert") && is(2, "into") && is_name(3) && has(4, b'(') => {
            Some(b"insert\0\0")
        }
        () if has(0, b';') && is(1, "exec") && is_name(2) && (has(3, b'(') || has(3, b'\'')) => {
            Some(b"exec\0\0\0\0")
        }
        () if is(0, "into") && (is(1, "outfile") || is(1, "dumpfile")) && has(2, b'\'') => Some(b"outfile\0"),
        () if is(0, "like") && has(1, b'\'') && has(2, b'%') => Some(b"like\0\0\0\0"),
        () if is(0, "waitfor") && is(1, "delay") && has(2, b'\'') => Some(b"waitfor\0"),
        () if is(0, "procedure") && is(1, "analyse") && has(2, b'(') => Some(b"analyse\0"),
        () if is(0, "convert") && has(1, b'(') && is(2, "int") && has(3, b',') => Some(b"convert\0"),
        () if is(0, "select") && is(1, "case") && is(2, "when") && has(3, b'(') => Some(b"case\0\0\0\0"),
        () => None,
    }
}

/// Whether what stands behind SELECT is a list of values, or one of columns and the table they are of: in prose words
/// follow each other, in such a list there is a sign between two.
fn selects(behind: &[Piece<'_>]) -> bool {
    let next = behind.get(1);
    let is_value = match behind.first() {
        Some(Piece::Sign(b'*')) => next.is_some_and(|next| next.is("from")),
        Some(Piece::Sign(b'(')) => next.is_some_and(|next| next.is_number()),
        Some(Piece::Sign(b'@')) => next == Some(&Piece::Sign(b'@')),
        Some(piece) if piece.is_number() || piece.is("null") => match next {
            None => true,
            Some(next) => matches!(next, Piece::Sign(b',' | b')' | b'-' | b';' | b'#')),
        },
        _ => false,
    };
    let from = behind.iter().take(FROM_PIECES_MAX).position(|piece| piece.is("from"));
    is_value || from.is_some_and(|at| is_list(&behind[..at]) && is_table(&behind[at + 1..]))
}

/// A whole query: more than one column or a call, a table, and WHERE.
fn asks(behind: &[Piece<'_>]) -> bool {
    let from = behind.iter().take(FROM_PIECES_MAX).position(|piece| piece.is("from"));
    from.is_some_and(|at| {
        let has_sign = behind[..at].iter().any(|piece| matches!(piece, Piece::Sign(_)));
        has_sign && is_list(&behind[..at]) && behind.get(at + 2).is_some_and(|piece| piece.is("where"))
    })
}

/// What stands behind CREATE: the kind of a thing, its name, and what it takes.
fn creates(pieces: &[Piece<'_>]) -> bool {
    const KINDS: [&str; 4] = ["function", "procedure", "table", "trigger"];
    let [create, rest @ ..] = pieces else { return false };
    let rest = match rest {
        [or, replace, rest @ ..] if or.is("or") && replace.is("replace") => rest,
        rest => rest,
    };
    create.is("create")
        && matches!(rest, [kind, Piece::Word(_), Piece::Sign(b'('), ..] if KINDS.iter().any(|word| kind.is(word)))
}

fn is_list(pieces: &[Piece<'_>]) -> bool {
    let is_word = |piece: &Piece<'_>| matches!(piece, Piece::Word(_));
    !pieces.is_empty() && !pieces.windows(2).any(|two| two.iter().all(is_word))
}

/// A name, and then the end or what goes on in SQL.
fn is_table(pieces: &[Piece<'_>]) -> bool {
    const GOES_ON: [&str; 5] = ["where", "limit", "order", "group", "union"];
    let is_name = matches!(pieces.first(), Some(Piece::Word(_)));
    is_name
        && pieces.get(1).is_none_or(|next| match next {
            Piece::Sign(sign) => matches!(sign, b'-' | b'#' | b';' | b')' | b'.' | b'$'),
            Piece::Word(_) => GOES_ON.iter().any(|word| next.is(word)),
        })
}

/// `1 OR TRUE`, and nothing but a comment behind it.
fn is_truth(pieces: &[Piece<'_>]) -> bool {
    let ([first, Piece::Sign(b'\''), joint, truth, behind @ ..] | [first, joint, truth, behind @ ..]) =
        pieces
    else {
        return false;
    };
    let is_joint = joint.is("or") || joint.is("and");
    let is_comment = behind.iter().all(|piece| matches!(piece, Piece::Sign(b'-' | b'#' | b';')));
    first.is_number() && is_joint && (truth.is("true") || truth.is("false")) && is_comment
}

/// A name with a quote that ends it and a comment that ends the rest: `admin'#`.
fn is_ended_name(text: &[u8]) -> bool {
    let Some(name) = text.strip_suffix(b"'#") else { return false };
    !name.is_empty()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-'))
}

/// The pieces of a text.
struct Pieces<'t>(&'t [u8]);

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        loop {
            self.0 = match self.0 {
                [b'/', b'*', b'!', rest @ ..] => behind_version(rest),
                [b'/', b'*', rest @ ..] => {
                    let end = rest.windows(2).position(|two| two == b"*/").map_or(rest.len(), |at| at + 2);
                    &rest[end..]
                }
                [b'*', b'/', rest @ ..] => rest,
                [0..=b' ', rest @ ..] => rest,
                [] => return None,
                [first, rest @ ..] => {
                    let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
                    let length = self.0.iter().take_while(|b| is_part(b)).count();
                    if length == 0 {
                        self.0 = rest;
                        return Some(Piece::Sign(*first));
                    }
                    let (word, rest) = self.0.split_at(length);
                    self.0 = rest;
                    return Some(Piece::Word(word));
                }
            };
        }
    }
}

/// What MySQL runs although it is a comment begins with the version it is meant for.
fn behind_version(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| b.is_ascii_digit()).count()..]
}
