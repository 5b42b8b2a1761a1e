"""Articles become the entries of one feed."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedbridge.feeds import jsonfeed, syndication
from feedbridge.feeds.assemble import SourceFace, entry, size, with_pictures, within
from feedbridge.model import Article, Category, Enclosure, Entry, EntryImage, EntrySource, Feed, Image, Person

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


def face(address_of: Callable[[Image], str | None] = origin, **fields: str) -> SourceFace:
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


def made(number: int, content: str = "") -> Entry:
    return Entry(id=f"urn:{number}", title="t", link=None, published=NOON, updated=NOON, content=content)


def test_as_many_entries_as_fit() -> None:
    """From the newest on, until the next would not fit; no smaller one slips in; the first always fits."""
    entries = [made(1, "x" * 1000), made(2, "x" * 5000), made(3)]
    whole = [size(one) for one in entries]
    assert within(entries, max_bytes=100 + sum(whole), overhead=100) == 3
    assert within(entries, max_bytes=100 + sum(whole) - 1, overhead=100) == 2
    assert within(entries, max_bytes=100 + whole[0] + whole[2], overhead=100) == 1
    assert within(entries, max_bytes=1, overhead=100) == 1
    assert within([], max_bytes=1, overhead=100) == 0


TEXTS = st.text(
    alphabet=st.one_of(st.sampled_from("<>&\"'\\\t\n/ "), st.characters(exclude_categories=("Cc", "Cs"))), max_size=60
).filter(lambda text: "\ufffe" not in text and "\uffff" not in text)
WORDS = TEXTS.map(lambda text: f"x{' '.join(text.split())}")
ADDRESSES = TEXTS.map(lambda text: f"https://a.example/{html.escape(text).replace(' ', '')}")


@settings(deadline=None)
@given(
    content=TEXTS,
    words=WORDS,
    address=ADDRESSES,
    people=st.lists(WORDS, max_size=3),
    terms=st.lists(WORDS, max_size=3, unique=True),
)
def test_size_is_never_less_than_what_is_written(
    content: str, words: str, address: str, people: list[str], terms: list[str]
) -> None:
    """In every format an entry takes at most the bytes that are reckoned for it, whatever letters it holds."""
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
        enclosures=(Enclosure(href=address, type="audio/mpeg", length=1),),
        rights=words,
        language="zh-Hans",
        source=EntrySource(id="urn:source", title=words, updated=NOON, link=address),
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
