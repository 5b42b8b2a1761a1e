"""Many documents are printed by processes of their own: the same as without, whatever becomes of these."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from feedbridge import composing, printing, publishing
from feedbridge.printing import Job, Printed, Printers
from feedbridge.store import feeds as rows
from feedbridge.store.database import Store

DOCUMENTS = publishing.PRINTERS_FROM


@pytest.fixture
def archived(site: Any) -> Any:
    """A site with so many small archive documents that they are printed at once."""
    site.feeds = [{"name": "news", "limit": 5}]
    site.archive.write_many(100 * DOCUMENTS + 5)
    return site


def jobs_of(site: Any, store: Store) -> list[Job]:
    (table,) = site.settings().feed
    with store.transaction() as connection:
        (feed,) = rows.feeds_of(connection, table.name)
    return [Job(table=table, feed=feed, number=number, last=DOCUMENTS) for number in range(1, DOCUMENTS + 1)]


def processes(parent: int | None = None) -> set[int]:
    """The children that print, of this process or another."""
    found = set()
    for task in Path(f"/proc/{parent or os.getpid()}/task").glob("*"):
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (task / "children").read_text().split() if is_printing(int(pid))}
    return found


def is_printing(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"feedbridge.printing" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@pytest.mark.parametrize("images", ["keep", "serve"])
def test_processes_print_the_same(archived: Any, monkeypatch: pytest.MonkeyPatch, images: str) -> None:
    """Byte for byte, and noted alike: nothing is due afterwards, and the second build writes nothing."""
    archived.options["images"] = images
    before = processes()
    archived.build()
    by_processes = archived.published()
    assert processes() == before
    assert archived.build().published.written == []
    archived.forget_public()
    monkeypatch.setattr(publishing, "PRINTERS_FROM", 10**9)
    archived.build()
    assert archived.published() == by_processes
    assert len(archived.archived()) >= DOCUMENTS


def test_a_printer_that_is_killed_costs_nothing(archived: Any, store: Store) -> None:
    """Its document is given back, and another process goes on."""
    archived.build()
    settings = archived.settings()
    with Store(settings.site.store, write=False) as kept:
        jobs = jobs_of(archived, kept)
    before = processes()
    with Printers(settings, {}, count=1) as printers:
        results = []
        for number, (_, printed) in enumerate(printers.print(jobs)):
            results.append(printed)
            if number == 2:
                for pid in processes() - before:
                    os.kill(pid, signal.SIGKILL)
    assert results.count(None) <= 1
    assert all(printed.errors == () for printed in results if printed)
    assert len([printed for printed in results if printed]) >= DOCUMENTS - 1


def test_the_parent_prints_too(archived: Any, store: Store) -> None:
    """Each document is printed once, by a process or beside it, from the last on."""
    archived.build()
    settings = archived.settings()
    with Store(settings.site.store, write=False) as kept:
        jobs = jobs_of(archived, kept)
    ours: list[int] = []

    def beside(job: Job) -> Printed:
        ours.append(job.number)
        return Printed()

    with Printers(settings, {}, count=1) as printers:
        results = list(printers.print(jobs, beside=beside))
    assert sorted(job.number for job, _ in results) == [job.number for job in jobs]
    assert ours == [job.number for job in reversed(jobs)][: len(ours)]
    assert ours
    assert all(printed is not None for _, printed in results)


def test_what_a_printer_cannot_print_is_printed_and_told_by_us(archived: Any) -> None:
    """A place that takes no file is named, once for each file, and all others are written."""
    archived.build()
    before = archived.published()
    archived.forget_public()
    (archived.public / "feeds/news/0003.rss").mkdir(parents=True)
    report = archived.build().published
    assert [line for line in report.errors if "0003.rss" in line] == report.errors
    assert len(report.errors) == 1
    assert set(archived.published()) == set(before) - {"feeds/news/0003.rss"}
    (archived.public / "feeds/news/0003.rss").rmdir()
    assert archived.build().published.errors == []
    assert archived.published() == before


def test_printers_end_with_their_parent(archived: Any) -> None:
    """A build that is killed leaves nobody behind."""
    archived.build()
    archived.forget_public()
    build = subprocess.Popen(archived.command("build"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + 60
    while not (started := processes(build.pid)) and build.poll() is None and time.monotonic() < ends:
        time.sleep(0.01)
    build.kill()
    build.wait()
    assert started
    while any(is_printing(pid) for pid in started) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not any(is_printing(pid) for pid in started)


def test_a_printer_is_started_by_what_is_installed() -> None:
    """Nothing is imported from the folder that we happen to be in."""
    assert printing._PROGRAM.startswith("from feedbridge.printing import main")
    ended = subprocess.run(
        [sys.executable, "-P", "-c", printing._PROGRAM], input=b"", capture_output=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_addresses_are_those_of_the_design() -> None:
    """They are what people subscribe to."""
    assert composing.document_path("news", 0, "atom") == "feeds/news.atom"
    assert composing.document_path("news", 12, "json") == "feeds/news/0012.json"
