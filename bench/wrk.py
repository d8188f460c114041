"""Closed-loop load by wrk, and a strict reading of what it prints."""

import re
from dataclasses import dataclass

from bench.stage import StageError

MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class WrkError(StageError):
    """wrk printed something that is not understood; nothing is guessed from it."""


@dataclass(frozen=True)
class Load:
    """One run: requests answered, those not answered with 2xx or 3xx or not at all, and the tail of the latency."""

    requests: int
    failed: int
    seconds: float
    p99_ms: float


def run(stage, cores, port, path, connections, seconds, script=None, scheme="http", fields=()):
    """Keeps `connections` busy for `seconds`; one thread. `script` is a Lua file, `fields` go with every request."""
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
    if script:
        argv += ["-s", script]
    for field in fields:
        argv += ["-H", field]
    return parse(stage.output("wrk", [*argv, f"{scheme}://127.0.0.1:{port}{path}"], cores, timeout_s=seconds + 30))


def parse(text):
    """Reads wrk's summary. The lines on errors are absent when there were none."""
    total = re.search(r"^\s+(\d+) requests in ([\d.]+)(us|ms|s|m), ", text, re.MULTILINE)
    tail = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    if not total or not tail:
        raise WrkError(f"read wrk's summary: unknown form\n{text}")
    failed = sum(int(n) for n in re.findall(r"^\s+Non-2xx or 3xx responses: (\d+)$", text, re.MULTILINE))
    sockets = re.search(
        r"^\s+Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$", text, re.MULTILINE
    )
    if sockets:
        failed += sum(int(n) for n in sockets.groups())
    elif "Socket errors" in text:
        raise WrkError(f"read wrk's socket errors: unknown form\n{text}")
    return Load(
        requests=int(total[1]),
        failed=failed,
        seconds=float(total[2]) * MILLISECONDS[total[3]] / 1e3,
        p99_ms=float(tail[1]) * MILLISECONDS[tail[2]],
    )
