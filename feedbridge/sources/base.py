"""What every kind of source can do."""

from collections.abc import Iterator
from typing import Protocol

from feedbridge.model import Page, Part


class Source(Protocol):
    """Reads what came for one source."""

    def parse(self, page: Page) -> Iterator[Part]:
        """What stands in a page.

        Raises:
            ParseError: The page is not of this source's kind; its text says what came.
            UnusableItem: The page is one item, and cannot be used; its text says why.
        """
        ...
