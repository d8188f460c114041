"""What the command line asked for, as the scenarios read it."""

import sys
from dataclasses import dataclass

from bench.figures import ROUNDS_MIN
from bench.peers import Programs


@dataclass(frozen=True)
class Settings:
    """`subject` is the proxy that gates examine; `secs` replaces a scenario's own duration; None keeps it."""

    programs: Programs
    subject: str = "tidegate"
    rounds: int = ROUNDS_MIN
    secs: int | None = None

    @property
    def is_full(self):
        """Whether the run is worth recording: nothing shortened, and Tidegate as the subject."""
        return self.rounds >= ROUNDS_MIN and self.secs is None and self.subject == "tidegate"

    def present(self, subjects, outcome):
        """The subjects that can run here; the reasons of the others go into `outcome.skipped`."""
        kept = []
        for subject in subjects:
            reason = self.programs.missing(subject.peer)
            if reason is None:
                kept.append(subject)
            elif reason not in outcome.skipped:
                outcome.skipped.append(reason)
        return kept

    def lacks_subject(self, outcome):
        """True if the subject of a gate cannot run here; the reason goes into `outcome.skipped`."""
        reason = self.programs.missing(self.subject)
        if reason:
            outcome.skipped.append(reason)
        return reason is not None

    def say(self, text):
        """Progress, on standard error: standard output is for results."""
        print(f"  {text}", file=sys.stderr, flush=True)
