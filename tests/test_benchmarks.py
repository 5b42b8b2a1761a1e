"""The benchmarks run, and say what they are to say; how fast anything is, is not judged here."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from lxml import etree

from tests.benchmarks import gate
from tests.benchmarks.__main__ import COMPARISONS
from tests.benchmarks.archive import TRAPS, articles, write_archive, write_for_hugo
from tests.benchmarks.runner import GateError

ROOT = Path(__file__).parents[1]


def benchmarks(*words: str, environ: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run them as their reader would, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks", *words]
    environment = os.environ | (environ or {})
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_all_of_the_small_size(tmp_path: Path) -> None:
    """Each comparison runs all its ways, which do the whole work; table, figures and picture tell of every ratio."""
    done = benchmarks("--pairs", "1", "--small", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((tmp_path / "figures.json").read_text())
    missing = [result["missing"] for result in told["results"] if result["missing"]]
    if missing and os.environ.get("TESTS_MUST_RUN"):
        pytest.fail("; ".join(missing))
    ran = {result["name"]: result["rows"] for result in told["results"] if not result["missing"]}
    wanted = {one.name: [row.name for row in one.rows] for one in COMPARISONS if one.name in ran}
    assert {name: [row["name"] for row in rows] for name, rows in ran.items()} == wanted
    rows = [row for rows in ran.values() for row in rows]
    assert all(0 < row["min"] <= row["median"] <= row["max"] for row in rows)
    table = done.stdout.splitlines()[-len(rows) - len(missing) :]
    assert all(f"{name}: {row}" in "\n".join(table) for name, rows in wanted.items() for row in rows)
    picture = etree.parse(str(tmp_path / "ratios.svg"))
    assert len(picture.findall("{*}rect")) == len(rows)


def test_what_there_is_not() -> None:
    """An unknown comparison, and no pairs at all, are refused with what would be right."""
    for words in (["nothing"], ["--pairs", "0"]):
        done = benchmarks(*words)
        assert done.returncode == 2
        assert "usage: python -m tests.benchmarks" in done.stderr


def test_a_peer_that_is_not_here() -> None:
    """It is said what could not be compared, and what is to be installed."""
    done = benchmarks("first", "--small", environ={"PATH": "/nowhere"})
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "first: not run, for hugo is not installed; apt-get install hugo"


@pytest.mark.parametrize("count", [500, 2000])
def test_archives_are_like_real_ones(count: int) -> None:
    """Sizes and pictures are spread as in real archives, however many there are; they are the same each time."""
    made = list(articles(count))
    sizes = sorted(len(article.text.encode()) for article in made)
    assert statistics.mean(sizes) == pytest.approx(28_000, rel=0.03)
    assert sizes[count // 2] == pytest.approx(15_000, rel=0.06)
    assert sizes[count * 9 // 10] == pytest.approx(38_000, rel=0.06)
    assert sizes[-1] == pytest.approx(669_000, rel=0.15)
    pictures = sum(article.text.count("<img") - article.text.count("<noscript>") for article in made)
    assert pictures / count == pytest.approx(6.4, rel=0.1)
    assert len({article.name for article in made}) == count
    assert len({article.number for article in made}) == pytest.approx(count * (1 - TRAPS["same link"]), rel=0.01)
    assert list(articles(count)) == made


def test_hugo_gets_the_same(tmp_path: Path) -> None:
    """Each file is there under its name, behind front matter that names its title, date and link."""
    archive = write_archive(tmp_path / "ours", 30)
    write_for_hugo(archive, tmp_path / "hugo")
    ours = {path.name.replace("\n", " ") for path in archive.files.rglob("*.md")}
    theirs = {path.name: path.read_text() for path in (tmp_path / "hugo").rglob("*.md")}
    assert len(theirs) == 30
    assert set(theirs) == ours
    assert all(text.startswith("---\ntitle: ") and "\nfrom: https://" in text for text in theirs.values())


def published(folder: Path, *documents: tuple[int, ...]) -> Path:
    """A folder of feeds with these articles in their documents."""
    (folder / "feeds").mkdir(parents=True)
    (folder / "feeds.opml").write_text("<opml/>")
    for place, shown in enumerate(documents):
        links = [f"https://news.example/a/{number}.html" for number in shown]
        entries = "".join(f'<entry><link rel="alternate" href="{link}"/></entry>' for link in links)
        items = "".join(f"<item><link>{link}</link></item>" for link in links)
        (folder / "feeds" / f"{place}.atom").write_text(f'<feed xmlns="http://www.w3.org/2005/Atom">{entries}</feed>')
        (folder / "feeds" / f"{place}.rss").write_text(f"<rss><channel>{items}</channel></rss>")
    return folder


def test_the_gate(tmp_path: Path) -> None:
    """It lets pass what shows each article once, and nothing else: none twice, none missing, none torn."""
    whole = published(tmp_path / "whole", (3, 2), (1,))
    gate.check_all(whole, [1, 2, 3])
    gate.check_newest((whole / "feeds" / "0.atom").read_bytes(), [3, 2])
    for name, documents in {"twice": ((3, 2), (2, 1)), "missing": ((3,), (1,)), "strange": ((4, 3, 2), (1,))}.items():
        with pytest.raises(GateError, match="exactly once"):
            gate.check_all(published(tmp_path / name, *documents), [1, 2, 3])
    (whole / "feeds" / "1.rss").write_text("<rss><channel>")
    with pytest.raises(GateError, match=r"1\.rss"):
        gate.check_all(whole, [1, 2, 3])
    with pytest.raises(GateError, match="shows"):
        gate.check_newest((whole / "feeds" / "0.atom").read_bytes(), [2, 3])
