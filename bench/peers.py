"""The proxies and how each is configured: lean, without a log, keep-alive on both sides, large pools.

A peer is a function from an `Order` to a command line; it writes its configuration into the order's folder.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from bench.credentials import ISSUER, Credentials

CONNECTIONS_MAX = 9400  # HAProxy reserves two descriptors per connection and the common limit is 20,000.
FOREVER_S = 600  # Longer than any measurement: no peer may save work by closing connections.


@dataclass(frozen=True)
class Order:
    """What a proxy is asked to be."""

    folder: Path
    port: int
    backends: tuple[int, ...]
    admin_port: int = 0
    workers: int = 1
    routes: tuple[str, ...] = ("/**",)
    is_per_ip_capped: bool = True
    entry: str = "plain"  # plain, tls (HTTP/1.1 in TLS 1.3) or h2 (HTTP/2 in TLS 1.3)
    is_gated: bool = False  # A token is checked, a limit per consumer held, headers edited, a log written.
    credentials: Credentials | None = None  # For entries with TLS and for the gate.


@dataclass(frozen=True)
class Programs:
    """Where the two programs are that no package manager puts on the path."""

    tidegate: Path
    envoy: Path

    def missing(self, peer):
        """Why `peer` cannot run here, with what would help; None if it can."""
        if peer.startswith("tidegate"):
            path, remedy = self.tidegate, "cargo build --release -p tidegate"
        elif peer == "envoy":
            path, remedy = self.envoy, "bench/needs"
        else:
            path, remedy = "nginx" if peer == "nginx" else "haproxy", "bench/needs"
        return None if shutil.which(path) else f"{path} is not there: {remedy}"


def write(path, text):
    path.write_text(text)
    return path


def nginx(order, _programs):
    """Buffers large enough that no body of ours reaches its disk."""
    folder = order.folder
    tls = ""
    if order.entry != "plain":
        pair = order.credentials
        tls = f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key}; ssl_protocols TLSv1.3; ssl_session_tickets off;"
    protocol = {"plain": "", "tls": "ssl", "h2": "ssl http2"}[order.entry]
    servers = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in order.backends)
    prefixes = [pattern.split("{")[0].removesuffix("**") for pattern in order.routes]
    locations = "\n    ".join(f"location {prefix} {{ proxy_pass http://origin; }}" for prefix in prefixes)
    text = f"""
daemon off; worker_processes {order.workers}; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout {FOREVER_S}; tcp_nodelay on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_max_body_size 64m; client_body_buffer_size 64k;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 16 64k; proxy_max_temp_file_size 0;
  upstream origin {{ {servers} keepalive 512; keepalive_requests 1000000000; keepalive_timeout {FOREVER_S}; }}
  server {{
    listen 127.0.0.1:{order.port} backlog=4096 {protocol} {"reuseport" if order.workers > 1 else ""};
    {tls}
    {locations}
  }}
}}
"""
    return ["nginx", "-c", write(folder / "nginx.conf", text)]


def haproxy_argv(order, mode, option="", connections_max=CONNECTIONS_MAX):
    # Retries make HAProxy keep a copy of every request, so only where a backend may die.
    is_many = len(order.backends) > 1
    retry = "option redispatch 1\n  retry-on all-retryable-errors" if is_many else ""
    balance = "balance leastconn" if is_many else ""
    reuse = "http-reuse always" if mode == "http" else ""
    pool = "pool-max-conn 512" if mode == "http" else ""
    check = "check inter 1s fall 1 rise 1" if is_many else ""
    servers = "\n  ".join(f"server s{port} 127.0.0.1:{port} {pool} {check}" for port in order.backends)
    tls = "" if order.entry == "plain" else f"ssl crt {order.credentials.both} no-tls-tickets ssl-min-ver TLSv1.3"
    tls += " alpn h2" if order.entry == "h2" else ""
    gate = haproxy_gate(order) if order.is_gated else ""
    sink = f"log {order.credentials.log_socket} len 2048 format raw local0" if order.is_gated else ""
    text = f"""
global
  nbthread {order.workers}
  maxconn {connections_max}
  {sink}
defaults
  mode {mode}
  timeout client {FOREVER_S}s
  timeout server {FOREVER_S}s
  timeout connect 5s
  {balance}
  {retry}
  {option}
frontend clients
  bind 127.0.0.1:{order.port} backlog 4096 {tls}
  {gate}
  default_backend origin
backend origin
  {reuse}
  {servers}
"""
    return ["haproxy", "-db", "-f", write(order.folder / "haproxy.cfg", text)]


def haproxy_gate(order):
    """What the others do in their own words: token, limit per consumer, edits, log. HAProxy caches no verified token."""
    return f"""log global
  log-format '{{"m":"%HM","u":"%HU","s":%ST,"t":%Ta,"b":%B}}'
  stick-table type string len 64 size 100k expire 1m store http_req_rate(1s)
  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.sub) http_auth_bearer,jwt_payload_query('$.sub')
  http-request deny unless {{ var(txn.token),jwt_verify(RS256,{order.credentials.token_key}) 1 }}
  http-request track-sc0 var(txn.sub)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000 }}
  http-request set-header x-consumer %[var(txn.sub)]
  http-request del-header cookie
  http-response set-header x-gw haproxy
  http-response del-header server"""


def haproxy(order, _programs):
    return haproxy_argv(order, "http")


def relay(order, _programs):
    """HAProxy that copies bytes without reading them: the floor for a proxy of two sockets."""
    return haproxy_argv(order, "tcp")


def splice(order, _programs):
    """HAProxy that moves bodies inside the kernel. The pipes cost descriptors, so fewer connections."""
    option = "option splice-response\n  option splice-request"
    return haproxy_argv(order, "http", option, connections_max=2000)


ENVOY_TYPES = "type.googleapis.com/envoy.extensions.filters"


def envoy_listener(order):
    """One listener, one route; what Envoy adds by default and the others do not is off."""
    everything = {"match": {"prefix": "/"}, "route": {"cluster": "origin"}}
    if order.is_gated:
        everything |= ENVOY_EDITS
    manager = {
        "@type": f"{ENVOY_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "generate_request_id": False,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [everything]}]},
        "http_filters": [
            *(envoy_gate(order) if order.is_gated else []),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{ENVOY_TYPES}.http.router.v3.Router", "suppress_envoy_headers": True},
            }
        ],
    }
    if order.is_gated:
        manager["access_log"] = [envoy_log(order)]
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if order.entry != "plain":
        chain["transport_socket"] = envoy_tls(order)
    return {"name": "clients", "address": envoy_address(order.port), "filter_chains": [chain]}


def envoy_tls(order):
    pair = {
        "certificate_chain": {"filename": str(order.credentials.certificate)},
        "private_key": {"filename": str(order.credentials.key)},
    }
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2" if order.entry == "h2" else "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
            "tls_certificates": [pair],
        },
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


ENVOY_EDITS = {
    "request_headers_to_remove": ["cookie"],
    "response_headers_to_remove": ["server"],
    "response_headers_to_add": [{"header": {"key": "x-gw", "value": "envoy"}}],
}


def envoy_log(order):
    line = {"m": "%REQ(:METHOD)%", "u": "%REQ(:PATH)%", "s": "%RESPONSE_CODE%", "t": "%DURATION%", "b": "%BYTES_SENT%"}
    config = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/dev/null",
        "log_format": {"json_format": line},
    }
    return {"name": "envoy.access_loggers.file", "typed_config": config}


def envoy_gate(order):
    """Token (verified ones are cached) and limit; Envoy's own limit per consumer needs a service beside it, so one for all."""
    provider = {
        "issuer": ISSUER,
        "audiences": ["api"],
        "local_jwks": {"inline_string": order.credentials.jwks.read_text()},
        "jwt_cache_config": {"jwt_cache_size": 1000},
        "claim_to_headers": [{"header_name": "x-consumer", "claim_name": "sub"}],
    }
    token = {
        "@type": f"{ENVOY_TYPES}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"idp": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}],
    }
    whole = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {
        "@type": f"{ENVOY_TYPES}.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1000000, "tokens_per_fill": 1000000, "fill_interval": "1s"},
        "filter_enabled": whole,
        "filter_enforced": whole,
    }
    return [
        {"name": "envoy.filters.http.jwt_authn", "typed_config": token},
        {"name": "envoy.filters.http.local_ratelimit", "typed_config": limit},
    ]


def envoy_address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy(order, programs):
    room = {"max_connections": 16384, "max_pending_requests": 16384, "max_requests": 16384}
    endpoints = [{"endpoint": {"address": envoy_address(port)}} for port in order.backends]
    cluster = {
        "name": "origin",
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [room]},
        "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": endpoints}]},
    }
    document = {"static_resources": {"listeners": [envoy_listener(order)], "clusters": [cluster]}}
    config = write(order.folder / "envoy.json", json.dumps(document))
    quiet = ["-l", "error", "--disable-hot-restart"]
    return [programs.envoy, "-c", config, "--concurrency", str(order.workers), *quiet]


def tidegate(order, programs, more=""):
    """Our defaults, metrics on. Only what a scenario is about is set: workers, routes, the cap per address, and room
    for as many backend connections as the stress holds clients."""
    backends = json.dumps([f"127.0.0.1:{port}" for port in order.backends])
    listen = f'bind: "127.0.0.1:{order.port}"'
    if not order.is_per_ip_capped:
        listen += ", limits: { per_ip: off }"
    if order.entry != "plain":
        pair = order.credentials
        protocol = "h2" if order.entry == "h2" else "h1"
        tls = f'tls: {{ certificates: [{{ cert: "{pair.certificate}", key: "{pair.key}" }}] }}'
        listen += f", {tls}, protocols: [{protocol}]"
        if order.entry == "h2":
            listen += ", limits: { requests: 1000000000 }"  # h2load opens no second connection
    gate = ""
    if order.is_gated:
        gate = ", " + TIDEGATE_GATE
        idp = f'jwt: {{ jwks: "{order.credentials.jwks}", issuer: {ISSUER}, audience: api, consumer: sub }}'
        more += f"auth: {{ idp: {{ {idp} }} }}\n{log_line(order)}"
    routes = "\n".join(f'  - {{ match: "{pattern}", to: origin{gate} }}' for pattern in order.routes)
    text = f"""version: 1
workers: {order.workers}
admin: {{ bind: "127.0.0.1:{order.admin_port}" }}
state: {{ dir: "{order.folder}/state" }}
services: {{ origin: {{ backends: {backends}, connections: {{ max: 16384 }} }} }}
listen: {{ http: {{ {listen} }} }}
routes:
{routes}
{more}"""
    return [programs.tidegate, "run", "-c", write(order.folder / "tidegate.yaml", text)]


# The same as the peers' gates.
TIDEGATE_GATE = (
    "auth: idp, limit: 1000000/s per consumer, headers: { "
    'request: { set: { x-consumer: "{consumer}" }, remove: [cookie] }, '
    "response: { set: { x-gw: tidegate }, remove: [server] } }"
)


def log_line(order):
    """An access log to a file, which is rotated, so that no disk is filled."""
    to = f'{{ to: "{order.folder}/access.log", rotate: {{ size: 64MiB, keep: 1 }} }}'
    return f"telemetry: {{ access_log: {to} }}\n"


def tidegate_log(order, programs):
    return tidegate(order, programs, log_line(order))


def tidegate_gated(order, programs):
    """The gate, whatever the others do: beside a plain one of ours in the same run."""
    return tidegate(replace(order, is_gated=True), programs)


# Names as they stand in tables and on the command line.
PEERS = {
    "tidegate": tidegate,
    "tidegate-log": tidegate_log,
    "tidegate-gated": tidegate_gated,
    "nginx": nginx,
    "haproxy": haproxy,
    "relay": relay,
    "splice": splice,
    "envoy": envoy,
}


def start(stage, programs, peer, cores, backends, **wishes):
    """Starts `peer` before `backends` and returns its child and port once it accepts."""
    folder = stage.path(peer)
    folder.mkdir()
    folder.chmod(0o755)
    order = Order(folder, stage.port(), tuple(backends), admin_port=stage.port(), **wishes)
    child = stage.start(peer, PEERS[peer](order, programs), cores)
    stage.wait_for_port(child, order.port)
    return child, order.port
