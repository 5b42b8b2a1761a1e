"""Bodies as they come, and the safe HTML that is made of them."""

import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.articles.figures import MAX_IMAGES
from feedbridge.articles.html import Body, BodyRules, clean_body
from feedbridge.articles.lead import Lead
from feedbridge.articles.text import clean, words
from feedbridge.errors import UnusableItem
from feedbridge.model import Image

SEED = Path(__file__).parents[2] / "seeds" / "000_93babe1cfb858445.txt"
BASE = "https://site.example/story/1"
RULES = BodyRules(base=BASE, lead_block=True, title="A title", remove=(".ad",), remove_text=("Read more",))

pieces = st.sampled_from(
    sorted(
        words(
            "<p> </p> <div> </div> <b> </b> <table> <td> </table> <li> <ul> </ul> <svg> </svg> <math> <script> <br>"
            " </script> <style> </style> <!-- --> <h1> </h1> <pre> </pre> <figure> </figure> <figcaption> <small> <hr>"
            " </small> <noscript> </noscript> <picture> </picture> <span/> <a= <p/ &lt; &gt; &amp; &#8; &#x202e; null"
            " word 文字 \x00 \x08 \x85 \ud800 \ufffe <iframe> </iframe> <object> <video> </video> <button> </button>"
            " <details> <summary> <blockquote> <ruby> <rt> <template> <form> <select> <option> <title> <textarea>"
            " image:0 <image"
        )
        | {
            '<img src="image:7">',
            '<img src="/a.jpg" onerror=x()>',
            '<img src="//h.example/b.png" style="x">',
            '<img src="data:image/png;base64,AAAA" data-src="https://h.example/c.jpg">',
            '<a href="javascript:alert(1)">',
            '<a href="java&#10;script:alert(1)" onclick="x">',
            '<a href="/x?a=1&amp;b=2" style="x" title="<img src=&quot;image:0&quot;>">',
            '<a href="//h.example">',
            '<a href="image:0">',
            "</a>",
            '<iframe src="//h.example/f" srcdoc="<script>">',
            '<video src="image:0" poster="/p.jpg">',
            '<source src="//h.example/s.mp4">',
            '<p style="x" onload=y class="ad">',
            "<svg onload=x><style><img src=x onerror=y></style>",
            "<math><mi><mglyph><style><img src=x onerror=y>",
            '<noscript><p title="</noscript><img src=x onerror=y>">',
            "&lt;script&gt;",
            " ",
            "\n",
        }
    )
)
documents = st.lists(pieces, max_size=30).map("".join)


def made(html: str) -> str:
    return clean_body(html, BodyRules(base=BASE)).content


def seed_body() -> Body:
    text = SEED.read_text(encoding="utf-8").partition("------\n")[2]
    return clean_body(text, BodyRules(base="https://www.voachinese.com/a/7177283.html", lead_block=True))


def test_seed_comes_out_as_promised() -> None:
    """Lead taken, one figure with its caption, eight paragraphs of unbroken text without looks."""
    body = seed_body()
    assert body.lead == Lead(date_text="Wed, 12 Jul 2023 09:38:33 GMT", author=None)
    picture = body.lead_image
    assert picture is not None
    assert body.images == (picture,)
    assert picture.origin == "https://gdb.voanews.com/cdc4cedc-e24f-422d-83be-fc77c0e2fe42_r1_s_w900.jpg"
    assert picture.caption is not None
    assert picture.caption.startswith("出席北约峰会的日本")
    assert body.content.startswith(
        f'<figure><img src="image:0"><figcaption>{picture.caption}</figcaption></figure><p>北'
    )
    assert body.content.count("<p>") == body.content.count("</p>") == 8
    assert "北大西洋公约组织（NATO）峰会本周" in body.text
    assert body.content.endswith("<p><em>（此文参考了路透社的报道。）</em></p>")
    assert set(re.findall(r"<(\w+)", body.content)) == {"figure", "img", "figcaption", "p", "em"}
    assert "style" not in body.content
    assert "GMT" not in body.content
    assert body.links == ()


def test_body_tells_what_it_holds() -> None:
    """Pictures by number, text by lines, links in order; a picture in `data:` leads no article."""
    body = clean_body(
        "<h1>A title</h1><p>a <a href='/b'>b</a></p><img src='/c.jpg' alt='C' width='100%' height=30>"
        "<p class=ad>x</p><p>Read more</p><iframe src='https://youtu.be/d'></iframe>",
        RULES,
    )
    picture = Image(origin="https://site.example/c.jpg", alt="C", height=30)
    assert body == Body(
        content=(
            '<p>a <a href="https://site.example/b">b</a></p><p><img src="image:0"></p>'
            '<p><a href="https://youtu.be/d">YouTube</a></p>'
        ),
        images=(picture,),
        lead=None,
        lead_image=picture,
        text="a b\nYouTube",
        prose="a b\nYouTube",
        links=("https://site.example/b", "https://youtu.be/d"),
    )


def test_advert_goes_however_deep_it_stands() -> None:
    """Wrappers that were never closed take the mirror's advert in; it goes all the same."""
    advert = "<br><hr><div>获取更多RSS：<br><a href='https://feedx.net'>https://feedx.net</a></div>"
    assert made(f"<div><div><p>x</p></div>{advert}") == made("<div><div><section><div><p>x</p>" + advert) == "<p>x</p>"


def test_lead_picture_of_an_archive_article_is_a_figure() -> None:
    """With or without a caption; in other articles a bare picture stays in its paragraph."""
    html = "<div>2020-07-20T10:20:18</div><img src='/a.jpg'><p>x</p>"
    archived = clean_body(html, BodyRules(base=BASE, lead_block=True))
    assert archived.content == '<figure><img src="image:0"></figure><p>x</p>'
    fed = clean_body(html, BodyRules(base=BASE))
    assert fed.content == '<p>2020-07-20T10:20:18</p><p><img src="image:0"></p><p>x</p>'
    assert fed.lead is None


def test_same_figure_twice_on_end_is_one() -> None:
    """The lead picture that the body shows again, each time with its caption."""
    figure = "<figure><img src='/a.jpg'><figcaption>cap</figcaption></figure>"
    assert made(f"<img src='/a.jpg'><div><small>cap</small></div>{figure}<p>x</p>").count("<figure>") == 1


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<svg><script>alert(1)</script></svg>",
        "<style>p{}</style>",
        "<p hidden>x</p>",
        "<!-- x -->",
        '<img src="image:0">',
        '<img src="javascript:alert(1)" onerror="alert(1)">',
        "<form><input name=x><button>x</button></form>",
        "\x00\x08",
    ],
)
def test_nothing_is_made_of_what_is_not_text(html: str) -> None:
    """Scripts, looks, hidden parts, comments, controls and addresses that we alone may write."""
    assert clean_body(html, RULES) == Body(
        content="", images=(), lead=None, lead_image=None, text="", prose="", links=()
    )


def check_is_safe(body: Body) -> None:
    """Nothing live, nothing relative, nothing that XML cannot hold, and exactly our own placeholders."""
    numbers = [int(number) for number in re.findall(r'<img src="image:(\d+)">', body.content)]
    assert numbers == list(range(len(body.images)))
    assert clean(body.content) == body.content
    assert clean(body.text) == body.text
    tags = re.findall(r"<[^>]*>", body.content)
    for tag in tags:
        name = re.match(r"</?([a-z0-9]+)", tag)
        assert name is not None
        assert name[1] not in ("script", "style", "svg", "math", "iframe", "object", "form", "div", "span")
        assert not re.search(r"\s(?:on\w+|style|class|id|srcset|poster|target)\s*=", re.sub(r'"[^"]*"', '""', tag))
        for address in re.findall(r'\s(?:href|src|cite)="([^"]*)"', tag):
            assert re.match(r"https?://|mailto:|tel:|image:\d+$", address)
            assert not address.startswith("image:") or name[1] == "img"
    for image in body.images:
        assert re.match(r"https?://|data:image/", image.origin)
    assert all(re.match(r"https?://|mailto:|tel:", link) for link in body.links)


@given(documents)
@example("<svg></p><style><a title='</style><img src=x onerror=y>'>")
@example('<a title="<img src=&quot;image:0&quot;>" href="https://h.example/">x</a>')
def test_whatever_comes_is_made_safe(html: str) -> None:
    """Only UnusableItem is ever raised, and what comes out keeps every promise."""
    try:
        body = clean_body(html, RULES)
    except UnusableItem:
        return
    check_is_safe(body)


@given(st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text())
def test_any_text_is_made_safe(html: str) -> None:
    """Text that never was HTML does no harm either."""
    check_is_safe(clean_body(html, RULES))


@given(documents)
def test_cleaning_again_keeps_the_text(html: str) -> None:
    """What was made is read again as the same words in the same order."""
    try:
        once = clean_body(html, BodyRules(base=BASE))
    except UnusableItem:
        return
    addressed = re.sub(r'(<img src=")image:(\d+)', r"\1https://pictures.example/\2.jpg", once.content)
    again = clean_body(addressed, BodyRules(base=BASE))
    assert again.text.split() == once.text.split()
    check_is_safe(again)


@given(
    st.lists(
        st.sampled_from(
            [
                "<p>",
                "</p>",
                "<div>",
                "</div>",
                "<b>",
                "</b>",
                "<li>",
                "<ul>",
                "</ul>",
                "<h1>",
                "<span>",
                "</span>",
                "<td>",
                "<br>",
                "<figure>",
                "<a href=/x>",
                "</a>",
                "*",
            ]
        ),
        max_size=60,
    )
)
def test_visible_text_is_all_there_in_order(markup: list[str]) -> None:
    """Every word comes out once, in its place."""
    numbered = [f" w{place} " if piece == "*" else piece for place, piece in enumerate(markup)]
    expected = [piece.strip() for piece in numbered if piece.startswith(" ")]
    assert re.findall(r"w\d+", made("".join(numbered))) == expected


HOSTILE = {
    "deep div": "<div>" * 800_000,
    "deep b": "<b>" * 1_000_000,
    "deep a": "<a href=x>" * 400_000,
    "deep table": "<table><td>" * 300_000,
    "deep svg": "<svg>" * 800_000,
    "deep noscript": "<noscript>" * 400_000,
    "nested figures": "<figure>" * 190 + "<img src=/a.jpg><figcaption>x</figcaption>" * 15_000,
    "nested inline": "<b>" * 190 + "<br>" * 55_000,
    "open formatting": "".join(f"<b id={number}>" for number in range(150)) + "<p>" * 55_000,
    "misnested": "<b><p></b></p>" * 14_000,
    "attributes": "<p " + " ".join(f"a{number}=1" for number in range(400_000)) + ">",
    "open comment": "<!--" * 1_000_000,
    "open tag": "<a " * 1_300_000,
    "open quote": "<a x='" * 700_000,
    "odd quotes": '<a "' * 1_000_000,
    "less than": "<" * 4_194_304,
    "ampersand": "&" * 4_194_304,
    "control references": "&#8;" * 1_000_000,
    "text": "文" * 4_194_304,
    "C1": "\x85" * 4_194_304,
    "NUL": "\x00" * 4_194_304,
    "CDATA": "<![CDATA[" * 460_000,
    "doctypes": "<!DOCTYPE html>" * 270_000,
    "breaks": "<br>" * 55_000,
    "pictures": "".join(f"<img src=/{number}.jpg>" for number in range(55_000)),
    "end tags": "</p>" * 1_000_000,
    "list": "<ul>" + "<li>x" * 29_000,
    "foster": "<table>" + "<p>x</p>" * 25_000,
    "frameset": "<frameset><frame>" * 240_000,
    "plaintext": "<plaintext>" + "<p>" * 1_000_000,
    "scripts": "<script>" * 500_000,
    "end without end": "<style>" + "</style " * 500_000,
    "gallery": "<figure>" + "".join(f"<p><img src=/{number}.jpg></p>" for number in range(14_000)) + "</figure>",
    "noscripts": "<br>" * 20_000 + "<noscript></noscript>" * 19_000,
    "long attribute": "<p title='" + "x" * 4_194_304 + "'>y",
    "srcset": '<img srcset="' + "a.jpg 1x," * 400_000 + '">',
    "spaces": "<p>" + " \n" * 2_000_000 + "x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_document_is_soon_done_with(name: str) -> None:
    """Read or refused, four megabytes take about a second; the bound leaves room for a slow machine."""
    started = time.process_time()
    with suppress(UnusableItem):
        assert len(clean_body(HOSTILE[name], RULES).images) <= MAX_IMAGES
    assert time.process_time() - started < 30


def test_prose_is_the_text_without_captions() -> None:
    """What a summary is made of; where there are only captions, they are it."""
    figure = "<figure><img src='https://a.example/x.jpg'><figcaption>c</figcaption></figure>"
    both = clean_body(figure + "<p>t</p>", RULES)
    assert (both.text, both.prose) == ("c\nt", "t")
    assert clean_body(figure, RULES).prose == "c"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>a<img src='/x.jpg'></p><p>b<img src='/x.jpg'>c</p>", '<p>a<img src="image:0"></p><p>bc</p>'),
        (
            "<p>a</p><img src='/x.jpg'><p>b</p><a href='/l'><img src='/x.jpg'></a>",
            '<p>a</p><p><img src="image:0"></p><p>b</p>',
        ),
        (
            "<img src='/x.jpg'><p>b</p><figure><img src='/x.jpg'><figcaption>c</figcaption></figure>",
            '<p>b</p><figure><img src="image:0"><figcaption>c</figcaption></figure>',
        ),
        (
            "<figure><img src='/x.jpg'><figcaption>c</figcaption></figure><p>b</p>"
            "<figure><img src='/x.jpg'><figcaption>d</figcaption></figure>",
            '<figure><img src="image:0"><figcaption>c</figcaption></figure><p>b</p>'
            '<figure><img src="image:1"><figcaption>d</figcaption></figure>',
        ),
    ],
    ids=["in the text", "linked", "the captioned one stays", "other words stay"],
)
def test_each_picture_is_shown_once(html: str, expected: str) -> None:
    """However far apart an article repeats it."""
    assert clean_body(html, RULES).content == expected
