"""Pictures of a tree: lazy ones, twins and doubles."""

import pytest

from feedbridge.articles.figures import MAX_IMAGES, find_pictures, lone_picture
from feedbridge.articles.markup import tame
from feedbridge.articles.tree import Element, elements, read_tree

BLANK = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
A = "https://pictures.example/a.jpg"
B = "https://pictures.example/b.jpg"


def found(markup: str) -> list[str]:
    """The addresses of the pictures that were found, in order."""
    root = read_tree(tame(markup))
    find_pictures(root, base="https://site.example/story", hosts=frozenset())
    return [element.image.origin for element in elements(root.children) if element.image]


@pytest.mark.parametrize(
    ("markup", "addresses"),
    [
        (f'<img src="{BLANK}" data-src="{A}"><noscript><img src="{A}"></noscript>', [A]),
        (f'<noscript><img src="{A}"></noscript><img src="{BLANK}" data-src="{A}">', [A]),
        (f'<img src="{BLANK}"><noscript><img src="{A}"></noscript>', [A]),
        (f'<noscript><img src="{A}"></noscript><img src="{BLANK}">', [A]),
        (
            f'<a href="x"><img src="{BLANK}" data-src="{A}"></a> <noscript><a href="x"><img src="{A}"></a></noscript>',
            [A],
        ),
        (f'<img src="{BLANK}" data-src="{A}"><noscript><img src="{A[:-4]}-large.jpg"></noscript>', [A]),
        (f'<img src="{A}"><noscript><img src="{B}"></noscript>', [A, B]),
        (f'<noscript><img src="{A}"><img src="{B}"></noscript>', [A, B]),
    ],
)
def test_lazy_picture_and_its_twin_show_once(markup: str, addresses: list[str]) -> None:
    """A `noscript` stands in for the placeholder beside it, and goes where that has an address of its own."""
    assert found(markup) == addresses


@pytest.mark.parametrize(
    ("markup", "addresses"),
    [
        (f'<picture><source srcset="{B}"><img src="{A}"></picture>', [A]),
        (f'<picture><source srcset="{A} 1x, {B} 2x"><img src="{BLANK}"></picture>', [B]),
        (f'<picture><source data-srcset="{A}"></picture>', [A]),
        (f'<video poster="{A}" src="film.mp4"></video>', [A]),
        ('<img src="/c.jpg"><img src="//pictures.example/b.jpg">', ["https://site.example/c.jpg", B]),
        ('<img src="image:0"><img src="javascript:x"><img><img src="">', []),
    ],
)
def test_each_picture_has_one_address(markup: str, addresses: list[str]) -> None:
    """Sources, posters and relative addresses come down to one absolute address; what has none goes."""
    assert found(markup) == addresses


def test_doubles_on_end_show_once() -> None:
    """The same picture right after itself is left out; with text or another picture between it stays."""
    assert found(f'<p><img src="{A}"></p> <div><a href="x"><img src="{A}"></a></div>') == [A]
    assert found(f'<img src="{A}">text<img src="{A}">') == [A, A]
    assert found(f'<img src="{A}"><img src="{B}"><img src="{A}">') == [A, B, A]


def test_double_in_a_figure_is_the_one_that_stays() -> None:
    """The figure has the caption."""
    root = read_tree(tame(f'<p><img src="{A}"></p><figure><img src="{A}"><figcaption>x</figcaption></figure>'))
    find_pictures(root, base=None, hosts=frozenset())
    shown = [element.tag for element in elements(root.children)]
    assert shown == ["p", "figure", "img", "figcaption"]


def test_article_has_a_limit_of_pictures() -> None:
    """Later ones are left out, their text is not."""
    markup = "".join(f'<img src="https://pictures.example/{number}.jpg">' for number in range(MAX_IMAGES + 5))
    assert len(found(markup)) == MAX_IMAGES


def test_lone_picture_is_found_inside_its_wrappers() -> None:
    """Wrappers, links, blanks and breaks around it do not count; text and other elements do."""
    root = read_tree(tame(f'<div> <a href="x"><img src="{A}"></a><br></div><p>x<img src="{B}"></p><ul></ul>'))
    find_pictures(root, base=None, hosts=frozenset())
    pictures = [lone_picture(child) for child in root.children]
    assert [isinstance(picture, Element) for picture in pictures] == [True, False, False]
