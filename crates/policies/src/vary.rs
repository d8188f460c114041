//! What an answer hangs on (RFC 9110 §12.5.5): adding a name to Vary without saying it twice.

use tidegate_core::head::Fields;

/// Adds the name of a request's field, in lower case, to Vary, unless it or `*` is there.
pub(crate) fn add(fields: &mut Fields, name: &str) {
    let is_said = |value: &[u8]| {
        let mut names = value.split(|&b| b == b',').map(<[u8]>::trim_ascii);
        names.any(|said| said == b"*" || said.eq_ignore_ascii_case(name.as_bytes()))
    };
    if fields.find_all(b"vary").any(is_said) {
        return;
    }
    let mut all = Vec::new();
    for value in fields.find_all(b"vary").filter(|value| !value.is_empty()) {
        all.extend_from_slice(value);
        all.extend_from_slice(b", ");
    }
    all.extend_from_slice(name.as_bytes());
    fields.set("vary", &all);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_joined_to_what_is_there_and_not_said_twice() {
        for (before, after) in [
            (&[][..], &["origin"][..]),
            (&["accept"], &["accept, origin"]),
            (&["accept", "x-a, x-b"], &["accept, x-a, x-b, origin"]),
            (&["accept", "X-A , ORIGIN"], &["accept", "X-A , ORIGIN"]),
            (&["*"], &["*"]),
            (&[""], &["origin"]),
            (&["original"], &["original, origin"]),
        ] {
            let mut fields = Fields::default();
            before.iter().for_each(|value| fields.push("Vary", value.as_bytes()));
            add(&mut fields, "origin");
            let all: Vec<_> =
                fields.find_all(b"vary").map(|value| std::str::from_utf8(value).unwrap()).collect();
            assert_eq!(all, after, "{before:?}");
        }
    }
}
