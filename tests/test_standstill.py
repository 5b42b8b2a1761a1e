"""A build that would find nothing to do: it ends at once, and only where it would."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from feedbridge import pipeline, standstill
from feedbridge.cli import app
from feedbridge.fetch.files import SETTLE_SECONDS

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL

OLD = 1_700_000_000
BODY = "<!--{number}-->\n[标题 {number}](https://news.example/{number})\n------\n<p>2020-01-02</p><p>正文</p>"

Change = Callable[[Path], object]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site over three articles and a file that holds none, built once."""
    for number in (1, 2, 3):
        write(tmp_path / "articles" / f"{number}.md", BODY.format(number=number))
    write(tmp_path / "articles" / "empty.md", "")
    settle(tmp_path, "")
    command = ["build", "--config", str(tmp_path / "feedbridge.toml")]
    assert CliRunner().invoke(app, command, env=dict.fromkeys(set(os.environ) - set(clean()))).exit_code == 0
    return tmp_path


def settle(site: Path, feed: str, *, source: str = "") -> None:
    """Write the settings."""
    (site / "feedbridge.toml").write_text(
        f'[[source]]\nname = "voa"\nkind = "archive"\npath = "articles"\n{source}\n[[feed]]\nname = "news"\n{feed}\n',
        encoding="utf-8",
    )


def write(path: Path, text: str, *, mtime: float = OLD) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (mtime, mtime))


def ran(site: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A build in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "feedbridge", "build", *words],
        cwd=site,
        env={**clean(), "FEEDBRIDGE_CONFIG": "feedbridge.toml", **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FEEDBRIDGE_")}


def ends_at_once(site: Path, *words: str, **environ: str) -> bool:
    """Whether the next build would, though nobody knows it but itself."""
    known = {**clean(), "FEEDBRIDGE_CONFIG": str(site / "feedbridge.toml"), **environ}
    return standstill.answer(["build", *words], known) is not None


def stamps(site: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}


# where nothing has moved


def test_nothing_is_opened(site: Path) -> None:
    """Neither the store nor a published file is written, nor anything else but the note's own time."""
    before = stamps(site)
    done = ran(site)

    assert (done.returncode, done.stderr) == (0, "")
    after = stamps(site)
    assert [path for path in before | after if before.get(path) != after.get(path)] == [
        str(site / "var" / "feedbridge.db.standstill")
    ]


def test_nothing_is_loaded() -> None:
    """That is what it is for: the look itself needs none of the libraries."""
    code = "import sys; from feedbridge import standstill; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert {"sqlalchemy", "pydantic", "typer", "lxml", "selectolax", "asyncio"} & set(loaded) == set()


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_it_says_what_a_look_at_everything_says(site: Path, words: tuple[str, ...]) -> None:
    """To the last sign, be it for people or for programs; the file that holds no article is named each time."""
    at_once = ran(site, *words)
    (site / "var" / "feedbridge.db.standstill").unlink()
    looked = ran(site, *words)

    assert "empty.md" in at_once.stdout
    assert (at_once.stdout, at_once.stderr, at_once.returncode) == (looked.stdout, looked.stderr, looked.returncode)


def test_after_a_change_has_been_taken_in(site: Path) -> None:
    """The build that brings the change notes how things stand; one that finds nothing is not needed for it."""
    write(site / "articles" / "4.md", BODY.format(number=4))
    assert not ends_at_once(site)
    ran(site)
    assert ends_at_once(site)
    assert "标题 4" in (site / "public" / "feeds" / "news.atom").read_text(encoding="utf-8")


def test_status_knows_of_it(site: Path) -> None:
    """A source was looked at, too, when nothing was opened."""
    note = site / "var" / "feedbridge.db.standstill"
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    os.utime(note, (later.timestamp(), later.timestamp()))

    assert status(site) == later.isoformat().replace("+00:00", "Z")

    write(site / "articles" / "4.md", BODY.format(number=4))
    ran(site)
    os.utime(note, (later.timestamp(), later.timestamp()))
    os.utime(site / "var" / "feedbridge.db", (OLD, OLD))
    assert status(site) < later.isoformat(), "the note is of another store"


def status(site: Path) -> str:
    """When the source was last looked at, as `status` has it."""
    command = [sys.executable, "-m", "feedbridge", "status", "--json", "--config", str(site / "feedbridge.toml")]
    told = json.loads(subprocess.run(command, env=clean(), capture_output=True, check=True).stdout)
    stamp: str = told["sources"][0]["last_success"]
    return stamp


# where something has


def edit_same_size(site: Path) -> None:
    write(site / "articles" / "1.md", BODY.format(number=1).replace("正文", "本文"), mtime=OLD + 1)


def replace_store(site: Path) -> None:
    store = site / "var" / "feedbridge.db"
    copy = store.with_name("copy")
    copy.write_bytes(store.read_bytes())
    os.utime(copy, ns=(store.stat().st_mtime_ns, store.stat().st_mtime_ns))
    copy.replace(store)


CHANGES: dict[str, Change] = {
    "a new article": lambda site: write(site / "articles" / "4.md", BODY.format(number=4)),
    "a new article in a new folder": lambda site: write(site / "articles" / "2024.md", BODY.format(number=4)),
    "an edited article": edit_same_size,
    "a touched article": lambda site: os.utime(site / "articles" / "1.md", (OLD + 1, OLD + 1)),
    "an article is gone": lambda site: (site / "articles" / "1.md").unlink(),
    "an article has another name": lambda site: (site / "articles" / "1.md").rename(site / "articles" / "9.md"),
    "the folder is gone": lambda site: (site / "articles").rename(site / "elsewhere"),
    "a link that leads out": lambda site: (site / "articles" / "out.md").symlink_to("/etc/hostname"),
    "a published file is gone": lambda site: (site / "public" / "feeds" / "news.atom").unlink(),
    "a published file was edited": lambda site: write(site / "public" / "index.html", "mine"),
    "all published files are gone": lambda site: (site / "public").rename(site / "elsewhere"),
    "other settings": lambda site: settle(site, "limit = 2"),
    "the same settings, told otherwise": lambda site: settle(site, "# a remark"),
    "no settings": lambda site: (site / "feedbridge.toml").unlink(),
    "damaged settings": lambda site: write(site / "feedbridge.toml", "[[["),
    "settings that name no path": lambda site: write(site / "feedbridge.toml", "[site]\nstore = 3"),
    "settings of another shape": lambda site: write(site / "feedbridge.toml", "site = 3"),
    "no store": lambda site: (site / "var" / "feedbridge.db").unlink(),
    "another store": replace_store,
    "a store that is being written": lambda site: write(site / "var" / "feedbridge.db-wal", "0123"),
    "no note": lambda site: (site / "var" / "feedbridge.db.standstill").unlink(),
    "an empty note": lambda site: write(site / "var" / "feedbridge.db.standstill", ""),
    "a note of another shape": lambda site: write(site / "var" / "feedbridge.db.standstill", '{"folders": [[1]]}'),
    "a note without sense": lambda site: write(site / "var" / "feedbridge.db.standstill", "[" * 100_000),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_has_moved(site: Path, name: str) -> None:
    """Then the build looks for itself."""
    assert ends_at_once(site)
    CHANGES[name](site)
    assert not ends_at_once(site)


def test_another_version(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would write may be other than what stands."""
    monkeypatch.setattr(standstill, "__version__", "0.0.1")
    assert not ends_at_once(site)


@pytest.mark.parametrize(
    "environ",
    [
        {"FEEDBRIDGE_TITLE": "Another"},
        {"FEEDBRIDGE_STORE": "sqlite:///other.db"},
        {"FEEDBRIDGE_CONFIG": "no.toml"},
        {"HOME": "/nowhere"},
    ],
)
def test_another_environment(site: Path, environ: dict[str, str]) -> None:
    """It goes before the settings file, or says what a path means."""
    assert not ends_at_once(site, **environ)


@pytest.mark.parametrize(
    "words", [("--accept", "voa"), ("--rebuild",), ("--help",), ("--config",), ("--config", "no.toml"), ("--jsn",)]
)
def test_other_words(site: Path, words: tuple[str, ...]) -> None:
    """More than a plain build is asked for; or it is not known what."""
    assert not ends_at_once(site, *words)


def test_other_commands(site: Path) -> None:
    """Only a build may find nothing to do."""
    known = {"FEEDBRIDGE_CONFIG": str(site / "feedbridge.toml")}
    assert [standstill.answer(words, known) for words in ([], ["check"], ["renormalise"], ["--version"])] == [None] * 4


# where nothing is noted


@pytest.mark.parametrize(
    ("feed", "source"),
    [
        pytest.param('archives = false\nkeep = "30d"', "", id="what is kept for a time"),
        pytest.param('images = ["serve"]', "", id="addresses that are signed for a time"),
        pytest.param('images = ["mirror"]', "", id="pictures that are copied"),
        pytest.param('images = ["https://p.example/?u={url_encoded}", "keep"]', "", id="pictures that are looked for"),
        pytest.param("", '[[source]]\nname = "web"\nkind = "feed"\nurl = "{url}"', id="a source on the web"),
    ],
)
def test_where_time_or_the_web_may_bring_something(site: Path, feed: str, source: str) -> None:
    """The next build must look."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    settle(site, feed, source=source.format(url=url))
    ran(site)
    assert not ends_at_once(site)


def test_a_store_on_a_server(site: Path, postgresql: "PostgreSQL") -> None:
    """Others may write it at any time, and no file tells of it; nor is what was noted beside a file believed."""
    address = {"FEEDBRIDGE_STORE": postgresql.make()}
    assert ends_at_once(site)
    assert [ran(site, **address).returncode for _ in range(2)] == [0, 0]
    assert not ends_at_once(site, **address)
    assert [path.name for path in site.rglob("*.standstill")] == ["feedbridge.db.standstill"]


def test_a_file_that_is_being_written(site: Path) -> None:
    """It is to be read once it is whole, though its size and time may stay as they are."""
    path = site / "articles" / "4.md"
    write(path, BODY.format(number=4))
    with path.open("r+b"):
        ran(site)
        assert not ends_at_once(site)
    ran(site)
    assert ends_at_once(site)


def test_a_file_that_changes_under_the_build(site: Path) -> None:
    """What is noted is how the files stood when they were read."""
    path = site / "articles" / "4.md"
    now = datetime.now(UTC).timestamp()
    write(path, BODY.format(number=4), mtime=now)  # so that it is read after a moment
    with subprocess.Popen(
        [sys.executable, "-m", "feedbridge", "build", "--config", str(site / "feedbridge.toml")], env=clean()
    ) as build:
        write(path, BODY.format(number=5), mtime=now + SETTLE_SECONDS / 2)
        assert build.wait(60) == 0
    ran(site)
    assert "标题 5" in (site / "public" / "feeds" / "news.atom").read_text(encoding="utf-8")


def test_settings_that_change_under_the_build(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was built was built by the old ones."""
    build = pipeline.build

    def slow(*given: Any, **wishes: Any) -> Any:
        done = build(*given, **wishes)
        settle(site, "limit = 2")
        return done

    monkeypatch.setattr(pipeline, "build", slow)
    for name in set(os.environ) - set(clean()):
        monkeypatch.delenv(name)
    assert CliRunner().invoke(app, ["build", "--config", str(site / "feedbridge.toml")]).exit_code == 0
    assert not ends_at_once(site)


def test_what_is_gone_when_it_is_to_be_noted(site: Path) -> None:
    """That is no failure of the build, which is done by then."""
    seen = standstill.Standstill(folders=(), files=(str(site / "no"),))
    told = site / "feedbridge.toml"
    standstill.note(
        seen,
        began_with=standstill.settings_now(told, {}),
        settings=told,
        environ={},
        store=site / "var" / "feedbridge.db",
        values={},
        lines=[],
    )
    assert ends_at_once(site), "the note of before still holds"


def test_a_document_that_cannot_be_written(site: Path) -> None:
    """It is tried again each time, and is told each time."""
    atom = site / "public" / "feeds" / "news.atom"
    atom.unlink()
    (atom / "in the way").mkdir(parents=True)
    failed = ran(site)
    assert (failed.returncode, ends_at_once(site)) == (1, False)
    assert ran(site).stdout == failed.stdout


def test_a_variable_that_is_no_setting(site: Path) -> None:
    """Whoever misspelt it is told of it each time."""
    for _ in range(2):
        assert "FEEDBRIDGE_TITEL is no setting" in ran(site, FEEDBRIDGE_TITEL="x").stderr


def test_a_note_that_cannot_be_written(site: Path) -> None:
    """It is no harm; the next build looks at everything."""
    note = site / "var" / "feedbridge.db.standstill"
    note.unlink()
    note.mkdir()
    assert [ran(site).returncode, ran(site).returncode] == [0, 0]


# how it is told


def test_nobody_reads_it(site: Path) -> None:
    """A reader who has left changes nothing; that there is no room is an error."""
    command = [sys.executable, "-m", "feedbridge", "build", "--config", str(site / "feedbridge.toml")]
    ours, theirs = os.pipe()
    os.close(ours)
    environ = {**clean(), "FEEDBRIDGE_CONFIG": "feedbridge.toml"}
    assert ran(site, "--config", str(site / "feedbridge.toml")).returncode == 0
    left = subprocess.run(command, env=environ, stdout=theirs, stderr=subprocess.PIPE, timeout=60)
    os.close(theirs)
    assert (left.returncode, left.stderr) == (0, b"")
    with Path("/dev/full").open("wb") as full:
        failed = subprocess.run(command, env=environ, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert (failed.returncode, b"standard output: cannot be written" in failed.stderr) == (1, True)
