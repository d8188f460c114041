//! Cookies of a request (RFC 6265 §4.2.1): what conditions and splits ask of them. Pure.

use crate::head::Fields;
use crate::name::Name;
use crate::settings::Fault;

/// Every value of the cookie of that name, in order; names are compared with case.
pub fn values<'a>(fields: &'a Fields, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let pairs = fields.all(Name::Cookie).flat_map(|line| line.split(|&b| b == b';')).map(<[u8]>::trim_ascii);
    pairs.filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix(b"=")).map(unquoted)
}

/// Some write values in quotes; the value is what stands in them.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Whether a text can be the name of a cookie (a token).
pub fn check_name(text: &str) -> Result<(), Fault> {
    crate::header::check_name(text).map_err(|_| {
        Fault::new("is not the name of a cookie").hint("letters, digits, `-` and `_`, without `=`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_the_whole_name_in_every_line() {
        for (lines, expected) in [
            (&["a=1"][..], &["1"][..]),
            (&["b=2; a=1"], &["1"]),
            (&["a=1;a=2", "a=3"], &["1", "2", "3"]),
            (&["  a=1 ; b"], &["1"]),
            (&["a=\"x y\""], &["x y"]),
            (&["a=\""], &["\""]),
            (&["a="], &[""]),
            (&["a=b=c"], &["b=c"]),
            (&["aa=1; A=2; a", "xa=3"], &[]),
            (&[""], &[]),
        ] {
            let mut fields = Fields::default();
            lines.iter().for_each(|line| fields.push("Cookie", line.as_bytes()));
            let found: Vec<_> =
                values(&fields, b"a").map(|value| std::str::from_utf8(value).unwrap()).collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
