//! Keys that newcomers write because other gateways have them, and what is written here instead. Consulted by the
//! reader for a key that nobody knows.

/// A key that is tried, a key of the group it is tried in, and what to write.
const TRIED: &[(&[&str], &str, &str)] = &[
    (
        &["retry", "retries"],
        "match",
        "it is a key of the service: `services: { NAME: { retry: { attempts: 2 } } }`",
    ),
    (
        &["balance", "balancer", "load_balancing", "lb"],
        "match",
        "it is a key of the service: `services: { NAME: { balance: least-request } }`",
    ),
    (
        &["health", "health_check", "healthcheck"],
        "match",
        "it is a key of the service: `services: { NAME: { health: { path: /healthz } } }`",
    ),
    (&["timeouts"], "match", "a route has one `timeout`; `timeouts` is a key of the service"),
    (
        &["rate_limit", "rate_limits", "ratelimit", "rate-limit", "rate"],
        "match",
        "write `limit: 100/min per ip`",
    ),
    (
        &["api_key", "apikey", "key_auth", "jwt", "basic", "basic_auth"],
        "match",
        "write an entry at the top of the file, `auth: { keys: { api_key: { file: keys.yaml } } }`, and here its name: `auth: keys`",
    ),
    (
        &["strip_prefix", "strip_path", "prefix_rewrite"],
        "match",
        "write `rewrite: \"/{rest}\"`: it keeps what `**` of `match` stands for, and takes off what is before it",
    ),
    (
        &["path", "host", "method", "methods"],
        "match",
        "conditions are keys of `match`, as in `match: { host: api.example.com, path: /orders/** }`",
    ),
    (
        &["set", "add", "remove"],
        "response",
        "say of which message: `request: { set: { x-env: prod } }`, or `response`",
    ),
    (&["listeners", "server", "servers", "port"], "listen", "write `listen: { http: \"127.0.0.1:8080\" }`"),
    (&["upstreams", "backends", "clusters"], "listen", "write `services: { NAME: { backends: [..] } }`"),
];

/// What to write instead of a key that a group of `keys` does not know.
pub(super) fn instead(key: &str, keys: &[&str]) -> Option<&'static str> {
    let found = TRIED.iter().find(|(tried, beside, _)| tried.contains(&key) && keys.contains(beside));
    found.map(|(_, _, hint)| *hint)
}
