"""`python -m tests.benchmarks`: prints what share of the other way's time, or memory, ours takes."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import again, chart, cold, daemon, due, first, growth, pictures, serving, unchanged, upstream
from tests.benchmarks.runner import Comparison, GateError, Result, Runner, table

COMPARISONS: Sequence[Comparison] = tuple(
    one.COMPARISON for one in (cold, first, again, daemon, growth, upstream, unchanged, serving, pictures, due)
)


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if one of the ways did not do its work, whatever its time."""
    chosen = _read(words)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=chosen.work) as folder:
        runner = Runner(folder=Path(folder), rounds=chosen.pairs, small=chosen.small)
        for comparison in COMPARISONS:
            if not chosen.names or comparison.name in chosen.names:
                print(f"{comparison.name}: {comparison.about}", flush=True)
                try:
                    results.append(runner.run(comparison))
                except GateError as error:
                    print(f"{comparison.name}: {error}", file=sys.stderr)
                    return 1
                if chosen.out:
                    _write(chosen.out, results, small=chosen.small)
    print(*table(results, judge=not chosen.small), sep="\n")
    return 0


def _write(folder: Path, results: Sequence[Result], *, small: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    told = {"python": platform.python_version(), "small": small, "results": [one.told() for one in results]}
    (folder / "figures.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    (folder / "ratios.svg").write_text(chart.ratios(results), encoding="utf-8")


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = [one.name for one in COMPARISONS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"these alone: {', '.join(names)}")
    parser.add_argument("--pairs", type=_positive, default=5, help="runs of each, in turn (default: 5)")
    parser.add_argument("--small", action="store_true", help="a small size, to see that it works")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write figures.json and ratios.svg there, too")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where there is room for 10 GB for a while")
    chosen = parser.parse_args(words)
    if strange := [name for name in chosen.names if name not in names]:
        parser.error(f"there is no {', '.join(strange)}; there is: {', '.join(names)}")
    return chosen


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
