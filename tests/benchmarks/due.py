"""10,000 sources fall due at once: how long the daemon's loop stands still at the worst, while it visits them all.

The daemon is the real one, in a process in which its event loop has one more thing to do: to look at the clock every
millisecond. So is the loop of a process beside it that does nothing else; how long that one stands still is what the
machine does to anybody, and stands in the figures as `idle`. Run as a program, this module is either of the two.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop

from feedbridge import daemon as real
from feedbridge import logs
from feedbridge.store.database import Store
from tests.benchmarks import processes
from tests.benchmarks.daemon import Daemon
from tests.benchmarks.runner import Comparison, Figures, GateError, Row, Run, Stage
from tests.benchmarks.server import sites
from tests.benchmarks.site import toml
from tests.benchmarks.unchanged import Sources

SOURCES, HOSTS = 10_000, 50
SMALL_SOURCES, SMALL_HOSTS = 40, 5
ALLOWED_MILLISECONDS = 50
TICK_SECONDS = 0.001
NOTED_SECONDS = 0.005


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    count, hosts = (SMALL_SOURCES, SMALL_HOSTS) if stage.small else (SOURCES, HOSTS)
    with sites() as server:
        listen = f"127.0.0.1:{processes.free_port()}"
        sources = Sources(stage.folder, server.port, count=count, hosts=hosts, listen=listen)
        known = sources.settings.site.store_path
        with Store(known, write=True) as store:
            sources.learn(store)
        server.asked()
        config, log = stage.folder / "feedbridge.toml", stage.folder / "daemon.log"
        config.write_text("\n".join(line for head, keys in sources.tables for line in toml(head, keys)))
        shutil.copytree(known.parent, stage.folder / "known")

        def ours() -> Figures:
            shutil.rmtree(known.parent)
            shutil.copytree(stage.folder / "known", known.parent)
            with _watched("daemon", stage.folder, log, str(config)) as stalls, _watched("idle", stage.folder) as idle:
                daemon = Daemon(f"http://{listen}", log)
                processes.wait_until(lambda: any(one["event"] == "started" for one in daemon.events()), "started")
                began = time.monotonic()
                while daemon.refreshes()[0] < count:
                    time.sleep(0.5)
                    if time.monotonic() > began + 600:
                        raise GateError(f"{daemon.refreshes()[0]} of {count} sources visited in ten minutes")
                ended = time.monotonic()
            if failed := [one for one in daemon.events() if one["level"] != "info"]:
                raise GateError(f"the daemon complains: {failed[0]}")
            sources.check(server.asked())
            return {
                "stall": _worst(stalls, began, ended),
                "idle": _worst(idle, began, ended),
                "allowed": ALLOWED_MILLISECONDS,
                "seconds": ended - began,
            }

        yield (ours,)


@contextmanager
def _watched(name: str, folder: Path, log: Path | None = None, *words: str) -> "Iterator[list[tuple[float, float]]]":
    """A process of this module; once it has ended, what it noted is in the list."""
    noted: list[tuple[float, float]] = []
    notes = folder / f"{name}.json"
    command = (sys.executable, "-m", __spec__.name, str(notes), *words)
    with processes.start(command, log=log or folder / f"{name}.log"):
        yield noted
    noted += json.loads(notes.read_text())


def _worst(noted: Sequence[tuple[float, float]], began: float, ended: float) -> float:
    """The longest stall between two times, in milliseconds; what is too short to be noted counts as a tick."""
    late = (seconds for at, seconds in noted if began <= at <= ended)
    return 1000 * max(late, default=TICK_SECONDS)


def _watching(noted: list[tuple[float, float]]) -> uvloop.Loop:
    """A loop that looks at the clock again and again, and notes where it came late."""
    loop = uvloop.Loop()

    def tick(due: float) -> None:
        now = time.monotonic()
        if now - due > NOTED_SECONDS:
            noted.append((now, now - due))
        loop.call_later(TICK_SECONDS, tick, now + TICK_SECONDS)

    loop.call_soon(tick, time.monotonic())
    return loop


def _main(notes: Path, config: Path | None = None) -> None:
    """Run a daemon, or nothing, until told to end; then write down when the loop came late, and by how much."""
    noted: list[tuple[float, float]] = []
    if config:
        uvloop.new_event_loop = lambda: _watching(noted)  # which the daemon takes its loop from
        logs.set_up()
        real.run(config, os.environ)
    else:
        loop = _watching(noted)
        loop.add_signal_handler(signal.SIGTERM, loop.stop)
        loop.run_forever()
    notes.write_text(json.dumps(noted))


COMPARISON = Comparison(
    name="due",
    about=f"{SOURCES:,} sources are due at once: the longest that the daemon's loop stands still, by 50 ms",
    rows=(Row(name="longest stall", ours="stall", theirs="allowed", goal=1.0, unit="ms"),),
    prepare=_prepare,
    warm_up=False,
)

if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
