import time
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

from feedbridge.sources.wellformed import find_root, mend, read_tree, simplify

PIECES = (
    "<rss>",
    "</rss>",
    "<channel>",
    "</channel>",
    "<item>",
    "</item>",
    "<entry/>",
    "<title>",
    "</title>",
    "<link/>",
    "<x:y z='1'>",
    "</x:y>",
    "<dc:date>",
    "<a b=c b='d>'",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?",
    "?>",
    "&",
    "&amp;",
    "&nbsp;",
    "&#0;",
    "&#xD83D;",
    "&#x110000;",
    "\x00",
    "\x85",
    "\ud800",
    "<",
    ">",
    '"',
    "文",
)


def tree_of(text: str) -> tuple[str, bool] | None:
    """The tree as text, and whether the document has an end."""
    read = read_tree(text)
    return (etree.tostring(read[0], encoding="unicode"), read[1]) if read else None


@pytest.mark.parametrize(
    ("before", "begins"),
    [
        ("", True),
        ("\n \n", True),
        ('<?xml version="1.0"?>\n<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "x.dtd">', True),
        ("<br />\n<b>Warning</b>: in x.php\n<?xml version='1.0'?>", True),
        ("<!-- <html> --><?xml-stylesheet href='x'?>", True),
        ("<!-- without an end ", True),
        ("<!doctype html><html><body>", False),
        ("<HTML>", False),
    ],
)
def test_root(before: str, begins: bool) -> None:
    """The root of a feed is found behind what should not be there, but not inside an HTML page."""
    assert find_root(f"{before}<rss version='2.0'>") == (len(before) if begins else None)


@pytest.mark.parametrize("text", ["", "<foo/>", "<!-- <rss> -->", "rss", "<rssx>", "<feedback>"])
def test_no_root(text: str) -> None:
    """What is no feed has no root."""
    assert find_root(text) is None
    assert read_tree(text) is None


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("a&nbsp;b&hellip;&LT;", "a&#160;b&#8230;&#60;"),
        ("&lt;&gt;&amp;&quot;&apos;", "&lt;&gt;&amp;&quot;&apos;"),
        ("AT&T &bogus; ?a=1&b=2&", "AT&amp;T &amp;bogus; ?a=1&amp;b=2&amp;"),
        ("a<!-- -- -->b<?php x ?>c", "abc"),
        ("<![CDATA[<b>&nbsp;</b>]]>", "&lt;b&gt;&amp;nbsp;&lt;/b&gt;"),
        ("<![CDATA[cut", "cut"),
        ("]]>", "]]&gt;"),
        ("<!-- <? cut", "  cut"),
        ("a\x00\x08b\x0bc\ufffe\ud800", "ab c"),
        ("&#0;&#8;&#10;&#xD83D;&#x110000;&#65;", "&#10;\ufffd\ufffd&#65;"),
        ("&#xD83D;&#xDE00; &#55357;&#56832;", "&#128512; &#128512;"),
        ("&#99999;&#99999;", "&#99999;&#99999;"),
    ],
)
def test_simplify(text: str, simple: str) -> None:
    """Entities of HTML, sections and what XML cannot hold are gone; what they meant stays."""
    assert simplify(text) == simple


def test_well_formed_document() -> None:
    """A well-formed document is read as it is."""
    assert tree_of("<rss><channel><title>a &lt; b</title></channel></rss>") == (
        "<rss><channel><title>a &lt; b</title></channel></rss>",
        True,
    )


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("<rss><title>a</b></title></rss>", "<rss><title>a</title></rss>"),
        ("<rss><a><b>x</a></b></rss>", "<rss><a><b>x</b></a></rss>"),
        ("<rss><d>one<br>two<img src=x></d></rss>", '<rss><d>one<br/>two<img src="x"/></d></rss>'),
        ("<rss><title>a < b</title></rss>", "<rss><title>a &lt; b</title></rss>"),
        ("<rss><x a='1' a='2' b=c d></x></rss>", "<rss><x a='1' b=\"c\"></x></rss>"),
        ("<rss><x a=\"b>c\" d='e'/></rss>", "<rss><x a=\"b>c\" d='e'/></rss>"),
        ("<rss><x a='b></rss>", "<rss><x></x></rss>"),
        (
            "<rss><item><title>a<item><title>b</rss>",
            "<rss><item><title>a</title></item><item><title>b</title></item></rss>",
        ),
        (
            "<rss><item><title>a<link>b</link></item></rss>",
            "<rss><item><title>a</title><link>b</link></item></rss>",
        ),
        ("<rss></rss><script>x</script>", "<rss></rss>"),
        ("<rss/>", "<rss/>"),
    ],
)
def test_nesting_is_mended(text: str, mended: str) -> None:
    """What is open is closed where its parent ends, what closes nothing goes."""
    assert mend(text) == (mended, True)


@pytest.mark.parametrize("rest", ["", "<title>b", "<title>b</title>", "<link href='", "<title>b</title></ite"])
def test_unfinished_item_is_left_out(rest: str) -> None:
    """A document that was cut off is read up to the last item that has an end."""
    assert tree_of(f"<rss><channel><item><title>a</title></item><item>{rest}") == (
        "<rss><channel><item><title>a</title></item></channel></rss>",
        False,
    )


def test_undeclared_prefixes() -> None:
    """Elements with a usual prefix are what they are everywhere; attributes with one go."""
    read = read_tree("<rss><dc:date x:y='1' z='2'>a</dc:date><media:content url='b'/><foo:bar/></rss>")
    assert read is not None
    assert [(child.tag, dict(child.attrib)) for child in read[0]] == [
        ("{http://purl.org/dc/elements/1.1/}date", {"z": "2"}),
        ("{http://search.yahoo.com/mrss/}content", {"url": "b"}),
        ("foo:bar", {}),
    ]


def test_nesting_is_bounded() -> None:
    """A document that is nested beyond reason keeps its text."""
    read = read_tree("<rss><item><d>" + "<a>" * 1000 + "text" + "</a>" * 1000 + "</d></item></rss>")
    assert read is not None
    assert "".join(read[0].itertext()) == "text"


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=9).map("".join))
def test_well_formed_text(text: str) -> None:
    """What is well-formed is read as it stands, and that is what would be read of it if it were made simpler first."""
    document = f"<rss>{text}</rss>"
    assume(is_well_formed(document))
    read, simple = read_tree(document), read_tree(simplify(document))
    assert read is not None
    assert simple is not None
    assert etree.tostring(read[0], method="c14n") == etree.tostring(simple[0], method="c14n")


def is_well_formed(document: str) -> bool:
    try:
        ElementTree.fromstring(document)
    except (ElementTree.ParseError, UnicodeEncodeError):
        return False
    return True


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join))
def test_any_text(text: str) -> None:
    """Whatever stands behind a root, a tree comes of it, or none; mending what is mended changes nothing."""
    read_tree("<rss>" + text)
    mended, _ = mend(simplify("<rss>" + text))
    assert mend(mended) == (mended, True)


@pytest.mark.parametrize(
    "piece",
    ["<", "<a", "<a>", "<a b='", "<!--", "<?", "<![CDATA[", "&", "&#", "a", "<item>", "</a>", "x=", "]]", "<a "],
)
def test_time_grows_with_length(piece: str) -> None:
    """No repetition keeps it busy."""
    started = time.process_time()
    read_tree(piece * 200_000)
    read_tree("<rss><item>" + piece * 200_000)
    read_tree("<rss><item " + piece * 200_000 + "></item></rss>")
    assert time.process_time() - started < 30.0
