"""Figures and claims: median, spread, ratios by round, and whether a bound holds. Pure."""

import math
from dataclasses import dataclass, field
from statistics import median

# Fewer rounds say nothing about the spread; such a run is printed, never recorded.
ROUNDS_MIN = 7


@dataclass(frozen=True)
class Spread:
    """Middle and width of a handful of values. `mad`: median distance from the median."""

    median: float
    min: float
    max: float
    mad: float

    @staticmethod
    def of(values):
        middle = median(values)
        return Spread(middle, min(values), max(values), median(abs(value - middle) for value in values))


@dataclass(frozen=True)
class Claim:
    """One sentence that is true or not: `value` against `bound`, in the direction of `relation` (`<=` or `>=`)."""

    text: str
    value: float
    relation: str
    bound: float
    spread: Spread | None = None

    @property
    def holds(self):
        return self.value <= self.bound if self.relation == "<=" else self.value >= self.bound


@dataclass
class Outcome:
    """What one scenario found. `rounds`: per subject, one value a round, in `unit`; `facts` are for the reader only."""

    scenario: str
    about: str
    unit: str = ""
    rounds: dict[str, list[float]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    facts: dict = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def ratio(rounds, subject, against):
    """The spread of the ratios of neighbouring runs: what drifts between rounds meets both and cancels out."""
    return Spread.of([a / b for a, b in zip(rounds[subject], rounds[against], strict=True)])


def ratio_claim(rounds, subject, against, bound):
    """The claim that `subject` costs at most `bound` times what `against` costs."""
    spread = ratio(rounds, subject, against)
    return Claim(f"{subject} / {against}", spread.median, "<=", bound, spread)


def percentile(values, share):
    """The smallest value that at least `share` of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
