"""The command line: real commands on real folders, their words, their JSON and their exit codes."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from alembic import command as alembic
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from typer.testing import CliRunner, Result

from feedbridge import __version__
from feedbridge.cli import app
from feedbridge.settings import environment_names
from feedbridge.store import database, polls
from feedbridge.store.database import REVISIONS, Store
from feedbridge.store.schema import metadata

SEEDS = Path(__file__).parents[1] / "seeds"
SEED_LINK = (
    "https://www.voachinese.com/a/japan-south-korea-and-nato-agree-on-new-partnership-program-20230712/7177283.html"
)
SEED_ID = "urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6"
TITLE = "日韩强化与北约伙伴关系 中国坚决反对北约东进亚太"
FILES = ["feeds.opml", "feeds/news.atom", "feeds/news.html", "feeds/news.json", "feeds/news.rss", "index.html"]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts in its own folder, without settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FEEDBRIDGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of the seed, which is an old file: nothing waits for it to settle."""
    articles = tmp_path / "articles"
    articles.mkdir()
    for seed in SEEDS.iterdir():
        save(articles / seed.name, seed.read_bytes())
    path = tmp_path / "config" / "feedbridge.toml"
    path.parent.mkdir()
    path.write_text(
        '[site]\noutput = "../public"\nstore = "sqlite:///../s.db"\n'
        '[[source]]\nname = "voa"\nkind = "archive"\npath = "../articles"\n',
        encoding="utf-8",
    )
    return path


def save(path: Path, body: bytes) -> None:
    path.write_bytes(body)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def run(*words: str | Path) -> Result:
    """A command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="feedbridge")


def run_json(*words: str | Path) -> Any:
    """What a command that goes well prints as JSON."""
    result = run(*words, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def start(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "feedbridge", *map(str, words)]
    return subprocess.run(command, **{"capture_output": True, "timeout": 60, **options})


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines_of(result: Result) -> list[str]:
    assert "Traceback" not in result.output
    return result.stdout.splitlines()


# build


def test_build_writes_the_feeds_and_says_so(config: Path, tmp_path: Path) -> None:
    """The summary counts what was read and names what was written."""
    result = run("build")
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines_of(result) == [
        "voa: 1 file, 1 read: 1 new, 0 changed, 0 as before, 0 left out",
        "6 files written, 0 unchanged, 0 removed",
        "  feeds/news.atom",
        "  feeds/news.rss",
        "  feeds/news.json",
        "  feeds/news.html",
        "  feeds.opml",
        "  index.html",
    ]
    assert sorted(tree(tmp_path / "public")) == FILES
    assert TITLE in (tmp_path / "public/feeds/news.atom").read_text(encoding="utf-8")


def test_build_again_writes_nothing(config: Path, tmp_path: Path) -> None:
    """No file is read and no byte moves."""
    run("build")
    before = tree(tmp_path / "public")
    assert lines_of(run("build")) == [
        "voa: 1 file, 0 read: 0 new, 0 changed, 0 as before, 0 left out",
        "nothing to write: every file is as it should be",
    ]
    done = run_json("build")
    assert tree(tmp_path / "public") == before
    assert (done["written"], done["removed"], done["left_out"], done["errors"]) == ([], [], [], [])
    assert done["sources"] == [
        {
            "source": "voa",
            "kind": "archive",
            "files": 1,
            "read": 0,
            "new": 0,
            "changed": 0,
            "same": 0,
            "unusable": [],
            "error": None,
            "note": None,
            "asked": True,
            "not_before": None,
            "gone": False,
        }
    ]


def test_build_as_json_holds_what_the_text_says(config: Path) -> None:
    """Counts and names are the same."""
    save(config.parent.parent / "articles" / "empty.md", b"")
    done = run_json("build")
    assert sorted(done["written"]) == FILES
    (source,) = done["sources"]
    assert (source["files"], source["new"], source["unusable"]) == (2, 1, [{"file": "empty.md", "reason": "is empty"}])


def test_bad_files_are_counted_and_named(config: Path) -> None:
    """They are no failure; of a long list the first are shown."""
    for number in range(23):
        save(config.parent.parent / "articles" / f"{number:02}.md", b"")
    result = run("build")
    lines = lines_of(result)
    assert result.exit_code == 0
    assert lines[0].endswith("1 new, 0 changed, 0 as before, 23 left out")
    assert lines[1:21] == [f"  left out {number:02}.md: is empty" for number in range(20)]
    assert lines[21] == "  … and 3 more (--json lists all)"


def test_a_source_that_fails_is_named_and_the_rest_is_published(config: Path, tmp_path: Path) -> None:
    """Exit code 1; the feeds of the others are written."""
    with config.open("a") as file:
        file.write('[[source]]\nname = "gone"\nkind = "archive"\npath = "../nowhere"\n')
    result = run("build")
    assert result.exit_code == 1
    assert lines_of(result)[1] == (
        f"gone: failed: {tmp_path}/nowhere: no such folder; mend `path`, or mount it;"
        " its articles and feeds stay as they were"
    )
    assert sorted(tree(tmp_path / "public")) == FILES
    assert run("build", "--json").exit_code == 1


def test_output_that_cannot_be_written_is_named(config: Path, tmp_path: Path) -> None:
    """Exit code 1, and nobody is told that all is well."""
    (tmp_path / "public").write_text("in the way")
    result = run("build")
    assert result.exit_code == 1
    counts, failure = lines_of(result)[1:]
    assert counts == "0 files written, 0 unchanged, 0 removed"
    assert failure.startswith(f"failed: {tmp_path}/public: ")


def test_a_store_that_is_none_is_named(config: Path, tmp_path: Path) -> None:
    """A folder in its place, or a file that is no database: exit code 1, and the output is not touched."""
    (tmp_path / "s.db").write_bytes(b"no database at all" * 1000)
    result = run("build")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"feedbridge: {tmp_path}/s.db: is damaged; put a backup in its place,"
        ' or let "--rebuild" put it aside and read the archives anew\n'
    )
    assert not (tmp_path / "public").exists()


def test_files_that_are_gone_can_be_accepted(config: Path, tmp_path: Path) -> None:
    """Most of the files gone is a failure, whose mend is the command that it names."""
    run("build")
    (seed,) = (tmp_path / "articles").iterdir()
    seed.unlink()
    result = run("build")
    assert result.exit_code == 1
    assert 'feedbridge build --accept "voa"' in result.stdout
    assert run("build", "--accept", "voa").exit_code == 0


# check


def test_check_of_right_settings(config: Path, tmp_path: Path) -> None:
    """One line says what there is; nothing is made."""
    before = tree(tmp_path)
    result = run("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines_of(result) == [f"config/feedbridge.toml: fine; 1 source, 1 feed table, published in {tmp_path}/public"]
    assert run_json("check") == {"settings": "config/feedbridge.toml", "problems": []}
    assert tree(tmp_path) == before


def test_check_names_a_folder_that_is_not_there(config: Path, tmp_path: Path) -> None:
    """With file, key and mend; exit code 1, for the settings themselves are right."""
    (tmp_path / "articles").rename(tmp_path / "away")
    said = (
        f'config/feedbridge.toml: [[source]] "voa": path: {tmp_path}/articles: no such file or directory;'
        " make the folder, or mend the path"
    )
    result = run("check")
    assert (result.exit_code, lines_of(result)) == (1, [said])
    result = run("check", "--json")
    assert (result.exit_code, json.loads(result.stdout)["problems"]) == (1, [said])


def test_check_looks_at_the_theme(config: Path, tmp_path: Path) -> None:
    """A build would fail by it; and tells of it once, however many pages there are."""
    config.write_text(config.read_text().replace("[site]\n", '[site]\ntheme = "../look"\n'))
    missing = f"{tmp_path}/look: no such folder; make it, for templates of the pages, or leave `theme` out"
    result = run("check")
    assert (result.exit_code, lines_of(result)) == (1, [f"config/feedbridge.toml: [site]: theme: {missing}"])
    result = run("build")
    assert result.exit_code == 1
    assert [line for line in lines_of(result) if "look" in line] == [f"failed: {missing}"]
    (tmp_path / "look").mkdir()
    assert (run("check").exit_code, run("build").exit_code) == (0, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["build"],
        ["check"],
        ["explain", "x"],
        ["preview", "voa"],
        ["remove", "x"],
        ["renormalise"],
        ["status"],
    ],
)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[site]\ntitel = 1\n", '[site]: titel: no such key; did you mean "title"?'),
        (b"x", "is not TOML: "),
        (b"\xff", "is not UTF-8 text (byte 0); save it as UTF-8"),
        (None, 'no such file; "feedbridge init --config c.toml" writes one, --config names another'),
    ],
)
def test_wrong_settings_stop_every_command(tmp_path: Path, words: list[str], text: bytes | None, said: str) -> None:
    """Exit code 2, a line for each mistake on standard error, nothing written."""
    if text is not None:
        Path("c.toml").write_bytes(text)
    before = tree(tmp_path)
    result = run(*words, "--config", "c.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert any(line.startswith(f"feedbridge: c.toml: {said}") for line in result.stderr.splitlines())
    assert all(line.startswith("feedbridge: c.toml: ") for line in result.stderr.splitlines())
    assert tree(tmp_path) == before


def test_the_settings_file_is_named_by_option_or_variable(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option wins; without both, it is config/feedbridge.toml."""
    config.rename("mine.toml")
    assert run("check").stderr.startswith("feedbridge: config/feedbridge.toml: no such file")
    assert run("check", "-c", "mine.toml").stdout.startswith('mine.toml: [[source]] "voa": path: ')
    monkeypatch.setenv("FEEDBRIDGE_CONFIG", "mine.toml")
    assert run("check").stdout.startswith("mine.toml: ")
    assert run("check", "-c", "other.toml").stderr.startswith("feedbridge: other.toml: no such file")
    monkeypatch.setenv("FEEDBRIDGE_CONFIG", "")
    assert run("check").stderr.startswith("feedbridge: config/feedbridge.toml: no such file")


def test_variables_override_the_site(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every command; a misspelt one is told, and changes nothing."""
    monkeypatch.setenv("FEEDBRIDGE_OUTPUT", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("FEEDBRIDGE_TITEL", "x")
    result = run("build")
    assert result.exit_code == 0
    assert sorted(tree(tmp_path / "elsewhere")) == FILES
    assert result.stderr == (
        f"feedbridge: FEEDBRIDGE_TITEL is no setting and is not looked at; there is: {', '.join(environment_names())}\n"
    )


def test_every_command_that_prints_results_prints_them_as_json() -> None:
    """The schema is JSON anyway, and the daemon writes its log as JSON where nobody looks."""
    commands = {
        f"{name} {part}".strip(): found
        for name, command in vars(typer.main.get_command(app))["commands"].items()
        for part, found in vars(command).get("commands", {"": command}).items()
    }
    without = {name for name, command in commands.items() if "--json" not in str([one.opts for one in command.params])}
    assert without == {"run", "serve", "worker", "schema"}


README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BY_NAME = {"proxies", "published_as", "chains"}
"""Keys whose values have names of others as keys."""


def keys_of(value: object) -> Iterator[str]:
    """All keys of a document that are ours."""
    if isinstance(value, list):
        for one in value:
            yield from keys_of(one)
    if isinstance(value, dict):
        yield from value
        yield from (key for name, one in value.items() if name not in BY_NAME for key in keys_of(one))


def test_every_key_of_the_json_is_explained(config: Path, tmp_path: Path) -> None:
    """In the row of its command: scripts depend on them."""
    save(config.parent.parent / "articles" / "empty.md", b"")
    section = README.partition("### With `--json`")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z ]+)`.*?\| (.*) \|$", section, re.MULTILINE))
    commands = (
        ["build"],
        ["check"],
        ["status"],
        ["explain", SEED_ID],
        ["preview", "voa"],
        ["images", "--policy", "origin"],
        ["init", "articles", "--config", "c.toml"],
        ["backup", "b.db"],
        ["db", "upgrade"],
        ["remove", SEED_ID],
    )
    for words in commands:
        name = "db upgrade" if words[0] == "db" else words[0]
        explained = set(re.findall(r"`(\w+)`", rows[name] + (rows["build"] if name == "remove" else "")))
        found = set(keys_of(run_json(*words))) - ({"path", "link"} if name == "init" else set())
        assert found <= explained, f"README.md: ### With `--json` does not explain {found - explained} of {name}"


@pytest.mark.parametrize("words", [["build"], ["check"], ["status"], ["explain", "x"], ["db", "upgrade"]])
def test_an_error_is_told_as_json_too(words: list[str]) -> None:
    """One document on standard output, with the lines that a person reads on standard error."""
    Path("c.toml").write_text("[site]\ntitel = 1\nlimit = 2\n")
    result = run(*words, "--config", "c.toml", "--json")
    assert result.exit_code == 2
    assert [f"feedbridge: {line}" for line in json.loads(result.stdout)["errors"]] == result.stderr.splitlines()


# explain, preview, status


def test_explain_shows_what_made_an_article(config: Path) -> None:
    """By link, id or file: each witness with the verdict on it, each picture with the way it came."""
    run("build")
    result = run("explain", SEED_LINK)
    lines = lines_of(result)
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines[:7] == [
        TITLE,
        f"  id         {SEED_ID}",
        "  source     voa",
        f"  link       {SEED_LINK}",
        "  file       000_93babe1cfb858445.txt (the text's)",
        "  published  2023-07-12T09:38:33Z",
        "  updated    2023-07-12T09:39:03Z",
    ]
    assert "    body         2023-07-12T09:38:33Z taken as published: Wed, 12 Jul 2023 09:38:33 GMT" in lines
    assert lines[-1] == "  in feed    news: feeds/news.atom"
    for name in (SEED_ID, "000_93babe1cfb858445.txt", "articles/000_93babe1cfb858445.txt"):
        assert lines_of(run("explain", name)) == lines


def test_explain_as_json_holds_what_the_text_says(config: Path) -> None:
    """A list, for several sources may have the article."""
    run("build")
    (found,) = run_json("explain", SEED_LINK)
    text = run("explain", SEED_LINK).stdout
    assert (found["id"], found["title"], found["kept"], found["removed"]) == (SEED_ID, TITLE, True, False)
    assert found["feeds"] == [{"name": "news", "document": "feeds/news.atom"}]
    for value in (found["published"], found["updated"], found["link"], found["images"][0]["origin"], *found["files"]):
        assert value in text
    assert all(witness["note"] in text for witness in found["witnesses"])
    assert all(f"  known by   {alias}\n" in text for alias in found["aliases"])
    assert (found["origin"], found["enclosures"]) == (None, [])


def test_explain_before_the_first_build(config: Path, tmp_path: Path) -> None:
    """It says that nothing is kept yet, and makes nothing."""
    before = tree(tmp_path)
    lines = lines_of(run("explain", "000_93babe1cfb858445.txt"))
    assert lines[0] == TITLE
    assert "  not kept yet: this is what the next build would make of it" in lines
    assert tree(tmp_path) == before


def test_explain_of_a_file_that_holds_no_article(config: Path) -> None:
    """The reason is what was asked for: exit code 0."""
    save(config.parent.parent / "articles" / "empty.md", b"")
    result = run("explain", "empty.md")
    assert (result.exit_code, lines_of(result)) == (0, ["empty.md: left out: is empty"])
    assert run_json("explain", "empty.md") == [
        {"file": "empty.md", "unusable": "is empty", "kept": False, "removed": False}
    ]


@pytest.mark.parametrize("words", [["explain", "https://nowhere.example/"], ["remove", "https://nowhere.example/"]])
def test_a_link_that_nobody_knows(config: Path, words: list[str]) -> None:
    """Exit code 1, and what would be right."""
    run("build")
    result = run(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("feedbridge: https://nowhere.example/: no")
    assert "whole link" in result.stderr


def test_preview_shows_what_a_source_would_yield(config: Path, tmp_path: Path) -> None:
    """Nothing is kept, nothing is written."""
    save(tmp_path / "articles" / "zempty.md", b"")
    before = tree(tmp_path)
    result = run("preview", "voa")
    lines = lines_of(result)
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines[:2] == [f"2023-07-12T09:38:33Z  {TITLE}", f"    {SEED_LINK}"]
    assert lines[2].startswith("    1 picture; ")
    assert lines[3:] == ["zempty.md: left out: is empty"]
    first, second = run_json("preview", "voa")
    assert (first["article"]["id"], first["article"]["title"], first["unusable"]) == (SEED_ID, TITLE, None)
    assert second == {"file": "zempty.md", "unusable": "is empty", "article": None}
    assert run_json("preview", "voa", "--limit", "1") == [first]
    assert tree(tmp_path) == before


def test_preview_of_a_folder_without_files(config: Path, tmp_path: Path) -> None:
    """It says so, for an empty answer would look like none."""
    for path in (tmp_path / "articles").iterdir():
        path.unlink()
    assert lines_of(run("preview", "voa")) == ["no files match"]
    assert run_json("preview", "voa") == []
    (tmp_path / "articles").rmdir()
    result = run("preview", "voa")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"feedbridge: {tmp_path}/articles: no such folder; mend `path`, or mount it\n"


@pytest.mark.parametrize("words", [["preview", "boa"], ["renormalise", "boa"], ["build", "--accept", "boa"]])
def test_a_source_that_is_not_in_the_settings(config: Path, tmp_path: Path, words: list[str]) -> None:
    """It is a slip of usage, told before anything is done."""
    before = tree(tmp_path)
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == 'feedbridge: config/feedbridge.toml: there is no source "boa"; there is: voa\n'
    assert tree(tmp_path) == before


def test_status(config: Path) -> None:
    """Sources and feeds as they stand; before the first build there is nothing to tell."""
    result = run("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith('s.db: there is no store yet; "feedbridge build" makes it\n')
    save(config.parent.parent / "articles" / "empty.md", b"")
    run("build")
    assert lines_of(run("status")) == [
        "SOURCE  STATE  ARTICLES  IN 24 H  NEWEST      READ      NEXT",
        "voa     fine          1        1  2023-07-12  just now  -",
        "",
        "voa",
        "  left out empty.md: is empty",
        "",
        "ENTRIES  NEWEST      FEED",
        "      1  2023-07-12  feedbridge",
        "                     http://127.0.0.1:8000/feeds/news.atom",
    ]
    lines = lines_of(run("status", "voa"))
    assert lines[0] == "voa: 1 article, 1 new in a day, newest 2023-07-12T09:38:33Z"
    assert lines[1].startswith("  last success 20")
    assert lines[2:] == ["  left out empty.md: is empty"]
    assert run("status", "vox").stderr.endswith('there is no source "vox"; there is: voa\n')
    found = run_json("status")
    (source,) = found["sources"]
    assert run_json("status", "voa") == {"sources": [source], "feeds": [], "work": None}
    assert (source["articles"], source["newest"], source["last_error"]) == (1, "2023-07-12T09:38:33Z", None)
    assert source["unusable"] == [{"file": "empty.md", "reason": "is empty"}]
    assert found["feeds"] == [
        {
            "name": "news",
            "title": "feedbridge",
            "entries": 1,
            "newest": "2023-07-12T09:38:33Z",
            "address": "http://127.0.0.1:8000/feeds/news.atom",
        }
    ]


def test_status_tells_the_last_failure(config: Path, tmp_path: Path) -> None:
    """Beside the last success; that it can be told is no failure of `status`."""
    run("build")
    (tmp_path / "articles").rename(tmp_path / "away")
    run("build")
    result = run("status")
    assert result.exit_code == 0
    lines = lines_of(result)
    assert lines[1].startswith("voa     failing         1")
    assert lines[3:6] == [
        "voa",
        f"  last error just now: {tmp_path}/articles: no such folder; mend `path`, or mount it",
        "",
    ]
    assert any(line.startswith("  last error 20") for line in lines_of(run("status", "voa")))
    assert "no such folder" in run_json("status")["sources"][0]["last_error"]


# A source on the web

FEED = (
    "<rss version='2.0'><channel><title>Blog</title><link>https://b.example/</link>"
    f"<item><title>{'{evil}'}One</title><link>https://b.example/1</link><description>{'{evil}'}Text</description></item>"
    "</channel></rss>"
)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Path]:
    """A server on loopback that shows the file which is given, if it is there, at every address."""
    shown = tmp_path / "feed.xml"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown.read_bytes() if shown.exists() else b""
            self.send_response(200 if shown.exists() else 410)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the method it replaces)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    config = tmp_path / "config" / "feedbridge.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(
        '[site]\npause = "0s"\n[[source]]\nname = "blog"\nkind = "feed"\n'
        f'url = "http://127.0.0.1:{server.server_address[1]}/feed"\nallow_private = ["127.0.0.1"]\n',
        encoding="utf-8",
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield shown
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_feed_is_built_previewed_and_told_of(upstream: Path) -> None:
    """The same commands as for a folder, in words that fit."""
    upstream.write_text(FEED.format(evil=""), encoding="utf-8")
    assert lines_of(run("check"))[0].startswith("config/feedbridge.toml: fine; 1 source, 1 feed table, ")
    assert lines_of(run("preview", "blog"))[1:] == ["    https://b.example/1", "    0 pictures; Text"]
    assert lines_of(run("build"))[0] == "blog: 1 entry, 1 read: 1 new, 0 changed, 0 as before, 0 left out"
    assert lines_of(run("build"))[0] == "blog: not changed"
    assert "  known by   link:https://b.example/1" in lines_of(run("explain", "https://b.example/1"))
    (source,) = run_json("status")["sources"]
    assert (source["articles"], source["site"]["unchanged"]) == (1, True)
    assert [one["entry"] for one in run_json("preview", "blog")] == ["https://b.example/1"]


def test_check_asks_nobody(upstream: Path) -> None:
    """Whether the settings are right does not depend on the network."""
    config = Path("config/feedbridge.toml")
    config.write_text(config.read_text().replace("127.0.0.1:", "nowhere.invalid:"))
    result = run("check")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_feed_that_is_gone_can_be_asked_again(upstream: Path) -> None:
    """It is a failure once, a note from then on, and a feed again where that is said."""
    assert run("build").exit_code == 1
    result = run("build")
    assert (result.exit_code, lines_of(result)[0].partition(" on ")[0]) == (0, "blog: not asked: its site said")
    (told,) = run_json("build")["sources"]
    assert (told["asked"], told["gone"], told["error"]) == (False, True, None)
    upstream.write_text(FEED.format(evil=""), encoding="utf-8")
    assert lines_of(run("build"))[0].startswith("blog: not asked")
    assert lines_of(run("build", "--accept", "blog"))[0].startswith("blog: 1 entry, 1 read: 1 new")


@pytest.mark.parametrize("words", [["build"], ["preview", "blog"], ["preview", "blog", "--json"], ["status"]])
def test_what_a_feed_says_does_not_reach_the_terminal_as_it_is(upstream: Path, words: list[str]) -> None:
    """Titles and texts lose their escape sequences, and a page's title in an error does."""
    signs = "&#x9b;31m\u202e\x7f"
    for body in (FEED.format(evil=signs), f"<!doctype html><title>{_EVIL}Log in</title>"):
        upstream.write_text(body, encoding="utf-8")
        run("build")
        seen = _OURS.sub(b"", on_a_terminal(*words)).decode()
        assert "Traceback" not in seen
        assert [sign for sign in ("\x1b", "\x07", "\x9b", "\u202e") if sign in seen] == []


# remove, renormalise


def test_remove_takes_an_article_down_for_good(config: Path, tmp_path: Path) -> None:
    """It leaves the feeds and does not come back."""
    run("build")
    result = run("remove", SEED_LINK)
    assert (result.exit_code, lines_of(result)[0]) == (0, f"voa: removed “{TITLE}”")
    assert run("renormalise").exit_code == 0
    assert TITLE not in (tmp_path / "public/feeds/news.atom").read_text(encoding="utf-8")
    assert lines_of(run("explain", SEED_LINK)) == [SEED_ID, "  of voa; was taken down and stays away"]
    assert run("remove", SEED_LINK).exit_code == 1


def test_remove_as_json(config: Path) -> None:
    """The article by source and title, and what was written for it."""
    run("build")
    done = run_json("remove", SEED_ID)
    assert done["removed_articles"] == [{"source": "voa", "title": TITLE}]
    assert set(done["written"]) >= {"feeds/news.atom", "feeds/news.rss", "feeds/news.json"}


@pytest.mark.parametrize("words", [["renormalise"], ["renormalise", "voa"]])
def test_renormalise_reads_everything_and_tells_readers_nothing(config: Path, tmp_path: Path, words: list[str]) -> None:
    """By the same rules, the feeds come out the same."""
    run("build")
    before = tree(tmp_path / "public")
    result = run(*words)
    assert result.exit_code == 0
    assert lines_of(result)[0] == "voa: 1 file, 1 read: 0 new, 0 changed, 1 as before, 0 left out"
    assert tree(tmp_path / "public") == before
    assert run_json(*words)["sources"][0]["read"] == 1


# init, schema, version, help


def test_init_writes_what_it_finds_in_a_folder(config: Path, tmp_path: Path) -> None:
    """What it found, and what comes next, which works as it is told."""
    config.unlink()
    result = run("init", "articles")
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines_of(result) == [
        "voachinese: “voachinese.com”, 1 file, an article from 2023-07-12, of www.voachinese.com",
        "config/feedbridge.toml: written, with one source, and a feed of it; look through it, then:",
        "  feedbridge build    writes the feeds once",
        "  feedbridge run      keeps them fresh, and serves them: subscribe to",
        "    http://127.0.0.1:8000/feeds/voachinese.atom",
    ]
    assert run("check").exit_code == 0
    assert lines_of(run("build"))[0] == "voachinese: 1 file, 1 read: 1 new, 0 changed, 0 as before, 0 left out"
    assert (tmp_path / "public/feeds/voachinese.atom").exists()


def test_init_as_json_holds_what_the_text_says(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the addresses that the feeds will have."""
    monkeypatch.setenv("FEEDBRIDGE_BASE_URL", "https://x.example")
    assert run_json("init", "articles", "--config", "c.toml") == {
        "settings": "c.toml",
        "title": "voachinese.com",
        "language": "zh-Hans",
        "sources": [
            {
                "name": "voachinese",
                "kind": "archive",
                "title": "voachinese.com",
                "path": "articles",
                "link": "https://www.voachinese.com/",
                "told": "1 file, an article from 2023-07-12, of www.voachinese.com",
            }
        ],
        "feeds": [
            {
                "name": "voachinese",
                "title": "voachinese.com",
                "address": "https://x.example/feeds/voachinese.atom",
            }
        ],
        "left_out": [],
    }
    assert "feedbridge build --config c.toml    writes" in run("init", "articles", "-c", "c.toml", "--force").stdout


def test_init_asks_nobody_where_a_file_is_in_the_way(config: Path) -> None:
    """And replaces it only if that is said."""
    before = config.read_bytes()
    for what in ("http://127.0.0.1:9/", "articles"):
        result = run("init", what)
        assert (result.exit_code, config.read_bytes()) == (2, before)
        assert result.stderr.endswith("name another with --config, or replace it with --force\n")
    assert run("init", "articles", "--force").exit_code == 0
    assert config.read_bytes() != before


def test_init_where_nothing_can_be_made_of_it_writes_nothing(tmp_path: Path) -> None:
    """A wrong variable, an empty folder, what may not be reached."""
    (tmp_path / "empty").mkdir()
    for what, code in (("empty", 1), ("nowhere", 2), ("http://127.0.0.1:9/", 1)):
        result = run("init", what)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.startswith(f"feedbridge: {tmp_path / what if what == 'empty' else what}: ")
        result = run("init", what, "--json")
        assert (result.exit_code, len(json.loads(result.stdout)["errors"])) == (code, 1)
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]


def test_init_heeds_the_variables(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say how sites are asked, and are refused as the settings are."""
    monkeypatch.setenv("FEEDBRIDGE_PAUSE", "soon")
    result = run("init", "articles", "--force")
    assert (result.exit_code, result.stderr.partition(": give")[0]) == (2, "feedbridge: FEEDBRIDGE_PAUSE")


def test_init_writes_a_file_that_check_takes(tmp_path: Path) -> None:
    """A newcomer's way: init, a folder, check, build."""
    result = run("init")
    assert result.exit_code == 0
    assert result.stdout == "config/feedbridge.toml: written; put your folder or feed in, then: feedbridge check\n"
    assert run("check").exit_code == 1
    (tmp_path / "articles").mkdir()
    assert run("check").exit_code == 0
    assert run("build").exit_code == 0


def test_init_keeps_what_is_there(config: Path) -> None:
    """Exit code 2."""
    before = config.read_bytes()
    result = run("init")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("feedbridge: config/feedbridge.toml: is there already and stays as it is")
    assert config.read_bytes() == before


def test_init_says_a_command_that_can_be_copied() -> None:
    """Also where the name of the file holds a space."""
    assert run("init", "-c", "my feeds.toml").stdout.endswith("feedbridge check --config 'my feeds.toml'\n")


def test_schema_is_json() -> None:
    """It needs no settings."""
    result = run("schema")
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)["properties"]) == {"site", "pictures", "source", "feed"}


def test_version() -> None:
    """It needs no command."""
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"feedbridge {__version__}\n")


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["build", "--nonsense"], ["explain"], ["preview", "voa", "--limit", "0"]]
)
def test_wrong_usage(words: list[str]) -> None:
    """Exit code 2, and where help is."""
    result = run(*words)
    assert result.exit_code == 2
    assert "Usage: feedbridge" in result.output


def test_every_command_has_help() -> None:
    """Each says what it does in its first line."""
    listed = run("--help").stdout
    assert run("--help").exit_code == 0
    for command in app.registered_commands:
        assert command.callback
        name = command.callback.__name__
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"Usage: feedbridge {name}" in result.stdout
        assert f"  {name} " in listed
    assert "  upgrade  Bring the store to the newest schema" in run("db", "--help").stdout


_HEAVY = {
    "alembic",
    "bs4",
    "charset_normalizer",
    "feedgen",
    "jinja2",
    "lxml",
    "nh3",
    "selectolax",
    "sqlalchemy",
    "yaml",
}
_LISTING = """
import sys
sys.argv[0] = "feedbridge"
from feedbridge.__main__ import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--help"], {}, "Usage: feedbridge"),
        (["--version"], {}, "feedbridge"),
        (["build", "--help"], {}, "Usage: feedbridge build"),
        ([], {"_FEEDBRIDGE_COMPLETE": "source_bash"}, "complete -o default"),
        (
            [],
            {"_FEEDBRIDGE_COMPLETE": "complete_bash", "COMP_WORDS": "feedbridge ren", "COMP_CWORD": "1"},
            "renormalise",
        ),
        (
            [],
            {"_FEEDBRIDGE_COMPLETE": "complete_bash", "COMP_WORDS": "feedbridge build --a", "COMP_CWORD": "2"},
            "--accept",
        ),
    ],
)
def test_help_version_and_completion_answer_at_once(words: list[str], environment: dict[str, str], said: str) -> None:
    """None of the libraries that the work needs is loaded, nor any part of feedbridge that does it."""
    done = subprocess.run(
        [sys.executable, "-c", _LISTING, *words], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert (done.returncode, said in done.stdout) == (0, True), done.stderr
    loaded = set(done.stderr.split())
    assert {name for name in loaded if name.partition(".")[0] in _HEAVY} == set()
    ours = {name for name in loaded if name.partition(".")[0] == "feedbridge"}
    if words[:1] == ["build"]:  # which looks first whether there is anything to do
        ours -= {f"feedbridge.{name}" for name in ("standstill", "fetch", "fetch.files", "model")}
    names = ("__main__", "cli", "defaults", "errors", "terminal")
    assert ours == {"feedbridge", *(f"feedbridge.{name}" for name in names)}


def test_help_does_not_even_load_pydantic() -> None:
    """Typer itself reads arguments by it, so that other answers cannot do without."""
    done = subprocess.run([sys.executable, "-c", _LISTING, "--help"], capture_output=True, text=True)
    assert "pydantic" not in done.stderr.split()


# Terminals, pipes and locales

_EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e"


@pytest.fixture
def evil(config: Path, tmp_path: Path) -> Path:
    """A folder whose names, titles and texts would move the cursor."""
    body = f"<!--1772280000000-->\n[{_EVIL}title](https://e.example/{_EVIL}1)\n------\n\n<p>{_EVIL}text</p>"
    save(tmp_path / "articles" / f"{_EVIL}article.md", body.encode())
    save(tmp_path / "articles" / f"{_EVIL}empty.md", b"")
    save(tmp_path / "articles" / os.fsdecode(b"\xff\x1b[2J.md"), b"")
    text = config.read_text().replace('path = "../articles"', 'path = "../articles"\ntitle = "x"')
    config.write_text(text)
    return config


_OURS = re.compile(rb"\x1b\[(?:[0-9]{0,2}m|[0-9]+A|J)")
"""What colours words, and draws progress over itself."""


def on_a_terminal(*words: str) -> bytes:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CI"}}
    environment["TERM"] = "xterm"
    done = start(*words, stdout=theirs, stderr=theirs, capture_output=False, env=environment)
    os.close(theirs)
    assert done.returncode in {0, 1, 2}
    return b"".join(_read_all(ours))


def _read_all(handle: int) -> Iterator[bytes]:
    with os.fdopen(handle, "rb", buffering=0) as file:
        while True:
            try:
                chunk = file.read(65_536)
            except OSError:
                return
            if not chunk:
                return
            yield chunk


@pytest.mark.parametrize(
    "words",
    [
        ["build"],
        ["build", "--json"],
        ["status"],
        ["preview", "voa"],
        ["preview", "voa", "--json"],
        ["explain", f"{_EVIL}article.md"],
        ["explain", f"{_EVIL}empty.md"],
        ["explain", f"{_EVIL}article.md", "--json"],
        ["explain", f"{_EVIL}nothing"],
        ["remove", f"{_EVIL}nothing"],
        ["preview", f"{_EVIL}nothing"],
        ["check", "--config", f"{_EVIL}nothing"],
    ],
)
def test_foreign_text_does_not_reach_the_terminal_as_it_is(evil: Path, words: list[str]) -> None:
    """Titles, links, texts, names of files and arguments lose their escape sequences; the bar's own are known."""
    if words[0] != "build":
        run("build")
    seen = _OURS.sub(b"", on_a_terminal(*words)).decode()
    assert "Traceback" not in seen
    assert [sign for sign in ("\x1b", "\x07", "\x9b", "\u202e") if sign in seen] == []


def test_the_shell_completes_commands_and_sources(config: Path) -> None:
    """By the settings that are there, or that were named; without any, nothing is said."""
    config.write_text(config.read_text() + '[[source]]\nname = "vox"\nkind = "feed"\nurl = "https://x.example/"\n')
    Path("c.toml").write_text('[[source]]\nname = "other"\n')
    assert completed("feedbridge pre") == ["preview"]
    assert completed("feedbridge preview v") == ["voa", "vox"]
    assert completed("feedbridge build --accept vox") == ["vox"]
    assert completed("feedbridge renormalise ") == ["voa", "vox"]
    assert completed("feedbridge status --config c.toml ") == ["other"]
    for text in ("source = 1", "x", "[[source]]", "source = [1]"):
        Path("c.toml").write_text(text)
        assert completed("feedbridge status --config c.toml ") == []
    assert completed("feedbridge status --config nowhere ") == []


def completed(line: str) -> list[str]:
    """The words that bash would offer behind this line."""
    environment = os.environ | {
        "_FEEDBRIDGE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    command = [sys.executable, "-c", "from feedbridge.cli import app; app(prog_name='feedbridge')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(config: Path, tmp_path: Path) -> None:
    """It is wiped away in the end; in a pipe, and where it is not wanted, there is the summary alone."""
    seed = next(SEEDS.iterdir()).read_text(encoding="utf-8")
    for number in range(300):
        save(tmp_path / "articles" / f"{number}.txt", seed.replace("7177283", str(number)).encode())
    shown = on_a_terminal("build")
    assert re.search(rb"\r\x1b\[Jvoa  [^ ]+  [0-9]+ of 301 files, [0-9]+ new or changed", shown)
    assert re.search(rb"\x1b\[Jvoa: 301 files, 301 read: 301 new", shown)
    for path in ("s.db", "public/feeds/news.atom"):
        (tmp_path / path).unlink()
    assert b"\x1b" not in start("build").stderr


def test_words_are_coloured_on_a_terminal_and_nowhere_else(config: Path) -> None:
    """Nor where the owner wants none."""
    run("build")
    assert b"voa     \x1b[32mfine \x1b[0m" in on_a_terminal("status")
    assert b"\x1b" not in start("status").stdout


def test_names_in_settings_do_not_reach_the_terminal_as_they_are(config: Path) -> None:
    """Nor do they forge lines."""
    config.write_text('[[source]]\nname = "\\u001b[2J\\nfeedbridge: all is fine"\nkind = "x"\npath = "x"\n')
    result = run("check")
    assert "\x1b" not in result.stderr
    assert all(": [[source]] " in line for line in result.stderr.splitlines())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gb18030"])
def test_any_locale_will_do(config: Path, encoding: str) -> None:
    """What cannot be written in it is spelled out; nothing fails."""
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": encoding,
    }
    for words in (["build"], ["explain", SEED_LINK], ["--help"]):
        done = start(*words, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
    done = start("preview", "voa", "--json", env=environment)
    assert json.loads(done.stdout)[0]["article"]["title"] == TITLE


def test_a_name_that_is_no_utf_8_as_argument(config: Path) -> None:
    """It is not known, and that is all."""
    run("build")
    for command in ("explain", "remove"):
        done = start(command, os.fsdecode(b"\xff.md"))
        assert done.returncode == 1
        assert done.stderr.startswith(b"feedbridge: ")
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["preview", "voa"], ["schema"], ["build", "--json"]])
def test_a_reader_who_has_left_changes_nothing(config: Path, words: list[str]) -> None:
    """As under `feedbridge build | head -0`: no complaint, and the command's own exit code."""
    reader, writer = os.pipe()
    os.close(reader)
    done = start(*words, stdout=writer, stderr=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_failure_stays_one_when_the_reader_has_left(config: Path, tmp_path: Path) -> None:
    """A script that asks for the exit code hears of it."""
    (tmp_path / "articles").rename(tmp_path / "away")
    reader, writer = os.pipe()
    os.close(reader)
    assert start("build", stdout=writer, capture_output=False).returncode == 1
    os.close(writer)


@pytest.mark.parametrize("words", [["build"], ["build", "--json"], ["status"]])
def test_closed_streams_harm_no_work(config: Path, tmp_path: Path, words: list[str]) -> None:
    """As a careless service manager starts commands."""
    run("build")
    command = [sys.executable, "-m", "feedbridge", *words]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], timeout=60)
    assert done.returncode == 0


def test_a_full_disk_under_standard_output_is_told(config: Path) -> None:
    """Exit code 1, one line."""
    full = Path("/dev/full")
    if not full.exists():
        assert sys.platform != "linux"
        return
    with full.open("wb") as out:
        done = start("preview", "voa", stdout=out, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 1
    assert done.stderr == b"feedbridge: standard output: cannot be written (No space left on device)\n"


@pytest.mark.parametrize("kept_by", ["sqlite", "postgresql"])
def test_db_upgrade_brings_an_older_store_to_the_newest_schema(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, kept_by: str
) -> None:
    """It says from where to where, what was kept stays, done again it does nothing; and it makes a new store."""
    if kept_by == "postgresql":
        server = request.getfixturevalue("postgresql")
        old, new = server.make(empty=True), server.make(empty=True)
    else:
        old, new = (f"sqlite:///{tmp_path}/{name}.db" for name in ("old", "new"))
    make_older(old, "0003")
    newest = REVISIONS[-1]

    monkeypatch.setenv("FEEDBRIDGE_STORE", old)
    assert 'is of an older version; "feedbridge db upgrade" brings it up to date' in run("status").stderr
    name = Store(old, write=False).name
    assert lines_of(run("db", "upgrade")) == [f"{name}: its schema is {newest} now; it was 0003"]
    assert lines_of(run("db", "upgrade")) == [f"{name}: its schema is {newest}, the newest"]
    assert run_json("db", "upgrade") == {"store": name, "from": newest, "to": newest}
    with Store(old, write=False) as store, store.transaction() as connection:
        assert polls.completed(connection) == {"voa"}
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    assert run("build").exit_code == 0

    monkeypatch.setenv("FEEDBRIDGE_STORE", new)
    name = Store(new, write=False).name
    assert run_json("db", "upgrade") == {"store": name, "from": None, "to": newest}
    with Store(new, write=True):
        result = run("db", "upgrade")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{name}: is in use by another feedbridge (process {os.getpid()}" in result.stderr


def make_older(address: str, revision: str) -> None:
    """A store as an older version left it, with a source that has been read."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    configuration.set_main_option("path_separator", "os")
    engine = create_engine(address)
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        alembic.upgrade(configuration, revision)
        connection.exec_driver_sql("INSERT INTO sources (name, completed_at) VALUES ('voa', 1700000000000)")
    engine.dispose()


def test_two_commands_at_once(config: Path, tmp_path: Path) -> None:
    """The second that would write says who is writing; those that only read work beside it."""
    run("build")
    with Store(tmp_path / "s.db", write=True):
        result = run("build")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"is in use by another feedbridge (process {os.getpid()})" in result.stderr
        assert run("status").exit_code == 0
        assert run("explain", SEED_LINK).exit_code == 0
