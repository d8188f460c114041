"""Whether one client's connections spread over the workers: the kernel says which event loop watches each."""

from bench import origin, peers, proc
from bench.figures import Claim, Outcome
from bench.idle import connect_once
from bench.stage import BOTH_CORES, LOAD_CORE

CONNECTIONS = 1000
WORKERS = 2
OFF_MAX = 0.20


def examine(stage, settings):
    outcome = Outcome("spread", f"{CONNECTIONS} connections of one client over {WORKERS} workers")
    if settings.lacks_subject(outcome):
        return outcome
    backend = origin.start(stage, LOAD_CORE)
    child, port = peers.start(
        stage, settings.programs, settings.subject, BOTH_CORES, [backend], workers=WORKERS, is_per_ip_capped=False
    )
    held = [connect_once(port) for _ in range(CONNECTIONS)]
    accepted = proc.accepted_inodes(port)
    shares = sorted(len(accepted & loop) for loop in proc.event_loops(child.pid))
    busiest = [share for share in shares if share][-WORKERS:]
    for connection in held:
        connection.close()
    outcome.facts = {"connections by worker": busiest, "all": len(accepted)}
    outcome.claims = judge(busiest, len(accepted))
    return outcome


def judge(shares, accepted):
    """Every worker within OFF_MAX of an even share, and every connection accounted for."""
    even = CONNECTIONS / WORKERS
    off = max((abs(share - even) / even for share in shares), default=1.0)
    return [
        Claim("workers that hold connections", len(shares), ">=", WORKERS),
        Claim("furthest worker from an even share", off, "<=", OFF_MAX),
        Claim("connections held, by worker", sum(shares), ">=", CONNECTIONS),
        Claim("connections held, in all", accepted, ">=", CONNECTIONS),
    ]
