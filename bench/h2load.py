"""Closed-loop load over HTTP/2 by h2load, and a strict reading of what it prints."""

import re

from bench.stage import StageError
from bench.wrk import Load

STREAMS = 16  # At a time on each connection: what a busy browser or a fan-out has under way.


class H2LoadError(StageError):
    """h2load printed something that is not understood; nothing is guessed from it."""


def run(stage, cores, port, path, connections, seconds):
    """Keeps `STREAMS` requests under way on each of `connections` for `seconds`; one thread."""
    argv = ["h2load", "-t1", f"-c{connections}", f"-m{STREAMS}", f"-D{seconds}", f"https://127.0.0.1:{port}{path}"]
    return parse(stage.output("h2load", argv, cores, timeout_s=seconds + 30), seconds)


def parse(text, seconds):
    """Reads h2load's summary. It gives no percentile of its own: `p99_ms` is its maximum, the nearest it tells."""
    total = re.search(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$", text, re.MULTILINE)
    codes = re.search(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", text, re.MULTILINE)
    slowest = re.search(r"^time for request:\s+\S+\s+([\d.]+)(us|ms|s)\s", text, re.MULTILINE)
    if not total or not codes or not slowest:
        raise H2LoadError(f"read h2load's summary: unknown form\n{text}")
    succeeded, *lost = map(int, total.groups())
    factor = {"us": 1e-3, "ms": 1.0, "s": 1e3}[slowest[2]]
    failed = sum(lost) + int(codes[3]) + int(codes[4])
    return Load(succeeded, failed, float(seconds), float(slowest[1]) * factor)
