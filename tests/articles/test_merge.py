from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge import model
from feedbridge.articles.merge import Circumstances, merge
from feedbridge.articles.normalise import Normalised
from feedbridge.model import Article


def at(hour: float) -> datetime:
    """An instant, hours after the first one."""
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=hour)


NOW = at(100)
SETTLED = Circumstances(now=NOW, settled=True)
UNSETTLED = Circumstances(now=NOW, settled=False)
REREAD = Circumstances(now=NOW, settled=True, reread=True)


def told(
    *,
    body: str = "old",
    path: str | None = "1.md",
    published: float = 10,
    updated: float | None = None,
    stamp: float | None = None,
    first_seen: float = 50,
    changed: float | None = None,
    text_hash: str | None = None,
) -> Normalised:
    """An article with a text of one word, by which the merged one can be told."""
    latest = published if stamp is None else max(published, stamp)
    return Normalised(
        article=Article(
            id="urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6",
            source="s",
            title=body,
            link="https://news.example/a",
            published=at(published),
            updated=at(latest if updated is None else updated),
            excerpt=body,
            content=body and f"<p>{body}</p>",
            first_seen=at(first_seen),
            changed=at(first_seen if changed is None else changed),
            content_hash=text_hash or f"1:{body}",
            testimonies=(model.Testimony(kind="body", text="", value=at(published), note=""),),
        ),
        stamp=None if stamp is None else at(stamp),
        path=path,
    )


KNOWN = told(stamp=12)


class TestSettled:
    def test_told_again(self) -> None:
        """Nothing changes when nothing has changed."""
        assert merge(KNOWN, KNOWN, SETTLED) == KNOWN
        assert (
            merge(KNOWN, replace(KNOWN, article=replace(KNOWN.article, first_seen=NOW, changed=NOW)), SETTLED) == KNOWN
        )

    @pytest.mark.parametrize(
        ("stamp", "updated"),
        [(13, at(13)), (100, NOW), (12, NOW), (11, NOW), (None, NOW), (101, NOW)],
        ids=["later", "now", "the same", "earlier", "none", "in the future"],
    )
    def test_new_text(self, stamp: float | None, updated: datetime) -> None:
        """The new body comes with the new stamp if that is later, else with the time of the change.

        Id, first sight and the first `published` stay.
        """
        fresh = told(body="new", stamp=stamp, published=11, first_seen=100)
        expected = replace(
            fresh.article, first_seen=at(50), published=at(10), updated=updated, changed=NOW, id=KNOWN.article.id
        )

        assert merge(KNOWN, fresh, SETTLED) == replace(fresh, article=expected)

    def test_new_stamp_on_the_same_text(self) -> None:
        """A stamp alone is no news to readers; it is kept to compare with."""
        fresh = told(stamp=20, first_seen=100)
        expected = replace(fresh.article, first_seen=at(50), updated=at(12), changed=at(50))

        assert merge(KNOWN, fresh, SETTLED) == Normalised(article=expected, stamp=at(20), path="1.md")

    def test_new_markup_of_the_same_text(self) -> None:
        """Other markup is taken over without a new date."""
        fresh = replace(KNOWN, article=replace(KNOWN.article, content="<p><em>old</em></p>", first_seen=NOW))
        merged = merge(KNOWN, fresh, SETTLED)

        assert merged == replace(KNOWN, article=replace(KNOWN.article, content="<p><em>old</em></p>"))

    def test_another_hash_rule(self) -> None:
        """Hashes by different rules say nothing about the text: the article is hashed again without a change."""
        fresh = told(stamp=12, text_hash="2:other", first_seen=100)
        expected = replace(KNOWN.article, content_hash="2:other")

        assert merge(KNOWN, fresh, SETTLED) == replace(KNOWN, article=expected)

    def test_the_clock_was_set_back(self) -> None:
        """`updated` never goes back, even where it lies after now."""
        known = told(stamp=12, updated=200)
        merged = merge(known, told(body="new"), SETTLED)

        assert (merged.article.updated, merged.article.changed) == (at(200), NOW)


class TestWhichBodyWins:
    @pytest.mark.parametrize(
        ("known", "fresh", "winner"),
        [
            (told(stamp=12), told(body="new", stamp=13, path="2.md"), "new"),
            (told(stamp=12), told(body="new", stamp=11, path="2.md"), "old"),
            (told(stamp=12), told(body="new", stamp=12, path="2.md"), "new"),
            (told(stamp=12, path="2.md"), told(body="new", stamp=12, path="1.md"), "old"),
            (told(stamp=12), told(body="new", path="2.md"), "old"),
            (told(), told(body="new", stamp=1, path="0.md"), "new"),
            (told(), told(body="new", path="2.md"), "new"),
            (told(path="2.md"), told(body="new", path="1.md"), "old"),
            (told(path=None), told(body="new", path=None), "new"),
            (told(stamp=12), told(body="new", stamp=11), "new"),
            (told(stamp=12), told(body="new"), "new"),
        ],
    )
    @pytest.mark.parametrize("circumstances", [SETTLED, UNSETTLED, REREAD])
    def test_newest_body(self, known: Normalised, fresh: Normalised, winner: str, circumstances: Circumstances) -> None:
        """Of two files that with the later stamp wins, else that with the later path; a file replaces itself."""
        merged = merge(known, fresh, circumstances)
        source = fresh if winner == "new" else known

        assert (merged.article.content, merged.stamp, merged.path) == (f"<p>{winner}</p>", source.stamp, source.path)
        assert (merged.article.id, merged.article.first_seen) == (known.article.id, known.article.first_seen)

    @pytest.mark.parametrize(
        ("stamp", "winner"),
        [(13, "new"), (12, "new"), (11, "old"), (None, "old")],
        ids=["later", "equal", "earlier", "none"],
    )
    def test_a_file_that_is_gone(self, stamp: float | None, winner: str) -> None:
        """Of equals the file that is there wins, whatever its name, for it may be the other one renamed."""
        known = told(stamp=12, path="2.md")
        merged = merge(known, told(body="new", stamp=stamp, path="1.md"), replace(SETTLED, gone=True))

        assert merged.article.content == f"<p>{winner}</p>"

    def test_an_older_file_changes_nothing(self) -> None:
        """An older file of a kept article leaves it as it is."""
        assert merge(KNOWN, told(body="new", stamp=11, published=5, path="0.md"), SETTLED) == KNOWN

    @pytest.mark.parametrize("circumstances", [SETTLED, UNSETTLED, REREAD])
    def test_an_emptied_file(self, circumstances: Circumstances) -> None:
        """Nothing published is replaced by nothing."""
        assert merge(KNOWN, told(body="", stamp=20), circumstances) == KNOWN

    @pytest.mark.parametrize("content", ['<p><img src="image:0"></p>', '<audio src="https://p.example/1.mp3"></audio>'])
    def test_a_body_without_words(self, content: str) -> None:
        """A file that now holds only a picture or a recording is not empty."""
        fresh = told(body="", stamp=20)
        fresh = replace(fresh, article=replace(fresh.article, content=content))

        assert merge(KNOWN, fresh, SETTLED).article.content == content

    def test_an_empty_article_is_filled(self) -> None:
        """Whatever comes is better than nothing, and empty may follow on empty."""
        assert merge(told(body=""), told(body="new"), SETTLED).article.excerpt == "new"
        assert merge(told(body="", stamp=9, path="2.md"), told(body="new", path="1.md"), SETTLED).path == "1.md"
        assert merge(told(body=""), told(body="", stamp=20), SETTLED).stamp == at(20)


class TestFirstRefresh:
    @pytest.mark.parametrize(("first", "second"), [(10, 8), (8, 10)])
    def test_the_earliest_file_dates_the_article(self, first: float, second: float) -> None:
        """Until the first refresh is complete the earliest `published` counts, whichever file came first."""
        one = told(stamp=12, published=first, path="1.md")
        two = told(body="new", stamp=13, published=second, path="2.md")
        expected = replace(two.article, published=at(8), updated=at(13))

        assert merge(one, two, UNSETTLED) == replace(two, article=expected)
        assert merge(two, one, UNSETTLED) == replace(two, article=expected)

    def test_the_winner_says_when_it_was_updated(self) -> None:
        """Without any stamp first sight stood in; a stamp that is found now takes its place."""
        known = told(published=50)
        merged = merge(known, told(body="new", stamp=12, published=10, path="2.md"), UNSETTLED)

        assert (merged.article.published, merged.article.updated) == (at(10), at(12))

    def test_a_change_is_not_news_yet(self) -> None:
        """What nobody has been shown has not changed."""
        merged = merge(KNOWN, told(body="new", stamp=20), UNSETTLED)

        assert (merged.article.updated, merged.article.changed) == (at(20), at(50))


class TestReread:
    @pytest.mark.parametrize("published", [8, 11])
    def test_dates_are_judged_anew(self, published: float) -> None:
        """A mended rule may move `published`; `updated` and `changed` stay, so that readers do not notice."""
        fresh = told(body="new", stamp=12, published=published)
        expected = replace(fresh.article, updated=at(12), changed=at(50))

        assert merge(KNOWN, fresh, REREAD) == replace(fresh, article=expected)

    def test_a_date_that_nobody_tells_any_more_stays(self) -> None:
        """An edited version carries a later stamp alone; read by new rules it does not move the first date."""
        edited = merge(KNOWN, told(body="new", stamp=30, published=30), SETTLED)

        assert edited.article.published == at(10)
        assert merge(edited, told(body="new", stamp=30, published=30), REREAD).article.published == at(10)

    def test_updated_is_not_before_published(self) -> None:
        """It gives way where `published` moves beyond it, even if another file has the body."""
        later = told(body="new", stamp=30, published=30)
        older = told(body="new", stamp=11, published=30, path="0.md")

        assert merge(KNOWN, later, REREAD).article.updated == at(30)
        merged = merge(KNOWN, older, REREAD)
        assert (merged.article.published, merged.article.updated) == (at(30), at(30))
        assert merged.article.content == "<p>old</p>"

    def test_the_second_file_of_an_article(self) -> None:
        """When several files are read anew the earliest of their dates counts, as in a first refresh."""
        again = replace(REREAD, met=True)

        assert merge(KNOWN, told(published=8, stamp=12), again).article.published == at(8)
        assert merge(KNOWN, told(published=11, stamp=12), again).article.published == at(10)


@st.composite
def tellings(draw: st.DrawFn, last: float) -> Normalised:
    """A telling as `normalise` makes them: published ≤ updated ≤ first seen, a stamp ≤ first seen."""
    first_seen = draw(st.integers(0, int(last)))
    published = draw(st.integers(-50, first_seen))
    stamp = draw(st.none() | st.integers(-50, first_seen))
    return told(
        body=draw(st.sampled_from(["", "one", "two"])),
        path=draw(st.sampled_from(["1.md", "2.md", "3.md"])),
        published=published,
        stamp=stamp,
        first_seen=first_seen,
        text_hash=draw(st.none() | st.sampled_from(["1:x", "2:x"])),
    )


class TestAlways:
    @given(
        st.integers(0, 100).flatmap(tellings),
        st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.booleans(), st.booleans()), max_size=5),
        st.data(),
    )
    def test_whatever_is_told(
        self, known: Normalised, refreshes: list[tuple[int, bool, bool, bool]], data: st.DataObject
    ) -> None:
        """Id and first sight never move, `published` not once settled, and `updated` lies where it may."""
        first = known
        hours = 100
        for later, settled, reread, met in refreshes:
            hours += later
            circumstances = Circumstances(now=at(hours), settled=settled, reread=reread, met=met)
            merged = merge(known, data.draw(tellings(hours)), circumstances)

            assert (merged.article.id, merged.article.first_seen) == (first.article.id, first.article.first_seen)
            assert merged.article.published <= merged.article.updated <= circumstances.now
            assert merged.article.changed <= circumstances.now
            if settled:
                assert merged.article.updated >= known.article.updated
            if settled and not reread:
                assert merged.article.published == known.article.published
            if not settled and not reread:
                assert merged.article.published <= known.article.published
            if known.article.excerpt:
                assert merged.article.excerpt
            known = merged

    @given(st.lists(tellings(100), min_size=2, max_size=4, unique_by=lambda one: one.path), st.data())
    def test_order_of_a_first_refresh(self, files: list[Normalised], data: st.DataObject) -> None:
        """In a first refresh the order in which files are read does not matter to body and date."""

        def result(order: list[Normalised]) -> tuple[object, ...]:
            merged = order[0]
            for one in order[1:]:
                merged = merge(merged, one, UNSETTLED)
            return merged.path, merged.article.content, merged.article.published, merged.article.updated

        assert result(files) == result(data.draw(st.permutations(files)))


LONG = "word " * 40


def of_feed(content: str, *, title: str = "T", number: int = 0, **fields: Any) -> Normalised:
    """An article as a feed tells it; the number tells its hash."""
    one = told(body=title, path=None, text_hash=f"1:{title} {content} {number}")
    return replace(one, article=replace(one.article, content=content, excerpt=content[:20], **fields))


FULL = of_feed(f"<p>{LONG}</p><p>end of it</p>", link="https://news.example/a")


class TestFeeds:
    def test_a_feed_has_no_files(self) -> None:
        """What it tells now is what it means, whatever the stamp."""
        fresh = of_feed("<p>something else</p>")

        assert merge(FULL, fresh, SETTLED).article.content == "<p>something else</p>"

    @pytest.mark.parametrize(
        "excerpt",
        [
            "",
            "<p>word word word…</p>",
            "<p>word word word [&hellip;]</p>",
            "<p>Word  word wo...</p>",
            "<p>word word</p>",
            '<p>word word</p><p><a href="https://news.example/a">Read more »</a></p>',
            "<p>word word … 阅读全文</p>",
            '<figure><img src="image:0"><figcaption>said</figcaption></figure><p>word word…</p>',
            "<p>word […]</p><p>The post <a>T</a> appeared first on <a>News</a>.</p>",
        ],
    )
    def test_an_excerpt_does_not_replace_the_text(self, excerpt: str) -> None:
        """Nothing published is replaced by something worse; the rest of the new telling is taken."""
        fresh = of_feed(excerpt, link="https://news.example/moved")
        merged = merge(FULL, fresh, SETTLED)

        assert merged.article == replace(FULL.article, link="https://news.example/moved")
        assert merge(merged, fresh, SETTLED) == merged

    def test_a_new_title_over_an_excerpt(self) -> None:
        """It is news once, and the text stays."""
        fresh = of_feed("<p>word word…</p>", title="U")
        merged = merge(FULL, fresh, SETTLED)

        assert merged.article == replace(FULL.article, title="U", updated=NOW, changed=NOW)
        later = Circumstances(now=at(200), settled=True)
        assert merge(merged, fresh, later) == merged

    @pytest.mark.parametrize(
        "text",
        [
            f"<p>{LONG}</p>",
            "<p>Correction: word word</p>",
            "<p>words</p>",
            f"<p>{LONG}</p><p>end of it, and more</p>",
        ],
    )
    def test_an_edit_is_no_excerpt(self, text: str) -> None:
        """A text that loses little, or says something else, is the publisher's to change."""
        merged = merge(FULL, of_feed(text), SETTLED)

        assert (merged.article.content, merged.article.updated) == (text, NOW)

    def test_the_full_text_comes_later(self) -> None:
        """An excerpt gives way."""
        assert merge(of_feed("<p>word word…</p>"), FULL, SETTLED).article.content == FULL.article.content

    def test_new_rules_may_shorten(self) -> None:
        """What is read again by new rules is taken as they read it."""
        assert merge(FULL, of_feed("<p>word word</p>"), REREAD).article.content == "<p>word word</p>"

    def test_pictures_belong_to_the_text(self) -> None:
        """Numbers stand for the pictures of the telling that they came with."""
        known = replace(FULL, article=replace(FULL.article, images=(model.Image(origin="https://n.example/1.jpg"),)))
        fresh = of_feed("<p>word</p>", images=(model.Image(origin="https://n.example/2.jpg"),))

        assert merge(known, fresh, SETTLED).article.images == known.article.images

    def test_a_stamp_alone_is_no_news(self) -> None:
        """Feeds that stamp every item anew do not move `updated`."""
        fresh = replace(FULL, stamp=at(90), article=replace(FULL.article, updated=at(90), published=at(80)))

        assert merge(FULL, fresh, SETTLED).article == FULL.article

    def test_many_marks(self) -> None:
        """A text of nothing but dots costs no time."""
        dots = "<p>" + "…" * 500_000 + "readmore" * 10_000 + "</p>"

        assert merge(FULL, of_feed(dots), SETTLED).article.content == dots
