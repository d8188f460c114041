//! Who may use the admin listener, decided before anything else looks at a request. In this order: is it asked for by
//! a name of its own (`hosts`), does a write come from a page of its own (`origin`), and does the client show the
//! token, or the cookie that a one-time link gave it. `/healthz` and `/readyz` are open to all; `/metrics` needs no
//! credential where only this machine can reach the listener.

mod attempts;
mod hosts;
mod link;
mod origin;
mod token;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::atomic::Ordering::Relaxed;
use tidegate_config::Config;
use tidegate_core::clock;
use tidegate_core::meters::AdminMeters;
use tidegate_core::problem;
use tidegate_telemetry::say;

use crate::Panel;
use crate::lobby::Entrance;
use crate::problem::Problem;
use crate::serve::Door;
use attempts::Attempts;
pub(crate) use attempts::Client;
use link::Link;
pub(crate) use link::{COOKIE, SESSION_TIME};
use token::Made;

/// What is kept to decide who may use the listener. Lives as long as the process: a reload changes the configured
/// token and names, which are looked up at every request, and ends no session.
pub struct Access {
    made: Made,
    link: Link,
    attempts: Attempts,
}

impl Access {
    /// Reads the token that was made at an earlier start, or makes it, if the configuration sets none.
    pub fn new(config: &Config) -> Result<Access, problem::Problem> {
        let made = Made::new(&config.state.dir);
        if config.admin.token.is_none() {
            made.token()?;
        }
        let link = Link::new()
            .map_err(|error| problem::Problem::new(format!("the system gives no random numbers: {error}")))?;
        Ok(Access { made, link, attempts: Attempts::default() })
    }

    /// The path and query that give a browser its cookie: once, and within five minutes from the start.
    pub fn link(&self) -> String {
        self.link.path()
    }

    /// Takes the code of a link; gives the value of the session's cookie.
    pub(crate) fn enter(&self, code: &str, door: Door, meters: &AdminMeters) -> Result<String, Refusal> {
        let session = self.attempts.within(door.client, || self.link.enter(code, clock::exact()));
        counted(session, door, crate::pages::ENTER, meters)
    }

    fn authenticate(
        &self,
        config: &Config,
        request: &Request,
        door: Door,
        meters: &AdminMeters,
    ) -> Result<(), Refusal> {
        let headers = request.headers();
        let shown = match (bearer(headers), cookie(headers)) {
            (None, None) => {
                meters.no_credential.fetch_add(1, Relaxed);
                return Err(Refusal::Missing);
            }
            (Some(token), _) => match &config.admin.token {
                Some(set) => {
                    let set = set.reveal().as_str();
                    self.attempts.within(door.client, || token::is_same(set, token).then_some(()))
                }
                None => match self.made.token() {
                    Ok(made) => self
                        .attempts
                        .within(door.client, || token::is_same(made.reveal(), token).then_some(())),
                    Err(_) => return Err(Refusal::NoToken),
                },
            },
            (None, Some(session)) => self
                .attempts
                .within(door.client, || self.link.is_session(session, clock::exact()).then_some(())),
        };
        counted(shown, door, request.uri().path(), meters)
    }
}

/// Longest path of a request that is told of: those of this listener are shorter.
const PATH_BYTES_TOLD_MAX: usize = 128;

/// Counts a refused credential, and tells who showed it: somebody guesses, or a script has an old one. Who shows none
/// may be anybody who looks what is here.
fn counted<T>(
    result: Result<T, Refusal>,
    door: Door,
    path: &str,
    meters: &AdminMeters,
) -> Result<T, Refusal> {
    let counter = match &result {
        Err(Refusal::Wrong) => &meters.wrong_credential,
        Err(Refusal::TooMany) => &meters.throttled,
        Ok(_) | Err(Refusal::Missing | Refusal::NoToken) => return result,
    };
    counter.fetch_add(1, Relaxed);
    let client = door.client.map_or_else(|| String::from("unix"), |client| client.to_string());
    let path = path.get(..PATH_BYTES_TOLD_MAX).unwrap_or(path);
    // One line in a while, whoever it is: a line for each guess would fill disks.
    say::warn("the admin listener refused a credential", &[("client", &client), ("path", &path)]);
    result
}

/// Why a credential does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is none.
    Missing,
    /// It is not the right one.
    Wrong,
    /// This client showed too many wrong ones of late; this one was not looked at.
    TooMany,
    /// The file of the made token cannot be used.
    NoToken,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let unauthorized = |detail: &str, challenge: &'static str| {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, detail);
            let problem = problem.hint(
                "send `Authorization: Bearer` and the token: `admin.token` of the configuration, else the file `admin-token` in the state folder",
            );
            ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response()
        };
        match self {
            Refusal::Missing => unauthorized("this needs the token of the admin listener", "Bearer"),
            Refusal::Wrong => unauthorized(
                "this is not the token of the admin listener, or the session is over",
                r#"Bearer error="invalid_token""#,
            ),
            Refusal::TooMany => {
                let detail = "too many wrong tokens from this address; this one was not looked at";
                let problem =
                    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).hint("try again in a second");
                ([(header::RETRY_AFTER, "1")], problem).into_response()
            }
            Refusal::NoToken => {
                let detail = "the token in the state folder cannot be read or made";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
            }
        }
    }
}

/// Stands before everything on the admin listener.
pub(crate) async fn guard(State(panel): State<Panel>, request: Request, next: Next) -> Response {
    let entrance = request.extensions().get::<Entrance>().cloned();
    let mut is_last = false;
    let mut response = match admit(&panel, &request) {
        Ok(Admitted::Guest) => {
            is_last = !entrance.is_some_and(|entrance| entrance.is_inside());
            next.run(request).await
        }
        Ok(Admitted::Known) if entrance.is_none_or(|entrance| entrance.let_in()) => next.run(request).await,
        Ok(Admitted::Known) => {
            is_last = true;
            full().into_response()
        }
        Err(denied) => {
            is_last = true;
            denied.into_response()
        }
    };
    let headers = response.headers_mut();
    if is_last {
        // Who was not let in waits for nothing more here, and gives the place back.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    // Nothing here is to be kept, taken for another type, framed, or given a part from elsewhere; and no page learns
    // from an address where its reader came from.
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Who may ask what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admitted {
    /// Anybody.
    Guest,
    /// Whoever this is: the connection is let in.
    Known,
}

/// What is answered while all places are taken, but for what is open to all.
fn full() -> impl IntoResponse {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections are open here");
    ([(header::RETRY_AFTER, "1")], problem.hint("close some, or try again; `/healthz` and `/readyz` answer"))
}

/// Why a request is not let in.
enum Denied {
    Problem(Problem),
    Credential(Refusal),
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        match self {
            Denied::Problem(problem) => problem.into_response(),
            Denied::Credential(refusal) => refusal.into_response(),
        }
    }
}

fn admit(panel: &Panel, request: &Request) -> Result<Admitted, Denied> {
    let meters = &panel.view.meters().admin;
    let path = request.uri().path();
    if matches!(path, "/healthz" | "/readyz") {
        // A load balancer asks by whatever name it knows, and hears nothing that a page could use.
        return Ok(Admitted::Guest);
    }
    let running = panel.view.running();
    hosts::check(request, &running.config.admin.hosts).map_err(|problem| {
        meters.wrong_host.fetch_add(1, Relaxed);
        Denied::Problem(problem)
    })?;
    origin::check(request).map_err(|problem| {
        meters.cross_origin.fetch_add(1, Relaxed);
        Denied::Problem(problem)
    })?;
    // A request that came by no door of ours is not trusted with anything.
    let door = request.extensions().get().copied().unwrap_or(Door { client: None, is_local: false });
    match path {
        crate::pages::ENTER => Ok(Admitted::Guest),
        "/metrics" if door.is_local => Ok(Admitted::Known),
        _ => panel
            .access
            .authenticate(&running.config, request, door, meters)
            .map(|()| Admitted::Known)
            .map_err(Denied::Credential),
    }
}

/// The token in `Authorization: Bearer …`. Any other scheme is a wrong token.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        _ => Some(""),
    }
}

/// The session in the cookie a link gave.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, session)| session)
}
