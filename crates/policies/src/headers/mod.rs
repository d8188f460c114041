//! Edits header fields: on the request before a backend sees it, on the answer before the client does, whoever
//! gave it. What is to be removed goes first, then what is set is added, in the order of the file; all other fields
//! stay as and where they were. Allocates nothing but what the head's own text needs to grow.

mod config;

#[cfg(test)]
mod tests;

use config::{FieldEdits, HeadersSettings};
use tidegate_core::building::Building;
use tidegate_core::head::ResponseHead;
use tidegate_core::header::{HeaderField, HeaderName};
use tidegate_core::node::Node;
use tidegate_core::policy::{Kind, Phase, Policy, RequestView, ResponseView, Verdict};
use tidegate_core::settings::Setting;

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "headers",
    doc: "Edits of header fields, on requests before a backend sees them and on answers before the client does.",
    shape: HeadersSettings::shape,
    build,
};

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let settings = HeadersSettings::read(node, building.problems);
    let headers = Headers { request: settings.request.into(), response: settings.response.into() };
    let is_idle = headers.request.is_empty() && headers.response.is_empty();
    (!is_idle).then(|| Box::new(headers) as Box<dyn Policy>).into_iter().collect()
}

/// See the file.
struct Headers {
    request: Edits,
    response: Edits,
}

/// Edits of one kind of message.
struct Edits {
    /// What is removed, and before it is added anew, what is set.
    removed: Box<[HeaderName]>,
    set: Box<[HeaderField]>,
}

impl From<FieldEdits> for Edits {
    fn from(edits: FieldEdits) -> Edits {
        let set = edits.set.iter().map(|row| row.name.clone());
        Edits {
            removed: edits.remove.into_iter().chain(set).collect(),
            set: edits.set.iter().map(|row| HeaderField::new(&row.name, &row.value)).collect(),
        }
    }
}

impl Edits {
    fn is_empty(&self) -> bool {
        self.removed.is_empty()
    }

    /// The names alone: values may hold credentials.
    fn describe(&self) -> Option<String> {
        let (removed, set) = self.removed.split_at(self.removed.len() - self.set.len());
        let listed = |verb: &str, names: &[HeaderName]| {
            let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
            (!names.is_empty()).then(|| format!("{verb} {}", names.join(", ")))
        };
        let parts: Vec<String> =
            [listed("sets", set), listed("removes", removed)].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Policy for Headers {
    fn phase(&self) -> Phase {
        Phase::Shape
    }

    fn describe(&self) -> String {
        let sides = [("request", &self.request), ("answer", &self.response)];
        let told = sides.iter().filter_map(|(side, edits)| Some(format!("{side} {}", edits.describe()?)));
        told.collect::<Vec<_>>().join("; ")
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        for name in &self.request.removed {
            // Clients may not slip past an edit by another spelling. Backends are not out to fool clients, and
            // those tell `_` from `-`: answers are edited by the exact name.
            name.remove_alike_from(&mut view.head.fields);
        }
        for field in &self.request.set {
            field.add_to_request(view.head, view.origin);
        }
        Verdict::Continue
    }

    fn response(&self, view: ResponseView<'_>) {
        self.early(view.head);
        for field in &self.response.set {
            field.add_to(&mut view.head.fields, view.request, view.origin);
        }
    }

    fn early(&self, head: &mut ResponseHead) {
        for name in &self.response.removed {
            name.remove_from(&mut head.fields);
        }
    }
}
