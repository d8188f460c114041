//! What only the whole file can show: names that are defined nowhere, binds, backends and routes that are
//! there twice, names that mean something else. Turns what was read into a `Config`.

use crate::auth;
use crate::cases::{self, Known};
use crate::config::{
    self, Config, File, FileListen, FileRoute, FileService, Listen, Route, Service, Version,
};
use crate::health;
use crate::matching::{self, Match};
use crate::members;
use crate::naming;
use crate::paths;
use crate::protocols;
use crate::sources::Sources;
use crate::target::{ANSWERS, Target};
use crate::telemetry;
use crate::tls;
use crate::workbench::Workbench;
use crate::written::Written;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::path::Path;
use tidegate_core::entry::Site;
use tidegate_core::node::Node;
use tidegate_core::problem::{Place, Problem, Problems, nearest};
use tidegate_core::router::PathPattern;
use tidegate_core::settings::{Setting, Table};
use tidegate_core::units::{Bind, Label};

/// Whether the file is of a version this program reads, as far as it says one. Another may spell everything else in
/// another way: nothing more can be said of it.
pub(crate) fn version(root: &Node, problems: &mut Problems) -> bool {
    let written = root.entry("version").map(|entry| &entry.value);
    let before = problems.count();
    if let Some(version) = written.filter(|version| version.scalar().is_some()) {
        Version::read(version, problems);
    }
    problems.count() == before
}

/// Reads the tree of a whole file, with what it includes.
pub(crate) fn config(
    root: &Node,
    folder: &Path,
    bench: &mut Workbench<'_>,
    problems: &mut Problems,
) -> Config {
    let families = bench.families;
    let mut file = File::read(root, problems);
    // The default is the only path that no node gave a folder to start from.
    file.state.dir = folder.join(&file.state.dir);
    check_listen(&file, root, problems);
    check_services(&file.services, problems);
    telemetry::check(&file.telemetry, problems);
    let listen = std::mem::take(&mut file.listen).map(|_, _, listen| whole_listener(listen, bench, problems));
    tls::check_redirects(&listen, problems);
    let auth = auth::entries(std::mem::take(&mut file.auth), bench, problems);
    let routes = check_routes(&file, &listen, root, &auth, bench, problems);
    let known = Known {
        routes: routes.iter().map(|route| &*route.name).collect(),
        services: file.services.iter().map(|row| row.name.as_str()).collect(),
        listeners: listen.iter().map(|row| row.name.as_str()).collect(),
    };
    cases::check(&file.tests, &known, problems);
    let warnings = paths::warnings(&listen, &routes);
    Config {
        source: root.place.source.clone(),
        sources: Sources::default(),
        workers: file.workers,
        listen,
        admin: file.admin,
        state: file.state,
        drain: file.drain,
        telemetry: file.telemetry,
        resolver: file.resolver,
        services: file.services.map(|_, place, service| whole(service, place, bench, problems)),
        auth: auth.filter_map(|entry| entry),
        routes,
        tests: file.tests,
        written: Written::of(root, &config::declaration(families)),
        warnings,
    }
}

/// A listener with its certificates.
fn whole_listener(file: FileListen, bench: &mut Workbench<'_>, problems: &mut Problems) -> Listen {
    let FileListen { bind, tls, protocols, redirect, trusted, paths, limits } = file;
    if let Some(protocols) = &protocols {
        protocols::check(protocols, problems);
    }
    Listen {
        bind,
        protocols,
        tls: tls.map(|tls| tls::listen(tls, bench, problems)),
        redirect,
        trusted: trusted.0,
        paths,
        limits,
    }
}

/// A service with its balancer.
fn whole(service: FileService, place: &Place, bench: &mut Workbench<'_>, problems: &mut Problems) -> Service {
    let has_secure = service.backends.iter().any(|backend| backend.site.is_secure());
    let tls = tls::service(service.tls, has_secure, bench, problems);
    let families = bench.families;
    Service {
        backends: service.backends,
        balance: members::balancer(&service.balance, place, families, problems),
        timeouts: service.timeouts,
        retry: service.retry,
        health: service.health,
        host: service.host,
        tls,
        connections: service.connections,
        maintenance: service.maintenance.on(),
    }
}

/// Tells of everything that is there a second time; the first keeps its place.
struct Once<K>(HashMap<K, Place>);

impl<K: Hash + Eq> Once<K> {
    /// Where it is already, as messages at `place` name it.
    fn see(&mut self, key: K, place: &Place) -> Option<String> {
        match self.0.entry(key) {
            Entry::Occupied(first) => Some(first.get().seen_from(place)),
            Entry::Vacant(free) => {
                free.insert(place.clone());
                None
            }
        }
    }
}

fn check_listen(file: &File, root: &Node, problems: &mut Problems) {
    if let Some(entry) =
        root.entry("listen").filter(|entry| entry.value.entries().is_some_and(<[_]>::is_empty))
    {
        let hint = "write at least one, as in `http: \"127.0.0.1:8080\"`";
        problems.push(Problem::at(&entry.place, "there is no listener").hint(hint));
    }
    let mut binds = Once(HashMap::new());
    let all = file.listen.iter().map(|row| &row.value).map(|listen: &FileListen| &listen.bind);
    for bind in all.chain([&file.admin.bind]) {
        let (Some(place), false) = (bind.place(), is_any_port(bind)) else { continue };
        if let Some(first) = binds.see(bind.value.clone(), place) {
            let reason = format!("{} is listened on already, by {first}", bind.quote());
            problems.push(Problem::at(place, reason).hint("give each listener its own address"));
        }
    }
}

/// Port 0 is another one every time.
fn is_any_port(bind: &Bind) -> bool {
    matches!(bind, Bind::Inet(address) if address.port() == 0)
}

fn check_services(services: &Table<Label, FileService>, problems: &mut Problems) {
    for row in services {
        if ANSWERS.contains(&row.name.as_str()) {
            let reason = format!("a service cannot be called `{}`", row.name);
            problems
                .push(Problem::at(&row.place, reason).hint("in a route the word means an answer from here"));
        }
        let backends = &row.value.backends;
        if let Some(place) = backends.place().filter(|_| backends.is_empty()) {
            let hint = "write at least one, as in `[\"127.0.0.1:9001\"]`";
            problems.push(Problem::at(place, "the service has no backends").hint(hint));
        }
        if let Some(health) = &row.value.health {
            health::check(health, problems);
        }
        let mut sites: Once<&Site> = Once(HashMap::new());
        for backend in backends.iter() {
            let Some(place) = backend.site.place() else { continue };
            if sites.see(&backend.site.value, place).is_some() {
                let reason = format!("{} is a backend of this service already", backend.site.quote());
                problems.push(Problem::at(place, reason).hint("give it a larger `weight` to send it more"));
            }
        }
    }
}

fn check_routes(
    file: &File,
    listen: &Table<Label, Listen>,
    root: &Node,
    auth: &auth::Entries,
    bench: &mut Workbench<'_>,
    problems: &mut Problems,
) -> Vec<Route> {
    let auth = auth::named(auth);
    let nodes = root.entry("routes").map(|entry| &entry.value);
    let mut names = Once(HashMap::new());
    let mut matches = Once(HashMap::new());
    let mut routes = Vec::with_capacity(file.routes.len());
    for (index, route) in file.routes.iter().enumerate() {
        let node = nodes.and_then(|nodes| nodes.items().get(index)).unwrap_or(root);
        check_name(route, &mut names, problems);
        let listeners = check_listeners(route, listen, problems);
        check_match(route, node, &listeners, &mut matches, problems);
        paths::check(&route.condition, &listeners, listen, problems);
        check_target(&route.to, &file.services, problems);
        check_rewrite(route, problems);
        check_copies(route, &file.services, problems);
        let name = route.name.as_ref().map_or_else(|| route.condition.name().into(), |name| name.shared());
        routes.push(Route {
            policies: members::policies(&route.policies, &name, &auth, bench, problems),
            name,
            place: node.place.clone(),
            listeners,
            condition: route.condition.value.clone(),
            to: route.to.clone(),
            rewrite: route.rewrite.as_ref().map(|rewrite| rewrite.path.value.clone()),
            timeout: route.timeout,
            body_bytes_max: route.body_max.get(),
            steer: route.steer.as_ref().map(|steer| steer.value.clone()),
            mirror: route.mirror.as_ref().map(|mirror| mirror.value.clone()),
        });
    }
    naming::tell_apart(&mut routes, &file.routes, problems);
    routes
}

/// The listeners a route names. `Vec::new()` is all of them.
fn check_listeners(route: &FileRoute, known: &Table<Label, Listen>, problems: &mut Problems) -> Vec<Label> {
    let Some(listed) = &route.listeners else { return Vec::new() };
    if let Some(place) = listed.place().filter(|_| listed.is_empty()) {
        let problem = Problem::at(place, "the route takes requests of no listener");
        problems.push(problem.hint("name one, or leave `listeners` out to take those of all"));
    }
    let mut seen = Once(HashMap::new());
    for (name, place) in listed.iter().filter_map(|name| Some((name, name.place()?))) {
        if known.get(name).is_none() {
            let names = known.iter().map(|row| row.name.as_str());
            problems.push_with(|| undefined(place, name.quote(), name, "listen", names));
        }
        if seen.see(&name.value, place).is_some() {
            problems.push(Problem::at(place, format!("the listener {} is there twice", name.quote())));
        }
    }
    listed.iter().map(|name| name.value.clone()).collect()
}

/// Only a split is steered, and only what goes to a service is copied to another.
fn check_copies(route: &FileRoute, services: &Table<Label, FileService>, problems: &mut Problems) {
    let steered = route.steer.as_ref().and_then(|steer| steer.place());
    if let (Some(place), false) = (steered, matches!(route.to, Target::Split(_))) {
        let problem =
            Problem::at(place, "there is nothing to steer: the route does not lead to several services");
        problems.push(problem.hint("write several under `to`, as in `{ catalog: 95, catalog-next: 5 }`"));
    }
    let Some((mirror, place)) = route.mirror.as_ref().and_then(|mirror| Some((mirror, mirror.place()?)))
    else {
        return;
    };
    if matches!(route.to, Target::Respond(_) | Target::Redirect(_)) {
        let problem = Problem::at(place, "the route answers by itself, so there is nothing to copy");
        problems.push(problem.hint("leave `mirror` out, or lead the route to a service"));
    }
    if let (Some(place), None) = (mirror.to.place(), services.get(&mirror.to)) {
        problems.push_with(|| undefined_service(place, mirror.to.quote(), &mirror.to, services));
    }
}

/// Only a backend could be asked for another path.
fn check_rewrite(route: &FileRoute, problems: &mut Problems) {
    let place = route.rewrite.as_ref().and_then(|rewrite| rewrite.path.place());
    if let (Some(place), Target::Respond(_) | Target::Redirect(_)) = (place, &route.to) {
        let problem = Problem::at(place, "the route answers by itself, so nobody would see this path");
        problems.push(problem.hint("leave `rewrite` out, or lead the route to a service"));
    }
}

fn check_name<'a>(route: &'a FileRoute, names: &mut Once<&'a Label>, problems: &mut Problems) {
    let Some((name, place)) = route.name.as_ref().and_then(|name| Some((name, name.place()?))) else {
        return;
    };
    if name.as_str() == "none" {
        let hint = "requests that match no route are counted under this name";
        problems.push(Problem::at(place, "a route cannot be called `none`").hint(hint));
    }
    if let Some(first) = names.see(&name.value, place) {
        problems.push(Problem::at(place, format!("the route of {first} is called {} already", name.quote())));
    }
}

fn check_match(
    route: &FileRoute,
    node: &Node,
    listeners: &[Label],
    matches: &mut Once<String>,
    problems: &mut Problems,
) {
    let Some(place) = route.condition.place() else { return };
    let Some(entry) = node.entry("match") else { return };
    matching::check(&route.condition, &entry.value, problems);
    if let Some(first) = matches.see(canonical(&route.condition, listeners), place) {
        let reason = format!("the route of {first} takes the same requests");
        problems.push(Problem::at(place, reason).hint("this one would never be reached"));
    }
}

/// Equal for matches that take the same requests: parameters differ by place alone, methods, listeners, headers and
/// the query by their sets, literals by what the router makes of them.
fn canonical(condition: &Match, listeners: &[Label]) -> String {
    let mut methods: Vec<&str> = condition.methods.iter().map(|method| method.as_str()).collect();
    methods.sort_unstable();
    let host = condition.host.as_ref().map_or("", |host| host.as_str());
    let written = condition.path.as_str();
    let path = PathPattern::parse(written).map_or_else(|_| written.to_owned(), |path| path.to_string());
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    let headers = condition.headers.iter().map(|row| ("header", row.name.as_str(), row.value.text()));
    let query = condition.query.iter().map(|row| ("query", row.name.as_str(), row.value.text()));
    let cookies = condition.cookies.iter().map(|row| ("cookie", row.name.as_str(), row.value.text()));
    let listeners = listeners.iter().map(|name| ("listener", name.as_str(), None));
    let mut others: Vec<_> = headers.chain(query).chain(cookies).chain(listeners).collect();
    others.sort_unstable();
    format!("{} {host} {} {others:?}", methods.join(","), segments.collect::<Vec<_>>().join("/"))
}

fn check_target(target: &Target, services: &Table<Label, FileService>, problems: &mut Problems) {
    let is_known = |name: &Label| services.get(name).is_some();
    match target {
        Target::Service(name) if !is_known(name) => {
            if let Some(place) = name.place() {
                problems.push_with(|| undefined_service(place, name.quote(), name, services));
            }
        }
        Target::Split(parts) => {
            for part in parts.iter().filter(|part| !is_known(&part.name)) {
                let quoted = format!("`{}`", part.name);
                problems.push_with(|| undefined_service(&part.place, &quoted, &part.name, services));
            }
        }
        Target::Service(_) | Target::Respond(_) | Target::Redirect(_) => {}
    }
}

fn undefined_service(
    place: &Place,
    quoted: &str,
    name: &Label,
    services: &Table<Label, FileService>,
) -> Problem {
    undefined(place, quoted, name, "services", services.iter().map(|row| row.name.as_str()))
}

fn undefined<'a>(
    place: &Place,
    quoted: &str,
    name: &Label,
    key: &str,
    known: impl Iterator<Item = &'a str>,
) -> Problem {
    let problem = Problem::at(place, format!("{quoted} is not defined under `{key}`"));
    match nearest(name.as_str(), known) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint("define it there, or name one that is"),
    }
}
