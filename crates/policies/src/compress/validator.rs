//! The ETag of what is compressed: not the same byte for byte any more, so it must be a weak one (RFC 9110 §8.8.3). And
//! which of both a client has that asks whether its copy still holds. Pure.

use tidegate_core::head::{Fields, RequestHead};

/// Makes a strong ETag weak.
pub(super) fn weaken(fields: &mut Fields) {
    let Some(tag) = fields.find(b"etag").filter(|tag| tag.starts_with(b"\"")) else { return };
    let weak = [b"W/", tag].concat();
    fields.set("etag", &weak);
}

/// Whether a client asked, by If-None-Match, with the weak form of the answer's strong ETag and not with that itself: its
/// copy is one that was compressed here.
pub(super) fn is_weak_asked(request: &RequestHead, answer: &Fields) -> bool {
    let Some(strong) = answer.find(b"etag").filter(|tag| tag.starts_with(b"\"")) else { return false };
    let (mut has_weak, mut has_strong) = (false, false);
    for list in request.fields.find_all(b"if-none-match") {
        for (is_weak, _) in tags(list).filter(|(_, tag)| *tag == strong) {
            has_weak |= is_weak;
            has_strong |= !is_weak;
        }
    }
    has_weak && !has_strong
}

/// The tags of a list, with their quotes, and whether each is weak. A tag may have commas in it. What is no tag ends it.
fn tags(list: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|b| !b", \t".contains(b))?;
        let (is_weak, tag) = match rest[start..].strip_prefix(b"W/") {
            Some(tag) => (true, tag),
            None => (false, &rest[start..]),
        };
        let inner = tag.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&b| b == b'"')? + 2;
        rest = &tag[end..];
        Some((is_weak, &tag[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_weak_form_of_the_answers_tag_tells_of_a_compressed_copy() {
        for (asked, tag, expected) in [
            (&["W/\"a\""][..], "\"a\"", true),
            (&["\"b\", W/\"a\""], "\"a\"", true),
            (&["\"b\"", "W/\"a\""], "\"a\"", true),
            (&["W/\"a,b\" ,\"c\""], "\"a,b\"", true),
            (&["\"a\""], "\"a\"", false),
            (&["W/\"a\", \"a\""], "\"a\"", false),
            (&["W/\"b\""], "\"a\"", false),
            (&["W/\"a\""], "W/\"a\"", false),
            (&["*"], "\"a\"", false),
            (&["\"x, W/\"a\""], "\"a\"", false),
            (&["w/\"a\"", "W/\"a"], "\"a\"", false),
            (&[""], "\"a\"", false),
            (&[], "\"a\"", false),
            (&["W/\"a\""], "", false),
        ] {
            let (mut request, mut answer) = (RequestHead::default(), Fields::default());
            asked.iter().for_each(|list| request.fields.push("If-None-Match", list.as_bytes()));
            answer.push("ETag", tag.as_bytes());
            assert_eq!(is_weak_asked(&request, &answer), expected, "{asked:?} {tag}");
        }
    }
}
