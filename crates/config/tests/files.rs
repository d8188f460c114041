//! Loading real files: the examples, the shapes that benchmarks use, and everything that is not a file.

mod members;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_config::{Config, Families, Host, Match, RetryCause, Route, Target, Workers};
use tidegate_core::problem::Problems;
use tidegate_core::settings::{Toggle, Word};
use tidegate_core::units::Bind;

const SEVEN_LINES: &str = "\
version: 1
listen: { http: \"127.0.0.1:8080\" }
services:
  api: { backends: [\"10.0.0.1:8080\", \"10.0.0.2:8080\"] }
routes:
  - match: /api/**
    to: api
";

const FAMILIES: Families<'static> = Families::new(members::POLICIES, members::BALANCERS);

fn load(path: &Path) -> Result<Config, Problems> {
    tidegate_config::load(path, &FAMILIES)
}

fn from_text(name: &str, text: &str, folder: &Path) -> Result<Config, Problems> {
    tidegate_config::from_text(name, text, folder, &FAMILIES)
}

/// A folder that is gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tidegate-config-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_not_written_has_the_documented_default() {
    let config = from_text("tidegate.yaml", SEVEN_LINES, Path::new("/srv/gate")).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(config.workers, Workers::Auto);
    assert_eq!(config.admin.bind.value, Bind::Inet("127.0.0.1:9900".parse().unwrap()));
    assert_eq!(config.state.dir, Path::new("/srv/gate/state"));
    assert_eq!((&config.telemetry.access_log, config.telemetry.routes_max.get()), (&Toggle::Off, 2000));
    assert_eq!((config.resolver.servers.len(), config.resolver.timeout), (0, None), "as the system says");
    let limits = &config.listen.iter().next().unwrap().value.limits;
    assert_eq!((limits.line.get(), limits.head.get(), limits.fields.get()), (8 << 10, 32 << 10, 100));
    assert_eq!((limits.head_time, limits.idle, limits.requests.get()), (seconds(10), seconds(60), 10_000));
    assert_eq!(limits.min_rate.on().map(|rate| rate.bytes_per_second), Some(1000));
    assert_eq!(limits.connections.on().map(|count| count.get()), Some(10_000));
    assert_eq!(limits.per_ip, None, "1000, but for this machine");
    let service = &config.services.iter().next().unwrap().value;
    let timeouts = &service.timeouts;
    assert_eq!((timeouts.connect, timeouts.response, timeouts.idle), (seconds(1), seconds(10), seconds(60)));
    assert_eq!(service.retry.attempts.get(), 1);
    assert_eq!(service.retry.on, [RetryCause::Connect, RetryCause::Reset]);
    assert_eq!((service.connections.max.get(), service.connections.idle.get()), (1024, 256));
    assert_eq!((service.balance.name(), &service.host), ("first", &Host::Client), "the first of the family");
    let backends: Vec<(String, u32)> =
        service.backends.iter().map(|backend| (backend.site.to_string(), backend.weight)).collect();
    assert_eq!(backends, [("10.0.0.1:8080".to_owned(), 1), ("10.0.0.2:8080".to_owned(), 1)]);
    let [route] = &config.routes[..] else { panic!("{} routes", config.routes.len()) };
    assert_eq!((&*route.name, route.timeout, route.body_bytes_max), ("/api/**", None, 10 << 20));
    assert_eq!(route.policies, []);
    assert!(matches!(&route.to, Target::Service(name) if name.as_str() == "api"));
}

#[test]
fn short_forms_mean_the_same_as_long_ones() {
    let read =
        |text: &str| from_text("tidegate.yaml", text, Path::new("/srv")).unwrap_or_else(|p| panic!("{p}"));
    let short = read(
        "version: 1\nlisten: { a: \"[::1]:80\", b: unix:run/b.sock }\nadmin: 127.0.0.1:1\nstate: s\ntelemetry: { access_log: logs/a }\n\
         services: { x: localhost:1, y: { backends: \"http://10.0.0.1\", retry: 0, connections: 5 } }\n\
         routes: [{ match: /, to: { respond: 204 } }, { match: { path: /x, methods: GET }, to: x }]\n",
    );
    let long = read(
        "version: 1\nlisten: { a: { bind: \"[::1]:80\" }, b: { bind: \"unix:/srv/run/b.sock\" } }\n\
         admin: { bind: 127.0.0.1:1 }\nstate: { dir: /srv/s }\n\
         telemetry: { access_log: { to: /srv/logs/a, format: json } }\n\
         services:\n  x: { backends: [{ address: \"127.0.0.1:1\", weight: 1 }] }\n\
         \x20 y: { backends: [{ url: \"http://10.0.0.1:80/\" }], retry: { attempts: 0 }, connections: { max: 5 } }\n\
         routes:\n  - { match: { path: / }, to: { respond: { status: 204 } } }\n\
         \x20 - { match: { path: /x, methods: [GET] }, to: x }\n",
    );
    assert_eq!(short, long);
    let other = read("version: 1\nlisten: { a: \"[::1]:81\" }\n");
    assert_ne!(short, other, "configurations that differ are not equal");
}

/// Every key of the file that changes what runs is told of by its name.
#[test]
fn what_has_changed_is_named_by_its_key() {
    let plain = "listen: { a: 127.0.0.1:1 }\nservices: { x: 127.0.0.1:2 }\nroutes: [{ match: /, to: x }]\n";
    let read = |text: &str| {
        from_text("tidegate.yaml", &format!("version: 1\n{text}"), Path::new("/srv"))
            .unwrap_or_else(|p| panic!("{p}"))
    };
    let check = |text: String, expected: &[&str]| {
        let (old, new) = (read(plain), read(&text));
        assert_eq!(old.changes(&new), expected, "{text}");
        assert_eq!(new.changes(&old), expected, "back from {text}");
    };
    check(plain.into(), &[]);
    check(format!("{plain}resolver: 10.0.0.2\n"), &["resolver"]);
    check(format!("{plain}resolver: {{ timeout: 1s }}\n"), &["resolver"]);
    check(format!("{plain}drain: 1s\n"), &["drain"]);
    check(format!("{plain}admin: 127.0.0.1:3\nstate: s\nworkers: 3\n"), &["workers", "admin", "state"]);
    check(format!("{plain}telemetry: {{ routes_max: 1 }}\n"), &["telemetry"]);
    check(plain.replace("127.0.0.1:1", "127.0.0.1:4"), &["listen.a"]);
    check(plain.replace("127.0.0.1:2", "127.0.0.1:4"), &["services.x"]);
    check(plain.replace("match: /,", "match: /, timeout: 1s,"), &["routes./"]);
}

fn route(policies: &str) -> Route {
    let text = format!(
        "version: 1\nlisten: {{ a: \"127.0.0.1:0\" }}\nroutes: [{{ match: /, to: {{ respond: 200 }}, {policies} }}]\n"
    );
    let config =
        from_text("tidegate.yaml", &text, Path::new(".")).unwrap_or_else(|p| panic!("{policies}: {p}"));
    config.routes.into_iter().next().unwrap()
}

#[test]
fn policies_stand_in_the_order_of_their_phases_and_those_that_are_off_do_not() {
    let names = |policies: &str| -> Vec<&str> {
        route(policies).policies.iter().map(|member| member.name()).collect()
    };
    assert_eq!(names("stamp: a, gate: true"), ["gate", "stamp"]);
    assert_eq!(names("gate: true, stamp: a"), ["gate", "stamp"]);
    assert_eq!(names("gate: false, stamp: a"), ["stamp"]);
}

#[test]
fn members_are_equal_when_the_same_was_written() {
    let cases = [
        ("stamp: a", "stamp: a", true),
        ("stamp: a, gate: true", "gate: true, stamp: a", true),
        ("stamp: { with: a }", "stamp: {  with: a }", true),
        ("stamp: a", "stamp: b", false),
        ("stamp: a", "stamp: { with: a, on: response }", false),
        ("stamp: a", "gate: true", false),
        ("stamp: a", "stamp: a, gate: true", false),
    ];
    for (one, other, is_equal) in cases {
        assert_eq!(route(one) == route(other), is_equal, "{one} and {other}");
    }
}

#[test]
fn a_balancer_is_named_alone_or_with_its_settings() {
    let balance = |written: &str| {
        let text = SEVEN_LINES.replace("backends:", &format!("{written} backends:"));
        let config = from_text("tidegate.yaml", &text, Path::new(".")).unwrap_or_else(|p| panic!("{p}"));
        config.services.iter().next().unwrap().value.balance.clone()
    };
    let of = |written: &str| format!("{:?} {:?}", balance(written), balance(written).built());
    assert_eq!(of(""), "first At(0)");
    assert_eq!(of("balance: first,"), "first At(0)");
    assert_eq!(of("balance: \"last\","), format!("last At({})", usize::MAX));
    assert_eq!(of("balance: { nth: { index: 1 } },"), "nth At(1)");
    assert!(balance("") == balance("balance: first,") && balance("") != balance("balance: last,"));
    assert_ne!(balance("balance: { nth: { index: 1 } },"), balance("balance: { nth: { index: 2 } },"));
}

#[test]
fn what_a_member_takes_is_in_the_schema_and_the_reference() {
    let schema = tidegate_config::schema(&FAMILIES);
    let reference = tidegate_config::reference(&FAMILIES);
    for (text, part) in [
        (&schema, "\"description\": \"Puts a word on messages.\""),
        (&schema, "\"$ref\": \"#/$defs/StampSettings\""),
        (&schema, "\"description\": \"How an instance is chosen for a request. Default: `first`.\""),
        (&schema, "\"const\": \"last\""),
        (&schema, "\"$ref\": \"#/$defs/NthSettings\""),
        (&reference, "| `stamp` | keys, below |  | Puts a word on messages. |"),
        (&reference, "| `gate` | `true` or `false` |  | Lets nobody pass. |"),
        (&reference, "## `routes[].stamp`\n\nA word, and what it is put on."),
        (&reference, "| `balance` | `first`, `last`, `nth` or keys, below | `first` |"),
        (&reference, "`balance`:\n- `first`: The first of all.\n- `last`: The last of all."),
        (&reference, "## `services.NAME.balance.nth`\n\nWhich one."),
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn without_balancers_a_service_cannot_be_made() {
    let none = Families::new(&[], &[]);
    let problems = tidegate_config::from_text("f.yaml", SEVEN_LINES, Path::new("."), &none).unwrap_err();
    let told: Vec<_> = problems.iter().map(|problem| (problem.line(), problem.reason.as_str())).collect();
    assert_eq!(told, [(Some(4), "the key `balance` is missing")]);
}

#[test]
fn routes_without_a_name_are_called_by_their_conditions() {
    let routes = [
        ("/**", "/**"),
        ("{ methods: [GET, POST], host: api.example.com, path: /a/** }", "GET,POST api.example.com /a/**"),
        ("{ host: \"*.Example.com.\" }", "*.example.com /**"),
        ("{ methods: DELETE, path: \"/{id}\" }", "DELETE /{id}"),
    ];
    for (condition, name) in routes {
        let text = format!(
            "version: 1\nlisten: {{ a: \"127.0.0.1:0\" }}\nroutes: [{{ match: {condition}, to: {{ respond: 200 }} }}]\n"
        );
        let config = from_text("tidegate.yaml", &text, Path::new(".")).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(&*config.routes[0].name, name);
    }
}

#[test]
fn every_key_of_a_route_is_read_in_both_forms() {
    let config = load(Path::new("tests/routes.yaml")).unwrap_or_else(|problems| panic!("{problems}"));
    let [first, all, inner, ..] = &config.routes[..] else { panic!("{} routes", config.routes.len()) };
    assert_eq!((first.listeners.len(), first.rewrite.is_none(), all.rewrite.is_some()), (0, true, true));
    let names = |route: &Route| route.listeners.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!((names(all), names(inner)), (vec!["http".into(), "inner".into()], vec!["inner".into()]));
    let Match { headers, query, .. } = &all.condition;
    let headers: Vec<_> = headers
        .iter()
        .map(|row| (row.name.as_str(), tidegate_core::settings::Setting::show(&row.value)))
        .collect();
    assert_eq!(headers, [("x-a", "*".into()), ("x-b", "1".into()), ("x-c", "2".into())]);
    let query: Vec<_> = query
        .iter()
        .map(|row| (row.name.as_str(), tidegate_core::settings::Setting::show(&row.value)))
        .collect();
    assert_eq!(query, [("d e", "*".into()), ("f", "".into()), ("g", "3".into())]);
    let statuses: Vec<u16> = config
        .routes
        .iter()
        .filter_map(|route| match &route.to {
            Target::Redirect(redirect) => Some(redirect.status.get()),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [308, 301]);
}

#[test]
fn routes_of_the_same_default_name_are_told_apart_by_their_conditions() {
    let text = "version: 1\nlisten: { http: \"127.0.0.1:0\", inner: \"127.0.0.1:0\" }\nroutes:\n";
    let route = |rest: &str| format!("  - {{ {rest}, to: {{ respond: 200 }} }}\n");
    let routes = [
        ("match: /a", "/a"),
        ("match: { path: /a, headers: { X-B: \"*\", x-a: 1 } }", "/a header:x-b=* header:x-a=1"),
        ("match: { path: /a, query: { \"d e\": f, g: \"\" } }", "/a query:d e=f query:g="),
        (
            "match: { path: /a, headers: { x-a: 1 }, query: { b: 2 } }, listeners: [inner, http]",
            "/a header:x-a=1 query:b=2 listener:inner,http",
        ),
        ("match: { path: /a, headers: { x-a: \"${NOT_SET_HERE:-hunter2}\" } }", "/a header:x-a=…"),
        ("match: { path: /a, headers: { x-c: 1 } }, name: given", "given"),
        ("match: { path: /b, headers: { x-c: 1 } }", "/b"),
        ("match: { path: /c, headers: { x-c: 1 } }, name: named-c", "named-c"),
        ("match: { path: /c, headers: { x-c: 2 } }", "/c"),
    ];
    let text = text.to_owned() + &routes.iter().map(|(rest, _)| route(rest)).collect::<String>();
    let config = from_text("tidegate.yaml", &text, Path::new(".")).unwrap_or_else(|p| panic!("{p}"));
    let names: Vec<&str> = config.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, routes.map(|(_, name)| name));
}

#[test]
fn the_files_of_the_benchmarks_are_read() {
    let text = "version: 1\nworkers: 1\nadmin: { bind: \"127.0.0.1:9955\" }\nstate: { dir: \"/tmp/w/tg-state\" }\n\
                services:\n  origin: { backends: [\"127.0.0.1:9000\"] }\nlisten: { http: \"127.0.0.1:8080\" }\nroutes:\n";
    let plain =
        from_text("tidegate.yaml", &format!("{text}  - {{ match: \"/**\", to: origin }}\n"), Path::new("."))
            .unwrap();
    assert_eq!(plain.workers, Workers::Count(1.try_into().unwrap()));
    assert_eq!(plain.state.dir, Path::new("/tmp/w/tg-state"));
    let many: String =
        (0..10_000).map(|i| format!("  - {{ match: \"/r{i}/{{id}}/**\", to: origin }}\n")).collect();
    let big = from_text("tidegate.yaml", &(text.to_owned() + &many), Path::new(".")).unwrap();
    assert_eq!(big.routes.len(), 10_000);
    assert_eq!(big.routes[9_999].condition.path.as_str(), "/r9999/{id}/**");
    assert_eq!(big.routes[9_999].place.line, 10_008);
}

#[test]
fn json_with_tabs_and_escapes_is_read() {
    let text = "{\n\t\"version\": 1,\n\t\"listen\": {\"http\": {\"bind\": \"127.0.0.1:0\", \"limits\": {\"connections\": \"off\"}}},\n\
                \t\"routes\": [{\"match\": \"\\/a\", \"to\": {\"respond\": {\"status\": 200, \"body\": \"caf\\u00e9 😀\\n\"}}}]\n}\n";
    let config =
        from_text("tidegate.json", text, Path::new(".")).unwrap_or_else(|problems| panic!("{problems}"));
    let Target::Respond(answer) = &config.routes[0].to else { panic!("an answer was written") };
    assert_eq!(answer.body.constant(), Some("café 😀\n".as_bytes()));
    assert_eq!(config.listen.iter().next().unwrap().value.limits.connections, Toggle::Off);
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let folder = Folder::new("relative");
    folder.write("word", "last\r\n");
    let text =
        SEVEN_LINES.replace("backends:", "balance: \"${file:word}\", backends:") + "state: deep/state\n";
    let path = folder.write("tidegate.yaml", text);
    let config = load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.state.dir, folder.0.join("deep/state"));
    assert_eq!(config.services.iter().next().unwrap().value.balance.name(), "last");
}

#[test]
fn what_is_no_readable_file_is_a_problem_with_a_way_out() {
    let folder = Folder::new("unreadable");
    let huge = folder.0.join("huge.yaml");
    fs::File::create(&huge).unwrap().set_len((10 << 20) + 1).unwrap();
    let closed = folder.write("closed.yaml", SEVEN_LINES);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let mut cases = vec![
        (
            folder.0.join("none.yaml"),
            "there is no such file\n  hint: `tidegate init` writes a first one; `-c FILE` names another",
        ),
        (folder.0.clone(), "is a folder\n  hint: name the file in it, as in `-c folder/tidegate.yaml`"),
        (PathBuf::from("/dev/null"), "is not a file"),
        (
            folder.write("latin.yaml", b"version: 1\n# caf\xe9\n"),
            "line 2 is not UTF-8 text\n  hint: save the file as UTF-8",
        ),
        (folder.write("x", "").join("y"), "a part of the path is not a folder"),
        (folder.write("empty.yaml", ""), "the file is empty\n  hint: `tidegate init` writes a first one"),
        (huge, "is larger than 10 MiB"),
    ];
    // Root reads everything.
    if fs::File::open(&closed).is_err() {
        cases.push((
            closed,
            "permission denied\n  hint: the user the gateway runs as must be able to read it",
        ));
    }
    for (path, said) in cases {
        let problems = load(&path).unwrap_err();
        assert_eq!(problems.to_string(), format!("{}: {said}", path.display()));
        let problem = problems.iter().next().unwrap();
        assert_eq!((problem.file(), problem.line(), problem.column()), (path.to_str(), None, None));
    }
}

#[test]
fn problems_have_fields_for_machines() {
    let text = SEVEN_LINES.replace("backends:", "blance: ewma, backends:");
    let problems = from_text("tidegate.yaml", &text, Path::new(".")).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!(
        (problem.file(), problem.line(), problem.column()),
        (Some("tidegate.yaml"), Some(4), Some(10))
    );
    assert_eq!(
        (&*problem.reason, problem.hint.as_deref()),
        ("unknown key `blance`", Some("did you mean `balance`?"))
    );
    assert_eq!(problems.count(), 1);
}

#[test]
fn binds_are_shown_as_they_are_written() {
    for text in ["127.0.0.1:8080", "[::1]:80", "0.0.0.0:0"] {
        let address: SocketAddr = text.parse().unwrap();
        assert_eq!(Bind::Inet(address).to_string(), text);
    }
    assert_eq!(Workers::Count(3.try_into().unwrap()).show(), "3");
}
