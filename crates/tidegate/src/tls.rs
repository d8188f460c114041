//! TLS as the program assembles it: what a configuration's certificates are made into, and who decides whether an
//! expired one may be served. Nobody may bring one; one that is in use, or that was there before the gateway was
//! started, is served on: refused handshakes help nobody, and the other listeners even less. It is warned of.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_config::{Config, Listen, Oldest, Protocol};
use tidegate_core::limits::EXPIRY_WARNED;
use tidegate_core::problem::Problem;
use tidegate_core::tls::{self, ClientWish, Door, Identity, Made, Maker, Proof, Wrong};
use tidegate_core::units::{Bind, Label};
use tidegate_telemetry::say;
use tidegate_wire::tls::{Client, Server, ServerSettings, Tickets};

use crate::gateway::Shared;

/// Makes what a configuration asks for; by what rule certificates have to hold is left to those below.
#[derive(Debug)]
pub(crate) struct Strict;

impl Maker for Strict {
    fn identity(&self, certificate: &[u8], key: &[u8]) -> Result<Identity, Wrong> {
        tidegate_wire::tls::Identity::read(certificate, key)
    }

    fn holds(&self, identity: &Identity, _: u64) -> Result<(), Wrong> {
        tls::holds(identity, tls::now())
    }

    fn client(&self, wish: ClientWish<'_>) -> Result<Made, Wrong> {
        Client::make(wish)
    }
}

/// The same for a start: what is there is served.
#[derive(Debug)]
pub(crate) struct AtStart;

impl Maker for AtStart {
    fn identity(&self, certificate: &[u8], key: &[u8]) -> Result<Identity, Wrong> {
        Strict.identity(certificate, key)
    }

    fn holds(&self, _: &Identity, _: u64) -> Result<(), Wrong> {
        Ok(())
    }

    fn client(&self, wish: ClientWish<'_>) -> Result<Made, Wrong> {
        Strict.client(wish)
    }
}

/// The same for a change: what is in use may stay.
#[derive(Debug)]
pub(crate) struct AtReload<'a>(pub(crate) &'a Config);

impl Maker for AtReload<'_> {
    fn identity(&self, certificate: &[u8], key: &[u8]) -> Result<Identity, Wrong> {
        Strict.identity(certificate, key)
    }

    fn holds(&self, identity: &Identity, digest: u64) -> Result<(), Wrong> {
        let is_in_use = self.0.shows(digest);
        Strict.holds(identity, digest).or_else(|wrong| if is_in_use { Ok(()) } else { Err(wrong) })
    }

    fn client(&self, wish: ClientWish<'_>) -> Result<Made, Wrong> {
        Strict.client(wish)
    }
}

/// The keys of tickets, by listener: sessions are resumed whatever worker a client comes to, and over reloads.
pub(crate) type TicketBook = HashMap<Label, Tickets>;

/// A listener's side of TLS, if it has one.
pub(crate) fn server(
    name: &Label,
    listen: &Listen,
    book: &mut TicketBook,
) -> Result<Option<Arc<Server>>, Problem> {
    let Some(tls) = &listen.tls else { return Ok(None) };
    let impossible = |error: &dyn std::fmt::Display| {
        Problem::new(format!("the listener `{}` cannot speak TLS: {error}", name.as_str()))
    };
    let tickets = match book.get(name) {
        Some(tickets) => tickets.clone(),
        None => {
            let tickets = Tickets::new().map_err(|error| impossible(&error))?;
            book.entry(name.clone()).or_insert(tickets).clone()
        }
    };
    let pair = |identity: &'_ Identity| identity.made.get::<tidegate_wire::tls::Identity>().cloned();
    let identities = tls.identities.iter().filter_map(|one| Some((&one.names[..], pair(one)?))).collect();
    let settings = ServerSettings {
        identities,
        speaks_12: tls.oldest == Oldest::Tls12,
        speaks_h1: listen.speaks(Protocol::Http1),
        speaks_h2: listen.speaks(Protocol::Http2),
        tickets,
    };
    Server::new(settings).map(|server| Some(Arc::new(server))).map_err(|error| impossible(&error))
}

/// What a listener does to all requests.
pub(crate) fn door(listen: &Listen, config: &Config) -> Option<Door> {
    let hsts = listen.tls.as_ref().and_then(|tls| tls.hsts);
    let target = listen.redirect.as_ref().and_then(|name| config.listen.get(&name.value));
    let redirect = target.and_then(|target| match target.value.bind.value {
        Bind::Inet(address) => redirect_to(address.port()),
        Bind::Unix(_) => None, // refused when the file was read
    });
    let hsts = hsts.map(|time| format!("max-age={}", time.as_secs()).into());
    (hsts.is_some() || redirect.is_some()).then_some(Door { hsts, redirect })
}

fn redirect_to(port: u16) -> Option<tidegate_core::plan::Redirect> {
    use tidegate_core::location::Location;
    use tidegate_core::router::PathNames;
    let location = Location::parse(&format!("https://{{host}}:{port}{{path}}"), &PathNames::default());
    location.ok().map(|location| tidegate_core::plan::Redirect { status: 308, location })
}

/// Says, of a configuration that is taken, what somebody should know of it: backends that need not prove who they are.
pub(crate) fn warn_of_the_unproved(config: &Config, before: Option<&Config>) {
    let is_unproved = |config: &Config, name: &Label| {
        config
            .services
            .get(name)
            .is_some_and(|row| row.value.tls.as_ref().is_some_and(|tls| tls.proof == Proof::Waived))
    };
    for row in config.services.iter().filter(|row| is_unproved(config, &row.name)) {
        if !before.is_some_and(|before| is_unproved(before, &row.name)) {
            let what = "backends need not prove who they are: `tls.verify` is false";
            say::warn(what, &[("service", &row.name.as_str())]);
        }
    }
}

/// How often a certificate that ends soon or has ended is told of again.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often certificates are looked at: one that ends is told of within that time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was told of a certificate: its end, whether that had come, and when it was told.
type ToldEnd = (i64, bool, tokio::time::Instant);

/// Warns of certificates that end soon, at the start and once a day, and of one that ends when it does.
pub(crate) async fn watch_ends(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    let mut told: HashMap<Arc<str>, ToldEnd> = HashMap::new();
    loop {
        let now = every.tick().await;
        let certificates = shared.meters().certificates();
        told.retain(|name, _| certificates.iter().any(|(known, _)| known == name));
        for (name, not_after) in certificates {
            let left = not_after.saturating_sub(tls::now());
            let is_over = left < 0;
            let is_told = told.get(&name).is_some_and(|&(end, was_over, at)| {
                (end, was_over) == (not_after, is_over) && now.duration_since(at) < WARN_EVERY
            });
            if left < EXPIRY_WARNED.as_secs() as i64 && !is_told {
                let until = tls::date_text(not_after);
                let what = if is_over { "a certificate has expired" } else { "a certificate ends soon" };
                say::warn_of(&name, what, &[("name", &name), ("until", &until)]);
                told.insert(name, (not_after, is_over, now));
            }
        }
    }
}

/// Counts a handshake.
pub(crate) fn count(meters: &tidegate_core::meters::ListenerMeters, ended: Handshake) {
    let cell = match ended {
        Handshake::Full => &meters.handshakes_full,
        Handshake::Resumed => &meters.handshakes_resumed,
        Handshake::Failed => &meters.handshakes_failed,
    };
    cell.fetch_add(1, Relaxed);
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handshake {
    Full,
    Resumed,
    Failed,
}
