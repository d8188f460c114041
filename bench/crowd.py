"""Slow clients, or floods, as a gate holds them: started on the load core, watched, counted. Called by the gates."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict

from bench.machine import ROOT
from bench.stage import LOAD_CORE, StageError

READY_TIMEOUT_S = 60


class Crowd:
    """A process of such clients; `counts` is its last report, at most half a second old."""

    def __init__(self, stage, plan, program="slow_clients"):
        """`program`: the module of bench whose `main` takes this plan."""
        command = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from bench.{program} import main; main()"
        argv = [sys.executable, "-c", command, json.dumps(asdict(plan))]
        self.stage = stage
        self.child = stage.start(program.replace("_", "-"), argv, LOAD_CORE, stdout=subprocess.PIPE)
        self.counts = {}
        self.reader = threading.Thread(target=self.read, name="crowd", daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.process.stdout:
            if line.endswith(b"\n"):  # the last one may be broken off
                self.counts = json.loads(line)

    def wait_until_ready(self):
        """Returns once all have connected and acted twice; the counts begin then."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.counts.get("is_ready"):
            if self.child.process.poll() is not None or time.monotonic() > deadline:
                raise StageError(f"start {self.child.name}: not connected\n{self.child.log_tail()}")
            time.sleep(0.1)

    def stop(self):
        """Ends it and gives the last counts."""
        self.stage.stop(self.child)
        self.reader.join(timeout=5)
        return self.counts
