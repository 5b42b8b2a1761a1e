"""The benchmarks run, and say what they are to say; how fast anything is, is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def benchmarks(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run them as their reader would, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_a_comparison_of_the_small_size(tmp_path: Path) -> None:
    """Both ways are run in pairs, each doing the whole work; a table is printed, and the figures are written."""
    figures = tmp_path / "figures.json"
    done = benchmarks("--only", "unchanged", "--pairs", "2", "--small", "--json", str(figures))
    assert (done.returncode, done.stderr) == (0, "")
    heading, columns, row = done.stdout.splitlines()
    assert heading.startswith("unchanged: ")
    assert columns.split() == ["median", "min", "max", "goal", "ours", "theirs"]
    assert row.split()[0] == "unchanged"
    (result,) = json.loads(figures.read_text())["results"]
    assert (result["name"], result["goal"]) == ("unchanged", 0.6)
    assert 0 < result["min"] <= result["median"] <= result["max"]
    assert [len(result[way]) for way in ("ours_seconds", "theirs_seconds")] == [2, 2]


def test_what_there_is_not() -> None:
    """An unknown comparison, and no pairs at all, are refused with what would be right."""
    for words in (["--only", "nothing"], ["--pairs", "0"]):
        done = benchmarks(*words)
        assert done.returncode == 2
        assert "usage: python -m tests.benchmarks" in done.stderr
