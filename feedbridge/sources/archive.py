"""Saved articles in a folder, bare or behind front matter.

Bare:

    <!--1689154743000-->
    [title](link)
    ------

    <div><i>Wed, 12 Jul 2023 09:38:33 GMT</i></div><p>…

The same may stand behind YAML front matter, as Jekyll has it; every part but the HTML may be missing.
"""

import contextlib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from selectolax.lexbor import LexborHTMLParser

from feedbridge.errors import UnusableItem
from feedbridge.model import Category, Page, Person, RawItem, Witness
from feedbridge.sources.charset import decode_guessed, decode_nearly, marked_encoding

if TYPE_CHECKING:
    from feedbridge.settings import ArchiveSource as ArchiveSettings

FolderAs = Literal["category", "author"] | None
"""What the name of a file's folder is for its article."""

MAX_FRONT_MATTER = 64 * 1024
MAX_HEADER = 16 * 1024
MAX_TITLE_LINES = 6
MAX_DOCUMENT_HEAD = 32 * 1024

_COMMENT = re.compile(r"\s*<!--([^<>]{0,200})-->")
_MARKER = re.compile(r"-?[0-9][\w:.+ -]{0,39}|NaN|null|undefined|None|Invalid Date", re.IGNORECASE)
_HEADING_SIGN = re.compile(r"#{1,6}[ \t]+(?=\[)")
_RULE = re.compile(r"\s*(?:-+|=+)[ \t]*(?:\n|$)")
_LINK_TITLE = re.compile(r"[ \t](?:\"[^\"]*\"|'[^']*')$")

_FENCE = "---"
_END_OF_FRONT_MATTER = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_KEY_NAME = re.compile(r"\w[\w -]{0,63}")
_KEY_LINE = re.compile(r"[ \t]*(\w[\w-]{0,63})[ \t]*:(.*)")
_LIST_LINE = re.compile(r"[ \t]*-[ \t]+(.*)")
_USUAL_KEYS = frozenset(("layout", "title", "date", "from"))
_NOTHING = frozenset(("~", "null", "Null", "NULL", "None", "undefined", "NaN"))
"""What YAML has, and what scripts write, where there is no value."""

_OPENING = re.compile(r"[\[{]|[-?](?=\s)")
_MAX_OPENINGS = 1_000
"""libyaml takes the process down where tens of thousands of lists are nested."""

_WEB_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_DOCUMENT = re.compile(r"\s*<(?:!doctype|html|head)\b", re.IGNORECASE)
_TAG = re.compile(r"<(?:[A-Za-z/!][^<>]*)>")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")

GLANCE_BYTES = 1024
"""So much of a file is enough for a glance."""

_STAMP = re.compile(rb"<!--\s*([0-9]{12,14})\s*-->")
_DATE = re.compile(
    rb"^date:[ \t'\"]*([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[ T]([0-9]{2}):([0-9]{2}):([0-9]{2}))?", re.MULTILINE
)
_DATE_IN_NAME = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})-?([01][0-9])-?([0-3][0-9])(?![0-9])")


def glance(head: bytes, path: str) -> tuple[int, ...]:
    """A guess at when an article was published, only to sort by: year, month, day and so on; nothing where none is.

    Args:
        head: The first bytes of its file.
        path: Its path.
    """
    if found := _STAMP.search(head):
        with contextlib.suppress(OverflowError, ValueError, OSError):
            return tuple(datetime.fromtimestamp(int(found[1]) / 1000, UTC).timetuple()[:6])
    if found := _DATE.search(head):
        return tuple(int(part) for part in found.groups() if part)
    named = _DATE_IN_NAME.search(path)
    return tuple(int(part) for part in named.groups()) if named else ()


@dataclass(frozen=True, slots=True)
class _Header:
    marker: str | None = None
    title: str | None = None
    link: str | None = None
    body: str = ""


class Archive:
    """A folder of saved articles as a source."""

    def __init__(self, settings: "ArchiveSettings") -> None:
        self._settings = settings

    def parse(self, page: Page) -> Iterator[RawItem]:
        """The one article of a file.

        Raises:
            UnusableItem: The file is empty or no text, or its front matter has no end.
        """
        yield read_page(page, folder_as=self._settings.folder_as)


def read_page(page: Page, *, folder_as: FolderAs = None) -> RawItem:
    """The one article of a file.

    Args:
        page: The file.
        folder_as: What the name of its folder is for the article.

    Raises:
        UnusableItem: The file is empty or no text, or its front matter has no end.
    """
    item = read_article(decode(page.body), path=page.path)
    folder = PurePosixPath(page.path).parent.name
    if not folder or folder_as is None:
        return item
    if folder_as == "author":
        return item if item.authors else replace(item, authors=(Person(name=folder),))
    kept = (category for category in item.categories if category.term != folder)
    return replace(item, categories=(Category(term=folder), *kept))


def decode(body: bytes) -> str:
    """The text of a file: by its byte order mark, as UTF-8, else by what its bytes look like.

    A few broken characters do not make a UTF-8 file something else; they come out as U+FFFD.

    Raises:
        UnusableItem: The file is empty or no text.
    """
    marked = marked_encoding(body)
    if marked is None and b"\0" in body:
        raise UnusableItem("is not text: it holds NUL bytes")
    text = body.decode(marked, errors="replace") if marked else decode_nearly(body, "utf-8")
    if text is None:
        text = decode_guessed(body)
    if text is None:
        raise UnusableItem("is not text: its encoding cannot be told; save it as UTF-8")
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise UnusableItem("is empty")
    return text


def read_article(text: str, *, path: str) -> RawItem:
    """Read an article in either layout, or one that is a whole HTML document or plain text.

    Args:
        text: The file's text.
        path: Relative to the source's folder, with `/`.

    Raises:
        UnusableItem: The front matter has no end.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    front_matter, rest = _split_front_matter(text)
    header = _read_header(rest)
    document = _read_document_head(header.body)
    witnesses = [Witness(kind="file-name", text=PurePosixPath(path).name)]
    if header.marker is not None:
        witnesses.append(Witness(kind="marker", text=header.marker))
    if date := _text(front_matter.get("date")):
        witnesses.append(Witness(kind="front-matter", text=date))
    links = (header.link, *(_text(front_matter.get(key)) for key in ("from", "link", "url", "source")), document.link)
    return RawItem(
        link=_first_address([link for link in links if link]),
        title=header.title or html.unescape(_text(front_matter.get("title"))) or document.title,
        authors=tuple(Person(name=name) for name in _texts(front_matter, "author", "authors")),
        categories=tuple(Category(term=term) for term in _terms(front_matter)),
        content=header.body if _TAG.search(header.body) else _paragraphs(header.body),
        lead_block=True,
        path=path,
        witnesses=tuple(witnesses),
    )


def _first_address(links: Sequence[str]) -> str | None:
    """The first that is an address on the web, else the first."""
    return next((link for link in links if _WEB_ADDRESS.match(link)), links[0] if links else None)


def _paragraphs(text: str) -> str:
    """Plain text as HTML: blank lines part paragraphs, a line stays a line."""
    parts = _BLANK_LINES.split(text.replace("<", "&lt;").strip())
    return "".join(f"<p>{'<br>'.join(part.splitlines())}</p>" for part in parts if part)


def _split_front_matter(text: str) -> tuple[Mapping[str, object], str]:
    """The front matter's keys and what follows; no keys and the whole text where there is none.

    Raises:
        UnusableItem: It has no end.
    """
    fence, _, rest = text.lstrip().partition("\n")
    if fence.rstrip() != _FENCE:
        return {}, text
    end = _END_OF_FRONT_MATTER.search(rest, 0, MAX_FRONT_MATTER)
    if end is None:
        if _USUAL_KEYS & _read_lines(rest[:MAX_HEADER]).keys():
            raise UnusableItem("its front matter has no end: the line `---` below it is missing")
        return {}, rest
    inside = rest[: end.start()]
    keys = _read_front_matter(inside)
    if inside.strip() and not keys:  # a text between two rules
        return {}, rest
    return keys, rest[end.end() :]


def _read_front_matter(text: str) -> Mapping[str, object]:
    """The keys, in lower case, as text or lists of text; line by line where the YAML is broken."""
    import yaml  # here, for bare articles have no need of it

    keys: object = None
    if len(_OPENING.findall(text)) <= _MAX_OPENINGS:
        # The base loader makes nothing but text, lists and maps.
        with contextlib.suppress(yaml.YAMLError, RecursionError, ValueError):
            keys = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    if not isinstance(keys, dict):
        return _read_lines(text)
    return {key.lower(): value for key, value in keys.items() if isinstance(key, str) and _KEY_NAME.fullmatch(key)}


def _read_lines(text: str) -> dict[str, object]:
    """The keys that stand at the beginning of a line, each with what follows it, or with the list below it."""
    keys: dict[str, object] = {}
    below: list[str] = []
    for line in text.split("\n"):
        if match := _KEY_LINE.fullmatch(line.rstrip()):
            value = match[2].strip()
            below = []
            keys.setdefault(match[1].lower(), _unquote(value) if value else below)
        elif match := _LIST_LINE.fullmatch(line.rstrip()):
            below.append(_unquote(match[1]))
    return keys


def _unquote(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _text(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return "" if text in _NOTHING else text


def _texts(front_matter: Mapping[str, object], *keys: str) -> list[str]:
    """What these keys hold, be it one text or a list of them."""
    found: list[str] = []
    for key in keys:
        value = front_matter.get(key)
        found += [html.unescape(_text(item)) for item in (value[:100] if isinstance(value, list) else [value])]
    return [text for text in found if text]


def _terms(front_matter: Mapping[str, object]) -> tuple[str, ...]:
    """Categories and tags, each once, in their order."""
    found: list[str] = []
    for key in ("categories", "tags"):
        for text in _texts(front_matter, key):
            found += [text] if isinstance(front_matter[key], list) else _parts(text)
    return tuple(dict.fromkeys((*filter(None, found), *_texts(front_matter, "category", "tag"))))


def _parts(text: str) -> list[str]:
    """The terms of `[ a, b ]` and `a, b`, and of `a b` as Jekyll has it."""
    inside = text.strip("[]")
    parts = inside.split() if inside == text and "," not in text else inside.split(",")
    return [_unquote(part.strip()) for part in parts[:100]]


def _read_header(text: str) -> _Header:
    """The marker and the link lines, either of which may be missing, and the body behind them."""
    marker = None
    place = 0
    while comment := _COMMENT.match(text, place):
        place = comment.end()
        said = comment[1].strip()
        if marker is None and _MARKER.fullmatch(said):
            marker = said
    title, link, body = _read_link_lines(text[place:].lstrip())
    return _Header(marker=marker, title=title, link=link, body=body)


def _read_document_head(text: str) -> _Header:
    """What a whole HTML document says in its head: its title and its canonical address."""
    if not _DOCUMENT.match(text):
        return _Header()
    head = LexborHTMLParser(text[:MAX_DOCUMENT_HEAD].partition("<body")[0])
    title = head.css_first("title")
    canonical = head.css_first("link[rel=canonical]")
    return _Header(
        title=title.text().strip() or None if title else None,
        link=canonical.attributes.get("href") if canonical else None,
    )


def _read_link_lines(text: str) -> tuple[str | None, str | None, str]:
    """Read `[title](link)` and the rule below it; a title may run over several lines.

    Without the rule it must look like a link from end to end, for a text, too, may begin with `[`.
    """
    sign = _HEADING_SIGN.match(text)
    start = end = sign.end() if sign else 0
    if text[start : start + 1] != "[":
        return None, None, text
    for line in text[start:MAX_HEADER].split("\n")[:MAX_TITLE_LINES]:
        end += len(line) + 1
        rule = _RULE.match(text, end)
        found = _read_link(text[start:end], alone=rule is None)
        if found:
            return *found, text[rule.end() if rule else end :]
    return None, None, text


def _read_link(head: str, *, alone: bool) -> tuple[str | None, str | None] | None:
    """Title and link; the link stands behind the last `](`, since titles hold brackets of their own.

    Args:
        alone: No rule shows that this is a link line.
    """
    lines = (line.strip() for line in head.split("\n"))
    before, bracket, behind = " ".join(line for line in lines if line).rpartition("](")
    if not bracket or not behind.endswith(")"):
        return None
    title = before[1:]
    address = _LINK_TITLE.sub("", behind[:-1].strip()).strip().strip("<>")
    if alone and not (_WEB_ADDRESS.match(address) and _is_closed(title)):
        return None
    return html.unescape(title).strip() or None, address or None


def _is_closed(title: str) -> bool:
    """Whether no bracket ends in it that did not begin in it."""
    return min(accumulate((sign == "[") - (sign == "]") for sign in title), default=0) >= 0
