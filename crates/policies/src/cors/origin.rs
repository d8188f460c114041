//! Origins as browsers write them (RFC 6454 §6.1), and patterns of them. Pure.

use tidegate_core::settings::{Fault, Word};

/// Origins that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginPattern {
    /// `*`: all.
    Any,
    /// This one; `null` is one too.
    One(Box<str>),
    /// `https://*.example.com:8443`: one or more labels between what comes before them and what after.
    Below {
        /// `https://`.
        scheme: Box<str>,
        /// `.example.com:8443`.
        rest: Box<str>,
    },
}

impl OriginPattern {
    /// Whether it is the origin of pages without one.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, OriginPattern::One(one) if **one == *"null")
    }

    /// Whether an Origin that was sent is of these.
    pub(super) fn has(&self, origin: &[u8]) -> bool {
        match self {
            OriginPattern::Any => true,
            OriginPattern::One(one) => origin == one.as_bytes(),
            OriginPattern::Below { scheme, rest } => {
                let labels = origin
                    .strip_prefix(scheme.as_bytes())
                    .and_then(|origin| origin.strip_suffix(rest.as_bytes()));
                // Nothing that could end the host, so that what follows is its end and not a part of something else.
                let is_host = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.';
                labels.is_some_and(|labels| {
                    !labels.is_empty()
                        && !labels.starts_with(b".")
                        && !labels.ends_with(b".")
                        && labels.iter().all(|&b| is_host(b))
                })
            }
        }
    }
}

impl Word for OriginPattern {
    const WHAT: &str = "an origin such as `https://app.example.com`, or `*` for all";
    const PATTERN: &str = "^(\\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+)$";

    fn parse(text: &str) -> Result<OriginPattern, Fault> {
        let lower = text.to_ascii_lowercase();
        if lower == "*" {
            return Ok(OriginPattern::Any);
        }
        if lower == "null" {
            return Ok(OriginPattern::One(lower.into()));
        }
        let fault = |hint: &'static str| Err(Fault::new("is not an origin").hint(hint));
        let Some((scheme, host)) = lower.split_once("://") else {
            return fault("it begins with a scheme, as in `https://app.example.com`");
        };
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
        let is_host = |host: &str| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/?#*@\\".contains(&b))
        };
        match host.strip_prefix('*') {
            _ if host.contains(['/', '?', '#']) => {
                fault("it ends with the host or its port: browsers send no path, not even `/`")
            }
            _ if !is_scheme => fault("it begins with a scheme, as in `https://app.example.com`"),
            _ if (scheme == "https" && host.ends_with(":443"))
                || (scheme == "http" && host.ends_with(":80")) =>
            {
                fault("browsers leave out the port that a scheme has anyway")
            }
            Some(rest) if rest.starts_with('.') && is_host(&rest[1..]) => {
                Ok(OriginPattern::Below { scheme: format!("{scheme}://").into(), rest: rest.into() })
            }
            None if is_host(host) => Ok(OriginPattern::One(lower.as_str().into())),
            _ => fault("`*.` before a name is one or more labels, as in `https://*.example.com`"),
        }
    }

    fn show(&self) -> String {
        match self {
            OriginPattern::Any => String::from("*"),
            OriginPattern::One(one) => String::from(&**one),
            OriginPattern::Below { scheme, rest } => format!("{scheme}*{rest}"),
        }
    }

    fn stand_in() -> OriginPattern {
        OriginPattern::One("https://none.invalid".into())
    }
}
