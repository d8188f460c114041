"""CPU time of a proxy per request, ours beside the peers': the scenarios plain, post, chunked, big, routes, log and those
of the gate (policy, tls, tlsnew, h2).

Every subject has a core of its own to itself while it is measured; origin and load share the other. The figure is the
proxy's CPU time, which stays put when the machine is noisy; requests per second come along for the reader.
"""

import http.client
import ssl
import sys
from dataclasses import dataclass, replace
from statistics import median

from bench import credentials, h2load, origin, peers, proc, wrk
from bench.figures import Claim, Outcome, ratio_claim
from bench.stage import LOAD_CORE, PROXY_CORE, StageError

PEERS_HTTP = ("nginx", "haproxy", "envoy")
WARM_UP_S = 1
ROUTES_FEW, ROUTES_MANY = 10, 10_000


@dataclass(frozen=True)
class Work:
    """One kind of request. `budgets`: the most Tidegate may cost, as a ratio to that subject."""

    name: str
    about: str
    method: str
    path: str
    answer_bytes: int
    connections: int
    seconds: int
    peers: tuple[str, ...]
    budgets: dict[str, float]
    entry: str = "plain"
    is_gated: bool = False
    fields: tuple[str, ...] = ()  # Sent with every request; `{token}` is the token.


PLAIN = Work(
    "plain", "GET, 965 bytes of JSON, 64 keep-alive connections",
    "GET", "/", origin.PLAIN_BYTES, 64, 4, (*PEERS_HTTP, "relay"),
    {"nginx": 0.93, "haproxy": 0.90, "envoy": 0.30, "relay": 1.10},
)  # fmt: skip
POST = Work(
    "post", "POST of 16 KiB, 965 bytes back, 64 keep-alive connections",
    "POST", origin.POST, origin.PLAIN_BYTES, 64, 3, (*PEERS_HTTP, "relay", "splice"),
    {"nginx": 1.05},
)  # fmt: skip
CHUNKED = Work(
    "chunked", "GET, 100 KiB in chunks of 16 KiB, 64 keep-alive connections",
    "GET", origin.CHUNKED, origin.CHUNKED_BYTES, 64, 3, (*PEERS_HTTP, "relay", "splice"),
    {"nginx": 1.05},
)  # fmt: skip
BIG = Work(
    "big", "GET, 8 MiB, 8 keep-alive connections",
    "GET", origin.BIG, origin.BIG_BYTES, 8, 3, (*PEERS_HTTP, "relay", "splice"),
    {"splice": 1.05},
)  # fmt: skip
POLICY = Work(
    "policy", "plain with a token, a limit per consumer, header edits and a JSON log",
    "GET", "/", origin.PLAIN_BYTES, 64, 4, ("haproxy", "envoy"),
    {"haproxy": 0.35, "envoy": 0.30}, is_gated=True, fields=("Authorization: Bearer {token}",),
)  # fmt: skip
TLS = Work(
    "tls", "GET, 965 bytes, 64 keep-alive connections of TLS 1.3",
    "GET", "/", origin.PLAIN_BYTES, 64, 4, PEERS_HTTP, {"haproxy": 0.85}, entry="tls",
)  # fmt: skip
TLS_NEW = Work(
    "tlsnew", "GET, 965 bytes, a new connection of TLS 1.3 (P-256, X25519, not resumed) for each",
    "GET", "/", origin.PLAIN_BYTES, 64, 4, PEERS_HTTP, {"envoy": 0.70}, entry="tls", fields=("Connection: close",),
)  # fmt: skip
H2 = Work(
    "h2", "GET, 965 bytes, 8 connections of HTTP/2 in TLS 1.3 with 16 streams each",
    "GET", "/", origin.PLAIN_BYTES, 8, 4, PEERS_HTTP, {"nginx": 0.80}, entry="h2",
)  # fmt: skip
COMPARED = (PLAIN, POST, CHUNKED, BIG, POLICY, TLS, TLS_NEW, H2)


@dataclass(frozen=True)
class Subject:
    """One line of the table: a proxy in one configuration, and what is asked of it."""

    label: str
    peer: str
    routes: tuple[str, ...] = ("/**",)
    script: str = ""
    is_plain: bool = False  # Without the gate, whatever the work asks for.


def compare(stage, settings, work):
    """Tidegate and the peers doing the same `work`."""
    script = post_script() if work.method == "POST" else ""
    subjects = [Subject(peer, peer, script=script) for peer in ("tidegate", *work.peers)]
    if work.is_gated:
        subjects.append(Subject("tidegate-plain", "tidegate", is_plain=True))
    outcome = Outcome(work.name, work.about, "µs of CPU per request")
    measure(stage, settings, work, subjects, outcome)
    if work.is_gated and "tidegate" in outcome.rounds:
        outcome.claims.append(ratio_claim(outcome.rounds, "tidegate", "tidegate-plain", 1.3))
    for against, bound in work.budgets.items():
        if "tidegate" in outcome.rounds and against in outcome.rounds:
            outcome.claims.append(ratio_claim(outcome.rounds, "tidegate", against, bound))
    return outcome


def routes(stage, settings):
    """The same proxy with many routes and with few. Once both are asked for the same few paths: what finding one among
    many costs. Once the requests go over all of the many in turn: what it costs besides that no route is warm."""
    peer = settings.subject
    work = Work("routes", f"{ROUTES_MANY} routes against {ROUTES_FEW}", "GET", "/", origin.PLAIN_BYTES, 64, 6, (), {})
    subjects = [
        Subject(f"{peer}-{count}", peer, routes=patterns(count), script=routes_script(count))
        for count in (ROUTES_FEW, ROUTES_MANY)
    ]
    same = Subject(f"{peer}-{ROUTES_MANY}-same", peer, routes=patterns(ROUTES_MANY), script=routes_script(ROUTES_FEW))
    subjects.insert(1, same)
    outcome = Outcome(work.name, work.about, "µs of CPU per request")
    measure(stage, settings, work, subjects, outcome)
    few, *many = (subject.label for subject in subjects)
    for label in many:
        if label in outcome.rounds:
            outcome.claims.append(ratio_claim(outcome.rounds, label, few, 1.05))
    return outcome


def log(stage, settings):
    """Tidegate with an access log to a file and without one."""
    work = Work("log", "plain, with an access log to a file against none", "GET", "/", origin.PLAIN_BYTES, 64, 4, (), {})
    outcome = Outcome(work.name, work.about, "µs of CPU per request")
    measure(stage, settings, work, [Subject(peer, peer) for peer in ("tidegate", "tidegate-log")], outcome)
    if "tidegate-log" in outcome.rounds:
        outcome.claims.append(ratio_claim(outcome.rounds, "tidegate-log", "tidegate", 1.10))
    return outcome


def measure(stage, settings, work, subjects, outcome):
    """Fills `outcome.rounds` and `outcome.facts` for every subject that can run here."""
    subjects = settings.present(subjects, outcome)
    backend = origin.start(stage, LOAD_CORE)
    work, keys = with_credentials(stage, work)
    running = {}
    for subject in subjects:
        is_gated = work.is_gated and not subject.is_plain
        wishes = {"routes": subject.routes, "entry": work.entry, "is_gated": is_gated, "credentials": keys}
        child, port = peers.start(stage, settings.programs, subject.peer, PROXY_CORE, [backend], **wishes)
        script = stage.folder / f"{subject.label}.lua"
        script.write_text(subject.script)
        running[subject.label] = (child, port, script if subject.script else None)
        if not subject.script:
            check_answer(work, subject.label, port)
        carry(stage, work, port, WARM_UP_S, running[subject.label][2])
    loads = {label: [] for label in running}
    labels = list(running)
    for turn in range(settings.rounds):
        # Everyone goes first once, so that no one always follows the same neighbour.
        start = turn % max(len(labels), 1)
        for label in labels[start:] + labels[:start]:
            cost_us, load = one_run(stage, settings, work, *running[label])
            outcome.rounds.setdefault(label, []).append(cost_us)
            loads[label].append(load)
            settings.say(f"{work.name} {turn + 1}/{settings.rounds} {label:14s} {cost_us:9.2f} µs")
    for label, seen in loads.items():
        outcome.facts[label] = {
            "requests_per_second": round(median(load.requests / load.seconds for load in seen)),
            "p99_ms": round(median(load.p99_ms for load in seen), 2),
            "failed": sum(load.failed for load in seen),
        }
        if label.startswith(settings.subject):
            outcome.claims.append(Claim(f"{label}: failed requests", outcome.facts[label]["failed"], "<=", 0))


def one_run(stage, settings, work, child, port, script):
    """One measurement: microseconds of CPU per request, and the load that was carried."""
    before = proc.cpu_seconds(child.pid)
    load = carry(stage, work, port, settings.secs or work.seconds, script)
    stage.check_alive(child)
    spent = proc.cpu_seconds(child.pid) - before
    if load.requests == 0:
        raise StageError(f"measure {child.name}: not one answer\n{child.log_tail()}")
    return spent / load.requests * 1e6, load


def with_credentials(stage, work):
    """The work with the token in its fields, and the keys; as it is and None where it needs none."""
    if work.entry == "plain" and not work.is_gated:
        return work, None
    keys = credentials.make(stage.path("keys"))
    if work.is_gated:
        sink = "import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1])\nwhile 1:s.recv(4096)"
        stage.start("log-sink", [sys.executable, "-c", sink, keys.log_socket], LOAD_CORE)
        stage.wait_for_path(keys.log_socket)
    return replace(work, fields=tuple(field.format(token=keys.token) for field in work.fields)), keys


def carry(stage, work, port, seconds, script):
    """One load of this work."""
    if work.entry == "h2":
        return h2load.run(stage, LOAD_CORE, port, work.path, work.connections, seconds)
    scheme = "https" if work.entry == "tls" else "http"
    options = {"script": script, "scheme": scheme, "fields": work.fields}
    return wrk.run(stage, LOAD_CORE, port, work.path, work.connections, seconds, **options)


def check_answer(work, label, port):
    """One request by hand: a proxy that answers something else, and be it fast, is not measured."""
    if work.entry == "h2":
        return  # h2load counts what is not answered with success.
    if work.entry == "tls":
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    fields = dict(field.split(": ", 1) for field in work.fields)
    body = b"z" * origin.POST_BYTES if work.method == "POST" else None
    try:
        connection.request(work.method, work.path, body=body, headers=fields)
        answer = connection.getresponse()
        size = len(answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise StageError(f"check {label}: {error}") from error
    finally:
        connection.close()
    if (answer.status, size) != (200, work.answer_bytes):
        raise StageError(f"check {label}: {answer.status} with {size} bytes, not 200 with {work.answer_bytes}")


def post_script():
    return f'wrk.method = "POST"\nwrk.body = string.rep("z", {origin.POST_BYTES})\n'


def patterns(count):
    """Routes of the three common shapes: a parameter, a rest, a plain path."""
    shapes = ("/team-{n}/orders/{{id}}", "/team-{n}/**", "/team-{n}/status")
    return tuple(shapes[n % 3].format(n=n) for n in range(count))


def routes_script(count):
    """Lua that asks for every route in turn, in steps of a prime so that neighbours in the table are not neighbours in
    time. The requests are made before the run."""
    paths = [pattern.replace("{id}", "42").replace("**", "a/b") for pattern in patterns(count)]
    listed = ",".join(f'"{path}"' for path in paths)
    return f"""
local paths = {{{listed}}}
local requests, place = {{}}, 0
function init(args) for i, path in ipairs(paths) do requests[i] = wrk.format("GET", path) end end
function request() place = (place + 7919) % #requests; return requests[place + 1] end
"""
