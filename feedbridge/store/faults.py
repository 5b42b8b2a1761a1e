"""Faults of databases and disks, in words."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from feedbridge.errors import StoreError

Explain = Callable[[Exception], str]
"""Says what an error of the database means, and the mend."""


@contextlib.contextmanager
def in_words(name: object, explain: Explain) -> Iterator[None]:
    """Turn faults of the database and the disk into a `StoreError` that begins with a name."""
    try:
        yield
    except DBAPIError as error:
        cause = error.orig if isinstance(error.orig, Exception) else error
        raise StoreError(f"{name}: {explain(cause)}") from error
    except (SQLAlchemyError, sqlite3.Error, ValidationError) as error:  # the last is of values that we wrote ourselves
        raise StoreError(f"{name}: {explain(error)}") from error
    except OSError as error:
        raise StoreError(f"{name}: {error.strerror or error}; mend that, or name another `store`") from error


def meaning(message: str, meanings: Sequence[tuple[str, str]]) -> str:
    """What a message means, by the first pattern that is found in it; else the message."""
    for pattern, words in meanings:
        if re.search(pattern, message, re.IGNORECASE):
            return words
    return message
