"""An article's HTML as a page of ours can hold it: it was cleaned long ago, and is here made to fit in."""

import re

from markupsafe import Markup, escape

from feedbridge.pages.words import Words

_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?:[^<>"]++|"[^"]*+")*+)>')
"""Each is looked at, so that what stands in an attribute is none."""
_HEADING = re.compile("h[1-6]")
_LINK = re.compile(r'<a\b((?:[^<>"]++|"[^"]*+")*+)>((?:[^<]++|<(?!/?a\b))*+)</a>')
_SAYS = re.compile(r'\balt="\s*[^"\s]')
_LATER = {"img": 'loading="lazy"', "audio": 'preload="none"', "video": 'preload="none"'}
_FIRST = 2
"""The level of an article's own highest heading: the title has the first."""


def fitted(content: str, words: Words) -> Markup:
    """The text of an article, below the heading with its title.

    Headings follow each other without gaps; tables can be scrolled by themselves; pictures and recordings are loaded
    when they come into sight; a link without words gets some.

    Args:
        content: Safe HTML, with attributes in double quotes and every element closed.
        words: The page's.
    """
    headings: list[int] = []
    wide = f'<div class="wide" role="group" tabindex="0" aria-label="{escape(words.table)}">'

    def tag(match: re.Match[str]) -> str:
        closes, name, attributes = match.groups()
        if _HEADING.fullmatch(name):
            if not closes:
                while headings and headings[-1] >= int(name[1]):
                    headings.pop()
                headings.append(int(name[1]))
            return f"<{closes}h{min(_FIRST - 1 + max(1, len(headings)), 6)}{attributes}>"
        if name == "table":
            return "</table></div>" if closes else f"{wide}{match[0]}"
        later = _LATER.get(name)
        return match[0] if closes or later is None else f"<{name}{attributes} {later}>"

    return Markup(_TAG.sub(tag, _LINK.sub(lambda match: _told(match, words), content)))  # noqa: S704  (cleaned)


def _told(link: re.Match[str], words: Words) -> str:
    """A link that says where it leads to those who hear it; one around nothing goes."""
    attributes, inner = link.groups()
    if _TAG.sub("", inner).strip() or _SAYS.search(inner) or "href=" not in attributes:
        return link[0]
    return f'<a{attributes} aria-label="{escape(words.picture)}">{inner}</a>' if "<img" in inner else inner
