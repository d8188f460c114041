//! The certificates that listeners show, and how long they hold.

use axum::extract::State;
use serde::Serialize;
use tidegate_core::limits::EXPIRY_WARNED;
use tidegate_core::tls::{self, Identity};
use utoipa::ToSchema;

use super::Json;
use crate::{Panel, moment};

/// All certificates.
#[derive(Serialize, ToSchema)]
pub(crate) struct Certificates {
    /// By listener, in the order of the configuration.
    certificates: Vec<Certificate>,
}

/// A certificate that a listener shows.
#[derive(Serialize, ToSchema)]
pub(crate) struct Certificate {
    /// Its first name; the same as in the metrics.
    #[schema(example = "api.example.com")]
    name: String,
    /// Every name it is for.
    names: Vec<String>,
    /// The listener that shows it.
    listener: String,
    /// How it stands.
    state: Holds,
    /// From when it holds.
    #[schema(format = DateTime)]
    not_before: String,
    /// Until when.
    #[schema(format = DateTime, example = "2026-11-24T02:00:00Z")]
    not_after: String,
}

/// Whether a certificate holds.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CertificateState)]
pub(crate) enum Holds {
    /// Its time has not come.
    Early,
    /// It holds.
    Valid,
    /// It ends within two weeks, and nobody has renewed it.
    Ending,
    /// It has ended: clients refuse it.
    Expired,
}

/// Lists the certificates of listeners.
#[utoipa::path(get, path = "/api/v1/certificates", operation_id = "list_certificates", tag = "certificates",
    responses((status = 200, description = "All of them.", body = Certificates)))]
pub(crate) async fn list(State(panel): State<Panel>) -> Json<Certificates> {
    let running = panel.view.running();
    let now = tls::now();
    let mut certificates = Vec::new();
    for row in running.config.listen.iter() {
        let identities = row.value.tls.iter().flat_map(|tls| &tls.identities);
        certificates.extend(identities.map(|identity| Certificate {
            name: identity.name.to_string(),
            names: identity.names.clone(),
            listener: row.name.as_str().to_owned(),
            state: state(identity, now),
            not_before: moment::of_unix(identity.not_before),
            not_after: moment::of_unix(identity.not_after),
        }));
    }
    Json(Certificates { certificates })
}

fn state(identity: &Identity, now: i64) -> Holds {
    let left = identity.not_after.saturating_sub(now);
    match () {
        () if now < identity.not_before => Holds::Early,
        () if left < 0 => Holds::Expired,
        () if left < EXPIRY_WARNED.as_secs() as i64 => Holds::Ending,
        () => Holds::Valid,
    }
}
