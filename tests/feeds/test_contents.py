"""Contents are put into a document last."""

from datetime import UTC, datetime

import pytest

from feedbridge.feeds.contents import MARK, put_in
from feedbridge.model import Entry

MOMENT = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


def entries(*contents: str) -> list[Entry]:
    return [
        Entry(id=f"urn:example:{number}", title="x", link=None, published=MOMENT, updated=MOMENT, content=content)
        for number, content in enumerate(contents)
    ]


def test_contents_stand_at_their_marks() -> None:
    """In the order of their entries, escaped as XML has them; an entry without one has no mark."""
    document = f"<a>{MARK}</a><b/><c>{MARK}</c>".encode()
    assert put_in(document, entries("<p>1 &amp; 2</p>\r", "", f"中 {MARK}")) == (
        f"<a>&lt;p&gt;1 &amp;amp; 2&lt;/p&gt;&#13;</a><b/><c>中 {MARK}</c>".encode()
    )


@pytest.mark.parametrize("content", ["\x00", "\x08", "\ud800", "\ufffe"])
def test_what_xml_cannot_hold_is_refused(content: str) -> None:
    """As it is where it stands in a tree."""
    with pytest.raises(ValueError, match=r"XML|surrogates"):
        put_in(MARK.encode(), entries(content))


def test_marks_and_contents_are_as_many() -> None:
    """A document that says otherwise is not written."""
    with pytest.raises(ValueError, match="zip"):
        put_in(MARK.encode(), entries("a", "b"))
