"""Two ways to do the same, in turn, until their ratio is known."""

import gc
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

Run = Callable[[], float]
"""Does the work once; gives its seconds. Raises GateError where it was not done."""


class GateError(Exception):
    """The work was not done, or not by the rules: its time says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """The two ways, ready to run."""

    ours: Run
    theirs: Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What is compared.

    Attributes:
        about: What both do, in a line.
        goal: Our time is to be at most so much of theirs.
        prepare: Sets the stage, of the small size or the whole one.
    """

    name: str
    about: str
    goal: float
    prepare: Callable[[bool], AbstractContextManager[Contest]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The seconds of the runs, in pairs."""

    comparison: Comparison
    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Our time by theirs, pair by pair."""
        return [one / other for one, other in zip(self.ours, self.theirs, strict=True)]

    def told(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "name": self.comparison.name,
            "about": self.comparison.about,
            "goal": self.comparison.goal,
            "median": round(statistics.median(self.ratios), 3),
            "min": round(min(self.ratios), 3),
            "max": round(max(self.ratios), 3),
            "ours_seconds": [round(one, 4) for one in self.ours],
            "theirs_seconds": [round(one, 4) for one in self.theirs],
        }


def run(comparison: Comparison, *, pairs: int, small: bool) -> Result:
    """Let both run in turn, after each has run once for nothing.

    Raises:
        GateError: One of them has not done the work.
    """
    with comparison.prepare(small) as contest:
        _timed(contest.ours)
        _timed(contest.theirs)
        times = [(_timed(contest.ours), _timed(contest.theirs)) for _ in range(pairs)]
    ours, theirs = zip(*times, strict=True)
    return Result(comparison=comparison, ours=ours, theirs=theirs)


def table(results: Sequence[Result]) -> Iterator[str]:
    """The results for people: our time by theirs, so that less is better."""
    yield f"{'':<12} {'median':>7} {'min':>7} {'max':>7} {'goal':>7} {'ours':>9} {'theirs':>9}"
    for result in results:
        told = result.told()
        met = "" if statistics.median(result.ratios) <= result.comparison.goal else "  missed"
        yield (
            f"{result.comparison.name:<12} {told['median']:>7.2f} {told['min']:>7.2f} {told['max']:>7.2f}"
            f" {result.comparison.goal:>7.2f} {statistics.median(result.ours):>7.2f} s"
            f" {statistics.median(result.theirs):>7.2f} s{met}"
        )


def _timed(work: Run) -> float:
    gc.collect()
    return work()
