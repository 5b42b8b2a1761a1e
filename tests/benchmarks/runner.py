"""Ways to do the same, in turn, until their ratios are known."""

import gc
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.benchmarks.archive import Archive, write_archive

Figures = Mapping[str, float]
"""What was measured, by names; a ratio's two figures have the same unit."""

Run = Callable[[], Figures]
"""Does the work once, one way. Raises GateError where it was not done."""


class GateError(Exception):
    """The work was not done, or not by the rules: its time says nothing."""


class MissingError(Exception):
    """What we are compared with is not here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A ratio.

    Attributes:
        name: What it is the ratio of.
        ours: The name of our figure.
        theirs: The name of that which it is divided by.
        goal: The ratio that is wanted, at most.
        unit: Of both figures.
        more_is_better: The ratio is wanted at least.
    """

    name: str
    ours: str
    theirs: str
    goal: float
    unit: str = "s"
    more_is_better: bool = False


class Stage:
    """What comparisons work on.

    Attributes:
        folder: Of one comparison alone; it is empty at first.
        small: Only to see that it works.
    """

    def __init__(self, folder: Path, archive: Callable[[int], Archive], *, small: bool) -> None:
        self.folder = folder
        self.small = small
        self._archive = archive

    def archive(self, whole: int, *, small: int = 64) -> Archive:
        """An archive of the whole size, or the small one; it is not to be changed."""
        return self._archive(small if self.small else whole)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What is compared.

    Attributes:
        about: What is done, and what it is compared with.
        prepare: Sets the stage; gives the ways, in their order.
        warm_up: Whether each way is run once for nothing first.
    """

    name: str
    about: str
    rows: Sequence[Row]
    prepare: Callable[[Stage], AbstractContextManager[Sequence[Run]]]
    warm_up: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The figures of all rounds; none, and the reason, where it could not be run."""

    comparison: Comparison
    rounds: Sequence[Figures] = ()
    missing: str | None = None

    def ratios(self, row: Row) -> Sequence[float]:
        """Round by round."""
        return [figures[row.ours] / figures[row.theirs] for figures in self.rounds]

    def median(self, row: Row) -> float:
        """Of the ratios."""
        return statistics.median(self.ratios(row))

    def meets(self, row: Row) -> bool:
        """Whether the median is what is wanted."""
        median = self.median(row)
        return median >= row.goal if row.more_is_better else median <= row.goal

    def told(self) -> Mapping[str, object]:
        """As JSON has it."""
        rows = [
            {
                "name": row.name,
                "goal": row.goal,
                "median": round(self.median(row), 4),
                "min": round(min(self.ratios(row)), 4),
                "max": round(max(self.ratios(row)), 4),
                "unit": row.unit,
                "ours": row.ours,
                "theirs": row.theirs,
            }
            for row in self.comparison.rows
            if self.rounds
        ]
        rounds = [{name: round(figure, 4) for name, figure in figures.items()} for figures in self.rounds]
        comparison = self.comparison
        return {
            "name": comparison.name,
            "about": comparison.about,
            "missing": self.missing,
            "rows": rows,
            "rounds": rounds,
        }


@dataclass(kw_only=True, slots=True)
class Runner:
    """Runs comparisons in a folder of its own; archives are made once for all of them."""

    folder: Path
    rounds: int
    small: bool
    _archive: Callable[[int], Archive] = field(init=False)

    def __post_init__(self) -> None:
        self._archive = cache(lambda count: write_archive(self.folder / f"archive-{count}", count))

    def run(self, comparison: Comparison) -> Result:
        """Let the ways run in turn.

        Raises:
            GateError: One of them has not done the work.
        """
        folder = self.folder / comparison.name
        folder.mkdir()
        rounds = self.rounds + (comparison.warm_up and not self.small)
        try:
            with comparison.prepare(Stage(folder, self._archive, small=self.small)) as ways:
                figures = [_round(ways) for _ in range(rounds)]
        except MissingError as error:
            return Result(comparison=comparison, missing=str(error))
        return Result(comparison=comparison, rounds=figures[-self.rounds :])


def table(results: Sequence[Result], *, judge: bool) -> Iterator[str]:
    """The results for people: our figure by theirs."""
    yield f"{'':<38} {'median':>7} {'min':>7} {'max':>7} {'goal':>8} {'ours':>12} {'theirs':>12}"
    for result in results:
        name = result.comparison.name
        if result.missing:
            yield f"{name}: not run, for {result.missing}"
            continue
        for row in result.comparison.rows:
            ratios = result.ratios(row)
            goal = f"{'≥' if row.more_is_better else '≤'} {row.goal:.2f}"
            yield (
                f"{f'{name}: {row.name}':<38} {result.median(row):>7.3f} {min(ratios):>7.3f} {max(ratios):>7.3f}"
                f" {goal:>8} {_figure(result, row.ours, row.unit):>12} {_figure(result, row.theirs, row.unit):>12}"
                f"{'' if not judge or result.meets(row) else '  missed'}"
            )


def _figure(result: Result, name: str, unit: str) -> str:
    median = statistics.median(figures[name] for figures in result.rounds)
    return f"{median:,.{0 if median >= 100 else 3}f} {unit}"


def _round(ways: Sequence[Run]) -> Figures:
    figures: dict[str, float] = {}
    for way in ways:
        gc.collect()
        figures |= way()
    return figures
