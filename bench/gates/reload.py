"""The configuration changes again and again under load: no request may be lost, and a large one must not take long."""

import signal
import threading
import time
from functools import partial

from bench import origin, proc
from bench.figures import Claim, Outcome, Spread, percentile
from bench.gateway import Gateway
from bench.openloop import OpenLoop
from bench.stage import BOTH_CORES, LOAD_CORE

RATE = 2000
# Every so many requests one asks for the end of its connection: 200 new connections a second.
LAST_EVERY = 10
RELOADS = 500
EVERY_S = 0.25
WORKERS = 2
SETTLED_AFTER = 100
# 10 KiB a reload over four hundred: less than a snapshot kept alive by each would take.
GROWTH_MIB_MAX = 4

MANY_ROUTES = 10_000
MANY_RATE = 1000
MANY_RELOADS = 7
MANY_EVERY_S = 3.0
# 10,000 routes: from the signal until the last worker serves them.
MANY_MS_MAX = 500
P99_TIMES_MAX = 2


def examine(stage, settings):
    outcome = Outcome("reload", f"{RELOADS} reloads under {RATE} requests/s of kept and new connections")
    backend = origin.start(stage, LOAD_CORE)
    gateway = Gateway(stage, settings.programs, BOTH_CORES, [backend], WORKERS).start()
    reloads = RELOADS if settings.secs is None else min(RELOADS, 10 * settings.secs)
    texts = [variant(gateway, number, stage.port()) for number in range(reloads)]
    agenda = [(0.5 + number * EVERY_S, partial(reload, gateway, text)) for number, text in enumerate(texts)]
    # Memory is looked at after the first hundred, when allocator and pools have settled, and at the end.
    pss_mib = []
    settled = min(SETTLED_AFTER, reloads // 2)

    def look(_now):
        pss_mib.append(proc.pss_kib(gateway.child.pid) / 1024)

    agenda.append((0.5 + settled * EVERY_S + EVERY_S / 2, look))
    agenda.append((0.75 + reloads * EVERY_S, look))
    agenda.sort(key=lambda entry: entry[0])
    loop = OpenLoop(gateway.port, RATE, last_every=LAST_EVERY)
    tally = loop.run(1.5 + reloads * EVERY_S, agenda)
    stage.check_alive(gateway.child)
    taken, refused = gateway.reloads()
    outcome.facts = {
        "sent": tally.sent, "answered": tally.answered, "problems": tally.problems, "taken": taken, "refused": refused,
        "p99_ms": round(percentile(tally.latencies_ms, 0.99), 2), "counted": gateway.counted(),
        "settled_mib": round(pss_mib[0], 1), "end_mib": round(pss_mib[-1], 1),
    }  # fmt: skip
    outcome.claims = [
        Claim("requests that failed", tally.failed, "<=", 0),
        Claim("reloads, or it was no test", taken + refused, ">=", reloads),
        Claim("bad files refused", refused, ">=", reloads // 10),
        Claim("MiB that Pss has grown since the first hundred", pss_mib[-1] - pss_mib[0], "<=", GROWTH_MIB_MAX),
        Claim("requests sent and not counted, or the other way round", abs(gateway.counted() - tally.sent), "<=", 0),
    ]
    return outcome


def reload(gateway, text, _now):
    gateway.reload(text)


def variant(gateway, number, port):
    """Of ten reloads one adds a listener, the next takes it away, one has a bad file, the others change something."""
    match number % 10:
        case 0:
            return gateway.text(listeners=f', more: "127.0.0.1:{port}"')
        case 5:
            return gateway.text().replace("backends", "backend")
        case 7:
            return gateway.text(service=", balance: least-request")
        case 8:
            return gateway.text(route="/{any}/**").replace("routes:", "routes:\n  - { match: /, to: origin }")
        case _:
            return gateway.text(service=f", timeouts: {{ response: {number + 1}s }}")


def examine_many(stage, settings):
    """One route of ten thousand changes, under load on one core."""
    outcome = Outcome("reload-10k", f"reload of {MANY_ROUTES} routes under {MANY_RATE} requests/s")
    backend = origin.start(stage, LOAD_CORE)
    gateway = Gateway(stage, settings.programs, BOTH_CORES, [backend], WORKERS, routes=MANY_ROUTES).start()
    loop = OpenLoop(gateway.port, MANY_RATE)
    took, windows = [], []
    ready = threading.Event()

    def change():
        ready.wait()
        time.sleep(MANY_EVERY_S)
        for number in range(MANY_RELOADS):
            gateway.write(gateway.text(service=f", timeouts: {{ response: {number + 1}s }}"))
            begin = time.monotonic()
            gateway.child.signal(signal.SIGHUP)
            end = gateway.await_taken(number + 1, timeout_s=20)
            took.append((end - begin) * 1e3)
            windows.append((begin - loop.start, end - loop.start))
            time.sleep(MANY_EVERY_S)

    thread = threading.Thread(target=change)
    thread.start()
    tally = loop.run((MANY_RELOADS + 1) * (MANY_EVERY_S + 0.5), [(0.0, lambda _now: ready.set())])
    thread.join()
    timed = list(zip(tally.answered_at, tally.latencies_ms, strict=True))
    is_during = lambda at: any(begin <= at <= end + 0.05 for begin, end in windows)  # noqa: E731
    quiet = percentile([ms for at, ms in timed if not is_during(at)], 0.99)
    during = percentile([ms for at, ms in timed if is_during(at)], 0.99)
    outcome.facts = {"took_ms": [round(ms) for ms in took], "quiet_p99_ms": quiet, "problems": tally.problems}
    spread = Spread.of(took)
    outcome.claims = [
        Claim("ms from the signal to the last worker", spread.median, "<=", MANY_MS_MAX, spread),
        Claim("p99 while a reload runs, in ms", during, "<=", P99_TIMES_MAX * quiet),
        Claim("requests that failed", tally.failed, "<=", 0),
    ]
    return outcome
