"""The command line of `bench/run`: which scenarios, on what, how long; prints, records, and ends with the verdict.

Exit codes: 0 every claim holds, 1 one does not, 2 misuse or something needed is missing.
"""

import argparse
import os
import resource
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path

from bench import cost, idle, machine, peers, report
from bench.figures import ROUNDS_MIN
from bench.gates import certificates, costly, drain, floods, kill, reload, slow_connections, slow_readers, spread, syscalls
from bench.settings import Settings
from bench.stage import Stage, StageError

SCENARIOS = {
    **{work.name: partial(cost.compare, work=work) for work in cost.COMPARED},
    "idle": idle.compare,
    "routes": cost.routes,
    "log": cost.log,
    "syscalls": syscalls.examine,
    "spread": spread.examine,
    "kill": kill.examine,
    "reload": reload.examine,
    "reload-10k": reload.examine_many,
    "drain": drain.examine,
    "certificates": certificates.examine,
    "floods": floods.examine,
    "costly": costly.examine,
    "slow-readers": slow_readers.examine,
    "slow-connections": slow_connections.examine,
}
TOOLS = ("nginx", "wrk", "h2load", "openssl", "strace", "taskset", "setpriv")


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/run", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("scenario", choices=["all", *SCENARIOS], nargs="+")
    parser.add_argument(
        "--tidegate", type=Path, default=machine.ROOT / "target/release/tidegate", help="the binary under test"
    )
    parser.add_argument("--envoy", type=Path, default=machine.ROOT / "target/venv/bin/envoy")
    parser.add_argument(
        "--on", choices=peers.PEERS, default="tidegate", help="the proxy that gates and `routes` examine"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, help=f"fewer than {ROUNDS_MIN} are not recorded")
    parser.add_argument("--secs", type=int, help="shorten every measurement; not recorded")
    parser.add_argument("--results", type=Path, default=machine.ROOT / "bench/results")
    parser.add_argument("--strict", action="store_true", help="a missing proxy is an error, not a skipped line")
    return parser.parse_args()


def main():
    args = arguments()
    names = list(SCENARIOS) if "all" in args.scenario else args.scenario
    programs = peers.Programs(args.tidegate.absolute(), args.envoy.absolute())
    problems = missing(programs, args.strict)
    if problems or args.rounds < 1 or (args.secs is not None and args.secs < 1):
        problems = problems or ["--rounds and --secs are at least 1"]
        print("\n".join(f"bench/run: {problem}" for problem in problems), file=sys.stderr)
        return 2
    prepare_process()
    settings = Settings(programs, args.on, args.rounds, args.secs)
    claims, failures = [], 0
    for name in names:
        try:
            claims += run(name, settings, args.results)
        except (StageError, OSError) as error:  # the other scenarios may still be of use
            print(f"bench/run: {name}: {error}", file=sys.stderr)
            failures += 1
    broken = sum(not claim.holds for claim in claims)
    print(f"\n{len(claims)} claims, {broken} of them do not hold; {failures} scenarios could not be measured")
    return 2 if failures else 1 if broken else 0


def missing(programs, is_strict):
    """Everything the whole run lacks, each with what would help."""
    problems = [f"{tool} is not installed: bench/needs" for tool in TOOLS if not shutil.which(tool)]
    if (os.cpu_count() or 1) < 2:
        problems.append("two cores are needed: one for the proxy alone, one for origin and load")
    if is_strict:
        problems += [reason for peer in peers.PEERS if (reason := programs.missing(peer))]
    return list(dict.fromkeys(problems))


def prepare_process():
    """On the load core ourselves, with all the descriptors we may have, and leaving every `with` on SIGTERM too."""
    os.sched_setaffinity(0, {0})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))


def run(name, settings, results):
    """One scenario from an empty stage to its record; returns its claims."""
    print(f"{name}: starts", file=sys.stderr, flush=True)
    described, start = machine.describe(), time.monotonic()
    with Stage() as stage:
        outcome = SCENARIOS[name](stage, settings)
    report.print_outcome(outcome)
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    if settings.is_full and outcome.claims:
        print(f"  recorded in {report.record(results, outcome, settings.programs, described)}")
    return outcome.claims


def entry():
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("bench/run: interrupted; everything started was ended", file=sys.stderr)
        sys.exit(130)
