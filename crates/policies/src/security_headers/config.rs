//! What may be written under `security_headers`.

use tidegate_core::header::HeaderValue;
use tidegate_core::settings::Toggle;
use tidegate_core::{choice, settings};

settings! {
    /// Fields that tell browsers to be careful with answers. `true` is all of it as by default.
    pub(crate) struct SecuritySettings {
        /// Whether `X-Content-Type-Options: nosniff` is said: a browser then takes an answer for what it says it is.
        pub(crate) content_type_options: bool = true,
        /// `X-Frame-Options`: which pages may show an answer in a frame.
        pub(crate) frame_options: Toggle<Frames> = Toggle::On(Frames::Deny),
        /// `Referrer-Policy`: what a browser tells other sites of where its visitor comes from.
        pub(crate) referrer_policy: Toggle<Referrer> = Toggle::On(Referrer::None),
        /// `Content-Security-Policy`: what a page may load and do. None unless set: only who made the page knows.
        pub(crate) content_security_policy: Option<HeaderValue>,
        /// `Permissions-Policy`: which features of the browser a page may use. None unless set.
        pub(crate) permissions_policy: Option<HeaderValue>,
        /// Whether what the backend says of the same is replaced. Else its own word stays.
        pub(crate) replace: bool as "override" = false,
        /// Whether `Server`, `X-Powered-By` and the like are taken away, which tell what a backend is made of.
        pub(crate) hide_server: bool = false,
    }
}

choice! {
    /// Which pages may show an answer in a frame.
    pub(crate) enum Frames {
        /// None.
        Deny = "deny",
        /// Those of the same origin.
        SameOrigin = "sameorigin",
    }
}

choice! {
    /// What a browser tells other sites of where its visitor comes from.
    pub(crate) enum Referrer {
        /// Nothing.
        None = "no-referrer",
        /// The whole URL, but not from https to http.
        NotDown = "no-referrer-when-downgrade",
        /// The origin.
        Origin = "origin",
        /// The origin; to the same one the whole URL.
        OriginElsewhere = "origin-when-cross-origin",
        /// Nothing; to the same origin the whole URL.
        Same = "same-origin",
        /// The origin, but not from https to http.
        StrictOrigin = "strict-origin",
        /// The same; to the same origin the whole URL. What browsers do when told nothing.
        StrictElsewhere = "strict-origin-when-cross-origin",
    }
}
