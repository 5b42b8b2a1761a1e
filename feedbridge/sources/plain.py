"""Plain text out of titles and short texts, which may be markup, escaped once or twice, or neither."""

import html
import re
from html.entities import html5

_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,30})(?=[\s/>])([^<>]*)>")
_MARKUP = re.compile(r"<(?:/?[A-Za-z]|[!?])[^<>]*>")
_INLINE = frozenset(
    """
    a abbr acronym b bdi bdo big center cite code del dfn em font h1 h2 h3 h4 h5 h6 i ins kbd mark p q s samp
    small span strike strong sub sup tt u div
    """.split()  # noqa: SIM905  (a table of words)
)
_VOID = frozenset(("br", "wbr", "img", "hr"))
_HIDDEN = frozenset(("script", "style"))
_JOINING = _INLINE - {"p", "div", "center", "h1", "h2", "h3", "h4", "h5", "h6"} | {"wbr"}
_ROUNDS = 2


def plain_title(raw: str, *, markup: bool | None) -> str:
    """The text that a title means, in one line.

    Where it is not known whether it is markup, as in RSS, tags go only if they stand for formatting and are closed
    (`<b>new</b>`), so that `a < b` and `<video> explained` are text; references are undone twice, since many sources
    escape twice.

    Args:
        raw: The title as an XML parser gives it.
        markup: True for HTML, False for text, None where the format does not say.
    """
    if markup is False:
        return _one_line(raw)
    if markup:
        return plain_text(raw)
    for _ in range(_ROUNDS):
        undone = _undo_references(_without_formatting(raw))
        if undone == raw:
            break
        raw = undone
    return _one_line(_without_formatting(raw))


def plain_text(markup: str) -> str:
    """The visible text of HTML, in one line; what is no tag stays as it is."""
    parts: list[str] = []
    place = 0
    hidden = ""
    for found in _MARKUP.finditer(markup):
        tag = _TAG.fullmatch(found[0])
        name = tag[2].lower() if tag else ""
        if not hidden:
            parts += (markup[place : found.start()], "" if name in _JOINING or found[0][1] in "!?" else " ")
            hidden = name if name in _HIDDEN and tag and not tag[1] else ""
        elif tag and tag[1] and name == hidden:
            hidden = ""
        place = found.end()
    if not hidden:
        parts.append(markup[place:])
    return _one_line(_undo_references("".join(parts)))


def _without_formatting(text: str) -> str:
    """The text without the formatting tags that have their counterpart, and without what cannot be seen."""
    if "<" not in text:
        return text
    tags = list(_TAG.finditer(text))
    going = {number for number, tag in enumerate(tags) if tag[2].lower() in _VOID}
    waiting: dict[str, list[int]] = {}
    for number, tag in enumerate(tags):
        name = tag[2].lower()
        if name not in _INLINE:
            continue
        if not tag[1]:
            waiting.setdefault(name, []).append(number)
        elif waiting.get(name):
            going |= {waiting[name].pop(), number}
    parts: list[str] = []
    place = 0
    for number in sorted(going):
        parts += (text[place : tags[number].start()], "" if tags[number][2].lower() in _JOINING else " ")
        place = tags[number].end()
    return "".join((*parts, text[place:]))


def _undo_references(text: str) -> str:
    return _REFERENCE.sub(_undone, text)


def _undone(reference: re.Match[str]) -> str:
    """What a reference means; a name that is none stays."""
    return html.unescape(reference[0]) if reference[0][1] == "#" else html5.get(reference[0][1:], reference[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())
