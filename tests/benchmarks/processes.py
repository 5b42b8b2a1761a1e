"""Programs are run, timed, and their memory is added up over all their processes (Linux alone tells it)."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.runner import GateError, MissingError

ROOT = Path(__file__).parents[2]
PROC = Path("/proc")

SAMPLE_SECONDS = 0.2
"""Memory is looked at so often: a hundredth of the time of what is measured, at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """What a program did.

    Attributes:
        megabytes: The most that its processes held together at any time (proportional set size).
    """

    seconds: float
    megabytes: float
    printed: str


def program(name: str, package: str) -> str:
    """Where a program is.

    Raises:
        MissingError: It is not installed; says what to install.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingError(f"{name} is not installed; apt-get install {package}")
    return found


def ours(*words: str) -> Sequence[str]:
    """The words that start our program."""
    return (sys.executable, "-m", "feedbridge", *words)


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a program to its end.

    Raises:
        GateError: It failed.
    """
    began = time.perf_counter()
    with start(command, environment=environment) as process, _Memory(process.pid) as memory:
        printed, complaint = process.communicate()
        seconds = time.perf_counter() - began
    if process.returncode:
        raise GateError(f"{command[0]}: exit code {process.returncode}: {(complaint or printed)[-2000:]}")
    return Ran(seconds=seconds, megabytes=memory.peak / 1e6, printed=printed)


def run_until(command: Sequence[str], path: Path) -> tuple[float, bytes]:
    """Run a program until a file is there, and end it; gives the seconds that it took, and what is in the file.

    Raises:
        GateError: The program ended without it.
    """
    began = time.perf_counter()
    with start(command) as process:
        while not path.exists():
            if process.poll() is not None and not path.exists():
                raise GateError(f"{path.name} was never written")
            time.sleep(0.001)
        seconds, body = time.perf_counter() - began, path.read_bytes()
    return seconds, body


@contextlib.contextmanager
def start(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> "Iterator[subprocess.Popen[str]]":
    """A program that runs as long as the context; a session of its own tells its processes from all others.

    Args:
        command: Starts it.
        environment: Variables that are added to ours.
        log: Where everything goes that it prints; left out, to whoever communicates with it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEEDBRIDGE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once, as in any installation
    with contextlib.ExitStack() as opened:
        out = opened.enter_context(log.open("wb")) if log else subprocess.PIPE
        process = opened.enter_context(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=kept | dict(environment or {}),
                stdout=out,
                stderr=out,
                text=True,
                start_new_session=True,
            )
        )
        try:
            yield process
        finally:
            end(process)


def end(process: "subprocess.Popen[str]") -> None:
    """Ask a program to end; one that does not is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(is_so: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    """Wait for something.

    Raises:
        GateError: It did not come.
    """
    limit = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > limit:
            raise GateError(f"{what}: not within {seconds:g} seconds")
        time.sleep(0.005)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens at a port of 127.0.0.1."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class _Memory(threading.Thread):
    """Looks again and again at how much the processes of a session hold, and remembers the most."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._session = session
        self._ended = threading.Event()

    def __enter__(self) -> "_Memory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, sum(map(_held, _family(self._session))))
            if self._ended.wait(SAMPLE_SECONDS):
                return


def _family(session: int) -> Sequence[int]:
    """The processes of a session, and all that come from them."""
    parents: dict[int, int] = {}
    found = {session}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                _, _, told = (folder / "stat").read_text().rpartition(") ")
                parent, _, its_session = map(int, told.split()[1:4])
                parents[int(folder.name)] = parent
                found |= {int(folder.name)} if its_session == session else set()
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def _held(process: int) -> int:
    """Bytes that a process holds; what it shares with others counts as its part of it. Nothing once it has ended."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
