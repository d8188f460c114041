"""Clients of HTTP/2 that cost much and pay nothing, in one process, at a pace that is the same every time.

Run as a program by the gate: see `Plan`. Prints one JSON line of counts twice a second until it is ended. Each
connection gets bytes made beforehand, without a look at what comes back; when the gateway ends it, it is one of the
`ended`. Only ever 127.0.0.1.
"""

import json
import os
import selectors
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass

from bench import origin

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW_SIZE, CANCEL = 4, 8
TICK_S = 0.01
# Connections that are open at once: those that the gateway has not ended by then are closed by us, the oldest first.
OPEN_MAX = 200
# Frames of one connection, beyond what it is let: 200 resets, 1,000 frames that ask for nothing.
RESETS, FRAMES = 250, 1200
# Connections with windows that never open, and streams of each: nearly all that there may be.
HELD, STREAMS = 10, 99
# What is asked of the gateway itself by HELD clients that open all windows and read nothing: a thousand streams, and as many
# new ones each second.
FIXED, FIXED_BYTES, UNREAD_PER_S = "/fixed", 60_000, 10
# Requests whose head is too large once it is unpacked, beyond the 100 that a connection is let, and fields of each.
BOMBS, BOMB_FIELDS = 120, 20


@dataclass(frozen=True)
class Plan:
    """What `kind` of flood goes to `port`: so many connections a second; of `zero-windows` there are HELD in all."""

    port: int
    kind: str
    per_s: int = 100


@dataclass
class Counts:
    """`ended`: by the gateway, of those that were `begun`. `frames`: given to the kernel; `open` now."""

    begun: int = 0
    ended: int = 0
    frames: int = 0
    open: int = 0
    is_ready: bool = False


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def get(path):
    """The fields of a request as HPACK: from the static table, or as literals that are not indexed (RFC 7541 §6)."""
    path = path.encode()
    return b"\x82\x86\x01\x05bench\x04" + bytes((len(path),)) + path


def flood(kind):
    """All that a connection sends, and how many frames that is."""
    if kind == "rapid-reset":
        asked, taken_back = get("/"), struct.pack(">I", CANCEL)
        pairs = [
            frame(HEADERS, END_HEADERS | END_STREAM, stream, asked) + frame(RST_STREAM, 0, stream, taken_back)
            for stream in range(1, 2 * RESETS, 2)
        ]
        return b"".join(pairs), 2 * RESETS
    if kind == "continuation":
        return frame(HEADERS, END_STREAM, 1, get("/")) + frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b") * FRAMES, FRAMES
    if kind == "zero-windows":
        asked = [frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, get(origin.BIG)) for n in range(STREAMS)]
        return b"".join(asked), STREAMS
    if kind == "unread":
        asked = [frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, get(FIXED)) for n in range(STREAMS)]
        return frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7F00_0000)) + b"".join(asked), STREAMS
    if kind == "slow-heads":
        return frame(HEADERS, END_STREAM, 1, get("/")), 1
    if kind == "hpack":
        # A field of 4,000 bytes goes into the table (RFC 7541 §6.2.1), and is then named by one byte each.
        first = get("/") + b"\x40\x01x\x7f\x81\x1e" + b"v" * 4000
        named = b"\xbe" * BOMB_FIELDS
        bombs = [first + named] + [get("/") + named] * (BOMBS - 1)
        sent = [frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, bomb) for n, bomb in enumerate(bombs)]
        return b"".join(sent), BOMBS
    one = {"settings": frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100)), "ping": frame(PING, 0, 0, bytes(8))}[kind]
    return one * FRAMES, FRAMES


KINDS = ("rapid-reset", "continuation", "settings", "ping", "slow-heads", "hpack", "zero-windows", "unread")
# Those that break no rule at once: the gateway has to live with them.
PATIENT = ("zero-windows", "unread")


class Connection:
    """Sends what it was given as fast as it is taken."""

    def __init__(self, port, data, reads=True):
        self.reads = reads
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setblocking(False)
        self.left = memoryview(data)

    def act(self):
        """Sends and reads away what is there; False once the gateway has ended it."""
        try:
            while self.left and (sent := self.socket.send(self.left)):
                self.left = self.left[sent:]
        except BlockingIOError:
            pass
        except OSError:
            return False
        if not self.reads:
            return True
        try:
            while piece := self.socket.recv(65536):
                if len(piece) < 65536:
                    return True
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def drive(plan):
    """Never returns."""
    data, frames = flood(plan.kind)
    reads = plan.kind != "unread"
    open_max = OPEN_MAX if reads else HELD
    is_held = plan.kind == "zero-windows"
    window = {"zero-windows": 0, "unread": 0x7FFF_FFFF}.get(plan.kind)
    settings = frame(SETTINGS, 0, 0, b"" if window is None else struct.pack(">HI", INITIAL_WINDOW_SIZE, window))
    data = PREFACE + settings + data
    counts, connections, selector = Counts(), [], selectors.DefaultSelector()

    def end(connection):
        if reads:
            selector.unregister(connection.socket)
        connections.remove(connection)
        connection.socket.close()

    start, next_report = time.monotonic(), 0.0
    while True:
        now = time.monotonic()
        wanted = HELD if is_held else int((now - start) * plan.per_s) + 1
        # What could not be begun in time is left out: a burst behind a pause would be another flood.
        for _ in range(min(wanted - counts.begun, 2 * max(1, int(plan.per_s * TICK_S)))):
            if len(connections) >= open_max:
                end(connections[0])
            connection = Connection(plan.port, data, reads)
            connections.append(connection)
            if reads:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            counts.begun += 1
            if not connection.act():
                end(connection)
                counts.ended += 1
        for connection in [key.data for key, _ in selector.select(TICK_S)] + [one for one in connections if one.left]:
            if connection in connections and not connection.act():
                end(connection)
                counts.ended += 1
        counts.frames = counts.begun * frames
        counts.open, counts.is_ready = len(connections), counts.begun >= min(wanted, HELD)
        if now >= next_report:
            print(json.dumps(asdict(counts)), flush=True)
            next_report = now + 0.5
        time.sleep(max(0.0, TICK_S - (time.monotonic() - now)))


def main():
    os.nice(10)  # Nobody who waits for an answer may wait for us.
    drive(Plan(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
