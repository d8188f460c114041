//! How a request ended, and whose fault a failure was. One list serves the access log, problem details
//! and metrics.

/// How a request ended. The text of each is part of the public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)] // each is described by its text
pub enum Outcome {
    #[default]
    Ok,
    BadRequest,
    NoRoute,
    MethodNotAllowed,
    Unauthenticated,
    Forbidden,
    Limited,
    Quota,
    Shed,
    TooLarge,
    NoBackend,
    ConnectFailed,
    BackendReset,
    BackendTimeout,
    BackendError,
    ClientGone,
    Loop,
    Maintenance,
    NoKeys,
    OutOfDescriptors,
    Internal,
}

impl Outcome {
    /// Every one, in the order of their numbers.
    pub const ALL: [Outcome; 21] = [
        Outcome::Ok,
        Outcome::BadRequest,
        Outcome::NoRoute,
        Outcome::MethodNotAllowed,
        Outcome::Unauthenticated,
        Outcome::Forbidden,
        Outcome::Limited,
        Outcome::Quota,
        Outcome::Shed,
        Outcome::TooLarge,
        Outcome::NoBackend,
        Outcome::ConnectFailed,
        Outcome::BackendReset,
        Outcome::BackendTimeout,
        Outcome::BackendError,
        Outcome::ClientGone,
        Outcome::Loop,
        Outcome::Maintenance,
        Outcome::NoKeys,
        Outcome::OutOfDescriptors,
        Outcome::Internal,
    ];

    /// The word in logs, metrics and the `code` of problem details.
    pub const fn code(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::BadRequest => "bad_request",
            Outcome::NoRoute => "no_route",
            Outcome::MethodNotAllowed => "method_not_allowed",
            Outcome::Unauthenticated => "unauthenticated",
            Outcome::Forbidden => "forbidden",
            Outcome::Limited => "limited",
            Outcome::Quota => "quota",
            Outcome::Shed => "shed",
            Outcome::TooLarge => "too_large",
            Outcome::NoBackend => "no_backend",
            Outcome::ConnectFailed => "connect_failed",
            Outcome::BackendReset => "backend_reset",
            Outcome::BackendTimeout => "backend_timeout",
            Outcome::BackendError => "backend_error",
            Outcome::ClientGone => "client_gone",
            Outcome::Loop => "loop",
            Outcome::Maintenance => "maintenance",
            Outcome::NoKeys => "no_keys",
            Outcome::OutOfDescriptors => "out_of_descriptors",
            Outcome::Internal => "internal",
        }
    }
}

/// Why a request cannot be taken as it stands: the answer it gets before anything reaches a route.
/// The connection closes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 405, 408, 413, 414, 417, 431, 501, 505.
    pub status: u16,
    /// A short phrase that says what was wrong, for the client.
    pub reason: &'static str,
}

impl Refusal {
    /// A refusal with any status.
    pub const fn new(status: u16, reason: &'static str) -> Refusal {
        Refusal { status, reason }
    }

    /// The ordinary one: 400.
    pub const fn bad(reason: &'static str) -> Refusal {
        Refusal { status: 400, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_listed_by_their_number() {
        assert!(Outcome::ALL.iter().enumerate().all(|(index, outcome)| *outcome as usize == index));
        assert_eq!(Outcome::Internal as usize + 1, Outcome::ALL.len(), "none is left out");
    }
}
