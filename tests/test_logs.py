"""Log lines for people and for machines."""

import json
import logging
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from feedbridge import logs

if TYPE_CHECKING:
    from tests.conftest import Daemon, Site

    Start = Callable[..., Daemon]

EVIL = 'a\nlevel=error event="x"\r\x1b[2J\x85\u2028\u2029\u202e\u009b31m\udc80 {"level": "error"}'


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was logged."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)


def words(line: str) -> dict[str, str]:
    """The keys and values of a line, as a person reads them."""
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)(?: |$)', line)
    assert " ".join(f"{key}={value}" for key, value in found) == line
    return {key: json.loads(value) if value.startswith('"') else value for key, value in found}


def test_both_forms_hold_the_same_keys(logged: Callable[[], str]) -> None:
    """The instant, the level and the event come first, then the event's own, in the order in which they were said."""
    for as_json in (True, False):
        logs.set_up(as_json=as_json)
        logs.logger().info("refresh changed", source="voa", new=2, error=None, path="/a b")
    machine, person = logged().splitlines()
    values = json.loads(machine)
    assert list(values) == list(words(person)) == ["timestamp", "level", "event", "source", "new", "error", "path"]
    assert {key: values[key] for key in ("level", "event", "source", "new", "error", "path")} == {
        "level": "info",
        "event": "refresh changed",
        "source": "voa",
        "new": 2,
        "error": None,
        "path": "/a b",
    }
    assert person.split(" ", 1)[1] == 'level=info event="refresh changed" source=voa new=2 error=null path="/a b"'


@pytest.mark.parametrize("as_json", [True, False])
def test_foreign_text_stays_in_its_value(logged: Callable[[], str], as_json: bool) -> None:
    """No name, title or reason ends a line, opens another, moves the cursor, or poses as a key."""
    logs.set_up(as_json=as_json)
    logs.logger().error("refresh failed", source=EVIL, error=EVIL, empty="")
    logging.getLogger("some.library").warning("a library says %s", EVIL)
    lines = logged().removesuffix("\n")
    assert len(lines.splitlines()) == len(lines.split("\n")) == 2
    assert all(letter.isprintable() for letter in lines if letter != "\n")
    for line in lines.split("\n"):
        values = json.loads(line) if as_json else words(line)
        assert set(values) <= {"timestamp", "level", "event", "source", "error", "empty"}
        assert values["level"] in {"error", "warning"}


@pytest.mark.parametrize("as_json", [True, False])
def test_an_exception_is_one_line(logged: Callable[[], str], as_json: bool) -> None:
    """A traceback, ours or a library's, is a value of its line."""
    logs.set_up(as_json=as_json)
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        logs.logger().error("poll failed", exc_info=error)
        logging.getLogger("some.library").exception("broken")
    for line in logged().removesuffix("\n").split("\n"):
        values = json.loads(line) if as_json else words(line)
        assert values["exception"].startswith("Traceback (most recent call last):\n")
        assert values["level"] == "error"


def test_libraries_are_heard_from_warnings_on(logged: Callable[[], str]) -> None:
    """What noisy libraries say in passing is left out, and what is told as an error of the store."""
    logs.set_up(as_json=True)
    for name in ("apscheduler.scheduler", "httpx", "watchfiles.main", "alembic.runtime"):
        logging.getLogger(name).info("something")
        logging.getLogger(name).warning("something worse")
    logging.getLogger("psycopg.pipeline").warning("a connection is lost")
    assert [json.loads(line)["event"] for line in logged().splitlines()] == ["something worse"] * 4


def test_people_see_words_and_machines_json(site: "Site", start: "Start") -> None:
    """On a terminal a daemon logs `key=value`, elsewhere a JSON object a line, with the same keys; no secret of the
    environment is in it.
    """
    name = "evil\n\x1b[2Jlevel=error.md"
    site.archive.write(1, name=name, title="evil \x1b[2J title")
    daemon = start(site, SECRET_TOKEN="hunter2hunter2").ready()
    daemon.wait(lambda: daemon.lines("published"))
    assert daemon.stop()[0] == 0
    keys = {line["event"]: list(line) for line in daemon.lines()}
    site.forget_store()
    command = [sys.executable, "-m", "feedbridge", "run", "-c", str(site.write_config())]
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FEEDBRIDGE_")}
    process = subprocess.Popen(
        command, stderr=theirs, stdout=theirs, env=environment | {"SECRET_TOKEN": "hunter2hunter2"}
    )
    try:
        os.close(theirs)
        text = b""
        while b"refresh changed" not in text:
            text += os.read(ours, 65536)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        with_end = text
        while b"stopped" not in with_end:
            with_end += os.read(ours, 65536)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        os.close(ours)
    lines = [words(line) for line in with_end.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")]
    for line in lines:
        assert list(line) == keys.get(line["event"], list(line))
    assert {"started", "refresh changed", "stopping", "stopped"} <= {line["event"] for line in lines}
    assert "hunter2" not in daemon.log.read_text() + with_end.decode()
