"""What search engines are told: which pages there are (sitemaps.org), and where that stands (RFC 9309)."""

from collections.abc import Iterable
from itertools import islice
from xml.sax.saxutils import escape

SITEMAP_MARK = b"<!-- feedbridge -->"
ROBOTS_MARK = b"# feedbridge"
"""These stand in files of ours, and tell them from those that somebody else wrote."""

_MOST = 50_000
"""Addresses in a sitemap, by its specification."""


def sitemap(addresses: Iterable[str]) -> bytes:
    """List pages; without dates, so that it changes only when a page comes or goes."""
    lines = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in islice(addresses, _MOST))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"{SITEMAP_MARK.decode()}\n"
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n'
    ).encode()


def robots(sitemap_address: str) -> bytes:
    """Welcome all, and say where the list of pages is."""
    return f"{ROBOTS_MARK.decode()}\nUser-agent: *\nAllow: /\nSitemap: {sitemap_address}\n".encode()
