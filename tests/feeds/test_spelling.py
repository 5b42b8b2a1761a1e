"""How values are spelled."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.feeds.spelling import illegal_character, iri, is_absolute, is_iri, rfc3339


def test_rfc3339_is_in_utc_and_whole_seconds() -> None:
    """An instant is spelled in one way only."""
    moment = datetime(2023, 7, 12, 17, 38, 33, 999_999, tzinfo=timezone(timedelta(hours=8)))
    assert rfc3339(moment) == "2023-07-12T09:38:33Z"
    assert rfc3339(datetime(999, 1, 2, tzinfo=UTC)) == "0999-01-02T00:00:00Z"


def test_rfc3339_needs_a_zone() -> None:
    """The zone of the machine is never assumed."""
    with pytest.raises(ValueError, match="no zone"):
        rfc3339(datetime(2023, 7, 12))  # noqa: DTZ001  (the lack of a zone is the case)


@given(st.text())
def test_iri_is_an_iri_and_stays_one(address: str) -> None:
    """Whatever is encoded is encoded once."""
    assert iri(iri(address)) == iri(address)
    assert is_iri(iri(address))


@pytest.mark.parametrize("address", ["https://x.example/中", "urn:a:b", "tag:x.example,2023:1", "mailto:a@x.example"])
def test_absolute(address: str) -> None:
    """A scheme makes an address absolute."""
    assert is_absolute(address)


@pytest.mark.parametrize(
    "address", ["", "a", "/a", "//x.example/", "#a", "?a", "https:a", "https:///a", "http://", "1:a"]
)
def test_relative(address: str) -> None:
    """An address of the web needs a host too."""
    assert not is_absolute(address)


@pytest.mark.parametrize(
    ("text", "character"),
    [("a\tb\r\n\x7f\x85中\U0001f600", None), ("a\x08\x00", "U+0008"), ("\ud800", "U+D800"), ("\uffff", "U+FFFF")],
)
def test_illegal_character(text: str, character: str | None) -> None:
    """The first character that XML cannot hold is named."""
    assert illegal_character(text) == character
