"""Floods of HTTP/2 beside a good client, one kind after the other: it is hardly slower, and memory is bounded.

One worker, so that whoever holds it holds everybody. The good client comes by another listener of the same worker.
"""

from statistics import median

from bench import h2_floods, origin, proc
from bench.crowd import Crowd
from bench.figures import Claim, Outcome, percentile
from bench.gateway import Gateway
from bench.openloop import OpenLoop
from bench.stage import LOAD_CORE, PROXY_CORE

GOOD_PER_S = 200
WINDOWS = 3
WINDOW_S = 4
# Allowed beside a flood: twice the quiet p99 and 5 ms, which is what a scheduler may take on a core that is full.
SLOWER_TIMES, SLOWER_MS = 2.0, 5.0
GROWTH_MIB_MAX = 64
# Time for a head on the flooded listener: a head that never ends is cut off within the flood.
HEAD_S = 1
# Of the connections that break a rule, so many must have been ended by the gateway, or it was no test.
ENDED_SHARE_MIN = 0.8


def examine(stage, settings):
    outcome = Outcome("floods", f"{GOOD_PER_S} good requests/s beside floods of HTTP/2: {', '.join(h2_floods.KINDS)}")
    if settings.lacks_subject(outcome):
        return outcome
    backend = origin.start(stage, LOAD_CORE, send_buffer=32 << 10)
    gateway = Gateway(stage, settings.programs, PROXY_CORE, [backend], 1)
    flooded = stage.port()
    limits = f"limits: {{ head_time: {HEAD_S}s }}"
    text = gateway.text(listeners=f', flooded: {{ bind: "127.0.0.1:{flooded}", protocols: [h1, h2], {limits} }}')
    body = "x" * h2_floods.FIXED_BYTES
    gateway.write(text + f'  - {{ match: "{h2_floods.FIXED}", to: {{ respond: {{ body: "{body}" }} }} }}\n')
    gateway.start()
    stage.wait_for_port(gateway.child, flooded)
    quiet, failed, _ = windows(settings, gateway, "quiet")
    outcome.facts["quiet_p99_ms"] = round(quiet, 2)
    outcome.claims.append(Claim("quiet: good requests that failed", failed, "<=", 0))
    bound = round(quiet * SLOWER_TIMES + SLOWER_MS, 2)
    for kind in h2_floods.KINDS:
        beside(stage, settings, outcome, gateway, flooded, kind, bound)
    return outcome


def beside(stage, settings, outcome, gateway, port, kind, bound):
    """The good client beside one kind of flood."""
    before = proc.pss_kib(gateway.child.pid) / 1024
    plan = h2_floods.Plan(port, kind, h2_floods.UNREAD_PER_S if kind == "unread" else 100)
    crowd = Crowd(stage, plan, "h2_floods")
    crowd.wait_until_ready()
    p99, failed, most = windows(settings, gateway, kind)
    stage.check_alive(gateway.child)
    counts = crowd.stop()
    outcome.facts[kind] = {"p99_ms": round(p99, 2), "grown_mib": round(most - before, 1), **counts}
    outcome.claims += [
        Claim(f"{kind}: p99 of the good client in ms", p99, "<=", bound),
        Claim(f"{kind}: good requests that failed", failed, "<=", 0),
        Claim(f"{kind}: MiB that Pss has grown", most - before, "<=", GROWTH_MIB_MAX),
    ]
    if kind in h2_floods.PATIENT:
        held = counts["open"]
        outcome.claims.append(Claim(f"{kind}: connections open, or it was no test", held, ">=", h2_floods.HELD))
    else:
        share = counts["ended"] / max(1, counts["begun"] - counts["open"])
        outcome.claims.append(Claim(f"{kind}: share that was ended, or it was no test", share, ">=", ENDED_SHARE_MIN))


def windows(settings, gateway, label):
    """The p99 in ms (median of the windows), failures, and the most Pss in MiB."""
    p99s, failed, pss_mib = [], 0, []
    seconds = settings.secs or WINDOW_S

    def look(_):
        pss_mib.append(proc.pss_kib(gateway.child.pid) / 1024)

    agenda = [(second + 0.5, look) for second in range(seconds)]
    for _ in range(WINDOWS):
        tally = OpenLoop(gateway.port, GOOD_PER_S).run(seconds, agenda)
        p99s.append(percentile(tally.latencies_ms, 0.99) if tally.latencies_ms else float("inf"))
        failed += tally.failed
        settings.say(f"floods {label}: p99 {p99s[-1]:.2f} ms, failed {tally.failed}, {max(pss_mib):.0f} MiB")
    return median(p99s), failed, max(pss_mib)
