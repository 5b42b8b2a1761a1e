from lxml import etree

from feedbridge.model import Element
from feedbridge.sources.extensions import (
    ITUNES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_TEXT,
    MEDIA,
    PODCAST,
    read_extensions,
)

BASE = "https://news.example/feeds/"
NAMESPACES = f'xmlns:itunes="{ITUNES}" xmlns:podcast="{PODCAST}" xmlns:media="{MEDIA}" xmlns:dc="urn:dc"'


def elements_in(inside: str, namespaces: str = NAMESPACES) -> tuple[Element, ...]:
    return read_extensions(etree.fromstring(f"<item {namespaces}>{inside}</item>"), base=BASE)


def depth_of(elements: tuple[Element, ...]) -> int:
    return 1 + max((depth_of(element.children) for element in elements), default=-1)


def test_elements_pass_as_trees() -> None:
    """Elements of the three vocabularies come in their order, with their attributes, texts and children."""
    inside = """
        <title>T</title>
        <itunes:duration> 12:30 </itunes:duration>
        <dc:creator>A</dc:creator>
        <podcast:value type="lightning" method="keysend">
            <podcast:valueRecipient name="a" split="90"/>
            <dc:creator>B</dc:creator>
        </podcast:value>
        <media:rating scheme="urn:simple">adult</media:rating>
    """
    assert elements_in(inside) == (
        Element(namespace=ITUNES, name="duration", text="12:30"),
        Element(
            namespace=PODCAST,
            name="value",
            attributes=(("type", "lightning"), ("method", "keysend")),
            children=(Element(namespace=PODCAST, name="valueRecipient", attributes=(("name", "a"), ("split", "90"))),),
        ),
        Element(namespace=MEDIA, name="rating", attributes=(("scheme", "urn:simple"),), text="adult"),
    )


def test_namespaces_are_spelled_the_usual_way() -> None:
    """Older and careless spellings of a namespace are the canonical one."""
    spellings = (
        'xmlns:a="http://www.itunes.com/DTDs/Podcast-1.0.dtd" '
        'xmlns:b="https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md" '
        'xmlns:c="http://search.yahoo.com/mrss" xmlns:d="http://podcastindex.org/namespace/1.0/"'
    )
    assert elements_in("<a:x/><b:x/><c:x/><d:x/>", spellings) == tuple(
        Element(namespace=namespace, name="x") for namespace in (ITUNES, PODCAST, MEDIA, PODCAST)
    )


def test_addresses_are_made_whole() -> None:
    """A relative address would mean another file where the element comes to stand."""
    (element,) = elements_in('<media:content url=" a.jpg " href="//cdn.example/b" img="http://[" medium="image"/>')
    assert element.attributes == (
        ("url", "https://news.example/feeds/a.jpg"),
        ("href", "https://cdn.example/b"),
        ("img", "http://["),
        ("medium", "image"),
    )


def test_attributes_of_other_vocabularies_are_left_out() -> None:
    """Only attributes without a namespace pass."""
    (element,) = elements_in('<itunes:image xml:lang="en" dc:x="1" href="https://a.example/b"/>')
    assert element.attributes == (("href", "https://a.example/b"),)


def test_new_address_of_the_source_is_left_out() -> None:
    """The source's move to another address is none of ours."""
    assert elements_in("<itunes:new-feed-url>https://other.example/</itunes:new-feed-url>") == ()


def test_number_is_bounded() -> None:
    """Elements beyond the limit are left out, those inside others counted."""
    elements = elements_in("<media:group>" + "<media:content/>" * MAX_ELEMENTS + "</media:group><itunes:block/>")
    assert [len(element.children) for element in elements] == [MAX_ELEMENTS - 1]


def test_depth_is_bounded() -> None:
    """Elements nested deeper than the limit are left out."""
    assert depth_of(elements_in("<media:group>" * 50 + "</media:group>" * 50)) == MAX_DEPTH


def test_length_is_bounded() -> None:
    """A long text is cut; a long attribute, which may be an address, is left out."""
    long = "a" * (MAX_TEXT + 1)
    (element,) = elements_in(f'<itunes:summary a="{long}" b="c">{long}</itunes:summary>')
    assert element == Element(namespace=ITUNES, name="summary", attributes=(("b", "c"),), text="a" * MAX_TEXT)
