"""An article's body becomes safe HTML, with its pictures as numbered placeholders.

The steps: clean the characters, tame the markup (`markup`), read the tree (`tree`), take off what is not the
article's (`edges`), find the pictures (`figures`), shape what is left (`structure`), and let nh3 look at what
was written: it has the last word on what is safe.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import nh3

from feedbridge.articles.edges import drop_advert, drop_null, drop_phrases, drop_title, take_lead
from feedbridge.articles.figures import find_pictures, lone_picture
from feedbridge.articles.images import Likeness, likeness
from feedbridge.articles.lead import Lead
from feedbridge.articles.markup import tame
from feedbridge.articles.structure import shape
from feedbridge.articles.text import clean, words
from feedbridge.articles.tree import BLOCKS, Element, Node, elements, is_blank, read_tree, serialise, visible_text
from feedbridge.errors import UnusableItem
from feedbridge.model import Image

MAX_REFERENCES = 200_000
"""Character references in what is written: nh3 is quadratic on them (four million take two minutes)."""

_TAGS = BLOCKS | words(
    "a em strong b i u s del ins mark small sub sup abbr dfn time q cite code kbd samp var ruby rb rt rp rtc"
    " bdi bdo br wbr img audio video source track"
)
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"lang", "dir"},
    "a": {"href", "title", "hreflang"},
    "abbr": {"title"},
    "dfn": {"title"},
    "img": {"src"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start", "type", "reversed"},
    "li": {"value"},
    "time": {"datetime"},
    "del": {"datetime"},
    "ins": {"datetime"},
    "details": {"open"},
    "audio": {"src", "controls"},
    "video": {"src", "controls"},
    "source": {"src", "type"},
    "track": {"src", "kind", "srclang", "label"},
}
_Picture = tuple[Element, Image]
_PLACEHOLDER = re.compile(r'<img src="image:([0-9]+)">')
_PLACEHOLDER_ADDRESS = re.compile(r"image:[0-9]+")
_WEB_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_LINK_ADDRESS = re.compile(r"https?://|mailto:|tel:", re.IGNORECASE)


def _allow(tag: str, name: str, value: str) -> str | None:
    """nh3 asks this for every attribute that its list allows; None drops it."""
    if name == "src":
        form = _PLACEHOLDER_ADDRESS if tag == "img" else _WEB_ADDRESS
        fits = form.fullmatch(value) if tag == "img" else form.match(value)
        return value if fits else None
    if name == "href":
        return value if _LINK_ADDRESS.match(value) else None
    return value


_GATE = nh3.Cleaner(
    tags=set(_TAGS),
    attributes=_ATTRIBUTES,
    attribute_filter=_allow,
    clean_content_tags={"script", "style"},
    link_rel=None,
    url_schemes={"http", "https", "mailto", "tel", "image"},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyRules:
    """What a source tells about its articles' bodies.

    Attributes:
        base: The article's address; relative addresses are resolved against it.
        lead_block: The body may open with a block that holds author and date; its first picture leads it.
        title: A heading at the top that repeats it is dropped.
        remove: CSS selectors of elements to leave out; the settings have accepted them.
        remove_text: Plain phrases to leave out: as a whole block, or at the start or end of the text.
        image_hosts: Further hosts whose addresses only wrap that of a picture.
    """

    base: str | None = None
    lead_block: bool = False
    title: str = ""
    remove: tuple[str, ...] = ()
    remove_text: tuple[str, ...] = ()
    image_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """What was made of an article's body.

    Attributes:
        content: Safe HTML; picture number N stands in it as `<img src="image:N">`, each once and in order.
        images: The pictures by number.
        lead: What the head block said, if there was one.
        lead_image: The first picture that has an address of its own.
        text: The visible text, a line for each block, whitespace folded.
        prose: The same without the captions of figures, where that leaves anything.
        links: The addresses of its links, in order.
    """

    content: str
    images: tuple[Image, ...]
    lead: Lead | None
    lead_image: Image | None
    text: str
    prose: str
    links: tuple[str, ...]


def clean_body(html: str, rules: BodyRules) -> Body:
    """Make safe HTML of a body as its source wrote it.

    Raises:
        UnusableItem: It is too long, nested too deeply, or has too many tags or attributes to be read.
    """
    root = read_tree(tame(clean(html)), rules.remove)
    drop_null(root)
    lead = take_lead(root) if rules.lead_block else None
    if lead is not None:
        drop_null(root)
    find_pictures(root, base=rules.base, hosts=rules.image_hosts)
    blocks = shape(root, base=rules.base)
    drop_advert(blocks)
    drop_title(blocks, rules.title)
    blocks = drop_phrases(blocks, rules.remove_text)
    pictures, links = _shown(blocks)
    if repeats := _repeats(pictures):
        blocks = _without(blocks, repeats)
        pictures, links = _shown(blocks)
    if rules.lead_block:
        _frame_lead_picture(blocks)
    images = _number(pictures)
    text, prose = _read_out(blocks)
    return Body(
        content=_gate(blocks, len(images)),
        images=images,
        lead=lead,
        lead_image=next((image for image in images if not image.origin.startswith("data:")), None),
        text=text,
        prose=prose or text,
        links=tuple(links),
    )


def _shown(blocks: Sequence[Node]) -> tuple[list[_Picture], list[str]]:
    """The pictures, and the addresses of the links, in order."""
    pictures: list[_Picture] = []
    links: list[str] = []
    for element in elements(blocks):
        if element.image is not None:
            pictures.append((element, element.image))
        elif element.tag == "a" and (href := element.attributes.get("href")):
            links.append(href)
    return pictures, links


def _read_out(blocks: Sequence[Node]) -> tuple[str, str]:
    """The visible text of blocks, with and without that of figures; each block stands on lines of its own."""
    text: list[str] = []
    prose: list[str] = []
    for is_figure, some in groupby(blocks, lambda block: isinstance(block, Element) and block.tag == "figure"):
        if lines := visible_text(some):
            text.append(lines)
            if not is_figure:
                prose.append(lines)
    return "\n".join(text), "\n".join(prose)


def _frame_lead_picture(blocks: list[Node]) -> None:
    first = blocks[0] if blocks else None
    if isinstance(first, Element) and first.tag == "p" and lone_picture(first) is not None:
        first.tag = "figure"


def _repeats(pictures: Sequence[_Picture]) -> set[Element]:
    """Pictures that the article shows already; of several, the first that has a caption stays.

    One whose caption says something else stays too: no words are lost.
    """
    kept: dict[Likeness, _Picture] = {}
    for picture in pictures:
        _, image = picture
        alike = likeness(image.origin)
        _, first = kept.setdefault(alike, picture)
        if first.caption is None and image.caption is not None:
            kept[alike] = picture
    repeats: set[Element] = set()
    if len(kept) < len(pictures):
        for element, image in pictures:
            shown, first = kept[likeness(image.origin)]
            if element is not shown and image.caption in (None, first.caption):
                repeats.add(element)
    return repeats


def _without(nodes: Sequence[Node], unwanted: set[Element]) -> list[Node]:
    left: list[Node] = []
    for node in nodes:
        if isinstance(node, Element):
            if node.image is not None and node in unwanted:
                continue
            before = len(node.children)
            node.children = _without(node.children, unwanted)
            if len(node.children) < before and _shows_nothing(node):
                continue
        left.append(node)
    return left


def _shows_nothing(element: Element) -> bool:
    """Whether nothing is left of an element that held a picture; a figure's caption belongs to its picture."""
    return all(
        is_blank(child) or (isinstance(child, Element) and child.tag == "figcaption") for child in element.children
    )


def _number(pictures: Sequence[_Picture]) -> tuple[Image, ...]:
    for number, (element, _) in enumerate(pictures):
        element.attributes = {"src": f"image:{number}"}
    return tuple(image for _, image in pictures)


def _gate(blocks: Sequence[Node], pictures: int) -> str:
    """Write the blocks and have them looked at; exactly our own placeholders must have come through."""
    written = serialise(blocks)
    if written.count("&") > MAX_REFERENCES:
        raise UnusableItem(f"the text has more than {MAX_REFERENCES:,} of the characters & < >")
    content = _GATE.clean(written)
    numbers = [int(number) for number in _PLACEHOLDER.findall(content)]
    if numbers != list(range(pictures)) or content.count("<img") != pictures:
        raise UnusableItem("its pictures cannot be told apart from its text")
    return content
