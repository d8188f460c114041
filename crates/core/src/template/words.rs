//! The words in braces: how they are found in a text, what each stands for, and what was meant by one that stands
//! for nothing.

use super::Variable;
use crate::problem::nearest;
use crate::router::PathNames;
use crate::settings::Fault;

/// Every word that may stand in braces wherever a template may, in the order messages list them.
const VARIABLES: [(&str, Variable); 5] = [
    ("client_ip", Variable::ClientIp),
    ("consumer", Variable::Consumer),
    ("host", Variable::Host),
    ("path", Variable::Path),
    ("request_id", Variable::RequestId),
];

/// The word for what `**` matched; see `PathPattern::path_names`.
const REST: &str = "rest";

/// A stretch of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// It stands for itself.
    Text(&'a str),
    /// It stood in braces.
    Word(&'a str),
}

/// A text in pieces, in order. Braces around anything but a word are text.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((word, tail)) = rest.strip_prefix('{').and_then(leading_word) {
            rest = tail;
            return Some(Piece::Word(word));
        }
        let opens = |(at, _): &(usize, &str)| *at > 0 && leading_word(&rest[at + 1..]).is_some();
        let end = rest.match_indices('{').find(opens).map_or(rest.len(), |(at, _)| at);
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(Piece::Text(piece))
    })
}

/// The word a text begins with, if a brace ends it, and what follows. Upper case and `-` make a word too, so that
/// `{Host}` is told to be wrong rather than sent as it stands.
fn leading_word(text: &str) -> Option<(&str, &str)> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let length = text.bytes().take_while(|&b| is_part(b)).count();
    let (word, tail) = text.split_at(length);
    let tail = tail.strip_prefix('}')?;
    word.starts_with(|c: char| c.is_ascii_alphabetic()).then_some((word, tail))
}

/// What a word stands for.
///
/// Errors: nothing; or two things, as the route's path uses a word that has a meaning already. To choose one would
/// one day send a client's text for what the gateway knows better.
pub(crate) fn variable(word: &str, names: &PathNames) -> Result<Variable, Fault> {
    let known = VARIABLES.iter().find(|(known, _)| *known == word).map(|(_, variable)| variable.clone());
    // A path that could not be read may have any name, but is not asked about one that was meant to be another.
    let is_slip = names.is_unknown() && nearest(word, VARIABLES.map(|(known, _)| known)).is_some();
    let mut named = names.all(word).filter(|_| !is_slip);
    match (known, named.next()) {
        (None, Some(name)) if named.next().is_none() => Ok(Variable::Named(name)),
        (Some(Variable::Consumer), None) if names.is_anonymous() => {
            Err(Fault::new("mentions `{consumer}`, and nobody finds out who that is")
                .hint("name an entry of `auth` in the route's key `auth`"))
        }
        (Some(variable), None) => Ok(variable),
        (_, Some(_)) => Err(Fault::new(format!("mentions `{{{word}}}`, which means two things here"))
            .hint("call that part of the route's path by another name")),
        (None, None) => Err(unknown(word, names)),
    }
}

fn unknown(word: &str, names: &PathNames) -> Fault {
    let fault = Fault::new("mentions a value that does not exist");
    if word == REST {
        return fault.hint("`{rest}` is what `**` matched, and this route's path has none");
    }
    let mut words: Vec<&str> = VARIABLES.map(|(known, _)| known).to_vec();
    words.extend(names.iter().map(|name| name.as_str()));
    match nearest(word, words.iter().copied()) {
        Some(meant) => fault.hint(format!("did you mean `{{{meant}}}`?")),
        None => {
            let known: Vec<String> = words.iter().map(|word| format!("`{{{word}}}`")).collect();
            fault.hint(format!("`{{{word}}}` is none of {}", known.join(", ")))
        }
    }
}

/// The word for a value.
pub(super) fn word_of(variable: &Variable) -> &str {
    match variable {
        Variable::ClientIp => "client_ip",
        Variable::Consumer => "consumer",
        Variable::Host | Variable::HostName => "host",
        Variable::Path => "path",
        Variable::RequestId => "request_id",
        Variable::Named(name) => name.as_str(),
    }
}
