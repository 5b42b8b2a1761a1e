import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.articles.normalise import Rules, normalise, recognise
from feedbridge.errors import UnusableItem
from feedbridge.model import Article, Category, Page, Person, RawItem, Witness
from feedbridge.settings import ArchiveSource
from feedbridge.sources.archive import Archive, decode, read_article

FIRST_SEEN = datetime(2026, 1, 1, tzinfo=UTC)
LINK = "https://news.example/a/1.html"
BODY = "\n------\n\n<p>正文在这里。</p>"
SECONDS_FOR_THE_WORST = 30.0
"""Milliseconds are meant; what this must catch takes minutes, or the process down."""


def archive(**settings: object) -> Archive:
    return Archive(ArchiveSource.model_validate({"name": "s", "kind": "archive", "path": "/nowhere", **settings}))


def item_of(body: bytes | str, path: str = "site/1_题目.md", **settings: object) -> RawItem:
    page = Page(path=path, body=body.encode() if isinstance(body, str) else body)
    return next(archive(**settings).parse(page))


def article_of(body: bytes | str, path: str = "site/1_题目.md", *, remove_text: tuple[str, ...] = ()) -> Article:
    """The whole way from the bytes of a file to the article."""
    rules = Rules(source="s", remove_text=remove_text)
    item = item_of(body, path)
    return normalise(item, recognise(item, rules), rules, first_seen=FIRST_SEEN).article


def behind_front_matter(keys: str, body: str = "<p>正文在这里。</p>") -> str:
    return f"---\n{keys}\n---\n{body}"


def origins(article: Article) -> list[str]:
    return [image.origin for image in article.images]


class TestLayouts:
    def test_bare(self) -> None:
        """Marker, link lines and body of the bare layout; nothing is decoded or cleaned yet."""
        body = "<!--1689154743000-->\n[题目](https://news.example/a)\n------\n\n<div><i>2023</i></div><p>文"

        assert item_of(body, "site/7_题目.md") == RawItem(
            link="https://news.example/a",
            title="题目",
            content="\n<div><i>2023</i></div><p>文",
            lead_block=True,
            path="site/7_题目.md",
            witnesses=(
                Witness(kind="file-name", text="7_题目.md"),
                Witness(kind="marker", text="1689154743000"),
            ),
        )

    def test_behind_front_matter(self) -> None:
        """The same behind front matter: the link line's title and link win, the keys say the rest."""
        keys = (
            'layout: post\ntitle: "另一题目"\ndate: 2020-04-12T08:28:26+01:00\nauthor: 王小明\n'
            "from: https://other.example/\ntags: [ 标签, 新闻 ]\ncomments: True\ncategories: [ 新闻 ]"
        )
        body = f"<!--1586676506000-->\n[题目]({LINK})\n------\n\n<div>\n<p>文</p></div>"

        assert item_of(behind_front_matter(keys, body), "_posts/2020-04-12-题目.md") == RawItem(
            link=LINK,
            title="题目",
            authors=(Person(name="王小明"),),
            categories=(Category(term="新闻"), Category(term="标签")),
            content="\n<div>\n<p>文</p></div>",
            lead_block=True,
            path="_posts/2020-04-12-题目.md",
            witnesses=(
                Witness(kind="file-name", text="2020-04-12-题目.md"),
                Witness(kind="marker", text="1586676506000"),
                Witness(kind="front-matter", text="2020-04-12T08:28:26+01:00"),
            ),
        )

    def test_front_matter_without_marker_and_link_lines(self) -> None:
        """HTML straight after the front matter: title, date, link, author and tags are its keys."""
        keys = f'title: "题目"\ndate: 2020-04-12T08:28:26+01:00\nfrom: {LINK}\nauthor: 王小明\ntags: [ 标签 ]'
        article = article_of(behind_front_matter(keys))

        assert (article.title, article.link) == ("题目", LINK)
        assert article.published == datetime(2020, 4, 12, 7, 28, 26, tzinfo=UTC)
        assert article.authors == (Person(name="王小明"),)
        assert article.categories == (Category(term="标签"),)
        assert article.content == "<p>正文在这里。</p>"

    @pytest.mark.parametrize(
        ("text", "title", "link", "content"),
        [
            (f"[题目]({LINK})", "题目", LINK, ""),
            (f"[题目]({LINK})\n------", "题目", LINK, ""),
            (f"---\ntitle: 题目\nfrom: {LINK}\n---", "题目", LINK, ""),
            (f"---\ntitle: 题目\nfrom: {LINK}\n...\n<p>文</p>", "题目", LINK, "<p>文</p>"),
            (f"\n\n---  \ntitle: 题目\nfrom: {LINK}\n---\t\n<p>文</p>", "题目", LINK, "<p>文</p>"),
            (f"---\n---\n[题目]({LINK}){BODY}", "题目", LINK, "<p>正文在这里。</p>"),
        ],
    )
    def test_parts_may_be_missing(self, text: str, title: str, link: str, content: str) -> None:
        """Whatever is there is read; only a file with nothing to show is no article."""
        article = article_of(text)

        assert (article.title, article.link, article.content) == (title, link, content)

    @pytest.mark.parametrize(
        ("settings", "authors", "categories"),
        [
            ({}, ("王小明",), ("标签", "site")),
            ({"folder_as": "category"}, ("王小明",), ("site", "标签")),
            ({"folder_as": "author"}, ("王小明",), ("标签", "site")),
        ],
    )
    def test_the_folder_names_the_site(
        self, settings: dict[str, object], authors: tuple[str, ...], categories: tuple[str, ...]
    ) -> None:
        """The folder is the first category, or the author of what has none, where the settings say so."""
        item = item_of(behind_front_matter("author: 王小明\ntags: [标签, site]"), "articles/site/1.md", **settings)

        assert tuple(person.name for person in item.authors) == authors
        assert tuple(category.term for category in item.categories) == categories

    def test_the_folder_is_the_author_of_what_has_none(self) -> None:
        """A file at the top has no folder that could be one."""
        assert item_of("<p>文</p>", "法广/1.md", folder_as="author").authors == (Person(name="法广"),)
        assert item_of("<p>文</p>", "1.md", folder_as="author").authors == ()
        assert item_of("<p>文</p>", "1.md", folder_as="category").categories == ()


class TestMarker:
    @pytest.mark.parametrize(
        ("marker", "said"),
        [
            ("<!--1594065126000-->\n", "1594065126000"),
            ("<!--996595200000-->\n", "996595200000"),
            ("<!--more-->\n", None),
            ("<!--NaN-->\n", "NaN"),
            ("<!-- 1594065126000 -->\n\n\n", "1594065126000"),
            ("\n  <!--1594065126000-->", "1594065126000"),
            ("<!--2020-07-06T19:52:06Z-->\n", "2020-07-06T19:52:06Z"),
            ("<!-- saved from url=(0029)https://news.example/ -->\n<!--1594065126000-->\n", "1594065126000"),
            ("<!--1594065126000-->\n<!--1594065126001-->\n", "1594065126000"),
            ("<!---->\n", None),
            ("", None),
        ],
    )
    def test_marker(self, marker: str, said: str | None) -> None:
        """The marker is optional; comments around it are passed over, and the link line is found behind them."""
        item = item_of(f"{marker}[题目]({LINK}){BODY}")

        assert [one.text for one in item.witnesses if one.kind == "marker"] == ([said] if said else [])
        assert (item.title, item.link, item.content) == ("题目", LINK, "\n<p>正文在这里。</p>")

    @pytest.mark.parametrize(
        ("marker", "published"),
        [
            ("<!--1594065126000-->", datetime(2020, 7, 6, 19, 52, 6, tzinfo=UTC)),
            ("<!--996595200000-->", datetime(2001, 7, 31, 16, 0, tzinfo=UTC)),
            ("<!--NaN-->", FIRST_SEEN),
            ("", FIRST_SEEN),
        ],
    )
    def test_marker_as_a_date(self, marker: str, published: datetime) -> None:
        """Twelve digits are milliseconds as well; NaN is nothing, and never becomes the present."""
        assert article_of(f"{marker}\n[题目]({LINK}){BODY}").published == published

    def test_nan_makes_the_front_matter_date_doubtful(self) -> None:
        """Beside NaN the front matter's date is often that of the crawl, so the date in the body goes before."""
        body = f"<!--NaN-->\n[题目]({LINK})\n------\n\n<div><i>2020-07-20 19:22:17</i></div><p>文</p>"
        article = article_of(behind_front_matter("date: 2021-06-14T10:51:36.156Z", body))

        assert article.published == datetime(2020, 7, 20, 19, 22, 17, tzinfo=UTC)


class TestLinkLine:
    @pytest.mark.parametrize(
        ("line", "title", "link"),
        [
            (f"[[x專題]y [z] ]]({LINK})", "[x專題]y [z] ]", LINK),
            (f"[a](b) c]({LINK})", "a](b) c", LINK),
            (f"[&quot;三无&quot; &amp;lt;b&gt;]({LINK})", '"三无" &lt;b>', LINK),
            (f"[一\n二]({LINK})", "一 二", LINK),
            (f"[一\n\n二\n]({LINK})", "一 二", LINK),
            (f"[]({LINK})", "正文在这里。", LINK),
            (f"[ \t]({LINK})", "正文在这里。", LINK),
            ("[题目](https://e.org/a_(b)_(c))", "题目", "https://e.org/a_(b)_(c)"),
            ("[题目](https://e.org/路/é?q=中)", "题目", "https://e.org/%E8%B7%AF/%C3%A9?q=%E4%B8%AD"),
            ("[题目](https://e.org//a//b)", "题目", "https://e.org//a//b"),
            ("[题目](https://e.org/%25E7%259B%25AE)", "题目", "https://e.org/%25E7%259B%25AE"),
            ("[题目](https://e.org/?a=1&amp;b=2)", "题目", "https://e.org/?a=1&b=2"),
            ("[题目](https://e.org/a b  c)", "题目", "https://e.org/a%20b%20%20c"),
            (f"[题目]({LINK})  \t", "题目", LINK),
            (f"[题目]( {LINK} )", "题目", LINK),
            (f"[题目](<{LINK}>)", "题目", LINK),
            (f'[题目]({LINK} "副题 (二)")', "题目", LINK),
            (f"[题目](<{LINK}> '副题')", "题目", LINK),
            (f"## [题目]({LINK})", "题目", LINK),
            ("[题目](/a/b)", "题目", None),
            ("[题目]()", "题目", None),
            ("[题目](javascript:alert(1))", "题目", None),
            ("[]()", "正文在这里。", None),
        ],
    )
    def test_title_and_link(self, line: str, title: str, link: str | None) -> None:
        """The link is behind the last `](`; entities are undone once, and addresses are never decoded."""
        article = article_of(f"<!--1594065126000-->\n{line}{BODY}")

        assert (article.title, article.link, article.content) == (title, link, "<p>正文在这里。</p>")

    @pytest.mark.parametrize(
        "rule",
        ["------", "-", "--", "-" * 60, "------ \t", "  ------", "======", "\n------", "\n\n  ---\n", ""],
    )
    def test_rule(self, rule: str) -> None:
        """A rule of any length, or none, ends the link lines, and is no part of the text."""
        item = item_of(f"[题目]({LINK})\n{rule}\n<p>正文</p>")

        assert (item.title, item.link, item.content.strip()) == ("题目", LINK, "<p>正文</p>")

    def test_a_title_over_two_lines_without_a_rule(self) -> None:
        """What is a link from end to end is a link line."""
        item = item_of(f"[一\n二]({LINK})\n\n<p>正文</p>")

        assert (item.title, item.link, item.content) == ("一 二", LINK, "\n<p>正文</p>")

    @pytest.mark.parametrize(
        "body",
        [
            "[编者按] 这是正文。",
            "[1] 见 [甲](https://b.example/) 一文。",
            "[1] 注一（[甲](https://b.example/))",
            "[甲](https://b.example/) 报道说",
            "[目录](#contents)",
            "[编者按]\n这是 [甲](https://b.example/)",
            "[没有结尾",
            "![图](https://b.example/1.jpg)",
        ],
    )
    def test_a_text_that_begins_with_a_bracket(self, body: str) -> None:
        """A bracket at the start is no link line; the front matter's title and link stay, and so does the text."""
        item = item_of(behind_front_matter(f"title: 题目\nfrom: {LINK}", f"{body}\n\n<p>二</p>"))

        assert (item.title, item.link, item.content) == ("题目", LINK, f"{body}\n\n<p>二</p>")

    def test_a_usable_link_of_the_front_matter_stands_in(self) -> None:
        """A relative or empty link in the link line does not hide the address that the front matter knows."""
        for link in ("", "/a/b"):
            body = behind_front_matter(f"from: {LINK}", f"[题目]({link}){BODY}")
            assert item_of(body).link == LINK


class TestFrontMatter:
    @pytest.mark.parametrize(
        ("line", "title"),
        [
            ('title: "题目"', "题目"),
            ('title: ""三无"产品"', '"三无"产品'),
            ('title: "他说"好"', '他说"好'),
            ("title: 'it's'", "it's"),
            (r'title: "a \"b\" c"', 'a "b" c'),
            ("title: 甲: 乙", "甲: 乙"),
            ("title:\t题目\t", "题目"),
            ("\ttitle: 题目", "题目"),
            ("title: @甲", "@甲"),
            ("title: *甲*", "*甲*"),
            ("title: [甲] 乙", "[甲] 乙"),
            ("title: 1984", "1984"),
            ("title: 007", "007"),
            ("title: 1.50", "1.50"),
            ("title: No", "No"),
            ("title: 2020-01-01", "2020-01-01"),
            ("title: >\n  甲\n  乙", "甲 乙"),
            ("title: 甲\n  乙", "甲 乙"),
            ("title: 甲\x08乙", "甲乙"),
            ("title: C# 入门", "C# 入门"),
            ("title: AT&amp;T &amp;lt;", "AT&T &lt;"),
            ("Title: 题目", "题目"),
            ("title: ~", "正文在这里。"),
            ("title: null", "正文在这里。"),
            ("title:", "正文在这里。"),
            ("title: {甲: 乙}", "正文在这里。"),
        ],
    )
    def test_title(self, line: str, title: str) -> None:
        """Titles come as text however YAML would read them, and line by line where it cannot."""
        article = article_of(behind_front_matter(f"layout: post\n{line}\nfrom: {LINK}\ndate: 2020-01-02 03:04:05"))

        assert (article.title, article.link) == (title, LINK)
        assert article.published == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("keys", "terms"),
        [
            ("tags: [ 甲, 乙 ]", ("甲", "乙")),
            ("tags:\n  - 甲\n  - '乙: 丙'", ("甲", "乙: 丙")),
            ("tags: 甲, 乙", ("甲", "乙")),
            ("tags: a b", ("a", "b")),
            ("tags: [ a b ]", ("a b",)),
            ("category: a b\ntag: 丙", ("a b", "丙")),
            ("tags: [ 甲, 乙 ]\ncategories: [ 乙 ]", ("乙", "甲")),
            ("tags: [ 2020, C#, '' , ~ ]", ("2020", "C#")),
            ("tags: [[甲], {乙: 丙}, 丁]", ("丁",)),
            ("tags:", ()),
            ('title: ""坏"了"\ntags: [ "甲", 乙 ]', ("甲", "乙")),
            ('title: ""坏"了"\ntags:\n  - 甲\n  - "乙"\nauthor: 丙', ("甲", "乙")),
            ('title: ""坏"了"\ntags:\n\t- 甲', ("甲",)),
        ],
    )
    def test_tags_and_categories(self, keys: str, terms: tuple[str, ...]) -> None:
        """Lists of every shape are read, categories first, each term once; broken YAML costs none of them."""
        assert tuple(category.term for category in item_of(behind_front_matter(keys)).categories) == terms

    @pytest.mark.parametrize(
        ("keys", "names"),
        [
            ("author: 王小明", ("王小明",)),
            ("author: [ 甲, 乙 ]", ("甲", "乙")),
            ("authors:\n- 甲\n- 乙", ("甲", "乙")),
            ("author: AT&amp;T", ("AT&T",)),
            ("author: null", ()),
            ("author: undefined", ()),
            ("author:", ()),
            ("author: {name: 甲}", ()),
        ],
    )
    def test_authors(self, keys: str, names: tuple[str, ...]) -> None:
        """One author or a list; what a script writes for nobody is nobody."""
        assert tuple(person.name for person in item_of(behind_front_matter(keys)).authors) == names

    @pytest.mark.parametrize("key", ["from", "From", "link", "url", "source"])
    def test_link(self, key: str) -> None:
        """The address may stand under any of the names that archives use."""
        assert item_of(behind_front_matter(f"{key}: {LINK}")).link == LINK

    def test_from_goes_before_other_names(self) -> None:
        """The archive's own key is believed first, but only where it holds an address."""
        assert item_of(behind_front_matter(f"url: https://x.example/\nfrom: {LINK}")).link == LINK
        assert item_of(behind_front_matter(f"url: {LINK}\nfrom: 某报")).link == LINK

    @pytest.mark.parametrize(
        ("date", "published"),
        [
            ("2020-01-02", datetime(2020, 1, 2, tzinfo=UTC)),
            ("2020-01-02 03:04:05 +0800", datetime(2020, 1, 1, 19, 4, 5, tzinfo=UTC)),
            ("2020-01-02T03:04:05.678Z", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
            ("!!timestamp 2020-01-02", datetime(2020, 1, 2, tzinfo=UTC)),
            ("~", FIRST_SEEN),
            ("0000-00-00", FIRST_SEEN),
        ],
    )
    def test_dates_are_left_to_the_date_code(self, date: str, published: datetime) -> None:
        """What YAML would make a timestamp is read as any other date."""
        assert article_of(behind_front_matter(f"title: 甲\ndate: {date}")).published == published

    @pytest.mark.parametrize(
        ("text", "content"),
        [
            ("---\n<p>甲: 乙</p>\n---\n<p>丙</p>", "<p>甲: 乙</p><p>---</p><p>丙</p>"),
            ("---\n甲\n\n---\n\n乙", "<p>甲</p><p>---</p><p>乙</p>"),
            ("---\n<p>甲</p>", "<p>甲</p>"),
        ],
    )
    def test_a_text_between_rules_is_no_front_matter(self, text: str, content: str) -> None:
        """No word of a text is lost because it stands below a rule."""
        assert article_of(text).content == content

    @pytest.mark.parametrize("end", ["", "--", "----"])
    def test_front_matter_without_an_end(self, end: str) -> None:
        """A file that was cut in its front matter is refused: its keys are no text for readers."""
        with pytest.raises(UnusableItem, match="its front matter has no end"):
            item_of(f"---\nlayout: post\ntitle: 题目\nfrom: {LINK}\n{end}")


class TestOtherFiles:
    def test_whole_html_document(self) -> None:
        """A saved page: title and canonical address from its head, the text from its body."""
        article = article_of(
            '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>题目 &amp; 副题</title><style>p{}</style>'
            f'<link href="{LINK}" rel="canonical"></head><body class="x"><h1>题目 &amp; 副题</h1>'
            "<p>正文</p></body></html>",
            "page.html",
        )

        assert (article.title, article.link, article.content) == ("题目 & 副题", LINK, "<p>正文</p>")

    def test_what_stands_before_a_document_wins(self) -> None:
        """Front matter and link lines are believed sooner than the page's own head."""
        document = '<html><head><title>乙</title><link rel="canonical" href="https://b.example/"></head><p>文</p>'

        assert item_of(behind_front_matter(f"title: 甲\nfrom: {LINK}", document)).title == "甲"
        assert item_of(f"[甲]({LINK})\n---\n{document}").link == LINK
        assert item_of(f"[]({LINK})\n---\n{document}").title == "乙"

    def test_empty_head(self) -> None:
        """A document that says nothing of itself is still read."""
        article = article_of("<html><head><title></title></head><body><p>第一句。第二句。</p></body></html>")

        assert (article.title, article.content) == ("第一句。", "<p>第一句。第二句。</p>")

    def test_plain_text(self) -> None:
        """A file without a single tag keeps its paragraphs and lines."""
        article = article_of("# 题目\n\n第一行，1 < 2 且 a<b\n第二行 *强调*\n \n\n末段 &amp; 完\n")

        assert article.content == (
            "<p># 题目</p><p>第一行，1 &lt; 2 且 a&lt;b<br>第二行 *强调*</p><p>末段 &amp; 完</p>"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "<!--1594065126000-->",
            "<!--NaN-->\n",
            "---\n---\n",
            "[]()\n------\n",
            "<p></p><div> </div>",
            "<script>1</script>",
        ],
    )
    def test_nothing_to_show(self, text: str) -> None:
        """A file without title, text and pictures is no article, whatever its name."""
        with pytest.raises(UnusableItem, match="holds no article"):
            article_of(text)


class TestBodies:
    """Traps of the bodies, from the file's bytes to the article's content."""

    def test_control_characters(self) -> None:
        """They go at the door, from title and text alike."""
        article = article_of(f"[甲\x08乙]({LINK})\n------\n\n<p>丙\x08\x0c丁&#8;&#x1f;戊</p>")

        assert (article.title, article.content) == ("甲乙", "<p>丙 丁戊</p>")

    def test_null_and_advert(self) -> None:
        """The mirror's `null` at the start and its advert at the end are no part of the article."""
        article = article_of(
            f"[甲]({LINK})\n------\n\nnull<div><i>2020-07-20T10:20:18</i></div><p>正文</p>"
            '<hr><p>获取更多RSS：<br><a href="https://feedx.net">https://feedx.net</a></p>'
        )

        assert article.content == "<p>正文</p>"
        assert article.published == datetime(2020, 7, 20, 10, 20, 18, tzinfo=UTC)

    def test_a_source_adds_its_own_adverts(self) -> None:
        """Phrases from the settings go as well."""
        article = article_of("<p>正文</p><p>请 订阅\n本站</p>", remove_text=("请 订阅 本站",))

        assert article.content == "<p>正文</p>"

    @pytest.mark.parametrize("attribute", ["data-src", "data-lazy-src", "data-original"])
    def test_lazy_picture_with_its_twin(self, attribute: str) -> None:
        """The real address is taken and the noscript twin goes: each picture shows once."""
        article = article_of(
            f'[甲]({LINK})\n------\n\n<p>一</p><p><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" '
            f'{attribute}="https://p.example/1.jpg"><noscript><img src="https://p.example/1.jpg"></noscript></p><p>二</p>'
        )

        assert origins(article) == ["https://p.example/1.jpg"]
        assert article.content == '<p>一</p><p><img src="image:0"></p><p>二</p>'

    def test_srcset_with_a_comma_inside(self) -> None:
        """A comma inside an address does not cut it; the largest candidate counts."""
        article = article_of(
            '<p>一</p><p><img srcset="data:image/gif;base64,R0lGODlhAQABAAAAACw= 1w, https://p.example/a,b.jpg 800w" '
            'src="https://p.example/small.jpg"></p>'
        )

        assert origins(article) == ["https://p.example/a,b.jpg"]

    def test_half_decoded_ampersand(self) -> None:
        """`#038;` is undone before the address is read."""
        article = article_of(
            '<p>一</p><p><img src="https://i0.wp.com/p.example/1.jpg?w=640&amp;is-pending-load=1#038;ssl=1"></p>'
        )

        assert origins(article) == ["https://p.example/1.jpg"]

    def test_relative_pictures(self) -> None:
        """Root-relative and protocol-relative addresses are resolved against the link."""
        article = article_of(
            f'[甲]({LINK})\n------\n\n<p>一</p><p><img src="/i/1.jpg"></p><p>二</p><p><img src="//p.example/2.jpg"></p>'
        )

        assert origins(article) == ["https://news.example/i/1.jpg", "https://p.example/2.jpg"]

    def test_long_body(self) -> None:
        """A body as long as the longest real one comes out whole."""
        paragraphs = "".join(f'<p style="x"><span>第{number}段</span>{"，文" * 18}</p>' for number in range(5_000))
        article = article_of(f"[甲]({LINK})\n------\n\n{paragraphs}")

        assert len(paragraphs.encode()) > 679_000
        assert article.content.count("<p>") == 5_000
        assert article.content.endswith(f"<p>第4999段{'，文' * 18}</p>")


class TestFileNames:
    @pytest.mark.parametrize(
        "path",
        [
            "s/1048454_法学家获释?\n当局另有盘算？.md",
            "s/\"三无\"'产品'.md",
            "s/\\xff\\xfe.md",
            "s/a\tb.md",
            "2020-07-20-标题.md",
        ],
    )
    def test_any_name(self, path: str) -> None:
        """The path is kept as it is, and stands for the missing title of a file with only a picture."""
        item = item_of('<img src="https://p.example/1.jpg">', path)
        rules = Rules(source="s")
        article = normalise(item, recognise(item, rules), rules, first_seen=FIRST_SEEN).article

        assert item.path == path
        assert article.title == " ".join(path.removeprefix("s/").removesuffix(".md").split())

    def test_a_name_deep_down_still_tells_its_date(self) -> None:
        """However long the folders' names are, the file's own is the witness."""
        article = article_of("<p>文</p>", f"{'很长的名字/' * 100}2020-07-20-题目.md")

        assert article.published == datetime(2020, 7, 20, tzinfo=UTC)

    def test_the_same_link_in_several_files(self) -> None:
        """An edited title makes a new file of the same article."""
        rules = Rules(source="s")
        one = recognise(item_of(f"[旧]({LINK}){BODY}", "1_旧.md"), rules)
        two = recognise(item_of(f"[新](http://NEWS.example/a/1.html#top){BODY}", "2_新.md"), rules)

        assert one == two


SIMPLIFIED = (
    f"<!--1689154743000-->\n[两国签署伙伴计划]({LINK})\n------\n\n<div><i>2023-07-12 09:38:33</i></div>"
    "<p>北京时间周二，两国领导人在首都签署了新的伙伴计划，双方将在安全和贸易领域加强合作。</p>"
    "<p>发言人说，这项计划“不针对任何国家”，但是邻国对此表示了强烈的不满。</p>"
)
TRADITIONAL = (
    f"<!--1689154743000-->\n[兩國簽署夥伴計畫]({LINK})\n------\n\n<div><i>2023-07-12 09:38:33</i></div>"
    "<p>北京時間週二，兩國領導人在首都簽署了新的夥伴計畫，雙方將在安全和貿易領域加強合作。</p>"
    "<p>發言人說，這項計畫「不針對任何國家」，但是鄰國對此表示了強烈的不滿。</p>"
)


class TestEncodings:
    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            (SIMPLIFIED, "utf-8"),
            (SIMPLIFIED, "utf-8-sig"),
            (SIMPLIFIED, "utf-16"),
            ("\ufeff" + SIMPLIFIED, "utf-16-be"),
            (SIMPLIFIED, "utf-32"),
            (SIMPLIFIED, "gbk"),
            (SIMPLIFIED, "gb18030"),
            (TRADITIONAL, "big5"),
            (TRADITIONAL, "big5hkscs"),
        ],
    )
    def test_encodings(self, text: str, encoding: str) -> None:
        """Unicode with and without a mark, and the Chinese encodings that no file declares."""
        assert decode(text.encode(encoding)) == text.lstrip("\ufeff")

    @pytest.mark.parametrize(("text", "encoding"), [(SIMPLIFIED, "gbk"), (TRADITIONAL, "big5")])
    @pytest.mark.parametrize("cut", [1, 2, 3, 4])
    def test_long_files_of_other_encodings(self, text: str, encoding: str, cut: int) -> None:
        """Neither the end of what is looked at nor a cut end of the file hides the encoding."""
        long = text + text[-90:] * 1_000
        body = long.encode(encoding)[: -cut - 4]

        assert len(body) > 100_000
        assert decode(body)[:-3] == long[: len(decode(body)) - 3]

    @pytest.mark.parametrize(("character", "encoding"), [("国", "gbk"), ("國", "big5")])
    def test_one_long_paragraph_of_another_encoding(self, character: str, encoding: str) -> None:
        """A text without any sign of ASCII behind its header is read as well."""
        text = (SIMPLIFIED if encoding == "gbk" else TRADITIONAL).replace("</p><p>", "")[:-4].replace("，", character)
        long = text + text[-30:].replace("p", "") * 3_000

        assert decode(long.encode(encoding)) == long

    @pytest.mark.parametrize("cut", [1, 2])
    def test_cut_in_the_middle_of_a_character(self, cut: int) -> None:
        """What is left of the last character comes out as one sign; all else is read."""
        assert decode(f"<p>{'文' * 20}".encode()[:-cut]) == f"<p>{'文' * 19}\ufffd"

    def test_a_few_broken_characters(self) -> None:
        """They do not make a UTF-8 file something else."""
        assert decode("正文".encode() * 50 + b"\xff\xfe" + "正文".encode()) == "正文" * 50 + "\ufffd\ufffd正文"

    @pytest.mark.parametrize("newline", ["\r\n", "\r"])
    def test_line_ends(self, newline: str) -> None:
        """Files of any system are read alike."""
        text = behind_front_matter("title: 甲\ntags:\n- 乙", f"<!--1594065126000-->\n[题\n目]({LINK}){BODY}")

        assert item_of(text.replace("\n", newline)) == item_of(text)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "is empty"),
            (b" \n\t", "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"\xff\xfe", "is empty"),
            ("\ufeff \n".encode("utf-16-be"), "is empty"),
            (b"PK\x03\x04\x00\x00", "NUL"),
            (bytes(range(128, 256)) * 64, "is not text"),
        ],
    )
    def test_no_text(self, body: bytes, reason: str) -> None:
        """Files that hold no text are refused, with the reason."""
        with pytest.raises(UnusableItem, match=reason):
            item_of(body)


class TestCost:
    @pytest.mark.parametrize(
        "keys",
        [
            "".join(
                f"{name}: &{name} [{f'*{chr(ord(name) - 1)},' * 9 if name > 'a' else 'x'}]\n" for name in "abcdefghi"
            )
            + "tags: *i",
            "tags: &a [*a, 甲]",
            "x: " + "[" * 60_000,
            "x: " + "[" * 30_000 + "]" * 30_000,
            "x: " + "{a: " * 15_000,
            "x:\n" + "- " * 30_000,
            "? " * 30_000,
            "\n".join(" " * depth + "a:" for depth in range(340)),
            "x: &a\n" + "&b !!x " * 8_000,
            'x: "' + "\\" * 60_000,
            "x: " + "\t" * 60_000 + "\x08",
            "tags: [" + "x," * 30_000 + "]",
            "\n".join(f"k{number}: v" for number in range(5_000)),
        ],
        ids=lambda keys: keys[:12],
    )
    def test_yaml_bombs(self, keys: str) -> None:
        """Aliases, deep nesting and the like cost milliseconds, and the keys beside them are still read."""
        text = behind_front_matter(f"title: 题目\n{keys}")
        started = time.process_time()
        item = item_of(text)

        assert time.process_time() - started < SECONDS_FOR_THE_WORST
        assert item.title == "题目"
        assert len(item.categories) <= 100

    @pytest.mark.parametrize(
        "text",
        [
            "---\n" * 500_000,
            "[" * 2_000_000,
            "[\n" * 1_000_000,
            "[" + "](" * 1_000_000,
            "[" + "](" * 8_000 + ")",
            "[a](" + " \t" * 8_000 + '"',
            "[a](" + ' "' * 8_000 + ")",
            " \n" * 1_000_000 + "x",
            "<!--a-->" * 250_000,
            "<!--" * 500_000,
            "<!--" + " \t" * 1_000_000,
            "<" * 1_000_000,
            "<a" * 1_000_000,
            "a\n \n" * 500_000,
            "\n" + " \t" * 1_000_000,
            "<html><head><meta " + "".join(f"a{number}=1 " for number in range(20_000)),
            "<html>" + "<b><p>" * 100_000,
            "---\nx:" + " " * 60_000 + "\n---\n",
        ],
        ids=lambda text: text[:12],
    )
    def test_hostile_texts(self, text: str) -> None:
        """No text makes the reader take long."""
        started = time.process_time()
        read_article(text, path="a")

        assert time.process_time() - started < SECONDS_FOR_THE_WORST


PIECES = st.sampled_from(
    [
        *(
            "---\n",
            "...\n",
            "<!--",
            "-->",
            "NaN",
            "1594065126000",
            "[",
            "](",
            ")",
            "\n",
            "------\n",
            " ",
            "\t",
            "#",
            ">",
        ),
        *("title: ", "tags:\n", "- ", '"', "'", "[a, b]", "from: ", LINK, "<html>", "<title>", "<p>", "\x00", "\ufeff"),
        *("&amp;", "&#xD83D;", "{", "*a", "&a", "!!", "\x08", "\ud800", "\r\n", "题目", ": ", "null"),
    ]
)


class TestAnything:
    @given(st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join))
    @example("---\n? [\n---\n")
    @example("---\n!!python/object:os.system x\n---\n")
    def test_any_text(self, text: str) -> None:
        """A text is read or refused by name; the body is never longer than a little more than the text."""
        try:
            item = read_article(text, path="a.md")
        except UnusableItem:
            return
        assert len(item.content) <= 4 * len(text) + 7

    @given(st.binary(max_size=300))
    def test_any_bytes(self, body: bytes) -> None:
        """Bytes are read or refused by name."""
        try:
            item = item_of(body)
        except UnusableItem:
            return
        assert item.path == "site/1_题目.md"
