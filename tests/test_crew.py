"""Many files are prepared by other processes, and what becomes of these is no matter.

Run as a program, this file is such a process, which stumbles over files whose names say so.
"""

import contextlib
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feedbridge import preparing
from feedbridge.articles.normalise import Rules
from feedbridge.children import frame
from feedbridge.crew import Crew
from feedbridge.fetch.files import FoundFile
from feedbridge.preparing import Order, Prepared, Recipe

FAULTY = (sys.executable, __file__)
SECOND = timedelta(seconds=1)


def stumble(recipe: Recipe, order: Order) -> Prepared:
    """Do what the file's name says, and leave a trace of each try."""
    word, _, _ = order.file.path.partition("-")
    assert recipe.root is not None
    tries = recipe.root / f"tries-{order.file.path}"
    again = tries.exists()
    tries.mkdir(exist_ok=True)
    match word:
        case "crash":
            ctypes.string_at(0)
        case "once" if not again:
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(60)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "eat":
            bytearray(2**30)
        case "exit":
            os._exit(3)
        case "lie":
            os.write(answers, frame(b'{"digest": 1}'))
    return really(recipe, order)


really = preparing.prepare
answers = -1


def children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended has none
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    return Recipe(root=tmp_path, max_bytes=100_000, folder_as=None, now=now, rules=Rules(source="a"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Order]]:
    def write(*names: str) -> list[Order]:
        orders = []
        for number, name in enumerate(names):
            path = tmp_path / name
            path.write_text(f"[{name}](https://a.example/{number})\n---\n\n<p>Text of {name}.</p>")
            stat = path.stat()
            orders.append(Order(file=FoundFile(name, stat.st_size, stat.st_mtime_ns)))
        return orders

    return write


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    gc.collect()  # what other tests left open is not closed in the midst of this one
    started, opened, threads = set(children()), handles(), threading.active_count()
    yield
    assert set(children()) <= started
    assert (handles() <= opened, threading.active_count() <= threads) == (True, True)


def crew_of(recipe: Recipe, *, count: int = 2, deadline: timedelta = 30 * SECOND) -> Crew:
    return Crew(recipe, count=count, deadline=deadline, command=FAULTY)


def in_batches(orders: Sequence[Order], size: int) -> list[Sequence[Order]]:
    return [orders[start : start + size] for start in range(0, len(orders), size)]


@pytest.mark.parametrize("count", [1, 3])
def test_results_are_those_of_one_process_in_their_order(
    recipe: Recipe, write: Callable[..., list[Order]], count: int
) -> None:
    """Nobody can tell who did the work."""
    batches = in_batches(write(*(f"{number}.md" for number in range(40))), 3)
    with Crew(recipe, count=count) as crew:
        done = list(crew.prepare(batches))
        again = list(crew.prepare(batches[:2]))
    assert done == [[really(recipe, order) for order in batch] for batch in batches]
    assert again == done[:2]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("crash", "took its reader down (signal 11)"),
        ("exit", "took its reader down (exit code 3)"),
        ("eat", "needs more memory than a reader has"),
        ("sleep", "could not be read within 1 s"),
        ("lie", "could not be read: the answer of its reader makes no sense"),
    ],
)
def test_file_that_ends_its_process_is_named_and_the_others_go_on(
    recipe: Recipe, write: Callable[..., list[Order]], fault: str, reason: str
) -> None:
    """It is tried twice; those before and after it, in its batch and in others, come as if nothing were."""
    orders = write("a.md", "b.md", f"{fault}-1", "c.md", f"{fault}-2", f"{fault}-3", "d.md", "e.md")
    with crew_of(recipe, deadline=SECOND if fault == "sleep" else 30 * SECOND) as crew:
        done = [one for batch in crew.prepare(in_batches(orders, 4)) for one in batch]
    fine = [place for place, order in enumerate(orders) if order.file.path.endswith(".md")]
    assert [done[place] for place in fine] == [really(recipe, orders[place]) for place in fine]
    assert {one.unusable for place, one in enumerate(done) if place not in fine} == {reason}


def test_process_that_stands_still_is_ended(
    recipe: Recipe, write: Callable[..., list[Order]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stopped hears no alarm of its own."""
    monkeypatch.setattr("feedbridge.crew._GRACE_SECONDS", 0.0)
    monkeypatch.setattr("feedbridge.crew._DYING_SECONDS", 0.1)
    with crew_of(recipe, deadline=SECOND) as crew:
        done = list(crew.prepare([write("a.md", "stop-1", "b.md")]))
    assert [one.unusable for one in done[0]] == [None, "could not be read within 1 s", None]


def test_lost_process_costs_no_file(recipe: Recipe, write: Callable[..., list[Order]]) -> None:
    """What one was lost over may be fine with the next: the out-of-memory killer asks for no reasons."""
    orders = write("a.md", "once-1", "once-2", "b.md")
    with crew_of(recipe, count=1) as crew:
        done = list(crew.prepare([orders]))
    assert done == [[really(recipe, order) for order in orders]]


@pytest.mark.parametrize("command", [("/nowhere/python",), (sys.executable, "-c", "pass")], ids=["none", "ends"])
def test_work_is_done_here_where_no_process_can_be_had(
    recipe: Recipe, write: Callable[..., list[Order]], command: tuple[str, ...]
) -> None:
    """A machine that allows no more processes is no reason to read nothing."""
    batches = in_batches(write(*(f"{number}.md" for number in range(6))), 2)
    with Crew(recipe, count=2, command=command) as crew:
        done = list(crew.prepare(batches))
    assert done == [[really(recipe, order) for order in batch] for batch in batches]


def test_whoever_is_asked_to_stop_stops(recipe: Recipe, write: Callable[..., list[Order]]) -> None:
    """Even while processes are at work that takes them long."""

    def heed() -> None:
        raise InterruptedError

    began = time.monotonic()
    with pytest.raises(InterruptedError), crew_of(recipe) as crew:
        list(crew.prepare([write("sleep-1"), write("sleep-2"), write("a.md")], heed=heed))
    assert time.monotonic() - began < 10


def test_crew_without_work_starts_nothing(recipe: Recipe) -> None:
    """Processes are started when they are needed."""
    before = set(children())
    with Crew(recipe) as crew:
        assert list(crew.prepare([])) == []
        assert set(children()) <= before


def test_orphan_ends(recipe: Recipe, write: Callable[..., list[Order]]) -> None:
    """A process whose parent was killed notices it, and goes."""
    write("a.md")
    with subprocess.Popen([*FAULTY, str(recipe.root)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    until = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def be_a_parent(root: Path) -> None:
    """Have a crew, tell of its process, and wait."""
    recipe = Recipe(root=root, max_bytes=100_000, folder_as=None, now=datetime.now(UTC), rules=Rules(source="a"))
    stat = (root / "a.md").stat()
    with Crew(recipe, count=1) as crew:
        list(crew.prepare([[Order(file=FoundFile("a.md", stat.st_size, stat.st_mtime_ns))]]))
        print(*children(), flush=True)
        time.sleep(60)


if __name__ == "__main__" and sys.argv[1:]:
    be_a_parent(Path(sys.argv[1]))
elif __name__ == "__main__":
    answers = os.dup(1)
    preparing.prepare = stumble
    preparing.main()
