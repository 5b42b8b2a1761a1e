"""Entries that did not change are copied from the files that stand: nobody can tell from what is published."""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from feedbridge import publishing
from feedbridge.feeds import archives, lint, slices
from feedbridge.feeds.checks import Problem
from feedbridge.feeds.namespaces import ITUNES_NAMESPACE, PODCAST_NAMESPACE
from feedbridge.feeds.rendering import MEDIA_TYPES
from feedbridge.model import Article, Category, Element, Image, Origin, Person, SourceFacts
from feedbridge.publishing import Report
from feedbridge.settings import Settings
from feedbridge.store import articles, polls, visits
from feedbridge.store import feeds as rows
from feedbridge.store.articles import Kept
from feedbridge.store.database import Store

if TYPE_CHECKING:
    from tests.conftest import Site

HOUR = timedelta(hours=1)
WORDS = (
    "<p>River &amp; bridge</p>",
    "<p>市场</p>",
    "\n  <entry>",
    "\n    </item>",
    ",\n  {\n",
    "]]>",
    '"',
    "&lt;itunes:",
)


class Life:
    """What happens to a site, by chance: each step changes something, and then all that is due is published."""

    def __init__(self, site: "Site", seed: int) -> None:
        self.site = site
        self.chance = random.Random(seed)
        self.copied = 0
        self._count = 0
        self._backup: Path | None = None
        site.sources = [
            {"name": name, "kind": "feed", "url": f"https://{name}.example/feed", "every": "1h"} for name in ("a", "b")
        ]
        site.feeds = [
            {"name": "news", "limit": 8, "max_bytes": "16KiB"},
            {"name": "only", "sources": ["a"], "limit": 4, "archives": False, "pages": "entries"},
            {"name": "topic", "by": "category", "limit": 3, "pages": "archives"},
        ]
        self.now = site.now
        self._row_of: dict[str, int] = {}

    def step(self) -> str:
        """Let something happen; gives its name."""
        self.now += HOUR
        deeds: tuple[tuple[int, Callable[[], None]], ...] = (
            (12, self.add),
            (10, self.edit),
            (4, self.touch),
            (4, self.remove),
            (3, self.tell_facts),
            (3, self.change_settings),
            (3, self.damage),
            (1, self.back_up),
            (1, self.restore),
            (2, self.hinder),
            (1, self.print_first),
            (2, self.add_double),
        )
        deed = self.chance.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])[0]
        deed()
        return deed.__name__

    def publish(self) -> Report:
        with self._open() as store:
            return publish(store, self.site.settings(), self.now)

    def all_anew(self) -> dict[str, bytes]:
        """What is published from the same store where nothing stands."""
        folder = self.site.folder / "anew"
        shutil.rmtree(folder / "public", ignore_errors=True)
        store_address = self.site.copy_store(folder / "var")
        options = {"store": store_address, "state": str(folder / "var"), "output": str(folder / "public")}
        settings = self.site.settings()
        settings = Settings.model_validate(
            {"site": {**self.site.options, **options}, "source": self.site.sources, "feed": self.site.feeds}
        )
        with Store(store_address, write=True) as store:
            report = publish(store, settings, self.now)
        assert report.errors == []
        return {
            str(path.relative_to(folder / "public")): path.read_bytes() for path in (folder / "public").rglob("*.*")
        }

    def add(self) -> None:
        """One to three articles; often new ones, sometimes old."""
        with self._open() as store, store.transaction() as connection:
            for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
                self._count += 1
                source = self.chance.choice("ab")
                ending = self.chance.choice(("", "", "", "", "-" + chr(0x4E00) * 2_500))  # longer than an index takes
                self._keep(connection, source, self._made(source, f"urn:example:{source}:{self._count}{ending}"))

    def add_double(self) -> None:
        """An article with the id of another source's."""
        with self._open() as store, store.transaction() as connection:
            known = [uid for uid in self._row_of if uid.startswith("a|")]
            if known:
                uid = self.chance.choice(known).partition("|")[2]
                if not articles.taken(connection, polls.source_state(connection, "b").row, [uid]):
                    self._keep(connection, "b", self._made("b", uid))

    def edit(self) -> None:
        """An article says something else."""
        self._change(lambda one: replace(self._made(one.source, one.id), published=one.published, updated=self.now))

    def touch(self) -> None:
        """The dates of an article change, and nothing else."""
        days = timedelta(days=self.chance.randint(-3, 0))
        self._change(lambda one: replace(one, published=one.published + days, updated=one.published + HOUR))

    def remove(self) -> None:
        if self._row_of:
            with self._open() as store, store.transaction() as connection:
                name = self.chance.choice(sorted(self._row_of))
                articles.remove(connection, self._row_of.pop(name), now=self.now)

    def tell_facts(self) -> None:
        """A source says something else of itself."""
        facts = SourceFacts(
            title=self.chance.choice((None, "News & views", "报")),
            language=self.chance.choice((None, "en", "zh")),
            rights=self.chance.choice((None, "©")),
            extensions=self._extensions(),
        )
        name = self.chance.choice("ab")
        with self._open() as store, store.transaction() as connection:
            visit = visits.Visit(url=f"https://{name}.example/feed", facts=facts)
            visits.keep_visit(connection, polls.source_state(connection, name).row, visit)

    def change_settings(self) -> None:
        table = self.chance.choice(self.site.feeds)
        key, *values = self.chance.choice(
            (
                ("limit", 2, 5, 8, 12),
                ("max_bytes", "9KiB", "14KiB", "64KiB"),
                ("formats", ["atom"], ["json", "rss"], ["atom", "rss", "json"]),
                ("title", "One", "Two"),
                (
                    "images",
                    "keep",
                    "drop",
                    "https://proxy.example/?${href_ue}",
                    "serve",
                    ["https://x.example/${href}", "keep"],
                ),
                ("language", "en", "zh"),
                ("archives", True, False),
                ("keep", 10, 1000, "10d"),
                ("pages", "none", "feed", "archives", "entries", "entries"),
            )
        )
        if key == "keep":
            table = self.site.feeds[1]  # the one without archive documents
        if key != "archives" or table["name"] == "news":
            table[key] = self.chance.choice(values)

    def damage(self) -> None:
        """Somebody else changes a file, or takes it away."""
        files = [path for path in self.site.public.rglob("*.*") if path.suffix in (".atom", ".rss", ".json", ".html")]
        if not files:
            return
        path = self.chance.choice(files)
        match self.chance.choice(("gone", "cut", "changed")):
            case "gone":
                path.unlink()
            case "cut":
                path.write_bytes(path.read_bytes()[:-7])
            case "changed":  # of the same size: it is to be due, else it would be left alone
                path.write_bytes(path.read_bytes().replace(b"River", b"Rover"))
                self.site.query("UPDATE documents SET dirty = TRUE")

    def back_up(self) -> None:
        self._backup = self.site.folder / "backup"
        self.site.copy_store(self._backup)

    def restore(self) -> None:
        """An older store is put in place, beside newer files."""
        if self._backup:
            self.site.restore_store(self._backup)
            self.site.query("UPDATE documents SET dirty = TRUE")  # else files of the same size would be left alone
            self.site.query("UPDATE families SET look = '' WHERE name = ?", rows.INDEX)
            known = dict(
                self.site.query(
                    "SELECT s.name || '|' || a.uid, a.id FROM articles a JOIN sources s"
                    " ON s.id = a.source_id WHERE a.removed_at IS NULL"
                )
            )
            self._row_of = known

    def hinder(self) -> None:
        """A file cannot be written for once, while something changes."""
        path = self.site.public / f"feeds/news.{self.chance.choice(('atom', 'rss', 'json', 'html'))}"
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)
        self.chance.choice((self.edit, self.add, self.tell_facts, self.change_settings))()
        self.publish()
        path.rmdir()

    def print_first(self) -> None:
        """The subscription documents are gone, and what a source's first refresh writes early is written again."""
        for path in self.site.public.glob("feeds/*.*"):
            path.unlink()
        before = [dict(table) for table in self.site.feeds]
        self.change_settings()
        with self._open() as store:
            publishing.publish_first(store, self.site.settings(), "a", now=self.now)
        self.site.feeds[:] = before

    def _change(self, changed: Callable[[Article], Article]) -> None:
        if self._row_of:
            row = self._row_of[self.chance.choice(sorted(self._row_of))]
            with self._open() as store, store.transaction() as connection:
                kept = articles.load(connection, [row])[row]
                articles.change(connection, {row: replace(kept, article=changed(kept.article))})

    def _keep(self, connection: Any, source: str, article: Article) -> None:
        row = polls.source_state(connection, source).row
        (self._row_of[f"{source}|{article.id}"],) = articles.add(connection, row, [Kept(article=article, normaliser=1)])

    def _made(self, source: str, uid: str) -> Article:
        date = self.now - timedelta(days=self.chance.choice((0, 0, 0, 2, 40)))
        title = self.chance.choice(("Title", "标题 & <more>", "T\x0bbad" if self.chance.random() < 0.3 else "T"))
        return Article(
            id=uid,
            source=source,
            title=title,
            link=self.chance.choice((None, f"https://{source}.example/{uid[-1]}?a&b")),
            published=date,
            updated=date,
            first_seen=self.now,
            changed=self.now,
            content_hash="1:00",
            content=self.chance.choice(("", '<p>x</p><img src="image:0">')) + "".join(self.chance.choices(WORDS, k=20)),
            images=(Image(origin="https://pictures.example/1.jpg"),),
            lead_image=self.chance.choice((None, Image(origin="https://pictures.example/2.jpg"))),
            summary=self.chance.choice((None, "S <b>")),
            authors=self.chance.choice(((), (Person(name="Ann"),))),
            categories=self.chance.choice(((), (Category(term="x"),), (Category(term="x"), Category(term="y")))),
            language=self.chance.choice((None, "en", "zh")),
            origin=self.chance.choice((None, Origin(title="First"))),
            extensions=self._extensions(),
        )

    def _extensions(self) -> tuple[Element, ...]:
        return self.chance.choice(
            (
                (),
                (),
                (),
                (Element(namespace=ITUNES_NAMESPACE, name="episode", text="1"),),
                (Element(namespace=PODCAST_NAMESPACE, name="season", text="2"),),
            )
        )

    @contextmanager
    def _open(self) -> Iterator[Store]:
        with Store(self.site.address, write=True) as store:
            yield store


def publish(store: Store, settings: Settings, now: Any) -> Report:
    report = Report()
    publishing.publish(store, settings, now=now, report=report)
    return report


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries were copied into each file that was put together."""
    counts: list[int] = []
    splice = slices.splice

    def counting(document: bytes, form: str, entries: Mapping[str, bytes], order: Sequence[str]) -> bytes | None:
        counts.append(len(entries))
        return splice(document, form, entries, order)

    monkeypatch.setattr(slices, "splice", counting)
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_what_is_published_is_what_would_be_written_anew(
    site: "Site", monkeypatch: pytest.MonkeyPatch, copied: list[int], seed: int
) -> None:
    """After each of many steps the files are, byte for byte, those that the same store gives where nothing stands."""
    monkeypatch.setattr(archives, "ARCHIVE_ENTRIES", 6)
    monkeypatch.setattr(publishing, "PRINTERS_FROM", 10**9)
    life = Life(site, seed)
    steps = []
    for _ in range(50):
        steps.append(life.step())
        report = life.publish()
        assert report.errors == [], steps
        anew, stands = life.all_anew(), site.published()  # and there, files that an older store knows nothing of
        assert [path for path, body in anew.items() if stands.get(path) != body] == [], steps
    assert sum(copied) > 300


@pytest.mark.parametrize("printed_by", ["us", "many processes"])
def test_only_what_changed_is_written_anew(
    site: "Site", monkeypatch: pytest.MonkeyPatch, copied: list[int], printed_by: str
) -> None:
    """An edited article costs itself, in the subscription document and in the archive, whoever printed it before."""
    monkeypatch.setattr(publishing, "PRINTERS_FROM", 1 if printed_by == "many processes" else 10**9)
    site.archive.write_many(160)
    site.build()
    assert copied == []
    monkeypatch.setattr(publishing, "PRINTERS_FROM", 10**9)
    for number, others in ((159, 49), (20, 99)):
        del copied[:]
        site.archive.write(number, text="Quite another text.", marker=site.now)
        site.build()
        assert copied == [others] * (4 if number == 159 else 3)  # the archive has no pages
        assert "Quite another text." in site.entry(f"/{number}.").content


def test_what_cannot_be_put_together_is_written_anew(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that does not look as we write it is not published, what stands stays, and the next run repairs."""
    site.archive.write_many(10)
    site.build()
    before = site.published()
    site.archive.write(10)
    with monkeypatch.context() as patched:
        patched.setattr(slices, "splice", lambda *_: None)
        errors = site.build().published.errors
    assert [error.partition(":")[0] for error in errors] == [
        f"feeds/news.{form}" for form in ("atom", "rss", "json", "html")
    ]
    assert {path: body for path, body in site.published().items() if path.startswith("feeds/")} == {
        path: body for path, body in before.items() if path.startswith("feeds/")
    }
    with monkeypatch.context() as patched:
        patched.setattr(slices, "splice", lambda *_: None)
        assert site.build().published.errors == []
    assert len(site.shown()) == 11


def test_a_changed_file_is_not_copied_from(site: "Site", copied: list[int]) -> None:
    """Be it of the same size: somebody else's words do not become ours."""
    site.archive.write_many(10, text="A plain word.")
    site.build()
    path = site.public / "feeds/news.rss"
    body = path.read_bytes()
    path.write_bytes(body.replace(b"plain", b"other"))
    site.archive.write(10, text="Another word.")
    site.build()
    assert copied == []
    assert path.read_bytes().count(b"A plain word.") == body.count(b"A plain word.") > 0


def test_an_entry_that_one_format_leaves_out_is_tried_again(
    site: "Site", monkeypatch: pytest.MonkeyPatch, copied: list[int]
) -> None:
    """At every printing, and told; it stays in the other formats, and the others are copied."""
    site.archive.write_many(10)
    checked = lint.lint
    bad = "https://news.example/en/3.html"

    def strict(body: bytes, media_type: str, **options: Any) -> tuple[Problem, ...]:
        found = slices.cut(body, "rss") if media_type == MEDIA_TYPES["rss"] else None
        mine = [one for one, entry in found.entries.items() if bad.encode() in entry] if found else []
        return (*checked(body, media_type, **options), *(Problem(entry=one, message="no") for one in mine))

    monkeypatch.setattr(lint, "lint", strict)
    before = site.build().published.left_out
    site.archive.write(10)
    assert site.build().published.left_out == before
    assert [(path, reason) for path, _, reason in before] == [("feeds/news.rss", "no")]
    assert copied == [9, 9, 9, 9]
    standing = site.published()
    assert [standing[f"feeds/news.{form}"].count(bad.encode()) > 0 for form in ("atom", "rss", "json")] == [
        True,
        False,
        True,
    ]
    monkeypatch.setattr(lint, "lint", checked)
    site.archive.write(11)
    assert site.build().published.left_out == []
    assert bad.encode() in (site.public / "feeds/news.rss").read_bytes()
