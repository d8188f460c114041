//! What only the inside can bring about.

use super::*;
use crate::local::{StateFolder, quoted};
use tidegate_testkit::ports;

fn started() -> Result<(Gateway, StateFolder), Problems> {
    let state = StateFolder::passing()?;
    let text = format!(
        "version: 1\nworkers: 2\nlisten: {{ http: \"127.0.0.1:{}\" }}\nadmin: \"127.0.0.1:{}\"\nstate: {}\n\
         routes: [{{ match: /**, to: {{ respond: 200 }} }}]\n",
        ports::claim(),
        ports::claim(),
        quoted(&state.path().to_string_lossy())
    );
    let stores = Stores::new();
    let config = tidegate_config::from_text("test", &text, state.path(), &stores.families())?;
    match Gateway::start(config, Origin::Program, Changes::Never, stores) {
        Ok(gateway) => Ok((gateway, state)),
        Err(StartError::Problems(problems)) => Err(problems),
    }
}

/// Whatever ended it: here it is told to behind the gateway's back.
#[test]
fn a_worker_that_ends_ends_the_process_badly() {
    let (gateway, _state) = started().unwrap_or_else(|problems| panic!("{problems}"));
    let shared = gateway.shared.clone();
    gateway.control.spawn(async move {
        let _ = shared.reloader.orders[1].send(Order::Drain).await;
    });
    assert_eq!(gateway.serve_until_told(), Ended::Badly);
}
