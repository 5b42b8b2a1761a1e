"""Markup made well nested, and refused where it would take a parser too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from feedbridge.articles.markup import MAX_ATTRIBUTES, MAX_DEPTH, MAX_HTML, MAX_TAGS, tame
from feedbridge.articles.text import clean, words
from feedbridge.errors import UnusableItem

pieces = st.sampled_from(
    sorted(
        words(
            "<p> </p> <div> </div> <b> </b> <a href=x> </a> <table> </table> <td> </td> <tr> <caption> <li> <ul> </ul>"
            " <svg> </svg> <math> <title> </title> <script> </script> <style> <!-- --> --!> <!--> <![CDATA[ ]]> </>"
            " <!DOCTYPE> <?x <h1> </h2> <button> </button> <form> </form> <object> <select> <option> <template> <rt>"
            " <noscript> </noscript> <ruby> <dd> <dt> <nobr> <font> </font> <marquee> <frameset> <plaintext> <image>"
            " <br/> </br> <hr> <x-y> <o:p> < > = \" ' / & &lt; text <span/> <p/ <a= <a=' <a=\" <iframe> </iframe>"
            " <textarea> <details> <summary>"
        )
    )
)
documents = st.lists(pieces, max_size=40).map("".join)


def body(markup: str) -> str:
    """What `tame` writes into the body."""
    return tame(markup).removeprefix("<!DOCTYPE html><body>")


@pytest.mark.parametrize(
    ("markup", "written"),
    [
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        ("<ul><li>a<li>b</ul>c", "<ul><li>a</li><li>b</li></ul>c"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"),
        ("<b><i>a</b>c</i>", "<b><i>a</i></b>c"),
        ("<p>a</div>b</p>", "<p>ab</p>"),
        ("<div><table><td></div>a</table></div>", "<div><table><td>a</td></table></div>"),
        ("<a href=1>x<a href=2>y</a>", "<a href=1>x</a><a href=2>y</a>"),
        ("<span/>a<br/>b</br>c", "<span></span>a<br>b<br>c"),
        ("<td>a</td><td>b</td>", "<div>a</div><div>b</div>"),
        ("<form>a</form>b", "<div>a</div>b"),
    ],
)
def test_ends_are_written_where_a_parser_would_guess_them(markup: str, written: str) -> None:
    """Every element ends inside the one that holds it, as the standard's rules for left-out tags say."""
    assert body(markup) == written


@pytest.mark.parametrize(
    ("markup", "written"),
    [
        ("a<!-- <b> -->b<!-->c<!--->d<!-- x --!>e", "abcde"),
        ("a<script>'<p>'</script>b<style>p{}</STYLE >c", "abc"),
        ("a<svg><title>x</title><p>y</svg>b", "ab"),
        ("a<![CDATA[x]]>b<?php x ?>c<!DOCTYPE x>d</>e", "abcde"),
        ("a<title>x</title>b<template><p>x</template>c", "abc"),
        ('<iframe src="x"><p>fallback</iframe>b', '<iframe src="x"></iframe>b'),
        ("<html><body>a<plaintext>b<frameset><o:p>c</o:p>", "abc"),
    ],
)
def test_what_no_article_needs_is_left_out(markup: str, written: str) -> None:
    """Comments, scripts, drawings and declarations go; the text around them stays."""
    assert body(markup) == written


@pytest.mark.parametrize(
    ("markup", "written"),
    [
        ("1 < 2 <3", "1 &lt; 2 &lt;3"),
        ('<p title="a>b">c</p>', '<p title="a>b">c</p>'),
        ('<p ="x>y', '<p ="x>y</p>'),
        ("<<!-- -->b>", "&lt;b>"),
        ("a<svg>text that has no end", "atext that has no end"),
        ("a<textarea>text that has no end", "atext that has no end"),
        ("a<p title='never ended>b", "a"),
        ("a<script>never ended", "a"),
    ],
)
def test_broken_markup_is_read_as_the_standard_reads_it(markup: str, written: str) -> None:
    """Quotes count only after `=`; a tag that never ends takes the rest; a lone `<` is text."""
    assert body(markup) == written


@pytest.mark.parametrize("name", ["div", "span", "b", "a-b", "font", "ul", "blockquote", "section", "table", "ruby"])
def test_deep_nesting_is_refused(name: str) -> None:
    """More elements inside one another than `MAX_DEPTH` are no article."""
    with pytest.raises(UnusableItem, match="nested"):
        tame(f"<{name}>" * (MAX_DEPTH + 1))


def test_nesting_up_to_the_limit_is_read() -> None:
    """The limit itself is allowed, and what is closed again does not count."""
    assert body("<div>" * MAX_DEPTH) == "<div>" * MAX_DEPTH + "</div>" * MAX_DEPTH
    assert body("<div></div>" * 1_000) == "<div></div>" * 1_000


def test_a_table_counts_with_what_a_parser_adds() -> None:
    """A parser puts a body and a row into each table that has none."""
    most = MAX_DEPTH // 3
    assert body("<table>" * most) == "<table>" * most + "</table>" * most
    with pytest.raises(UnusableItem, match="nested"):
        tame("<table>" * (most + 1))


def test_too_many_attributes_are_refused() -> None:
    """Parsers compare each attribute of a tag with all others; the limit itself is allowed."""
    most = f"<p {' '.join(f'a{number}' for number in range(MAX_ATTRIBUTES))}>"
    assert body(most) == f"{most}</p>"
    with pytest.raises(UnusableItem, match="attributes"):
        tame("<p " + " ".join(f"a{number}" for number in range(MAX_ATTRIBUTES + 1)) + ">")


def test_long_attributes_are_left_out() -> None:
    """A large picture written into its tag is not carried along."""
    assert body("<img alt=x src='data:image/png;base64," + "A" * 100_000 + "'>b") == "<img>b"


@pytest.mark.parametrize("piece", ["<br>", "<p>", "</p>", "</x>", "<!>", "<!-- -->", "<svg>", "<b></b>", "<a href=x>"])
def test_too_many_tags_are_refused(piece: str) -> None:
    """Everything that looks like a tag counts, and so do the ends that had to be written."""
    with pytest.raises(UnusableItem, match="tags"):
        tame(piece * (MAX_TAGS + 1))


def test_as_many_tags_as_allowed_are_read() -> None:
    """The limit itself is allowed, and so is any number of `<` that begin nothing."""
    assert body("<br>" * MAX_TAGS + "<" * 100_000) == "<br>" * MAX_TAGS + "&lt;" * 100_000


def test_too_long_a_text_is_refused() -> None:
    """The length is looked at first."""
    with pytest.raises(UnusableItem, match="characters"):
        tame("x" * (MAX_HTML + 1))


def depth(node: LexborNode) -> int:
    """How deep the parser's tree is below this node."""
    child, deepest = node.first_child, 0
    while child is not None:
        deepest = max(deepest, depth(child) + 1)
        child = child.next
    return deepest


@given(documents)
def test_parser_builds_what_was_counted(markup: str) -> None:
    """Whatever is written, the parser's tree grows no deeper than was counted.

    The document stands many times on end: what stayed open in the parser alone would add up.
    """
    try:
        written = tame(clean(markup) * 40)
    except UnusableItem:
        return
    tree = LexborHTMLParser(written).body
    assert tree is not None
    assert depth(tree) <= MAX_DEPTH + 2


@given(documents)
def test_taming_twice_changes_nothing(markup: str) -> None:
    """What was written is well nested already."""
    try:
        once = body(markup)
    except UnusableItem:
        return
    assert body(once) == once


@given(documents)
def test_copied_is_what_would_be_written(markup: str) -> None:
    """A document comes out the same whether its usual tags are copied or written one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("feedbridge.articles.markup._MAY_END", {})
        written = outcome(markup)
    assert outcome(markup) == written


def outcome(markup: str) -> str:
    """What is written, or why it is refused."""
    try:
        return body(clean(markup) * 40)
    except UnusableItem as refusal:
        return str(refusal)
