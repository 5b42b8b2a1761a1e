"""How a source is to be refreshed, and what a refresh did, whatever the kind of the source."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

Progress = Callable[[int, int], None]
"""Told how many files of how many are done, and now and then while nothing is; what it raises ends the refresh."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """How far a part of long work is.

    Attributes:
        unit: What it works through: `"files"` of a source, `"sites"`, `"pictures"`, `"feeds"`, or `"rows"` of a table.
        source: The name of the source or the table, where it is about one.
        done: So many are done.
        of: Of so many; 0 while that is not known.
        came: What came of them so far: new and changed articles, or, of feeds, files that were written.
        waiting: The first of the sources whose sites have not answered yet.
    """

    unit: str
    source: str | None = None
    done: int = 0
    of: int = 0
    came: int = 0
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstLook:
    """What is done when the newest articles of a large new folder are kept, long before the rest.

    Attributes:
        count: So many articles.
        done: Called then, once.
    """

    count: int
    done: Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """How a source is to be refreshed.

    Attributes:
        now: The time of the refresh; aware, UTC, whole seconds.
        reread: Read every file again, for the rules have changed.
        noticed: These files alone moved, as a watch has seen; None where all are to be looked at.
        accept: Take the folder as it is, even if most of its files are gone or most articles got new ids.
        leave_out: Our own output folder, which may lie in that of the articles.
        first_look: What is done early in the first refresh of a large folder.
    """

    now: datetime
    leave_out: Path | None = None
    noticed: frozenset[Path] | None = None
    first_look: FirstLook | None = None
    reread: bool = False
    accept: bool = False


@dataclass(kw_only=True, slots=True)
class Tally:
    """What a refresh did.

    Attributes:
        kind: The kind of the source.
        files: Files that the folder holds, or entries that the feed holds.
        read: Those that were read, being new or changed.
        is_whole: All that the source holds was looked at, and not only what was noticed.
        same: Articles that were told again as they were.
        unusable: Files or entries that hold no article, or could not be read, with the reason.
        error: Why the refresh failed, or None.
        note: Why there was nothing to read, or None.
        asked: Its site was asked; False where it wishes to be left alone.
        not_before: The site wishes not to be asked sooner, or None.
        gone: The site says that the source is gone for good.
    """

    source: str
    kind: str = "archive"
    files: int = 0
    read: int = 0
    new: int = 0
    changed: int = 0
    is_whole: bool = True
    same: int = 0
    unusable: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None
    note: str | None = None
    asked: bool = True
    not_before: datetime | None = None
    gone: bool = False
