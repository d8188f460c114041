//! Asks for the addresses of a host name: the hosts file first, as every program on the machine does, then name
//! servers. What the answer means is not decided here. Called by `discovery`.

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tidegate_core::entry::ResolverSettings;
use tidegate_upstreams::sources::dns::{Answer, Half};

/// A lookup that has no end by then has failed: 30 s are what a patient system makes of two servers and three tries.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(30);

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";

/// When the system's files were last written. One that is not there has no time.
#[derive(PartialEq, Eq)]
struct Stamp([Option<SystemTime>; 2]);

impl Stamp {
    fn now() -> Stamp {
        let written = |path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        Stamp([written(RESOLV_CONF), written(HOSTS)])
    }
}

/// See the file.
pub(super) struct Resolver {
    settings: ResolverSettings,
    stamp: Stamp,
    asker: Arc<Asker>,
}

impl Resolver {
    /// A resolver with these settings, and what the system's files say.
    pub(super) fn new(settings: &ResolverSettings) -> Resolver {
        Resolver { stamp: Stamp::now(), asker: Arc::new(Asker::new(settings)), settings: settings.clone() }
    }

    /// Follows the settings and the system's files, if either have changed. Reads files: two stamps if not.
    pub(super) fn renew(&mut self, settings: &ResolverSettings) {
        if self.settings != *settings || self.stamp != Stamp::now() {
            *self = Resolver::new(settings);
        }
    }

    /// Who to ask now. Lookups under way keep theirs.
    pub(super) fn asker(&self) -> Arc<Asker> {
        self.asker.clone()
    }
}

/// Asks, with the settings of one moment.
pub(super) struct Asker {
    hosts: Hosts,
    servers: Result<TokioResolver, String>,
}

impl Asker {
    fn new(settings: &ResolverSettings) -> Asker {
        let servers = build(settings).map_err(|error| match settings.servers.is_empty() {
            true => format!("{RESOLV_CONF} names no name server ({error})"),
            false => error.to_string(),
        });
        Asker { hosts: Hosts::from_system().unwrap_or_default(), servers }
    }

    /// Asks for both kinds of address.
    pub(super) async fn ask(self: Arc<Asker>, name: Arc<str>) -> Answer {
        let Ok(name) = Name::from_ascii(&*name) else {
            return Answer::failed("it is no name the DNS can hold");
        };
        if let Some(answer) = self.in_hosts(&name) {
            return answer;
        }
        let servers = match &self.servers {
            Ok(servers) => servers,
            Err(reason) => return Answer::failed(reason),
        };
        // Nothing is kept between two questions: when to ask again is not the resolver's matter.
        servers.clear_cache();
        let both = async { tokio::join!(servers.ipv4_lookup(name.clone()), servers.ipv6_lookup(name)) };
        match tokio::time::timeout(LOOKUP_TIME_MAX, both).await {
            Ok((v4, v6)) => Answer { v4: half(v4), v6: half(v6) },
            Err(_) => Answer::failed(TIMED_OUT),
        }
    }

    /// A name in the hosts file has the addresses it has there and no others.
    fn in_hosts(&self, name: &Name) -> Option<Answer> {
        let of_kind = |kind| {
            let lookup = self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
            lookup.map_or(Half::Nothing, found)
        };
        let answer = Answer { v4: of_kind(RecordType::A), v6: of_kind(RecordType::AAAA) };
        (answer != Answer { v4: Half::Nothing, v6: Half::Nothing }).then_some(answer)
    }
}

const TIMED_OUT: &str = "no name server answered in time";

fn build(settings: &ResolverSettings) -> Result<TokioResolver, NetError> {
    let mut builder = match settings.servers.is_empty() {
        true => TokioResolver::builder_tokio()?,
        false => {
            let servers = settings.servers.iter().map(|address| name_server(*address)).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never; // `in_hosts` reads it as the system does
    if let Some(timeout) = settings.timeout {
        options.timeout = timeout;
    }
    builder.build()
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let on_port = |connection: ConnectionConfig| {
        let mut connection = connection;
        connection.port = address.port();
        connection
    };
    let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

fn half(result: Result<Lookup, NetError>) -> Half {
    match result {
        Ok(lookup) => found(lookup),
        Err(error) if error.is_no_records_found() => Half::Nothing,
        Err(NetError::Timeout) => Half::Failed(TIMED_OUT.to_owned()),
        Err(NetError::Dns(DnsError::ResponseCode(code))) => {
            Half::Failed(format!("the name server answers \"{code}\""))
        }
        Err(error) => Half::Failed(error.to_string()),
    }
}

fn found(lookup: Lookup) -> Half {
    let records = lookup.answers();
    let addresses: Vec<_> = records.iter().filter_map(|record| record.data.ip_addr()).collect();
    // The names on the way to the addresses count too: an alias may last less long than what it leads to.
    match records.iter().map(|record| record.ttl).min() {
        Some(ttl) if !addresses.is_empty() => Half::Found(addresses, Duration::from_secs(ttl.into())),
        _ => Half::Nothing,
    }
}
