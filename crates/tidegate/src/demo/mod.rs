//! `tidegate demo`: a gateway in this process, a shop of small services behind it as child processes, load on it,
//! and a story: an instance is killed and comes back, and no request fails. Everything is gone at the end.

mod change;
mod client;
mod face;
mod histogram;
mod instances;
mod load;
mod play;
mod service;
mod shop;
mod story;
mod summary;
mod terminal;
mod view;
mod visitors;
mod watch;
mod words;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use tidegate_admin::Origin;
use tidegate_core::problem::{Problem, Problems};
use tidegate_telemetry::say;
use tokio::sync::mpsc;

use crate::gateway::{Changes, Gateway, StartError};
use crate::local::{self, StateFolder};
use crate::stores::Stores;
use change::Change;
use face::Face;
use instances::Instance;
use load::Load;
use play::{Demo, Signals};
use shop::Trade;
use visitors::{ALLOWED_PER_SECOND, Visitors};

/// Where the gateway listens unless something else does.
const WANTED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The file of consumers' keys, in the state folder.
const KEYS: &str = "keys.yaml";
/// Tries to start the gateway: a port found free may be taken by the time it is used.
const STARTS_MAX: usize = 3;

/// How the demo is asked to run.
pub(crate) struct Options {
    /// How long; `None` is until it is stopped.
    pub(crate) length: Option<Duration>,
    /// Lines instead of a picture, on a terminal too.
    pub(crate) is_plain: bool,
}

/// Runs the demo to its end. Success if no request failed; problems if it could not start.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Problems> {
    let failed = |what: &'static str| move |error: io::Error| Problem::new(format!("cannot {what}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("start the demo"))?;
    // From here on a signal is heard, if only once everything has started.
    let signals = {
        let _inside = runtime.enter();
        Signals::catch().map_err(failed("listen to signals"))?
    };
    let instances = instances::start_all().map_err(failed("start the services"))?;
    let state = StateFolder::passing()?;
    let keys = visitors::hand_out(&state.path().join(KEYS)).map_err(failed("hand out keys"))?;
    // What becomes of backends is the story itself.
    say::leave_the_screen();
    let (gateway, urls, change) = start_gateway(&instances, &state)?;
    let (end, ended) = mpsc::channel(1);
    let face = Face::choose(options, urls.clone(), end).map_err(failed("draw on the terminal"))?;
    let answering = instances.iter().map(|instance| (instance.trade.name, instance.address)).collect();
    let load = Load::start(urls.listens, answering).map_err(failed("start the load"))?;
    let visitors = Visitors::new(urls.listens, keys);
    let mut demo = Demo::new(options, gateway.snapshot(), change, visitors, instances, load, face);
    let played = runtime.block_on(demo.play(signals, ended));
    let is_fine = demo.finish(gateway, played);
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs an instance of a service, as the demo starts it.
pub(crate) fn serve(name: &str, port: u16) -> ExitCode {
    let result = match Trade::named(name) {
        Some(trade) => service::serve(trade, port),
        None => Err(io::Error::other(format!("there is no service `{name}`"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Where everything is.
#[derive(Clone, Debug)]
struct Urls {
    listens: SocketAddr,
    gateway: String,
    admin: String,
}

fn start_gateway(instances: &[Instance], state: &StateFolder) -> Result<(Gateway, Urls, Change), Problems> {
    let file = state.path().join("tidegate.yaml");
    let mut tries = 0;
    loop {
        let (listens, admin) = (local::free_port(WANTED)?.address, local::free_port(local::ADMIN)?.address);
        let text = configuration(instances, state, listens, admin);
        std::fs::write(&file, &text)
            .map_err(|error| Problem::new(format!("cannot write {}: {error}", file.display())))?;
        let stores = Stores::new();
        let config = tidegate_config::load(&file, &stores.families())?;
        tries += 1;
        match Gateway::start(config, Origin::Files, Changes::File(file.clone()), stores) {
            Ok(gateway) => {
                let change = Change::new(file, text, gateway.changer());
                let urls = Urls { listens, gateway: local::url(listens), admin: local::url(admin) };
                return Ok((gateway, urls, change));
            }
            Err(StartError::Problems(problems)) if tries == STARTS_MAX => return Err(problems),
            Err(_) => {}
        }
    }
}

fn configuration(
    instances: &[Instance],
    state: &StateFolder,
    listens: SocketAddr,
    admin: SocketAddr,
) -> String {
    let folder = local::quoted(&state.path().to_string_lossy());
    let mut text = format!(
        "version: 1\nlisten: {{ http: \"{listens}\" }}\nadmin: \"{admin}\"\nstate: {folder}\nservices:\n"
    );
    for trade in &shop::TRADES {
        let backends: Vec<String> = instances
            .iter()
            .filter(|instance| instance.trade == trade)
            .map(|instance| format!("\"{}\"", instance.address))
            .collect();
        // Not ewma, which remembers a failure for twenty seconds: longer than this story takes. Here an instance is
        // missed at the first request after its end, and has its share at the first after its return.
        let balance = "least-request";
        text += &format!("  {}: {{ backends: [{}], balance: {balance} }}\n", trade.name, backends.join(", "));
    }
    text += &format!("auth: {{ partners: {{ api_key: {{ file: {KEYS} }} }} }}\nroutes:\n");
    for trade in &shop::TRADES {
        text += &format!("  - {{ match: \"/{0}/**\", to: {0}, shield: true }}\n", trade.name);
    }
    text += &format!(
        "  - {{ match: \"/partners/**\", to: {}, rewrite: \"/{}/{{rest}}\", auth: partners, limit: {ALLOWED_PER_SECOND}/s per consumer }}\n",
        shop::VICTIM.name,
        shop::VICTIM.name
    );
    text
}
