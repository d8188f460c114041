"""The proxies and how each is configured: lean, without a log, keep-alive on both sides, large pools.

A peer is a function from an `Order` to a command line; it writes its configuration into the order's folder.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

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
    listen 127.0.0.1:{order.port} backlog=4096 {"reuseport" if order.workers > 1 else ""};
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
    text = f"""
global
  nbthread {order.workers}
  maxconn {connections_max}
defaults
  mode {mode}
  timeout client {FOREVER_S}s
  timeout server {FOREVER_S}s
  timeout connect 5s
  {balance}
  {retry}
  {option}
frontend clients
  bind 127.0.0.1:{order.port} backlog 4096
  default_backend origin
backend origin
  {reuse}
  {servers}
"""
    return ["haproxy", "-db", "-f", write(order.folder / "haproxy.cfg", text)]


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
    manager = {
        "@type": f"{ENVOY_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "generate_request_id": False,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [everything]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{ENVOY_TYPES}.http.router.v3.Router", "suppress_envoy_headers": True},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"name": "clients", "address": envoy_address(order.port), "filter_chains": [{"filters": filters}]}


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
    routes = "\n".join(f'  - {{ match: "{pattern}", to: origin }}' for pattern in order.routes)
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


def tidegate_log(order, programs):
    """With an access log to a file, which is rotated, so that no disk is filled."""
    to = f'{{ to: "{order.folder}/access.log", rotate: {{ size: 64MiB, keep: 1 }} }}'
    return tidegate(order, programs, f"telemetry: {{ access_log: {to} }}\n")


# Names as they stand in tables and on the command line.
PEERS = {
    "tidegate": tidegate,
    "tidegate-log": tidegate_log,
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
