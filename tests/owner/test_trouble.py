"""The trouble feed."""

from datetime import UTC, datetime, timedelta

import feedparser
import pytest

from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM
from feedbridge.owner.trouble import ENTRIES, trouble_feed
from feedbridge.owner.words import words_for
from feedbridge.store.troubles import Trouble

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
UID = "urn:uuid:12345678-1234-4234-8234-1234567890{:02}"


def written(*troubles: Trouble, language: str = "en", site: str = "From afar") -> bytes:
    return trouble_feed(
        troubles,
        site=site,
        home="https://feeds.example/status/",
        began=NOON - HOUR,
        words=words_for(language),
        page_of=lambda name: f"https://feeds.example/status/source?name={name.encode().hex()}",
    )


def trouble(number: int = 1, *, source: str = "voa", reason: str = "404 Not Found", healed: bool = False) -> Trouble:
    at = NOON + number * HOUR
    return Trouble(
        uid=UID.format(number), source=source, broke_at=at, reason=reason, healed_at=at + HOUR / 2 if healed else None
    )


def test_what_broke_and_what_recovered() -> None:
    """One entry each, the latest first, with the instant of it as their date, and links of their own."""
    body = written(trouble(1, healed=True), trouble(2, source="rfa"))
    assert lint(body, ATOM) == ()
    feed = feedparser.parse(body)
    assert [(entry.title, entry.updated) for entry in feed.entries] == [
        ("Broken: rfa", "2026-11-23T14:00:00+00:00"),
        ("Recovered: voa", "2026-11-23T13:30:00+00:00"),
        ("Broken: voa", "2026-11-23T13:00:00+00:00"),
    ]
    assert len({entry.link for entry in feed.entries}) == len({entry.id for entry in feed.entries}) == 3
    assert "404 Not Found" in feed.entries[0].content[0].value
    assert feed.feed.updated == "2026-11-23T14:00:00+00:00"


def test_an_entry_stays_as_it_is() -> None:
    """When a source recovers, what told that it was broken does not change: no reader shows it again."""
    before, after = (feedparser.parse(written(trouble(healed=healed))).entries[-1] for healed in (False, True))
    assert dict(before) == dict(after)


def test_an_empty_feed_is_valid() -> None:
    """Its date is that of the beginning."""
    body = written()
    assert lint(body, ATOM) == ()
    assert feedparser.parse(body).feed.updated == "2026-11-23T11:00:00+00:00"


@pytest.mark.parametrize("language", ["en", "zh-Hans", "zh-Hant"])
def test_hostile_names_are_harmless(language: str) -> None:
    """Neither names nor reasons are markup, whatever they hold."""
    hostile = '"><script>alert(1)</script>&amp;]]>{}\u202e'
    reason = hostile + "\u0008\x00" + "x" * 100_000
    body = written(trouble(source=hostile, reason=reason, healed=True), site=hostile, language=language)
    assert len(body) < 10_000
    assert lint(body, ATOM) == ()
    assert b"<script" not in body
    assert all("<script" not in entry.content[0].value for entry in feedparser.parse(body).entries)


def test_it_does_not_grow_for_ever() -> None:
    """The newest entries are shown."""
    feed = feedparser.parse(written(*(trouble(number % 90 + 1, healed=True) for number in range(90))))
    assert len(feed.entries) == ENTRIES
