"""An article's HTML as a page can hold it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from feedbridge.articles.html import BodyRules, clean_body
from feedbridge.feeds.checks import html_problems
from feedbridge.pages.prose import fitted
from feedbridge.pages.words import words_for

WORDS = words_for("en")
WIDE = '<div class="wide" role="group" tabindex="0" aria-label="Table">'


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("<p>1 &lt; 2</p>", "<p>1 &lt; 2</p>"),
        ("<h4>a</h4><h6>b</h6><h6>c</h6><h4>d</h4><h1>e</h1>",
         "<h2>a</h2><h3>b</h3><h3>c</h3><h2>d</h2><h2>e</h2>"),
        ('<h1 lang="zh">a</h1>', '<h2 lang="zh">a</h2>'),
        ("<table><tr><td>x</td></tr></table>", f"{WIDE}<table><tr><td>x</td></tr></table></div>"),
        ('<img src="https://x.example/1" alt="<h1>">', '<img src="https://x.example/1" alt="<h1>" loading="lazy">'),
        ('<p title="<table>">x</p>', '<p title="<table>">x</p>'),
        ('<video src="https://x.example/1" controls=""></video>',
         '<video src="https://x.example/1" controls="" preload="none"></video>'),
        ('<a href="https://x.example/"><img src="https://x.example/1" alt=""></a>',
         '<a href="https://x.example/" aria-label="Picture"><img src="https://x.example/1" alt="" loading="lazy"></a>'),
        ('<a href="https://x.example/"><img src="https://x.example/1" alt="Sea"></a>',
         '<a href="https://x.example/"><img src="https://x.example/1" alt="Sea" loading="lazy"></a>'),
        ('<p>a<a href="https://x.example/"> </a>b</p>', "<p>a b</p>"),
        ('<a href="https://x.example/"><abbr>EU</abbr></a>', '<a href="https://x.example/"><abbr>EU</abbr></a>'),
        ("<hr><header>x</header>", "<hr><header>x</header>"),
    ],
)  # fmt: skip
def test_fitted(content: str, shown: str) -> None:
    """Headings, tables, pictures, recordings and silent links are changed, and nothing else is."""
    assert fitted(content, WORDS) == shown


PIECES = (
    "<h1>",
    "</h1>",
    "<h5 title='<table>'>",
    "<a href='https://x.example/'>",
    "</a>",
    "<table><td>",
    "</table>",
    "<p>",
    "<img src='https://x.example/a' alt='>'>",
    "<video src='https://x.example/v'>",
    "x",
    "&lt;",
    '"',
)


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_whatever_was_cleaned_stays_safe_and_says_the_same(pieces: list[str]) -> None:
    """The words are those of the article, and the lint finds no more than before."""
    content = clean_body("".join(pieces), BodyRules(base="https://x.example/")).content.replace(
        "image:", "https://x.example/"
    )
    shown = fitted(content, WORDS)
    assert list(html_problems(shown)) == list(html_problems(content)) == []
    before, after = (LexborHTMLParser(one).body for one in (content, shown))
    assert (before.text() if before else "") == (after.text() if after else "")
