"""Open-loop HTTP/1.1 clients in one thread: requests leave on schedule, whatever the answers do, and latency counts
from the scheduled time. Good for a few thousand requests per second. Called by the gates.
"""

import gc
import re
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field

# A request that waits longer is given up and counted.
TIMEOUT_S = 5.0
# More than rate times latency needs by far; it bounds the harm when nothing answers.
CONNECTIONS_MAX = 512
RECEIVE_BYTES = 65536

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
BACKEND = re.compile(rb"\r\nx-backend: *([^\r]+)\r\n", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


@dataclass
class Tally:
    """What became of the requests. `unanswered`: no byte of an answer came, the kind a gateway could have hidden;
    `cut`: the answer broke off; `refused`: an answer other than a whole 200; `late`: none within TIMEOUT_S.
    `not_connected`: those of `unanswered` that nobody had accepted. Times are seconds since the start."""

    sent: int = 0
    answered: int = 0
    unanswered: int = 0
    cut: int = 0
    refused: int = 0
    late: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    not_connected: int = 0
    by_backend: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def failed(self):
        return self.unanswered + self.cut + self.refused + self.late

    def trouble(self, kind, detail, at_s):
        """Counts one failure and keeps the first few in words."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.problems) < 10:
            self.problems.append(f"{at_s:.3f} s: {kind}: {detail}")


class Connection:
    """One keep-alive connection with at most one request under way. `due` is its scheduled time, None when idle."""

    def __init__(self, port):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        self.is_connected = False
        self.due = None
        self.received = b""


class OpenLoop:
    """`run` drives `rate` requests per second for some seconds. `agenda` is a list of (second, call): calls made on
    time between requests, which must be quick."""

    def __init__(self, port, rate, path="/", last_every=None, fields=""):
        """`fields`: further lines of every head. Every `last_every`-th request asks for its connection to be closed, so that new ones are always made.
        `port` may change while it runs: it is where new connections go."""
        self.port = port
        self.rate = rate
        self.last_every = last_every
        self.written = 0
        self.request = f"GET {path} HTTP/1.1\r\nhost: bench\r\n{fields}\r\n".encode()
        self.last_request = self.request[:-2] + b"connection: close\r\n\r\n"
        self.selector = selectors.DefaultSelector()
        self.idle = deque()
        self.connections = set()
        self.waiting = deque()
        self.tally = Tally()
        self.start = 0.0

    def run(self, seconds, agenda=()):
        gc.collect()
        gc.disable()  # A collection in the middle would be measured as latency of the proxy.
        try:
            self.start = time.monotonic()
            self.drive(seconds, deque(sorted(agenda, key=lambda item: item[0])))
        finally:
            gc.enable()
            for connection in list(self.connections):
                self.drop(connection)
            self.selector.close()
        return self.tally

    def now(self):
        return time.monotonic() - self.start

    def drive(self, seconds, agenda):
        total = int(seconds * self.rate)
        next_look = 0.0
        while True:
            now = self.now()
            while agenda and agenda[0][0] <= now:
                agenda.popleft()[1](now)
            while self.tally.sent < total and self.tally.sent / self.rate <= now:
                self.waiting.append(self.tally.sent / self.rate)
                self.tally.sent += 1
            self.dispatch()
            if now >= next_look:
                self.give_up_late(now)
                next_look = now + 0.25
            if self.tally.sent == total and not self.waiting and len(self.idle) == len(self.connections):
                return
            upcoming = self.tally.sent / self.rate if self.tally.sent < total else now + 0.05
            for key, _ in self.selector.select(max(0.0, min(upcoming, now + 0.05) - self.now())):
                self.progress(key.data)

    def dispatch(self):
        """Hands waiting requests to idle connections, or to new ones while there may be more."""
        while self.waiting:
            if self.idle:
                connection = self.idle.popleft()
            elif len(self.connections) < CONNECTIONS_MAX:
                connection = Connection(self.port)
                self.connections.add(connection)
                self.selector.register(connection.socket, selectors.EVENT_WRITE, connection)
            else:
                return
            connection.due = self.waiting.popleft()
            if connection.is_connected:
                self.send(connection)

    def send(self, connection):
        self.written += 1
        is_last = self.last_every is not None and self.written % self.last_every == 0
        try:
            connection.socket.send(self.last_request if is_last else self.request)  # a head into an empty buffer: whole or not at all
        except OSError as error:
            self.fail(connection, "unanswered", f"send: {error}")

    def progress(self, connection):
        if connection not in self.connections:
            return  # dropped by an earlier event of the same round
        if not connection.is_connected:
            error = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.tally.not_connected += 1
                self.fail(connection, "unanswered", f"connect: error {error}")
                return
            connection.is_connected = True
            self.selector.modify(connection.socket, selectors.EVENT_READ, connection)
            self.send(connection)
            return
        try:
            piece = connection.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(connection, "cut" if connection.received else "unanswered", f"receive: {error}")
            return
        if not piece:
            self.closed(connection)
            return
        connection.received += piece
        self.finish_if_whole(connection)

    def closed(self, connection):
        """The proxy closed. Between requests that is its right."""
        if connection.due is None:
            self.drop(connection)
        else:
            self.fail(connection, "cut" if connection.received else "unanswered", "closed")

    def finish_if_whole(self, connection):
        end = connection.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = connection.received[: end + 2]
        length = LENGTH.search(head)
        if not length:
            self.fail(connection, "refused", f"an answer without a length: {head[:80]!r}")
            return
        if len(connection.received) < end + 4 + int(length[1]):
            return
        now = self.now()
        if not head.startswith(b"HTTP/1.1 200 "):
            self.fail(connection, "refused", repr(head[:60]))
            return
        self.tally.answered += 1
        self.tally.answered_at.append(now)
        self.tally.latencies_ms.append((now - connection.due) * 1e3)
        if backend := BACKEND.search(head):
            self.tally.by_backend.setdefault(backend[1].decode(), []).append(now)
        connection.due, connection.received = None, b""
        if CLOSE.search(head):
            self.drop(connection)
        else:
            self.idle.append(connection)

    def give_up_late(self, now):
        for connection in [one for one in self.connections if one.due is not None and now - one.due > TIMEOUT_S]:
            self.fail(connection, "late", f"no whole answer after {TIMEOUT_S:.0f} s")
        while self.waiting and now - self.waiting[0] > TIMEOUT_S:
            self.waiting.popleft()
            self.tally.trouble("late", "no connection was free", now)

    def fail(self, connection, kind, detail):
        self.tally.trouble(kind, detail, self.now())
        self.drop(connection)

    def drop(self, connection):
        self.connections.discard(connection)
        if connection.due is None and connection in self.idle:
            self.idle.remove(connection)
        self.selector.unregister(connection.socket)
        connection.socket.close()
