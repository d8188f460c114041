//! What the admin listener knows of the gateway, and the one thing it can tell it to do. The program implements it.

use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tidegate_config::Config;
use tidegate_core::meters::Meters;
use tidegate_core::plan::Snapshot;
use tidegate_core::problem::Problems;
use tidegate_core::shelf::Shelf;
use tidegate_telemetry::recent::Recent;
use utoipa::ToSchema;

/// The gateway as the admin listener sees it, asked at every request.
pub trait View: Send + Sync + 'static {
    /// The snapshot in use.
    fn snapshot(&self) -> Arc<Snapshot> {
        self.running().snapshot
    }

    /// The snapshot in use and the configuration it was compiled from, of one moment.
    fn running(&self) -> Running;

    /// The counters.
    fn meters(&self) -> &Meters;

    /// What outlives configurations.
    fn shelf(&self) -> &Shelf;

    /// How long requests took of late.
    fn recent(&self) -> &Recent;

    /// The program's version.
    fn version(&self) -> &str;

    /// Whether it takes new requests: it has a snapshot and is not draining.
    fn is_ready(&self) -> bool;

    /// Reads the configuration anew and takes it, whole or not at all. Returns when every worker serves it.
    /// Dropping the future does not stop a change that has begun.
    fn reload(self: Arc<Self>) -> Reloading;
}

/// What runs now.
#[derive(Clone)]
pub struct Running {
    /// As it was read.
    pub config: Arc<Config>,
    /// As it was compiled.
    pub snapshot: Arc<Snapshot>,
    /// Where it was read from.
    pub origin: Origin,
}

/// Where a configuration was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Its files.
    Files,
    /// What was kept of it when it was taken last, as the files themselves cannot be used.
    LastGood,
    /// Nowhere: the program made it.
    Program,
}

/// A reload under way.
pub type Reloading = Pin<Box<dyn Future<Output = Result<Reloaded, NotReloaded>> + Send>>;

/// A configuration was taken.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// The number of the snapshot that is in use now.
    pub snapshot: u64,
    /// What differs from the one before, such as `routes.orders-read`. Empty when nothing does.
    pub changed: Vec<String>,
    /// What is allowed in it, and may yet not be meant.
    pub warnings: Problems,
}

/// No configuration was taken; what ran goes on.
#[derive(Clone, Debug)]
pub enum NotReloaded {
    /// What is wrong with it.
    Problems(Problems),
    /// This gateway has none to read anew; why.
    Impossible(&'static str),
}
