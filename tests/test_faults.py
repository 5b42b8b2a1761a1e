"""What goes wrong around the program: it is killed, the disk is full, a limit is reached. Real processes throughout."""

import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from feedbridge.store import database

if TYPE_CHECKING:
    from tests.conftest import Site

KILLS = 20
ARTICLES = 600


def assert_whole(site: "Site") -> None:
    """Every published file can be read to its end by those who find it now; half files are hidden beside them."""
    for path, body in site.published().items() if site.public.exists() else ():
        name = Path(path).name
        if name.startswith("."):
            assert name.endswith(".feedbridge-tmp")
        elif name.endswith(".json"):
            json.loads(body)
        elif name.endswith(".html"):
            assert body.rstrip().endswith(b"</html>")
        else:
            etree.fromstring(body)


def failures(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines that tell of a failure; there must be no traceback among what was printed."""
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr
    lines = [*done.stderr.splitlines(), *(line for line in done.stdout.splitlines() if "failed" in line)]
    return [line for line in lines if line.strip()]


def test_killed_builds_lose_nothing(site: "Site", other_site: "Site") -> None:
    """Killed at twenty moments, one run after the other, a build leaves every file whole each time; the run that
    gets through at last leaves the same bytes as one that was never disturbed, no temporary file, every article once.
    """
    chance = random.Random(20261123)
    site.archive.write_many(ARTICLES)
    other_site.archive.write_many(ARTICLES)
    began = time.monotonic()
    other_site.build()
    length = time.monotonic() - began
    expected = other_site.published()
    kills = finished = 0
    while kills < KILLS:
        builder = multiprocessing.get_context("fork").Process(target=site.build)
        builder.start()
        builder.join(chance.uniform(0, length))
        if builder.exitcode is None:
            builder.kill()
            builder.join()
            kills += 1
            assert_whole(site)
            continue
        assert builder.exitcode == 0
        assert site.published() == expected
        finished += 1
        site.forget_store()
        if finished % 2:
            site.forget_public()
    site.build()
    assert site.published() == expected
    entries = site.everything()
    assert len(entries) == len({entry.id for entry in entries}) == ARTICLES
    assert site.is_sound()
    assert site.build().published.written == []


def test_killed_update_loses_nothing(site: "Site", other_site: "Site") -> None:
    """Killed while it takes in edits and new articles, a build is made good by the next."""
    chance = random.Random(7)
    for one in (site, other_site):
        one.archive.write_many(300)
        one.build()
        stamp = one.now
        one.archive.write_many(150, start=100, text="Quite another text.", marker=stamp)
        one.archive.write_many(200, start=300)
    began = time.monotonic()
    other_site.build()
    length = time.monotonic() - began
    for _ in range(5):
        builder = multiprocessing.get_context("fork").Process(target=site.build)
        builder.start()
        builder.join(chance.uniform(0, length))
        builder.kill()
        builder.join()
        assert_whole(site)
    site.build()
    assert site.published() == other_site.published()


def test_second_build_beside_a_first_is_told(site: "Site") -> None:
    """While one process builds, another says which one it is, leaves everything alone and exits 1."""
    site.archive.write_many(3)
    with database.Store(site.address, write=True):
        done = site.run("build")
    assert done.returncode == 1
    assert failures(done) == [f"feedbridge: {site.in_use(os.getpid())}"]
    assert not site.public.exists()
    assert site.run("build").returncode == 0


# No room


def limited(size: int) -> Callable[[], None]:
    """Sets the size that no file of a process may grow beyond."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [0, 4096, 100_000, 300_000])
def test_file_size_limit_is_one_line(site: "Site", other_site: "Site", size: int) -> None:
    """Whether the limit stops the store or a document: one line, exit 1, files whole; without it all is made good."""
    for one in (site, other_site):
        one.archive.write_many(300, body=f"<p>{'字' * 1000}</p>")
        assert one.run("build").returncode == 0
        one.archive.write(20, text="Quite another text.")
        one.archive.write_many(20, start=300)
    before = site.published()
    done = site.run("build", preexec_fn=limited(size))
    assert done.returncode == 1
    (line,) = failures(done)
    assert str(site.folder) in line
    assert site.published().keys() == before.keys()
    assert_whole(site)
    assert site.run("build").returncode == 0
    other_site.build()
    assert {path: len(body) for path, body in site.published().items()} == {
        path: len(body) for path, body in other_site.published().items()
    }
    assert len({entry.id for entry in site.everything()}) == 320


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "4m") -> Iterator[Path]:
    """A file system of its own, of a few megabytes; skips the test where none can be mounted."""
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    mount = shutil.which("mount")
    done = subprocess.run(words, capture_output=True, text=True, check=False) if mount else None
    if done is None or done.returncode:
        reason = f"needs to mount a small disk: {done.stderr.strip() if done else 'no mount here'}"
        if os.environ.get("TESTS_MUST_RUN"):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, *, but: int = 0) -> Path:
    """Fill a disk to its last byte, or but for some bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    os.truncate(ballast, max(0, ballast.stat().st_size - but))
    return ballast


@pytest.mark.parametrize("room", [0, 8192, 65_536])
def test_full_output_disk_is_one_line(site: "Site", other_site: "Site", room: int) -> None:
    """Published files stay whole, one line names one of them, exit 1; with room the next build makes all good."""
    with small_disk(site.public):
        for one in (site, other_site):
            one.archive.write_many(260)
            assert one.run("build").returncode == 0
            one.archive.write_many(250, text="Quite another text, and a longer one." * 20)
            one.archive.write_many(20, start=260)
        before = site.published()
        ballast = fill(site.public, but=room)
        done = site.run("build")
        assert done.returncode == 1
        (line,) = failures(done)
        assert str(site.public) in line
        assert "No space left on device" in line
        after = {path: body for path, body in site.published().items() if path != "ballast"}
        assert after.keys() == before.keys()
        if not room:
            assert after == before
        ballast.unlink()
        assert_whole(site)
        assert site.run("build").returncode == 0
        other_site.build()
        sizes = {path: len(body) for path, body in other_site.published().items()}
        assert {path: len(body) for path, body in site.published().items()} == sizes


@pytest.mark.sqlite
@pytest.mark.parametrize("room", [0, 8192, 65_536, 400_000])
def test_full_disk_of_the_store_is_one_line(site: "Site", room: int) -> None:
    """A store that cannot grow stops the build with one line; feeds stay as they were; with room all is made good."""
    site.archive.write_many(100)
    with small_disk(site.store.parent):
        assert site.run("build").returncode == 0
        before = site.published(), site.stamps()
        site.archive.write_many(300, start=100, body=f"<p>{'字' * 1000}</p>")
        ballast = fill(site.store.parent, but=room)
        done = site.run("build")
        assert done.returncode == 1
        (line,) = failures(done)
        assert str(site.store) in line
        assert (site.published(), site.stamps()) == before
        ballast.unlink()
        assert site.run("build").returncode == 0
        assert len({entry.id for entry in site.everything()}) == 400
        assert site.is_sound()


def test_read_only_output_is_one_line(site: "Site") -> None:
    """An output folder that may only be read: one line, exit 1, and later all is made good."""
    site.archive.write_many(160)
    with small_disk(site.public):
        assert site.run("build").returncode == 0
        before = site.published()
        site.archive.write_many(200, start=160)
        subprocess.run(["mount", "-o", "remount,ro", str(site.public)], check=True)
        done = site.run("build")
        assert done.returncode == 1
        (line,) = failures(done)
        assert "Read-only file system" in line
        assert site.published() == before
        subprocess.run(["mount", "-o", "remount,rw", str(site.public)], check=True)
        assert site.run("build").returncode == 0
        assert len(site.everything()) == 360


@pytest.mark.parametrize("place", ["public", "public/feeds", pytest.param("var", marks=pytest.mark.sqlite)])
def test_file_in_place_of_a_folder_is_one_line(site: "Site", place: str) -> None:
    """Where a folder should be is a file: one line names it, exit 1, the file stays; moved away, all is made good."""
    site.archive.write_many(260)
    path = site.folder / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    done = site.run("build")
    assert done.returncode == 1
    (line,) = failures(done)
    assert str(path) in line
    assert path.read_text() == "mine"
    path.unlink()
    assert site.run("build").returncode == 0
    assert len(site.everything()) == 260


def test_too_few_handles_are_told(site: "Site") -> None:
    """With hardly any file handle left a build says so in words and harms nothing; with some it gets through."""
    site.archive.write_many(160)
    assert site.run("build").returncode == 0
    site.archive.write_many(20, start=160)
    codes = []
    for handles in (5, 6, 7, 32):

        def limit(handles: int = handles) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))

        done = site.run("build", preexec_fn=limit)
        assert bool(failures(done)) == bool(done.returncode)
        assert_whole(site)
        codes.append(done.returncode)
    assert (codes[0], codes[-1]) == (1, 0)
    assert len(site.everything()) == 180
