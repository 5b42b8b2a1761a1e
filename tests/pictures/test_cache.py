import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedbridge.pictures.cache import Cache, Held, Label
from feedbridge.pictures.kinds import Kind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
GIF = Kind(media_type="image/gif", ending="gif", width=1, height=1)
BLOCK = 4096


class Clock:
    """Shows what it is set to."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Cache:
    """Room for 100 blocks of 4 KiB."""
    return begin(tmp_path / "pictures", clock)


def begin(root: Path, clock: Clock, *, blocks: int = 100, **parts: int) -> Cache:
    cache = Cache(root, max_bytes=blocks * BLOCK, clock=clock, **parts)
    cache.prepare()
    return cache


def put(cache: Cache, address: str, body: bytes = b"GIF89a") -> None:
    with cache.draft() as draft:
        draft.write(body)
        cache.keep(address, draft, GIF, fetched=NOON)


def read(held: Held | None) -> bytes | None:
    return None if held is None else held.read(0, held.label.size)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != "lock")


def test_a_picture_is_found_again(cache: Cache) -> None:
    """With what it is; in pieces, too, and no further than its end."""
    body = bytes(range(256)) * 500
    with cache.draft() as draft:
        draft.write(body[:1000])
        draft.write(body[1000:])
        cache.keep("https://a.example/1", draft, GIF, fetched=NOON)
    held = cache.find("https://a.example/1")
    assert held is not None
    digest = hashlib.sha256(body).hexdigest()
    assert held.label == Label(kind=GIF, size=128_000, digest=digest, fetched=NOON)
    assert held.read(0, 200_000) == body
    assert held.read(127_000, 5_000) == body[127_000:]
    assert (held.read_at_once(10, 300) or held.read(10, 300)) == body[10:310]
    assert cache.find("https://a.example/2") is None


def test_another_process_finds_it(cache: Cache, tmp_path: Path, clock: Clock) -> None:
    """The folder is all that they share, and there is no index."""
    other = begin(tmp_path / "pictures", clock)
    put(cache, "https://a.example/1", b"GIF89a one")
    assert read(other.find("https://a.example/1")) == b"GIF89a one"


def test_nobody_else_may_look(cache: Cache, tmp_path: Path) -> None:
    """Pictures tell what is read here."""
    put(cache, "https://a.example/1")
    for path in [tmp_path / "pictures", *(tmp_path / "pictures").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


def test_what_is_not_kept_is_gone(cache: Cache, tmp_path: Path) -> None:
    """Be it left or broken off."""
    with cache.draft() as draft:
        draft.write(b"GIF89a")
    with pytest.raises(TypeError), cache.draft() as draft:
        draft.write(None)  # type: ignore[arg-type]
    assert files(tmp_path / "pictures") == []


def test_a_later_picture_takes_the_place(cache: Cache, tmp_path: Path) -> None:
    """And whoever reads the earlier one reads it to its end."""
    put(cache, "https://a.example/1", b"GIF89a one")
    earlier = cache.find("https://a.example/1")
    put(cache, "https://a.example/1", b"GIF89a two")
    assert read(earlier) == b"GIF89a one"
    assert read(cache.find("https://a.example/1")) == b"GIF89a two"
    assert len(files(tmp_path / "pictures")) == 1


@pytest.mark.parametrize("cut", [0, 1, 5, 255, 256, 261])
def test_a_torn_file_is_thrown_out(cache: Cache, tmp_path: Path, cut: int) -> None:
    """A power cut can leave part of it; the picture is then fetched anew."""
    put(cache, "https://a.example/1")
    (path,) = files(tmp_path / "pictures")
    os.truncate(path, cut)
    assert cache.find("https://a.example/1") is None
    assert files(tmp_path / "pictures") == []


@pytest.mark.parametrize(
    "label",
    [
        b"{}",
        b"[]",
        b'{"size": 6, "width": "a", "height": 1}',
        b'{"size": 6, "width": 1, "height": 1, "type": 1, "ending": 1, "digest": 1, "fetched": 1e999}',
        b"\xff",
        b"[" * 255,
        b"",
    ],
)
def test_a_file_of_something_else_is_thrown_out(cache: Cache, tmp_path: Path, label: bytes) -> None:
    """Whatever stands where the label should."""
    put(cache, "https://a.example/1")
    (path,) = files(tmp_path / "pictures")
    path.write_bytes(b"GIF89a" + label.ljust(256))
    assert cache.find("https://a.example/1") is None
    assert files(tmp_path / "pictures") == []


def test_what_was_not_asked_for_goes_first(cache: Cache, clock: Clock) -> None:
    """Being found counts as being asked for; so does coming."""
    for number in range(80):
        clock.now += 100
        put(cache, f"https://a.example/{number}")
    for number in range(0, 80, 2):
        clock.now += 100
        assert cache.find(f"https://a.example/{number}")
    for number in range(80, 120):
        clock.now += 100
        put(cache, f"https://a.example/{number}")
    left = {number for number in range(120) if cache.find(f"https://a.example/{number}")}
    assert left >= {*range(0, 80, 2), *range(90, 120)} - set(range(20))
    assert left.isdisjoint(range(1, 40, 2))


def test_a_picture_that_is_read_on_end_is_noted(cache: Cache, clock: Clock) -> None:
    """Once a minute, so that one that is kept open is not the first to go."""
    put(cache, "https://a.example/1")
    held = cache.find("https://a.example/1")
    assert held is not None
    clock.now += 59
    assert not cache.is_touch_due(held)
    clock.now += 2
    assert cache.is_touch_due(held)
    cache.touch(held)
    assert held.asked_at == clock.now
    again = cache.find("https://a.example/1")
    assert again is not None
    assert again.asked_at == clock.now


@pytest.mark.parametrize("size", [10, 5_000, 60_000, 100_000])
def test_the_bound_holds(cache: Cache, size: int) -> None:
    """At every moment, for small pictures and large ones, in blocks as the disk counts them."""
    for number in range(250):
        put(cache, f"https://a.example/{number}", bytes(size))
        assert cache.used() <= 100 * BLOCK
    assert cache.find("https://a.example/249")
    assert cache.used() >= 50 * BLOCK


def test_the_number_of_pictures_is_bound(tmp_path: Path, clock: Clock) -> None:
    """Very many small ones are no burden either."""
    cache = begin(tmp_path / "pictures", clock, blocks=10_000, max_entries=100)
    for number in range(300):
        put(cache, f"https://a.example/{number}")
    assert 70 <= len(files(tmp_path / "pictures")) <= 100


def test_a_smaller_bound_holds_from_the_start(cache: Cache, tmp_path: Path, clock: Clock) -> None:
    """A folder that is too full by new settings is cleared at once."""
    for number in range(80):
        put(cache, f"https://a.example/{number}")
    assert begin(tmp_path / "pictures", clock, blocks=20).used() <= 20 * BLOCK


def test_a_picture_that_is_thrown_out_is_read_to_its_end(cache: Cache, clock: Clock) -> None:
    """Whoever has begun is not cut off."""
    body = os.urandom(50_000)
    put(cache, "https://a.example/first", body)
    held = cache.find("https://a.example/first")
    for number in range(200):
        clock.now += 1
        put(cache, f"https://a.example/{number}", bytes(5_000))
    assert cache.find("https://a.example/first") is None
    assert read(held) == body


def test_files_are_closed(cache: Cache) -> None:
    """When nobody has a picture any more, and when one is torn."""
    put(cache, "https://a.example/1")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(50):
        assert cache.find("https://a.example/1")
        with cache.draft():
            pass
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_files_that_vanish_do_no_harm(cache: Cache, tmp_path: Path) -> None:
    """Another process may throw out the same pictures at the same time."""
    stop = threading.Event()

    def vanish() -> None:
        while not stop.is_set():
            for path in files(tmp_path / "pictures"):
                if path.suffix != ".feedbridge-tmp":
                    path.unlink(missing_ok=True)

    thread = threading.Thread(target=vanish)
    thread.start()
    try:
        for number in range(300):
            put(cache, f"https://a.example/{number}", bytes(20_000))
            cache.find(f"https://a.example/{number}")
    finally:
        stop.set()
        thread.join()


_WRITER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from feedbridge.pictures.cache import Cache
from feedbridge.pictures.kinds import Kind

root, name, count, size, seconds = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
cache = Cache(root, max_bytes=100 * 4096)
cache.prepare()
kind = Kind(media_type="image/gif", ending="gif", width=1, height=1)
for number in range(count):
    with cache.draft() as draft:
        draft.write(name.encode() + bytes(size))
        time.sleep(seconds)
        cache.keep(f"https://{name}.example/{number}", draft, kind, fetched=datetime.now(UTC))
    held = cache.find(f"https://{name}.example/{number}")
    assert held is None or held.read(0, 1) == name.encode()
"""


def writer(root: Path, name: str, count: int, size: int, seconds: int = 0) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-c", _WRITER, str(root), name, str(count), str(size), str(seconds)]
    return subprocess.Popen(words, stderr=subprocess.PIPE)


@pytest.mark.parametrize("size", [3_000, 40_000, 90_000])
def test_two_processes_keep_to_one_bound(cache: Cache, tmp_path: Path, size: int) -> None:
    """While both write as fast as they can, all together stays within the bound, and no picture is torn."""
    processes = [writer(tmp_path / "pictures", name, 400, size) for name in ("a", "b")]
    used = []
    while any(process.poll() is None for process in processes):
        used.append(cache.used())
    for process in processes:
        assert process.communicate()[1].decode() == ""
    assert max(used) <= 100 * BLOCK
    assert max(used) >= 60 * BLOCK
    assert [path for path in files(tmp_path / "pictures") if path.suffix == ".feedbridge-tmp"] == []


def test_what_a_killed_process_was_writing_is_swept_away(tmp_path: Path, clock: Clock) -> None:
    """At the next start; what a living one writes stays."""
    root = tmp_path / "pictures"
    processes = [writer(root, name, 1, 5_000, 30) for name in ("a", "b")]
    deadline = time.monotonic() + 20
    while sum(path.stat().st_size for path in files(root)) < 2 * 5_001 and time.monotonic() < deadline:
        time.sleep(0.02)
    processes[0].send_signal(signal.SIGKILL)
    processes[0].communicate()
    try:
        assert len(files(root)) == 2
        begin(root, clock)
        assert [path.read_bytes()[:1] for path in files(root)] == [b"b"]
    finally:
        processes[1].kill()
        processes[1].communicate()


def test_a_full_disk_leaves_nothing_behind(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the system's, and the picture that stood there stays."""
    put(cache, "https://a.example/1", b"GIF89a one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdatasync", full)
    with pytest.raises(OSError, match="No space left"):
        put(cache, "https://a.example/1", b"GIF89a two")
    assert read(cache.find("https://a.example/1")) == b"GIF89a one"
    assert len(files(tmp_path / "pictures")) == 1


def test_a_draft_knows_what_it_is(cache: Cache) -> None:
    """By its bytes, which need not be in memory."""
    with cache.draft() as draft:
        assert draft.identify().reason == "is empty"  # type: ignore[union-attr]
        draft.write(b"GIF89a\3\0\2\0")
        assert draft.identify() == Kind(media_type="image/gif", ending="gif", width=3, height=2)
