"""What an idle keep-alive connection costs in memory: growth of Pss over many connections after one request each."""

import socket
import struct
import time

from bench import origin, peers, proc
from bench.cost import Subject
from bench.figures import Claim, Outcome, Spread
from bench.stage import LOAD_CORE, PROXY_CORE, StageError

CONNECTIONS = 5000
BUDGET_KIB = 1.1
# Time for buffers to go back to where they came from. Envoy frees in the background.
SETTLE_S = 1.0
REQUEST = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n"


def compare(stage, settings):
    """A fresh process every round: memory once taken is seldom given back, so a second growth would be nothing."""
    outcome = Outcome("idle", f"growth of Pss per connection, {CONNECTIONS} held after one request each", "KiB")
    subjects = settings.present([Subject(peer, peer) for peer in ("tidegate", "nginx", "haproxy", "envoy")], outcome)
    backend = origin.start(stage, LOAD_CORE)
    for turn in range(settings.rounds):
        for subject in subjects:
            grown_kib = growth(stage, settings, subject.peer, backend) / CONNECTIONS
            outcome.rounds.setdefault(subject.label, []).append(grown_kib)
            settings.say(f"idle {turn + 1}/{settings.rounds} {subject.label:10s} {grown_kib:6.2f} KiB")
    if "tidegate" in outcome.rounds:
        spread = Spread.of(outcome.rounds["tidegate"])
        outcome.claims.append(Claim("tidegate KiB per connection", spread.median, "<=", BUDGET_KIB, spread))
    return outcome


def growth(stage, settings, peer, backend):
    """KiB by which the proxy's Pss grew. The connections come from one address, so the cap per address is off."""
    child, port = peers.start(stage, settings.programs, peer, PROXY_CORE, [backend], is_per_ip_capped=False)
    held = [connect_once(port)]
    time.sleep(SETTLE_S / 2)
    before = proc.pss_kib(child.pid)
    held.extend(connect_once(port) for _ in range(CONNECTIONS))
    time.sleep(SETTLE_S)
    stage.check_alive(child)
    after = proc.pss_kib(child.pid)
    if len(proc.accepted_inodes(port)) < CONNECTIONS:
        raise StageError(f"hold {CONNECTIONS} connections to {peer}: it closed some\n{child.log_tail()}")
    stage.stop(child)
    for connection in held:
        connection.close()
    return after - before


def connect_once(port):
    """A connection that has had one whole answer, and that leaves no TIME_WAIT behind when it is closed."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(origin.PLAIN_END):
        piece = connection.recv(65536)
        if not piece:
            raise StageError(f"hold a connection: closed after {len(answer)} bytes")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 200"):
        raise StageError(f"hold a connection: {answer[:60]!r}")
    return connection
