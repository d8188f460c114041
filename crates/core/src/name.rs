//! Header names the gateway itself acts on, as a small enum, and request methods.
//! A name that is not here is `Name::Other` and is compared as text.

use crate::outcome::Refusal;

macro_rules! names {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A header name the gateway knows. Compared in one instruction; everything else is `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
            /// Any name that is not in this list.
            Other,
        }

        impl Name {
            /// Every known name, in the order of their values.
            pub const ALL: &[Name] = &[$(Name::$variant),+];

            /// The lower-case spelling; empty for `Other`.
            pub const fn text(self) -> &'static str {
                match self { $(Name::$variant => $text,)+ Name::Other => "" }
            }
        }
    };
}

names! {
    Authorization = "authorization",
    CdnLoop = "cdn-loop",
    Connection = "connection",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Expect = "expect",
    Forwarded = "forwarded",
    Host = "host",
    Http2Settings = "http2-settings",
    KeepAlive = "keep-alive",
    Location = "location",
    Proxy = "proxy",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    RateLimit = "ratelimit",
    RateLimitPolicy = "ratelimit-policy",
    RetryAfter = "retry-after",
    Server = "server",
    SetCookie = "set-cookie",
    Te = "te",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    TrueClientIp = "true-client-ip",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Via = "via",
    XClientIp = "x-client-ip",
    XConsumer = "x-consumer",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedPrefix = "x-forwarded-prefix",
    XForwardedProto = "x-forwarded-proto",
    XForwardedServer = "x-forwarded-server",
    XForwardedSsl = "x-forwarded-ssl",
    XForwardedUser = "x-forwarded-user",
    XMirrored = "x-mirrored",
    XOriginalUrl = "x-original-url",
    XRealIp = "x-real-ip",
    XRemoteUser = "x-remote-user",
    XRequestId = "x-request-id",
    XRewriteUrl = "x-rewrite-url",
}

impl Name {
    /// Finds the name for a field line's bytes, whatever their case. Length, first byte and the last two choose the
    /// one candidate; it is then compared as whole words, in a few instructions.
    #[inline]
    pub fn of(bytes: &[u8]) -> Name {
        let Some(words) = words_of(bytes) else { return Name::Other };
        let slot = slot_of(bytes, LOOKUP.multiplier);
        let candidate = &LOOKUP.slots[slot];
        let is_same = candidate.bytes as usize == bytes.len()
            && (words[0] | candidate.case[0]) == candidate.words[0]
            && (words[1] | candidate.case[1]) == candidate.words[1]
            && (words[2] | candidate.case[2]) == candidate.words[2];
        if is_same { candidate.name } else { Name::Other }
    }
}

/// Longest known name; a longer one in the list fails the build.
pub const NAME_BYTES_MAX: usize = 24;
/// Slots of the lookup: four times the names and more, so that a multiplier without collisions is soon found.
const SLOTS: usize = 256;

/// A known name ready for comparison: its bytes as words, and the case bit of each letter in them. Only
/// letters have it, so that `word | case == known` holds for exactly the two cases of each letter.
#[derive(Clone, Copy)]
struct Candidate {
    words: [u64; 3],
    case: [u64; 3],
    bytes: u8,
    name: Name,
}

struct Lookup {
    slots: [Candidate; SLOTS],
    multiplier: u32,
}

static LOOKUP: Lookup = build_lookup();

/// Up to 24 bytes as three words. Shorter names overlap their words: every byte is in one of them, which is
/// all a comparison of equal lengths needs. None for what cannot be a known name.
#[inline]
const fn words_of(bytes: &[u8]) -> Option<[u64; 3]> {
    match bytes.len() {
        8..=16 => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => Some([u64::from_le_bytes(*first), u64::from_le_bytes(*last), 0]),
            _ => None,
        },
        17..=NAME_BYTES_MAX => {
            let (_, rest) = bytes.split_at(8);
            match (bytes.first_chunk(), bytes.last_chunk(), rest.first_chunk()) {
                (Some(first), Some(last), Some(middle)) => {
                    Some([u64::from_le_bytes(*first), u64::from_le_bytes(*last), u64::from_le_bytes(*middle)])
                }
                _ => None,
            }
        }
        4..=7 => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                Some([u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64, 0])
            }
            _ => None,
        },
        2 | 3 => Some([bytes[0] as u64, bytes[1] as u64, bytes[bytes.len() - 1] as u64]),
        _ => None,
    }
}

/// The slot of a name of at least two bytes: letters of both cases meet, as bit 0x20 is set in all. The last byte but
/// one tells `x-forwarded-host` from `x-forwarded-port`.
#[inline]
const fn slot_of(bytes: &[u8], multiplier: u32) -> usize {
    let first = (bytes[0] | 0x20) as u32;
    let last = (bytes[bytes.len() - 1] | 0x20) as u32;
    let before_last = (bytes[bytes.len() - 2] | 0x20) as u32;
    let key = bytes.len() as u32 | first << 8 | last << 16 | before_last << 24;
    (key.wrapping_mul(multiplier) >> 24) as usize % SLOTS
}

const fn build_lookup() -> Lookup {
    let mut multiplier = 0x9e37_79b1; // the golden ratio, a usual start; any odd number would do
    loop {
        if let Some(slots) = fill_slots(multiplier) {
            return Lookup { slots, multiplier };
        }
        multiplier = multiplier.wrapping_add(2);
    }
}

/// Puts every name in its slot, unless two meet in one.
const fn fill_slots(multiplier: u32) -> Option<[Candidate; SLOTS]> {
    let empty = Candidate { words: [0; 3], case: [0; 3], bytes: 0, name: Name::Other };
    let mut slots = [empty; SLOTS];
    let mut i = 0;
    while i < Name::ALL.len() {
        let text = Name::ALL[i].text().as_bytes();
        let slot = slot_of(text, multiplier);
        if slots[slot].bytes != 0 {
            return None;
        }
        slots[slot] = candidate(Name::ALL[i]);
        i += 1;
    }
    Some(slots)
}

const fn candidate(name: Name) -> Candidate {
    let text = name.text().as_bytes();
    let mut case = [0; NAME_BYTES_MAX];
    let mut i = 0;
    while i < text.len() {
        case[i] = if text[i].is_ascii_lowercase() { 0x20 } else { 0 };
        i += 1;
    }
    match (words_of(text), words_of(case.split_at(text.len()).0)) {
        (Some(words), Some(case)) => Candidate { words, case, bytes: text.len() as u8, name },
        _ => panic!("a known name is of 2 to 24 bytes"), // while building, not while running
    }
}

/// A request method. Methods outside this list are valid tokens too: their text is kept in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
#[allow(missing_docs)] // the names are those of RFC 9110 §9 and RFC 5789
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other,
}

impl Method {
    /// How many values there are, for tables indexed by method.
    pub const COUNT: usize = 10;
    /// Every named method with its spelling. Method names are case-sensitive (RFC 9110 §9.1).
    pub const ALL: [(Method, &'static str); 9] = [
        (Method::Get, "GET"),
        (Method::Head, "HEAD"),
        (Method::Post, "POST"),
        (Method::Put, "PUT"),
        (Method::Delete, "DELETE"),
        (Method::Connect, "CONNECT"),
        (Method::Options, "OPTIONS"),
        (Method::Trace, "TRACE"),
        (Method::Patch, "PATCH"),
    ];

    /// Finds the method for its bytes.
    pub fn of(bytes: &[u8]) -> Method {
        match bytes {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// Reads a request's method. One that is a known method but for its case is refused: it would take the way of a method that
    /// nobody knows, past routes that name it, to a backend that may read it as that one.
    pub fn read(bytes: &[u8]) -> Result<Method, Refusal> {
        let method = Method::of(bytes);
        let is_like = |(_, name): &(Method, &str)| name.as_bytes().eq_ignore_ascii_case(bytes);
        match method == Method::Other && Method::ALL.iter().any(is_like) {
            true => Err(Refusal::bad("method is not in upper case")),
            false => Ok(method),
        }
    }

    /// The label used in metrics; `_OTHER` for a method outside the list.
    pub const fn label(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other => "_OTHER",
        }
    }

    /// Whether a request may be sent a second time after it may have been processed once (RFC 9110 §9.2.2).
    pub const fn is_idempotent(self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Options | Method::Put | Method::Delete | Method::Trace
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_every_case_and_no_neighbour_is() {
        for &name in Name::ALL {
            let lower = name.text().as_bytes().to_vec();
            assert_eq!(Name::of(&lower), name);
            assert_eq!(Name::of(&lower.to_ascii_uppercase()), name);
            for i in 0..lower.len() {
                for byte in 0..=255u8 {
                    let mut near = lower.clone();
                    near[i] = byte;
                    let is_same = near.eq_ignore_ascii_case(&lower);
                    assert_eq!(Name::of(&near) == name, is_same, "{near:?}");
                }
                let mut short = lower.clone();
                short.remove(i);
                assert_ne!(Name::of(&short), name);
            }
            let long = [&lower[..], b"x"].concat();
            assert_ne!(Name::of(&long), name);
        }
    }

    #[test]
    fn names_of_any_length_are_answered() {
        for bytes in 0..300 {
            assert_eq!(Name::of(&vec![b'q'; bytes]), Name::Other);
        }
    }

    #[test]
    fn methods_are_told_apart_by_case() {
        for (method, text) in Method::ALL {
            assert_eq!(Method::of(text.as_bytes()), method);
            assert_eq!(Method::of(text.to_ascii_lowercase().as_bytes()), Method::Other);
            assert_eq!(method.label(), text);
        }
    }
}
