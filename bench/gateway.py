"""Tidegate whose configuration changes while it runs: its file, its signals, what it says. Used by the gates of
reload and drain, which have no peer: nobody else reads our file.
"""

import http.client
import json
import re
import signal
import time
import urllib.request

TAKEN = re.compile(rb"configuration (\d+) is taken")


class Gateway:
    """Starts with one service, `origin`, before `backends`; `text` makes the file of any further wishes."""

    def __init__(self, stage, programs, cores, backends, workers, routes=1):
        self.stage, self.programs, self.cores = stage, programs, cores
        self.folder = stage.path("tidegate")
        self.folder.mkdir()
        self.file = self.folder / "tidegate.yaml"
        self.port, self.admin_port = stage.port(), stage.port()
        self.backends, self.workers, self.routes = backends, workers, routes
        self.child = None
        self.write(self.text())

    def text(self, listeners="", service="", route="/**"):
        many = "\n".join(f'  - {{ match: "/r{number}/{{id}}/x", to: origin }}' for number in range(1, self.routes))
        return f"""version: 1
workers: {self.workers}
admin: {{ bind: "127.0.0.1:{self.admin_port}" }}
state: {{ dir: "{self.folder}/state" }}
services: {{ origin: {{ backends: {json.dumps([f"127.0.0.1:{port}" for port in self.backends])}{service} }} }}
listen: {{ http: "127.0.0.1:{self.port}"{listeners} }}
routes:
  - {{ match: "{route}", to: origin }}
{many}
"""

    def start(self):
        argv = [self.programs.tidegate, "run", "-c", self.file]
        self.child = self.stage.start("tidegate", argv, self.cores)
        self.stage.wait_for_port(self.child, self.port)
        return self

    def write(self, text):
        """Puts the text in the place of the file, whole."""
        draft = self.file.with_suffix(".new")
        draft.write_text(text)
        draft.rename(self.file)

    def reload(self, text):
        self.write(text)
        self.child.signal(signal.SIGHUP)

    def reloads(self):
        """How many configurations were taken, and how many refused."""
        return tuple(self.sum_of(f'tidegate_config_reloads_total{{result="{result}"}}') for result in ("ok", "failed"))

    def counted(self):
        """The number of requests it has counted."""
        return self.sum_of("tidegate_requests_total{")

    def sum_of(self, start):
        page = self.page("/metrics").decode()
        return sum(int(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(start))

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
            return answer.read()

    def is_ready(self):
        try:
            return self.page("/readyz") is not None
        except (OSError, http.client.HTTPException):  # it may end in the middle of a word
            return False

    def await_taken(self, count, timeout_s):
        """Waits until so many were taken; the moment it was said, to 2 ms."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if len(TAKEN.findall(self.child.log.read_bytes())) >= count:
                return time.monotonic()
            time.sleep(0.002)
        raise TimeoutError(f"not {count} configurations taken after {timeout_s} s\n{self.child.log_tail()}")
