"""What stands before and after an article's text."""

import pytest

from feedbridge.articles.edges import drop_advert, drop_null, drop_phrases, drop_title, take_lead
from feedbridge.articles.markup import tame
from feedbridge.articles.tree import Element, read_tree, serialise

DATE = "Wed, 12 Jul 2023 09:38:33 GMT"


def tree(markup: str) -> Element:
    return read_tree(tame(markup))


@pytest.mark.parametrize(
    ("markup", "rest"),
    [
        (f"<div><i>{DATE}</i></div><p>x</p>", "<p>x</p>"),
        (f"<div><div><i>{DATE}</i></div><p>x</p></div>", "<div><p>x</p></div>"),
        (f"<div> <section><div><i>{DATE}</i></div>x</section></div>", "<div> <section>x</section></div>"),
        (f"<div></div><p> </p><div>{DATE}</div><p>x</p>", "<p>x</p>"),
    ],
)
def test_lead_is_taken_out_of_its_wrappers(markup: str, rest: str) -> None:
    """The first block that shows something is the lead, however often the body is wrapped."""
    root = tree(markup)
    lead = take_lead(root)
    assert lead is not None
    assert lead.date_text == DATE
    assert serialise(root.children) == rest


@pytest.mark.parametrize(
    "markup", ["", "<p>x</p>", f"<p>x</p><div>{DATE}</div>", f"<img src='a'><div>{DATE}</div>", "<div>" + "long " * 99]
)
def test_other_blocks_are_no_lead(markup: str) -> None:
    """A date that does not come first belongs to the text; so does a first block without a date."""
    root = tree(markup)
    before = serialise(root.children)
    assert take_lead(root) is None
    assert serialise(root.children) == before


@pytest.mark.parametrize(
    ("markup", "rest"),
    [
        ("null<p>x</p>", "<p>x</p>"),
        ("<div> null <img>x</div>", "<div><img>x</div>"),
        ("null", ""),
        ("null hypothesis<p>x</p>", "null hypothesis<p>x</p>"),
        ("null <b>and</b> void", "null <b>and</b> void"),
        ("<p>null</p>", "<p>null</p>"),
    ],
)
def test_word_null_is_dropped_where_a_script_wrote_it(markup: str, rest: str) -> None:
    """Bare, alone and first, before a block; as part of a sentence it is a word."""
    root = tree(markup)
    drop_null(root)
    assert serialise(root.children) == rest


@pytest.mark.parametrize(
    ("markup", "rest"),
    [
        ("<p>x</p><hr><p>获取更多RSS：<br><a href='https://feedx.net'>…</a></p>", "<p>x</p>"),
        ("<p>x</p><hr><p>y</p><hr><p>https://feedx.xyz</p>", "<p>x</p><hr><p>y</p>"),
        ("<p>x</p><hr><p>The end.</p>", "<p>x</p><hr><p>The end.</p>"),
        ("<p>feedx.net</p><hr><p>" + "long " * 99 + "</p>", "<p>feedx.net</p><hr><p>" + "long " * 99 + "</p>"),
        ("<p>feedx.net</p>", "<p>feedx.net</p>"),
    ],
)
def test_advert_of_the_mirror_is_dropped(markup: str, rest: str) -> None:
    """Only after the last rule, and only if little else is said there."""
    blocks = tree(markup).children
    drop_advert(blocks)
    assert serialise(blocks) == rest


@pytest.mark.parametrize(
    ("markup", "rest"),
    [
        ("<h2>A  title</h2><p>x</p>", "<p>x</p>"),
        ("<figure><img></figure><h3><b>A title</b></h3><p>x</p>", "<figure><img></figure><p>x</p>"),
        ("<h2>A title!</h2><p>x</p>", "<h2>A title!</h2><p>x</p>"),
        ("<p>x</p><h2>A title</h2>", "<p>x</p><h2>A title</h2>"),
        ("<p>A title</p>", "<p>A title</p>"),
    ],
)
def test_title_is_not_said_again(markup: str, rest: str) -> None:
    """A heading on top that is exactly the title goes; others are headings of the text."""
    blocks = tree(markup).children
    drop_title(blocks, "A title ")
    assert serialise(blocks) == rest


@pytest.mark.parametrize(
    ("markup", "rest"),
    [
        ("<p>a</p><p>Read <b>more</b>:</p><p>b</p>", "<p>a</p><p>b</p>"),
        ("<ul><li>Read more:</li></ul><p>b</p>", "<p>b</p>"),
        ("<p>Read  more: a</p><p>b</p>", "<p>a</p><p>b</p>"),
        ("<p>a</p><p>b <i>c Read more:</i></p>", "<p>a</p><p>b <i>c</i></p>"),
        ("<p>a Read more: b</p>", "<p>a Read more: b</p>"),
    ],
)
def test_phrases_of_a_source_are_dropped(markup: str, rest: str) -> None:
    """As a whole block anywhere, else at the start and the end of the article; within the text they stay."""
    assert serialise(drop_phrases(tree(markup).children, ("Read\nmore:", " "))) == rest
