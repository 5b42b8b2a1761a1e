import pytest

from feedbridge.articles import items
from feedbridge.model import RawItem, Witness


@pytest.mark.parametrize(
    ("written", "found"),
    [(None, None), ("", None), (" \n\x08", None), (" a\nb\u202e ", "a b"), ("x" * 2_000, "x" * 2_000)],
)
def test_upstream_id(written: str | None, found: str | None) -> None:
    """An id is one line, or there is none."""
    assert items.upstream_id(RawItem(id=written)) == found


def test_an_endless_id() -> None:
    """It is known by its digest, so that no alias is longer than a link."""
    one, other = (items.upstream_id(RawItem(id="x" * 100_000 + end)) for end in "ab")

    assert one != other
    assert one is not None
    assert (one[:7], len(one)) == ("sha256:", 71)


@pytest.mark.parametrize(
    ("link", "base", "found"),
    [
        ("/a", "https://n.example/feed", ("https://n.example/a", "https://n.example/feed")),
        ("https://n.example/a", None, ("https://n.example/a", "https://n.example/a")),
        ("https://n.example/a", "feed.xml", ("https://n.example/a", "https://n.example/a")),
        (None, "https://n.example/feed", (None, "https://n.example/feed")),
        ("/a", None, (None, None)),
    ],
)
def test_link_and_base(link: str | None, base: str | None, found: tuple[str | None, str | None]) -> None:
    """The link may be relative to the base; without a base, addresses are relative to the link."""
    item = RawItem(link=link, base=base)

    assert (items.link(item), items.base(item)) == found


def test_dates_are_short() -> None:
    """What stands in the place of a date is kept to be shown, but not at any length."""
    assert items.date_text(Witness(kind="published", text=" 1\nJul " + "x" * 500)) == "1 Jul " + "x" * 294
