"""How all stands, at a glance: two tables, and what is in trouble."""

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from feedbridge.reports import state_of, trouble_lines, work_line
from feedbridge.terminal import printable

if TYPE_CHECKING:
    from feedbridge.inspection import FeedStatus, SourceStatus, Status

_SHOWN = 3
"""Lines of one kind that are shown of a source in trouble."""

_GAP = 2
_LEAST_WIDTH = 12
_NO_END = 10_000
"""Columns; a line that is longer than the terminal is for the terminal to fold."""

_DAYS = 7
_STYLES = {"fine": "green", "not yet": "yellow", "silent": "yellow", "failing": "red", "ailing": "red", "gone": "red"}


def overview(found: "Status", *, now: datetime, width: int, coloured: bool) -> str:
    """Sources and feeds as tables, with what is in trouble between; foreign text in it is printable.

    Args:
        found: How all stands.
        now: The time, from which other times are told; aware.
        width: Columns that the tables have; only names, titles and addresses that are too long for them go beyond.
        coloured: Whether it may hold the escape sequences of a terminal, for colours.
    """
    lines = io.StringIO()
    console = Console(
        file=lines,
        width=_NO_END,
        color_system="standard" if coloured else None,
        force_terminal=coloured,
        highlight=False,
    )
    console.print(_sources(found.sources, now=now, width=width))
    for one in found.sources:
        trouble = list(trouble_lines(one, shown=_SHOWN, when=lambda instant: told(instant, now=now)))
        if trouble:
            console.print()
            console.print(Text(printable(one.summary.name), "bold"))
            console.print(*(Text(printable(line, _NO_END)) for line in trouble), sep="\n", soft_wrap=True)
    if found.feeds:
        console.print()
        console.print(_feeds(found.feeds, now=now, width=width))
    if found.work:
        console.print()
        console.print(Text(work_line(found.work)))
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())


def told(instant: datetime, *, now: datetime) -> str:
    """A time as people say it: `3 min ago`, `in 2 h`; the local day where it is a week away and more."""
    apart = abs(now - instant)
    if apart >= timedelta(days=_DAYS):
        return f"{instant.astimezone():%Y-%m-%d}"
    if apart < timedelta(minutes=1):
        return "just now" if instant <= now else "now"
    for unit, length in (("day", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if count := apart // length:
            words = f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
            break
    return f"{words} ago" if instant < now else f"in {words}"


def _sources(sources: "Sequence[SourceStatus]", *, now: datetime, width: int) -> Table:
    heads = ["STATE", "ARTICLES", "IN 24 H", "NEWEST", "READ", "NEXT"]
    rows = [
        [
            state_of(one),
            f"{one.summary.articles:,}",
            f"{one.summary.new_in_a_day:,}",
            _told(one.summary.newest, now),
            _told(one.summary.last_success, now),
            _told(None if one.summary.gone_at else one.summary.next_poll_at, now),
        ]
        for one in sources
    ]
    names = [printable(one.summary.name) for one in sources]
    room = width - sum(_GAP + max(map(cell_len, column)) for column in zip(heads, *rows, strict=True))
    table = _table()
    table.add_column(_head("SOURCE"), max_width=max(room, _LEAST_WIDTH), overflow="fold")
    for head in heads:
        table.add_column(_head(head), justify="right" if head in {"ARTICLES", "IN 24 H"} else "left")
    for name, (state, *rest) in zip(names, rows, strict=True):
        table.add_row(Text(name), Text(state, _STYLES[state]), *rest)
    return table


def _feeds(feeds: "Sequence[FeedStatus]", *, now: datetime, width: int) -> Table:
    rows = [(f"{feed.entries:,}", _told(feed.newest, now)) for feed in feeds]
    heads = ("ENTRIES", "NEWEST")
    room = width - sum(_GAP + max(map(cell_len, column)) for column in zip(heads, *rows, strict=True))
    table = _table()
    table.add_column(_head(heads[0]), justify="right")
    table.add_column(_head(heads[1]))
    table.add_column(_head("FEED"))
    for feed, row in zip(feeds, rows, strict=True):
        title = Text(printable(feed.title), "bold")
        title.truncate(max(room, _LEAST_WIDTH), overflow="ellipsis")
        table.add_row(*row, Text("\n").join([title, Text(printable(feed.address, _NO_END))]))
    return table


def _table() -> Table:
    return Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="")


def _head(word: str) -> Text:
    return Text(word, "bold")


def _told(instant: datetime | None, now: datetime) -> str:
    return told(instant, now=now) if instant else "-"
