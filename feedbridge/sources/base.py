"""What every kind of source can do."""

from collections.abc import Iterator
from typing import Protocol

from feedbridge.model import FolderRequest, Page, RawItem


class Source(Protocol):
    """One source: what to ask for, and how to read what came."""

    def start(self) -> FolderRequest:
        """What to ask for."""
        ...

    def parse(self, page: Page) -> Iterator[RawItem]:
        """The items of a page.

        Raises:
            UnusableItem: The page holds no item; its text says why.
        """
        ...
