"""Processes of one measurement: started pinned to cores, watched, and all gone when the stage is left.

Knows nothing of proxies or scenarios. Used by everything that starts something.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Measurements use two cores: the proxy alone on one, everything that feeds it on the other.
LOAD_CORE = "0"
PROXY_CORE = "1"
BOTH_CORES = "0,1"

START_TIMEOUT_S = 20.0
# Below the ephemeral range, so that thousands of outgoing connections cannot sit on a port we are about to use.
PORTS = range(21000, 32000)


class StageError(Exception):
    """Something the measurement stands on did not happen. The message says what, and where to look."""


class Child:
    """One process group, ended at once by `kill`: nothing here has state worth a graceful end."""

    def __init__(self, name, process, log):
        self.name = name
        self.process = process
        self.log = log

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        """Sends to every process of the group; one that is gone is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def log_tail(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join("    " + line for line in lines[-12:])


class Stage:
    """`with Stage() as stage:` gives a scratch folder and kills every child at the end, also after Ctrl-C."""

    def __init__(self):
        self.children = []
        self.folder = None
        self._next_port = 0
        self._names = 0

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tidegate-bench-"))
        # nginx workers of a root-started master run as another user and must reach the files.
        self.folder.chmod(0o755)
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.signal(signal.SIGKILL)
        for child in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def port(self):
        """A port of 127.0.0.1 on which nothing listens now, never given twice by this stage."""
        for offset in range(len(PORTS)):
            place = (self._next_port + offset + os.getpid() * 64) % len(PORTS)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", PORTS[place]))
                except OSError:
                    continue
            self._next_port += offset + 1
            return PORTS[place]
        raise StageError("find a free port: none left")

    def path(self, name):
        """A path in the scratch folder that nothing else has."""
        self._names += 1
        return self.folder / f"{name}-{self._names}"

    def start(self, name, argv, cores, stdout=None):
        """Starts `argv` on `cores`, in a group of its own, that ends with us even if we are killed."""
        log = self.path(name).with_suffix(".log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["taskset", "-c", cores, "setpriv", "--pdeathsig", "TERM", *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=stdout or out,
                stderr=out,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def stop(self, child):
        child.kill()
        self.children.remove(child)

    def check_alive(self, child):
        """Fails with the child's last words if it has ended by itself."""
        if child.process.poll() is not None:
            raise StageError(f"{child.name} ended by itself: exit {child.process.returncode}\n{child.log_tail()}")

    def output(self, name, argv, cores, timeout_s):
        """Runs a program to its end and gives its standard output; a failure carries what it said."""
        child = self.start(name, argv, cores, stdout=subprocess.PIPE)
        try:
            out, _ = child.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise StageError(f"run {name}: not done after {timeout_s:.0f} s\n{child.log_tail()}") from None
        finally:
            self.stop(child)
        if child.process.returncode != 0:
            raise StageError(f"run {name}: exit {child.process.returncode}\n{child.log_tail()}")
        return out.decode(errors="replace")

    def wait_for_path(self, path):
        """Returns once something has made `path`."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not path.exists():
            if time.monotonic() > deadline:
                raise StageError(f"wait for {path}: it does not come")
            time.sleep(0.02)

    def wait_for_port(self, child, port):
        """Returns once `port` accepts; fails with the child's last words if it ends or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            self.check_alive(child)
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise StageError(f"start {child.name}: port {port} does not answer\n{child.log_tail()}")
