from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.articles.extensions import (
    MAX_ATTRIBUTES,
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_PICTURES,
    MAX_TEXT,
    pass_through,
)
from feedbridge.model import Element, Image

ITUNES = "http://www.itunes.com/dtds/podcast-1.0.dtd"
MEDIA = "http://search.yahoo.com/mrss/"
PODCAST = "https://podcastindex.org/namespace/1.0"
BASE = "https://news.example/a/"


def element(name: str, text: str = "", /, *children: Element, namespace: str = PODCAST, **attributes: str) -> Element:
    return Element(namespace=namespace, name=name, text=text, children=children, attributes=tuple(attributes.items()))


def media(name: str, text: str = "", /, *children: Element, **attributes: str) -> Element:
    return element(name, text, *children, namespace=MEDIA, **attributes)


def passed(*elements: Element) -> tuple[Element, ...]:
    return pass_through(elements, base=BASE)[0]


class TestText:
    def test_it_is_clean(self) -> None:
        """What XML cannot hold goes; lines stay, for a description has some."""
        assert passed(element("season", " a\x00\x08\nb\ud800 ", name="x\ny\x1b")) == (
            element("season", "a\nb", name="x y"),
        )

    def test_a_long_text_is_the_article_again(self) -> None:
        """Its element goes, short ones stay."""
        assert passed(media("description", "<p>" + "x" * MAX_TEXT), media("title", "x")) == (media("title", "x"),)

    @pytest.mark.parametrize("text", ["javascript:alert(1)", " JavaScript:x ", "data:text/html,x"])
    def test_nothing_live(self, text: str) -> None:
        """An address that acts goes, wherever it stands."""
        assert passed(element("comments", text), element("x", "kept", role=text)) == (element("x", "kept"),)

    def test_words_are_no_addresses(self) -> None:
        """A title with a colon stays."""
        kept = element("title", "JavaScript: the good parts", namespace=ITUNES)

        assert passed(kept) == (kept,)


class TestNames:
    @pytest.mark.parametrize("name", ["", "a b", "a:b", "1a", "<a>", "中", "a" * 101])
    def test_of_elements(self, name: str) -> None:
        """What is no plain name cannot be written."""
        assert passed(element(name, "x")) == ()

    @pytest.mark.parametrize("namespace", ["", "x", "http://a b", "http://x/<", 'urn:"', "urn:\x00"])
    def test_of_vocabularies(self, namespace: str) -> None:
        """A vocabulary is known by an address."""
        assert passed(element("a", "x", namespace=namespace)) == ()

    @pytest.mark.parametrize("name", ["a b", "xmlns", "xml:lang", "XMLx", ""])
    def test_of_attributes(self, name: str) -> None:
        """An attribute that cannot be written goes alone."""
        assert passed(element("a", "x", **{name: "1", "b": "2"})) == (element("a", "x", b="2"),)


class TestAddresses:
    def test_they_are_whole(self) -> None:
        """Relative ones are relative to the item's base."""
        assert passed(element("transcript", url="1.vtt", type="text/vtt")) == (
            element("transcript", url=f"{BASE}1.vtt", type="text/vtt"),
        )

    @pytest.mark.parametrize("name", ["url", "href", "uri", "src"])
    @pytest.mark.parametrize("address", ["", "ipfs://x", "javascript:1", "https://", "image:1"])
    def test_without_one_the_element_goes(self, name: str, address: str) -> None:
        """It would say nothing; a group around it goes when it is empty."""
        bad = element("source", **{name: address})

        assert passed(bad, element("group", "", bad), element("group", "", bad, element("x", "1"))) == (
            element("group", "", element("x", "1")),
        )

    def test_a_set_of_sources_goes(self) -> None:
        """`srcset` has more addresses than one."""
        assert passed(element("images", srcset="https://x.example/1.jpg 1x")) == ()


class TestPictures:
    @pytest.mark.parametrize(
        ("written", "name"),
        [
            (element("image", namespace=ITUNES, href="1.jpg"), "href"),
            (element("image", href="1.jpg"), "href"),
            (element("person", "A", img="1.jpg"), "img"),
            (media("thumbnail", url="1.jpg"), "url"),
            (media("content", url="1.jpg"), "url"),
            (media("content", url="1.jpg", medium="image", type="video/mp4"), "url"),
            (media("content", url="1.jpg", type="image/jpeg"), "url"),
        ],
    )
    def test_they_are_numbered(self, written: Element, name: str) -> None:
        """The picture policy is applied to them as to those of the text."""
        found, images = pass_through([written], base=BASE, images=[Image(origin="https://n.example/0.jpg")])

        assert dict(found[0].attributes) == {**dict(written.attributes), name: "image:1"}
        assert images == (Image(origin="https://n.example/0.jpg"), Image(origin=f"{BASE}1.jpg"))

    @pytest.mark.parametrize(
        "attributes",
        [{"medium": "video"}, {"type": "video/mp4"}, {"type": "application/octet-stream"}, {"medium": "document"}],
    )
    def test_other_media(self, attributes: dict[str, str]) -> None:
        """What is said to be something else is no picture, whatever its address ends in."""
        found, images = pass_through([media("content", url="1.jpg", **attributes)], base=BASE)

        assert found == (media("content", url=f"{BASE}1.jpg", **attributes),)
        assert images == ()

    def test_one_picture_one_number(self) -> None:
        """An address that is known is used again, proxies taken off."""
        proxied = "https://images.weserv.nl/?url=https://news.example/a/1.jpg"
        found, images = pass_through(
            [media("thumbnail", url="1.jpg", width="5", height="6"), media("thumbnail", url=proxied)], base=BASE
        )

        assert [dict(one.attributes)["url"] for one in found] == ["image:0", "image:0"]
        assert images == (Image(origin=f"{BASE}1.jpg", width=5, height=6),)

    def test_a_picture_that_cannot_be_shown(self) -> None:
        """Its element goes; a person stays without it."""
        assert passed(media("thumbnail", url="spacer.gif"), element("person", "A", img="javascript:1")) == (
            element("person", "A"),
        )

    def test_nobody_else_numbers(self) -> None:
        """What would be taken for a picture's number goes, in text and in values."""
        assert passed(
            element("a", "image:0", b="IMAGE: 7", c=" image:1 ", d="image:one"), media("thumbnail", url="image:0")
        ) == (element("a", d="image:one"),)

    def test_not_without_end(self) -> None:
        """An article gets so many pictures from its elements, and no more."""
        many = [media("thumbnail", url=f"{number}.jpg") for number in range(MAX_PICTURES + 9)]
        found, images = pass_through(many, base=BASE)

        assert (len(found), len(images)) == (MAX_PICTURES, MAX_PICTURES)


class TestEnclosures:
    def test_a_repeat_goes(self) -> None:
        """`media:content` of an enclosure says nothing new, in a group or alone; one with a title does."""
        repeat = media("content", url="1.mp3", type="audio/mpeg")
        titled = media("content", "", media("title", "x"), url="1.mp3")
        found, _ = pass_through(
            [repeat, media("group", "", repeat), titled, media("content", url="2.mp3")],
            base=BASE,
            enclosures=[f"{BASE}1.mp3"],
        )

        assert found == (
            media("content", "", media("title", "x"), url=f"{BASE}1.mp3"),
            media("content", url=f"{BASE}2.mp3"),
        )

    def test_a_repeated_picture_gets_no_number(self) -> None:
        """It is dropped before it is looked at."""
        found = pass_through([media("content", url="1.jpg")], base=BASE, enclosures=[f"{BASE}1.jpg"])

        assert found == ((), ())


class TestBounds:
    def test_elements(self) -> None:
        """So many in all, those inside others among them."""
        pairs = [element("a", "x", element("b", "y")) for _ in range(MAX_ELEMENTS)]
        found = passed(*pairs)

        assert sum(1 + len(one.children) for one in found) == MAX_ELEMENTS

    def test_depth(self) -> None:
        """What is nested deeper goes, however deep it is."""
        nested = element("a", "x")
        for _ in range(5_000):
            nested = replace(element("a", "x"), children=(nested,))
        (found,) = passed(nested)
        depth = 1
        while found.children:
            (found,) = found.children
            depth += 1

        assert depth == MAX_DEPTH

    def test_attributes(self) -> None:
        """The first so many stay, short ones only."""
        found = passed(element("a", "x", long="x" * 5_000, **{f"a{number}": "1" for number in range(100)}))

        assert len(found[0].attributes) == MAX_ATTRIBUTES - 1

    def test_characters(self) -> None:
        """All together are no larger than a long article."""
        found = passed(*(element("a", "x" * MAX_TEXT) for _ in range(50)))

        assert sum(len(one.text) for one in found) == MAX_CHARACTERS

    def test_flags(self) -> None:
        """An element that was empty from the start stays: it says something by being there."""
        assert passed(element("explicit", namespace=ITUNES)) == (element("explicit", namespace=ITUNES),)


NAMES = st.sampled_from(["image", "content", "thumbnail", "group", "person", "a"]) | st.text(max_size=4)
VALUES = st.text(max_size=20) | st.sampled_from(["image:0", "https://n.example/1.jpg", "//[", "1.jpg", "data:x"])
ELEMENTS = st.recursive(
    st.builds(Element, namespace=st.sampled_from([MEDIA, ITUNES, PODCAST, ""]), name=NAMES, text=VALUES),
    lambda inner: st.builds(
        Element,
        namespace=st.sampled_from([MEDIA, ITUNES, PODCAST, "x"]),
        name=NAMES,
        text=VALUES,
        attributes=st.lists(st.tuples(st.sampled_from(["url", "href", "img", "medium", "width"]), VALUES)).map(tuple),
        children=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)


@given(st.lists(ELEMENTS, max_size=4))
def test_any_elements(written: list[Element]) -> None:
    """Whatever comes, every number that is left is that of a picture."""
    found, images = pass_through(written, base=BASE)

    waiting = list(found)
    while waiting:
        one = waiting.pop()
        waiting += one.children
        for name, value in one.attributes:
            if value.startswith("image:") and value[6:].isdigit():
                assert int(value[6:]) < len(images)
            elif name in ("url", "href"):
                assert value.startswith(("http://", "https://"))
