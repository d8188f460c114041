//! Every byte at every border of a framing field: before its name, after its name, before and after its value.
//! The rule beside each sweep says what may be taken; all else is refused.

use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::limits::HeadLimits;
use tidegate_core::name::Method;
use tidegate_wire::http1::invariants;
use tidegate_wire::http1::request::RequestParser;
use tidegate_wire::http1::response::ResponseParser;

use crate::{bytes, request_with, response_with};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    BeforeName,
    AfterName,
    BeforeValue,
    AfterValue,
}

const PLACES: [Place; 4] = [Place::BeforeName, Place::AfterName, Place::BeforeValue, Place::AfterValue];

fn line(name: &[u8], value: &[u8], byte: u8, place: Place) -> Vec<u8> {
    let byte = [byte];
    let at = |here: Place| if here == place { &byte[..] } else { &b""[..] };
    bytes(&[
        at(Place::BeforeName),
        name,
        at(Place::AfterName),
        b": ",
        at(Place::BeforeValue),
        value,
        at(Place::AfterValue),
    ])
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Runs one line through both parsers; both must come to the length, or refuse for None.
fn check(line: &[u8], expected: Option<Length>) {
    let shown = line.escape_ascii();
    let request = request_with("GET", line);
    let mut head = RequestHead::default();
    let verdict = RequestParser::default().parse(&request, &HeadLimits::REQUEST, &mut head);
    let found = verdict.ok().flatten().map(|p| p.length);
    assert_eq!(found, expected, "request with {shown}");
    assert_eq!(invariants::request(&request), Ok(()), "{shown}");

    let response = response_with(line);
    let mut head = ResponseHead::default();
    let verdict = ResponseParser::default().parse(&response, Method::Get, &HeadLimits::RESPONSE, &mut head);
    let found = verdict.ok().flatten().map(|p| (p.length, p.is_close_delimited));
    // Without framing a response lasts until the connection closes.
    let expected = expected.map(|length| match length {
        Length::Empty => (Length::Streamed, true),
        length => (length, false),
    });
    assert_eq!(found, expected, "response with {shown}");
    assert_eq!(invariants::response(&response), Ok(()), "{shown}");
}

#[test]
fn te_bytes_sweep() {
    for byte in 0..=255 {
        for place in PLACES {
            let expected = match place {
                // Another name, which frames nothing and goes on as it is.
                Place::BeforeName | Place::AfterName if is_token_byte(byte) => Some(Length::Empty),
                Place::BeforeValue | Place::AfterValue if byte == b' ' => Some(Length::Streamed),
                _ => None,
            };
            check(&line(b"Transfer-Encoding", b"chunked", byte, place), expected);
        }
    }
}

#[test]
fn cl_bytes_sweep() {
    for byte in 0..=255_u8 {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        for place in PLACES {
            let expected = match place {
                Place::BeforeName | Place::AfterName if is_token_byte(byte) => Some(Length::Empty),
                Place::BeforeValue | Place::AfterValue if byte == b' ' => Some(Length::Exact(5)),
                Place::BeforeValue if matches!(byte, b'1'..=b'9') => Some(Length::Exact(digit * 10 + 5)),
                Place::AfterValue if byte.is_ascii_digit() => Some(Length::Exact(50 + digit)),
                _ => None,
            };
            check(&line(b"Content-Length", b"5", byte, place), expected);
        }
    }
}

/// An ordinary field: token bytes in its name, anything but controls in its value, and each byte kept.
#[test]
fn plain_field_bytes_sweep() {
    for byte in 0..=255 {
        for place in PLACES {
            let expected = match place {
                Place::BeforeName => is_token_byte(byte),
                // A second colon is the value's.
                Place::AfterName => is_token_byte(byte) || byte == b':',
                Place::BeforeValue | Place::AfterValue => byte == b'\t' || (byte >= 0x20 && byte != 0x7f),
            };
            let line = line(b"X-Plain", b"value", byte, place);
            check(&line, expected.then_some(Length::Empty));
            if expected {
                let mut head = RequestHead::default();
                let request = request_with("GET", &line);
                let verdict = RequestParser::default().parse(&request, &HeadLimits::REQUEST, &mut head);
                assert!(verdict.is_ok_and(|p| p.is_some()));
                let mut kept = Vec::new();
                head.fields.write_lines(&mut kept);
                assert_eq!(kept, [&line[..], b"\r\n"].concat(), "{byte:#x} {place:?}");
            }
        }
    }
}

/// The start lines, at every place: a byte put in never yields another reading than the RFC's.
#[test]
fn request_line_bytes_sweep() {
    let line = b"GET /a?b HTTP/1.1";
    for place in 0..=line.len() {
        for byte in 0..=255 {
            let request = bytes(&[&line[..place], &[byte], &line[place..], b"\r\nHost: a\r\n\r\n"]);
            let mut head = RequestHead::default();
            let verdict = RequestParser::default().parse(&request, &HeadLimits::REQUEST, &mut head);
            let is_taken = matches!(verdict, Ok(Some(_)));
            let is_graphic = byte.is_ascii_graphic() && byte != b'#';
            let expected = match place {
                0..=3 => is_token_byte(byte),
                4 => byte == b'/',
                // In the path: no backslash, no escape that is none, and no `;` without a segment before it; in the query
                // anything visible.
                5 => is_graphic && !b"\\%;".contains(&byte),
                6 => is_graphic && !b"\\%".contains(&byte),
                7 | 8 => is_graphic,
                _ => false,
            };
            assert_eq!(is_taken, expected, "{byte:#x} at {place}: {verdict:?}");
            assert_eq!(invariants::request(&request), Ok(()), "{byte:#x} at {place}");
        }
    }
}

#[test]
fn status_line_bytes_sweep() {
    let line = b"HTTP/1.1 200 OK";
    for place in 0..=line.len() {
        for byte in 0..=255 {
            let response = bytes(&[&line[..place], &[byte], &line[place..], b"\r\n\r\n"]);
            let mut head = ResponseHead::default();
            let verdict =
                ResponseParser::default().parse(&response, Method::Get, &HeadLimits::RESPONSE, &mut head);
            let is_reason = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
            let expected = match place {
                // A space after the code and one more begins the reason.
                12 => byte == b' ',
                13.. => is_reason,
                _ => false,
            };
            assert_eq!(matches!(verdict, Ok(Some(_))), expected, "{byte:#x} at {place}: {verdict:?}");
            assert_eq!(invariants::response(&response), Ok(()), "{byte:#x} at {place}");
        }
    }
}
