//! Tells browsers to be careful with answers, whoever gave them, and hides what backends are made of. What a backend
//! says itself stays, unless it is to be replaced. (`Strict-Transport-Security` is about a listener, not a route.)

mod config;

#[cfg(test)]
mod tests;

use config::{Frames, SecuritySettings};
use tidegate_core::building::Building;
use tidegate_core::header::{HeaderField, HeaderName, HeaderValue};
use tidegate_core::node::Node;
use tidegate_core::policy::{Kind, Phase, Policy, RequestView, ResponseView, Verdict};
use tidegate_core::settings::{Setting, Switch, Word};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "security_headers",
    doc: "Fields that tell browsers to be careful with answers.",
    shape: Switch::<SecuritySettings>::shape,
    build,
};

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let Some(settings) = Switch::<SecuritySettings>::read(node, building.problems).on() else {
        return Vec::new();
    };
    let fixed = |text: &str| HeaderValue::parse(text).ok();
    let frames = settings.frame_options.on().map(|frames| match frames {
        Frames::Deny => "DENY",
        Frames::SameOrigin => "SAMEORIGIN",
    });
    let referrer = settings.referrer_policy.on().map(|referrer| Word::show(&referrer));
    let said = [
        ("x-content-type-options", settings.content_type_options.then(|| fixed("nosniff")).flatten()),
        ("x-frame-options", frames.and_then(fixed)),
        ("referrer-policy", referrer.as_deref().and_then(fixed)),
        ("content-security-policy", settings.content_security_policy),
        ("permissions-policy", settings.permissions_policy),
    ];
    let named = |(name, value): (&str, Option<HeaderValue>)| {
        let name = HeaderName::parse(name).ok()?;
        Some((HeaderField::new(&name, &value?), name))
    };
    vec![Box::new(SecurityHeaders {
        said: said.into_iter().filter_map(named).collect(),
        replaces: settings.replace,
        hides: settings.hide_server,
    })]
}

/// See the file.
struct SecurityHeaders {
    said: Box<[(HeaderField, HeaderName)]>,
    replaces: bool,
    hides: bool,
}

/// What frameworks say of themselves.
const OF_MAKERS: [&str; 4] = ["server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version"];

impl Policy for SecurityHeaders {
    fn phase(&self) -> Phase {
        Phase::Shape
    }

    fn describe(&self) -> String {
        self.said.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn request<'a>(&'a self, _: RequestView<'a>) -> Verdict<'a> {
        Verdict::Continue
    }

    fn response(&self, view: ResponseView<'_>) {
        let fields = &mut view.head.fields;
        for (field, name) in &self.said {
            if self.replaces {
                name.remove_from(fields);
            } else if fields.find(name.as_str().as_bytes()).is_some() {
                continue;
            }
            field.add_to(fields, view.request, view.origin);
        }
        if self.hides {
            OF_MAKERS.iter().for_each(|name| fields.remove_named(name.as_bytes()));
        }
    }
}
