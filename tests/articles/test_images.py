import base64
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.articles.addresses import absolute
from feedbridge.articles.images import (
    ADDRESS_ATTRIBUTES,
    MAX_SIDE,
    MAX_TEXT_LENGTH,
    Attributes,
    candidates,
    parse_srcset,
    read_image,
    same_picture,
)
from feedbridge.model import Image

BASE = "https://news.example.org/a/article.html"
SPACER = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

HIDDEN_SPACER = "https://i.example.net/_/" + base64.urlsafe_b64encode(b"https://e.example/blank.gif").decode()


def choose_address(attributes: Attributes) -> str | None:
    """The one that is tried first."""
    return next(candidates(attributes), None)


def _inline(size: int, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(bytes(size)).decode()}"


@pytest.mark.parametrize(
    ("attributes", "address"),
    [
        ({"src": "a.jpg"}, "a.jpg"),
        ({"src": " a.jpg\n"}, "a.jpg"),
        ({"src": "s.jpg", "data-src": "d.jpg"}, "d.jpg"),
        ({"src": SPACER, "data-src": "d.jpg", "data-lazy-src": "l.jpg"}, "d.jpg"),
        ({"src": SPACER, "data-lazy-src": "l.jpg", "data-original": "o.jpg"}, "l.jpg"),
        ({"src": SPACER, "data-original": "o.jpg", "data-actualsrc": "c.jpg"}, "o.jpg"),
        ({"src": SPACER, "data-actualsrc": "c.jpg", "srcset": "b.jpg 2x"}, "c.jpg"),
        ({"src": "s.jpg", "srcset": "b.jpg 300w, c.jpg 600w"}, "c.jpg"),
        ({"src": "s.jpg", "srcset": "b.jpg 3x, c.jpg 2x"}, "b.jpg"),
        ({"src": "s.jpg", "data-srcset": "b.jpg 3w", "srcset": "c.jpg 9w"}, "b.jpg"),
        ({"src": "s.jpg", "data-lazy-srcset": "b.jpg", "srcset": SPACER}, "b.jpg"),
        ({"src": "s.jpg", "srcset": SPACER}, "s.jpg"),
        ({"src": "s.jpg", "srcset": f"{SPACER} 900w, b.jpg 300w"}, "b.jpg"),
        ({"src": "s.jpg", "data-src": ""}, "s.jpg"),
        ({"src": "s.jpg", "data-src": None}, "s.jpg"),
        ({"src": "s.jpg", "data-src": "undefined", "data-original": "true"}, "s.jpg"),
        ({"src": "s.jpg", "data-src": "javascript:void(0)"}, "s.jpg"),
        ({"src": "blank.gif", "data-original": "o.jpg"}, "o.jpg"),
        ({"src": "s.jpg", "data-src": "/img/spacer.gif?v=1"}, "s.jpg"),
        ({"src": "s.jpg", "data-src": "https://wsrv.nl/?url=e.org/grey-placeholder.png"}, "s.jpg"),
        (
            {"src": "https://p.example/x", "data-src": "d.jpg", "data-xextension-imageproxy-original-src": "o.jpg"},
            "o.jpg",
        ),
        ({"src": "s.jpg", "data-xextension-imageproxy-original-srcset": "o.jpg 1x, p.jpg 2x"}, "p.jpg"),
    ],
)
def test_chooses_the_first_real_address(attributes: dict[str, str | None], address: str) -> None:
    """FreshRSS's original comes first, then lazy loading, `srcset`'s largest and `src`; placeholders never."""
    assert choose_address(attributes) == address


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"alt": "a.jpg"},
        {"src": ""},
        {"src": None},
        {"src": "#"},
        {"src": SPACER},
        {"src": "about:blank"},
        {"src": "cid:1@example.org"},
        {"src": "https://e.example/blank.gif"},
        {"src": "https://e.example/transparent.png?x=1"},
        {"src": "https://e.example/1x1.gif#a"},
        {"src": "https://e.example/grey-placeholder.png"},
        {"src": "https://wsrv.nl/?url=https%3A%2F%2Fe.example%2Fspacer.gif"},
        {"srcset": "a.jpg 0w, b.jpg -1x"},
    ],
)
def test_placeholders_are_no_pictures(attributes: dict[str, str | None]) -> None:
    """Where only placeholders stand, there is no picture."""
    assert choose_address(attributes) is None
    assert read_image(attributes, base=BASE) is None


@pytest.mark.parametrize(
    "name", ["placeholder-2023.jpg", "my-blank.gif", "transparent.jpg", "spacer.gif.jpg", "ants.gif"]
)
def test_pictures_with_names_like_placeholders_stay(name: str) -> None:
    """A placeholder is known by its whole name."""
    assert choose_address({"src": f"https://e.example/{name}"}) == f"https://e.example/{name}"


def test_inline_pictures_are_the_last_resort() -> None:
    """A `data:` image of some size is taken if there is nothing else, and then as it is."""
    inline = _inline(500)
    assert choose_address({"data-src": "a.jpg", "src": inline}) == "a.jpg"
    assert choose_address({"data-src": SPACER, "src": inline}) == inline
    assert read_image({"src": inline, "alt": "a"}, base=BASE) == Image(origin=inline, alt="a")
    assert read_image({"src": inline.replace("base64,", "base64, \n")}, base=BASE) == Image(origin=inline)


@pytest.mark.parametrize(
    "address",
    [
        _inline(400),
        _inline(8 * 1024 + 1),
        _inline(100_000),
        _inline(500, "image/svg+xml"),
        _inline(500, "text/html"),
        _inline(500) + "!",
        _inline(500)[:-1],
        "data:image/png," + "a" * 500,
        "data:",
    ],
)
def test_other_inline_pictures_go(address: str) -> None:
    """Too small, too large, broken, or not PNG, GIF, JPEG or WebP: none is a picture."""
    assert choose_address({"src": address}) is None


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("", []),
        (" , ,", []),
        ("a.jpg", [("a.jpg", 1.0, "x")]),
        ("a.jpg,", [("a.jpg", 1.0, "x")]),
        ("a.jpg, b.jpg 2x", [("a.jpg", 1.0, "x"), ("b.jpg", 2.0, "x")]),
        ("a.jpg 1.5x,b.jpg 2e1x", [("a.jpg", 1.5, "x"), ("b.jpg", 20.0, "x")]),
        ("a.jpg 300w 200h, b.jpg\n600w", [("a.jpg", 300.0, "w"), ("b.jpg", 600.0, "w")]),
        ("w_1,h_2/a.jpg 300w, w_2,h_4/a.jpg 600w", [("w_1,h_2/a.jpg", 300.0, "w"), ("w_2,h_4/a.jpg", 600.0, "w")]),
        (f"{SPACER} 1w, b.jpg 2w", [(SPACER, 1.0, "w"), ("b.jpg", 2.0, "w")]),
        ("a.jpg,b.jpg", [("a.jpg,b.jpg", 1.0, "x")]),
        ("图 片.jpg 2x, é.jpg 3x", [("é.jpg", 3.0, "x")]),
        ("a.jpg future(1, 2) 2x, b.jpg 1x", [("b.jpg", 1.0, "x")]),
        ("a.jpg (, b.jpg 1x", []),
        ("a.jpg 1x 2x, b.jpg 1w 1x, c.jpg 5h, d.jpg 1q, e.jpg 0w, f.jpg -1x, g.jpg 1.5w", []),
        ("a.jpg 1e999x, b.jpg 9999999999999999999999999999w", [("b.jpg", 1e28, "w")]),
    ],
)
def test_reads_srcset_as_browsers_do(text: str, candidates: list[tuple[str, float, str]]) -> None:
    """Commas inside addresses belong to them; broken descriptors cost their candidate alone."""
    assert parse_srcset(text) == candidates


def test_reads_a_whole_picture() -> None:
    """Address, proxies, words and size come out clean."""
    attributes = {
        "src": "//images.weserv.nl?url=e.example/a b.jpg?x=1&amp;y=2",
        "alt": " one\n\u0008two\x00 ",
        "title": "t" * 2_000,
        "width": "640px",
        "height": " 480 ",
    }
    assert read_image(attributes, base=BASE) == Image(
        origin="https://e.example/a%20b.jpg?x=1&y=2",
        chain=("https://images.weserv.nl/?url=e.example/a%20b.jpg?x=1&y=2",),
        alt="one two",
        title="t" * MAX_TEXT_LENGTH,
        width=640,
        height=480,
    )


def test_reads_a_lazy_picture_behind_photon() -> None:
    """The half-decoded `&#038;` of lazy loading is mended before the address is read."""
    attributes = {
        "src": SPACER,
        "srcset": SPACER,
        "data-lazy-src": "https://i0.wp.com/e.example/a.jpg?w=1100&amp;is-pending-load=1#038;ssl=1",
    }
    assert read_image(attributes, base=BASE) == Image(
        origin="https://e.example/a.jpg",
        chain=("https://i0.wp.com/e.example/a.jpg?w=1100&is-pending-load=1&ssl=1",),
    )


def test_the_next_address_stands_in_for_an_unusable_one() -> None:
    """What cannot be spelled, a bare host, and a proxied placeholder give way to the next attribute."""
    for useless in ("http://[::1", "https://th", HIDDEN_SPACER):
        assert read_image({"data-src": useless, "src": "a.jpg"}, base=BASE) == Image(
            origin="https://news.example.org/a/a.jpg"
        )
    assert read_image({"src": "http://[::1"}, base=BASE) is None
    assert read_image({"src": "a.jpg"}, base=None) is None


def test_hosts_of_the_settings_are_unwrapped() -> None:
    """A proxy that the settings name is known for what it is."""
    address = "https://proxy.example.net/?url=https%3A%2F%2Fe.example%2Fa.jpg"
    assert read_image({"src": address}, base=None, hosts=frozenset({"proxy.example.net"})) == Image(
        origin="https://e.example/a.jpg", chain=(address,)
    )
    assert read_image({"src": address}, base=None) == Image(origin=address)


@pytest.mark.parametrize(
    ("text", "pixels"),
    [
        ("640", 640),
        ("640px", 640),
        (" 640 PX ", 640),
        ("640.5", 640),
        ("0640", 640),
        (str(MAX_SIDE), MAX_SIDE),
        (str(MAX_SIDE + 1), None),
        ("99999999999", None),
        ("100%", None),
        ("auto", None),
        ("-5", None),
        ("0", None),
        ("", None),
        (None, None),
        ("６４０", None),
        ("40em", None),
    ],
)
def test_sizes_are_whole_pixels(text: str | None, pixels: int | None) -> None:
    """Pixels are kept as whole numbers; percentages, other units and nonsense are not."""
    found = read_image({"src": "a.jpg", "width": text, "height": text}, base=BASE)
    assert found == (
        None if text in {"0"} else Image(origin="https://news.example.org/a/a.jpg", width=pixels, height=pixels)
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {"width": "1", "height": "1"},
        {"width": "1px", "height": "0"},
        {"style": "width:1px;height:1px"},
        {"style": "border: 0; HEIGHT : 1px !important; width : 0"},
        {"width": "1", "style": "height:1px;"},
    ],
)
def test_dots_are_no_pictures(attributes: dict[str, str | None]) -> None:
    """A picture of one pixel, by attributes or by style, only counts readers."""
    assert read_image({"src": "https://e.example/a.jpg", **attributes}, base=BASE) is None


@pytest.mark.parametrize(
    "attributes",
    [{"width": "624", "height": "1"}, {"style": "max-width:1px;min-height:1px"}, {"style": "width:100px;height:10px"}],
)
def test_small_pictures_stay(attributes: dict[str, str | None]) -> None:
    """One short side, or a bound in the style, makes no dot."""
    assert read_image({"src": "https://e.example/a.jpg", **attributes}, base=BASE) is not None


@pytest.mark.parametrize(
    "address",
    [
        "http://feeds.feedburner.com/~r/example/~4/AbC",
        "http://feeds.example.org/~r/example/~4/AbC",
        "http://feeds.feedburner.com/~ff/example?d=yIl2AUoC8zA",
        "http://res.feedsportal.com/social/twitter.png",
        "https://pixel.wp.com/g.gif?v=ext",
        "https://pixel.wp.com/b.gif?host=e",
        "https://stats.wordpress.com/c.gif",
        "http://feeds.wordpress.com/1.0/comments/e/",
        "https://www.google-analytics.com/collect?v=1",
        "https://ad.doubleclick.net/ad/x.gif",
        "https://www.facebook.com/tr?id=1&ev=PageView",
        "https://medium.com/_/stat?event=post.clientViewed",
        "https://pixel.quantserve.com/pixel/p-1.gif",
        "https://b.scorecardresearch.com/p?c1=2",
        "https://counter.example.org/rss-pixel.png?id=1",
        "https://blogger.googleusercontent.com/tracker/1/2",
        "//ir-na.amazon-adsystem.com/e/ir?t=x",
        "https://i0.wp.com/stats.wordpress.com/c.gif?ssl=1",
    ],
)
def test_known_trackers_are_no_pictures(address: str) -> None:
    """Counting pixels go, bare or behind a proxy."""
    assert read_image({"src": address}, base=BASE) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://www.facebook.com/trees/a.jpg",
        "https://mediumcom.example/_/stat.jpg",
        "https://example.org/google-analytics.com.png",
        "https://notdoubleclick.net/a.jpg",
        "https://pixel.wp.com/a.jpg",
    ],
)
def test_pictures_like_trackers_stay(address: str) -> None:
    """A tracker is known by host and path together."""
    assert read_image({"src": address}, base=BASE) == Image(origin=address)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("https://e.org/a.jpg", "http://e.org/a.jpg"),
        ("https://e.org/a.jpg", "https://e.org/a-300x200.jpg"),
        ("https://e.org/a-1024x768.jpg", "https://e.org/a-300x200.jpg"),
        ("https://e.org/a-scaled.jpg", "https://e.org/a.jpg"),
        ("https://e.org/a.jpg?w=300&h=200&ssl=1", "https://e.org/a.jpg?resize=3%2C2&quality=80&fit=1%2C1"),
        ("https://e.org/a.php?id=7&w=300", "https://e.org/a.php?id=7"),
        (_inline(500), _inline(500)),
    ],
)
def test_sizes_do_not_make_pictures_differ(a: str, b: str) -> None:
    """Scheme, size parameters and WordPress's suffix aside, equal addresses show the same picture."""
    assert same_picture(Image(origin=a), Image(origin=b))
    assert same_picture(Image(origin=b, alt="b"), Image(origin=a, width=3))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("https://e.org/a.jpg", "https://e.org/b.jpg"),
        ("https://e.org/a.jpg", "https://f.org/a.jpg"),
        ("https://e.org/a.php?id=7", "https://e.org/a.php?id=8"),
        ("https://e.org/a-300x200/b.jpg", "https://e.org/a/b.jpg"),
        (_inline(500), _inline(600)),
        (_inline(500), "https://e.org/a.jpg"),
    ],
)
def test_other_pictures_differ(a: str, b: str) -> None:
    """Another host, path or parameter is another picture."""
    assert not same_picture(Image(origin=a), Image(origin=b))


NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NAMES = st.sampled_from([*ADDRESS_ATTRIBUTES, "alt", "title", "width", "height", "style"])
VALUES = st.one_of(
    st.none(),
    st.text(),
    st.text(alphabet="a1.,( )xwh:/?&#;%=", max_size=40),
    st.sampled_from([_inline(500), SPACER, "https://wsrv.nl/?url=e.example/a.jpg", "//e.example/a.jpg 2x, b 3w"]),
)


@given(st.dictionaries(NAMES, VALUES), st.one_of(st.just(BASE), st.text()))
def test_never_raises_and_gives_only_clean_pictures(attributes: dict[str, str | None], base: str) -> None:
    """Whatever the attributes hold, a picture has a usable address and words that XML can hold."""
    found = read_image(attributes, base=base)
    if found is not None:
        assert choose_address(attributes) is not None
        assert found.origin.isascii()
        assert absolute(found.origin, None) == found.origin or found.origin.startswith("data:image/")
        assert all(text is None or text.isprintable() or min(text) > "\x1f" for text in (found.alt, found.title))
        assert same_picture(found, found)


@given(st.text())
def test_srcset_never_raises(text: str) -> None:
    """Any text gives candidates with addresses that stand in it."""
    for address, value, kind in parse_srcset(text):
        assert address in text
        assert value >= 0
        assert kind in {"w", "x"}


@pytest.mark.parametrize(
    "value",
    [
        "a" * 200_000,
        "," * 200_000,
        " " * 200_000 + "x",
        "a (" * 60_000,
        "a ((((" + "(" * 200_000,
        "a 1w, " * 30_000,
        "http://[ 1w, " * 15_000,
        "a " + "1" * 200_000 + "q",
        "0" * 200_000 + "x",
        "640" + " " * 200_000 + "x",
        "width:" * 30_000,
        "width" + " " * 200_000,
        "data:image/png;base64," + "A" * 200_000,
        "https://e.example/" + "/~r" * 60_000,
        "&amp;" * 40_000,
    ],
)
def test_long_attributes_take_no_long_time(value: str) -> None:
    """Two hundred thousand hostile characters in every attribute are dealt with in a moment."""
    names = (*ADDRESS_ATTRIBUTES, "alt", "title", "width", "height", "style")
    started = time.process_time()
    read_image(dict.fromkeys(names, value), base=BASE)
    assert time.process_time() - started < 30
