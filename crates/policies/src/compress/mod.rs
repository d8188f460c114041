//! Compresses answers in the way their client likes best, while they pass. Leaves alone what is small, compressed
//! already, or not to be changed; says in Vary that the answer hangs on Accept-Encoding, be this one compressed or
//! not. The bytes are the business of `encoder`, which client likes what that of `accept`.

mod accept;
mod config;
mod encoder;
mod kinds;
mod validator;

#[cfg(test)]
mod tests;

use crate::vary;
use accept::Accepted;
use config::{Algorithm, CompressSettings, Level};
use kinds::MediaRange;
use tidegate_core::building::Building;
use tidegate_core::filter::Filter;
use tidegate_core::head::{Fields, Length, RequestHead};
use tidegate_core::name::Name;
use tidegate_core::node::Node;
use tidegate_core::policy::{BodyNeed, Kind, Needs, Phase, Policy, RequestView, ResponseView, Verdict};
use tidegate_core::settings::{Setting, Switch};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "compress",
    doc: "Compression of answers, in the best way the client takes.",
    shape: Switch::<CompressSettings>::shape,
    build,
};

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let Some(settings) = Switch::<CompressSettings>::read(node, building.problems).on() else {
        return Vec::new();
    };
    let compress = Compress {
        bytes_min: settings.min.get(),
        types: settings.types.into(),
        algorithms: settings.algorithms.into(),
        level: settings.level,
    };
    vec![Box::new(compress)]
}

/// See the file.
struct Compress {
    bytes_min: u64,
    types: Box<[MediaRange]>,
    algorithms: Box<[Algorithm]>,
    level: Level,
}

/// Fields that speak of the bytes as they were: their places (RFC 9110 §14.3), or their digests (RFC 9530; RFC 3230).
const SPENT: [&str; 5] = ["accept-ranges", "content-digest", "repr-digest", "digest", "content-md5"];

impl Policy for Compress {
    fn phase(&self) -> Phase {
        Phase::Shape
    }

    fn needs(&self) -> Needs {
        Needs { response: BodyNeed::Stream, ..Needs::default() }
    }

    fn describe(&self) -> String {
        let names: Vec<&str> = self.algorithms.iter().map(|algorithm| algorithm.coding()).collect();
        format!("{} from {} bytes on", names.join(", "), self.bytes_min)
    }

    fn request<'a>(&'a self, _: RequestView<'a>) -> Verdict<'a> {
        Verdict::Continue
    }

    fn response(&self, view: ResponseView<'_>) {
        let fields = &mut view.head.fields;
        match view.head.status {
            // They stand for an answer that may have been compressed, and say too little of it to tell.
            206 => vary::add(fields, "accept-encoding"),
            304 => {
                let is_of_compressed = validator::is_weak_asked(view.request, fields);
                if is_of_compressed {
                    validator::weaken(fields);
                }
                if is_of_compressed || self.may_change(fields, MediaType::MayBeAbsent) {
                    vary::add(fields, "accept-encoding");
                }
            }
            _ if self.is_fit(fields, view.length) => vary::add(fields, "accept-encoding"),
            _ => {}
        }
    }

    fn filter(&self, view: ResponseView<'_>) -> Option<Box<dyn Filter>> {
        let fields = &mut view.head.fields;
        if !self.is_fit(fields, view.length) {
            return None;
        }
        let algorithm = accepted(view.request).best(&self.algorithms)?;
        let filter = encoder::encoder(algorithm, self.level)?;
        fields.remove_named(b"content-encoding"); // `identity`, if anything
        SPENT.iter().for_each(|name| fields.remove_named(name.as_bytes()));
        fields.push("content-encoding", algorithm.coding().as_bytes());
        validator::weaken(fields);
        Some(filter)
    }
}

impl Compress {
    /// Whether an answer with these fields may be compressed, whoever asks for it.
    fn is_fit(&self, fields: &Fields, length: Length) -> bool {
        let is_long = match length {
            Length::Empty => false,
            Length::Exact(bytes) => bytes > 0 && bytes >= self.bytes_min,
            Length::Streamed => true,
        };
        is_long && self.may_change(fields, MediaType::MustBeListed)
    }

    /// Whether an answer with these fields may be compressed if it is long enough.
    fn may_change(&self, fields: &Fields, media: MediaType) -> bool {
        let is_listed = match fields.get(Name::ContentType) {
            Some(value) => self.types.iter().any(|range| range.has(value)),
            None => media == MediaType::MayBeAbsent,
        };
        is_listed
            && fields.find(b"content-range").is_none()
            && fields.find_all(b"content-encoding").all(|value| value.eq_ignore_ascii_case(b"identity"))
            && !fields.find_all(b"cache-control").any(forbids_change)
    }
}

/// What is asked of Content-Type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MediaType {
    MustBeListed,
    /// 304 leaves it out (RFC 9110 §15.4.5).
    MayBeAbsent,
}

impl Algorithm {
    /// As in Accept-Encoding and Content-Encoding.
    fn coding(self) -> &'static str {
        match self {
            Algorithm::Zstd => "zstd",
            Algorithm::Brotli => "br",
            Algorithm::Gzip => "gzip",
        }
    }
}

/// What the client takes. An edit that hides it from the backend does not hide it from us: lines that were removed
/// are the client's own.
fn accepted(request: &RequestHead) -> Accepted {
    let fields = &request.fields;
    let is_named =
        |field: &&tidegate_core::head::Field| fields.name_of(field).eq_ignore_ascii_case(b"accept-encoding");
    let is_edited = fields.list().iter().filter(is_named).any(|field| field.is_removed);
    let own = fields.list().iter().filter(is_named).filter(|field| field.is_removed == is_edited);
    Accepted::read(own.map(|field| field.value.of(fields.text())))
}

/// `no-transform` (RFC 9111 §5.2.2.6).
fn forbids_change(cache_control: &[u8]) -> bool {
    cache_control.split(|&b| b == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}
