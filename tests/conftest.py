"""A small site to build: a seeded archive of saved articles, settings, and what readers find in the output folder."""

import asyncio
import contextlib
import fcntl
import gc
import json
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest

from feedbridge import pipeline
from feedbridge.settings import Settings
from feedbridge.store.database import Store
from feedbridge.tally import Step

STORE = os.environ.get("TESTS_STORE", "sqlite")
"""What keeps the stores of the tests: `sqlite`, or `postgresql`."""

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLDEST = datetime(2024, 1, 1, 6, tzinfo=UTC)
WRITTEN = 1_700_000_000
"""When the first file of an archive seems to have been written, seconds since the epoch: long enough ago."""

CHINESE = re.findall("..", "北方市场今天会议声明经济合作天气记者报道计划安全河流城市学校老师问题部长表示新闻")
ENGLISH = re.findall(r"\w+", "river market today meeting statement city school plan minister reporter bridge road")

# How long an example takes is the machine's affair; what is held to a speed counts processor time.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is about files where no store is kept in one."""
    if STORE != "sqlite":
        items[:] = [item for item in items if item.get_closest_marker("sqlite") is None]


def pytest_collection_finish() -> None:
    """What thousands of collected tests hold stays to the end; no collection of garbage need look through it."""
    gc.freeze()


def _nobody(_step: Step) -> None:
    """Nobody looks at the progress."""


class Archive:
    """Writes saved articles into a folder; the same seed and calls give the same files."""

    def __init__(self, root: Path, seed: int = 1) -> None:
        self.root = root
        self._seed = seed
        self._written = 0

    def published(self, number: int) -> datetime:
        """The date in the body of an article."""
        return OLDEST + timedelta(hours=number)

    def link(self, number: int) -> str:
        return f"https://news.example/{'zh' if self._is_chinese(number) else 'en'}/{number}.html"

    def title(self, number: int) -> str:
        return f"{self._words(number, 'title', 4)} {number}"

    def write(
        self,
        number: int,
        *,
        name: str | None = None,
        link: str | None = None,
        title: str | None = None,
        text: str | None = None,
        body: str = "",
        published: datetime | None = None,
        marker: datetime | str | None = None,
        dated: bool = True,
        tags: str | None = None,
        author: str | None = None,
        front: bool | None = None,
    ) -> Path:
        """Write an article, bare or behind front matter; gives its file.

        Args:
            number: Decides whatever is not given; article N was published N hours after the first.
            body: HTML behind the text.
            marker: Stands in the marker line: an instant, or any text; left out, half a minute after `published`.
            dated: Whether the body begins with a date.
            front: Whether there is front matter; left out, every third article has it.
        """
        published = published or self.published(number)
        marker = marker or published + timedelta(seconds=30)
        stamp = marker if isinstance(marker, str) else str(int(marker.timestamp() * 1000))
        title = self.title(number) if title is None else title
        date = f"<div><i>{published:%a, %d %b %Y %H:%M:%S} GMT</i></div>" if dated else ""
        told = f"<p>{text}</p>" if text is not None else self._text(number)
        article = f"<!--{stamp}-->\n[{title}]({link or self.link(number)})\n------\n\n{date}{told}{body}"
        if front or tags or author or (front is None and number % 3 == 0):
            keys = [f"title: {json.dumps(title, ensure_ascii=False)}", f"date: {published:%Y-%m-%d %H:%M:%S} +0000"]
            keys += [f"tags: [{tags}]"] if tags else []
            keys += [f"author: {json.dumps(author, ensure_ascii=False)}"] if author else []
            article = "---\nlayout: post\n" + "\n".join(keys) + f"\n---\n{article}"
        path = self.root / (name or f"{number:05}.md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(article, encoding="utf-8")
        self.touch(path)
        return path

    def write_many(self, count: int, *, start: int = 0, **parts: Any) -> None:
        """Write articles number `start` and on."""
        for number in range(start, start + count):
            self.write(number, **parts)

    def touch(self, path: Path) -> None:
        """Let a file seem to have been written a second after the last one, long ago."""
        self._written += 1
        os.utime(path, (WRITTEN, WRITTEN + self._written))

    def _is_chinese(self, number: int) -> bool:
        return number % 2 == 0

    def _words(self, number: int, part: object, count: int) -> str:
        chance = random.Random(f"{self._seed}/{number}/{part}")
        if self._is_chinese(number):
            return "".join(chance.choices(CHINESE, k=count))
        return " ".join(chance.choices(ENGLISH, k=count)).capitalize()

    def _text(self, number: int) -> str:
        stop = "。" if self._is_chinese(number) else "."
        paragraphs = "".join(f"<p>{self._words(number, part, 12)}{stop}</p>" for part in range(3))
        if number % 5:
            return paragraphs
        picture = f'<img src="https://images.weserv.nl?url=pictures.example/{number}.jpg" width="100%">'
        return f"{picture}<div><small>{self._words(number, 'caption', 3)}</small></div>{paragraphs}"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An entry as readers find it."""

    id: str
    title: str
    link: str | None
    published: str
    updated: str
    content: str
    source: str | None


class Site:
    """An installation in a temporary folder; every build comes an hour after the one before."""

    def __init__(self, folder: Path, server: "PostgreSQL | None" = None) -> None:
        self.folder = folder
        self.public = folder / "public"
        self.store = folder / "var" / "feedbridge.db"
        self.address = server.make() if server else f"sqlite:///{self.store}"
        self._server = server
        self._copies: dict[Path, str] = {}
        self.archive = self.add_source("voa")
        self.feeds: list[dict[str, Any]] = [{"name": "news"}]
        self.pictures: dict[str, Any] = {}
        self.now = NOON

    def add_source(self, name: str, seed: int = 1, **options: Any) -> Archive:
        """A further source with a folder of its own."""
        root = self.folder / name
        root.mkdir(parents=True)
        self.sources = [*getattr(self, "sources", []), {"name": name, "kind": "archive", "path": str(root), **options}]
        self.options: dict[str, Any] = getattr(self, "options", {})
        return Archive(root, seed)

    def add_feed(self, name: str, url: str, **options: Any) -> None:
        """A further source: somebody's feed at an address of this machine, which alone it may reach."""
        place = url.split("/")[2]
        options = {"allow_private": [place], "every": "1h", **options}
        self.sources = [*self.sources, {"name": name, "kind": "feed", "url": url, **options}]

    def settings(self) -> Settings:
        tables = {"site": self._site(), "pictures": self.pictures, "source": self.sources, "feed": self.feeds}
        return Settings.model_validate(tables)

    def build(
        self,
        *,
        accept: Collection[str] = (),
        reread: Collection[str] = (),
        progress: pipeline.Progress = _nobody,
    ) -> pipeline.Build:
        self.now += timedelta(hours=1)
        return pipeline.build(self.settings(), now=self.now, progress=progress, accept=accept, reread=reread)

    def remove(self, name: str) -> pipeline.Removal:
        self.now += timedelta(hours=1)
        return pipeline.remove(self.settings(), name, now=self.now)

    def write_config(self) -> Path:
        """The settings as a file, for a process of its own."""
        tables = [("[site]", self._site())]
        tables += [("[pictures]", self.pictures)]
        tables += [("[[source]]", source) for source in self.sources]
        tables += [("[[feed]]", feed) for feed in self.feeds]
        path = self.folder / "feedbridge.toml"
        path.write_text("\n".join(line for head, keys in tables for line in _toml(head, keys)), encoding="utf-8")
        return path

    def command(self, *words: str) -> list[str]:
        """The words that start the program on this site."""
        return [sys.executable, "-m", "feedbridge", words[0], "--config", str(self.write_config()), *words[1:]]

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the program in a process of its own."""
        options = {"capture_output": True, "text": True, "timeout": 120, "env": _environment(), **options}
        return subprocess.run(self.command(*words), check=False, **options)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the program in a process of its own."""
        return subprocess.Popen(
            self.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_environment()
        )

    def published(self) -> dict[str, bytes]:
        """Every file of the output folder, hidden ones too."""
        return {
            str(path.relative_to(self.public)): path.read_bytes()
            for path in sorted(self.public.rglob("*"))
            if path.is_file()
        }

    def stamps(self) -> dict[str, int]:
        """When each file of the output folder was last written."""
        return {
            str(path.relative_to(self.public)): path.stat().st_mtime_ns
            for path in self.public.rglob("*")
            if path.is_file()
        }

    def shown(self, feed: str = "news", number: int = 0) -> list[Shown]:
        """The entries of a document: 0 is the subscription document, the archive counts from 1."""
        path = f"feeds/{feed}/{number:04}.json" if number else f"feeds/{feed}.json"
        items = json.loads((self.public / path).read_bytes())["items"]
        return [
            Shown(
                id=item["id"],
                title=item["title"],
                link=item.get("url"),
                published=item["date_published"],
                updated=item["date_modified"],
                content=item["content_html"],
                source=item.get("_feedbridge", {}).get("source", {}).get("title"),
            )
            for item in items
        ]

    def archived(self, feed: str = "news") -> list[int]:
        """The numbers of a feed's archive documents."""
        return sorted(int(path.stem) for path in (self.public / "feeds" / feed).glob("*.json"))

    def everything(self, feed: str = "news") -> list[Shown]:
        """The entries of all documents of a feed, newest first."""
        return [entry for number in (0, *reversed(self.archived(feed))) for entry in self.shown(feed, number)]

    def entry(self, text: str, feed: str = "news") -> Shown:
        """The one entry whose link or title holds a text."""
        (found,) = [entry for entry in self.everything(feed) if text in (entry.link or "") or text in entry.title]
        return found

    def order(self, feed: str = "news") -> dict[str, int]:
        """The feed's own order, by id."""
        return dict(
            self.query(
                "SELECT e.uid, e.ordered_at FROM feed_entries e JOIN feeds f ON f.id = e.feed_id WHERE f.name = ?", feed
            )
        )

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database itself."""
        if self._server:
            return self._server.ask(self.address, statement.replace("?", "%s"), *values)
        connection = sqlite3.connect(self.store)
        try:
            found = connection.execute(statement, values).fetchall()
            connection.commit()
        finally:
            connection.close()
        return found

    @contextlib.contextmanager
    def refusing(self, table: str, said: str) -> Iterator[None]:
        """Meanwhile the database says something instead of taking a row into a table."""
        if self._server:
            self.query(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE '{said}'; END$$")
            self.query(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} EXECUTE FUNCTION refuse()")
        else:
            self.query(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, '{said}'); END")
        yield
        self.query("DROP FUNCTION refuse CASCADE" if self._server else "DROP TRIGGER refuse")

    def is_sound(self) -> bool:
        """Whether nothing shows that the store is damaged; a server sees to that itself."""
        return self._server is not None or self.query("PRAGMA integrity_check") == [("ok",)]

    def in_use(self, process: int) -> str:
        """What is said to a second writer while a process holds the store."""
        where = f" on {socket.gethostname()[:24]}" if self._server else ""
        name = Store(self.address, write=False).name
        return f"{name}: is in use by another feedbridge (process {process}{where}); wait for it or stop it"

    def forget_store(self) -> None:
        shutil.rmtree(self.store.parent, ignore_errors=self._server is not None)
        if self._server:
            self.address = self._server.make()

    def put_store_aside(self) -> str:
        """Let the store be as if it were lost; gives where it is now."""
        if self._server:
            aside, self.address = self.address, self._server.make()
            return aside
        return str(self.store.parent.rename(tempfile.mkdtemp(dir=self.folder)))

    def put_store_back(self, aside: str) -> None:
        """Let a store that was put aside be the store again; there is no other."""
        if self._server:
            self.address = aside
        else:
            Path(aside).rename(self.store.parent)

    def copy_store(self, folder: Path) -> str:
        """Copy the store, and what is beside it, into a folder, in place of an older copy; gives its address."""
        shutil.rmtree(folder, ignore_errors=True)
        self.store.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.store.parent, folder)
        if not self._server:
            return f"sqlite:///{folder / self.store.name}"
        if folder in self._copies:
            self._server.drop(self._copies[folder])
        self._copies[folder] = self._server.copy(self.address)
        return self._copies[folder]

    def restore_store(self, folder: Path) -> None:
        """Put what was copied into a folder in the place of the store."""
        shutil.rmtree(self.store.parent, ignore_errors=True)
        shutil.copytree(folder, self.store.parent)
        if self._server:
            self._server.drop(self.address)
            self.address = self._server.copy(self._copies[folder])

    def _site(self) -> dict[str, Any]:
        place = {"store": self.address, "state": str(self.store.parent), "output": str(self.public)}
        return place | self.options

    def forget_public(self) -> None:
        shutil.rmtree(self.public)


def _toml(head: str, keys: dict[str, Any]) -> Iterator[str]:
    yield head
    yield from (f"{key} = {_toml_value(value)}" for key, value in keys.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml_value(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _environment() -> dict[str, str]:
    """Ours without variables that would change the settings, and with the package where these tests found it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEEDBRIDGE_")}
    return kept | {"PYTHONPATH": str(Path(pipeline.__file__).parents[1]), "PYTHONWARNINGS": "error"}


@pytest.fixture(autouse=True)
def _turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where tests run several at a time, let those that are marked `alone` have the machine to themselves."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        yield
        return
    is_alone = request.node.get_closest_marker("alone") is not None
    folder = Path(tempfile.gettempdir())
    with (
        (folder / f"feedbridge-{run}-gate").open("wb") as gate,
        (folder / f"feedbridge-{run}-floor").open("wb") as floor,
    ):
        fcntl.flock(gate, fcntl.LOCK_EX)  # nobody steps in while somebody waits to be alone
        fcntl.flock(floor, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


class PostgreSQL:
    """A database server in a folder of its own, reached on loopback alone; it ends with its process."""

    PROGRAMS = Path("/usr/lib/postgresql/15/bin")

    def __init__(self) -> None:
        self.port = free_port()
        self._secret = secrets.token_hex(8)
        self._count = 0
        self._folder = Path(tempfile.mkdtemp(prefix="feedbridge-postgresql-"))
        self._user: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:  # the server refuses to be run by root
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._user = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
        password = self._folder / "password"
        password.write_text(self._secret, encoding="ascii")
        words = ["initdb", f"--pgdata={self._folder / 'data'}", "--username=tests", f"--pwfile={password}"]
        words += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--locale=C.UTF-8"]
        words += ["--locale-provider=icu", "--icu-locale=en"]  # which orders otherwise than by code points
        subprocess.run(self._words(*words), check=True, capture_output=True, cwd="/")
        self.start()
        self.ask("postgres", "CREATE DATABASE model")
        with Store(self.address("model"), write=True):
            pass

    @classmethod
    def is_installed(cls) -> bool:
        return (cls.PROGRAMS / "postgres").exists()

    def _words(self, program: str, *words: str) -> list[str]:
        """The words that start a program as a user who is not root, and end it if we end."""
        return ["setpriv", *self._user, "--pdeathsig=INT", str(self.PROGRAMS / program), *words]

    def start(self) -> None:
        """Start the server, unless it runs, and wait until it answers."""
        if self._process and self._process.poll() is None:
            return
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "64MB",
            "autovacuum": "off",
        }
        words = [f"--port={self.port}", *(f"--{name}={value}" for name, value in options.items())]
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            self._words("postgres", f"-D{self._folder / 'data'}", *words), stdout=log, stderr=log, cwd="/"
        )
        log.close()
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask("postgres", "SELECT 1")
                return
            except OSError:
                assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: at once (SIGQUIT), or after it has put all in order."""
        assert self._process
        self._process.send_signal(how)
        self._process.wait(30)

    def close(self) -> None:
        """Stop the server for good."""
        self.stop()
        shutil.rmtree(self._folder)

    def address(self, name: str) -> str:
        return f"postgresql+psycopg://tests:{self._secret}@127.0.0.1:{self.port}/{name}"

    def make(self, *, empty: bool = False) -> str:
        """The address of a new database: an empty store, or nothing at all."""
        return self.copy("template0" if empty else "model")

    def copy(self, address: str) -> str:
        """Copy a database, by its name or address, which nobody uses; gives the address of the copy."""
        self._count += 1
        self.ask("postgres", f"CREATE DATABASE s{self._count} TEMPLATE {address.rpartition('/')[2]}")
        return self.address(f"s{self._count}")

    def drop(self, address: str) -> None:
        """Drop a database, by its name or address, whoever uses it."""
        self.ask("postgres", f"DROP DATABASE {address.rpartition('/')[2]} WITH (FORCE)")

    def drop_all(self) -> None:
        """Drop the databases that were made."""
        for (name,) in self.ask("postgres", "SELECT datname FROM pg_database WHERE datname ~ '^s[0-9]+$'"):
            self.drop(name)

    def ask(self, address: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask a database, by its name or address."""
        import psycopg

        address = address if "://" in address else self.address(address)
        try:
            connection = psycopg.connect(address.replace("+psycopg", ""), autocommit=True)
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error
        with connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def database_server() -> Iterator[PostgreSQL]:
    """A server of PostgreSQL."""
    if not PostgreSQL.is_installed():
        (pytest.fail if os.environ.get("TESTS_MUST_RUN") else pytest.skip)("no PostgreSQL here: install `postgresql`")
    server = PostgreSQL()
    yield server
    server.close()


@pytest.fixture
def postgresql(database_server: PostgreSQL) -> Iterator[PostgreSQL]:
    """The same; what a test makes there is dropped afterwards."""
    yield database_server
    database_server.drop_all()


@pytest.fixture
def stopping(postgresql: PostgreSQL) -> Iterator[PostgreSQL]:
    """The server, for a test that stops it; it runs again afterwards."""
    yield postgresql
    postgresql.start()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> PostgreSQL | None:
    """The server that keeps the stores of the tests, or None where files do."""
    found: PostgreSQL | None = request.getfixturevalue("postgresql") if STORE == "postgresql" else None
    return found


@pytest.fixture
def site(tmp_path: Path, server: PostgreSQL | None) -> Site:
    """A site with one source, `voa`, whose archive is empty, and one feed, `news`."""
    return Site(tmp_path / "site", server)


@pytest.fixture
def other_site(tmp_path: Path, server: PostgreSQL | None) -> Site:
    """A second site, to compare with."""
    return Site(tmp_path / "other", server)


@pytest.fixture
def remote(tmp_path: Path, stopping: PostgreSQL) -> Site:
    """A site whose store is on a server, which may be stopped."""
    return Site(tmp_path / "remote", stopping)


@pytest.fixture
def address(tmp_path: Path, server: PostgreSQL | None) -> Path | str:
    """Where a store can be."""
    return server.make() if server else tmp_path / "store.db"


@pytest.fixture
def store(address: Path | str) -> Iterator[Store]:
    """An open, empty store."""
    with Store(address, write=True) as opened:
        yield opened


# Programs that keep running


class Daemon:
    """`run` or `serve` on a site, as a process of its own; what it logs goes to a file."""

    def __init__(self, site: Site, word: str = "run", *words: str, **environment: str) -> None:
        self.site = site
        site.options.setdefault("listen", f"127.0.0.1:{free_port()}")
        site.options.setdefault("base_url", f"http://{site.options['listen']}/")
        self.url = f"http://{site.options['listen']}"
        self.log = site.folder / f"{word}.{len(list(site.folder.glob('*.log')))}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                site.command(word, *words), stdout=log, stderr=log, env=_environment() | environment
            )

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a file; `if_none_match` names the header If-None-Match."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(self.url + path, headers=sent, timeout=10, trust_env=False)

    def answers(self, path: str = "/healthz") -> bool:
        """Whether a path is answered with 200."""
        try:
            return self.get(path).status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> float:
        """Wait until something is so; gives the seconds that it took. The limit is for what must come in time, and else
        so long that only what never comes is missed, however busy the machine is.
        """
        began = time.monotonic()
        while not condition():
            assert self.process.poll() is None, f"ended by itself: {self.log.read_text()}"
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {self.log.read_text()}"
            time.sleep(0.02)
        return time.monotonic() - began

    def ready(self, path: str = "/feeds/news.json") -> "Daemon":
        """Return when a file is served."""
        self.wait(lambda: self.answers(path))
        return self

    def titles(self, path: str = "/feeds/news.json") -> list[str]:
        """The titles in a feed as it is served now."""
        return [item["title"] for item in self.get(path).json()["items"]]

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """What was logged, of one event or of all; every line must be a JSON object. That a look at the schedule was
        skipped, because the one before was not at its end, tells of the machine alone, and is left out.
        """
        written = self.log.read_text(encoding="utf-8")
        whole = written[: written.rfind("\n") + 1]  # the last one may be half there
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if event in line["event"] and "number of running instances" not in line["event"]]

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command beside it; the settings file is left as it is."""
        command = [sys.executable, "-m", "feedbridge", words[0], "-c", str(self.site.folder / "feedbridge.toml")]
        return subprocess.run(
            [*command, *words[1:]], check=False, capture_output=True, text=True, timeout=60, env=_environment()
        )

    def status(self) -> dict[str, dict[str, Any]]:
        """How each source stands."""
        return {one["name"]: one for one in json.loads(self.ask("status", "--json").stdout)["sources"]}

    def memory(self) -> int:
        """Resident bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0

    def children(self) -> list[int]:
        """The processes that it has started and not buried."""
        return _children(self.process.pid)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait for the end; gives the exit code and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        return code, time.monotonic() - began


def free_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    """Starts daemons; those that still run at the end are killed."""
    started: list[Daemon] = []

    def begin(site: Site, *words: str, **environment: str) -> Daemon:
        started.append(Daemon(site, *words, **environment))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()


# Other people's sites

Answer = Callable[[], AsyncIterator[bytes]]
"""What a path is answered, piece by piece; then the server hangs up."""


class Web:
    """A server on every address of 127.0.0.0/8, at one port, in a thread of its own.

    Attributes:
        answers: By path.
        asked: When which path was asked for, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[float, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        start = asyncio.start_server(self._take, "0.0.0.0", 0, backlog=1024)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def say(self, path: str, body: bytes = b"", *headers: str, status: str = "200 OK") -> None:
        """Answer a path with a whole body."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        answer = "\r\n".join(lines).encode() + body

        async def say_it() -> AsyncIterator[bytes]:
            yield answer

        self.answers[path] = say_it

    def feed(self, path: str, *titles: str, text: str = "", before: str = "") -> None:
        """Answer a path with a feed that has these entries; `before` stands before them."""
        items = "".join(
            f"<item><title>{title}</title><link>http://site.example{path}/{title}</link>"
            f"<description>{text}</description></item>"
            for title in titles
        )
        head = (
            f'<?xml version="1.0"?><rss version="2.0"><channel><title>{path}</title><link>http://site.example/</link>'
        )
        self.say(path, f"{head}{before}{items}</channel></rss>".encode())

    def hang(self, path: str) -> None:
        """Take requests for a path and never answer."""

        async def wait() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        self.answers[path] = wait

    def times(self, path: str) -> list[float]:
        """When a path was asked for."""
        return [moment for moment, asked in self.asked if asked == path]

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            self.asked.append((time.monotonic(), path))
            async for piece in self.answers[path]():
                writer.write(piece)
                await writer.drain()


@pytest.fixture
def web() -> Iterator[Web]:
    """Other people's sites."""
    one = Web()
    yield one
    one.close()


def _children(pid: int) -> list[int]:
    """The processes that a process has started and not buried."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found
