//! The route keys that belong to policies. One table names them all: what it does not name is an unknown key.

use crate::fields::{HeaderName, HeaderValue};
use tidegate_core::node::Node;
use tidegate_core::problem::Problems;
use tidegate_core::settings;
use tidegate_core::settings::{FieldShape, Rest, Setting, Table};

/// The settings of a route's policies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// Edits of header fields.
    pub headers: Option<HeadersSettings>,
}

settings! {
    /// Edits of header fields, on the way in and on the way out.
    pub struct HeadersSettings {
        /// Of the request, before a backend sees it.
        pub request: FieldEdits,
        /// Of the answer, before the client sees it.
        pub response: FieldEdits,
    }
}

settings! {
    /// Edits of one message: removed first, then set.
    pub struct FieldEdits {
        /// Fields to have exactly this value. `{host}`, `{path}`, `{client_ip}` and `{request_id}` are filled in.
        pub set: Table<HeaderName, HeaderValue> = Table::default(),
        /// Fields to take away.
        pub remove: Vec<HeaderName> = Vec::new(),
    }
}

/// A policy as the file knows it.
struct Member {
    key: &'static str,
    field: fn(&'static str) -> FieldShape,
    read: fn(&Node, &mut Problems, &mut Policies),
}

/// Every policy a route may use.
const ALL: &[Member] = &[Member {
    key: "headers",
    field: |key| FieldShape::of::<Option<HeadersSettings>>(key, "Edits of header fields.", None),
    read: |node, problems, policies| policies.headers = Some(HeadersSettings::read(node, problems)),
}];

/// Their keys, for the schema and the reference.
pub(crate) fn fields() -> Vec<FieldShape> {
    ALL.iter().map(|member| (member.field)(member.key)).collect()
}

/// Reads the keys of a route that its declaration leaves over.
pub(crate) fn read(rest: &Rest, problems: &mut Problems) -> Policies {
    let mut policies = Policies::default();
    for entry in &rest.entries {
        match ALL.iter().find(|member| member.key == &*entry.key) {
            Some(member) => (member.read)(&entry.value, problems, &mut policies),
            None => rest.refuse(entry, &ALL.iter().map(|member| member.key).collect::<Vec<_>>(), problems),
        }
    }
    policies
}
