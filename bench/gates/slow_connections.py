"""Good clients beside nine thousand slow ones, with the cap per address off and on: no error, hardly slower.

The slow ones come from thousands of addresses, so the cap does not stop them; with it on, its table is what is tried.
Bodies and readers keep just above the least rate a listener asks for, so they stay; heads run into its limit and
come back.
"""

from statistics import median

from bench import origin, peers, proc
from bench.crowd import Crowd
from bench.figures import Claim, Outcome, percentile
from bench.openloop import OpenLoop
from bench.slow_clients import Plan
from bench.stage import LOAD_CORE, PROXY_CORE

HEADS, BODIES, READERS = 4000, 2500, 2500
GOOD_PER_S = 300
WINDOWS = 5
WINDOW_S = 5
# By then all slow ones have come, at 2,000 a second, and filled their buffers. Errors count already, latency not yet.
ARRIVAL_S = 10
# Allowed on top of the quiet p99: twice it, or 5 ms where twice is within the noise of a scheduler.
SLOWER_TIMES, SLOWER_MS = 2.0, 5.0
# If fewer stay open the good clients were alone, and the gate has shown nothing.
OPEN_SHARE_MIN = 0.5


def examine(stage, settings):
    total = HEADS + BODIES + READERS
    outcome = Outcome("slow-connections", f"{GOOD_PER_S} good requests/s beside {total} slow connections")
    if settings.lacks_subject(outcome):
        return outcome
    backend = origin.start(stage, LOAD_CORE, send_buffer=32 << 10)
    for cap, is_capped in (("off", False), ("on", True)):
        one_pass(stage, settings, outcome, backend, cap, is_capped)
    return outcome


def one_pass(stage, settings, outcome, backend, cap, is_capped):
    """A fresh proxy; the good clients alone, while the slow ones arrive, and beside all of them."""
    child, port = peers.start(
        stage, settings.programs, settings.subject, PROXY_CORE, [backend], is_per_ip_capped=is_capped
    )
    quiet = [window(settings, port, f"cap {cap}, quiet") for _ in range(WINDOWS)]
    crowd = Crowd(stage, Plan(port, heads=HEADS, bodies=BODIES, readers=READERS))
    arrival = window(settings, port, f"cap {cap}, slow ones arrive", ARRIVAL_S)
    crowd.wait_until_ready()
    loaded, open_least = [], crowd.counts["open"]
    for _ in range(WINDOWS):
        loaded.append(window(settings, port, f"cap {cap}, {open_least} slow at least"))
        open_least = min(open_least, crowd.counts["open"])
    stage.check_alive(child)
    outcome.facts[f"cap {cap}"] = {
        "quiet_p99_ms": [round(p99, 2) for p99, _ in quiet],
        "arrival_p99_ms": round(arrival[0], 2),
        "loaded_p99_ms": [round(p99, 2) for p99, _ in loaded],
        "problems": [problem for _, tally in (*quiet, arrival, *loaded) for problem in tally.problems][:10],
        "pss_mib": round(proc.pss_kib(child.pid) / 1024, 1),
        "kernel_tcp_mib": round(proc.tcp_memory_mib()),
        "slow": crowd.stop(),
    }
    outcome.claims += judge(cap, quiet, arrival, loaded, open_least / (HEADS + BODIES + READERS))
    stage.stop(child)


def window(settings, port, label, seconds=None):
    """The p99 in ms and the tally of one measurement of the good clients."""
    tally = OpenLoop(port, GOOD_PER_S).run(seconds or settings.secs or WINDOW_S)
    p99_ms = percentile(tally.latencies_ms, 0.99) if tally.latencies_ms else float("inf")
    settings.say(f"slow-connections {label}: p99 {p99_ms:.2f} ms, failed {tally.failed}")
    return p99_ms, tally


def judge(cap, quiet, arrival, loaded, open_share):
    quiet_ms = median(p99 for p99, _ in quiet)
    bound_ms = max(quiet_ms * SLOWER_TIMES, quiet_ms + SLOWER_MS)
    failed = sum(tally.failed for _, tally in (*quiet, arrival, *loaded))
    return [
        Claim(f"cap {cap}: p99 of good clients in ms", median(p99 for p99, _ in loaded), "<=", round(bound_ms, 2)),
        Claim(f"cap {cap}: good requests that failed", failed, "<=", 0),
        Claim(f"cap {cap}: share of slow connections open, or it was no test", open_share, ">=", OPEN_SHARE_MIN),
    ]
