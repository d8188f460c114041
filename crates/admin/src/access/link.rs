//! The one-time link that is printed at start, and the session it begins. A browser has no other way in: the token is
//! for programs, and is typed into no page.

use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::secret::Secret;

use super::token::{self, is_same};

/// The name of the session's cookie.
pub(crate) const COOKIE: &str = "tidegate_admin";
/// How long the link works: whoever started the gateway is looking at it now. Logs are read later.
const LINK_TIME: Duration = Duration::from_secs(5 * 60);
/// How long a session lasts: a working day. Then it takes a restart, or the token.
pub(crate) const SESSION_TIME: Duration = Duration::from_secs(12 * 60 * 60);

/// One code, and the one session it can begin.
pub(super) struct Link {
    code: Secret<String>,
    made: Nanos,
    session: Mutex<Option<Session>>,
}

struct Session {
    id: Secret<String>,
    began: Nanos,
}

impl Link {
    pub(super) fn new() -> io::Result<Link> {
        Ok(Link { code: token::random()?, made: clock::exact(), session: Mutex::new(None) })
    }

    /// Where to go. Shown once, at start.
    pub(super) fn path(&self) -> String {
        format!("{}?code={}", crate::pages::ENTER, self.code.reveal())
    }

    /// Takes the code and begins the session; nothing when it is wrong, late, or was used.
    pub(super) fn enter(&self, code: &str, now: Nanos) -> Option<String> {
        let mut session = self.lock();
        let is_good = is_same(self.code.reveal(), code);
        if !is_good || session.is_some() || now.since(self.made) > LINK_TIME {
            return None;
        }
        let id = token::random().ok()?;
        let cookie = id.reveal().clone();
        *session = Some(Session { id, began: now });
        Some(cookie)
    }

    /// Whether this is the session that is going on.
    pub(super) fn is_session(&self, id: &str, now: Nanos) -> bool {
        self.lock().as_ref().is_some_and(|session| {
            is_same(session.id.reveal(), id) && now.since(session.began) <= SESSION_TIME
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_works_once_and_in_time() {
        let code = |link: &Link| link.path().split_once("code=").unwrap().1.to_owned();
        let link = Link::new().unwrap();
        let start = link.made;
        assert_eq!(link.enter("wrong", start), None);
        assert!(!link.is_session("", start), "there is none yet");
        let last = start.after(LINK_TIME);
        let session = link.enter(&code(&link), last).unwrap();
        for wrong in [code(&link), String::new(), format!("{session}x")] {
            assert!(!link.is_session(&wrong, last), "{wrong}");
        }
        assert_eq!(link.enter(&code(&link), last), None, "a second time");
        let end = last.after(SESSION_TIME);
        assert!(link.is_session(&session, end));
        assert!(!link.is_session(&session, Nanos(end.0 + 1)), "the session is over");

        let late = Link::new().unwrap();
        assert_eq!(late.enter(&code(&late), Nanos(late.made.after(LINK_TIME).0 + 1)), None);
    }
}
