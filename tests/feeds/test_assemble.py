"""Articles become the entries of one feed."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.feeds import jsonfeed, syndication
from feedbridge.feeds.assemble import SourceFace, entry, feed_extensions, size, with_pictures, within
from feedbridge.feeds.namespaces import ITUNES_NAMESPACE, MEDIA_NAMESPACE, PODCAST_NAMESPACE
from feedbridge.model import (
    Article,
    Category,
    Element,
    Enclosure,
    Entry,
    EntryImage,
    EntrySource,
    Feed,
    Image,
    Origin,
    Person,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A, B = Image(origin="https://p.example/a.jpg", alt='A "1" <&>'), Image(origin="https://p.example/b.jpg")
SHOWN_A = '<img src="https://p.example/a.jpg" alt="A &quot;1&quot; &lt;&amp;&gt;">'
SHOWN_B = '<img src="https://p.example/b.jpg" alt="">'


def origin(image: Image) -> str | None:
    return image.origin


def nothing(_image: Image) -> str | None:
    return None


def but_b(image: Image) -> str | None:
    return None if image is B else image.origin


def article(**fields: object) -> Article:
    values: dict[str, object] = {
        "id": "urn:example:1",
        "source": "voa",
        "title": "题",
        "link": "https://news.example/1",
        "published": NOON,
        "updated": NOON,
        "first_seen": NOON,
        "changed": NOON,
        "content_hash": "1:00",
        **fields,
    }
    return Article(**values)  # type: ignore[arg-type]


def face(address_of: Callable[[Image], str | None] = origin, **fields: Any) -> SourceFace:
    return SourceFace(id="urn:source", title="美国之音", address_of=address_of, **fields)


@pytest.mark.parametrize(
    ("content", "address_of", "expected"),
    [
        ('<p>x</p><img src="image:0">', origin, f"<p>x</p>{SHOWN_A}"),
        ('<img src="image:0"><img src="image:1">', but_b, SHOWN_A),
        ('<img src="image:2">', origin, ""),
        ('<img src="image:99999999999999999999">x', origin, "x"),
        ('<figure><img src="image:0"><figcaption>c</figcaption></figure>y', nothing, "y"),
        (
            '<figure><img src="image:0"><figcaption>c</figcaption></figure>y',
            origin,
            f"<figure>{SHOWN_A}<figcaption>c</figcaption></figure>y",
        ),
        (
            '<figure><img src="image:0"><img src="image:1"><figcaption>c</figcaption></figure>',
            but_b,
            f"<figure>{SHOWN_A}<figcaption>c</figcaption></figure>",
        ),
        ('<figure><a href="https://a.example/"><img src="image:0"></a></figure>y', nothing, "y"),
        ('<p><a href="https://a.example/"><img src="image:0"></a>y</p>', nothing, "<p>y</p>"),
        ('<p><a href="https://a.example/"></a>y</p>', origin, '<p><a href="https://a.example/"></a>y</p>'),
        ("<figure><table></table></figure>", nothing, "<figure><table></table></figure>"),
        (
            '<figure><img src="image:0"><video src="https://a.example/v"></video></figure>',
            nothing,
            '<figure><video src="https://a.example/v"></video></figure>',
        ),
        ('&lt;img src="image:0"&gt;', origin, '&lt;img src="image:0"&gt;'),
        ('<img src="https://p.example/image:0">', origin, '<img src="https://p.example/image:0">'),
        ('<img src="image:-1">', origin, '<img src="image:-1">'),
        ("", origin, ""),
    ],
)
def test_placeholders_become_pictures(content: str, address_of: Callable[[Image], str | None], expected: str) -> None:
    """Each of our own placeholders becomes a picture, or goes with the frame around it; all else stays."""
    assert with_pictures(content, (A, B), address_of) == expected


def test_picture_carries_what_is_known_of_it() -> None:
    """Every value is escaped, addresses too; what is unknown is not written."""
    image = Image(origin="https://p.example/", alt="a", title='"><script>', width=3, height=4)
    found = with_pictures('<img src="image:0">', (image,), lambda _: 'https://p.example/?a=1&b="><script>')
    assert found == (
        '<img src="https://p.example/?a=1&amp;b=&quot;&gt;&lt;script&gt;" alt="a"'
        ' title="&quot;&gt;&lt;script&gt;" width="3" height="4">'
    )


@given(st.text(alphabet='<>figure/cpton"img s=a:0123', max_size=200))
def test_any_content_is_taken(content: str) -> None:
    """Nothing that stands in the store raises, and no placeholder with a number is left."""
    shown = with_pictures(content, (A,), nothing)
    assert not re.search(r'<img src="image:\d+"[^<>]*>', shown)


def test_many_frames_take_no_long_time() -> None:
    """Frames that are never closed cost no more than their length."""
    content = "<figure>" * 200_000 + '<img src="image:0">'
    assert with_pictures(content, (A,), nothing) == "<figure>" * 200_000


def test_entry_shows_the_article_and_fills_in_from_its_source() -> None:
    """Language and author are the article's own, else the source's."""
    bare = entry(article(), face(language="zh", author="社"), merged=False)
    assert (bare.language, bare.authors, bare.source) == ("zh", (Person(name="社"),), None)
    own = article(
        language="en", authors=(Person(name="Ann"),), content='<img src="image:0">', images=(A,), lead_image=A
    )
    shown = entry(own, face(language="zh", author="社"), merged=True)
    assert (shown.language, shown.authors) == ("en", (Person(name="Ann"),))
    assert (shown.content, shown.image) == (SHOWN_A, EntryImage(href=A.origin))
    assert shown.source == EntrySource(id="urn:source", title="美国之音", updated=NOON, link=None)


@pytest.mark.parametrize(
    ("image", "address_of"), [(A, nothing), (None, origin), (Image(origin="data:image/gif;base64,R0lG"), origin)]
)
def test_lead_picture_is_one_that_can_be_fetched(
    image: Image | None, address_of: Callable[[Image], str | None]
) -> None:
    """A dropped picture, or one that is in the text itself, does not stand beside it."""
    assert entry(article(lead_image=image), face(address_of), merged=False).image is None


VIA = "https://feed.example/rss"


@pytest.mark.parametrize(
    ("merged", "fields", "expected"),
    [
        (False, {}, None),
        (True, {}, EntrySource(id="urn:source", title="美国之音", updated=NOON)),
        (False, {"via": VIA}, EntrySource(id="urn:source", title="美国之音", updated=NOON, self_link=VIA)),
        (
            False,
            {"via": VIA, "self_link": "https://feed.example/", "link": "https://a.example/"},
            EntrySource(
                id="urn:source",
                title="美国之音",
                updated=NOON,
                link="https://a.example/",
                self_link="https://feed.example/",
            ),
        ),
    ],
)
def test_entry_of_another_feed_names_it(merged: bool, fields: dict[str, str], expected: EntrySource | None) -> None:
    """An entry names its source where a feed has several, and always where the source is a feed itself."""
    shown = entry(article(), face(origin, **fields), merged=merged)
    assert (shown.source, shown.via) == (expected, fields.get("via"))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Origin(), ("urn:source", "美国之音")),
        (Origin(title="T"), ("urn:source", "T")),
        (Origin(id="urn:o", title="T", link="https://o.example/"), ("urn:o", "T")),
        (Origin(self_link="https://o.example/f", link="https://o.example/"), ("https://o.example/f",) * 2),
        (Origin(id="o", title="T", link="https://o.example/"), ("https://o.example/", "T")),
    ],
)
def test_entry_names_the_feed_that_its_source_names(told: Origin, expected: tuple[str, str]) -> None:
    """What was in a third feed first says so, by the best name that is known of it, merged or not."""
    for merged in (True, False):
        shown = entry(article(origin=told), face(via=VIA), merged=merged).source
        assert shown is not None
        assert (shown.id, shown.title) == expected
        assert shown.updated == NOON
        if told != Origin():
            assert (shown.link, shown.self_link) == (told.link, told.self_link)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@feed.example:8443/rss?a=@b", "https://feed.example:8443/rss?a=@b"),
        ("https://me@feed.example/rss", "https://feed.example/rss"),
        ("https://feed.example/@me", "https://feed.example/@me"),
        ("https://[::1/me:secret@", None),
    ],
)
def test_passwords_of_a_source_stay_at_home(address: str, shown: str | None) -> None:
    """The name and password in a source's address are not published."""
    made_of = entry(article(), face(via=address, self_link=address), merged=False)
    assert made_of.source is not None
    assert (made_of.via, made_of.source.self_link) == (shown, shown)


def element(namespace: str, name: str, *children: Element, text: str = "", **attributes: str) -> Element:
    pairs = tuple(attributes.items())
    return Element(namespace=namespace, name=name, attributes=pairs, text=text, children=children)


def media(name: str, *children: Element, **attributes: str) -> Element:
    return element(MEDIA_NAMESPACE, name, *children, **attributes)


@pytest.mark.parametrize(
    ("had", "shown"),
    [
        (
            element(ITUNES_NAMESPACE, "image", href="image:0"),
            element(ITUNES_NAMESPACE, "image", href="https://p.example/a.jpg"),
        ),
        (element(ITUNES_NAMESPACE, "image", href="image:1"), None),
        (element(ITUNES_NAMESPACE, "image", href="image:7"), None),
        (element(ITUNES_NAMESPACE, "image", href="image:2"), None),
        (media("content", url="https://p.example/image:0"), media("content", url="https://p.example/image:0")),
        (media("group", media("thumbnail", url="image:1")), None),
        (
            media("group", media("thumbnail", url="image:1"), media("title", text="T")),
            media("group", media("title", text="T")),
        ),
        (media("group"), media("group")),
        (
            element(PODCAST_NAMESPACE, "person", text="Ann", img="image:1", role="host"),
            element(PODCAST_NAMESPACE, "person", text="Ann", role="host"),
        ),
        (
            media("content", media("thumbnail", url="image:0"), url="https://v.example/v.mp4"),
            media("content", media("thumbnail", url="https://p.example/a.jpg"), url="https://v.example/v.mp4"),
        ),
    ],
)
def test_pictures_of_other_vocabularies_follow_the_policy(had: Element, shown: Element | None) -> None:
    """A number becomes the picture's address; an element goes with the picture that it is there for."""
    images = (A, B, Image(origin="data:image/gif;base64,R0lG"))
    made_of = entry(article(extensions=(had,), images=images), face(but_b), merged=False)
    assert made_of.extensions == ((shown,) if shown else ())


def test_lead_picture_is_not_shown_twice() -> None:
    """What only repeats the picture that we write ourselves goes; what says more of it, or shows another, stays."""
    credited = media("content", media("credit", text="Ann"), url="image:0")
    other, icon = media("thumbnail", url="image:1"), element(ITUNES_NAMESPACE, "image", href="image:0")
    written = (
        media("thumbnail", url="image:0"),
        media("content", url="image:0", medium="image"),
        media("group", media("content", url="image:0")),
        credited,
        other,
        icon,
    )
    with_lead = article(extensions=written, images=(A, B), lead_image=A)
    assert entry(with_lead, face(), merged=False).extensions == (
        media("content", media("credit", text="Ann"), url=A.origin),
        media("thumbnail", url=B.origin),
        element(ITUNES_NAMESPACE, "image", href=A.origin),
    )
    without = article(extensions=written, images=(A, B))
    assert len(entry(without, face(), merged=False).extensions) == 6


def test_pictures_of_a_whole_feed_follow_the_policy() -> None:
    """There a picture stands by its own address; all other addresses stay."""
    show = element(ITUNES_NAMESPACE, "image", href="https://p.example/show.jpg")
    page = element(PODCAST_NAMESPACE, "funding", text="F", url="https://p.example/")
    assert feed_extensions((show, page), lambda image: f"https://proxy.example/?{image.origin}") == (
        element(ITUNES_NAMESPACE, "image", href="https://proxy.example/?https://p.example/show.jpg"),
        page,
    )
    assert feed_extensions((show, page), nothing) == (page,)


def made(number: int, content: str = "") -> Entry:
    return Entry(id=f"urn:{number}", title="t", link=None, published=NOON, updated=NOON, content=content)


def test_as_many_entries_as_fit() -> None:
    """From the newest on, until the next would not fit; no smaller one slips in; the first always fits."""
    whole = [size(one) for one in (made(1, "x" * 1000), made(2, "x" * 5000), made(3))]
    assert within(whole, max_bytes=100 + sum(whole), overhead=100) == 3
    assert within(whole, max_bytes=100 + sum(whole) - 1, overhead=100) == 2
    assert within(whole, max_bytes=100 + whole[0] + whole[2], overhead=100) == 1
    assert within(whole, max_bytes=1, overhead=100) == 1
    assert within([], max_bytes=1, overhead=100) == 0


TEXTS = st.text(
    alphabet=st.one_of(st.sampled_from("<>&\"'\\\t\n/ "), st.characters(exclude_categories=("Cc", "Cs"))), max_size=60
).filter(lambda text: "\ufffe" not in text and "\uffff" not in text)
WORDS = TEXTS.map(lambda text: f"x{' '.join(text.split())}")
ADDRESSES = TEXTS.map(lambda text: f"https://a.example/{html.escape(text).replace(' ', '')}")


@given(
    content=TEXTS,
    words=WORDS,
    address=ADDRESSES,
    people=st.lists(WORDS, max_size=3),
    terms=st.lists(WORDS, max_size=3, unique=True),
    files=st.integers(0, 8),
    depth=st.integers(0, 8),
)
def test_size_is_never_less_than_what_is_written(
    content: str, words: str, address: str, people: list[str], terms: list[str], files: int, depth: int
) -> None:
    """In every format an entry takes at most the bytes that are reckoned for it, whatever letters it holds."""
    inner = element(PODCAST_NAMESPACE, "alternateEnclosure", text=words, title=words, url=address)
    for _ in range(depth):
        inner = media("group", inner)
    duration = element(ITUNES_NAMESPACE, "duration", text="100:59:59")
    one = Entry(
        id="urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6",
        title=words,
        link=address,
        published=NOON,
        updated=NOON,
        authors=tuple(Person(name=name) for name in people),
        categories=tuple(Category(term=term) for term in terms),
        excerpt=words,
        content=content * 20,
        image=EntryImage(href=address, width=100, height=100),
        enclosures=(Enclosure(href=address, length=10**12), *[Enclosure(href=address, type="audio/mpeg")] * files),
        rights=words,
        language="zh-Hans",
        source=EntrySource(id="urn:source", title=words, updated=NOON, link=address, self_link=address),
        via=address,
        extensions=(duration, inner, inner),
    )
    empty = Feed(
        id="urn:feed",
        title="t",
        link="https://a.example/",
        self_link="https://a.example/f",
        updated=NOON,
        author=Person(name="a"),
    )
    full = Feed(**{name: getattr(empty, name) for name in empty.__slots__} | {"entries": (one,)})
    for render in (syndication.atom, syndication.rss, jsonfeed.json_feed):
        rendering = render(full)
        assert rendering.left_out == ()
        assert len(rendering.body) - len(render(empty).body) <= size(one)
