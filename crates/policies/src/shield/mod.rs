//! Refuses requests that carry an attempt at injection: SQL or script in a value, a way out of a folder. Looks at path,
//! query, some header fields, trailers and bodies, decoded as whoever is behind us would decode them, and tells operators where
//! and what; clients are told nothing. What a text is, is said by `judge`; which texts there are, by `look`, `body` and
//! the readers of forms, JSON and parts; what a body says when it is inflated, by `inflate`.

mod body;
mod config;
mod decode;
mod inflate;
mod json;
mod judge;
mod look;
mod multipart;
mod parameters;
mod path;
mod phrases;

#[cfg(test)]
mod tests;

use body::Texts;
use config::{Mode, ShieldSettings};
use decode::Plus;
use inflate::Uninflated;
use judge::Judge;
use look::{Found, Look, Place};
use std::future::poll_fn;
use std::task::Poll;
use tidegate_core::building::Building;
use tidegate_core::exchange::Client;
use tidegate_core::head::{Field, Fields, RequestHead};
use tidegate_core::name::Name;
use tidegate_core::node::Node;
use tidegate_core::policy::{
    BodyNeed, Kind, Needs, Phase, Policy, RequestBody, RequestView, ResponseView, Verdict,
};
use tidegate_core::settings::Setting;
use tidegate_core::trusted::{Belief, belief};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "shield",
    doc: "Refusal of requests that carry an attempt at injection: SQL, script, ways out of a folder. `true`, `observe` or `false`.",
    shape: ShieldSettings::shape,
    build,
};

/// The words for reasons.
const SQL: &str = "sql";
const XSS: &str = "xss";
const PATH: &str = "path";
const BOMB: &str = "bomb";
const MALFORMED: &str = "malformed";

const CONTENT_ENCODING: &[u8] = b"content-encoding";

/// Bytes of a body that are looked at before the other connections of the worker have their turn: at the 17 MB/s that
/// prose in JSON takes, 0.25 ms.
const TURN_BYTES: usize = 4 << 10;

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let settings = ShieldSettings::read(node, building.problems);
    let shield = Shield {
        is_observing: match settings.mode {
            Mode::Refuse => false,
            Mode::Observe => true,
            Mode::Off => return Vec::new(),
        },
        body_bytes: settings.body.in_memory(),
        judge: Judge { sql: settings.sql, xss: settings.xss },
        paths: settings.paths,
        skip: Skipped {
            headers: settings.skip.headers.into(),
            query: settings.skip.query.into(),
            fields: settings.skip.fields.into(),
        },
    };
    vec![Box::new(shield)]
}

/// See the file.
struct Shield {
    is_observing: bool,
    body_bytes: usize,
    judge: Judge,
    paths: bool,
    skip: Skipped,
}

/// Names of what is not looked at.
#[derive(Debug, Default)]
struct Skipped {
    headers: Box<[String]>,
    query: Box<[String]>,
    fields: Box<[String]>,
}

impl Skipped {
    fn has(&self, place: Place, name: &[u8]) -> bool {
        let names = match place {
            Place::Query => &self.query,
            Place::Form | Place::Json | Place::Part => &self.fields,
            Place::Header => return self.headers.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(name)),
            Place::Path | Place::Cookie | Place::Body => return false,
        };
        names.iter().any(|one| one.as_bytes() == name)
    }
}

impl Policy for Shield {
    fn phase(&self) -> Phase {
        Phase::Guard
    }

    fn needs(&self) -> Needs {
        let request = match self.body_bytes {
            0 => BodyNeed::None,
            bytes => BodyNeed::Buffer(bytes),
        };
        Needs { request, ..Needs::default() }
    }

    fn is_observing(&self) -> bool {
        self.is_observing
    }

    fn describe(&self) -> String {
        let looks = [(self.judge.sql, SQL), (self.judge.xss, XSS), (self.paths, "paths")];
        let looks: Vec<&str> = looks.iter().filter(|(is_on, _)| *is_on).map(|(_, name)| *name).collect();
        format!("looks for {}, in {} bytes of body", looks.join(", "), self.body_bytes)
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        if self.body_bytes == 0 || !self.wants_body(view.head) {
            self.drop_trailers(view.head);
        }
        verdict(self.look_at_head(view.head, view.origin.client))
    }

    fn wants_body(&self, request: &RequestHead) -> bool {
        body::Kind::of(request.fields.get(Name::ContentType)).is_some()
    }

    fn request_body<'a>(&'a self, view: RequestView<'a>, body: RequestBody<'a>) -> Verdict<'a> {
        if !body.is_whole {
            self.drop_trailers(view.head);
        }
        if let Err(found) = self.look_at_trailers(body.trailers, view.origin.client) {
            return verdict(Err(found));
        }
        if body.bytes.is_empty() {
            return Verdict::Continue;
        }
        if body.bytes.len() <= TURN_BYTES && view.head.fields.find(CONTENT_ENCODING).is_none() {
            let mut looking = match Looking::new(self, view.head, body.bytes) {
                Ok(looking) => looking,
                Err(found) => return verdict(Err(found)),
            };
            return verdict(looking.turn(usize::MAX).map(drop));
        }
        Verdict::Wait(Box::pin(async move { verdict(self.look_at_length(view.head, body).await) }))
    }

    fn response(&self, _: ResponseView<'_>) {}
}

fn verdict<'a>(looked: Result<(), Box<Found>>) -> Verdict<'a> {
    match looked {
        Ok(()) => Verdict::Continue,
        Err(found) => Verdict::Reply(Box::new(found.reply())),
    }
}

impl Shield {
    fn look_at_head(&self, head: &RequestHead, client: &Client) -> Result<(), Box<Found>> {
        let mut look = Look::new(self);
        look.encoded(Place::Path, b"", head.path_bytes(), Plus::Plus)?;
        if let Some(query) = head.query_bytes() {
            look_at_pairs(&mut look, query)?;
        }
        if head.fields.all(Name::ContentType).nth(1).is_some() {
            return Err(Found::in_body(MALFORMED, "body, more than one content-type"));
        }
        look_at_fields(&mut look, &head.fields, client)
    }

    /// At trailers that would reach the backend.
    fn look_at_trailers(&self, trailers: &Fields, client: &Client) -> Result<(), Box<Found>> {
        match trailers.list().is_empty() {
            true => Ok(()),
            false => look_at_fields(&mut Look::new(self), trailers, client),
        }
    }

    /// Trailers that nobody has looked at do not go on (RFC 9110 section 6.5 lets everybody drop them).
    fn drop_trailers(&self, head: &mut RequestHead) {
        if !self.is_observing {
            head.fields.forget_announced(|_| true);
        }
    }

    /// At a body that takes longer than a worker may be held.
    async fn look_at_length(&self, head: &RequestHead, body: RequestBody<'_>) -> Result<(), Box<Found>> {
        let mut inflated = None;
        let encodings: Vec<&[u8]> = head.fields.find_all(CONTENT_ENCODING).collect();
        if !encodings.is_empty() {
            let encoding = encodings.join(&b',');
            match inflate::inflate(body.bytes, &encoding, body.is_whole, self.body_bytes).await {
                Ok(bytes) => inflated = bytes,
                // Whoever ignores the field reads the bytes as they are.
                Err(Uninflated::Unknown) => {}
                Err(Uninflated::Bomb) => return Err(Found::in_body(BOMB, "body")),
                Err(Uninflated::Malformed) => {
                    return Err(Found::in_body(MALFORMED, "body, content-encoding"));
                }
            }
            turn().await;
        }
        let mut looking = Looking::new(self, head, inflated.as_deref().unwrap_or(body.bytes))?;
        while looking.turn(TURN_BYTES)? {
            turn().await;
        }
        Ok(())
    }
}

/// A look at a body, under way.
struct Looking<'a> {
    look: Look<'a>,
    texts: Texts<'a>,
}

impl<'a> Looking<'a> {
    fn new(shield: &'a Shield, head: &'a RequestHead, bytes: &'a [u8]) -> Result<Looking<'a>, Box<Found>> {
        let content_type = head.fields.get(Name::ContentType);
        let texts = match body::Kind::of(content_type) {
            Some(kind) => Texts::new(kind, bytes, content_type.unwrap_or_default())?,
            None => Texts::none(),
        };
        if body::is_in_other_signs(content_type, bytes) {
            return Err(Found::in_body(MALFORMED, "body, not in UTF-8"));
        }
        Ok(Looking { look: Look::new(shield), texts })
    }

    /// Looks at some more bytes; whether there are more.
    fn turn(&mut self, bytes: usize) -> Result<bool, Box<Found>> {
        let mut looked = 0;
        while looked < bytes {
            match self.texts.look(&mut self.look)? {
                Some(more) => looked += more + 1,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Lets the other connections of the worker have their turn.
async fn turn() {
    let mut is_over = false;
    poll_fn(|cx| match std::mem::replace(&mut is_over, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// At what is for programs that read fields: those of browsers, those that begin with `x-`, and those in which a trusted
/// peer tells of its client, who may have written them. All others the gateway writes by itself.
fn look_at_fields(look: &mut Look<'_>, fields: &Fields, client: &Client) -> Result<(), Box<Found>> {
    let trusted = client.trusted.as_deref();
    for field in fields.list().iter().filter(|field| !field.is_removed) {
        let (name, value) = (fields.name_of(field), field.value.of(fields.text()));
        match field.name {
            Name::UserAgent => look.text(Place::Header, b"user-agent", value)?,
            Name::Cookie => look_at_cookies(look, value)?,
            Name::XOriginalUrl | Name::XRewriteUrl => look_at_address(look, name, value)?,
            Name::CdnLoop => look.encoded(Place::Header, name, value, Plus::Plus)?,
            Name::Other if name.eq_ignore_ascii_case(b"referer") => look_at_address(look, name, value)?,
            Name::Other if name.len() > 2 && name[..2].eq_ignore_ascii_case(b"x-") => {
                look.encoded(Place::Header, name, value, Plus::Plus)?;
            }
            known if trusted.is_some() && belief(trusted, known) == Belief::Peer => {
                look_at_claim(look, field, name, value)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// At what proxies write. Lists of nothing but addresses and names are no attempt at anything, and most are such; the quotes
/// that RFC 7239 puts around an address would be taken for one.
fn look_at_claim(look: &mut Look<'_>, field: &Field, name: &[u8], value: &[u8]) -> Result<(), Box<Found>> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b".:-_[]/".contains(b);
    let is_plain = |part: &[u8]| part.iter().all(is_part) && !part.windows(2).any(|two| two == b"--");
    let is_pair = |pair: &[u8]| {
        let at = pair.iter().position(|&b| b == b'=').map_or(pair.len(), |at| at + 1);
        let node = &pair[at..];
        let node = node.strip_prefix(b"\"").and_then(|node| node.strip_suffix(b"\"")).unwrap_or(node);
        is_plain(pair[..at].strip_suffix(b"=").unwrap_or(&pair[..at])) && is_plain(node)
    };
    let mut elements = value.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    let is_ordinary = match field.name {
        Name::Forwarded => {
            elements.all(|element| element.split(|&b| b == b';').map(<[u8]>::trim_ascii).all(is_pair))
        }
        _ => elements.all(is_plain),
    };
    match is_ordinary {
        true => Ok(()),
        false => look.encoded(Place::Header, name, value, Plus::Plus),
    }
}

fn look_at_pairs(look: &mut Look<'_>, query: &[u8]) -> Result<(), Box<Found>> {
    query.split(|&b| b == b'&').try_for_each(|pair| look.pair(Place::Query, pair))
}

/// At an address: path and parameters.
fn look_at_address(look: &mut Look<'_>, name: &[u8], address: &[u8]) -> Result<(), Box<Found>> {
    let mut halves = address.splitn(2, |&b| b == b'?');
    look.encoded(Place::Header, name, halves.next().unwrap_or_default(), Plus::Plus)?;
    let mut pairs = halves.next().unwrap_or_default().split(|&b| b == b'&');
    pairs.try_for_each(|pair| {
        let value = pair.iter().position(|&b| b == b'=').map_or(pair, |at| &pair[at + 1..]);
        look.encoded(Place::Header, name, value, Plus::Blank)
    })
}

fn look_at_cookies(look: &mut Look<'_>, cookies: &[u8]) -> Result<(), Box<Found>> {
    cookies.split(|&b| b == b';').map(<[u8]>::trim_ascii).try_for_each(|cookie| {
        let (name, value) = match cookie.iter().position(|&b| b == b'=') {
            Some(at) => (&cookie[..at], &cookie[at + 1..]),
            None => (&b""[..], cookie),
        };
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        look.encoded(Place::Cookie, name, value, Plus::Plus)
    })
}
