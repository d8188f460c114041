//! Header names the gateway itself acts on, as a small enum, and request methods.
//! A name that is not here is `Name::Other` and is compared as text.

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
            /// The lower-case spelling; empty for `Other`.
            pub const fn text(self) -> &'static str {
                match self { $(Name::$variant => $text,)+ Name::Other => "" }
            }

            /// Finds the name for a field line's bytes, whatever their case.
            pub fn of(bytes: &[u8]) -> Name {
                const KNOWN: &[(Name, &str)] = &[$((Name::$variant, $text)),+];
                /// For each length, the known names of that length: most lookups end at the first byte.
                const LONGEST: usize = 24;
                if bytes.is_empty() || bytes.len() > LONGEST { return Name::Other }
                match bytes.len() {
                    $(n if n == $text.len() && bytes.eq_ignore_ascii_case($text.as_bytes()) => Name::$variant,)+
                    _ => { debug_assert!(KNOWN.iter().all(|(_, t)| t.len() <= LONGEST)); Name::Other }
                }
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
    KeepAlive = "keep-alive",
    Location = "location",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    Server = "server",
    SetCookie = "set-cookie",
    Te = "te",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Via = "via",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedProto = "x-forwarded-proto",
    XRequestId = "x-request-id",
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
