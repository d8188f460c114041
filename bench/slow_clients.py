"""Thousands of slow clients in one process: heads and bodies that trickle in, answers that are taken in sips.

Run as a program by the gates: `python3 -m bench.slow_clients JSON`, see `Plan`. Prints one JSON line of counts twice a
second until it is ended. Works by pace, not by readiness: every client acts once per period, evenly spread over it.
"""

import json
import os
import random
import resource
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass

from bench import origin

BODY_BYTES = 64 << 10
HEAD = b"GET / HTTP/1.1\r\nhost: bench\r\nx-slow: "
# Slots per period. 100 keeps a burst at one hundredth of the clients.
SLOTS = 100
# While everyone connects at first: 2,000 a second. A stampede would test the listen backlog.
CONNECTS_PER_PAUSE, PAUSE_S = 20, 0.01


@dataclass(frozen=True)
class Plan:
    """How many of each kind, and how fast. Every client sends or takes `bytes_per_act` once per `period_s`; a head
    gives one byte. Source addresses: `sources` of them, from 127.16.0.1 on."""

    port: int
    heads: int = 0
    bodies: int = 0
    readers: int = 0
    period_s: float = 1.0
    bytes_per_act: int = 1200
    receive_buffer: int = 8192
    sources: int = 3000


@dataclass
class Counts:
    """`open` now; the others since the start. `started`: connections that began a request; `cut`: closed by the proxy
    after that; `whole`: slow bodies answered with 200; `refused`: answered with something else, or too early."""

    open: int = 0
    started: int = 0
    cut: int = 0
    connect_failed: int = 0
    whole: int = 0
    answer_bytes: int = 0
    refused: int = 0
    is_ready: bool = False


class Client:
    """One slow client; `act` is its whole life. It comes back after it was cut, one period later."""

    def __init__(self, plan, counts, number):
        self.plan = plan
        self.counts = counts
        self.source = (f"127.{16 + number // 62500}.{number // 250 % 250}.{1 + number % 250}", 0)
        self.socket = None
        self.is_begun = False
        self.left = 0

    def act(self):
        try:
            if self.socket is None:
                self.connect()
            elif not self.is_begun:
                self.begin()
                self.is_begun = True
                self.counts.started += 1
            else:
                self.go_on()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def connect(self):
        """Only sets out: a listener whose queue is full must not hold up the other clients."""
        self.socket = socket.socket()
        self.counts.open += 1
        self.is_begun = False
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.plan.receive_buffer)
        self.socket.bind(self.source)
        self.socket.connect(("127.0.0.1", self.plan.port))

    def close(self):
        self.socket.close()
        self.socket = None
        self.counts.open -= 1
        if self.is_begun:
            self.counts.cut += 1
        else:
            self.counts.connect_failed += 1

    def begin(self):
        """What is sent at once on a new connection."""
        raise NotImplementedError

    def go_on(self):
        raise NotImplementedError

    def take(self, size):
        """Reads at most `size` bytes; a proxy that answers a slow request closes after it."""
        piece = self.socket.recv(size)
        if not piece:
            self.close()
        return piece


class SlowHead(Client):
    """A head that never ends, a byte at a time."""

    def begin(self):
        self.socket.send(HEAD)

    def go_on(self):
        self.socket.send(b"x")
        if self.take(4096):
            self.counts.refused += 1


class SlowBody(Client):
    """A body with a declared length that trickles in; then the next request on the same connection."""

    def begin(self):
        head = f"POST {origin.POST} HTTP/1.1\r\nhost: bench\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
        self.socket.send(head.encode())
        self.left = BODY_BYTES

    def go_on(self):
        if self.left:
            self.left -= self.socket.send(b"z" * min(self.left, self.plan.bytes_per_act))
        answer = self.take(8192)
        if answer.startswith(b"HTTP/1.1 200") and not self.left:
            self.counts.whole += 1
            self.begin()
        elif answer:
            self.counts.refused += 1


class SlowReader(Client):
    """A large answer, taken in sips."""

    def begin(self):
        self.socket.send(f"GET {origin.BIG} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        self.left = 1  # until the status line has been seen

    def go_on(self):
        piece = self.take(self.plan.bytes_per_act)
        if self.left and piece:
            self.left = 0
            if not piece.startswith(b"HTTP/1.1 200"):
                self.counts.refused += 1
        self.counts.answer_bytes += len(piece)


def drive(plan):
    """Never returns. Everyone acts once per period, in the same slot every time."""
    counts = Counts()
    kinds = [SlowHead] * plan.heads + [SlowBody] * plan.bodies + [SlowReader] * plan.readers
    random.Random(1).shuffle(kinds)  # so that the kinds arrive side by side, the same way every time
    clients = [kind(plan, counts, number % plan.sources) for number, kind in enumerate(kinds)]
    for number, client in enumerate(clients):
        client.act()
        if number % CONNECTS_PER_PAUSE == 0:
            time.sleep(PAUSE_S)
    start, turn, next_report = time.monotonic(), 0, 0.0
    while True:
        # Two rounds: the first begins the requests, the second shows that they are still welcome.
        counts.is_ready = turn >= 2 * SLOTS
        for client in clients[turn % SLOTS :: SLOTS]:
            client.act()
        turn += 1
        if time.monotonic() >= next_report:
            print(json.dumps(asdict(counts)), flush=True)
            next_report = time.monotonic() + 0.5
        pause = start + turn * plan.period_s / SLOTS - time.monotonic()
        if pause > 0:
            time.sleep(pause)


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.nice(10)  # Nobody who waits for an answer may wait for us.
    drive(Plan(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
