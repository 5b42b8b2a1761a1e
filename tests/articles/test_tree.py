"""The small tree: what is read into it, and how it is written and read out."""

import sys

import pytest

from feedbridge.articles.markup import tame
from feedbridge.articles.tree import Element, elements, read_tree, serialise, visible_text


def read(markup: str, *remove: str) -> str:
    """What is written again after reading."""
    return serialise(read_tree(tame(markup), remove).children)


def test_tree_is_written_as_it_was_read() -> None:
    """Elements, attributes, references and text come out again, escaped."""
    assert (
        read('<p title="a &quot;b&quot;">1 &lt; 2 &amp; 3<br>x</p>')
        == '<p title="a &quot;b&quot;">1 &lt; 2 &amp; 3<br>x</p>'
    )


@pytest.mark.parametrize(
    "markup",
    [
        "<p hidden>x</p>",
        '<p style="color: red; display : NONE">x</p>',
        '<span class="a off-screen">x</span>',
        '<div class="sharedaddy sd-sharing">x</div>',
        '<span class="screen-reader-text">x</span>',
    ],
)
def test_hidden_and_known_furniture_is_left_out(markup: str) -> None:
    """What a browser does not show, or what is known to share and advertise, is not read."""
    assert read(f"a{markup}b") == "ab"


def test_classes_are_compared_as_a_whole() -> None:
    """A class that only begins like one of those is not meant."""
    assert read('<p class="sharedaddy-not">x</p>') == '<p class="sharedaddy-not">x</p>'


def test_selectors_take_elements_out() -> None:
    """What a source's settings name goes, one inside another too."""
    assert read('<div class="ad"><p class="ad">x</p></div><p>y</p><p id="z">z</p>', ".ad", "p#z") == "<p>y</p>"


def test_references_bring_no_control_characters() -> None:
    """A numeric reference to a control character or a surrogate is cleaned like the character itself."""
    assert read("<p title='a&#8;b'>c&#x1;d&#xD83D;</p>") == '<p title="ab">cd\ufffd</p>'


def test_text_is_read_out_by_blocks() -> None:
    """A line for each block and after each break, spaces folded, no blank lines; code keeps its lines."""
    tree = read_tree(tame("<p>a <b>b</b>  c<br>d</p><ul><li>e</li><li> </li><li>f</li></ul>g<pre>h\ni</pre>"))
    assert visible_text(tree.children) == "a b c\nd\ne\nf\ng\nh\ni"


@pytest.mark.parametrize("space", [space for space in map(chr, range(sys.maxunicode + 1)) if space.isspace()])
def test_every_kind_of_whitespace_is_folded(space: str) -> None:
    """Whatever Unicode calls a space becomes one; only a line feed parts lines."""
    between = "\n" if space == "\n" else " "
    assert visible_text([f"{space}a{space}{space}b ", Element("i", [f" c{space}"])]) == f"a{between}b c"


def test_elements_come_in_the_order_of_the_text() -> None:
    """Outer before inner, first before last."""
    paragraph = Element("p", [Element("a", [Element("b")]), "x", Element("i")])
    assert [element.tag for element in elements((paragraph, "y", Element("u")))] == ["p", "a", "b", "i", "u"]
