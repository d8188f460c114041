"""One of three backends is killed under load, again and again: no client may notice, and it must come back into use.

Every other time the backend is stopped a moment before, so that many requests are under way in it when it dies.
"""

import signal
from functools import partial

from bench import origin, peers
from bench.figures import Claim, Outcome
from bench.openloop import OpenLoop
from bench.stage import LOAD_CORE, PROXY_CORE

BACKENDS = ("one", "two", "three")
RATE = 1000
ROUNDS = 9  # every backend three times
# One round: [stop,] kill, 1.5 s without it, start, and time to come back.
ROUND_S = 5.0
KILL_AT_S, DOWN_S, STALL_S = 0.5, 1.5, 0.1
# A backend that is up again gets traffic within the default interval at which health is looked at.
BACK_WITHIN_S = 2.0


class Backends:
    """Three origins on fixed ports that can be killed and started again; keeps when that was."""

    def __init__(self, stage):
        self.stage = stage
        origin.write_files(stage.folder)
        self.ports = {name: stage.port() for name in BACKENDS}
        self.children = {name: self.spawn(name) for name in BACKENDS}
        for name, child in self.children.items():
            stage.wait_for_port(child, self.ports[name])
        self.killed = []
        self.started = []

    def spawn(self, name):
        return self.stage.start(name, origin.argv(self.stage.folder, self.ports[name], name), LOAD_CORE)

    def stall(self, name, _now):
        self.children[name].signal(signal.SIGSTOP)

    def kill(self, name, now):
        self.stage.stop(self.children[name])
        self.killed.append((name, now))

    def start(self, name, now):
        self.children[name] = self.spawn(name)
        self.started.append((name, now))


def examine(stage, settings):
    outcome = Outcome("kill", f"kill -9 of one of three backends under {RATE} requests/s, {ROUNDS} times")
    if settings.lacks_subject(outcome):
        return outcome
    backends = Backends(stage)
    ports = list(backends.ports.values())
    child, port = peers.start(stage, settings.programs, settings.subject, PROXY_CORE, ports)
    rounds = ROUNDS if settings.secs is None else min(ROUNDS, settings.secs)
    settings.say(f"kill: {rounds} rounds of {ROUND_S:.0f} s")
    tally = OpenLoop(port, RATE).run(rounds * ROUND_S, agenda(backends, rounds))
    stage.check_alive(child)
    before = [uses(tally, name, at - KILL_AT_S, at) for name, at in backends.killed]
    back = [first_use_after(tally, name, at) for name, at in backends.started]
    outcome.facts = {
        "sent": tally.sent, "answered": tally.answered, "cut": tally.cut, "refused": tally.refused, "late": tally.late,
        "problems": tally.problems, "back_after_s": [round(seconds, 2) for seconds in back],
    }  # fmt: skip
    outcome.claims = [
        Claim("GETs that failed before their answer began", tally.unanswered + tally.refused + tally.late, "<=", 0),
        Claim("slowest return of a backend in s", max(back), "<=", BACK_WITHIN_S),
        Claim("answers of the backend just before each kill, or it was no test", min(before), ">=", 1),
    ]
    return outcome


def agenda(backends, rounds):
    """What happens to which backend, and when."""
    calls = []
    for number in range(rounds):
        name, start = BACKENDS[number % len(BACKENDS)], number * ROUND_S + KILL_AT_S
        if number % 2:
            calls.append((start - STALL_S, partial(backends.stall, name)))
        calls.append((start, partial(backends.kill, name)))
        calls.append((start + DOWN_S, partial(backends.start, name)))
    return calls


def uses(tally, name, since_s, until_s):
    return sum(since_s <= at <= until_s for at in tally.by_backend.get(name, []))


def first_use_after(tally, name, at_s):
    """Seconds from the start of a backend to its first answer to a client; infinite if none came."""
    return min((at - at_s for at in tally.by_backend.get(name, []) if at > at_s), default=float("inf"))
