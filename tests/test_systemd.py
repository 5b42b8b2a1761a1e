"""What the service manager is told."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from feedbridge.systemd import Manager


@pytest.fixture(params=["path", "abstract"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A manager's address, and what it hears."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@feedbridge-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name if name[0] == "/" else "\0" + name[1:])
        manager.settimeout(5)
        yield name, manager


def test_each_word_is_a_message_of_its_own(wire: tuple[str, socket.socket]) -> None:
    """The manager hears the words of sd_notify(3), at a path or an abstract name; a reload carries its instant."""
    name, heard = wire
    manager = Manager({"NOTIFY_SOCKET": name})
    manager.ready()
    manager.alive()
    manager.stopping()
    assert [heard.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.reloading()
    word, instant = heard.recv(100).split(b"\n")
    assert word == b"RELOADING=1"
    assert before <= int(instant.removeprefix(b"MONOTONIC_USEC=")) <= before + 5_000_000


@pytest.mark.parametrize("name", ["", "/nowhere/at/all", "@nobody-listens-here", "vsock:2:1234", "nonsense", "/" * 200])
def test_without_a_manager_nothing_happens(name: str) -> None:
    """Nobody there, or an address of another kind: the daemon goes on without a word."""
    Manager({"NOTIFY_SOCKET": name}).ready()
    Manager({}).ready()


def test_a_manager_that_does_not_listen_holds_nobody(tmp_path: Path) -> None:
    """Where the manager takes no more messages, each further one is given up after a moment."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(name)
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with filler:
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    filler.sendto(b"x", name)
        began = time.monotonic()
        Manager({"NOTIFY_SOCKET": name}).ready()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("environ", "within"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(environ: dict[str, str], within: timedelta | None) -> None:
    """A time that is meant for another process, or none at all, asks nothing of us."""
    assert Manager(environ).watchdog == within
