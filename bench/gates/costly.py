"""Requests that cost far more to answer than to send, beside good clients: guesses of passwords, and bodies that would
become a thousand times longer. Good clients are hardly slower, and memory is bounded.

One worker and one core for all of the gateway: whatever such a request costs is taken from the good ones.
"""

import base64
import http.client
import time
from statistics import median

from bench import origin, proc
from bench.costly import Plan
from bench.crowd import Crowd
from bench.figures import Claim, Outcome, percentile
from bench.gateway import Gateway
from bench.openloop import OpenLoop
from bench.stage import LOAD_CORE, PROXY_CORE

GOOD_PER_S = 200
WINDOWS = 3
WINDOW_S = 4
# Allowed beside guesses: what a scheduler may take on a core that is full. Beside bombs, twice the quiet p99 as well.
SLOWER_TIMES, SLOWER_MS = 2.0, 5.0
GROWTH_MIB_MAX = 64
# Users who come for the first time while passwords are guessed, one after the other, and what each may wait.
NEW_USERS = 8
NEW_MS_MAX = 1000
# `right`, by bcrypt with the cost that the guide asks for: some 250 ms.
HASH = "$2b$12$abcdefghijklmnopqrstuu3ZNTWactmkRXVB8K.1w4IlxX.O8lI12"


def examine(stage, settings):
    outcome = Outcome("costly", f"{GOOD_PER_S} good requests/s beside 64 connections of guesses, or of bombs")
    if settings.lacks_subject(outcome):
        return outcome
    backend = origin.start(stage, LOAD_CORE)
    gateway = Gateway(stage, settings.programs, PROXY_CORE, [backend], 1)
    users = gateway.folder / "users"
    users.write_text("".join(f"{name}:{HASH}\n" for name in ["ana", *(f"new{number}" for number in range(NEW_USERS))]))
    text = gateway.text(route="/open/**").replace("routes:", f'auth: {{ staff: {{ basic: {{ file: "{users}" }} }} }}\nroutes:')
    gateway.write(text + "  - { match: /, to: origin, auth: staff }\n  - { match: /upload, to: origin, shield: true }\n")
    gateway.start()
    ask(gateway.port, "ana")  # known from here on
    quiet, failed, _ = windows(settings, gateway, "quiet")
    outcome.facts["quiet_p99_ms"] = round(quiet, 2)
    outcome.claims.append(Claim("quiet: good requests that failed", failed, "<=", 0))
    beside(stage, settings, outcome, gateway, "guesses", quiet + SLOWER_MS)
    beside(stage, settings, outcome, gateway, "bombs", quiet * SLOWER_TIMES + SLOWER_MS)
    return outcome


def beside(stage, settings, outcome, gateway, kind, bound):
    """Good clients beside one kind of costly requests."""
    before = proc.pss_kib(gateway.child.pid) / 1024
    crowd = Crowd(stage, Plan(gateway.port, kind), "costly")
    crowd.wait_until_ready()
    p99, failed, most = windows(settings, gateway, kind)
    slowest = max(ask(gateway.port, f"new{number}") for number in range(NEW_USERS)) if kind == "guesses" else None
    stage.check_alive(gateway.child)
    counts = crowd.stop()
    outcome.facts[kind] = {"p99_ms": round(p99, 2), "grown_mib": round(most - before, 1), **counts}
    outcome.claims += [
        Claim(f"{kind}: p99 of a client that is known in ms", p99, "<=", round(bound, 2)),
        Claim(f"{kind}: good requests that failed", failed, "<=", 0),
        Claim(f"{kind}: MiB that Pss has grown", most - before, "<=", GROWTH_MIB_MAX),
        Claim(f"{kind}: answered as if they were good", counts["statuses"].get("200", 0), "<=", 0),
    ]
    refused = counts["statuses"].get("401" if kind == "guesses" else "413", 0)
    outcome.claims.append(Claim(f"{kind}: refused, or it was no test", refused, ">=", 10))
    if slowest is not None:
        outcome.facts["new_user_ms"] = round(slowest)
        outcome.claims.append(Claim("guesses: the slowest of those who are new in ms", slowest, "<=", NEW_MS_MAX))


def shown(name):
    return "Basic " + base64.b64encode(f"{name}:right".encode()).decode()


def ask(port, name):
    """Signs in from an address that nobody else has; gives the ms that took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=("127.0.0.3", 0))
    start = time.monotonic()
    connection.request("GET", "/", headers={"authorization": shown(name)})
    answer = connection.getresponse()
    answer.read()
    taken_ms = (time.monotonic() - start) * 1e3
    connection.close()
    return taken_ms if answer.status == 200 else float("inf")


def windows(settings, gateway, label):
    """The p99 in ms (median of the windows), failures, and the most Pss in MiB."""
    p99s, failed, pss_mib = [], 0, []
    seconds = settings.secs or WINDOW_S

    def look(_):
        pss_mib.append(proc.pss_kib(gateway.child.pid) / 1024)

    agenda = [(second + 0.5, look) for second in range(seconds)]
    for _ in range(WINDOWS):
        tally = OpenLoop(gateway.port, GOOD_PER_S, fields=f"authorization: {shown('ana')}\r\n").run(seconds, agenda)
        p99s.append(percentile(tally.latencies_ms, 0.99) if tally.latencies_ms else float("inf"))
        failed += tally.failed
        settings.say(f"costly {label}: p99 {p99s[-1]:.2f} ms, failed {tally.failed}, {max(pss_mib):.0f} MiB")
    return median(p99s), failed, max(pss_mib)
