"""`python -m tests.benchmarks`: prints how long we take by how long the other way takes."""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import unchanged
from tests.benchmarks.runner import Comparison, GateError, Result, run, table

COMPARISONS: Sequence[Comparison] = (unchanged.COMPARISON,)


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if one of the ways did not do its work, whatever its time."""
    chosen = _read(words)
    results: list[Result] = []
    for comparison in COMPARISONS:
        if chosen.only in (None, comparison.name):
            print(f"{comparison.name}: {comparison.about}", flush=True)
            try:
                results.append(run(comparison, pairs=chosen.pairs, small=chosen.small))
            except GateError as error:
                print(f"{comparison.name}: {error}", file=sys.stderr)
                return 1
    print(*table(results), sep="\n")
    if chosen.json:
        told = {"python": platform.python_version(), "small": chosen.small, "results": [one.told() for one in results]}
        chosen.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=[one.name for one in COMPARISONS], help="this one alone")
    parser.add_argument("--pairs", type=_positive, default=5, help="runs of each, in turn (default: 5)")
    parser.add_argument("--small", action="store_true", help="a small size, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
