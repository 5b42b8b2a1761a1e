import html
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feedbridge.sources.core import MAX_CHILDREN, MAX_ITEMS, channel_of, core_document, items_of, shown
from feedbridge.sources.wellformed import read_tree

ATOM = 'xmlns="http://www.w3.org/2005/Atom"'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
PIECES = (
    "<item>",
    "</item>",
    "<title>",
    "</title>",
    "<content type='xhtml'>",
    "<div>",
    "</div>",
    "<x:y>",
    "<a:b xmlns:a='urn:a'>",
    "<media:group>",
    "<source>",
    "<category>",
    "<svg xmlns='urn:b' c:d='1'/>",
    "<br>",
    "<é>",
    "é",
    "&#128;",
    "&lt;",
)


def core_of(text: str) -> str:
    root = etree.fromstring(text)
    core, texts = core_document(root, items_of(root)[0])
    for mark, markup in reversed(texts.items()):
        core = core.replace(mark.encode(), html.escape(markup, quote=False).encode())
    return shown(core.decode(), {})  # type: ignore[no-any-return]


def core_of_item(inside: str, namespaces: str = "") -> str:
    core = core_of(f"<rss {namespaces}><channel><item>{inside}</item></channel></rss>")
    return core.partition("<item>")[2].partition("</item>")[0]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (
            f'<content type="xhtml"><div {XHTML}>a<br/>&lt; <img src="b"/></div></content>',
            'a&lt;br&gt;&amp;lt; &lt;img src="b"&gt;',
        ),
        (f'<content type="xhtml">\n<div {XHTML}/>\n</content>', None),
        ('<content type="xhtml">a &lt; b</content>', "a &amp;lt; b"),
        (
            '<content type="xhtml" xmlns:h="http://www.w3.org/1999/xhtml"><h:div>a<h:b c="d">e</h:b></h:div></content>',
            'a&lt;b c="d"&gt;e&lt;/b&gt;',
        ),
        ("<title>a <b>c</b> d</title>", "a &lt;b&gt;c&lt;/b&gt; d"),
        ("<description><div>a</div></description>", "&lt;div&gt;a&lt;/div&gt;"),
        ('<content type="image/svg+xml"><svg>a</svg></content>', None),
    ],
)
def test_markup_is_escaped(markup: str, text: str | None) -> None:
    """Markup that stands as elements becomes escaped HTML, without the div around XHTML."""
    written = core_of_item(markup)
    name = markup[1 : markup.index(">")].partition(" ")[0]
    if text is not None:
        assert written.startswith(f"<{name}")
        assert written.endswith(f'type="html">{text}</{name}>')
    root = etree.fromstring(f"<x>{written}</x>")
    assert [child.tag for child in root.iter()] == ["x", name]


def test_other_vocabularies_are_left_out() -> None:
    """What feedparser would take for the item's own is gone, and so is what it does not know."""
    inside = (
        "<title>a</title><media:title>b</media:title><media:group><media:content/></media:group><i:summary>c</i:summary>"
        "<x:title>d</x:title><author>e</author><image>f</image><dc:title>g</dc:title><tags>h,i</tags>"
    )
    namespaces = (
        'xmlns:media="http://search.yahoo.com/mrss/" xmlns:i="http://www.itunes.com/dtds/podcast-1.0.dtd" '
        'xmlns:x="urn:x" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    )
    assert core_of_item(inside, namespaces) == "<title>a</title><dc:title>g</dc:title>"


def test_what_is_read_beside_is_left_out() -> None:
    """Feedparser gets neither dates nor files, which would cost it time."""
    inside = "<pubDate>a</pubDate><dc:date>b</dc:date><enclosure url='c'/><link>d</link>"
    assert core_of_item(inside, 'xmlns:dc="http://purl.org/dc/elements/1.1/"') == "<link>d</link>"


def test_ids_are_no_addresses() -> None:
    """Ids are marked so that nothing is joined to them."""
    assert core_of_item('<guid ispermalink="true">a</guid>').endswith('isPermaLink="false">a</guid>')


def test_categories_outside_of_items_are_left_out() -> None:
    """feedparser's time grows with the square of their number."""
    assert core_of("<rss><channel><category>a</category><item><category>b</category></item></channel></rss>") == (
        "<rss><channel><item><category>b</category></item></channel></rss>"
    )


def test_text_behind_what_is_left_out_stays() -> None:
    """Text between elements is no part of them."""
    assert core_of_item("a<image/>b<author/>c<link/>d") == "abc<link/>d"


def test_items_are_bounded() -> None:
    """A document's first items are read, and an item's first elements."""
    root = etree.fromstring(f"<rss><item>{'<a/>' * (MAX_CHILDREN + 1)}</item>{'<item/>' * MAX_ITEMS}</rss>")
    items, _ = items_of(root)
    assert (len(items), len(items[0]), len(root)) == (MAX_ITEMS, MAX_CHILDREN, MAX_ITEMS)


def test_items_inside_items_are_content() -> None:
    """An item does not stand in another."""
    root = etree.fromstring("<rss><item><content><item/></content></item><item/></rss>")
    assert items_of(root) == ([root[0], root[1]], 0)


@pytest.mark.parametrize(
    ("inside", "aside"),
    [
        ("<description> a&lt;b&gt; </description>", [" a<b> "]),
        ("<description><b>a</b></description><c:encoded>é</c:encoded>", ["<b>a</b>", "é"]),
        ("<summary type='HTML'>a</summary><content type='text/html' xml:lang='en'>b</content>", ["a", "b"]),
        ("<summary>a</summary><content>b</content><description>c</description>", []),
        ("<description/><description>a</description>", []),
        ("<description type='text'>a</description><description TYPE='html'>b</description>", []),
        ("<content type='text/html' mode='base64'>a</content><content type=' html'>b</content>", []),
        ("<title type='html'>a</title><source><description>b</description></source>", []),
    ],
)
def test_markup_goes_aside(inside: str, aside: list[str]) -> None:
    """Feedparser does not see the texts that it takes for HTML whatever they are; what it looks into, it gets."""
    root = etree.fromstring(f"<rss xmlns:c='http://purl.org/rss/1.0/modules/content/'><item>{inside}</item></rss>")
    core, texts = core_document(root, items_of(root)[0])
    assert list(texts.values()) == aside
    marks = [element.text for element in etree.fromstring(core).iter() if element.text in texts]
    assert [shown({"a": [mark]}, texts) for mark in marks] == [{"a": [text]} for text in aside]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<rss><channel/></rss>", "channel"),
        (f"<feed {ATOM}/>", "{http://www.w3.org/2005/Atom}feed"),
        ("<a:rss xmlns:a='urn:a'><a:channel/></a:rss>", "{urn:a}rss"),
    ],
)
def test_channel(text: str, tag: str) -> None:
    """The element that speaks of the whole feed."""
    assert channel_of(etree.fromstring(text)).tag == tag


@given(st.text())
def test_letters_put_aside_come_back(text: str) -> None:
    """What is hidden from feedparser is shown afterwards, wherever it stands."""
    root = etree.Element("rss")
    root.text = "".join(sign for sign in text if sign.isprintable())
    hidden = core_document(root, [])[0].decode()
    assert not any("\x80" <= sign <= "\xff" for sign in hidden)
    assert shown([{"a": hidden}], {}) == [{"a": etree.tostring(root, encoding="unicode")}]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_document(text: str) -> None:
    """Whatever comes, feedparser gets a document that is well-formed."""
    read = read_tree(f"<rss><channel>{text}</channel></rss>")
    assert read is not None
    ElementTree.fromstring(core_document(read[0], items_of(read[0])[0])[0])
