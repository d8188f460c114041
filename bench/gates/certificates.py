"""The certificate of a listener changes again and again under load over TLS, HTTP/1.1 and HTTP/2: no request may be lost,
and every new connection sees the certificate that is there."""

import hashlib
import http.client
import shutil
import signal
import ssl
import threading
import time

from bench import credentials, h2load, origin
from bench.figures import Claim, Outcome
from bench.gateway import Gateway
from bench.stage import BOTH_CORES, LOAD_CORE

SWAPS = 50
# Longer than a change of a file waits for its end (the watch looks for it), so that every swap is one of its own.
EVERY_S = 1.0
# The file is watched: how long a new certificate may take to be seen.
SEEN_S = 5.0
KEPT_CLIENTS, NEW_CLIENTS = 4, 2
WORKERS = 2


class Client(threading.Thread):
    """Asks over HTTP/1.1 in TLS until it is stopped: on one connection, or on a new one each time."""

    def __init__(self, port, is_kept):
        super().__init__()
        self.port, self.is_kept = port, is_kept
        self.answered, self.problems, self.is_stopping = 0, [], threading.Event()

    def run(self):
        context = ssl._create_unverified_context()
        connection = None
        while not self.is_stopping.is_set():
            if connection is None or not self.is_kept:
                if connection:
                    connection.close()
                connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read()
                if (answer.status, len(body)) != (200, origin.PLAIN_BYTES):
                    raise http.client.HTTPException(f"{answer.status} with {len(body)} bytes")
                self.answered += 1
                if answer.will_close:
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.problems.append(f"{'kept' if self.is_kept else 'new'}: {error!r}")
                connection = None
            time.sleep(0.002)


class H2Loads(threading.Thread):
    """Runs of h2load, one after the other: what each cannot finish counts."""

    def __init__(self, stage, port):
        super().__init__()
        self.stage, self.port = stage, port
        self.answered, self.failed, self.problems, self.is_stopping = 0, 0, [], threading.Event()

    def run(self):
        while not self.is_stopping.is_set():
            try:
                load = h2load.run(self.stage, LOAD_CORE, self.port, "/", 4, 2)
                self.answered, self.failed = self.answered + load.requests, self.failed + load.failed
            except OSError as error:
                self.problems.append(repr(error))


def examine(stage, settings):
    outcome = Outcome("certificates", f"{SWAPS} changes of a certificate under load of HTTP/1.1 and HTTP/2 in TLS")
    swaps = SWAPS if settings.secs is None else min(SWAPS, settings.secs)
    pairs = [credentials.make(stage.path("keys")) for _ in range(2)]
    here = stage.path("here")
    here.mkdir()
    put(pairs[0], here)
    backend = origin.start(stage, LOAD_CORE)
    gateway = Gateway(stage, settings.programs, BOTH_CORES, [backend], WORKERS)
    port = stage.port()
    tls = f'tls: {{ certificates: [{{ cert: "{here}/cert.pem", key: "{here}/key.pem" }}] }}'
    listeners = f', https: {{ bind: "127.0.0.1:{port}", {tls}, protocols: [h1, h2], limits: {{ requests: 100000 }} }}'
    gateway.write(gateway.text(listeners=listeners))
    gateway.start()
    stage.wait_for_port(gateway.child, port)
    clients = [Client(port, number < KEPT_CLIENTS) for number in range(KEPT_CLIENTS + NEW_CLIENTS)]
    threads = [*clients, H2Loads(stage, port)]
    for thread in threads:
        thread.start()
    seen, slowest = 0, 0.0
    for number in range(1, swaps + 1):
        put(pairs[number % 2], here)
        if number % 2:
            gateway.child.signal(signal.SIGHUP)  # every other one is left to the watch
        took = await_seen(port, pairs[number % 2])
        seen, slowest = seen + (took is not None), max(slowest, took or SEEN_S)
        time.sleep(EVERY_S)
    for thread in threads:
        thread.is_stopping.set()
    for thread in threads:
        thread.join()
    stage.check_alive(gateway.child)
    problems = [problem for thread in threads for problem in thread.problems]
    outcome.facts = {
        "answered_h1": sum(client.answered for client in clients), "answered_h2": threads[-1].answered,
        "slowest_seen_s": round(slowest, 2), "problems": problems[:10],
    }  # fmt: skip
    outcome.claims = [
        Claim("requests that failed", len(problems) + threads[-1].failed, "<=", 0),
        Claim("certificates seen by new connections", seen, ">=", swaps),
        Claim("requests over HTTP/2, or it was no test", threads[-1].answered, ">=", 1000),
    ]
    return outcome


def put(pair, folder):
    """Puts certificate and key in the place of the old ones. For a moment they do not fit: that is refused and goes."""
    for source, name in ((pair.key, "key.pem"), (pair.certificate, "cert.pem")):
        draft = folder / f"{name}.new"
        shutil.copy(source, draft)
        draft.rename(folder / name)


def await_seen(port, pair):
    """Seconds until a new connection sees the certificate; None if it never does."""
    wanted = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())).digest()
    begin = time.monotonic()
    while time.monotonic() - begin < SEEN_S:
        shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=5))
        if hashlib.sha256(shown).digest() == wanted:
            return time.monotonic() - begin
        time.sleep(0.02)
    return None
