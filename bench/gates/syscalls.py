"""System calls per plain request, counted by strace: the figure that does not flicker.

A fixed number of requests over connections that are already warm, all of it inside the trace, so that calls divide by
requests without a rest. Every line of strace's table is read or the gate fails.
"""

import re
import signal
import socket
import time

from bench import origin, peers, proc
from bench.figures import Claim, Outcome
from bench.stage import LOAD_CORE, PROXY_CORE, StageError

REQUESTS = 20_000
# 20,000 over 32 is 625 each, below the 1,000 requests after which our listener closes a connection by default.
CONNECTIONS = 32
WARM_UP_ROUNDS = 50
# Read and write on the client's side, write and read on the backend's.
CALLS_MAX = 4
# Calls that belong to no request: the timers of a worker wake it at most 125 times a second (their tick is 8 ms), for
# the three seconds the requests take under strace.
HOUSEKEEPING = 400
INPUT_OUTPUT = frozenset(
    "read write readv writev pread64 pwrite64 preadv pwritev recvfrom sendto recvmsg sendmsg recvmmsg sendmmsg "
    "sendfile splice tee vmsplice io_uring_enter".split()
)
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
ATTACH_TIMEOUT_S = 10


class StraceError(StageError):
    """strace printed something that is not understood; nothing is guessed from it."""


def examine(stage, settings):
    about = f"system calls per plain request, {REQUESTS} requests over {CONNECTIONS} warm connections"
    outcome = Outcome("syscalls", about)
    if settings.lacks_subject(outcome):
        return outcome
    backend = origin.start(stage, LOAD_CORE)
    child, port = peers.start(stage, settings.programs, settings.subject, PROXY_CORE, [backend])
    connections = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(CONNECTIONS)]
    for _ in range(WARM_UP_ROUNDS):
        ask_all(connections)
    worker = proc.family(child.pid)[-1]  # nginx works in a child; everyone else in the process itself
    table = stage.folder / "strace.table"
    tracer = attach(stage, worker, table)
    for turn in range(REQUESTS // CONNECTIONS):
        ask_all(connections)
        if turn % 250 == 249:
            settings.say(f"syscalls {(turn + 1) * CONNECTIONS}/{REQUESTS}")
    tracer.signal(signal.SIGINT)
    tracer.process.wait(timeout=20)
    calls = parse(table.read_text())
    by_frequency = sorted(calls.items(), key=lambda item: -item[1])
    outcome.facts = {name: round(count / REQUESTS, 3) for name, count in by_frequency}
    outcome.claims = judge(calls, REQUESTS)
    return outcome


def judge(calls, requests):
    """The claims. The lower bound guards the gate itself: a trace that missed a thread would pass every upper one."""
    used = sum(count for name, count in calls.items() if name in INPUT_OUTPUT)
    text = "input and output calls per request"
    return [
        Claim(f"{text} ({HOUSEKEEPING} in all set aside)", max(0, used - HOUSEKEEPING) / requests, "<=", CALLS_MAX),
        Claim(f"{text}, or the trace missed some", used / requests, ">=", CALLS_MAX - 1),
    ]


def attach(stage, pid, table):
    """strace on all threads of `pid`, counting. Returns once it has said so for every one of them."""
    expected = len(proc.threads(pid))
    tracer = stage.start("strace", ["strace", "-c", "-f", "-o", table, "-p", pid], LOAD_CORE)
    deadline = time.monotonic() + ATTACH_TIMEOUT_S
    while time.monotonic() < deadline:
        said = tracer.log.read_text()
        attached = re.search(r"attached with (\d+) threads$", said, re.MULTILINE)
        if (int(attached[1]) if attached else said.count(" attached")) >= expected:
            return tracer
        time.sleep(0.05)
    raise StageError(f"attach strace to {expected} threads\n{tracer.log_tail()}")


def ask_all(connections):
    """One request on every connection at once, and all of every answer."""
    for connection in connections:
        connection.sendall(REQUEST)
    for connection in connections:
        answer = connection.recv(65536)
        while not answer.endswith(origin.PLAIN_END):
            piece = connection.recv(65536)
            if not piece:
                raise StageError(f"count system calls: connection closed after {answer[:60]!r}")
            answer += piece
        if not answer.startswith(b"HTTP/1.1 200"):
            raise StageError(f"count system calls: {answer[:60]!r}")


def parse(text):
    """Calls by name from the table of `strace -c`. The sum must agree with the total strace itself gives."""
    rows = [line for line in text.splitlines() if line.strip()]
    if len(rows) < 4 or rows[0].split() != ["%", "time", "seconds", "usecs/call", "calls", "errors", "syscall"]:
        raise StraceError(f"read strace's table: unknown head\n{text}")
    calls, total = {}, None
    for row in rows[1:]:
        if set(row) <= {"-", " "}:
            continue
        found = re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d*\s+(\d+)(?:\s+\d+)?\s+([a-z_][a-z0-9_]*)", row)
        if not found or total is not None or found[2] in calls:
            raise StraceError(f"read strace's table: unknown line {row!r}")
        if found[2] == "total":
            total = int(found[1])
        else:
            calls[found[2]] = int(found[1])
    if total != sum(calls.values()):
        raise StraceError(f"read strace's table: {sum(calls.values())} calls listed, {total} in all")
    return calls
