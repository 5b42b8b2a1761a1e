"""Changes in folders and files are noticed as they happen."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from feedbridge import watching

pytestmark = pytest.mark.alone

Watch = Callable[[Path, Callable[..., None]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses, shortened."""
    monkeypatch.setattr(watching, "RETURN", timedelta(seconds=0.1))
    monkeypatch.setattr(watching, "RETRY", timedelta(seconds=0.1))
    monkeypatch.setattr(watching, "_LOOK_MS", 100)
    monkeypatch.setattr(watching, "_DEBOUNCE_MS", 100)


def notices(watch: Watch, path: Path, *steps: Callable[[], object], patience: float = 3) -> list[bool]:
    """Whether something was noticed after each step; then the watch is ended."""

    async def run() -> list[bool]:
        noticed = asyncio.Event()
        watching_it = asyncio.ensure_future(watch(path, lambda *_: noticed.set()))
        await asyncio.sleep(0.2)
        found = []
        for step in steps:
            noticed.clear()
            step()
            until = time.monotonic() + patience
            while not noticed.is_set() and time.monotonic() < until:
                await asyncio.sleep(0.02)
            found.append(noticed.is_set())
            await asyncio.sleep(0.3)
        watching_it.cancel()
        await asyncio.wait([watching_it], timeout=5)
        assert watching_it.cancelled()
        return found

    return asyncio.run(run())


def test_what_happens_below_a_folder_is_noticed(tmp_path: Path) -> None:
    """A file that is new, changed, moved, removed, or in a folder that was just made."""
    steps = (
        lambda: (tmp_path / "a.md").write_text("one"),
        lambda: (tmp_path / "a.md").write_text("two"),
        lambda: (tmp_path / "a.md").rename(tmp_path / "b.md"),
        lambda: (tmp_path / "b.md").unlink(),
        lambda: (tmp_path / "deep" / "er").mkdir(parents=True),
        lambda: (tmp_path / "deep" / "er" / "c.md").write_text("three"),
    )
    assert notices(watching.watch_folder, tmp_path, *steps) == [True] * 6


def test_silence_is_not_noticed(tmp_path: Path) -> None:
    """Where nothing changes nothing is told, nor where somebody reads."""
    file = tmp_path / "a.md"
    file.write_text("one")
    assert notices(watching.watch_folder, tmp_path, lambda: None, file.read_text, patience=0.6) == [False, False]


def test_a_folder_that_comes_back_is_noticed_and_watched(tmp_path: Path) -> None:
    """Whether it was not there at first, was moved away, or another took its place."""
    folder = tmp_path / "folder"

    def vanish() -> None:
        folder.rename(tmp_path / "away")
        time.sleep(0.4)

    def swap() -> None:
        folder.rename(tmp_path / "old")
        folder.mkdir()
        (folder / "x.md").write_text("x")

    steps = (
        folder.mkdir,
        lambda: (folder / "a.md").write_text("one"),
        vanish,
        lambda: (tmp_path / "away").rename(folder),
        lambda: (folder / "a.md").write_text("two"),
        swap,
        lambda: (folder / "x.md").write_text("again"),
    )
    found = notices(watching.watch_folder, folder, *steps)
    assert [found[number] for number in (0, 1, 3, 4, 5, 6)] == [True] * 6


def test_the_places_are_told(tmp_path: Path) -> None:
    """Which files changed; and that it may be anything, where the folder has come back."""
    told: list[watching.Noticed] = []

    async def run() -> None:
        watch = asyncio.ensure_future(watching.watch_folder(tmp_path / "folder", told.append))
        for step in (
            (tmp_path / "folder").mkdir,
            lambda: (tmp_path / "folder/a.md").write_text("one"),
        ):
            await asyncio.sleep(0.3)
            step()
            count, until = len(told), time.monotonic() + 3
            while len(told) == count and time.monotonic() < until:
                await asyncio.sleep(0.02)
        watch.cancel()
        await asyncio.wait([watch], timeout=5)

    asyncio.run(run())
    assert told == [None, frozenset({tmp_path / "folder/a.md"})]


def test_a_file_that_changes_or_is_replaced_is_noticed(tmp_path: Path) -> None:
    """Written in place, replaced as editors do, removed, made anew; its neighbours do not matter."""
    file = tmp_path / "feedbridge.toml"
    file.write_text("one")
    steps = (
        lambda: file.write_text("two"),
        lambda: ((tmp_path / "new").write_text("three"), (tmp_path / "new").replace(file)),
        file.unlink,
        lambda: file.write_text("four"),
    )
    assert notices(watching.watch_file, file, *steps) == [True] * 4
    neighbour = tmp_path / "neighbour.toml"
    assert notices(watching.watch_file, file, lambda: neighbour.write_text("x"), patience=0.6) == [False]
