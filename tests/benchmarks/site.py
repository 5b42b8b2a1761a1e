"""An installation of ours over an archive, worked by our own commands; and an archive that changes."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import processes
from tests.benchmarks.archive import Archive, articles, link, write
from tests.benchmarks.processes import Ran
from tests.benchmarks.runner import GateError

SHOWN = 50
"""Entries of the subscription document, as with us by default; its size is not bounded, so that there are as many."""

_EVER_NEW = {"index.html", "feeds.opml", "feeds/news.atom", "feeds/news.rss", "feeds/news.html"}
"""What names the time of the newest change, or shows it."""


class Site:
    """Settings, store and output in a folder."""

    def __init__(self, folder: Path, articles: Path, *, listen: str = "127.0.0.1:8000", **feed: Any) -> None:
        self.public = folder / "public"
        self.subscription = self.public / "feeds" / "news.atom"
        self.config = folder / "feedbridge.toml"
        self._state = folder / "var"
        folder.mkdir(parents=True, exist_ok=True)
        tables: dict[str, dict[str, Any]] = {
            "[site]": {"output": "public", "store": "sqlite:///var/feedbridge.db", "listen": listen},
            "[[source]]": {"name": "news", "kind": "archive", "path": str(articles), "every": "1d"},
            "[[feed]]": {"name": "news", "formats": ["atom", "rss"], "limit": SHOWN, "max_bytes": "64MiB"} | feed,
        }
        self.config.write_text("\n".join(line for head, keys in tables.items() for line in toml(head, keys)))

    def command(self, *words: str) -> Sequence[str]:
        """The words that start our program on this site."""
        return processes.ours(*words, "--config", str(self.config))

    def forget(self) -> None:
        """Begin anew."""
        for folder in (self.public, self._state):
            shutil.rmtree(folder, ignore_errors=True)

    def build(self) -> Ran:
        """Build.

        Raises:
            GateError: It failed, or left something out.
        """
        ran = processes.run(self.command("build", "--json"))
        told = json.loads(ran.printed)
        if wrong := [*told["sources"][0]["unusable"], *told["left_out"], *told["held"]]:
            raise GateError(f"{len(wrong)} left out: {wrong[:3]}")
        return ran

    def stamps(self) -> dict[str, int]:
        """When each published file was last written."""
        found = (path for path in self.public.rglob("*") if path.is_file())
        return {str(path.relative_to(self.public)): path.stat().st_mtime_ns for path in found}


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What was done to an archive: the text that is to be found, and whether its article is the newest of all."""

    mark: bytes
    is_new: bool

    def check(self, site: Site, before: Mapping[str, int]) -> None:
        """It is in one document of each format, and what is new on the page, too; no others have been written in vain.

        Args:
            site: After the change.
            before: What `stamps` gave before it.

        Raises:
            GateError: It is not so.
        """
        written = {path for path, stamp in site.stamps().items() if before.get(path) != stamp}
        holding = {
            path for path in site.stamps() if "feeds/" in path and self.mark in (site.public / path).read_bytes()
        }
        forms = [".atom", ".html", ".rss"] if self.is_new else [".atom", ".rss"]  # no page shows an article to its end
        if sorted(Path(path).suffix for path in holding) != forms or not holding <= written:
            raise GateError(f"the change is in {sorted(holding)}, and {sorted(written)} were written")
        others = written - holding - _EVER_NEW
        if len(others) > (
            4 if self.is_new else 0
        ):  # what is new moves one into the last archive document, or a new one
            raise GateError(f"written without need: {sorted(others)}")


class Changing:
    """A copy of an archive; files come into it by renaming, as if they had been written long ago."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self.files = folder / "changing"
        shutil.copytree(archive.files, self.files, copy_function=_link)
        self.numbers = list(archive.numbers)
        self._new = archive.count
        self._beside = folder / "beside"
        known, middle = set(self.numbers), archive.count // 2
        self._old = next(
            path
            for place in range(middle, archive.count)
            if {place, place + 1} <= known  # else the next may share its link, and its text would be the one that shows
            for path in self.files.glob(f"news*/{place}_*.md")
        )
        self._text = self._old.read_text(encoding="utf-8")
        self._edits = self._looks = 0

    def add(self) -> Change:
        """Add an article that is newer than all others."""
        (article,) = articles(1, start=self._new, traps=False)
        self._put(self.files / article.name, article.text)
        self.numbers.insert(0, self._new)
        self._new += 1
        return Change(mark=link(article.number).encode(), is_new=True)

    def edit(self) -> Change:
        """Edit an article of the middle."""
        self._edits += 1
        mark = f"Edited for the {self._edits}th time."
        self._put(self._old, f"{self._text}<p>{mark}</p>")
        return Change(mark=mark.encode(), is_new=False)

    def look(self) -> None:
        """Let whoever watches the folder look at all of it, for nothing: a folder may have come with files."""
        self._looks += 1
        (self.files / f"empty{self._looks}").mkdir()

    def _put(self, path: Path, text: str) -> None:
        write(self._beside, text, age=self._new + self._edits)
        self._beside.replace(path)


def toml(head: str, keys: Mapping[str, Any]) -> Sequence[str]:
    """A table of a settings file, as lines."""
    return [head, *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items())]


def _link(old: str, new: str) -> None:
    Path(new).hardlink_to(old)
