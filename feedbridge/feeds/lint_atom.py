"""What RFC 4287 and RFC 5005 demand of an Atom document."""

from collections.abc import Iterator
from datetime import datetime

from lxml import etree

from feedbridge.feeds.checks import (
    Children,
    Problem,
    address_problems,
    bare,
    children_by_name,
    count_problems,
    date_problems,
    email_problems,
    language_problems,
    length_problems,
    markup_problems,
    media_type_problems,
    read_rfc3339,
    text_of,
)
from feedbridge.feeds.lint_extensions import extension_problems
from feedbridge.feeds.namespaces import ATOM_NAMESPACE, HISTORY_NAMESPACE, XML_LANG


def _atom(name: str) -> str:
    return f"{{{ATOM_NAMESPACE}}}{name}"


ID, TITLE, UPDATED, PUBLISHED = map(_atom, ("id", "title", "updated", "published"))
ENTRY, AUTHOR, CONTRIBUTOR, CATEGORY, LINK = map(_atom, ("entry", "author", "contributor", "category", "link"))
CONTENT, SUMMARY, SUBTITLE, RIGHTS = map(_atom, ("content", "summary", "subtitle", "rights"))
GENERATOR, ICON, LOGO, SOURCE = map(_atom, ("generator", "icon", "logo", "source"))
NAME, URI, EMAIL = map(_atom, ("name", "uri", "email"))
ARCHIVE = f"{{{HISTORY_NAMESPACE}}}archive"
TEXT_TYPES = ("text", "html", "xhtml")


def atom_problems(root: etree._Element, not_after: datetime | None) -> Iterator[Problem]:
    """Check a feed document, element by element."""
    if root.tag != _atom("feed"):
        yield Problem(entry=None, message=f"the root is not an Atom feed but {bare(root.tag)!r}")
        return
    children = children_by_name(root)
    for message in _feed_problems(root, children, not_after):
        yield Problem(entry=None, message=message)
    seen: set[str] = set()
    for entry in children.get(ENTRY, ()):
        of_entry = children_by_name(entry)
        entry_id = text_of(of_entry.get(ID, [])) or None
        if entry_id in seen:
            yield Problem(entry=entry_id, message="another entry has the same id")
        seen.add(entry_id or "")
        for message in _entry_problems(entry, of_entry, AUTHOR in children, not_after):
            yield Problem(entry=entry_id, message=message)


def _feed_problems(root: etree._Element, children: Children, not_after: datetime | None) -> Iterator[str]:
    """RFC 4287 section 4.1.1; `self` is a SHOULD there and a must for us."""
    yield from count_problems(
        children,
        exactly_one=(ID, TITLE, UPDATED),
        at_most_one=(GENERATOR, ICON, LOGO, RIGHTS, SUBTITLE, ARCHIVE),
    )
    yield from _common_problems(root, children)
    yield from date_problems({"updated": read_rfc3339(text_of(children.get(UPDATED, [])))}, not_after)
    for image in (*children.get(ICON, ()), *children.get(LOGO, ())):
        yield from address_problems("icon or logo", text_of([image]))
    links = {str(link.get("rel", "alternate")) for link in children.get(LINK, ())}
    if "self" not in links:
        yield "there is no link to the document itself"
    yield from archive_problems(children.get(LINK, []), is_archive=ARCHIVE in children)
    yield from extension_problems(children)


def archive_problems(links: list[etree._Element], *, is_archive: bool) -> Iterator[str]:
    """RFC 5005 section 4: an archive document says so, and leads to the subscription document."""
    by_relation = {link.get("rel"): link.get("href") for link in links}
    relations = [link.get("rel") for link in links]
    for relation in ("self", "current", "prev-archive", "next-archive"):
        if relations.count(relation) > 1:
            yield f"there may be only one link {relation}"
    current = by_relation.get("current")
    if is_archive and not current:
        yield "an archive document must have a link to the current one"
    if not is_archive and current and current != by_relation.get("self"):
        yield "the document is not the current one, yet does not say that it is an archive"


def _entry_problems(
    entry: etree._Element, children: Children, feed_has_author: bool, not_after: datetime | None
) -> Iterator[str]:
    """RFC 4287 section 4.1.2."""
    yield from count_problems(
        children,
        exactly_one=(ID, TITLE, UPDATED),
        at_most_one=(PUBLISHED, CONTENT, SUMMARY, RIGHTS, SOURCE),
    )
    yield from _common_problems(entry, children)
    dates = {name: children[name] for name in (PUBLISHED, UPDATED) if name in children}
    read = {bare(name): read_rfc3339(text_of(found)) for name, found in dates.items()}
    yield from date_problems(read, not_after)
    for source in children.get(SOURCE, ()):
        of_source = children_by_name(source)
        feed_has_author = feed_has_author or AUTHOR in of_source
        yield from (f"in source: {message}" for message in _source_problems(source, of_source))
    if not (feed_has_author or AUTHOR in children):
        yield "there is no author, neither here nor in the feed"
    if CONTENT not in children and not any(
        link.get("rel", "alternate") == "alternate" for link in children.get(LINK, ())
    ):
        yield "there is neither content nor a link to the article"
    for content in children.get(CONTENT, ()):
        yield from _content_problems(content, has_summary=SUMMARY in children)
    yield from extension_problems(children)


def _source_problems(source: etree._Element, children: Children) -> Iterator[str]:
    """RFC 4287 section 4.2.11; id, title and updated are a SHOULD there and a must for us."""
    yield from count_problems(children, exactly_one=(ID, TITLE, UPDATED), at_most_one=())
    yield from _common_problems(source, children)
    yield from date_problems({"updated": read_rfc3339(text_of(children.get(UPDATED, [])))}, None)


def _common_problems(element: etree._Element, children: Children) -> Iterator[str]:
    """What feed, entry and source have in common."""
    if language := element.get(XML_LANG):
        yield from language_problems("xml:lang", language)
    for found in children.get(ID, ()):
        yield from address_problems("id", text_of([found]))
    for name in (TITLE, SUBTITLE, SUMMARY, RIGHTS):
        for text in children.get(name, ()):
            yield from _text_problems(text)
    for name in (AUTHOR, CONTRIBUTOR):
        for person in children.get(name, ()):
            yield from _person_problems(person)
    for category in children.get(CATEGORY, ()):
        yield from _category_problems(category)
    yield from _link_problems(children.get(LINK, []))


def _text_problems(element: etree._Element) -> Iterator[str]:
    """RFC 4287 section 3.1."""
    name, kind = bare(element.tag), element.get("type", "text")
    if kind not in TEXT_TYPES:
        yield f"{name} has the type {kind!r}, which is none of {', '.join(TEXT_TYPES)}"
    if name == "title" and not text_of([element]):
        yield "the title is empty"
    yield from _inline_problems(element, name, kind)


def _inline_problems(element: etree._Element, name: str, kind: str) -> Iterator[str]:
    if kind == "xhtml":
        if [child.tag for child in element] != ["{http://www.w3.org/1999/xhtml}div"]:
            yield f"{name} of type xhtml must hold one div"
        inside = "".join(etree.tostring(child, encoding="unicode", method="html") for child in element)
        yield from markup_problems(inside)
    elif kind in ("text", "html") or kind.startswith("text/"):
        if len(element):
            yield f"{name} of type {kind} may not hold elements"
        if kind == "html":
            yield from markup_problems(element.text or "")


def _content_problems(content: etree._Element, *, has_summary: bool) -> Iterator[str]:
    """RFC 4287 section 4.1.3."""
    kind, src = content.get("type", "text"), content.get("src")
    if src is not None:
        yield from address_problems("the content's src", src)
        if len(content) or content.text:
            yield "content with a src must be empty"
        if not has_summary:
            yield "content with a src needs a summary"
    elif kind not in TEXT_TYPES:
        yield from media_type_problems("the content's type", kind)
    if src is None:
        yield from _inline_problems(content, "content", kind)


def _person_problems(person: etree._Element) -> Iterator[str]:
    """RFC 4287 section 3.2."""
    children = children_by_name(person)
    yield from count_problems(children, exactly_one=(NAME,), at_most_one=(URI, EMAIL))
    if NAME in children and not text_of(children[NAME]):
        yield "an author's name is empty"
    for uri in children.get(URI, ()):
        yield from address_problems("an author's uri", text_of([uri]))
    for email in children.get(EMAIL, ()):
        yield from email_problems("an author's email", text_of([email]))


def _category_problems(category: etree._Element) -> Iterator[str]:
    """RFC 4287 section 4.2.2."""
    if not category.get("term"):
        yield "a category has no term"
    if (scheme := category.get("scheme")) is not None:
        yield from address_problems("a category's scheme", scheme)


def _link_problems(links: list[etree._Element]) -> Iterator[str]:
    """RFC 4287 sections 4.2.7 and 4.1.1."""
    alternates = set()
    for link in links:
        relation, kind, length = link.get("rel", "alternate"), link.get("type"), link.get("length")
        yield from address_problems(f"the link {relation}", link.get("href"))
        if kind is not None:
            yield from media_type_problems(f"the type of the link {relation}", kind)
        if length is not None:
            yield from length_problems(f"the length of the link {relation}", length)
        if relation == "alternate":
            alternate = (kind, link.get("hreflang"))
            if alternate in alternates:
                yield "two alternate links have the same type and language"
            alternates.add(alternate)
