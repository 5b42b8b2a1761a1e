import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feedbridge.errors import FetchError, UnusableItem
from feedbridge.fetch.files import (
    FoundFile,
    Listing,
    Unsettled,
    is_young,
    list_folder,
    look_again,
    look_at,
    read_file,
    storable,
    too_long,
)
from feedbridge.model import FolderRequest

DEFAULT = ("**/*.md", "**/*.txt", "**/*.html")
LEADS_OUT = "is a link that leads out of the folder, or nowhere"


def listed(root: Path, *patterns: str) -> Listing:
    return list_folder(FolderRequest(root=root, patterns=patterns or DEFAULT, max_bytes=1000))


def names(root: Path, *patterns: str) -> list[str]:
    return [file.path for file in listed(root, *patterns).files]


def write(path: Path, body: bytes = b"text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def open_handles() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def found(root: Path, path: str) -> FoundFile:
    """A file as the folder lists it."""
    (file,) = [file for file in listed(root, "**/*").files if file.path == path]
    return file


class TestGlobs:
    PATHS = ("1.md", "2.txt", "3.html", "4.MD", "5.md.bak", "a/1.md", "a/b/1.md", "a/b/c/2.txt", "ab/1.md", "[x].md")

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for path in self.PATHS:
            write(tmp_path / path)
        return tmp_path

    @pytest.mark.parametrize(
        ("patterns", "expected"),
        [
            (DEFAULT, ["1.md", "2.txt", "3.html", "[x].md", "a/1.md", "a/b/1.md", "a/b/c/2.txt", "ab/1.md"]),
            (("*.md",), ["1.md", "[x].md"]),
            (("?.md",), ["1.md"]),
            (("[x].md",), ["[x].md"]),
            (("a/*.md",), ["a/1.md"]),
            (("a/**/*.md",), ["a/1.md", "a/b/1.md"]),
            (("a/**",), ["a/1.md", "a/b/1.md", "a/b/c/2.txt"]),
            (("**/b/*.md",), ["a/b/1.md"]),
            (("*/1.md",), ["a/1.md", "ab/1.md"]),
            (("**/1.md", "*.txt", "1.md"), ["1.md", "2.txt", "a/1.md", "a/b/1.md", "ab/1.md"]),
            (("*.MD",), ["4.MD"]),
            (("1.md",), ["1.md"]),
            (("1xmd", "a", "a/", ""), []),
        ],
    )
    def test_patterns(self, root: Path, patterns: tuple[str, ...], expected: list[str]) -> None:
        """`**` crosses folders, `*` and `?` do not, all else is meant as it is; each file comes once, in order."""
        assert names(root, *patterns) == sorted(expected)

    def test_dot_files(self, tmp_path: Path) -> None:
        """What begins with a dot is not listed, nor is anything below it, whatever the pattern says."""
        for path in (".1.md", ".git/1.md", "a/.b/1.md", "a/.1.md.swp", "a/1.md"):
            write(tmp_path / path)

        assert listed(tmp_path, "**", ".git/*", "**/.*") == Listing((found(tmp_path, "a/1.md"),), ())

    def test_what_is_told_of_a_file(self, tmp_path: Path) -> None:
        """Its size and the time of its last change."""
        path = write(tmp_path / "a" / "1.md", b"12345")
        os.utime(path, ns=(1, 1_600_000_000_123_456_789))

        assert listed(tmp_path).files == (FoundFile("a/1.md", 5, 1_600_000_000_123_456_789),)

    @pytest.mark.parametrize(
        "name", ["\"quoted\" 'x'.md", "a\nb.md", "a\tb\\.md", "标题？.md", " .md", "-rf.md", "%00.md"]
    )
    def test_names(self, tmp_path: Path, name: str) -> None:
        """Any name is a name."""
        write(tmp_path / name)

        assert names(tmp_path) == [name]
        assert found(tmp_path, name).key == name

    def test_names_that_are_not_utf8(self, tmp_path: Path) -> None:
        """Such a file is listed and read; its key is text that a store and a report can hold."""
        path = os.fsencode(tmp_path) + b"/\xff\xfe\xb1\xea.md"
        with open(path, "wb") as file:  # noqa: PTH123  (a path of bytes)
            file.write(b"text")
        one = listed(tmp_path).files[0]

        assert one.path == os.fsdecode(b"\xff\xfe\xb1\xea.md")
        assert one.key == r"\xff\xfe\xb1\xea.md"
        assert one.key.encode() == rb"\xff\xfe\xb1\xea.md"
        assert read_file(tmp_path, one, max_bytes=100) == b"text"

    def test_storable(self) -> None:
        """Text stays as it is; single bytes are spelled out."""
        assert storable("a/标题\n.md") == "a/标题\n.md"
        assert storable("a/\udcff标.md") == r"a/\xff标.md"


class TestFolder:
    def test_missing(self, tmp_path: Path) -> None:
        """A missing folder fails the source, and the message says what to do."""
        with pytest.raises(FetchError, match="no such folder; mend `path`, or mount it"):
            listed(tmp_path / "no")

    def test_a_file(self, tmp_path: Path) -> None:
        """So does a file in its place."""
        with pytest.raises(FetchError, match="is not a folder; mend `path`"):
            listed(write(tmp_path / "a.md"))

    def test_a_loop(self, tmp_path: Path) -> None:
        """So does a link that leads to itself."""
        (tmp_path / "loop").symlink_to("loop")

        with pytest.raises(FetchError, match="cannot be listed"):
            listed(tmp_path / "loop")

    def test_empty(self, tmp_path: Path) -> None:
        """An empty folder holds nothing; that is no fault."""
        assert listed(tmp_path) == Listing((), ())

    def test_a_link_to_the_folder(self, tmp_path: Path) -> None:
        """The folder itself may be a link."""
        write(tmp_path / "real" / "1.md")
        (tmp_path / "link").symlink_to("real")

        assert names(tmp_path / "link") == ["1.md"]
        assert read_file(tmp_path / "link", found(tmp_path / "link", "1.md"), max_bytes=10) == b"text"

    def test_without_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The source fails where the folder itself is closed; a closed folder inside is named, the rest goes on."""
        write(tmp_path / "open" / "1.md")
        write(tmp_path / "shut" / "1.md")
        closed = str(tmp_path / "shut")
        opened = os.open

        def guarded(path: str, flags: int) -> int:
            if str(path) == closed:
                raise PermissionError(errno.EACCES, "Permission denied")
            return opened(path, flags)

        monkeypatch.setattr(os, "open", guarded)

        assert names(tmp_path) == ["open/1.md"]
        assert listed(tmp_path).refused == (("shut/", "cannot be listed (Permission denied)"),)
        with pytest.raises(FetchError, match=r"shut: cannot be listed \(Permission denied\)"):
            listed(tmp_path / "shut")

    def test_a_folder_goes_while_others_are_listed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What vanishes in between is named; the source does not fail for it."""
        write(tmp_path / "a" / "1.md")
        write(tmp_path / "b" / "1.md")
        scandir = os.scandir

        def removing(folder: int) -> Iterator[os.DirEntry[str]]:
            entries = list(scandir(folder))
            if "a" in (entry.name for entry in entries):
                (tmp_path / "a" / "1.md").unlink()
                (tmp_path / "a").rmdir()
            return iter(entries)

        monkeypatch.setattr(os, "scandir", removing)
        listing = listed(tmp_path)

        assert [file.path for file in listing.files] == ["b/1.md"]
        assert listing.refused == (("a/", "cannot be listed (No such file or directory)"),)


class TestLinks:
    def test_inside(self, tmp_path: Path) -> None:
        """Links to files of the same folder are followed; each name is a file."""
        write(tmp_path / "a" / "1.md")
        (tmp_path / "2.md").symlink_to("a/1.md")

        assert listed(tmp_path) == Listing((found(tmp_path, "2.md"), found(tmp_path, "a/1.md")), ())

    def test_outside(self, tmp_path: Path) -> None:
        """No link leads out of the folder, be it to a file or to a folder."""
        write(tmp_path / "secret" / "1.md")
        root = tmp_path / "root"
        write(root / "1.md")
        (root / "file.md").symlink_to(tmp_path / "secret" / "1.md")
        (root / "folder").symlink_to("../secret")
        (root / "etc.txt").symlink_to("/etc/passwd")
        (root / "up").symlink_to("..")

        assert names(root) == ["1.md"]
        assert listed(root).refused == tuple((name, LEADS_OUT) for name in ("etc.txt", "file.md", "folder", "up"))

    def test_nowhere_and_in_circles(self, tmp_path: Path) -> None:
        """Dangling links and circles are named; a link to a folder above is no way to go round for ever."""
        write(tmp_path / "a" / "1.md")
        (tmp_path / "dangling.md").symlink_to("no.md")
        (tmp_path / "self.md").symlink_to("self.md")
        (tmp_path / "a" / "up").symlink_to("..")
        (tmp_path / "here").symlink_to(".")

        assert names(tmp_path) == ["a/1.md"]
        assert listed(tmp_path).refused == (("dangling.md", LEADS_OUT), ("self.md", LEADS_OUT))

    def test_a_folder_goes_by_its_own_name(self, tmp_path: Path) -> None:
        """However the folder is ordered on disk, files are not found under a link to their folder."""
        for name in "azm":
            (tmp_path / name).symlink_to("n", target_is_directory=True)
            write(tmp_path / "n" / f"{name}.md")

        assert names(tmp_path) == ["n/a.md", "n/m.md", "n/z.md"]

    def test_a_link_to_a_hidden_folder(self, tmp_path: Path) -> None:
        """What is hidden may be shown by a link; of several links the first by name counts."""
        write(tmp_path / ".store" / "b" / "1.md")
        for name in ("z", "a", "m"):
            (tmp_path / name).symlink_to(".store")

        assert names(tmp_path) == ["a/b/1.md"]


class TestNoFiles:
    def test_other_entries(self, tmp_path: Path) -> None:
        """Pipes, sockets and devices are named, and nothing waits for them."""
        os.mkfifo(tmp_path / "pipe.md")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "socket.md"))
            (tmp_path / "null.md").symlink_to("/dev/null")
            (tmp_path / "folder.md").mkdir()
            write(tmp_path / "1.md")

            assert names(tmp_path) == ["1.md"]
            assert listed(tmp_path).refused == (
                ("null.md", LEADS_OUT),
                ("pipe.md", "is not a file"),
                ("socket.md", "is not a file"),
            )

    @pytest.mark.parametrize("letter", ["章", "\udcff"])
    def test_a_path_that_cannot_be_remembered(self, tmp_path: Path, letter: str) -> None:
        """What is longer than an index of the store takes, as it is stored, is named and left out."""
        deep = "/".join([letter * (240 // len(os.fsencode(letter)))] * 9)
        write(tmp_path / deep / "1.md")
        write(tmp_path / "2.md")

        assert names(tmp_path) == ["2.md"]
        assert listed(tmp_path).refused == (
            (storable(f"{deep}/1.md"), "has a path of more than 2,000 bytes; move it up"),
        )

    @pytest.mark.parametrize("kind", ["pipe", "folder"])
    def test_a_file_becomes_something_else(self, tmp_path: Path, kind: str) -> None:
        """Between listing and reading anything may happen; reading does not wait for a pipe's other end."""
        path = write(tmp_path / "1.md")
        file = found(tmp_path, "1.md")
        path.unlink()
        os.mkfifo(path) if kind == "pipe" else path.mkdir()

        with pytest.raises(Unsettled, match="is no longer a file"):
            read_file(tmp_path, file, max_bytes=100)


class TestReading:
    @pytest.mark.parametrize("body", [b"", b"text", b"\x00\xff" * 100, b"x" * 3_000_000])
    def test_whole(self, tmp_path: Path, body: bytes) -> None:
        """The bytes as they are."""
        write(tmp_path / "a" / "1.md", body)

        assert read_file(tmp_path, found(tmp_path, "a/1.md"), max_bytes=3_000_000) == body

    def test_too_long(self, tmp_path: Path) -> None:
        """A long file is refused for good, with both numbers."""
        write(tmp_path / "1.md", b"x" * 1_001)

        with pytest.raises(UnusableItem, match="is too long: 1,001 bytes, and max_file_bytes is 1,000") as refusal:
            read_file(tmp_path, found(tmp_path, "1.md"), max_bytes=1_000)
        assert not isinstance(refusal.value, Unsettled)
        assert str(refusal.value) == too_long(1_001, 1_000)

    def test_vanished(self, tmp_path: Path) -> None:
        """A file that is gone is for the next refresh to decide."""
        path = write(tmp_path / "1.md")
        file = found(tmp_path, "1.md")
        path.unlink()

        with pytest.raises(Unsettled, match=r"cannot be opened \(No such file or directory\)"):
            read_file(tmp_path, file, max_bytes=100)
        with pytest.raises(Unsettled, match=r"cannot be opened \(No such file or directory\)"):
            look_again(tmp_path, file)

    def test_without_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor is a closed file a reason to give it up."""
        write(tmp_path / "1.md")
        file = found(tmp_path, "1.md")

        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(Unsettled, match=r"cannot be opened \(Permission denied\)"):
            read_file(tmp_path, file, max_bytes=100)

    def test_a_broken_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A read that fails is told, and the handle is closed."""
        write(tmp_path / "1.md")
        file = found(tmp_path, "1.md")
        before = open_handles()

        def fail(*_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "read", fail)
        with pytest.raises(Unsettled, match=r"cannot be read \(Input/output error\)"):
            read_file(tmp_path, file, max_bytes=100)
        assert open_handles() == before

    @pytest.mark.parametrize(
        "change",
        [
            lambda path: path.write_bytes(b"longer text"),
            lambda path: path.write_bytes(b""),
            lambda path: os.utime(path, ns=(1, 1)),
        ],
    )
    def test_changed_since_it_was_listed(self, tmp_path: Path, change: Callable[[Path], object]) -> None:
        """Another size or time says that somebody is at work."""
        path = write(tmp_path / "1.md")
        file = found(tmp_path, "1.md")
        change(path)

        with pytest.raises(Unsettled, match="is still being written"):
            read_file(tmp_path, file, max_bytes=100)
        with pytest.raises(Unsettled, match="is still being written"):
            look_again(tmp_path, file)

    def test_stands_still(self, tmp_path: Path) -> None:
        """A second look at an unchanged file finds the same."""
        write(tmp_path / "1.md")

        assert look_again(tmp_path, found(tmp_path, "1.md")) == found(tmp_path, "1.md")

    @pytest.mark.parametrize(
        ("change", "mtime"),
        [
            (lambda path: path.write_bytes(b"text and more"), None),
            (lambda path: path.write_bytes(b"te"), None),
            (lambda path: path.write_bytes(b"text and more"), "kept"),
            (lambda path: path.write_bytes(b"text"), None),
        ],
        ids=["grows", "shrinks", "grows and hides it", "is written again"],
    )
    def test_changed_while_it_is_read(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        change: Callable[[Path], object],
        mtime: str | None,
    ) -> None:
        """What was read is thrown away unless size and time stood still."""
        path = write(tmp_path / "1.md")
        os.utime(path, ns=(1, 1_600_000_000_000_000_000))
        file = found(tmp_path, "1.md")
        read = os.read

        def interrupted(handle: int, size: int) -> bytes:
            chunk = read(handle, size)
            monkeypatch.setattr(os, "read", read)
            change(path)
            if mtime:
                os.utime(path, ns=(1, file.mtime_ns))
            return chunk

        monkeypatch.setattr(os, "read", interrupted)
        with pytest.raises(Unsettled, match="is still being written"):
            read_file(tmp_path, file, max_bytes=100)

    @pytest.mark.parametrize(
        ("age_seconds", "young"), [(0, True), (0.4, True), (0.6, False), (3600, False), (-0.4, True), (-3600, False)]
    )
    def test_young(self, age_seconds: float, young: bool) -> None:
        """A file that changed less than half a second ago is young; a time far ahead is only a wrong clock."""
        now_ns = 1_600_000_000_000_000_000

        assert is_young(FoundFile("a", 1, now_ns - int(age_seconds * 1e9)), now_ns=now_ns) is young


HOLD = """
import sys
with open(sys.argv[1], "r+b"):
    print("open", flush=True)
    sys.stdin.read()
"""
"""Has a file open for writing, without changing it, until its input ends."""

HAMMER = """
import os, sys
print("go", flush=True)
while True:
    os.close(os.open(sys.argv[1], os.O_RDWR))
"""
"""Opens a file for writing over and over, which breaks every lease that it meets."""

READ = """
import sys, time
from pathlib import Path
from feedbridge.fetch.files import FoundFile, Unsettled, read_file

path = Path(sys.argv[1])
file = FoundFile(path.name, path.stat().st_size, path.stat().st_mtime_ns)
outcomes = {True: 0, False: 0}
end = time.monotonic() + 30
while min(outcomes.values()) < 500 and time.monotonic() < end:
    try:
        read_file(path.parent, file, max_bytes=100)
        outcomes[True] += 1
    except Unsettled:
        outcomes[False] += 1
print(outcomes[True], outcomes[False])
"""
"""Reads a file over and over until it often could and often could not, and says how often."""


def has_leases(path: Path) -> bool:
    """Whether files can be leased here, which is what writers are noticed by."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except (OSError, AttributeError):
        return False
    finally:
        os.close(handle)
    return True


class TestWriters:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = write(tmp_path / "1.md")
        if not has_leases(path):
            pytest.skip("files cannot be leased here")
        return path

    def test_another_process_writes(self, path: Path) -> None:
        """A file that somebody has open for writing is not read, however still it stands; afterwards it is."""
        file = found(path.parent, path.name)
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            with pytest.raises(Unsettled, match="is still being written"):
                read_file(path.parent, file, max_bytes=100)
            holder.communicate("")

        assert read_file(path.parent, file, max_bytes=100) == b"text"

    def test_another_process_reads(self, path: Path) -> None:
        """Readers disturb nobody."""
        with path.open("rb"):
            assert read_file(path.parent, found(path.parent, path.name), max_bytes=100) == b"text"

    def test_no_lease_is_left(self, path: Path) -> None:
        """When a file was read, a writer need not wait for us."""
        read_file(path.parent, found(path.parent, path.name), max_bytes=100)
        started = time.monotonic()
        path.write_bytes(b"new")

        assert time.monotonic() - started < 5
        assert f":{path.stat().st_ino} " not in Path("/proc/locks").read_text(encoding="utf-8")

    def test_writers_that_come_in_between(self, path: Path) -> None:
        """A writer that meets our lease costs us nothing: the signal that tells of it does not end the process."""
        hammer = subprocess.Popen([sys.executable, "-c", HAMMER, str(path)], stdout=subprocess.PIPE, text=True)
        try:
            assert hammer.stdout is not None
            assert hammer.stdout.readline() == "go\n"
            reader = subprocess.run(
                [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=120, check=False
            )
        finally:
            hammer.kill()
            hammer.communicate()
        whole, unsettled = map(int, reader.stdout.split())

        assert (reader.returncode, reader.stderr) == (0, "")
        assert whole > 0
        assert unsettled > 0

    def test_the_signal_is_one_that_is_ignored(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A lease that is broken tells so by a signal whose default is to be ignored, not by SIGIO, which kills."""
        asked: list[tuple[int, int]] = []
        call = fcntl.fcntl

        def noting(handle: int, command: int, argument: int = 0) -> int:
            asked.append((command, argument))
            return call(handle, command, argument)

        monkeypatch.setattr(fcntl, "fcntl", noting)
        read_file(path.parent, found(path.parent, path.name), max_bytes=100)

        assert asked == [
            (fcntl.F_SETSIG, signal.SIGURG),
            (fcntl.F_SETLEASE, fcntl.F_RDLCK),
            (fcntl.F_SETLEASE, fcntl.F_UNLCK),
        ]

    def test_where_nothing_can_be_leased(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a file system or of an owner where no lease is given, size and time must do."""
        write(tmp_path / "1.md")
        file = found(tmp_path, "1.md")

        def refuse(*_: object) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(fcntl, "fcntl", refuse)
        assert read_file(tmp_path, file, max_bytes=100) == b"text"
        monkeypatch.delattr(fcntl, "F_SETLEASE")
        assert read_file(tmp_path, file, max_bytes=100) == b"text"


def test_a_folder_can_be_left_out(tmp_path: Path) -> None:
    """The folder that feeds are written to may lie in that of the articles; its pages are no articles."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public/index.html").write_text("x", encoding="utf-8")
    (tmp_path / "a.html").write_text("x", encoding="utf-8")
    request = FolderRequest(root=tmp_path, patterns=("**/*.html",), max_bytes=1000, leave_out=tmp_path / "public")
    assert [file.path for file in list_folder(request).files] == ["a.html"]


class TestLookAt:
    """A look at a few files of a folder sees them as a look at all of it would, or says that it cannot."""

    def look(self, root: Path, *paths: str) -> list[str] | None:
        request = FolderRequest(root=root, patterns=DEFAULT, max_bytes=1000, leave_out=root / "public")
        found = look_at(request, [root / path for path in paths])
        if found is None:
            return None
        everything = list_folder(request)
        assert set(found.files) <= set(everything.files)
        assert set(found.refused) <= set(everything.refused)
        return [file.path for file in found.files]

    def test_files_that_are_there(self, tmp_path: Path) -> None:
        """Those that are asked for, each once, in their order."""
        for name in ("b.md", "sub/a.md", "c.md", "picture.jpg"):
            write(tmp_path / name)
        assert self.look(tmp_path, "sub/a.md", "c.md", "picture.jpg", "sub/../c.md") == ["c.md", "sub/a.md"]
        assert self.look(tmp_path) == []

    def test_what_is_never_asked_for(self, tmp_path: Path) -> None:
        """Hidden files and folders, and our own output, be they there or gone."""
        for name in (".hidden.md", ".git/a.md", "public/index.html"):
            write(tmp_path / name)
        assert self.look(tmp_path, ".hidden.md", ".git/a.md", ".gone.md", "public/index.html", "public/gone.md") == []

    @pytest.mark.parametrize("name", ["gone.md", "gone", "folder", "folder/gone.md", "lost/gone.md"])
    def test_what_only_the_whole_tells(self, tmp_path: Path, name: str) -> None:
        """What is gone may have been a folder; a folder may have come with its files; nobody watches behind links."""
        write(tmp_path / "folder/a.md")
        assert self.look(tmp_path, "folder/a.md", name) is None

    def test_links(self, tmp_path: Path) -> None:
        """A link is none of the plain files, nor is what lies outside."""
        root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
        write(root / "a.md")
        write(elsewhere / "b.md")
        (root / "link.md").symlink_to(root / "a.md")
        (root / "linked").symlink_to(elsewhere)
        assert self.look(root, "link.md") is None
        assert self.look(root, "linked/b.md") is None
        assert self.look(root, "../elsewhere/b.md") is None
        (tmp_path / "alias").symlink_to(root)
        assert self.look(tmp_path / "alias", "a.md") == ["a.md"]

    def test_a_folder_that_is_gone(self, tmp_path: Path) -> None:
        """That is for the look at the whole to tell."""
        assert (
            look_at(FolderRequest(root=tmp_path / "no", patterns=DEFAULT, max_bytes=9), [tmp_path / "no/a.md"]) is None
        )
