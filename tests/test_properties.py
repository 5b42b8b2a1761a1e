"""Whatever a file holds: it is refused by name, or it becomes entries that are valid and safe in every format."""

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import feedparser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from feedbridge.articles.normalise import Rules, normalise, recognise
from feedbridge.errors import UnusableItem
from feedbridge.feeds.assemble import SourceFace, entry
from feedbridge.feeds.jsonfeed import json_feed
from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM, JSON_FEED, RSS
from feedbridge.feeds.syndication import atom, rss
from feedbridge.model import Entry, Feed, Person
from feedbridge.policies import parse_policy
from feedbridge.sources.archive import decode, read_article

SEED = (Path(__file__).parent.parent / "seeds" / "000_93babe1cfb858445.txt").read_bytes()
FIRST_SEEN = datetime(2026, 11, 23, tzinfo=UTC)
RULES = Rules(source="s", timezone="Asia/Shanghai", remove=(".ad",), remove_text=("请订阅",))
FORMATS = ((atom, ATOM), (rss, RSS), (json_feed, JSON_FEED))

HOSTILE = (
    "<script>alert(1)</script>",
    "<SCRIPT/src=//evil.example/1.js>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "</script><script>",
    "<svg onload=alert(1)><script>1</script></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<template><script>1</script></template>",
    "<style>@import '//evil.example'</style>",
    "<p onclick=alert(1) ONMOUSEOVER='x' on-x=1 style='background:url(javascript:1)'>段",
    '<img src="x" onerror="alert(1)">',
    '<img src=x"onerror=alert(1)//">',
    '<a href="javascript:alert(1)">甲</a>',
    '<a href="JaVaScRiPt:alert(1)">甲</a>',
    '<a href=" &#x01;javascript:alert(1)">甲</a>',
    '<a href="java&#x09;script:alert(1)">甲</a>',
    '<a href="java\nscript:alert(1)">甲</a>',
    '<a href="jav\x00ascript:alert(1)">甲</a>',
    '<a href="&#106;avascript&colon;alert(1)">甲</a>',
    '<a href="&amp;#106;avascript:alert(1)">甲</a>',
    '<a href="javascript&amp;colon;alert(1)">甲</a>',
    '<a href="vbscript:x">甲</a><a href="data:text/html,<script>1</script>">乙</a>',
    '<a href="//evil.example/x">甲</a><a href="/a/b">乙</a><a href="c?d#e">丙</a><a href="#f">丁</a><a href="">戊</a>',
    '<a href="http:evil">甲</a><a href="https:///x">乙</a><a href="http://[::1">丙</a><a href="http://a\\@b/">丁</a>',
    '<a href="image:0">甲</a><img src="image:0"><img src="image:999999999999">&lt;img src="image:0"&gt;',
    '<img src="//p.example/1.jpg"><img src="//p.example/1.jpg">',
    '<img src="/1.jpg"><p><img src="/1.jpg"></p><noscript><img src="/1.jpg"></noscript>',
    '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-src="/1.jpg"><noscript><img src="/1.jpg"></noscript>',
    '<figure><img src="/1.jpg"><figcaption>图</figcaption></figure><img src="/1.jpg">',
    '<p><a href="/x"><img src="/1.jpg"></a></p><div><img src="/1-300x200.jpg"></div>',
    '<img src="javascript:1"><img srcset="javascript:1 2x"><img data-src="data:text/html,x">',
    '<img src="/1.jpg" width=1 height=1><img src="/2.jpg" width=99999999999999999999 height=-1>',
    '<img src="https://p.example/&quot;onerror=&quot;x.jpg" alt="&quot; onerror=&quot;x" title=\'">\'>',
    '<img src="https://p.example/1.svg#<script>" alt="<script>alert(1)</script>">',
    '<picture><source srcset="//p.example/2.webp 2x"><img></picture><video src="/v.mp4" poster="//p.example/1.jpg">',
    '<audio controls onplay=x><source src="javascript:1"><source src="/a.mp3"></audio>',
    '<iframe src="javascript:1" srcdoc="<script>1</script>"></iframe><iframe src="//evil.example">甲</iframe>',
    '<object data="/x.swf"><embed src="//evil.example/x"></object><base href="//evil.example/">',
    '<meta http-equiv=refresh content="0;url=javascript:1"><link rel=stylesheet href="//evil.example/1.css">',
    '<form action="/x"><input formaction=javascript:1 autofocus onfocus=x><button>甲</button><select><option>乙</form>',
    '<blockquote cite="javascript:1">甲</blockquote><q cite="/x">乙</q><table background="javascript:1"><tr><td>丙',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "&amp;lt;script&amp;gt;",
    "<!-- 没有结尾",
    "<!-- --!> <script>",
    "<![CDATA[ ]]> <script>1</script> ]]>",
    "]]>",
    "<!DOCTYPE x [<!ENTITY y 'z'>]>&y;",
    "<?xml version='1.0'?><?php echo 1 ?>",
    "<p title='\"><script>'>\"'\"'</p>",
    "<a href='x' href=\"javascript:1\">",
    "<<<<>>>><p<p<p</p",
    "<plaintext>",
    "<textarea><title>",
    "&#0;&#8;&#x1f;&#x80;&#xD800;&#xDFFF;&#xFFFE;&#x110000;&#99999999999999999999;",
    "\x00\x01\x08\x0b\x0c\x1f\x7f\x85\ufffe\uffff",
    "\u202e\u2066\u200f\ufeff\u2028\u2029",
    "e\u0301\u0301\u0301👨\u200d👩\u200d👧",
    "9" * 400,
    "<ol start=99999999999><li value=-1><td colspan=99999999><col span=1e99>",
    "<div>" * 60,
    "<b><i>" * 40,
    "<table><tr><td>" * 20,
    "</div></p></table>" * 10,
    "null",
    "<hr><p>获取更多RSS：feedx.net</p>",
    "<div><i>Wed, 12 Jul 2023 09:38:33 GMT</i></div>",
    "\n---\n",
    "](javascript:alert(1))",
    '](https://news.example/"><script>)\n------\n',
    "<p class=ad>广告</p>请订阅",
    "<ruby>漢<rt>かん</ruby><details open><summary>甲</summary>乙</details><pre>\n\n  丙</pre>",
)

BAD_BYTES = (
    b"\xed\xa0\x80",
    b"\xff",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    b"\xe4\xb8",
    b"\x00",
    b"\x1b[2J",
    b"\xef\xbf\xbe",
)

pieces = st.one_of(
    st.sampled_from(HOSTILE).map(str.encode),
    st.sampled_from(HOSTILE).map(lambda html: html.upper().encode()),
    st.tuples(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE)).map("\"'>".join).map(str.encode),
    st.sampled_from(BAD_BYTES),
    st.text(max_size=8).map(str.encode),
    st.integers(0, 300).map(lambda code: f"&#{code};".encode()),
    st.integers().map(str).map(str.encode),
)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """The original with pieces put in, and sometimes with parts cut out."""
    body = original
    for piece in draw(st.lists(pieces, min_size=1, max_size=6)):
        place = draw(st.integers(0, len(body)))
        body = body[:place] + piece + body[place + draw(st.sampled_from((0, 0, 0, 1, 40))) :]
    return body


@st.composite
def generated(draw: st.DrawFn) -> bytes:
    """An article in one of the layouts, every part of which may be hostile."""
    part = st.sampled_from(HOSTILE) | st.text(max_size=20)
    title, link, tail = (
        draw(part),
        draw(st.just("https://news.example/a/1.html") | part),
        draw(st.lists(part, max_size=8)),
    )
    front = draw(st.booleans())
    keys = f"---\ntitle: {draw(part)}\nauthor: {draw(part)}\ntags: [{draw(part)}, {draw(part)}]\nfrom: {link}\n---\n"
    marker = draw(st.sampled_from(("", "<!--NaN-->\n", "<!--1594065126000-->\n", "<!--99999999999999-->\n")))
    line = draw(st.sampled_from(("", f"[{title}]({link})\n------\n\n")))
    return f"{keys if front else ''}{marker}{line}{''.join(tail)}".encode("utf-8", "surrogatepass")


def feed_of(shown: Entry) -> Feed:
    return Feed(
        id="urn:uuid:2f4b9f0e-3a52-5c1d-8a53-0d3f2d8a9b11",
        title="News",
        link="https://feeds.example/",
        self_link="https://feeds.example/feeds/news",
        updated=FIRST_SEEN,
        author=Person(name="某报"),
        entries=(shown,),
    )


def contents(documents: dict[str, bytes]) -> Iterator[str]:
    """The entry's HTML as readers of each format find it."""
    for media_type in (ATOM, RSS):
        found = feedparser.parse(io.BytesIO(documents[media_type]), sanitize_html=False, resolve_relative_uris=False)
        assert not found.bozo
        yield "".join(part["value"] for part in found.entries[0].get("content", []))
    yield json.loads(documents[JSON_FEED])["items"][0]["content_html"]


def check(body: bytes, policy: str = "keep") -> bool:
    """Take a file the whole way; whatever is published of it must be valid and safe. Says whether anything is."""
    try:
        item = read_article(decode(body), path="site/1.md")
        identity = recognise(item, RULES)
        article = normalise(item, identity, RULES, first_seen=FIRST_SEEN).article
    except UnusableItem:
        return False
    face = SourceFace(id="urn:uuid:0", title="某报", address_of=parse_policy(policy).address)
    feed = feed_of(entry(article, face, merged=False))
    documents = {}
    for write, media_type in FORMATS:
        made = write(feed)
        assert made.left_out == ()
        assert lint(made.body, media_type, not_after=FIRST_SEEN) == ()
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]", made.body.decode())
        documents[media_type] = made.body
    for content in contents(documents):
        check_content(content)
    return True


def check_content(content: str) -> None:
    """What no reader may be shown: anything live, relative, doubled, or that cannot be seen."""
    assert "<script" not in content.lower()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", content)
    root = LexborHTMLParser(content).body
    assert root is not None
    last = None
    for node in root.traverse(include_text=True):
        if node.tag == "-text":
            last = None if (node.text_content or "").strip(" \n\t\xa0\u3000\xad\u200b\u200c\u200d\ufeff") else last
        elif node.tag in ("hr", "video", "audio"):
            last = None
        elif node.tag == "img":
            assert node.attributes["src"] != last
            last = node.attributes["src"]
        for name, value in node.attributes.items():
            check_attribute(node.tag or "", name, value or "")


def check_attribute(tag: str, name: str, value: str) -> None:
    assert name in {
        *("href", "src", "alt", "title", "width", "height", "lang", "dir", "hreflang", "colspan", "rowspan", "span"),
        *("start", "type", "reversed", "value", "datetime", "open", "controls", "kind", "srclang", "label"),
    }
    if name in ("href", "src"):
        assert re.match(r"https?://[^/?#\s]" if name == "src" else r"https?://[^/?#\s]|mailto:|tel:", value) or (
            tag == "img" and re.match("data:image/(?:png|gif|jpeg|webp);base64,", value)
        )


@pytest.mark.parametrize("piece", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("title", ["题目", "", '"><script>alert(1)</script>'])
def test_each_hostile_piece(piece: str, title: str) -> None:
    """At the start, in the middle and at the end of an article, and as its title."""
    link = "https://news.example/a/1.html"
    for body in (f"{piece}<p>正文</p>", f"<p>正{piece}文</p><p>二</p>", f"<p>正文</p>{piece}"):
        made = check(f"<!--1594065126000-->\n[{title}]({link})\n------\n\n{body}".encode())
        assert made or not title or "\x00" in piece
    check(f"[{piece}]({link})\n------\n\n<p>正文</p>".encode())
    check(f"---\ntitle: {piece}\nauthor: {piece}\ntags: [{piece}]\nfrom: {piece}\n---\n<p>正文</p>".encode())


@given(st.binary(max_size=400))
def test_any_bytes(body: bytes) -> None:
    """Bytes of any kind do no harm."""
    check(body)


@given(st.lists(pieces, max_size=12).map(b"".join))
@settings(max_examples=200)
def test_hostile_bytes(body: bytes) -> None:
    """Nor do hostile pieces in any order."""
    check(body)


@given(mutated(SEED))
@settings(max_examples=200)
@example(SEED)
@example(SEED[:-2])
@example(SEED.decode().encode("gb18030"))
@example(SEED.decode().encode("utf-16"))
@example(SEED.replace(b"\n", b"\r\n"))
def test_mutated_seed(body: bytes) -> None:
    """Nor do pieces that stand anywhere in an article: in its link line, its addresses, its tags."""
    check(body)


@given(generated(), st.sampled_from(("keep", "origin", "drop", "https://wsrv.nl/?url=${href_ue}")))
@settings(max_examples=200)
def test_generated_articles(body: bytes, policy: str) -> None:
    """Nor do articles of which every part is hostile, under any picture policy."""
    check(body, policy)


@given(mutated(SEED))
def test_the_same_article_twice(body: bytes) -> None:
    """The same bytes make the same article, and reading them again is no change."""

    def made() -> object:
        try:
            item = read_article(decode(body), path="site/1.md")
            return normalise(item, recognise(item, RULES), RULES, first_seen=FIRST_SEEN)
        except UnusableItem as refusal:
            return str(refusal)

    assert made() == made()
