"""Embedded players become links."""

import pytest

from feedbridge.articles.embeds import link_to
from feedbridge.articles.tree import Element, serialise


@pytest.mark.parametrize(
    ("src", "href", "label"),
    [
        ("https://www.youtube.com/embed/a_B-1?rel=0", "https://www.youtube.com/watch?v=a_B-1", "YouTube"),
        ("//www.youtube-nocookie.com/embed/x1", "https://www.youtube.com/watch?v=x1", "YouTube"),
        ("https://player.vimeo.com/video/123?h=1", "https://vimeo.com/123", "Vimeo"),
        ("//player.bilibili.com/player.html?bvid=BV1x", "https://www.bilibili.com/video/BV1x", "Bilibili"),
        ("https://open.spotify.com/embed/x", "https://open.spotify.com/embed/x", "Spotify"),
        ("https://maps.example/frame", "https://maps.example/frame", "maps.example"),
        ("/frame", "https://site.example/frame", "site.example"),
    ],
)
def test_frame_becomes_a_link(src: str, href: str, label: str) -> None:
    """It leads to the page of the video where one is known, and is named for its site, else its host."""
    link = link_to(Element("iframe", (), {"src": src}), "https://site.example/a")
    assert link is not None
    assert serialise((link,)) == f'<a href="{href}">{label}</a>'


def test_title_is_the_label() -> None:
    """A title says more than the name of the site."""
    link = link_to(Element("iframe", (), {"src": "https://youtu.be/x", "title": "A <b>\nfilm"}), None)
    assert link is not None
    assert link.children == ["A <b> film"]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"src": "about:blank"},
        {"src": "javascript:alert(1)"},
        {"src": "https://ad.doubleclick.net/x"},
        {"src": "https://a.example/x", "width": "1", "height": "1"},
        {"src": "https://a.example/x", "height": "0px"},
    ],
)
def test_frames_without_anything_to_see_are_dropped(attributes: dict[str, str | None]) -> None:
    """No address, an advertiser, or a frame as small as a dot."""
    assert link_to(Element("iframe", (), attributes), None) is None


def test_embed_and_object_have_addresses_too() -> None:
    """An object names its file in `data`, a lazy frame in `data-src`."""
    for name in ("data", "data-src"):
        link = link_to(Element("object", (), {name: "https://a.example/film"}), None)
        assert link is not None
        assert link.attributes == {"href": "https://a.example/film"}
