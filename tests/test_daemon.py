"""The daemon as its owner and its readers find it: a process of its own, on a port of this machine."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from lxml import etree

if TYPE_CHECKING:
    from tests.conftest import Daemon, PostgreSQL, Site, Web

    Start = Callable[..., Daemon]

MANY = 2000
FEWER = 800


def assert_whole(site: "Site") -> None:
    """Every published file can be read to its end, and no temporary one is there."""
    for path, body in site.published().items():
        assert not Path(path).name.startswith(".")
        if path.endswith(".json"):
            json.loads(body)
        elif path.endswith(".html"):
            assert body.rstrip().endswith(b"</html>")
        else:
            etree.fromstring(body)


def kept(site: "Site") -> int:
    """Articles in the store, 0 before there is one."""
    try:
        return int(site.query("SELECT count(*) FROM articles")[0][0])
    except sqlite3.OperationalError:
        return 0


def shown(daemon: "Daemon", title: str) -> Callable[[], bool]:
    """Asks whether readers find an article."""
    return lambda: title in daemon.titles()


def has_kept(site: "Site", count: int) -> Callable[[], bool]:
    """Asks whether the store holds so many articles."""
    return lambda: kept(site) >= count


# Freshness


def test_a_new_file_is_in_the_feeds_within_two_seconds(site: "Site", start: "Start") -> None:
    """A file that appears is served two seconds later, long before its source is due; so are others that follow."""
    site.archive.write_many(3)
    daemon = start(site).ready()
    for number in (10, 11, 12):
        path = site.archive.write(number)
        os.utime(path)
        took = daemon.wait(shown(daemon, site.archive.title(number)))
        assert took < 4  # two are promised; machines are slow


def test_files_that_come_in_a_row_are_all_noticed(site: "Site", start: "Start") -> None:
    """Files that appear while their source is at work already are not left for its next turn."""
    daemon = start(site).ready()
    for number in range(30):
        os.utime(site.archive.write(number))
        time.sleep(0.1)
    daemon.wait(lambda: len(daemon.titles()) == 30, seconds=6)


def test_a_file_is_read_once_its_writer_is_done(site: "Site", start: "Start") -> None:
    """A file that somebody has open for writing is not read; when it is closed it is, without another turn."""
    daemon = start(site).ready()
    whole = site.archive.write(1).read_bytes()
    daemon.wait(lambda: len(daemon.titles()) == 1)
    with (site.archive.root / "2.md").open("wb") as file:
        file.write(whole.replace(b"/en/1.html", b"/en/2.html")[:-20])
        file.flush()
        time.sleep(2.5)
        assert len(daemon.titles()) == 1
        file.write(whole[-20:])
    daemon.wait(lambda: len(daemon.titles()) == 2, seconds=6)


def test_nothing_is_logged_where_nothing_changes(site: "Site", start: "Start") -> None:
    """Refreshes that find nothing new are silent, write nothing, and make no burst."""
    site.sources[0]["every"] = "1s"
    site.archive.write_many(5)
    daemon = start(site).ready()
    daemon.wait(lambda: len(daemon.titles()) == 5 and len(daemon.lines("published")) == 2)
    before, stamps = len(daemon.lines()), site.stamps()
    time.sleep(3.5)
    assert daemon.lines()[before:] == []
    assert site.stamps() == stamps
    polls = next(
        line for line in daemon.get("/metrics").text.splitlines() if 'outcome="unchanged",source="voa"' in line
    )
    assert 2 <= float(polls.split()[-1]) <= 6


# Load


def ask_for(url: str, path: str, done: threading.Event, every: float) -> list[tuple[float, int]]:
    """Ask for a path again and again until done; gives the seconds and the status of each answer."""
    host = url.removeprefix("http://")
    connection = HTTPConnection(host, timeout=10)
    found = []
    while not done.is_set():
        began = time.monotonic()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        found.append((time.monotonic() - began, answer.status))
        time.sleep(every)
    connection.close()
    return found


def percentile(values: list[float], of: int) -> float:
    return statistics.quantiles(values, n=100)[of - 1]


@pytest.mark.alone
def test_requests_are_answered_while_many_articles_are_read(site: "Site", start: "Start") -> None:
    """While thousands of articles are read and written, the daemon answers at once, and no request fails."""
    site.archive.write_many(5)
    others = [site.add_source(f"other-{number}", seed=number) for number in range(5)]
    daemon = start(site).ready()
    done = threading.Event()
    answers: dict[str, list[tuple[float, int]]] = {}

    def ask(path: str) -> None:
        answers[path] = ask_for(daemon.url, path, done, 0.005)

    askers = [threading.Thread(target=ask, args=(path,)) for path in ("/healthz", "/feeds/news.atom")]
    for asker in askers:
        asker.start()
    for number, other in enumerate(others):
        for article in range(MANY // len(others)):
            other.write(article, link=f"https://news.example/{number}/{article}")
    os.utime(site.archive.write(MANY))
    took = daemon.wait(has_kept(site, MANY + 6), seconds=60)
    daemon.wait(shown(daemon, site.archive.title(MANY)), seconds=60)
    done.set()
    for asker in askers:
        asker.join()
    assert {status for found in answers.values() for _, status in found} == {200}
    seconds = [one for one, _ in answers["/healthz"]]
    assert len(seconds) > 100
    print(f"\n{took:.1f} s; /healthz p50 {percentile(seconds, 50):.4f} p99 {percentile(seconds, 99):.4f}")
    feeds = [one for one, _ in answers["/feeds/news.atom"]]
    print(f"feeds p99 {percentile(feeds, 99):.4f} max {max(feeds):.4f} healthz max {max(seconds):.4f}")
    assert percentile(seconds, 99) < 0.4
    assert {line["reason"] for line in daemon.lines() if line["level"] != "info"} <= {"is still being written"}
    assert daemon.get("/readyz").status_code == 200


def test_memory_stays(site: "Site", start: "Start") -> None:
    """With two thousand articles the daemon is below 150 MB; refreshes and requests do not let it grow."""
    site.archive.write_many(MANY, body="<p>" + "word " * 300 + "</p>")
    daemon = start(site)
    daemon.wait(has_kept(site, MANY), seconds=60)
    daemon.ready().wait(shown(daemon, site.archive.title(MANY - 1)))

    def change(number: int) -> None:
        site.archive.write(5000 + number)
        daemon.wait(lambda: site.archive.title(5000 + number) in daemon.titles())

    for number in range(3):
        change(number)
    before = daemon.memory()
    done = threading.Event()
    askers = [
        threading.Thread(target=ask_for, args=(daemon.url, path, done, 0.002))
        for path in ("/feeds/news.atom", "/feeds/news.rss", "/feeds/news/0001.json")
    ]
    for asker in askers:
        asker.start()
    for number in range(3, 23):
        change(number)
    done.set()
    for asker in askers:
        asker.join()
    answered = [line for line in daemon.get("/metrics").text.splitlines() if 'responses_total{class="2xx"}' in line]
    print(f"\nmemory {before / 1e6:.0f} → {daemon.memory() / 1e6:.0f} MB, {answered}")
    assert float(answered[0].split()[-1]) > 3000
    assert daemon.memory() < 150e6
    assert daemon.memory() < before + 15e6


# The end, and the next beginning


@pytest.mark.parametrize(("number", "at"), [(signal.SIGTERM, 0.01), (signal.SIGINT, 0.5), (signal.SIGTERM, 0.95)])
def test_a_signal_ends_it_under_load(site: "Site", start: "Start", number: int, at: float) -> None:
    """In the midst of reading or writing it ends within five seconds, with exit code 0 and whole files; what it had
    read is kept, and the next start goes on.
    """
    site.archive.write_many(FEWER)
    daemon = start(site)
    daemon.wait(lambda: kept(site) >= FEWER * at, seconds=60)
    code, took = daemon.stop(number)
    assert (code, took < 5) == (0, True), daemon.log.read_text()
    assert_whole(site)
    assert {line["level"] for line in daemon.lines()} == {"info"}
    assert "stopping" in [line["event"] for line in daemon.lines()]
    assert daemon.lines()[-1]["event"] == "stopped"
    assert site.is_sound()


def test_a_request_on_its_way_does_not_hold_the_end(site: "Site", start: "Start") -> None:
    """A client that takes nothing, and one that says nothing, keep nobody from ending."""
    site.archive.write_many(2)
    daemon = start(site).ready()
    host, _, port = daemon.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as silent, socket.create_connection((host, int(port))) as half:
        half.sendall(b"GET /feeds/news.atom HTTP/1.1\r\nHost: x\r\n")
        code, took = daemon.stop()
        assert (code, took < 5) == (0, True)
        assert silent.recv(10) == b""


def test_killed_in_its_work_it_loses_nothing(site: "Site", other_site: "Site", start: "Start") -> None:
    """Killed again and again while it takes articles in, it has each exactly once in the end."""
    for one in (site, other_site):
        one.archive.write_many(FEWER)
    for at in (0.1, 0.4, 0.8):
        daemon = start(site)
        daemon.wait(has_kept(site, int(FEWER * at)), seconds=60)
        daemon.process.kill()
        daemon.process.wait()
    daemon = start(site)
    last = site.archive.title(FEWER - 1)
    daemon.ready()
    daemon.wait(lambda: last in daemon.titles() and kept(site) == FEWER, seconds=60)
    daemon.wait(lambda: len(site.everything()) == FEWER, seconds=60)
    assert daemon.stop()[0] == 0
    other_site.options = dict(site.options)
    other_site.build()
    entries = site.everything()
    assert len(entries) == len({entry.id for entry in entries}) == FEWER
    assert [entry.id for entry in entries] == [entry.id for entry in other_site.everything()]
    assert_whole(site)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_makes_no_burst(site: "Site", start: "Start", number: int) -> None:
    """After a restart the next polls are as they were, nobody is asked again, nothing is written, caches stay good."""
    for name in ("a", "b", "c"):
        site.add_source(name, every="1h").write(1, link=f"https://news.example/{name}")
    site.archive.write_many(2)
    daemon = start(site)
    daemon.wait(lambda: kept(site) == 5 and len(daemon.titles()) == 5 if daemon.answers("/feeds/news.json") else False)
    time.sleep(0.3)
    before, stamps = daemon.status(), site.stamps()
    asked = {path: daemon.get(path).headers for path in ("/feeds/news.atom", "/feeds/news.rss", "/index.html")}
    daemon.stop(number)
    daemon = start(site)
    daemon.wait(lambda: daemon.lines("started"))
    time.sleep(1.5)
    for path, headers in asked.items():
        assert daemon.get(path, if_none_match=headers["etag"]).status_code == 304
        assert daemon.get(path, if_modified_since=headers["last-modified"]).status_code == 304
        assert daemon.get(path, if_none_match='"other"').status_code == 200
    assert daemon.status() == before
    assert site.stamps() == stamps
    assert [line["event"] for line in daemon.lines()] == ["started"]
    assert "feedbridge_polls_total{" not in daemon.get("/metrics").text


def test_one_daemon_at_a_time(site: "Site", start: "Start") -> None:
    """Beside a daemon, a second one and `build` say which process it is and exit 1; what only looks works."""
    site.archive.write_many(3)
    daemon = start(site).ready()
    daemon.wait(lambda: kept(site) == 3)
    for word in ("run", "build"):
        done = daemon.ask(word)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"feedbridge: {site.in_use(daemon.process.pid)}\n"
    for words in (["status"], ["explain", site.archive.link(1)]):
        done = daemon.ask(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
    assert daemon.stop()[0] == 0
    assert daemon.ask("build").returncode == 0


def test_a_port_in_use_is_one_line(site: "Site", start: "Start") -> None:
    """Where somebody listens already: one line, exit 1."""
    site.archive.write_many(1)
    site.build()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        site.options["listen"] = f"127.0.0.1:{other.getsockname()[1]}"
        for word in ("run", "serve"):
            daemon = start(site, word)
            assert daemon.process.wait(timeout=60) == 1
            assert daemon.log.read_text() == (
                f"feedbridge: {site.options['listen']}: cannot be listened at (Address already in use);"
                " end what listens there, or choose another address\n"
            )


def test_a_bad_table_of_referers_is_one_line(site: "Site", start: "Start") -> None:
    """It is read before anything is begun: one line that names it, exit 2."""
    site.archive.write_many(1)
    table = site.folder / "referers.toml"
    table.write_text('[referers]\n"pictures.example" = "mine"\n')
    site.pictures["referers"] = str(table)
    daemon = start(site)
    assert daemon.process.wait(timeout=60) == 2
    assert str(table) in daemon.log.read_text()
    assert daemon.log.read_text().count("\n") == 1


# Settings


def test_settings_are_taken_as_they_are_written(site: "Site", start: "Start") -> None:
    """A new source is read and a new feed written as soon as the file is saved; so they are at SIGHUP."""
    site.archive.write_many(2)
    daemon = start(site).ready()
    other = site.add_source("other")
    other.write(7, link="https://news.example/other/7")
    site.feeds.append({"name": "more", "sources": ["other"]})
    site.write_config()
    daemon.ready("/feeds/more.json")
    daemon.wait(lambda: daemon.titles("/feeds/more.json") == [other.title(7)])
    assert other.title(7) in daemon.titles()
    os.utime(other.write(9, link="https://news.example/other/9"))
    daemon.wait(lambda: other.title(9) in daemon.titles("/feeds/more.json"), seconds=5)
    before = len(daemon.lines("settings reloaded"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait(lambda: len(daemon.lines("settings reloaded")) > before)
    site.feeds.pop()
    site.write_config()
    daemon.wait(lambda: not daemon.answers("/feeds/more.json"))
    assert len(daemon.titles()) == 4


def has_refused(daemon: "Daemon", said: str) -> Callable[[], bool]:
    """Asks whether settings were refused for a reason."""
    return lambda: any(said in line["error"] for line in daemon.lines("settings refused"))


def test_bad_settings_are_refused(site: "Site", start: "Start") -> None:
    """Settings that cannot be used are refused with the key; the old ones stay in force, and later ones are taken."""
    site.archive.write_many(2)
    daemon = start(site).ready()
    config = site.folder / "feedbridge.toml"
    good = config.read_text()
    daemon.wait(lambda: len(daemon.lines("published")) == 2)
    kept_in_force = site.stamps()
    refused: list[tuple[str | None, str]] = [
        (good.replace('kind = "archive"', 'kind = "attic"'), '[[source]] "voa": kind'),
        (good + "\nevery = 5\n", '[[feed]] "news": every'),
        (good[: good.index("kind") + 8], "is not TOML"),
        ("", "give at least one [[source]] table"),
        (None, "no such file"),
        (good.replace(site.address, f"{site.address}2"), "[site]: store: has changed; that takes a restart"),
        (good.replace('listen = "127.0.0.1', 'listen = "127.0.0.2'), "[site]: listen: has changed; that takes a"),
    ]
    for text, said in refused:
        if text is None:
            config.unlink()
        else:
            config.write_text(text)
        daemon.wait(has_refused(daemon, said), seconds=5)
        assert all(str(config) in line["error"] for line in daemon.lines("settings refused"))
    assert daemon.lines("settings reloaded") == []
    before = len(daemon.lines("settings refused"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait(lambda: len(daemon.lines("settings refused")) > before, seconds=5)
    assert site.stamps() == kept_in_force
    os.utime(site.archive.write(5))
    daemon.wait(shown(daemon, site.archive.title(5)), seconds=5)
    config.write_text(good.replace('name = "news"', 'name = "news"\ntitle = "Better"'))
    daemon.wait(lambda: b"Better" in daemon.get("/feeds/news.atom").content, seconds=5)


# What goes wrong


def test_a_folder_that_vanishes_harms_its_source_alone(site: "Site", start: "Start") -> None:
    """Its articles stay up, each try is told once with the next one later, the status says why, other sources go on;
    when the folder is back all goes on by itself, at once.
    """
    site.sources[0]["every"] = "1s"
    other = site.add_source("other")
    site.archive.write_many(3)
    other.write(7, link="https://news.example/other/7")
    daemon = start(site).ready()
    daemon.wait(lambda: len(daemon.titles()) == 4)
    away = site.archive.root.with_name("away")
    site.archive.root.rename(away)
    daemon.wait(lambda: len(daemon.lines("refresh failed")) >= 2)
    first, second = daemon.lines("refresh failed")[:2]
    assert (first["level"], first["source"], first["failures"], second["failures"]) == ("warning", "voa", 1, 2)
    assert first["error"] == f"{site.archive.root}: no such folder; mend `path`, or mount it"
    time.sleep(2)
    status = daemon.status()
    failed = daemon.lines("refresh failed")
    assert [line["failures"] for line in failed] == list(range(1, len(failed) + 1))
    assert len(failed) <= 4
    assert status["voa"]["last_error"] == first["error"]
    assert 2 <= status["voa"]["failures"] <= len(failed)
    assert status["other"]["last_error"] is None
    os.utime(other.write(8, link="https://news.example/other/8"))
    daemon.wait(lambda: other.title(8) in daemon.titles(), seconds=5)
    assert len(daemon.titles()) == 5
    assert daemon.get("/readyz").status_code == 200
    os.utime(site.archive.write(9, name="../away/9.md"))
    away.rename(site.archive.root)
    daemon.wait(lambda: site.archive.title(9) in daemon.titles(), seconds=6)
    assert daemon.status()["voa"]["failures"] == 0
    os.utime(site.archive.write(11))
    daemon.wait(lambda: site.archive.title(11) in daemon.titles(), seconds=4)
    assert len(daemon.lines("folder cannot be watched")) <= 1


def test_a_folder_that_comes_later_is_watched(site: "Site", start: "Start") -> None:
    """A folder that is not there at the start is read when it comes, though its source is due much later."""
    site.archive.root.rmdir()
    daemon = start(site)
    daemon.wait(lambda: daemon.lines("refresh failed"))
    site.archive.write(1)
    daemon.wait(lambda: daemon.answers("/feeds/news.json") and len(daemon.titles()) == 1, seconds=6)


@pytest.mark.sqlite
def test_a_backup_of_a_running_store_is_whole(site: "Site", other_site: "Site", start: "Start") -> None:
    """A copy made beside the daemon holds what it has published: a build with it writes the same bytes."""
    site.archive.write_many(130)
    daemon = start(site).ready()
    daemon.wait(lambda: len(site.published()) >= 8 and daemon.lines("published"))
    copy = site.folder / "copies" / "copy.db"
    copy.parent.mkdir()
    assert daemon.ask("backup", str(copy)).returncode == 0
    daemon.stop()
    published = site.published()
    site.forget_public()
    site.forget_store()
    site.store.parent.mkdir()
    copy.rename(site.store)
    assert site.run("build").returncode == 0
    assert site.published() == published


@pytest.mark.sqlite
def test_a_damaged_store_is_told(site: "Site", start: "Start") -> None:
    """A store that is no database, or torn: one line, exit 1, feeds untouched; `--rebuild` brings the same ids back."""
    site.archive.write_many(130)
    daemon = start(site).ready()
    daemon.wait(lambda: len(site.everything()) == 130 if site.public.exists() else False)
    daemon.stop()
    entries = [(entry.id, entry.published, entry.title) for entry in site.everything()]
    before = site.published(), site.stamps()
    whole = site.store.read_bytes()
    damages = (b"no database at all" * 1000, whole[: len(whole) // 2], whole[:4096] + b"\xff" * 90_000)
    for damaged, word in zip(damages, ("run", "run", "build"), strict=True):
        site.store.write_bytes(damaged)
        daemon = start(site, word)
        assert daemon.process.wait(timeout=30) == 1, (word, daemon.log.read_text())
        (line,) = daemon.log.read_text().splitlines()
        assert line.startswith(f"feedbridge: {site.store}: is damaged; put a backup in its place")
        assert (site.published(), site.stamps()) == before
    daemon = start(site, "run", "--rebuild").ready()
    daemon.wait(lambda: kept(site) == 130 and daemon.lines("refresh changed"))
    assert daemon.stop()[0] == 0
    assert [(entry.id, entry.published, entry.title) for entry in site.everything()] == entries
    assert list(site.store.parent.glob("*.damaged-*"))


@pytest.mark.sqlite
def test_a_store_that_is_damaged_while_it_runs_is_told(site: "Site", start: "Start") -> None:
    """Feeds are served on, `/readyz` says what is wrong, and the log is no flood."""
    site.sources[0]["every"] = "1s"
    site.archive.write_many(130)
    daemon = start(site).ready()
    daemon.wait(lambda: kept(site) == 130 and daemon.lines("published"))
    site.store.write_bytes(b"x" * 200_000)
    os.utime(site.archive.write(500))
    daemon.wait(lambda: daemon.get("/readyz").status_code == 503)
    before = len(daemon.lines())
    time.sleep(3)
    assert len(daemon.lines()) - before <= 4
    assert daemon.answers("/feeds/news.atom")
    assert daemon.stop()[0] == 0


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        (pytest.fail if os.environ.get("TESTS_MUST_RUN") else pytest.skip)(f"no small disk here: {done.stderr}")


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_an_output_disk_that_takes_no_more(site: "Site", start: "Start", fault: str) -> None:
    """Old feeds are served on, `/readyz` says why it is 503, one message is logged; with room all is made good."""
    site.archive.write_many(3)
    site.public.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=1m", "none", str(site.public))
    try:
        daemon = start(site).ready()
        daemon.wait(lambda: len(daemon.titles()) == 3)
        if fault == "full":
            with contextlib.suppress(OSError), (site.public / "ballast").open("wb", buffering=0) as ballast:
                while ballast.write(b"\0" * 4096):
                    pass
        else:
            mount("-o", "remount,ro", str(site.public))
        for number in (10, 11, 12):
            os.utime(site.archive.write(number, text="word " * 5000))
            time.sleep(0.6)
        daemon.wait(lambda: daemon.get("/readyz").status_code == 503)
        said = daemon.get("/readyz").text
        assert f"output: {site.public}" in said
        assert len(daemon.titles()) == 3
        assert daemon.answers("/healthz")
        time.sleep(1)
        assert len([line for line in daemon.lines() if line["level"] == "error"]) <= 2
        if fault == "full":
            (site.public / "ballast").unlink()
        else:
            mount("-o", "remount,rw", str(site.public))
        daemon.wait(lambda: len(daemon.titles()) == 6)
        daemon.wait(lambda: daemon.get("/readyz").status_code == 200)
        daemon.stop()
        assert_whole(site)
    finally:
        subprocess.run(["umount", "-l", str(site.public)], check=True)


@pytest.mark.sqlite
@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_store_that_can_grow_no_more(site: "Site", start: "Start") -> None:
    """While the disk of the store is full, feeds are served on and the log is no flood; with room all is made good."""
    site.archive.write_many(3)
    site.store.parent.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=2m", "none", str(site.store.parent))
    try:
        daemon = start(site).ready()
        daemon.wait(lambda: len(daemon.titles()) == 3)
        with contextlib.suppress(OSError), (site.store.parent / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(b"\0" * 4096):
                pass
        for number in (10, 11, 12):
            os.utime(site.archive.write(number, text="word " * 10_000))
            time.sleep(1)
        daemon.wait(lambda: [line for line in daemon.lines() if line["level"] == "error"])
        time.sleep(2)
        assert len([line for line in daemon.lines() if line["level"] == "error"]) <= 4
        assert len(daemon.titles()) == 3
        (site.store.parent / "ballast").unlink()
        daemon.wait(lambda: len(daemon.titles()) == 6)
        daemon.wait(lambda: daemon.get("/readyz").status_code == 200)
        assert daemon.stop()[0] == 0
        assert site.is_sound()
    finally:
        subprocess.run(["umount", "-l", str(site.store.parent)], check=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_restart_of_the_database_is_survived(
    remote: "Site", web: "Web", stopping: "PostgreSQL", start: "Start", how: signal.Signals
) -> None:
    """Be it in order or a crash: feeds are served on, `/readyz` says what is wrong, the log is no flood; when the
    server is back, what came meanwhile is published, and nobody else may write.
    """
    remote.sources[0]["every"] = "1s"
    remote.archive.write_many(3)
    remote.add_feed("blog", web.url("/blog"), every="1s")
    web.feed("/blog", "One")
    daemon = start(remote).ready()
    daemon.wait(lambda: len(daemon.titles()) == 4)
    assert daemon.get("/readyz").status_code == 200
    stopping.stop(how)
    os.utime(remote.archive.write(10))
    web.feed("/blog", "Two", "One")
    daemon.wait(lambda: daemon.get("/readyz").status_code == 503)
    assert re.search("store: .+: the server (cannot be reached|was stopped)", daemon.get("/readyz").text)
    time.sleep(3)
    assert len(daemon.titles()) == 4
    assert 1 <= len([line for line in daemon.lines() if line["level"] != "info"]) <= 8
    stopping.start()
    daemon.wait(lambda: len(daemon.titles()) == 6)
    daemon.wait(lambda: daemon.get("/readyz").status_code == 200)
    assert daemon.ask("build").stderr == f"feedbridge: {remote.in_use(daemon.process.pid)}\n"
    assert daemon.stop()[0] == 0


def test_articles_on_their_way_into_a_database_that_stops_are_kept_once(
    remote: "Site", stopping: "PostgreSQL", start: "Start"
) -> None:
    """A refresh that is broken off in its midst is told, tried again, and brings what is left."""
    remote.archive.write_many(FEWER)
    daemon = start(remote)
    daemon.wait(has_kept(remote, 100))
    stopping.stop(signal.SIGQUIT)
    daemon.wait(lambda: daemon.lines("refresh broke off"))
    stopping.start()
    assert 100 <= kept(remote) < FEWER
    daemon.wait(lambda: kept(remote) == FEWER and daemon.lines("refresh changed"))
    daemon.wait(lambda: len({entry.id for entry in remote.everything()}) == len(remote.everything()) == FEWER)
    assert daemon.stop()[0] == 0


def test_a_file_in_place_of_the_output_folder(site: "Site", start: "Start") -> None:
    """The daemon stays up, `/readyz` says why it is 503, one message is logged; the folder is made again by itself."""
    site.archive.write_many(3)
    daemon = start(site).ready()
    daemon.wait(lambda: len(daemon.titles()) == 3 and len(daemon.lines("published")) == 2)
    shutil.rmtree(site.public)
    site.public.write_text("mine")
    for number in (10, 11, 12):
        os.utime(site.archive.write(number))
        time.sleep(0.7)
    daemon.wait(lambda: daemon.get("/readyz").status_code == 503)
    assert str(site.public) in daemon.get("/readyz").text
    assert daemon.get("/feeds/news.atom").status_code == 404
    time.sleep(2)
    assert len([line for line in daemon.lines() if line["level"] == "error"]) == 1
    assert site.public.read_text() == "mine"
    site.public.unlink()
    daemon.wait(lambda: daemon.answers("/feeds/news.json"), seconds=15)
    assert len(daemon.titles()) == 6
    daemon.wait(lambda: daemon.get("/readyz").status_code == 200)


# Sources on the web


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def seconds_of(pid: int) -> float:
    """What a process has used of a processor; a reader's start takes a fraction of a second."""
    with contextlib.suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def busy(pids: list[int]) -> list[int]:
    """Those of these processes that are at work."""
    states = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            states[pid] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return [pid for pid, state in states.items() if state == "R"]


def test_a_source_that_fails_is_back_when_its_site_is(site: "Site", web: "Web", start: "Start") -> None:
    """A failure is told once with the reason, the feeds stay up; when the site is well again, so is the source."""
    site.add_feed("blog", web.url("/blog"), every="1s")
    web.feed("/blog", "One")
    daemon = start(site).ready()
    daemon.wait(lambda: daemon.titles() == ["One"])
    web.say("/blog", status="500 Internal Server Error")
    daemon.wait(lambda: daemon.status()["blog"]["failures"])
    assert daemon.status()["blog"]["last_error"] == f"{web.url('/blog')}: 500 Internal Server Error"
    assert daemon.titles() == ["One"]
    web.feed("/blog", "Two", "One")
    daemon.wait(lambda: sorted(daemon.titles()) == ["One", "Two"])
    daemon.wait(lambda: daemon.lines("source recovered"))
    assert daemon.status()["blog"]["failures"] == 0


def test_a_new_address_is_asked_at_once(site: "Site", web: "Web", start: "Start") -> None:
    """Where the settings name another address, it is asked when they are read, whatever the old one had wished."""
    names = ("gone", "waits", "hangs")
    for number, name in enumerate(names):
        url = web.url(f"/{name}", host=f"127.0.0.{number + 2}")
        site.add_feed(name, url, every="1h", timeout="4s", allow_private=["127.0.0.0/8"])
        web.feed(f"/new-{name}", f"News of {name}")
    web.say("/gone", status="410 Gone")
    web.say("/waits", b"", "Retry-After: 86400", status="503 Service Unavailable")
    web.hang("/hangs")
    daemon = start(site)
    daemon.wait(lambda: len(daemon.lines("refresh failed")) == 2 and web.times("/hangs"))
    for source in site.sources[1:]:
        source["url"] = web.url(f"/new-{source['name']}", host="127.0.0.9")
    site.write_config()
    daemon.wait(lambda: daemon.answers("/feeds/news.json") and len(daemon.titles()) == 3)
    assert sorted(daemon.titles()) == ["News of gone", "News of hangs", "News of waits"]
    assert {name: len(web.times(f"/{name}")) for name in names} == {"gone": 1, "waits": 1, "hangs": 1}


def test_a_pause_holds_from_the_next_turn_on(site: "Site", web: "Web", start: "Start") -> None:
    """Sources of one host keep its pause between them; a shorter one in the settings is kept when they are read."""
    site.options["pause"] = "2s"
    for name in ("a", "b", "c"):
        site.add_feed(name, web.url(f"/{name}"), every="1s")
        web.feed(f"/{name}", name)
    daemon = start(site)
    daemon.wait(lambda: len(web.asked) >= 4)
    assert min(gaps([moment for moment, _ in web.asked])) > 1.9
    site.options["pause"] = "0s"
    site.write_config()
    daemon.wait(lambda: daemon.lines("settings reloaded"))
    time.sleep(2.5)
    before = len(web.asked)
    daemon.wait(lambda: len(web.asked) >= before + 6, seconds=6)
    assert min(gaps([moment for moment, _ in web.asked[before:]])) < 1


def test_a_contact_takes_a_restart(site: "Site", web: "Web", start: "Start") -> None:
    """Another contact is refused while it runs: every site is told it with each request."""
    web.feed("/blog", "One")
    site.add_feed("blog", web.url("/blog"))
    daemon = start(site).ready()
    site.options["contact"] = "mailto:me@example.org"
    site.write_config()
    daemon.wait(has_refused(daemon, "contact: has changed; that takes a restart"))


def test_killed_while_a_feed_is_taken_in(site: "Site", other_site: "Site", web: "Web", start: "Start") -> None:
    """Killed in the midst of a feed, it has each entry once in the end, with the id that it would have had undisturbed;
    the readers do not outlive it.
    """
    titles = [f"Entry {number}" for number in range(FEWER)]
    web.feed("/blog", *titles, text="word " * 2000)
    for one in (site, other_site):
        one.sources = []
        one.add_feed("blog", web.url("/blog"))
    readers: list[int] = []
    for at in (0.05, 0.4, 0.7):
        daemon = start(site)
        daemon.wait(has_kept(site, int(FEWER * at)))
        readers += daemon.children()
        daemon.process.kill()
        daemon.process.wait()
        assert kept(site) < FEWER
    daemon = start(site)
    daemon.wait(lambda: has_kept(site, FEWER)() and daemon.lines("refresh changed"))
    daemon.ready().wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in readers))
    daemon.wait(lambda: len(list((site.public / "feeds" / "news").glob("*.json"))) == FEWER // 100)
    assert daemon.stop()[0] == 0
    other_site.options = dict(site.options)
    other_site.build()
    entries = site.everything()
    assert sorted(entry.title for entry in entries) == sorted(titles)
    assert {entry.title: entry.id for entry in entries} == {entry.title: entry.id for entry in other_site.everything()}
    assert_whole(site)


def test_a_reader_that_is_killed_harms_its_source_alone(site: "Site", web: "Web", start: "Start") -> None:
    """The feed that it was reading could not be read; the others are, and so is that one the next time."""
    for name, every in (("long", "1s"), ("short", "1h")):
        site.add_feed(name, web.url(f"/{name}", host=f"127.0.0.{len(name)}"), every=every)
    web.feed("/long", "Long", before="<x/>" * 600_000)
    web.feed("/short", "Short")
    daemon = start(site)
    looks: list[list[int]] = [[]]

    def one_reads_on() -> bool:
        looks.append([pid for pid in busy(daemon.children()) if seconds_of(pid) > 0.8])
        return kept(site) == 1 and len(looks[-1]) == 1 and looks[-1] == looks[-2]

    daemon.wait(lambda: web.times("/long") and one_reads_on())
    (reader,) = looks[-1]
    os.kill(reader, signal.SIGKILL)
    daemon.wait(lambda: daemon.lines("refresh failed"))
    (failed,) = daemon.lines("refresh failed")
    assert (failed["source"], failed["error"]) == (
        "long",
        f"{web.url('/long', host='127.0.0.4')}: took its reader down (signal 9)",
    )
    assert daemon.status()["short"]["last_error"] is None
    daemon.wait(lambda: daemon.lines("source recovered"), seconds=40)
    assert kept(site) == 2


def test_a_signal_ends_it_while_sites_hang(site: "Site", web: "Web", start: "Start") -> None:
    """Whoever is waited for, it ends at once and takes its readers along; the next start asks those sites again."""
    names = [f"hangs-{number}" for number in range(30)]
    for number, name in enumerate(["long", *names]):
        site.add_feed(name, web.url(f"/{name}", host=f"127.0.0.{number + 1}"))
        web.hang(f"/{name}")
    web.feed("/long", "Long", before="<x/>" * 500_000)
    daemon = start(site)
    daemon.wait(lambda: all(web.times(f"/{name}") for name in names) and busy(daemon.children()))
    readers = daemon.children()
    code, took = daemon.stop()
    assert (code, took < 3) == (0, True)
    assert not any(Path(f"/proc/{pid}").exists() for pid in readers)
    assert {line["level"] for line in daemon.lines()} == {"info"}
    web.asked.clear()
    daemon = start(site)
    daemon.wait(lambda: all(web.times(f"/{name}") for name in names), seconds=90)


def test_folders_keep_no_site_waiting(site: "Site", web: "Web", start: "Start") -> None:
    """While as many folders are read as can be at a time, sites are asked and their news is kept in time."""
    for number in range(5):
        site.add_source(f"folder-{number}", seed=number).write_many(FEWER, name=None)
    site.add_feed("blog", web.url("/blog"), every="1s")
    web.feed("/blog", "One")
    daemon = start(site)
    daemon.wait(has_kept(site, FEWER * 3), seconds=60)
    assert max(gaps(web.times("/blog"))) < 4
    assert daemon.status()["blog"]["articles"] == 1


def test_a_store_that_fails_is_no_reason_to_ask_again(site: "Site", web: "Web", start: "Start") -> None:
    """Where what a site said cannot be kept, it is asked again when it would have been its turn, and no sooner."""
    site.sources = []
    site.add_feed("blog", web.url("/blog"), every="2h")
    web.feed("/blog", "One")
    site.build()
    web.asked.clear()
    with site.refusing("polls", "the disk is full"):
        daemon = start(site)
        daemon.wait(lambda: daemon.lines("refresh broke off"))
    asked = datetime.now(UTC)
    daemon.wait(lambda: datetime.fromisoformat(daemon.status()["blog"]["next_poll"]) > asked)
    due = datetime.fromisoformat(daemon.status()["blog"]["next_poll"])
    assert 1.9 < (due - asked).total_seconds() / 3600 < 2.1
    assert len(web.asked) == 1


def test_what_a_refresh_that_broke_off_has_kept_is_published(site: "Site", start: "Start") -> None:
    """The next one, which finds nothing new, sees to that."""
    daemon = start(site).ready()
    with site.refusing("polls", "the disk is full"):
        site.archive.write_many(3)
        daemon.wait(lambda: daemon.lines("refresh broke off"))
        assert (kept(site), daemon.titles()) == (3, [])
    daemon.wait(lambda: len(daemon.titles()) == 3, seconds=30)
    daemon.wait(lambda: 'feedbridge_articles_kept{source="voa"} 3.0' in daemon.get("/metrics").text)


def test_what_nobody_thought_of_is_a_failure_like_others(site: "Site", web: "Web", start: "Start") -> None:
    """Be it of a folder or of a site: status tells it, and its source is tried again ever more seldom."""
    site.archive.write_many(1)
    site.add_feed("blog", web.url("/blog"), every="1s")
    web.feed("/blog", "One")
    site.build()
    site.query("UPDATE articles SET updated = ?", 2**62)  # there is no such year
    site.archive.write(0, text="Quite another text.")
    web.feed("/blog", "One", text="Quite another text.")
    site.query("UPDATE sources SET failures = 3")
    daemon = start(site)
    daemon.wait(lambda: len(daemon.lines("refresh failed")) == 2)
    status = daemon.status()
    for name in ("voa", "blog"):
        assert status[name]["last_error"].startswith("broke off (")
        assert status[name]["failures"] == 4
        due = datetime.fromisoformat(status[name]["next_poll"])
        assert (due - datetime.now(UTC)).total_seconds() > 7


# Files alone


def test_serve_needs_no_store(site: "Site", start: "Start") -> None:
    """Finished files are served without a store and without being touched; what changes on disk is served anew."""
    site.archive.write_many(3)
    site.build()
    site.forget_store()
    stamps = site.stamps()
    daemon = start(site, "serve").ready()
    assert len(daemon.titles()) == 3
    tag = daemon.get("/feeds/news.atom").headers["etag"]
    assert daemon.get("/feeds/news.atom", if_none_match=tag).status_code == 304
    assert not site.store.parent.exists()
    assert site.stamps() == stamps
    assert [line["event"] for line in daemon.lines()] == ["serving"]
    code, took = daemon.stop()
    assert (code, took < 5) == (0, True)


def test_serve_says_what_is_missing(site: "Site", start: "Start") -> None:
    """Before anything is published there is nothing to serve: one line, exit 1."""
    daemon = start(site, "serve")
    assert daemon.process.wait(timeout=60) == 1
    assert daemon.log.read_text() == (
        f'feedbridge: {site.public}: nothing is published there yet; "feedbridge build" does it\n'
    )


# Hubs


class Hub:
    """A WebSub hub that notes what it is told, and answers what it is asked to."""

    def __init__(self) -> None:
        hub = self
        self.status = 204
        self.pause = 0.0
        self.told: list[tuple[str, dict[str, list[str]]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                hub.told.append((self.headers["content-type"], parse_qs(body)))
                time.sleep(hub.pause)
                with contextlib.suppress(OSError):
                    self.send_response(hub.status)
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hub"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    one = Hub()
    yield one
    one.close()


def test_a_hub_is_told_of_changed_feeds_alone(site: "Site", start: "Start", hub: Hub) -> None:
    """Feeds name the hub; it is told of subscription documents that changed, once, and of nothing else."""
    site.options["hub"] = hub.url
    other = site.add_source("other")
    site.feeds = [{"name": "news", "sources": ["voa"]}, {"name": "others", "sources": ["other"]}]
    site.archive.write_many(130)
    other.write(1, link="https://news.example/other/1")
    daemon = start(site).ready()

    def told_all(count: int) -> bool:
        published, told = daemon.lines("published"), daemon.lines("the hub has the word")
        return len(site.everything()) == count and len(published) == len(told)

    def wait_for(count: int) -> None:
        daemon.wait(lambda: told_all(count))
        time.sleep(1)  # what stands in the folder is logged a moment later, and told a moment after that
        daemon.wait(lambda: told_all(count))

    daemon.wait(lambda: len(daemon.lines("refresh changed")) == 2)
    wait_for(130)
    hub.told.clear()
    os.utime(site.archive.write(500))
    wait_for(131)
    ((kind, form),) = hub.told
    assert kind == "application/x-www-form-urlencoded"
    assert form["hub.mode"] == ["publish"]
    assert sorted(form["hub.url"]) == [f"{daemon.url}/feeds/news.{ending}" for ending in ("atom", "json", "rss")]
    answer = daemon.get("/feeds/news.atom")
    assert f'<{hub.url}>; rel="hub"' in answer.headers["link"]
    assert f'<{daemon.url}/feeds/news.atom>; rel="self"' in answer.headers["link"]
    links = etree.fromstring(answer.content).findall("{http://www.w3.org/2005/Atom}link[@rel='hub']")
    assert [link.get("href") for link in links] == [hub.url]
    daemon.stop()
    hub.told.clear()
    daemon = start(site).ready()
    time.sleep(1.5)
    assert hub.told == []


@pytest.mark.parametrize(("status", "pause"), [(503, 0.0), (204, 60.0)])
def test_a_hub_that_fails_harms_nothing(site: "Site", start: "Start", hub: Hub, status: int, pause: float) -> None:
    """Whether it refuses or hangs: feeds go on, requests are answered, and the end does not wait for it."""
    site.options["hub"] = hub.url
    hub.status, hub.pause = status, pause
    site.archive.write_many(3)
    daemon = start(site).ready()
    daemon.wait(lambda: hub.told)
    os.utime(site.archive.write(10))
    daemon.wait(lambda: site.archive.title(10) in daemon.titles(), seconds=5)
    if status == 503:
        first = len(hub.told)
        daemon.wait(lambda: len(hub.told) > first, seconds=8)
    code, took = daemon.stop()
    assert (code, took < 5) == (0, True)
    assert "Traceback" not in daemon.log.read_text()


# The service manager


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(site: "Site", start: "Start", abstract: bool) -> None:
    """It hears READY=1 when files are served, WATCHDOG=1 in time, the span of a reload, and STOPPING=1."""
    site.archive.write_many(1)
    name = f"@feedbridge-test-{os.getpid()}" if abstract else str(site.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(30)
        daemon = start(site, NOTIFY_SOCKET=name, WATCHDOG_USEC="600000")
        assert manager.recv(1000) == b"READY=1"
        assert daemon.answers()
        began = time.monotonic()
        assert [manager.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        assert time.monotonic() - began < 0.6 * 3
        daemon.process.send_signal(signal.SIGHUP)
        heard = [manager.recv(1000)]
        while b"READY=1" not in heard:
            heard.append(manager.recv(1000))
        (span,) = [one for one in heard if one.startswith(b"RELOADING=1\nMONOTONIC_USEC=")]
        assert abs(int(span.rpartition(b"=")[2]) / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 5
        daemon.process.send_signal(signal.SIGTERM)
        while heard[-1] != b"STOPPING=1":
            heard.append(manager.recv(1000))
        assert daemon.process.wait(timeout=10) == 0


def test_dates_in_the_log_are_utc(site: "Site", start: "Start") -> None:
    """Lines carry the instant, the level and the event first; the answer's date is the same hour."""
    daemon = start(site, TZ="Asia/Shanghai")
    daemon.wait(lambda: daemon.lines("started"))
    line = daemon.lines("started")[0]
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["pid"] == daemon.process.pid
    logged = datetime.fromisoformat(line["timestamp"])
    assert abs((datetime.now(UTC) - logged).total_seconds()) < 60
    answered = parsedate_to_datetime(daemon.get("/healthz").headers["date"])
    assert abs((answered - logged).total_seconds()) < 60
