"""Requests that cost far more to answer than to send, in one process, each connection one after the other.

Run as a program by the gate: see `Plan`. Prints one JSON line of counts twice a second until it is ended. Every
connection waits for its answer and then for PAUSE_S: what is measured is the gateway's work, not ours. Only ever
addresses of 127.0.0.0/8.
"""

import base64
import json
import os
import selectors
import socket
import sys
import time
import zlib
from collections import deque
from dataclasses import asdict, dataclass, field

PAUSE_S = 0.05
STATUS = slice(len("HTTP/1.1 "), len("HTTP/1.1 200"))
# Of a bomb, inflated: as much as 100 KiB can stand for.
BOMB_BYTES = 100 << 20


@dataclass(frozen=True)
class Plan:
    """`connections` from `source` to `port`, each of which sends requests of one `kind`."""

    port: int
    kind: str
    connections: int = 64
    source: str = "127.0.0.2"


@dataclass
class Counts:
    """Answers by their status; `ended`: connections closed by the gateway, which are made anew."""

    statuses: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    is_ready: bool = False


def guess(number):
    """A password that nobody has, of a user that is there, never the same one twice."""
    shown = base64.b64encode(f"ana:wrong{number}".encode()).decode()
    return f"GET / HTTP/1.1\r\nhost: bench\r\nauthorization: Basic {shown}\r\n\r\n".encode()


def deflated(data):
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    return gzip.compress(data) + gzip.flush()


def bombs():
    """Deflated once, and twice."""
    once = deflated(bytes(BOMB_BYTES))
    head = "POST /upload HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-encoding: {}\r\ncontent-length: {}\r\n\r\n"
    bodies = (("gzip", once), ("gzip, gzip", deflated(once)))
    return [head.format(coding, len(body)).encode() + body for coding, body in bodies]


class Connection:
    """One request at a time: `left` of it is still to be sent; `due` is when the next may be; `is_resting` until then."""

    def __init__(self, plan, selector):
        self.plan, self.selector = plan, selector
        self.due, self.is_resting = 0.0, True
        self.connect()

    def connect(self):
        address = ("127.0.0.1", self.plan.port)
        self.socket = socket.create_connection(address, timeout=5, source_address=(self.plan.source, 0))
        self.socket.setblocking(False)
        self.left, self.received = memoryview(b""), b""
        self.selector.register(self.socket, selectors.EVENT_READ, self)

    def reconnect(self):
        self.selector.unregister(self.socket)
        self.socket.close()
        self.connect()

    def begin(self, data):
        self.left, self.received, self.is_resting = memoryview(data), b"", False
        self.send()

    def send(self):
        try:
            while self.left and (sent := self.socket.send(self.left)):
                self.left = self.left[sent:]
        except BlockingIOError:
            pass

    def status(self):
        """That of the answer whose head has come, else None; raises when there will be none."""
        try:
            piece = self.socket.recv(65536)
        except BlockingIOError:
            return None
        if not piece:
            raise ConnectionError
        self.received += piece  # Problem details come with their head, in one piece.
        return self.received[STATUS].decode() if b"\r\n\r\n" in self.received else None


def act(connection, step, counts):
    """What a step says; `closed` where the gateway has ended the connection, which is made anew."""
    try:
        return step(connection)
    except OSError:
        counts.ended += 1
        connection.reconnect()
        return "closed"


def drive(plan):
    """Never returns."""
    made, sent = bombs() if plan.kind == "bombs" else None, 0
    counts, selector = Counts(), selectors.DefaultSelector()
    connections = [Connection(plan, selector) for _ in range(plan.connections)]
    resting, next_report = deque(connections), 0.0
    while True:
        now = time.monotonic()
        while resting and resting[0].due <= now:
            sent += 1
            act(resting.popleft(), lambda one: one.begin(made[sent % len(made)] if made else guess(sent)), counts)
        for connection in connections:
            if connection.left:
                act(connection, Connection.send, counts)
        for key, _ in selector.select(0.01):
            connection = key.data
            status = act(connection, Connection.status, counts)
            if status and not connection.is_resting:
                counts.statuses[status] = counts.statuses.get(status, 0) + 1
                connection.due, connection.is_resting = time.monotonic() + PAUSE_S, True
                resting.append(connection)
        counts.is_ready = sum(counts.statuses.values()) >= plan.connections
        if now >= next_report:
            print(json.dumps(asdict(counts)), flush=True)
            next_report = now + 0.5


def main():
    os.nice(10)  # Nobody who waits for an answer may wait for us.
    drive(Plan(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
