"""Memory while a thousand clients take large answers slowly: what they do not take yet must wait at the origin."""

import time

from bench import origin, peers, proc
from bench.crowd import Crowd
from bench.figures import Claim, Outcome
from bench.slow_clients import Plan
from bench.stage import LOAD_CORE, PROXY_CORE

READERS = 1000
SECONDS = 30
PSS_MIB_MAX = 300
PERIOD_S = 0.2
BYTES_PER_ACT = 4096  # five times a second: 20 KB/s
# The least the readers must have been given, of what they would take. Less, and they were not served but starved.
SHARE_TAKEN_MIN = 0.8


def examine(stage, settings):
    outcome = Outcome("slow-readers", f"{READERS} clients take 20 KB/s each of 8 MiB for {SECONDS} s")
    if settings.lacks_subject(outcome):
        return outcome
    seconds = settings.secs or SECONDS
    backend = origin.start(stage, LOAD_CORE, send_buffer=128 << 10)
    child, port = peers.start(stage, settings.programs, settings.subject, PROXY_CORE, [backend])
    before_mib = proc.pss_kib(child.pid) / 1024
    plan = Plan(port, readers=READERS, period_s=PERIOD_S, bytes_per_act=BYTES_PER_ACT, receive_buffer=32 << 10)
    crowd = Crowd(stage, plan)
    crowd.wait_until_ready()
    first, start = crowd.counts, time.monotonic()
    pss_mib, tcp_mib = before_mib, 0.0
    while (elapsed := time.monotonic() - start) < seconds:
        stage.check_alive(child)
        pss_mib = max(pss_mib, proc.pss_kib(child.pid) / 1024)
        tcp_mib = max(tcp_mib, proc.tcp_memory_mib())
        settings.say(f"slow-readers {elapsed:4.1f} s: {crowd.counts['open']} open, at most {pss_mib:.0f} MiB")
        time.sleep(0.5)
    last = crowd.stop()
    taken = (last["answer_bytes"] - first["answer_bytes"]) / elapsed / (READERS * BYTES_PER_ACT / PERIOD_S)
    outcome.facts = {"pss_before_mib": round(before_mib, 1), "kernel_tcp_mib_max": round(tcp_mib), "clients": last}
    outcome.claims = [
        Claim("most Pss in MiB", pss_mib, "<=", PSS_MIB_MAX),
        Claim("share of what the readers would take", taken, ">=", SHARE_TAKEN_MIN),
        Claim("readers cut off or refused", last["cut"] + last["refused"] + last["connect_failed"], "<=", 0),
    ]
    return outcome
