"""A real feed reader, newsboat, subscribed to a real daemon."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from feedbridge import __file__ as package

if TYPE_CHECKING:
    from tests.conftest import Daemon, Site

    Start = Callable[..., Daemon]

pytestmark = pytest.mark.alone

SEED = Path(package).parents[1] / "seeds" / "000_93babe1cfb858445.txt"
TITLE = "日韩强化与北约伙伴关系 中国坚决反对北约东进亚太"
LINK = "https://www.voachinese.com/a/japan-south-korea-and-nato-agree-on-new-partnership-program-20230712/7177283.html"
PUBLISHED = 1689154713
TRIES = 3
"""A machine may be busy with something else."""


class Newsboat:
    """newsboat with files of its own."""

    def __init__(self, folder: Path, *addresses: str) -> None:
        found = shutil.which("newsboat")
        if found is None:
            say = pytest.fail if os.environ.get("TESTS_MUST_RUN") else pytest.skip
            say("newsboat is not installed")
        folder.mkdir(parents=True)
        self._folder = folder
        self._program = found or ""
        (folder / "urls").write_text("\n".join(addresses) + "\n")
        (folder / "config").write_text("auto-reload no\nreload-threads 2\n")

    def run(self, *words: str) -> str:
        """Run a command of newsboat's; gives what it printed."""
        files = {"-u": "urls", "-c": "cache.db", "-C": "config"}
        named = [word for flag, name in files.items() for word in (flag, str(self._folder / name))]
        command = [self._program, *named, *words]
        environment = os.environ | {"HOME": str(self._folder), "LC_ALL": "C.UTF-8", "no_proxy": "*"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def items(self) -> list[dict[str, object]]:
        """The items that it keeps, the newest first."""
        with contextlib.closing(sqlite3.connect(self._folder / "cache.db")) as cache:
            cache.row_factory = sqlite3.Row
            return [dict(row) for row in cache.execute("SELECT * FROM rss_item ORDER BY pubDate DESC, feedurl")]


@pytest.mark.parametrize("ending", ["atom", "rss"])
def test_newsboat_shows_the_seed(site: "Site", start: "Start", tmp_path: Path, ending: str) -> None:
    """It keeps the article's title, date, link, id and text; a second reload brings nothing new."""
    shutil.copy(SEED, site.archive.root)
    daemon = start(site).ready()
    daemon.wait(lambda: daemon.titles() == [TITLE])
    reader = Newsboat(tmp_path / "newsboat", f"{daemon.url}/feeds/news.{ending}")
    reader.run("-x", "reload")
    (item,) = reader.items()
    assert (item["title"], item["url"], item["pubDate"]) == (TITLE, LINK, PUBLISHED)
    assert item["guid"] == "urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6"
    text = str(item["content"])
    assert "北大西洋公约组织（NATO）峰会本周" in text
    assert "<figcaption>" in text
    assert "style=" not in text
    assert reader.run("-x", "print-unread").strip() == "1 unread articles"
    reader.run("-x", "reload")
    assert reader.items() == [item]


@pytest.mark.parametrize("ending", ["atom", "rss"])
def test_a_new_article_is_in_newsboat_within_two_seconds(
    site: "Site", start: "Start", tmp_path: Path, ending: str
) -> None:
    """From the moment a file is written, one reload that ends two seconds later has it, dated and linked."""
    shutil.copy(SEED, site.archive.root)
    daemon = start(site).ready()
    reader = Newsboat(tmp_path / "newsboat", f"{daemon.url}/feeds/news.{ending}")
    reader.run("-x", "reload")
    began = time.monotonic()
    reader.run("-x", "reload")
    reload_seconds = time.monotonic() - began
    for number in range(1, TRIES + 1):
        os.utime(site.archive.write(number))
        time.sleep(max(0.0, 2 - reload_seconds))
        reader.run("-x", "reload")
        found = [item for item in reader.items() if item["title"] == site.archive.title(number)]
        if found:
            break
    (item,) = found
    assert item["pubDate"] == int(site.archive.published(number).timestamp())
    assert item["url"] == site.archive.link(number)
    assert len(reader.items()) <= number + 1
