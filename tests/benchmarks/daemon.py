"""What a running daemon does when it looks at its archive: no process is started, and no library is read.

It is the daemon's own word on its work: the seconds of the refresh, by its metrics or its log, and those from there
until the log has the files as published. How soon it notices a change (half a second or so) is not in it.
"""

import json
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import gate, hugo, processes
from tests.benchmarks.cold import ARTICLES
from tests.benchmarks.runner import Comparison, Figures, GateError, Row, Run, Stage
from tests.benchmarks.site import SHOWN, Change, Changing, Site


class Daemon:
    """A daemon that runs, seen from outside."""

    def __init__(self, url: str, log: Path) -> None:
        self._url = url
        self._log = log

    def events(self, start: int = 0) -> Sequence[dict[str, Any]]:
        """The lines of its log, from one on."""
        lines = self._log.read_text(encoding="utf-8").splitlines(keepends=True)[start:]
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def refreshes(self) -> tuple[int, float]:
        """How many there have been, and the seconds of all."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=10) as answer:
            told = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#")
        name = "feedbridge_poll_duration_seconds"
        return int(float(told[f"{name}_count"])), float(told[f"{name}_sum"])


@contextmanager
def running(site: Site, listen: str, log: Path) -> Iterator[Daemon]:
    """A daemon on a site, once it listens; it ends with the context."""
    daemon = Daemon(f"http://{listen}", log)
    with processes.start(site.command("run"), log=log):
        processes.wait_until(lambda: any(one["event"] == "started" for one in daemon.events()), "started")
        yield daemon


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    archive = stage.archive(ARTICLES)
    write_feed = hugo.feed_of(archive, stage.folder, newest=SHOWN)
    changing = Changing(archive, stage.folder)
    listen = f"127.0.0.1:{processes.free_port()}"
    site = Site(stage.folder / "site", changing.files, listen=listen)
    site.build()
    with running(site, listen, stage.folder / "daemon.log") as daemon:
        processes.wait_until(lambda: daemon.refreshes()[0] > 0, "first refresh")

        def nothing() -> Figures:
            stamps, (count, before) = site.stamps(), daemon.refreshes()
            changing.look()
            processes.wait_until(lambda: daemon.refreshes()[0] > count, "a refresh")
            count_now, seconds = daemon.refreshes()
            if site.stamps() != stamps:
                raise GateError("files were written, though nothing had changed")
            return {"nothing": (seconds - before) / (count_now - count)}

        def changed(name: str, change: Callable[[], Change]) -> Figures:
            stamps, known = site.stamps(), len(daemon.events())
            done = change()
            processes.wait_until(lambda: "published" in (one["event"] for one in daemon.events(known)), "published")
            told = {one["event"]: one for one in daemon.events(known)}
            refreshed, published = told["refresh changed"], told["published"]
            done.check(site, stamps)
            gate.check_all(site.public, changing.numbers)
            return {name: refreshed["seconds"] + (_time(published) - _time(refreshed)).total_seconds()}

        yield (
            nothing,
            lambda: changed("new", changing.add),
            lambda: changed("edited", changing.edit),
            lambda: {"theirs": write_feed().seconds},
        )


def _time(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["timestamp"])


COMPARISON = Comparison(
    name="daemon",
    about=f"a running daemon looks at {ARTICLES:,} known articles, beside a feed of the newest {SHOWN} by Hugo",
    rows=(
        Row(name="nothing changed", ours="nothing", theirs="theirs", goal=0.05),
        Row(name="one new", ours="new", theirs="theirs", goal=0.08),
        Row(name="one edited", ours="edited", theirs="theirs", goal=0.08),
    ),
    prepare=_prepare,
)
