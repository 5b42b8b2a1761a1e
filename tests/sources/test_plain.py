import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.sources.plain import plain_text, plain_title


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("AT&T", "AT&T"),
        ("R&D &amp; more", "R&D & more"),
        ("a < b", "a < b"),
        ("x &lt; y", "x < y"),
        ("a &amp;amp; b", "a & b"),
        ("Caf&eacute; &#8211; &#x201C;new&#x201D;", "Café – “new”"),
        ("<b>Bold</b> move", "Bold move"),
        ("&lt;b&gt;Bold&lt;/b&gt; move", "Bold move"),
        ("<video> tag explained", "<video> tag explained"),
        ("&lt;video&gt; tag explained", "<video> tag explained"),
        ("The <b> tag", "The <b> tag"),
        ("List<T> or <T>", "List<T> or <T>"),
        ("one<br>two<br/>three", "one two three"),
        ('<a href="x">link</a> and <i><b>both</b></i>', "link and both"),
        ("wrongly <b><i>nested</b></i>", "wrongly nested"),
        ("  two\n lines\t", "two lines"),
        ("?a=1&copy=2", "?a=1&copy=2"),
        ("5 &notanentity; 6", "5 &notanentity; 6"),
        ("&#xD83D; &#0;", "\ufffd \ufffd"),
        ("", ""),
    ],
)
def test_rss_title(raw: str, plain: str) -> None:
    """A title of which nobody says what it is: formatting and references are undone, all else is text."""
    assert plain_title(raw, markup=None) == plain


@pytest.mark.parametrize("raw", ["a &amp; b", "<b>x</b>", "&lt;b&gt;", "AT&T", "a < b"])
def test_text_title(raw: str) -> None:
    """A title that is text stays as it is, in one line."""
    assert plain_title(f" {raw}\n", markup=False) == raw


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("a &amp; b", "a & b"),
        ("a &amp;amp; b", "a &amp; b"),
        ("<b>x</b><i>y", "xy"),
        ("&lt;b&gt;x", "<b>x"),
        ("a < b <3", "a < b <3"),
        ("<p>one</p><p>two</p>", "one two"),
        ("a<script>alert('<b>')</script>b<style>p { }</style >c", "a b c"),
        ("a<!-- b -->c", "ac"),
        ("a<script>b", "a"),
        ("cut <a href=", "cut <a href="),
    ],
)
def test_html_title(raw: str, plain: str) -> None:
    """A title that is HTML loses its tags, and its references are undone once."""
    assert plain_title(raw, markup=True) == plain == plain_text(raw)


@given(st.text(), st.sampled_from([True, False, None]))
def test_any_title(raw: str, markup: bool | None) -> None:
    """Whatever comes, a title is one line."""
    plain = plain_title(raw, markup=markup)
    assert plain == " ".join(plain.split())


@pytest.mark.parametrize("piece", ["<", "<a", "<b>", "</b>", "<!--", "&", "&amp;", "<script>", "<b>x</b>", "<i "])
def test_time_grows_with_length(piece: str) -> None:
    """No repetition keeps it busy."""
    started = time.process_time()
    plain_title(piece * 100_000, markup=None)
    plain_text(piece * 100_000)
    assert time.process_time() - started < 30.0
