"""Templates of our own, and of a folder that stands in for them."""

from dataclasses import replace
from pathlib import Path

import pytest

from feedbridge.errors import PublishError
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import HTML
from feedbridge.pages.feed import feed_page
from feedbridge.pages.frame import FeedFrame
from feedbridge.pages.theme import problems_of, theme_of
from tests.pages.test_feed import FEED


def themed(frame: FeedFrame, folder: Path) -> FeedFrame:
    return replace(frame, site=replace(frame.site, theme=theme_of(folder)))


def test_a_template_stands_in_for_ours(frame: FeedFrame, tmp_path: Path) -> None:
    """The others stay; a style sheet and a script of one's own are allowed by their hashes."""
    (tmp_path / "item.html").write_text("<li class='mine'>{{ entry.title }}</li>")
    (tmp_path / "style.css").write_text("p { color: teal }")
    (tmp_path / "script.js").write_text("document.title = 'x';")
    body = feed_page(FEED, themed(frame, tmp_path)).body
    assert body.count(b"<li class='mine'>") == 2
    assert b"&lt;" in body
    assert b"color: teal" in body
    assert lint(body, HTML) == ()


def test_what_the_policy_does_not_name_is_not_published(frame: FeedFrame, tmp_path: Path) -> None:
    """A script that stands in a template is one that nobody could tell from an article's."""
    (tmp_path / "item.html").write_text("<li><script>x()</script></li>")
    problems = lint(feed_page(FEED, themed(frame, tmp_path)).body, HTML)
    assert {problem.message for problem in problems} == {"the page holds a <script> that its policy does not name"}


def test_the_digest_moves_with_the_files(tmp_path: Path) -> None:
    """So that pages are written again when their look changes, and only then."""
    (tmp_path / "notes.txt").write_text("x")
    before = theme_of(tmp_path).digest
    assert theme_of(tmp_path).digest == before
    (tmp_path / "notes.txt").write_text("y")
    assert theme_of(tmp_path).digest == before
    (tmp_path / "item.html").write_text("<li>")
    assert theme_of(tmp_path).digest != before


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("item.html", "<li>{% if %}</li>", "the template item.html, line 1 cannot be used: "),
        ("item.html", "<li>{{ entry.nothing }}</li>", "the template item.html cannot be used: "),
        ("item.html", "<li>{{ entry.title + 1 }}</li>", "the template item.html cannot be used: "),
        ("feed.html", "{% extends 'nothing.html' %}", "the template nothing.html cannot be used: "),
        ("style.css", "</style><script>", 'the theme cannot be used: style.css holds "</"'),
    ],
)
def test_a_wrong_template_is_named(frame: FeedFrame, tmp_path: Path, name: str, text: str, said: str) -> None:
    """It costs the pages, and is no fault of an entry."""
    (tmp_path / name).write_text(text)
    with pytest.raises(PublishError) as caught:
        feed_page(FEED, themed(frame, tmp_path))
    assert str(caught.value).startswith(said)


def test_a_folder_that_is_not_there_is_named(frame: FeedFrame, tmp_path: Path) -> None:
    """Pages in another look than the owner's would be worse than those that stand."""
    with pytest.raises(PublishError, match="gone: no such folder"):
        feed_page(FEED, themed(frame, tmp_path / "gone"))


def test_what_is_wrong_with_a_folder_can_be_told_before_there_are_pages(tmp_path: Path) -> None:
    """Each file of it that cannot be used, with the line; files that are no templates of ours are nobody's business."""
    assert list(problems_of(tmp_path)) == []
    (tmp_path / "item.html").write_text("<li>\n{% if %}</li>")
    (tmp_path / "style.css").write_text("</style>")
    (tmp_path / "script.js").write_bytes(b"\xff")
    (tmp_path / "notes.html").write_text("{% if %}")
    told = list(problems_of(tmp_path))
    assert [one.removeprefix(f"{tmp_path}: ").partition(":")[0] for one in told] == [
        "the template item.html, line 2 cannot be used",
        "the template script.js cannot be used",
        "the theme cannot be used",
    ]
    assert list(problems_of(tmp_path / "away")) == [
        f"{tmp_path}/away: no such folder; make it, for templates of the pages, or leave `theme` out"
    ]
