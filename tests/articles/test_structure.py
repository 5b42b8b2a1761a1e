"""A foreign tree in the safe vocabulary."""

import pytest

from feedbridge.articles.figures import find_pictures
from feedbridge.articles.markup import tame
from feedbridge.articles.structure import shape
from feedbridge.articles.tree import Element, elements, read_tree, serialise

PICTURE = '<img src="https://pictures.example/a.jpg">'
OTHER = '<img src="https://pictures.example/b.jpg">'


def shaped(markup: str, base: str | None = "https://site.example/story/1") -> str:
    root = read_tree(tame(markup))
    find_pictures(root, base=base, hosts=frozenset())
    return serialise(shape(root, base=base))


def captions(markup: str) -> list[str | None]:
    root = read_tree(tame(markup))
    find_pictures(root, base=None, hosts=frozenset())
    return [element.image.caption for element in elements(shape(root, base=None)) if element.image]


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        ("<div>a</div><div>b</div>", "<p>a</p><p>b</p>"),
        ("<div>a<div>b</div>c</div>", "<p>a</p><p>b</p><p>c</p>"),
        ("a <b>b</b> c<p>d</p>e", "<p>a <b>b</b> c</p><p>d</p><p>e</p>"),
        ("<section><article><p>a</p></article></section>", "<p>a</p>"),
        ("<span>a</span><span>b</span>", "<p>ab</p>"),
        ("<p><font color=red>a</font><x-y>b</x-y> <span>c</span></p>", "<p>ab c</p>"),
        ("<b><p>a</p><p>b</p></b>", "<b><p>a</p><p>b</p></b>"),
        ("<b><div>a</div></b>c", "<p><b>a</b></p><p>c</p>"),
        ("<form>a</form>b<center>c</center>", "<p>a</p><p>b</p><p>c</p>"),
    ],
)
def test_wrappers_go_and_paragraphs_stay_apart(markup: str, blocks: str) -> None:
    """What stood on lines of its own becomes a paragraph; what stood in one line is joined without a space."""
    assert shaped(markup) == blocks


@pytest.mark.parametrize(
    "markup",
    [
        "",
        "<p></p><p> </p><p>&nbsp;&nbsp;</p><p>\u3000</p><div><span></span></div>",
        "<ul><li></li></ul><table><tr><td></td></tr></table><blockquote><p></p></blockquote>",
        "<br><br><hr><h2> </h2><hr>",
        "<p><a href='/x'></a><b> </b><br></p><figure><figcaption></figcaption></figure>",
        "<div><small></small></div><button>Share</button><select><option>x</select>",
    ],
)
def test_what_shows_nothing_goes(markup: str) -> None:
    """Empty blocks, blanks, breaks and rules at the edges, empty links and controls leave nothing behind."""
    assert shaped(markup) == ""


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        ("<p>a</p><p></p><br><p>b</p>", "<p>a</p><p>b</p>"),
        ("a<p></p>b", "<p>a</p><p>b</p>"),
        ("<p><br>a<br><br><br><br>b<br></p>", "<p>a<br><br>b</p>"),
        ("<hr><p>a</p><hr><hr><p>b</p><hr>", "<p>a</p><hr><p>b</p>"),
        ("<p> a \n\t b&nbsp;</p>", "<p>a b</p>"),
        ("<p>a<b> </b>b</p>", "<p>a b</p>"),
        ("<ul><li>a</li><li> </li></ul>", "<ul><li>a</li></ul>"),
    ],
)
def test_blanks_between_blocks_go(markup: str, blocks: str) -> None:
    """Whitespace is folded; no more than two breaks follow each other; a rule stands between two texts."""
    assert shaped(markup) == blocks


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        ("<h1>a</h1><h6>b</h6>", "<h2>a</h2><h6>b</h6>"),
        ("<h2><div>a</div><div>b</div></h2>", "<h2>a<br>b</h2>"),
        ("<ul>a<li>b</li></ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<li>a</li><li>b</li>", "<p>a</p><p>b</p>"),
        (
            "<ul><li><p>a</p></li><li><div>b</div><ul><li>c</ul></li></ul>",
            "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>",
        ),
        ("<ol start=3 type=a class=x><li value=4>a</li></ol>", '<ol start="3" type="a"><li value="4">a</li></ol>'),
        ("<dl><dt>a<dd>b<p>c</dl>", "<dl><dt>a</dt><dd><p>b</p><p>c</p></dd></dl>"),
        ("<blockquote>a<br>b</blockquote>", "<blockquote>a<br>b</blockquote>"),
        ("<blockquote>a<p>b</p></blockquote>", "<blockquote><p>a</p><p>b</p></blockquote>"),
        (
            "<table border=1><tr><th colspan=2>a</th></tr><tr><td><div>b</div><td></table>",
            '<table><tbody><tr><th colspan="2">a</th></tr><tr><td>b</td><td></td></tr></tbody></table>',
        ),
        ("<pre><div>a  b</div><div>  c</div></pre>", "<pre>a  b\n  c</pre>"),
        ("<pre>a\n <b>b</b>\n</pre>", "<pre>a\n <b>b</b>\n</pre>"),
        ("<ruby>北<rt>ほく<rt>x</ruby>", "<p><ruby>北<rt>ほく</rt><rt>x</rt></ruby></p>"),
        ("<details><summary>a</summary>b</details>", "<details><summary>a</summary><p>b</p></details>"),
        ("<p>H<sub>2</sub>O <strike>x</strike> <tt>y</tt></p>", "<p>H<sub>2</sub>O <s>x</s> <code>y</code></p>"),
    ],
)
def test_vocabulary(markup: str, blocks: str) -> None:
    """Headings, lists, tables, quotations, code and ruby keep their meaning and lose their looks."""
    assert shaped(markup) == blocks


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        (
            "<a href='/a?b=1&amp;c=2' target=_blank rel=nofollow>x</a>",
            '<p><a href="https://site.example/a?b=1&amp;c=2">x</a></p>',
        ),
        ("<a href='mailto:a@b.example'>x</a>", '<p><a href="mailto:a@b.example">x</a></p>'),
        ("<a href='#note'>x</a>", '<p><a href="https://site.example/story/1#note">x</a></p>'),
        ("<a href='javascript:alert(1)'>x</a><a name=y>y</a><a href=''>z</a>", "<p>xyz</p>"),
        ("<a href='image:0'>x</a>", "<p>x</p>"),
        ("<a href='/a'><div>x</div></a>", '<p><a href="https://site.example/a">x</a></p>'),
        (
            "<a href='/a'><h3>x</h3><p>y</p></a>",
            '<a href="https://site.example/a"><h3>x</h3><p>y</p></a>',
        ),
    ],
)
def test_links_are_absolute_or_gone(markup: str, blocks: str) -> None:
    """An address that cannot be used leaves the words."""
    assert shaped(markup) == blocks


def test_fragment_without_a_base_is_no_link() -> None:
    """There is nothing to resolve it against."""
    assert shaped("<a href='#note'>x</a>", base=None) == "<p>x</p>"


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        (
            f"{PICTURE}<div><small style='color:#999'>cap</small></div><p>x</p>",
            "<figure><img><figcaption>cap</figcaption></figure><p>x</p>",
        ),
        (f"<p>{PICTURE}</p> <div><small>cap</small></div>", "<figure><img><figcaption>cap</figcaption></figure>"),
        (f"{PICTURE}<div><small></small></div><p>x</p>", "<p><img></p><p>x</p>"),
        (f"<p>x</p>{PICTURE}<p><small>cap</small></p>", "<p>x</p><p><img></p><p><small>cap</small></p>"),
        (
            f"<figure><div>{PICTURE}</div><figcaption>a <b>b</b></figcaption></figure>",
            "<figure><img><figcaption>a <b>b</b></figcaption></figure>",
        ),
        (f"<figure>{PICTURE}</figure>", "<figure><img></figure>"),
        (
            f"<div class='wp-caption'>{PICTURE}<p class='wp-caption-text'>cap</p></div>",
            "<figure><img><figcaption>cap</figcaption></figure>",
        ),
        (
            f"<div><span>{PICTURE}<span class='off-screen'>Copyright</span><span>Agency</span></span>"
            "<figcaption><span class='off-screen'>Caption</span><span>cap</span></figcaption></div>",
            "<figure><img><figcaption>Agency<br>cap</figcaption></figure>",
        ),
        (
            f"<a href='/big.jpg'>{PICTURE}</a><div><small>cap</small></div>",
            '<figure><a href="https://site.example/big.jpg"><img></a><figcaption>cap</figcaption></figure>',
        ),
        (
            f"<figure><figure>{PICTURE}<figcaption>a</figcaption></figure><figure>{OTHER}</figure><figcaption>b</figcaption></figure>",
            "<figure><img><figcaption>a</figcaption></figure><figure><img></figure><p>b</p>",
        ),
        (
            "<figure><table><tr><td>x</table><figcaption>cap</figcaption></figure>",
            "<figure><table><tbody><tr><td>x</td></tr></tbody></table><figcaption>cap</figcaption></figure>",
        ),
        ("<figure><p>x</p><figcaption>cap</figcaption></figure>", "<p>x</p><p>cap</p>"),
        ("<div><figcaption>cap</figcaption></div>", "<p>cap</p>"),
        (f"<button>{PICTURE}</button>", "<p><img></p>"),
    ],
)
def test_pictures_and_captions_become_figures(markup: str, blocks: str) -> None:
    """A caption is what a figure calls so, what a class calls so, or small words in a block after a picture."""
    assert shaped(markup) == blocks


def test_article_is_no_caption() -> None:
    """A wrapper that holds a caption and the whole article does not become a figure."""
    long = "<p>" + "long " * 100 + "</p>"
    made = shaped(f"<div>{PICTURE}<figcaption>cap</figcaption>{long}{OTHER}<div><small>two</small></div></div>")
    assert made.count("<figure><img><figcaption>") == 2
    assert made.count("<p>long long") == 1


def test_caption_is_kept_with_its_picture() -> None:
    """As plain text, in one line."""
    assert captions(f"<figure>{PICTURE}<figcaption>a <b>b</b><br>c</figcaption></figure>{OTHER}") == ["a b c", None]


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        (
            "a<iframe src='https://www.youtube.com/embed/x'></iframe>b",
            '<p>a</p><p><a href="https://www.youtube.com/watch?v=x">YouTube</a></p><p>b</p>',
        ),
        (
            "<object data='/film'><p>x</p></object>",
            '<p><a href="https://site.example/film">site.example</a></p><p>x</p>',
        ),
        ("<iframe src='about:blank'></iframe>", ""),
        (
            "<video autoplay width=9><source src='/a.mp4' type='video/mp4'><p>no video</p></video>",
            '<p><video controls=""><source src="https://site.example/a.mp4" type="video/mp4"></video></p>',
        ),
        (
            "<audio src='/a.mp3'></audio><audio>x</audio>",
            '<p><audio controls="" src="https://site.example/a.mp3"></audio></p>',
        ),
    ],
)
def test_players_and_embeds(markup: str, blocks: str) -> None:
    """Players keep absolute sources and their controls; frames become links; without an address both go."""
    assert shaped(markup) == blocks


def test_attributes_must_look_like_what_they_are() -> None:
    """Numbers are numbers; looks, names and handlers go."""
    made = shaped(
        "<p lang=zh dir=up id=x class=y style='a' onclick='b' data-z=c>x</p><ol start='x'><li value=-1>y</ol>"
    )
    assert made == '<p lang="zh">x</p><ol><li>y</li></ol>'


def test_order_of_the_text_stays() -> None:
    """Whatever is taken apart, the words come in the order they had."""
    markup = "1<div>2<b>3<div>4</div>5</b></div><ul>6<li>7<p>8</ul><figure>9<figcaption>10</figcaption></figure>11"
    made = [element for element in read_tree(tame(shaped(markup))).children if isinstance(element, Element)]
    words = serialise(made).replace("<", " <").replace(">", "> ").split()
    assert [word for word in words if word.isdigit()] == [str(number) for number in range(1, 12)]
