from datetime import timedelta

import pytest
from lxml import etree

from feedbridge.model import Element, Enclosure, Image, Person, Witness
from feedbridge.sources.beside import (
    LONGEST_INTERVAL,
    MAX_NAME,
    MAX_PARTS,
    BesideChannel,
    BesideItem,
    beside_channel,
    beside_item,
    person_of,
)
from feedbridge.sources.extensions import ITUNES, MEDIA

URL = "https://news.example/feeds/rss"
NAMESPACES = (
    f'xmlns:itunes="{ITUNES}" xmlns:media="{MEDIA}" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:dcterms="http://purl.org/dc/terms/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
)


def item_with(inside: str, attributes: str = "") -> BesideItem:
    return beside_item(etree.fromstring(f"<item {NAMESPACES} {attributes}>{inside}</item>"), url=URL)


def channel_with(inside: str) -> BesideChannel:
    return beside_channel(etree.fromstring(f"<channel {NAMESPACES}>{inside}</channel>"), url=URL)


class TestDates:
    def test_as_written(self) -> None:
        """Each date comes as it is written, under what it is a date of; equal ones once."""
        item = item_with(
            "<pubDate> Mon, 1 Jan </pubDate><dc:date>2024</dc:date><dcterms:created>2023</dcterms:created>"
            "<dcterms:issued>2022</dcterms:issued><dcterms:modified>2025</dcterms:modified><updated>二〇二六</updated>"
            "<modified>2027</modified><pubDate/><dc:date>2024</dc:date>"
        )
        assert item.witnesses == (
            Witness(kind="published", text="Mon, 1 Jan"),
            Witness(kind="published", text="2024"),
            Witness(kind="published", text="2023"),
            Witness(kind="published", text="2022"),
            Witness(kind="updated", text="2025"),
            Witness(kind="updated", text="二〇二六"),
            Witness(kind="updated", text="2027"),
        )

    def test_bounded(self) -> None:
        """Dates are bounded in length and number."""
        item = item_with("".join(f"<pubDate>{n}{'9' * 1000}</pubDate>" for n in range(200)))
        assert len(item.witnesses) == MAX_PARTS
        assert {len(witness.text) for witness in item.witnesses} == {MAX_NAME}


class TestPeople:
    @pytest.mark.parametrize(
        ("text", "person"),
        [
            ("ann@news.example (Ann Lee)", Person(name="Ann Lee", email="ann@news.example")),
            ("ann@news.museum ()", Person(name="ann@news.museum", email="ann@news.museum")),
            ('"Ann Lee" <ann@news.example>', Person(name="Ann Lee", email="ann@news.example")),
            ("<ann@news.example>", Person(name="ann@news.example", email="ann@news.example")),
            ("ann@news.example", Person(name="ann@news.example", email="ann@news.example")),
            ("Ann &amp; Bo", Person(name="Ann & Bo")),
            ("王小明", Person(name="王小明")),
            (" ", None),
        ],
    )
    def test_text(self, text: str, person: Person | None) -> None:
        """A person is read from the forms that RSS is written in."""
        assert person_of(text) == person

    def test_several(self) -> None:
        """Authors by any element come in their order, each once."""
        item = item_with(
            "<author><name>A</name><uri>https://a.example/</uri><email>a@a.example</email></author>"
            "<author><email>b@b.example</email></author><author/><dc:creator>C</dc:creator><dc:creator>C</dc:creator>"
            "<itunes:author>D</itunes:author>"
        )
        assert item.authors == (
            Person(name="A", uri="https://a.example/", email="a@a.example"),
            Person(name="b@b.example", email="b@b.example"),
            Person(name="C"),
        )

    def test_named_twice(self) -> None:
        """Who is named with and without an address is one author, where the name stands alone."""
        item = item_with(
            "<author>b@b.example (B)</author><dc:creator>A</dc:creator><dc:creator>B</dc:creator>"
            "<author>c@c.example (C)</author>"
        )
        assert item.authors == (
            Person(name="A"),
            Person(name="B", email="b@b.example"),
            Person(name="C", email="c@c.example"),
        )

    def test_of_a_podcast(self) -> None:
        """The author whom iTunes names stands for a missing one."""
        assert item_with("<author> </author><itunes:author>D</itunes:author>").authors == (Person(name="D"),)


class TestFiles:
    def test_enclosures(self) -> None:
        """Files of RSS, Atom and Media RSS come in this order, each address once; a length of 0 is none."""
        item = item_with(
            '<enclosure url=" /a.mp3 " type="Audio/MPEG" length="12"/><enclosure url="" type="audio/mpeg"/>'
            '<link rel="enclosure" href="b.ogg" length="0"/><link rel="alternate" href="c.html"/>'
            '<media:group><media:content url="https://cdn.example/d.mp4" type="video/mp4" fileSize="34"/>'
            '<media:content url="e" medium="audio" fileSize="-1"/></media:group><media:content url="f.webm"/>'
            '<media:content url="/a.mp3" type="audio/mpeg" fileSize="99"/>'
            '<media:content url="https://player.example/g" medium="video" type="text/html"/>'
            '<media:content url="https://player.example/h" type="application/x-shockwave-flash"/>'
            '<media:content url="i.epub" type="application/epub+zip" fileSize="56"/>'
        )
        assert item.enclosures == (
            Enclosure(href="https://news.example/a.mp3", type="audio/mpeg", length=12),
            Enclosure(href="https://news.example/feeds/b.ogg"),
            Enclosure(href="https://cdn.example/d.mp4", type="video/mp4", length=34),
            Enclosure(href="https://news.example/feeds/e"),
            Enclosure(href="https://news.example/feeds/f.webm"),
            Enclosure(href="https://news.example/feeds/i.epub", type="application/epub+zip", length=56),
        )

    @pytest.mark.parametrize("length", ["1.5", "x", "٣", "9" * 30, "-3", ""])
    def test_odd_lengths(self, length: str) -> None:
        """A length that is no number of bytes is unknown."""
        item = item_with(f'<enclosure url="https://a.example/b" length="{length}"/>')
        assert item.enclosures == (Enclosure(href="https://a.example/b"),)

    def test_pictures(self) -> None:
        """Media RSS's pictures come first, the largest first, then thumbnails, iTunes' and files that are pictures."""
        item = item_with(
            '<image><url>f.png</url></image><enclosure url="e.jpg" type="image/jpeg" length="9"/>'
            '<itunes:image href="d.jpg"/>'
            '<media:thumbnail url="c1.jpg" width="75" height="50"/><media:thumbnail url="c2.jpg" width="150"/>'
            '<media:group><media:content url="b.jpg" medium="image" width="10" height="20"/>'
            '<media:content url="a.jpg" type="image/jpeg" width="100" height="200"/></media:group>'
            '<media:content url="g?x.jpg" width="5"/><media:content url="h.gif"/>'
            '<media:content url="a.jpg" medium="image" width="100000000"/><media:content url="i" medium="executable"/>'
        )
        at = "https://news.example/feeds/"
        assert item.pictures == (
            Image(origin=f"{at}a.jpg", width=100, height=200),
            Image(origin=f"{at}b.jpg", width=10, height=20),
            Image(origin=f"{at}g?x.jpg", width=5),
            Image(origin=f"{at}h.gif"),
            Image(origin=f"{at}c1.jpg", width=75, height=50),
            Image(origin=f"{at}c2.jpg", width=150),
            Image(origin=f"{at}d.jpg"),
            Image(origin=f"{at}e.jpg"),
            Image(origin=f"{at}f.png"),
        )
        assert item.enclosures == (Enclosure(href=f"{at}e.jpg", type="image/jpeg", length=9),)

    def test_bounded(self) -> None:
        """Files and pictures are bounded in number."""
        item = item_with("".join(f'<enclosure url="{n}" type="image/png"/>' for n in range(300)))
        assert (len(item.enclosures), len(item.pictures)) == (MAX_PARTS, MAX_PARTS)


class TestItem:
    def test_nothing(self) -> None:
        """An empty item says nothing."""
        assert item_with("") == BesideItem()

    @pytest.mark.parametrize(
        ("guid", "permalink"),
        [
            ("<guid>a</guid>", "a"),
            ('<guid isPermaLink="TRUE">a</guid>', "a"),
            ('<guid isPermaLink="false">a</guid>', None),
            ("<guid> </guid>", None),
            ("<id>a</id>", None),
        ],
    )
    def test_permalink(self, guid: str, permalink: str | None) -> None:
        """A guid may stand for a link unless it says no."""
        assert item_with(guid).permalink == permalink

    @pytest.mark.parametrize(
        ("inside", "text", "is_html"),
        [
            ("<itunes:summary>a\n\nb</itunes:summary><media:description>c</media:description>", "a\n\nb", False),
            ("<itunes:summary>&lt;p&gt;a&lt;/p&gt;</itunes:summary>", "<p>a</p>", True),
            (
                '<media:group><media:description type="html">&lt;b&gt;</media:description></media:group>',
                "<b>",
                True,
            ),
            ("<media:description>a &lt;br&gt;</media:description>", "a <br>", False),
        ],
    )
    def test_description_of_another_vocabulary(self, inside: str, text: str, is_html: bool) -> None:
        """The descriptions of iTunes and Media RSS are at hand for an item without text."""
        item = item_with(inside)
        assert (item.description, item.description_is_html) == (text, is_html)

    def test_title_of_another_vocabulary(self) -> None:
        """The titles of iTunes and Media RSS are at hand for an item without one."""
        assert item_with("<media:group><media:title>a &amp;amp; b</media:title></media:group>").title == "a & b"

    @pytest.mark.parametrize(
        ("attributes", "content", "base"),
        [
            ("", "<content/>", None),
            ('xml:base="/x/"', "<content/>", "https://news.example/x/"),
            ('xml:base="/x/"', '<content xml:base="y/"/>', "https://news.example/x/y/"),
            ("", '<content><div xml:base="https://b.example/"/></content>', "https://b.example/"),
        ],
    )
    def test_base(self, attributes: str, content: str, base: str | None) -> None:
        """The nearest xml:base around the text counts; without one the base is not told."""
        assert item_with(content, attributes).base == base

    @pytest.mark.parametrize(
        ("attributes", "inside", "language"),
        [("", "", None), ('xml:lang="de_AT"', "", "de-AT"), ("", "<dc:language>zh</dc:language>", "zh")],
    )
    def test_language(self, attributes: str, inside: str, language: str | None) -> None:
        """An item's own language is told, not that of its feed."""
        assert item_with(inside, attributes).language == language


class TestChannel:
    def test_nothing(self) -> None:
        """An empty channel says nothing."""
        assert channel_with("<item><pubDate>2024</pubDate></item>") == BesideChannel()

    def test_everything(self) -> None:
        """What a channel says of itself, of who makes it and of when to ask again."""
        assert channel_with(
            '<itunes:image href="i.jpg"/><itunes:summary>Long &lt;b&gt;text&lt;/b&gt;</itunes:summary>'
            "<itunes:author>A</itunes:author><managingEditor>b@b.example (B)</managingEditor><ttl>90</ttl>"
            "<skipHours><hour>0</hour><hour>24</hour><hour> 23 </hour><hour>25</hour><hour>x</hour></skipHours>"
            "<skipDays><day>Sunday</day><day>monday</day><day>Funday</day></skipDays>"
        ) == BesideChannel(
            icon="https://news.example/feeds/i.jpg",
            subtitle="Long text",
            authors=(Person(name="B", email="b@b.example"),),
            least_interval=timedelta(minutes=90),
            skip_hours=frozenset({0, 23}),
            skip_days=frozenset({0, 6}),
            extensions=(
                Element(namespace=ITUNES, name="image", attributes=(("href", "https://news.example/feeds/i.jpg"),)),
                Element(namespace=ITUNES, name="summary", text="Long <b>text</b>"),
                Element(namespace=ITUNES, name="author", text="A"),
            ),
        )

    @pytest.mark.parametrize(
        ("inside", "interval"),
        [
            ("<ttl>60</ttl>", timedelta(hours=1)),
            ("<ttl>-5</ttl>", None),
            ("<ttl>0</ttl>", None),
            ("<ttl>soon</ttl>", None),
            ("<ttl>999999999</ttl>", LONGEST_INTERVAL),
            ("<sy:updatePeriod> Hourly </sy:updatePeriod>", timedelta(hours=1)),
            (
                "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>",
                timedelta(hours=6),
            ),
            ("<sy:updateFrequency>2</sy:updateFrequency>", timedelta(hours=12)),
            ("<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>", timedelta(hours=1)),
            ("<ttl>90</ttl><sy:updatePeriod>hourly</sy:updatePeriod>", timedelta(minutes=90)),
            ("<ttl>30</ttl><sy:updatePeriod>hourly</sy:updatePeriod>", timedelta(hours=1)),
        ],
    )
    def test_least_interval(self, inside: str, interval: timedelta | None) -> None:
        """The longer of what it asks for, within reason."""
        assert channel_with(inside).least_interval == interval
