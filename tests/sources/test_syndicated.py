from collections.abc import Iterable
from datetime import timedelta
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.errors import ParseError
from feedbridge.model import Category, Element, Enclosure, Image, Origin, Part, Person, RawItem, SourceFacts, Witness
from feedbridge.sources import core
from feedbridge.sources.extensions import ITUNES, MEDIA, PODCAST
from feedbridge.sources.syndicated import MAX_SUMMARY, read_syndicated

URL = "https://news.example/feeds/all"
NAMESPACES = (
    f'xmlns:itunes="{ITUNES}" xmlns:podcast="{PODCAST}" xmlns:media="{MEDIA}" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0"'
)
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def read(text: str) -> list[Part]:
    return list(read_syndicated(text, url=URL))


def items(found: Iterable[Part]) -> list[RawItem]:
    return [one for one in found if isinstance(one, RawItem)]


def rss_item(inside: str) -> RawItem:
    (item,) = items(read(f'<rss version="2.0" {NAMESPACES}><channel><item>{inside}</item></channel></rss>'))
    return item


def atom_entry(inside: str) -> RawItem:
    (item,) = items(read(f'<feed xmlns="http://www.w3.org/2005/Atom"><entry>{inside}</entry></feed>'))
    return item


class TestDialects:
    def test_rss_090(self) -> None:
        """RSS 0.90: items stand beside the channel."""
        assert read(
            """<?xml version="1.0"?>
            <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
                     xmlns="http://my.netscape.com/rdf/simple/0.9/">
            <channel><title>News</title><link>https://news.example/</link><description>All of it</description></channel>
            <image><title>Logo</title><url>https://news.example/logo.png</url><link>https://logo.example/</link></image>
            <item><title>One</title><link>https://news.example/1</link></item>
            <item><title>Two</title><link>https://news.example/2</link></item>
            </rdf:RDF>"""
        ) == [
            SourceFacts(
                title="News",
                subtitle="All of it",
                link="https://news.example/",
                icon="https://news.example/logo.png",
            ),
            RawItem(title="One", link="https://news.example/1"),
            RawItem(title="Two", link="https://news.example/2"),
        ]

    def test_rss_091(self) -> None:
        """RSS 0.91 as Netscape has it, with its DOCTYPE."""
        assert read(
            """<?xml version="1.0"?>
            <!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN"
             "http://my.netscape.com/publish/formats/rss-0.91.dtd">
            <rss version="0.91"><channel><title>News</title><link>https://news.example/</link>
            <description>All of it</description><language>en-us</language><copyright>&copy; News</copyright>
            <managingEditor>ann@news.example (Ann)</managingEditor>
            <skipHours><hour>24</hour></skipHours><skipDays><day>Sunday</day></skipDays>
            <textInput><title>Search</title><description>Find</description><name>q</name>
            <link>https://search.example/</link></textInput>
            <item><title>One</title><link>https://news.example/1</link><description>Text &eacute;</description></item>
            </channel></rss>"""
        ) == [
            SourceFacts(
                title="News",
                subtitle="All of it",
                link="https://news.example/",
                language="en-us",
                rights="© News",
                authors=(Person(name="Ann", email="ann@news.example"),),
                skip_hours=frozenset({0}),
                skip_days=frozenset({6}),
            ),
            RawItem(title="One", link="https://news.example/1", content="Text é"),
        ]

    def test_rss_092(self) -> None:
        """RSS 0.92: items may be without titles and have categories, files and a source."""
        assert read(
            """<rss version="0.92"><channel><title>News</title><link>https://news.example/</link>
            <item><description>Just &lt;i&gt;text&lt;/i&gt;</description>
            <category domain="https://cats.example/">A/B</category><category>C</category>
            <enclosure url="https://news.example/1.mp3" length="1234" type="audio/mpeg"/>
            <source url="https://other.example/rss">Other</source></item></channel></rss>"""
        ) == [
            SourceFacts(title="News", link="https://news.example/"),
            RawItem(
                content="Just <i>text</i>",
                categories=(Category(term="A/B", scheme="https://cats.example/"), Category(term="C")),
                enclosures=(Enclosure(href="https://news.example/1.mp3", type="audio/mpeg", length=1234),),
                origin=Origin(title="Other", self_link="https://other.example/rss"),
            ),
        ]

    def test_rss_10(self) -> None:
        """RSS 1.0: rdf:about is the id; Dublin Core and the syndication module speak."""
        assert read(
            """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
             xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"
             xmlns:content="http://purl.org/rss/1.0/modules/content/">
            <channel rdf:about="https://news.example/rdf"><title>News</title><link>https://news.example/</link>
            <description>All of it</description><dc:language>ja</dc:language><dc:rights>Free</dc:rights>
            <dc:creator>Ann</dc:creator><sy:updatePeriod>hourly</sy:updatePeriod>
            <sy:updateFrequency>2</sy:updateFrequency>
            <items><rdf:Seq><rdf:li rdf:resource="https://news.example/1"/></rdf:Seq></items></channel>
            <item rdf:about="https://news.example/1"><title>One</title><link>https://news.example/1</link>
            <description>Short</description><content:encoded><![CDATA[<p>Longer&nbsp;text</p>]]></content:encoded>
            <dc:date>2024-01-02T03:04:05+09:00</dc:date><dc:creator>Bo</dc:creator><dc:creator>Cy</dc:creator>
            <dc:subject>Things</dc:subject><dc:rights>Bo's</dc:rights><dc:language>en</dc:language></item>
            </rdf:RDF>"""
        ) == [
            SourceFacts(
                title="News",
                subtitle="All of it",
                link="https://news.example/",
                language="ja",
                rights="Free",
                authors=(Person(name="Ann"),),
                least_interval=timedelta(minutes=30),
            ),
            RawItem(
                id="https://news.example/1",
                title="One",
                link="https://news.example/1",
                summary="Short",
                content="<p>Longer&nbsp;text</p>",
                authors=(Person(name="Bo"), Person(name="Cy")),
                categories=(Category(term="Things"),),
                witnesses=(Witness(kind="published", text="2024-01-02T03:04:05+09:00"),),
                rights="Bo's",
                language="en",
            ),
        ]

    def test_rss_20(self) -> None:
        """RSS 2.0 with what usually goes with it."""
        assert read(
            f"""<?xml version="1.0" encoding="windows-1251"?>
            <rss version="2.0" {NAMESPACES}><channel><title>News &amp;amp; more</title><link>https://news.example/</link>
            <atom:link rel="self" href="https://news.example/feeds/all"/><description>All</description><ttl>60</ttl>
            <item><title>One</title><link>
              https://news.example/1?a=b&amp;c=d
            </link><guid isPermaLink="false">tag:news.example,2024:1</guid>
            <pubDate>Tue, 02 Jan 2024 03:04:05 GMT</pubDate><atom:updated>2024-01-03</atom:updated>
            <dc:creator><![CDATA[Ann]]></dc:creator><category><![CDATA[A &amp; B]]></category>
            <description><![CDATA[<p>Short <b>text</b> [&#8230;]</p>]]></description>
            <content:encoded><![CDATA[<p>Another text</p>]]></content:encoded>
            <comments>https://news.example/1#comments</comments></item></channel></rss>"""
        ) == [
            SourceFacts(
                title="News & more",
                subtitle="All",
                link="https://news.example/",
                self_link="https://news.example/feeds/all",
                least_interval=timedelta(hours=1),
            ),
            RawItem(
                id="tag:news.example,2024:1",
                title="One",
                link="https://news.example/1?a=b&c=d",
                summary="Short text […]",
                content="<p>Another text</p>",
                authors=(Person(name="Ann"),),
                categories=(Category(term="A & B"),),
                witnesses=(
                    Witness(kind="published", text="Tue, 02 Jan 2024 03:04:05 GMT"),
                    Witness(kind="updated", text="2024-01-03"),
                ),
            ),
        ]

    def test_atom_03(self) -> None:
        """Atom 0.3: issued, modified, tagline, mode."""
        assert read(
            """<feed version="0.3" xmlns="http://purl.org/atom/ns#" xml:lang="en"><title>News</title>
            <tagline mode="escaped" type="text/html">All &lt;b&gt;of&lt;/b&gt; it</tagline>
            <link rel="alternate" type="text/html" href="https://news.example/"/><copyright>Ann</copyright>
            <entry><title type="text/html" mode="escaped">One &amp;amp; two</title><id>tag:news.example,2004:1</id>
            <link rel="alternate" type="text/html" href="https://news.example/1"/><issued>2004-01-02</issued>
            <modified>2004-01-03</modified><created>2004-01-01</created><author><name>Ann</name>
            <url>https://ann.example/</url></author><content type="text/html" mode="escaped">&lt;p&gt;Text</content>
            </entry></feed>"""
        ) == [
            SourceFacts(title="News", subtitle="All of it", link="https://news.example/", language="en", rights="Ann"),
            RawItem(
                id="tag:news.example,2004:1",
                title="One & two",
                link="https://news.example/1",
                content="<p>Text",
                authors=(Person(name="Ann", uri="https://ann.example/"),),
                witnesses=(
                    Witness(kind="published", text="2004-01-02"),
                    Witness(kind="updated", text="2004-01-03"),
                    Witness(kind="published", text="2004-01-01"),
                ),
            ),
        ]

    def test_atom_10(self) -> None:
        """Atom 1.0 with XHTML, xml:base, xml:lang, several authors and a source."""
        assert read(
            f"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://base.example/" xml:lang="de">
            <id>urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6</id><title type="html">N &amp;lt; &lt;i>M&lt;/i></title>
            <subtitle>All &lt;b></subtitle><link href="home"/><link rel="self" href="/feed"/><logo>l.png</logo>
            <rights type="text">Ann's</rights><author><name>Ann</name></author><updated>2024-01-03T00:00:00Z</updated>
            <entry xml:base="dir/" xml:lang="en"><id>1</id>
            <title type="xhtml"><div {XHTML}>a &lt; <em>b</em></div></title>
            <link rel="alternate" type="application/json" href="1.json"/>
            <link rel="alternate" type="text/html" href="1.html"/><link rel="related" href="https://other.example/"/>
            <link rel="enclosure" href="1.mp3" type="audio/mpeg" length="99"/>
            <updated>2024-01-02T00:00:00Z</updated>
            <author><name>Bo</name><email>bo@news.example</email></author><author><name>Cy</name></author>
            <category term="t" scheme="https://cats.example/" label="T"/>
            <summary>1 &lt; 2 &amp;amp; 3</summary><rights type="html">&lt;b>Bo&lt;/b></rights>
            <content type="xhtml" xml:base="sub/"><div {XHTML}>line<br/>line <img src="p.jpg"/></div></content>
            <source><id>urn:other</id><title type="html">Other &amp;amp; co</title>
            <link rel="self" href="https://other.example/feed"/><link href="https://other.example/"/></source></entry>
            </feed>"""
        ) == [
            SourceFacts(
                id="urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6",
                title="N < M",
                subtitle="All <b>",
                link="https://base.example/home",
                self_link="https://base.example/feed",
                icon="https://base.example/l.png",
                language="de",
                rights="Ann's",
                authors=(Person(name="Ann"),),
            ),
            RawItem(
                id="1",
                title="a < b",
                link="https://base.example/dir/1.html",
                summary="1 < 2 &amp; 3",
                content='line<br>line <img src="p.jpg">',
                authors=(Person(name="Bo", email="bo@news.example"), Person(name="Cy")),
                categories=(Category(term="t", scheme="https://cats.example/", label="T"),),
                enclosures=(Enclosure(href="https://base.example/dir/1.mp3", type="audio/mpeg", length=99),),
                base="https://base.example/dir/sub/",
                rights="Bo",
                language="en",
                witnesses=(Witness(kind="updated", text="2024-01-02T00:00:00Z"),),
                origin=Origin(
                    id="urn:other",
                    title="Other & co",
                    link="https://other.example/",
                    self_link="https://other.example/feed",
                ),
            ),
        ]

    def test_podcast(self) -> None:
        """A podcast: iTunes and Podcasting 2.0 pass through and stand in where RSS is silent."""
        assert read(
            f"""<rss version="2.0" {NAMESPACES}><channel><title>Cast</title><link>https://cast.example/</link>
            <itunes:author>Ann</itunes:author><itunes:image href="https://cast.example/i.jpg"/>
            <itunes:subtitle>Talk</itunes:subtitle><itunes:category text="News"/>
            <itunes:new-feed-url>https://cast.example/new</itunes:new-feed-url><podcast:locked>yes</podcast:locked>
            <item><title>One</title><guid>1</guid>
            <enclosure url="https://cast.example/1.mp3" length="5" type="audio/mpeg"/>
            <itunes:author>Bo</itunes:author><itunes:keywords>a, b</itunes:keywords>
            <itunes:summary>We talk</itunes:summary><itunes:image href="https://cast.example/1.jpg"/>
            <podcast:person role="guest">Cy</podcast:person></item></channel></rss>"""
        ) == [
            SourceFacts(
                title="Cast",
                subtitle="Talk",
                link="https://cast.example/",
                icon="https://cast.example/i.jpg",
                authors=(Person(name="Ann"),),
                extensions=(
                    Element(namespace=ITUNES, name="author", text="Ann"),
                    Element(namespace=ITUNES, name="image", attributes=(("href", "https://cast.example/i.jpg"),)),
                    Element(namespace=ITUNES, name="subtitle", text="Talk"),
                    Element(namespace=ITUNES, name="category", attributes=(("text", "News"),)),
                    Element(namespace=PODCAST, name="locked", text="yes"),
                ),
            ),
            RawItem(
                id="1",
                title="One",
                content="<p>We talk</p>",
                authors=(Person(name="Bo"),),
                enclosures=(Enclosure(href="https://cast.example/1.mp3", type="audio/mpeg", length=5),),
                pictures=(Image(origin="https://cast.example/1.jpg"),),
                extensions=(
                    Element(namespace=ITUNES, name="author", text="Bo"),
                    Element(namespace=ITUNES, name="keywords", text="a, b"),
                    Element(namespace=ITUNES, name="summary", text="We talk"),
                    Element(namespace=ITUNES, name="image", attributes=(("href", "https://cast.example/1.jpg"),)),
                    Element(namespace=PODCAST, name="person", attributes=(("role", "guest"),), text="Cy"),
                ),
            ),
        ]

    def test_media_group(self) -> None:
        """A video channel's entry: all that it says stands in its media:group."""
        assert atom_entry(
            f"""<id>yt:1</id><link rel="alternate" href="https://video.example/1"/>
            <media:group xmlns:media="{MEDIA}"><media:title>One</media:title>
            <media:content url="https://video.example/v/1" type="application/x-shockwave-flash" width="640"/>
            <media:thumbnail url="https://video.example/1.jpg" width="480" height="360"/>
            <media:description>Line
line

Paragraph &lt;3</media:description></media:group>"""
        ) == RawItem(
            id="yt:1",
            link="https://video.example/1",
            title="One",
            content="<p>Line<br>line</p><p>Paragraph &lt;3</p>",
            pictures=(Image(origin="https://video.example/1.jpg", width=480, height=360),),
            extensions=(
                Element(
                    namespace=MEDIA,
                    name="group",
                    children=(
                        Element(namespace=MEDIA, name="title", text="One"),
                        Element(
                            namespace=MEDIA,
                            name="content",
                            attributes=(
                                ("url", "https://video.example/v/1"),
                                ("type", "application/x-shockwave-flash"),
                                ("width", "640"),
                            ),
                        ),
                        Element(
                            namespace=MEDIA,
                            name="thumbnail",
                            attributes=(
                                ("url", "https://video.example/1.jpg"),
                                ("width", "480"),
                                ("height", "360"),
                            ),
                        ),
                        Element(namespace=MEDIA, name="description", text="Line\nline\n\nParagraph <3"),
                    ),
                ),
            ),
        )


class TestIds:
    @pytest.mark.parametrize("written", ["12345", "/a/b", "https://news.example/1", "yt:video:1", "Ünïcode 文"])
    def test_as_written(self, written: str) -> None:
        """An id is no address: nothing is joined to it."""
        assert rss_item(f"<guid>{written}</guid><title>a</title>").id == written
        assert atom_entry(f'<id xml:base="https://b.example/">{written}</id><title>a</title>').id == written


class TestLinks:
    @pytest.mark.parametrize(
        ("inside", "link"),
        [
            ("<guid>https://news.example/1</guid>", "https://news.example/1"),
            ('<guid isPermaLink="false">https://news.example/1</guid>', None),
            ("<guid>1</guid>", None),
            ("<link/><guid>https://news.example/1</guid>", "https://news.example/1"),
            ("<guid>https://news.example/1</guid><link>https://news.example/2</link>", "https://news.example/2"),
            ("<link>/relative</link>", "https://news.example/relative"),
            ('<atom:link href="https://news.example/1"/>', "https://news.example/1"),
            ('<atom:link rel="replies" href="https://news.example/1"/>', None),
            (
                "<link>https://burner.example/~r/1</link>"
                "<feedburner:origLink>https://news.example/1</feedburner:origLink>",
                "https://news.example/1",
            ),
        ],
    )
    def test_link_of_an_rss_item(self, inside: str, link: str | None) -> None:
        """The link is the article's own page."""
        assert rss_item(f"<title>a</title>{inside}").link == link

    def test_only_alternate_of_another_type(self) -> None:
        """An alternate that is no HTML is better than none."""
        entry = '<title>a</title><link rel="alternate" type="application/pdf" href="a.pdf"/>'
        assert atom_entry(entry).link == "https://news.example/feeds/a.pdf"


class TestTexts:
    @pytest.mark.parametrize(
        ("inside", "summary", "content"),
        [
            ("<description>a</description>", None, "a"),
            ("<content:encoded>a</content:encoded>", None, "a"),
            ("<description>a</description><content:encoded/>", None, "a"),
            ("<description>b</description><content:encoded>a</content:encoded>", "b", "a"),
            ("<content:encoded>a</content:encoded><description>b</description>", "b", "a"),
            ("<description>a</description><content:encoded>&lt;p&gt;a&lt;/p&gt;</content:encoded>", None, "<p>a</p>"),
            ("<description>a b …</description><content:encoded>a b c</content:encoded>", None, "a b c"),
            ("<description>a [...]</description><content:encoded>a b c</content:encoded>", None, "a b c"),
            ("<description>b</description><itunes:summary>c</itunes:summary>", None, "b"),
            ("<itunes:summary>c</itunes:summary><description>b</description>", None, "b"),
            ("<description>b</description><media:description>c</media:description>", None, "b"),
            ("<description>a<br/>b <i>c</i></description>", None, "a<br>b <i>c</i>"),
            (f"<body {XHTML}><p>a</p></body>", None, "<p>a</p>"),
            (
                f"<description>{'b' * (MAX_SUMMARY + 1)}</description><content:encoded>a</content:encoded>",
                None,
                "a",
            ),
        ],
    )
    def test_of_an_rss_item(self, inside: str, summary: str | None, content: str) -> None:
        """The longer text is the content; the description is the summary where it says something else."""
        item = rss_item(f"<title>t</title>{inside}")
        assert (item.summary, item.content) == (summary, content)

    @pytest.mark.parametrize(
        ("inside", "summary", "content"),
        [
            ("<summary>a &lt; b</summary>", None, "<p>a &lt; b</p>"),
            ('<summary type="html">&lt;i>a</summary>', None, "<i>a"),
            ("<content>a\n\nb &lt; c</content>", None, "<p>a</p><p>b &lt; c</p>"),
            ('<content type="html">a</content><summary type="html">b &lt;i>c&lt;/i></summary>', "b c", "a"),
            ('<content type="image/png">aGk=</content><summary>b</summary>', None, "<p>b</p>"),
            ('<content type="application/xml"><x xmlns="urn:x">a</x></content>', None, ""),
            ('<content type="video/mp4" src="a.mp4"/><summary>b</summary>', None, "<p>b</p>"),
            ('<content type="text">a</content><content type="html">b</content>', None, "b"),
            (f'<content type="xhtml"><div {XHTML}><p>a</p></div></content>', None, "<p>a</p>"),
            (f'<content type="xhtml"><p {XHTML}>a</p><p {XHTML}>b</p></content>', None, "<p>a</p><p>b</p>"),
        ],
    )
    def test_of_an_atom_entry(self, inside: str, summary: str | None, content: str) -> None:
        """Text constructs are what their type says."""
        item = atom_entry(f"<title>t</title>{inside}")
        assert (item.summary, item.content) == (summary, content)

    @pytest.mark.parametrize("text", ["Ã©tÃ©", "â‚¬", "\u0085x\u009f", "\xa0x", "Â«aÂ»", "é"])
    def test_what_looks_misread_stays(self, text: str) -> None:
        """Nobody guesses at letters that look like another encoding's."""
        assert atom_entry(f"<title>t</title><content type='html'>x{text}x</content>").content == f"x{text}x"

    def test_our_own_titles(self) -> None:
        """Titles in our own RSS are escaped once, so they come back as they were."""
        (item,) = items(
            read(
                "<rss><channel><generator>feedbridge</generator><item><title>&lt;b&gt;a&lt;/b&gt; &amp;amp;</title>"
                "</item></channel></rss>"
            )
        )
        assert item.title == "<b>a</b> &amp;"


class TestSlips:
    def test_bad_nesting(self) -> None:
        """Tags that are not paired lose nothing of their item or of the next."""
        assert items(
            read(
                "<rss><channel><item><title>a</b></title><link>https://news.example/1</link></item>"
                "<item><title>b<link>https://news.example/2</link><description>c<br>d <i>e</description></item>"
                "</channel></rss>"
            )
        ) == [
            RawItem(title="a", link="https://news.example/1"),
            RawItem(title="b", link="https://news.example/2", content="c<br>d <i>e</i>"),
        ]

    def test_cut_off(self) -> None:
        """Of a document that was cut off, the items that have an end are read."""
        whole = "<rss><channel><item><title>a</title></item><item><title>b</title><guid>"
        assert items(read(whole)) == [RawItem(title="a")]

    def test_undeclared(self) -> None:
        """Undeclared entities and prefixes, control characters and bare ampersands are what they mean."""
        assert items(
            read(
                "\n<br />Warning\n<?xml version='1.0'?><rss><channel><item><title>a\x08 &hellip; b & c &foo;</title>"
                "<link>https://news.example/?a=1&b=2</link><dc:creator>D</dc:creator>"
                "<content:encoded>&lt;p>e&nbsp;f</content:encoded></item></channel></rss>"
            )
        ) == [
            RawItem(
                title="a … b & c &foo;",
                link="https://news.example/?a=1&b=2",
                authors=(Person(name="D"),),
                content="<p>e\xa0f",
            )
        ]

    def test_no_entries(self) -> None:
        """A whole feed without entries gives its facts alone."""
        assert read("<rss><channel><title>a</title></channel></rss>") == [SourceFacts(title="a")]

    def test_hollow_items(self) -> None:
        """An item that holds nothing is left out."""
        assert items(read("<rss><item/><item><title>a</title></item></rss>")) == [RawItem(title="a")]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "is no RSS or Atom feed"),
            ("<foo/>", "is no RSS or Atom feed"),
            ("<rss><channel><title>a</title>", "the feed was cut off before the end of its first item"),
            ("<rss><channel><item><title>a</title>", "the feed was cut off before the end of its first item"),
            ("<rss><item/><item> </item></rss>", "the feed's items (2) hold nothing"),
        ],
    )
    def test_nothing_usable(self, text: str, reason: str) -> None:
        """A document without a usable item is an error that says so."""
        with pytest.raises(ParseError) as error:
            read(text)
        assert str(error.value) == reason


PIECES = (
    '<rss version="2.0"><channel>',
    '<feed xmlns="http://www.w3.org/2005/Atom">',
    "<item>",
    "</item>",
    "<entry>",
    "</entry>",
    "<title>",
    "</title>",
    "<title type='xhtml'>",
    "<link>",
    "<link href='http://['>",
    "</link>",
    "<guid>",
    "<id>",
    "<source>",
    "<source url='x'>",
    "</source>",
    "<image>",
    "<textInput>",
    "<author>",
    "<category>",
    "<category term='a'/>",
    "<content type='xhtml' xml:base='http://['>",
    "<content type='image/png'>",
    "<content:encoded>",
    "<description>",
    "<pubDate>",
    "<media:group>",
    "<media:content url='http://[' width='x'/>",
    "<itunes:image href='a'/>",
    "<skipHours><hour>",
    "<ttl>9",
    "<svg:svg>",
    "<dc:language>",
    "<![CDATA[",
    "]]>",
    "&",
    "<",
    "é",
)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=40).map("".join))
def test_any_document(text: str) -> None:
    """Whatever comes, it is read or refused by name."""
    for start in ("", PIECES[0], PIECES[1]):
        try:
            found = read(start + text)
        except ParseError:
            continue
        assert isinstance(found[0], SourceFacts)
        assert all(isinstance(one, RawItem) for one in found[1:])


TEXTS = (
    "a",
    " \u00a0a\n",
    "<p>a &amp; b</p>",
    "&lt;b&gt;",
    "<video> a",
    "caf\u00e9 \u00c3\u00a9",
    "YWJj",
    "\u6587" * 700,
    "",
)
TYPES = ("html", "HTML", "text", "xhtml", "text/html", "text/plain", "application/xhtml+xml", "image/png", " html")
VOICES = (
    "abstract",
    "body",
    "content",
    "content:encoded",
    "dc:description",
    "description",
    "fullitem",
    "summary",
    "atom:content",
    "atom:summary",
    "itunes:summary",
    "media:description",
    "title",
    "source",
    "link",
)
FORMS = (
    (f'<rss version="2.0" {NAMESPACES}><channel>', "item", "</channel></rss>"),
    (f'<feed xmlns="http://www.w3.org/2005/Atom" {NAMESPACES}>', "entry", "</feed>"),
    (f'<feed version="0.3" xmlns="http://purl.org/atom/ns#" {NAMESPACES}>', "entry", "</feed>"),
    (
        f'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" {NAMESPACES}>',
        "item",
        "</r:RDF>",
    ),
)


@st.composite
def told_texts(draw: st.DrawFn) -> str:
    """An element with a text in it, escaped, in a CDATA section or as markup, that says or does not say what it is."""
    name, text = draw(st.sampled_from(VOICES)), draw(st.sampled_from(TEXTS))
    kind = draw(st.just("") | st.sampled_from(TYPES))
    written = draw(st.sampled_from((escape(text), f"<![CDATA[{text}]]>", f"<b>{escape(text)}</b>")))
    more = draw(st.just("") | st.sampled_from((' mode="escaped"', ' mode="base64"', ' xml:lang="en"', ' Type="text"')))
    return f"<{name}{f' type={kind!r}' if kind else ''}{more}>{written}</{name}>"


@given(
    st.sampled_from(FORMS),
    st.lists(st.lists(told_texts(), max_size=5).map("".join), min_size=1, max_size=3),
)
def test_texts_go_aside_unnoticed(form: tuple[str, str, str], told: list[str]) -> None:
    """What is put aside comes out as it would if feedparser had seen it."""
    start, name, end = form
    document = start + "".join(f"<{name}><id>{number}</id>{one}</{name}>" for number, one in enumerate(told)) + end
    found = read(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "is_told_as_html", lambda _: False)
        assert read(document) == found
