from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.articles.identity import mint
from feedbridge.articles.items import MAX_TITLE
from feedbridge.articles.normalise import (
    HASH_VERSION,
    MAX_AUTHORS,
    MAX_CATEGORIES,
    MAX_ENCLOSURES,
    MAX_NAME,
    MAX_SUMMARY,
    Normalised,
    Rules,
    as_seen,
    normalise,
    recognise,
)
from feedbridge.errors import UnusableItem
from feedbridge.model import Article, Category, Element, Enclosure, Image, Origin, Person, RawItem, Witness

FIRST_SEEN = datetime(2026, 1, 1, tzinfo=UTC)
LINK = "https://news.example/a/2020/07/20/1.html"
RULES = Rules(source="s")


def normalised(item: RawItem, rules: Rules = RULES) -> Normalised:
    return normalise(item, recognise(item, rules), rules, first_seen=FIRST_SEEN)


def article_of(content: str = "<p>正文。</p>", **fields: Any) -> Article:
    item = RawItem(link=LINK, title="题目", content=content)
    return normalised(replace(item, **fields)).article


def test_whole_article() -> None:
    """Every field of an item finds its place."""
    item = RawItem(
        id="tag:news.example,2020:1",
        link=" HTTPS://News.Example/a/2020/07/20/1.html ",
        title=" 题\n目 ",
        authors=(Person(name=" 王小明 ", email="w@news.example"),),
        categories=(Category(term="亚洲", scheme="https://news.example/topics"),),
        summary="一\n二",
        content=(
            '<div><i>2020-07-20 19:22:17</i></div><p>正文<a href="/b">甲</a>。</p><p>二<img src="/1.jpg" alt="图"></p>'
        ),
        lead_block=True,
        enclosures=(Enclosure(href="/1.mp3", type="audio/mpeg"), Enclosure(href="javascript:1")),
        rights="© 某报",
        language="zh-Hans",
        path="a/1.md",
        witnesses=(Witness(kind="marker", text="1595273400000"), Witness(kind="file-name", text="1.md")),
    )
    found = normalised(item, Rules(source="s", timezone="Asia/Shanghai"))
    picture = Image(origin="https://news.example/1.jpg", alt="图")

    assert found == Normalised(
        article=Article(
            id="tag:news.example,2020:1",
            source="s",
            title="题 目",
            link=LINK,
            published=datetime(2020, 7, 20, 19, 30, tzinfo=UTC),
            updated=datetime(2020, 7, 20, 19, 30, tzinfo=UTC),
            authors=(Person(name="王小明", email="w@news.example"),),
            categories=(Category(term="亚洲", scheme="https://news.example/topics"),),
            summary="一 二",
            excerpt="正文甲。 二",
            content='<p>正文<a href="https://news.example/b">甲</a>。</p><p>二<img src="image:0"></p>',
            images=(picture,),
            lead_image=picture,
            enclosures=(Enclosure(href="https://news.example/1.mp3", type="audio/mpeg"),),
            rights="© 某报",
            language="zh-Hans",
            first_seen=FIRST_SEEN,
            changed=FIRST_SEEN,
            content_hash=found.article.content_hash,
            testimonies=found.article.testimonies,
        ),
        stamp=datetime(2020, 7, 20, 19, 30, tzinfo=UTC),
        path="a/1.md",
    )
    assert [(one.kind, one.text) for one in found.article.testimonies] == [
        ("marker", "1595273400000"),
        ("body", "2020-07-20 19:22:17"),
        ("link", LINK),
        ("file-name", "1.md"),
        ("first-seen", "2026-01-01T00:00:00Z"),
    ]


class TestRecognise:
    def test_by_link(self) -> None:
        """An item is named by its link, and known again by it."""
        found = recognise(RawItem(link="http://news.example/a#x", path="1.md"), RULES)

        assert (found.id, found.aliases) == (mint("https://news.example/a"), ("link:https://news.example/a",))

    @pytest.mark.parametrize("link", [None, "", "/a/b", "javascript:alert(1)", "mailto:a@b.example", "https://"])
    def test_by_path(self, link: str | None) -> None:
        """An item without a usable link is named by its file."""
        found = recognise(RawItem(link=link, path="a/1.md"), RULES)

        assert (found.id, found.aliases) == (mint("s\na/1.md"), ("path:a/1.md",))

    def test_a_relative_link_with_a_base(self) -> None:
        """What is relative to the item's base is a link."""
        item = RawItem(link="/a", base="https://news.example/feed", content="<p>文</p>")

        assert recognise(item, RULES).id == mint("https://news.example/a")
        assert normalised(item).article.link == "https://news.example/a"

    def test_nothing_names_it(self) -> None:
        """An item with neither link, id nor path cannot be kept."""
        with pytest.raises(UnusableItem, match="an item needs a link, an id, a path or a title"):
            recognise(RawItem(id=" \n"), RULES)


class TestTitle:
    @pytest.mark.parametrize(
        ("title", "content", "expected"),
        [
            ("题目", "<p>正文。</p>", "题目"),
            ("  题\t目\r\n二 ", "", "题 目 二"),
            ("题\x08目\u202e", "", "题目"),
            (None, "<p>第一句。第二句。</p>", "第一句。"),
            ("", "<h2>小标题</h2><p>正文。</p>", "小标题"),
            (" \n\x08", "<p>Mr. is a word. Next.</p>", "Mr."),
            ("\u202e", "<p>文！</p>", "文！"),
            (None, f"<p>{'文' * 100}。</p>", "文" * 79 + "…"),
            (None, '<p><img src="https://p.example/1.jpg"></p>', "1_照片"),
        ],
    )
    def test_title(self, title: str | None, content: str, expected: str) -> None:
        """One line; an empty one is made from the first sentence, or from the file's name for a picture alone."""
        assert article_of(content, title=title, path="a/1_照片.md").title == expected

    def test_a_made_title_is_short(self) -> None:
        """It has at most 80 characters, cut at the end of a word."""
        title = article_of(f"<p>{'word ' * 30}</p>", title=None).title

        assert title == ("word " * 16).rstrip() + "…"
        assert len(title) <= 80

    def test_a_long_title_is_cut(self) -> None:
        """A title is no place for a whole book."""
        title = article_of(title="文" * 100_000).title

        assert title == "文" * (MAX_TITLE - 1) + "…"

    @pytest.mark.parametrize(
        "content", ["", " \n", "<p> </p><br>", "<script>1</script>", "<!-- x -->", "&#8;", "<img>"]
    )
    def test_nothing_at_all(self, content: str) -> None:
        """Without title, text and pictures it is no article, whatever its link and file are called."""
        item = RawItem(link=LINK, content=content, path="a/1.md")

        with pytest.raises(UnusableItem, match="holds no article: neither title nor text"):
            normalised(item)

    def test_a_date_alone_is_no_article(self) -> None:
        """A head block is taken out of the text, and nothing is left."""
        with pytest.raises(UnusableItem, match="holds no article"):
            article_of("<div><i>2020-07-20</i></div>", title=None, lead_block=True)

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"content": '<img src="https://p.example/1.jpg" alt="一朵花">'}, "一朵花"),
            ({"content": '<img src="https://p.example/1.jpg">'}, "news.example/a/2020/07/20/1.html"),
            ({"enclosures": (Enclosure(href="/1.mp3"),)}, "news.example/a/2020/07/20/1.html"),
            ({"pictures": (Image(origin="/1.jpg", alt="一朵花"),)}, "一朵花"),
            ({"summary": "第一句。第二句。"}, "第一句。"),
        ],
    )
    def test_nothing_but_a_picture_or_a_recording(self, fields: dict[str, Any], expected: str) -> None:
        """It is an article all the same, called by what is said of the picture, else by its address."""
        assert article_of(**{"content": "", "title": None, **fields}).title == expected

    def test_a_picture_without_any_name(self) -> None:
        """A title is never empty: without words, file and link there is nothing to call it."""
        with pytest.raises(UnusableItem, match="holds no article"):
            normalised(RawItem(id="1", content='<img src="https://p.example/1.jpg">'))


class TestPeopleAndCategories:
    def test_authors(self) -> None:
        """Each person once, in order, in one line, without those that have no name."""
        people = [Person(name=name) for name in (" 甲 ", "乙\n丙", "", "\x08", "甲")]

        assert article_of(authors=tuple(people)).authors == (Person(name="甲"), Person(name="乙 丙"))

    def test_the_head_block_names_the_author_of_an_item_without(self) -> None:
        """The item's own authors are believed first."""
        content = "<div><i>王小明,李华<br>2020-07-20 19:22:17</i></div><p>文</p>"

        assert article_of(content, lead_block=True).authors == (Person(name="王小明"), Person(name="李华"))
        named = article_of(content, lead_block=True, authors=(Person(name="甲"),))
        assert named.authors == (Person(name="甲"),)

    def test_categories(self) -> None:
        """The first of each term, in order, in one line."""
        terms = (" 甲 ", "乙\n丙", "", "甲", "\u202e甲")
        given_categories = tuple(Category(term=term, label=str(number)) for number, term in enumerate(terms))

        assert article_of(categories=given_categories).categories == (
            Category(term="甲", label="0"),
            Category(term="乙 丙", label="1"),
        )

    def test_caps(self) -> None:
        """Nobody's list grows without end, and no name either; doubles do not use up the room."""
        people = tuple(Person(name=f"{number} {'x' * 600}") for number in range(60) for _ in range(2))
        categories = tuple(Category(term=f"{number} {'x' * 600}") for number in range(120) for _ in range(2))
        article = article_of(authors=people, categories=categories)

        assert [person.name.split()[0] for person in article.authors] == [str(number) for number in range(MAX_AUTHORS)]
        assert [one.term.split()[0] for one in article.categories] == [str(number) for number in range(MAX_CATEGORIES)]
        assert {len(person.name) for person in article.authors} == {MAX_NAME}
        assert {len(category.term) for category in article.categories} == {MAX_NAME}


class TestPeopleOfFeeds:
    def test_addresses(self) -> None:
        """A person's page is absolute, a mailto: is the mailbox, and what is neither goes."""
        people = (
            Person(name="a", uri="/about", email=" a@n.example "),
            Person(name="b", uri="MAILTO:b@n.example?subject=x"),
            Person(name="c", uri="javascript:alert(1)", email="nobody"),
            Person(name="d", uri="mailto:x", email="d@n.example"),
            Person(name="", email="e@n.example"),
            Person(name=" ", uri="https://n.example/f"),
            Person(name=""),
        )

        assert article_of(authors=people).authors == (
            Person(name="a", uri="https://news.example/about", email="a@n.example"),
            Person(name="b", email="b@n.example"),
            Person(name="c"),
            Person(name="d", email="d@n.example"),
            Person(name="e@n.example", email="e@n.example"),
            Person(name="https://n.example/f", uri="https://n.example/f"),
        )

    def test_categories(self) -> None:
        """A scheme is an IRI or none, a label one line."""
        found = article_of(
            categories=(
                Category(term="a", scheme="https://n.example/topics", label=" A\nB "),
                Category(term="b", scheme="Topics", label=" "),
                Category(term="c", scheme="javascript:x"),
            )
        )

        assert found.categories == (
            Category(term="a", scheme="https://n.example/topics", label="A B"),
            Category(term="b"),
            Category(term="c"),
        )


class TestEnclosures:
    def test_each_file_once(self) -> None:
        """Addresses are absolute and http(s), types plausible, lengths numbers of bytes."""
        found = article_of(
            enclosures=(
                Enclosure(href="/1.mp3", type=" Audio/MPEG ", length=5),
                Enclosure(href="/1.mp3", type="audio/ogg"),
                Enclosure(href="/2.mp4", type='Video/MP4; codecs="Avc1"', length=-1),
                Enclosure(href="/3", type="mp3", length=2**63),
                Enclosure(href="/4", type="", length=0),
                Enclosure(href="magnet:?xt=1", type="a/b"),
            )
        )

        assert found.enclosures == (
            Enclosure(href="https://news.example/1.mp3", type="audio/mpeg", length=5),
            Enclosure(href="https://news.example/2.mp4", type='video/mp4; codecs="Avc1"'),
            Enclosure(href="https://news.example/3"),
            Enclosure(href="https://news.example/4", length=0),
        )

    def test_not_without_end(self) -> None:
        """The first fifty stay."""
        many = tuple(Enclosure(href=f"/{number}") for number in range(80))

        assert [one.href for one in article_of(enclosures=many).enclosures] == [
            f"https://news.example/{number}" for number in range(MAX_ENCLOSURES)
        ]


class TestPictures:
    def test_the_best_leads_a_text_without(self) -> None:
        """The first that can be shown stands for the article: absolute, unwrapped, and no spacer."""
        found = article_of(
            pictures=(
                Image(origin="/spacer.gif"),
                Image(origin="/t.gif?", width=1, height=1),
                Image(origin="data:image/png;base64," + "A" * 1_000),
                Image(
                    origin="https://images.weserv.nl/?url=https://news.example/1.jpg",
                    alt=" a\nb ",
                    caption=" c\n ",
                    width=640,
                    height=-5,
                ),
                Image(origin="/2.jpg"),
            )
        )

        assert found.lead_image is not None
        assert replace(found.lead_image, chain=()) == Image(
            origin="https://news.example/1.jpg", alt="a b", caption="c", width=640
        )
        assert len(found.lead_image.chain) == 1
        assert found.images == ()

    def test_the_text_comes_first(self) -> None:
        """A picture in the text is the lead; those beside it do not change the content's hash."""
        plain = article_of('<p>a<img src="/1.jpg"></p>')
        found = article_of('<p>a<img src="/1.jpg"></p>', pictures=(Image(origin="/2.jpg"),))

        assert found == plain
        assert found.lead_image == Image(origin="https://news.example/1.jpg")


class TestBase:
    def test_it_is_nearer_than_the_link(self) -> None:
        """Relative addresses are relative to the base that an item gives, else to its link."""
        fields: dict[str, Any] = {
            "content": '<p><a href="b">x</a><img src="1.jpg"></p>',
            "enclosures": (Enclosure(href="1.mp3"),),
        }
        based, plain = article_of(base="https://cdn.example/x/", **fields), article_of(**fields)

        for article, root in ((based, "https://cdn.example/x/"), (plain, "https://news.example/a/2020/07/20/")):
            assert article.content == f'<p><a href="{root}b">x</a><img src="image:0"></p>'
            assert article.images[0].origin == f"{root}1.jpg"
            assert article.enclosures[0].href == f"{root}1.mp3"

    def test_a_broken_base(self) -> None:
        """A base that is no web address is none."""
        assert article_of('<a href="/b">x</a>', base="cid:1").content == (
            '<p><a href="https://news.example/b">x</a></p>'
        )


class TestOrigin:
    def test_the_feed_that_it_was_in(self) -> None:
        """Its id is an IRI or none, its addresses are absolute, its title is one line."""
        written = Origin(id="urn:x:1", title=" A\nB ", link="/f", self_link="javascript:1")

        assert article_of(origin=written).origin == Origin(id="urn:x:1", title="A B", link="https://news.example/f")
        assert article_of(origin=Origin(id="1", title="x")).origin == Origin(title="x")
        assert article_of(origin=Origin(id="1", title=" ")).origin is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *(("zh-Hans", "zh-Hans"), (" en_US ", "en-US"), ("x-klingon", "x-klingon"), ("de", "de")),
        *(("English", None), ("", None), ("e", None), ("en us", None), ("en-" + "a" * 9, None), ("中文", None)),
        *(("x", None), ("en--us", None)),
    ],
)
def test_language(written: str, expected: str | None) -> None:
    """A language is a BCP 47 tag or unknown."""
    assert article_of(language=written).language == expected


def test_long_lines_are_cut() -> None:
    """Rights and summary are one line, and no place for a book."""
    found = article_of(rights="©\n" + "字" * 20_000, summary="a\n" + "b " * 20_000)

    assert found.rights is not None
    assert found.summary is not None
    assert found.rights.startswith("© 字")
    assert found.summary.startswith("a b b")
    assert max(len(found.rights), len(found.summary)) <= MAX_SUMMARY


class TestExtensions:
    def test_their_pictures_are_numbered_after_those_of_the_text(self) -> None:
        """Placeholders of the text stay; a picture that is there already is used again."""

        def thumbnail(url: str) -> Element:
            return Element(namespace="http://search.yahoo.com/mrss/", name="thumbnail", attributes=(("url", url),))

        content = '<p>a<img src="/1.jpg"></p>'
        found = article_of(content, extensions=(thumbnail("/2.jpg"), thumbnail("/1.jpg")))

        assert [image.origin for image in found.images] == ["https://news.example/1.jpg", "https://news.example/2.jpg"]
        assert found.extensions == (thumbnail("image:1"), thumbnail("image:0"))
        assert found.content == article_of(content).content
        assert found.content_hash == article_of(content).content_hash

    def test_a_recording_is_told_once(self) -> None:
        """Media RSS that repeats an enclosure goes."""
        repeat = Element(namespace="http://search.yahoo.com/mrss/", name="content", attributes=(("url", "/1.mp3"),))

        assert article_of(extensions=(repeat,), enclosures=(Enclosure(href="/1.mp3"),)).extensions == ()
        assert len(article_of(extensions=(repeat,)).extensions) == 1


class TestDates:
    def test_the_source_has_a_zone(self) -> None:
        """A date without a zone is read in that of the source."""
        item = RawItem(link=LINK, content="<div><i>2020-07-20 19:22:17</i></div><p>文</p>", lead_block=True)

        assert normalised(item).article.published == datetime(2020, 7, 20, 19, 22, 17, tzinfo=UTC)
        eastern = normalised(item, Rules(source="s", timezone="Asia/Shanghai")).article
        assert eastern.published == datetime(2020, 7, 20, 11, 22, 17, tzinfo=UTC)

    def test_nothing_lies_after_first_sight(self) -> None:
        """A date within a day after first sight is cut to it; a later one is not believed."""
        soon, late = ((FIRST_SEEN + timedelta(hours=hours)).isoformat() for hours in (5, 50))
        for text in (soon, late):
            article = article_of(link="https://news.example/a", witnesses=(Witness(kind="marker", text=text),))
            assert (article.published, article.updated) == (FIRST_SEEN, FIRST_SEEN)

    def test_unknown_is_first_sight(self) -> None:
        """Where nobody tells a date, it is the time when we first saw the article."""
        found = normalised(RawItem(link="https://news.example/a", content="<p>文</p>"))

        assert (found.article.published, found.article.updated, found.stamp) == (FIRST_SEEN, FIRST_SEEN, None)

    def test_witnesses_are_kept_short_and_clean(self) -> None:
        """What somebody wrote in the place of a date is kept to be shown, but not at any length."""
        article = article_of(
            link="https://news.example/a", witnesses=(Witness(kind="front-matter", text="x\x08\n" + "y" * 1_000),)
        )

        kept = article.testimonies[0]
        assert (kept.kind, kept.text, kept.value, kept.note) == ("front-matter", "x " + "y" * 298, None, "not a date")


class TestRules:
    def test_they_reach_the_body(self) -> None:
        """Selectors, phrases and proxy hosts of the settings are used."""
        item = RawItem(
            link=LINK,
            title="题目",
            content=(
                '<h2>题目</h2><p class="ad">广告</p><p>正文</p>'
                '<p><img src="https://proxy.example/?url=p.example/1.jpg"></p><p>请订阅</p>'
            ),
        )
        rules = Rules(source="s", remove=(".ad",), remove_text=("请订阅",), image_proxy_hosts=("proxy.example",))
        article = normalised(item, rules).article

        assert article.content == '<p>正文</p><p><img src="image:0"></p>'
        assert article.images[0].origin == "https://p.example/1.jpg"


BODY = '<p>一<a href="/b">二</a></p><p>三<img src="/1.jpg" alt="图"></p>'


class TestContentHash:
    @pytest.mark.parametrize(
        "content",
        [
            BODY.replace("一", "壹"),
            BODY.replace("</p><p>", "</p><p>新</p><p>"),
            BODY.replace("</p><p>", ""),
            BODY.replace("/b", "/c"),
            BODY.replace("/1.jpg", "/2.jpg"),
            BODY.replace('<img src="/1.jpg" alt="图">', ""),
            BODY + '<p>四<img src="/1.jpg"></p>',
        ],
    )
    def test_moves_with_what_is_read(self, content: str) -> None:
        """Text, links and pictures are the article."""
        assert article_of(content).content_hash != article_of(BODY).content_hash

    def test_moves_with_the_title(self) -> None:
        """An edited title is news, one that is only spelled otherwise is none."""
        assert article_of(BODY, title="另一题目").content_hash != article_of(BODY).content_hash
        assert article_of(BODY, title=" 题目\n").content_hash == article_of(BODY).content_hash

    @pytest.mark.parametrize(
        "content",
        [
            f"<div><div>{BODY}</div></div>",
            BODY.replace("<p>", '<p style="color:red" class="x" id="y">'),
            BODY.replace("一", "<span><b>一</b></span>"),
            BODY.replace("一", "\n  一"),
            BODY.replace('href="/b"', 'title="x" target="_blank" href="https://news.example/b"'),
            BODY.replace('alt="图"', 'alt="别的" width="600" data-x="1" loading="lazy"'),
            BODY.replace('src="/1.jpg"', 'src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-src="/1.jpg"'),
            BODY.replace('src="/1.jpg"', 'src="https://images.weserv.nl/?url=https://news.example/1.jpg&w=300"'),
            BODY + "<!-- x --><script>1</script>",
            BODY.replace("</p><p>", "</p>\n\n<p>"),
        ],
    )
    def test_stays_with_markup(self, content: str) -> None:
        """Markup, attributes, wrappers and proxies are none of the reader's business."""
        assert article_of(content).content_hash == article_of(BODY).content_hash

    @pytest.mark.parametrize(
        "fields",
        [
            {"authors": (Person(name="甲"),)},
            {"categories": (Category(term="甲"),)},
            {"summary": "甲"},
            {"witnesses": (Witness(kind="marker", text="1595273400000"),)},
            {"path": "b.md"},
            {"language": "zh"},
        ],
    )
    def test_stays_with_what_is_said_about_it(self, fields: dict[str, object]) -> None:
        """Only title and body are hashed."""
        assert article_of(BODY, **fields).content_hash == article_of(BODY).content_hash

    def test_carries_its_rule(self) -> None:
        """A hash names the version of the rule that made it, so that others are not compared with it."""
        rule, _, digest = article_of(BODY).content_hash.partition(":")

        assert rule == str(HASH_VERSION)
        assert len(digest) == 64


ITEMS = st.builds(
    RawItem,
    id=st.none() | st.text(max_size=20),
    link=st.none() | st.text(max_size=30) | st.text(max_size=20).map("https://news.example/{}".format),
    title=st.none() | st.text(max_size=40),
    authors=st.lists(st.builds(Person, name=st.text(max_size=10)), max_size=3).map(tuple),
    categories=st.lists(st.builds(Category, term=st.text(max_size=10)), max_size=3).map(tuple),
    content=st.text(max_size=60) | st.text(max_size=40).map("<p>{}</p>".format),
    lead_block=st.booleans(),
    path=st.none() | st.text(min_size=1, max_size=20),
    base=st.none() | st.text(max_size=10) | st.just("https://n.example/b/"),
    language=st.none() | st.text(max_size=8),
    pictures=st.lists(st.builds(Image, origin=st.text(max_size=20)), max_size=2).map(tuple),
    enclosures=st.lists(
        st.builds(
            Enclosure,
            href=st.text(max_size=20),
            type=st.none() | st.text(max_size=8),
            length=st.none() | st.integers(),
        ),
        max_size=2,
    ).map(tuple),
    origin=st.none()
    | st.builds(Origin, id=st.none() | st.text(), link=st.none() | st.text(), title=st.none() | st.text()),
    extensions=st.lists(
        st.builds(
            Element,
            namespace=st.sampled_from(["http://search.yahoo.com/mrss/", "urn:x", "", "\x00"]),
            name=st.sampled_from(["content", "thumbnail", "a b", "x"]),
            attributes=st.lists(
                st.tuples(st.sampled_from(["url", "href", "medium", "x", "a b"]), st.text(max_size=10)), max_size=3
            ).map(tuple),
            text=st.text(max_size=8),
        ),
        max_size=3,
    ).map(tuple),
    shared_id=st.booleans(),
    shared_link=st.booleans(),
    witnesses=st.lists(
        st.builds(
            Witness,
            kind=st.sampled_from(["marker", "front-matter", "file-name", "published", "updated"]),
            text=st.text(max_size=30),
        ),
        max_size=3,
    ).map(tuple),
)


@given(ITEMS)
def test_any_item(item: RawItem) -> None:
    """An item is made an article or refused by name; the same item makes the same article."""
    try:
        found = normalised(item)
    except UnusableItem:
        return
    article = found.article

    assert article.title.strip()
    assert len(article.title.splitlines()) == 1
    assert article.published <= article.updated <= FIRST_SEEN
    assert all(person.name for person in article.authors)
    assert article.link is None or article.link.startswith(("https://", "http://"))
    assert normalised(replace(item)) == found


@given(ITEMS, st.integers(0, 10_000))
def test_another_first_sight(item: RawItem, days: int) -> None:
    """An article that was seen at another time is what it would have been if it had been read then."""
    then = FIRST_SEEN - timedelta(days=days)
    try:
        found = normalised(item)
    except UnusableItem:
        return
    expected = normalise(item, recognise(item, RULES), RULES, first_seen=then)
    assert as_seen(found, RULES, first_seen=then) == expected
