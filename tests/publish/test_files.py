"""Files in the output folder: whole or not at all."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feedbridge.errors import OutputError, PublishError
from feedbridge.publish.files import OutputFolder
from feedbridge.store.feeds import Output


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "public"


@pytest.fixture
def output(root: Path) -> OutputFolder:
    opened = OutputFolder(root)
    opened.prepare()
    return opened


def every_file(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_file_is_put_with_its_folders(output: OutputFolder, root: Path) -> None:
    """The bytes stand under their path, readable for the web server, and nothing else is left."""
    assert output.put("feeds/news/0001.atom", b"one")
    assert (root / "feeds/news/0001.atom").read_bytes() == b"one"
    assert (root / "feeds/news/0001.atom").stat().st_mode & 0o777 == 0o644
    assert every_file(root) == ["feeds/news/0001.atom"]


def test_same_bytes_are_left_alone(output: OutputFolder, root: Path) -> None:
    """A file that holds the same bytes keeps its time; other bytes of the same length are written."""
    output.put("a.atom", b"one")
    os.utime(root / "a.atom", (1, 1))
    assert not output.put("a.atom", b"one")
    assert (root / "a.atom").stat().st_mtime == 1
    assert output.put("a.atom", b"two")
    assert (root / "a.atom").read_bytes() == b"two"


def test_reader_of_the_old_file_keeps_it_whole(output: OutputFolder, root: Path) -> None:
    """Whoever has the old file open reads it to its end: it is replaced, not overwritten."""
    output.put("a.atom", b"old" * 100_000)
    with (root / "a.atom").open("rb") as reader:
        start = reader.read(10)
        output.put("a.atom", b"new")
        assert start + reader.read() == b"old" * 100_000
    assert (root / "a.atom").read_bytes() == b"new"


def test_link_is_replaced_and_not_followed(output: OutputFolder, root: Path, tmp_path: Path) -> None:
    """A link in a file's place, or in that of the file beside, never makes us write elsewhere."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (root / "a.atom").symlink_to(outside)
    assert output.put("a.atom", b"new")
    assert (root / "a.atom").read_bytes() == b"new"
    assert not (root / "a.atom").is_symlink()
    (root / ".b.atom.feedbridge-tmp").symlink_to(outside)
    with pytest.raises(PublishError, match=r"b\.atom: cannot be written"):
        output.put("b.atom", b"new")
    assert outside.read_bytes() == b"mine"
    output.prepare()
    assert output.put("b.atom", b"new")


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "feeds/../../a", "", "."])
def test_path_outside_the_folder_is_refused(output: OutputFolder, root: Path, path: str) -> None:
    """No path leads out of the output folder, or to the folder itself."""
    with pytest.raises(PublishError, match="no path inside"):
        output.put(path, b"")
    with pytest.raises(PublishError, match="no path inside"):
        output.remove(path, digest(b""))
    assert every_file(root.parent) == []


def test_leftovers_of_a_killed_run_are_swept_away(output: OutputFolder, root: Path) -> None:
    """Our temporary files go, wherever we write; everything else of anybody's stays."""
    for path in ("feeds/news.atom", "feeds/news/0001.atom", "index.html"):
        output.put(path, b"good")
        (root / path).with_name(f".{Path(path).name}.feedbridge-tmp").write_bytes(b"half")
    kept = ["feeds/.htaccess", "feeds/mine.feedbridge-tmp", ".well-known/x"]
    for path in kept:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(b"mine")
    output.prepare()
    assert every_file(root) == sorted(["feeds/news.atom", "feeds/news/0001.atom", "index.html", *kept])


def test_only_our_own_bytes_are_removed(output: OutputFolder, root: Path) -> None:
    """A file that holds what we wrote goes, with its folder when that is empty; a changed one stays."""
    output.put("feeds/news/0001.atom", b"one")
    output.put("feeds/news/0002.atom", b"two")
    (root / "feeds/news/0002.atom").write_bytes(b"mine")
    assert not output.remove("feeds/news/0002.atom", digest(b"two"))
    assert output.remove("feeds/news/0001.atom", digest(b"one"))
    assert every_file(root) == ["feeds/news/0002.atom"]
    assert output.remove("feeds/news/0002.atom", digest(b"mine"))
    assert not (root / "feeds/news").exists()
    assert output.remove("feeds/news/0002.atom", digest(b"mine"))
    output.sync()


def test_last_file_takes_no_root_with_it(output: OutputFolder, root: Path) -> None:
    """The output folder itself stays when it is empty."""
    output.put("index.html", b"one")
    assert output.remove("index.html", digest(b"one"))
    assert root.is_dir()
    output.sync()


def test_whole_is_what_has_the_size_that_we_wrote(output: OutputFolder) -> None:
    """Not what is cut, and not what is not there."""
    output.put("a.atom", b"four")
    output.put("b.atom", b"fou")
    written = {path: Output(path=path, digest=digest(b"four"), size=4) for path in ("a.atom", "b.atom", "c.atom")}
    assert output.whole(written) == {"a.atom"}


def test_everything_is_synced(output: OutputFolder, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's bytes are synced before it gets its name; `sync` makes all names of files and folders last."""
    seen: list[Path] = []
    whole = os.fsync

    def fsync(handle: int) -> None:
        seen.append(Path(f"/proc/self/fd/{handle}").readlink())
        whole(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    output.put("feeds/news/0001.atom", b"one")
    assert seen == [root / "feeds/news/.0001.atom.feedbridge-tmp"]
    output.sync()
    assert set(seen[1:]) == {root / "feeds/news", root / "feeds", root}
    del seen[:]
    output.sync()
    assert seen == []
    output.remove("feeds/news/0001.atom", digest(b"one"))
    output.sync()
    assert seen == [root / "feeds"]


# Faults


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Lets fsync fail with the errors that are put into the list."""
    codes: list[int] = []
    whole = os.fsync

    def fsync(handle: int) -> None:
        if codes:
            raise OSError(codes[0], os.strerror(codes[0]))
        whole(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    yield codes
    codes.clear()


@pytest.mark.parametrize(
    ("code", "reach"),
    [
        (errno.ENOSPC, OutputError),
        (errno.EDQUOT, OutputError),
        (errno.EROFS, OutputError),
        (errno.EIO, PublishError),
        (errno.EACCES, PublishError),
    ],
)
def test_failed_write_leaves_the_old_file(
    output: OutputFolder, root: Path, failing: list[int], code: int, reach: type[PublishError]
) -> None:
    """What stood there stays, nothing is left beside, the error names the file, and says if others would fare so."""
    output.put("a.atom", b"old")
    failing.append(code)
    with pytest.raises(PublishError, match=r"a\.atom: cannot be written") as raised:
        output.put("a.atom", b"new")
    assert type(raised.value) is reach
    assert os.strerror(code) in str(raised.value)
    assert (root / "a.atom").read_bytes() == b"old"
    assert every_file(root) == ["a.atom"]
    failing.clear()
    assert output.put("a.atom", b"new")


def test_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    """A file where the output folder would be, or a folder of it, is named."""
    (tmp_path / "public").write_bytes(b"")
    with pytest.raises(PublishError, match="public: cannot be written"):
        OutputFolder(tmp_path / "public").prepare()
    with pytest.raises(PublishError, match="cannot be written"):
        OutputFolder(tmp_path / "public" / "deeper").prepare()
    output = OutputFolder(tmp_path / "other")
    output.prepare()
    (tmp_path / "other" / "feeds").rmdir()
    (tmp_path / "other" / "feeds").write_bytes(b"")
    with pytest.raises(PublishError, match="other/feeds: cannot be written"):
        output.prepare()
    with pytest.raises(PublishError, match="cannot be written"):
        output.put("feeds/news.atom", b"one")
    assert output.read("feeds/news.atom", digest(b"one")) is None
    assert output.remove("feeds/news.atom", digest(b""))


def test_interrupted_write_leaves_nothing_beside(
    output: OutputFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the program is told to end in the middle of a write, no half file is left."""

    def interrupt(_handle: int) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        output.put("a.atom", b"new")
    assert every_file(root) == []
