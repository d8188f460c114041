"""Gateways end under load (SIGTERM): of two behind a client that follows readiness nothing is lost, and one alone
answers everything that it accepted.
"""

import signal
import threading
import time

from bench import origin
from bench.figures import Claim, Outcome
from bench.gateway import Gateway
from bench.openloop import OpenLoop
from bench.stage import BOTH_CORES, LOAD_CORE

RATE = 1000
LAST_EVERY = 20
# Three ends each, one after the other: a few seconds in which it is told, ends, starts and is found again.
ENDS = 6
EVERY_S = 4.0
LOOK_S = 0.1
ALONE_AT_S, ALONE_S = 2.0, 4.5


def examine(stage, settings):
    outcome = Outcome("drain", f"SIGTERM under {RATE} requests/s: two gateways three times each, and one alone")
    backend = origin.start(stage, LOAD_CORE)
    pair = [Gateway(stage, settings.programs, BOTH_CORES, [backend], 1).start() for _ in range(2)]
    followed = two(pair)
    alone = one(Gateway(stage, settings.programs, BOTH_CORES, [backend], 1).start())
    lost_alone = alone.failed - alone.not_connected
    outcome.facts = {
        "two": {"sent": followed.sent, "answered": followed.answered, "problems": followed.problems},
        "alone": {"sent": alone.sent, "answered": alone.answered, "not_connected": alone.not_connected},
        "alone lost": [line for line in alone.problems if "connect" not in line],
    }
    outcome.claims = [
        Claim("two: requests that failed", followed.failed, "<=", 0),
        Claim("alone: accepted requests without an answer", lost_alone, "<=", 0),
        Claim("alone: requests turned away after its end, or it was no test", alone.not_connected, ">=", 1),
    ]
    return outcome


def two(pair):
    loop = OpenLoop(pair[0].port, RATE, last_every=LAST_EVERY)
    is_over = threading.Event()

    def follow():
        """New connections go to a gateway that says it is ready, in turn."""
        while not is_over.is_set():
            for gateway in pair:
                if gateway.is_ready():
                    loop.port = gateway.port
                    time.sleep(LOOK_S / 2)

    def end_in_turn():
        for number in range(ENDS):
            gateway = pair[number % 2]
            time.sleep(1.0)
            gateway.child.signal(signal.SIGTERM)
            gateway.child.process.wait(timeout=EVERY_S)
            gateway.start()
            time.sleep(1.0)
        is_over.wait()  # what a thread has started ends with it

    threads = [threading.Thread(target=follow, daemon=True), threading.Thread(target=end_in_turn)]
    for thread in threads:
        thread.start()
    tally = loop.run(ENDS * EVERY_S)
    is_over.set()
    threads[1].join()
    return tally


def one(gateway):
    loop = OpenLoop(gateway.port, RATE, last_every=LAST_EVERY)
    return loop.run(ALONE_S, [(ALONE_AT_S, lambda _now: gateway.child.signal(signal.SIGTERM))])
