"""Looks at a document before it may replace a good one: is it valid, and safe to show?

What is written by one library is read here by others, and by the words of the specifications. A document
without entries is valid.
"""

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from feedbridge.feeds.checks import ADDRESS_ATTRIBUTES, Problem, address_problems, parse_xml, read_rfc822
from feedbridge.feeds.lint_atom import atom_problems
from feedbridge.feeds.lint_json import json_problems
from feedbridge.feeds.lint_rss import rss_problems
from feedbridge.feeds.rendering import ATOM, HTML, JSON_FEED, OPML, RSS, TEXT, XML


def lint(body: bytes, media_type: str, *, not_after: datetime | None = None) -> tuple[Problem, ...]:
    """Check a whole document.

    Args:
        body: The document as it will be published.
        media_type: One of `rendering`; of XML it is only checked whether it can be read, of TEXT nothing.
        not_after: Later dates are problems; None lets every date pass.

    Returns:
        What is wrong, empty if nothing is. A problem of one entry carries its id, so that the document can
        be written again without it.

    Raises:
        ValueError: There is no check for the media type.
    """
    if media_type == JSON_FEED:
        return tuple(json_problems(body, not_after))
    if media_type == HTML:
        return tuple(_html_page_problems(body))
    if media_type == TEXT:
        return ()
    if media_type not in (ATOM, RSS, OPML, XML):
        raise ValueError(f"no check is known for {media_type}")
    try:
        root = parse_xml(body)
    except ValueError as error:
        return (Problem(entry=None, message=str(error)),)
    if media_type == XML:
        return ()
    if media_type == OPML:
        return tuple(_opml_problems(root))
    return tuple((atom_problems if media_type == ATOM else rss_problems)(root, not_after))


def _opml_problems(root: etree._Element) -> Iterator[Problem]:
    """OPML 2.0: a head with a title, a body, and each subscription with its text and address."""
    if root.tag != "opml" or root.get("version") != "2.0":
        yield Problem(entry=None, message="the root is not OPML 2.0")
        return
    if [child.tag for child in root] != ["head", "body"]:
        yield Problem(entry=None, message="there must be one head and then one body")
    modified = root.findtext("head/dateModified")
    if modified is not None and read_rfc822(modified) is None:
        yield Problem(entry=None, message=f"dateModified is not a valid date: {modified!r}")
    for outline in root.iter("outline"):
        for message in _outline_problems(outline):
            yield Problem(entry=outline.get("xmlUrl"), message=message)


def _outline_problems(outline: etree._Element) -> Iterator[str]:
    if not outline.get("text"):
        yield "an outline has no text"
    if outline.get("type") != "rss":
        yield 'an outline is not of type "rss"'
    yield from address_problems("xmlUrl", outline.get("xmlUrl"))
    if (page := outline.get("htmlUrl")) is not None:
        yield from address_problems("htmlUrl", page)


def _html_page_problems(body: bytes) -> Iterator[Problem]:
    """A page of ours runs nothing but what its policy names by its hash, and the policy lets nothing else pass."""
    try:
        tree = LexborHTMLParser(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        yield Problem(entry=None, message=f"is not in UTF-8: {error}")
        return
    meta = tree.css_first("meta[http-equiv='Content-Security-Policy']")
    policy = (meta.attributes.get("content") if meta else None) or ""
    if not policy.startswith("default-src 'none';") or "'unsafe" in policy:
        yield Problem(entry=None, message="the page has no strict Content-Security-Policy")
    assert tree.root is not None  # a document always has one
    for node in tree.root.traverse():
        if node.tag in ("script", "style"):
            digest = b64encode(sha256(node.text().encode()).digest()).decode()
            if node.attributes or f"{node.tag}-src 'sha256-{digest}'" not in policy:
                yield Problem(entry=None, message=f"the page holds a <{node.tag}> that its policy does not name")
        elif node.tag in ("iframe", "object", "embed", "form", "base"):
            yield Problem(entry=None, message=f"the page holds a live element: <{node.tag}>")
        for name, value in node.attributes.items():
            address = "".join((value or "").split()).lower() if name in ADDRESS_ATTRIBUTES else ""
            if name.startswith("on") or address.startswith(("javascript:", "vbscript:")):
                yield Problem(entry=None, message=f"the page holds a live attribute: {name}")
