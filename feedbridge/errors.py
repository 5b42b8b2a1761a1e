"""The errors, named by how far they reach.

FeedbridgeError
├── SettingsError      nothing starts; names file, line or key, and the mend
├── StoreError         the run stops; nothing is left half-written
├── PublishError       this document; the one that stands stays
│   └── OutputError    no other document would fare better now; the next run tries again
├── SourceError        this source, this time; its last good feed stays up
│   ├── FetchError     nothing usable came
│   │   ├── Refused    we are asked to stay away for a while
│   │   └── Gone       it is gone for good; we stop asking
│   └── ParseError     what came cannot be read
└── UnusableItem       one item is left out and counted, the rest goes on
"""

from datetime import timedelta


class FeedbridgeError(Exception):
    """Any error that feedbridge reports; its text is written for the person who runs it."""


class SettingsError(FeedbridgeError):
    """The settings cannot be used; nothing starts."""


class StoreError(FeedbridgeError):
    """The store cannot be read or written; the run stops."""


class PublishError(FeedbridgeError):
    """A document cannot be written; the one that stands stays."""


class OutputError(PublishError):
    """The output takes nothing more, whichever document it is; the next run tries again."""


class SourceError(FeedbridgeError):
    """A source fails this time; its articles and its last good feeds stay."""


class FetchError(SourceError):
    """Nothing usable came from the source.

    Attributes:
        status: That of the HTTP answer, such as 404, where it is the reason; else None.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    status: int | None = None


class Refused(FetchError):  # noqa: N818  (an answer, not a fault)
    """The server asks to be left alone (429, or 503 with Retry-After).

    Attributes:
        retry_after: For so long.
        url: The address that was answered so, or None where that is not told.
    """

    def __init__(
        self, message: str, *, retry_after: timedelta, url: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after
        self.url = url


class Gone(FetchError):  # noqa: N818  (an answer, not a fault)
    """The server says that the source is gone for good (410); we stop asking."""


class ParseError(SourceError):
    """What came from the source cannot be read."""


class UnusableItem(FeedbridgeError):  # noqa: N818  (it is a verdict on an item, not a fault of ours)
    """One item is left out and counted."""


def reason_of(error: Exception) -> str:
    """Why an item cannot be used, in words."""
    if isinstance(error, UnusableItem):
        return str(error)
    return f"cannot be read ({type(error).__name__}: {str(error)[:200]})"
