"""The pages' own words."""

from datetime import timedelta

import pytest

from feedbridge.pages.words import words_for


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (None, None),
        (timedelta(), None),
        (timedelta(minutes=1), "about 1,000 entries a day"),
        (timedelta(minutes=42), "about 30 entries a day"),
        (timedelta(hours=8), "about 3 entries a day"),
        (timedelta(days=1), "about 7 entries a week"),
        (timedelta(days=7), "about 4 entries a month"),
        (timedelta(days=30), "about 12 entries a year"),
        (timedelta(days=4000), "about 1 entries a year"),
    ],
)
def test_pace(interval: timedelta | None, said: str | None) -> None:
    """A number that one can grasp, of the unit that fits."""
    assert words_for("en").pace(interval) == said


def test_every_unit_has_words_in_every_language() -> None:
    """With the number in its place."""
    for tag in ("en", "zh", "zh-TW"):
        words = words_for(tag)
        assert set(words.paces) == {"day", "week", "month", "year"}
        assert all("{}" in text for text in (*words.paces.values(), words.archive))
