"""Foreign XML is looked at before any parser sees it.

A document of chained entities takes expat down with the whole process, and others keep a parser busy for minutes.
What is looked for is what the parsers would find, and more: where they disagree about what is a comment or where
the root begins, the widest reading counts, so that nothing that passes declares anything to any of them.
"""

import re

from feedbridge.errors import ParseError

MAX_DEPTH = 500
MAX_ATTRIBUTES = 1_000
MAX_TAG_LENGTH = 1024 * 1024
"""Characters of a tag, a comment or an instruction; expat reads such a piece anew with each further block."""

_BEFORE_THE_ROOT = re.compile(
    r"(?:[^<]++|<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<(?![A-Za-z0-9_]))*+",
    re.DOTALL,
)
_DOCTYPE = re.compile("<!DOCTYPE", re.IGNORECASE)
_DECLARATION = re.compile("<!(?:ENTITY|ATTLIST)", re.IGNORECASE)
_PARAMETER = re.compile(r"<!DOCTYPE[^\[>]*+\[[^\]]*%[\w:.-]++;", re.IGNORECASE)

_PIECE = re.compile(
    r"""<(?:
        !--.*?(?:-->|\Z)
      | !\[CDATA\[.*?(?:\]\]>|\Z)
      | \?.*?(?:\?>|\Z)
      | /([^\s<>]++)
      | ([^\s!?/<>]++) (?:[^<>"']++ | "[^"<]*+" | '[^'<]*+' | ["'])*+
    )""",
    re.DOTALL | re.VERBOSE,
)
_VALUE = re.compile(r"""=\s*+(?:"[^"]*+"|'[^']*+')""")
_ATTRIBUTE = re.compile(r"[^\s=/]++")


def look(text: str) -> None:
    """Refuse a document that could harm the parsers.

    A DOCTYPE that only names a document type, as RSS 0.91 has it, is fine. The time grows with the length alone.

    Args:
        text: The whole document as the parsers get it: nothing may be taken out of it afterwards, for what is
            parted now could be joined then.

    Raises:
        ParseError: It declares entities or attributes, or it is out of all shape: nested deeper than 500 elements,
            more than 1,000 attributes in a tag, a tag or a comment of more than 1 MiB; or it holds a NUL, with
            which expat takes it for UTF-16.
    """
    if "\0" in text:
        raise ParseError("the XML holds NUL characters")
    _refuse_declarations(text)
    _refuse_shapes(text)


def _refuse_declarations(text: str) -> None:
    """Nothing is declared before the root; where a DOCTYPE stands there, in a comment even, nothing anywhere."""
    before = _BEFORE_THE_ROOT.match(text)
    root = before.end() if before else 0
    doctype = _DOCTYPE.search(text, 0, root)
    if _DECLARATION.search(text, 0, len(text) if doctype else root):
        raise ParseError("the XML declares entities or attributes, which can take a parser down")
    if doctype and _PARAMETER.match(text, doctype.start()):
        raise ParseError("the XML refers to parameter entities, which can take a parser down")


def _refuse_shapes(text: str) -> None:
    """Tags are counted as written; an end tag closes what was opened inside its element, too."""
    opened: list[str] = []
    counts: dict[str, int] = {}
    for piece in _PIECE.finditer(text):
        start, end = piece.span()
        if end - start > MAX_ATTRIBUTES:
            _refuse_long(piece)
        ended, begun = piece.groups()
        if begun:
            if len(opened) == MAX_DEPTH:
                raise ParseError(f"the XML is nested deeper than {MAX_DEPTH} elements")
            if text[end - 1] != "/":
                opened.append(begun)
                counts[begun] = counts.get(begun, 0) + 1
        elif ended and counts.get(ended):
            _close(ended, opened, counts)


def _close(name: str, opened: list[str], counts: dict[str, int]) -> None:
    while opened:
        last = opened.pop()
        counts[last] -= 1
        if last == name:
            return


def _refuse_long(piece: re.Match[str]) -> None:
    text = piece[0]
    if text.startswith("<![CDATA["):
        return
    if len(text) > MAX_TAG_LENGTH:
        raise ParseError("the XML holds a tag or a comment of more than 1 MiB")
    if piece[2] and len(_ATTRIBUTE.findall(_VALUE.sub("=", text))) > MAX_ATTRIBUTES + 1:
        raise ParseError(f"the XML holds a tag with more than {MAX_ATTRIBUTES:,} attributes")
