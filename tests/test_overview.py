"""How all stands, at a glance."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from feedbridge.inspection import FeedStatus, SiteStatus, SourceStatus, Status
from feedbridge.overview import overview, told
from feedbridge.store.polls import Poll, SourceSummary

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

FINE = SourceStatus(
    summary=SourceSummary(
        name="harbour",
        articles=1200,
        new_in_a_day=3,
        newest=NOW - 2 * HOUR,
        last_success=NOW - HOUR / 20,
        next_poll_at=NOW + HOUR / 4,
    ),
    ailing=False,
    silent=False,
)
FAILED = Poll(started_at=NOW - HOUR / 60, finished_at=NOW, error="404 Not Found; mend `url`")


def source(name: str, *, ailing: bool = False, silent: bool = False, **told: object) -> SourceStatus:
    return SourceStatus(
        summary=replace(FINE.summary, name=name, **told),  # type: ignore[arg-type]
        ailing=ailing,
        silent=silent,
    )


def feed(name: str, title: str) -> FeedStatus:
    address = f"http://127.0.0.1:8000/feeds/{name}.atom"
    return FeedStatus(name=name, title=title, entries=50, newest=NOW - 26 * HOUR, address=address)


def lines(*sources: SourceStatus, feeds: tuple[FeedStatus, ...] = (), width: int = 80) -> list[str]:
    return overview(Status(sources=sources, feeds=feeds), now=NOW, width=width, coloured=False).splitlines()


def test_the_tables() -> None:
    """Where all is well, there is nothing else."""
    found = lines(FINE, source("news", articles=5, next_poll_at=None), feeds=(feed("harbour", "Harbour notes"),))
    assert found == [
        "SOURCE   STATE  ARTICLES  IN 24 H  NEWEST   READ       NEXT",
        "harbour  fine      1,200        3  2 h ago  3 min ago  in 15 min",
        "news     fine          5        3  2 h ago  3 min ago  -",
        "",
        "ENTRIES  NEWEST     FEED",
        "     50  1 day ago  Harbour notes",
        "                    http://127.0.0.1:8000/feeds/harbour.atom",
    ]


def test_what_is_in_trouble_stands_below_with_the_mend() -> None:
    """Each source with its own lines; a word in the table says that there is something."""
    site = SiteStatus(address="http://a.example/", asked_at="http://b.example/", moved_to="http://b.example/")
    unusable = tuple((f"{number}.md", "is empty") for number in range(5))
    found = lines(
        FINE,
        source("failing", last_error=FAILED, failures=2),
        source("failed", last_error=FAILED),
        source("mended", last_error=replace(FAILED, started_at=NOW - HOUR)),
        source("ailing", ailing=True, last_error=FAILED, failures=9),
        source("gone", gone_at=NOW - 30 * HOUR),
        source("silent", silent=True),
        SourceStatus(summary=SourceSummary(name="new"), ailing=False, silent=False),
        replace(FINE, site=site, summary=replace(FINE.summary, name="moved", unusable=unusable)),
    )
    assert [line.split()[1] for line in found[1:10]] == [
        "fine",
        "failing",
        "failing",
        "fine",
        "ailing",
        "gone",
        "silent",
        "not",
        "fine",
    ]
    assert found[10:] == [
        "",
        "failing",
        "  last error 1 min ago: 404 Not Found; mend `url`",
        "  failed 2 times on end; its last good feeds stay up",
        "",
        "failed",
        "  last error 1 min ago: 404 Not Found; mend `url`",
        "",
        "ailing",
        "  last error 1 min ago: 404 Not Found; mend `url`",
        "  failed 9 times on end, ailing; its last good feeds stay up",
        "",
        "gone",
        "  gone for good since 1 day ago, its site says; it is not asked any more",
        "",
        "silent",
        "  silent for longer than is its habit",
        "",
        "moved",
        "  has moved for good to http://b.example/",
        "  left out 0.md: is empty",
        "  left out 1.md: is empty",
        "  left out 2.md: is empty",
        "  … and 2 more (--json lists all)",
    ]


@pytest.mark.parametrize("width", [80, 100])
def test_the_tables_fit_however_wide_the_letters_are(width: int) -> None:
    """A Chinese letter takes two columns; names that are too long are folded, titles cut, addresses left whole."""
    names = ["x", "港口新闻", "很长的名字" * 10, "n" * 60]
    found = lines(
        *(source(name, articles=1_234_567) for name in names),
        feeds=tuple(feed(str(number), f"{name}\n") for number, name in enumerate(names)),
        width=width,
    )
    middle = found.index("")
    assert max(map(cell_len, found)) <= width
    column = found[0].index("STATE")
    for line in (line for line in found[:middle] if "fine" in line):
        assert cell_len(line.partition("fine")[0]) == column
    assert "".join(line[: width // 2].partition("  ")[0] for line in found[3:middle]).count("很长的名字") == 10
    assert any(line.endswith("…") for line in found[middle:])


def test_foreign_text_cannot_move_the_cursor_nor_is_it_markup() -> None:
    """Titles, names and errors come from others."""
    evil = "\x1b[2J[bold]x[/bold] :smile:"
    failed = replace(FAILED, error=evil)
    text = overview(
        Status(sources=(source(evil, last_error=failed, failures=1),), feeds=(feed("x", evil),)),
        now=NOW,
        width=200,
        coloured=False,
    )
    assert "\x1b" not in text
    assert text.count("�[2J[bold]x[/bold] :smile:") == 4


def test_colours_only_where_they_are_wanted() -> None:
    """The words are the same."""
    found = Status(sources=(FINE, source("bad", last_error=FAILED, failures=1)), feeds=(feed("x", "x" * 300),))
    plain = overview(found, now=NOW, width=80, coloured=False)
    coloured = overview(found, now=NOW, width=80, coloured=True)
    assert "\x1b[32mfine" in coloured
    assert "\x1b[31mfailing" in coloured
    for code in ("0", "1", "31", "32"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert [line.rstrip() for line in coloured.splitlines()] == plain.splitlines()


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (timedelta(), "just now"),
        (-timedelta(seconds=59), "just now"),
        (timedelta(seconds=1), "now"),
        (-timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "in 59 min"),
        (-timedelta(hours=23), "23 h ago"),
        (timedelta(hours=47), "in 1 day"),
        (-timedelta(days=6), "6 days ago"),
        (-timedelta(days=7), "2026-02-22"),
        (timedelta(days=30), "2026-03-31"),
    ],
)
def test_times_are_told_as_people_tell_them(apart: timedelta, words: str) -> None:
    """Near ones by how far they are away, far ones by the day."""
    assert told(NOW + apart, now=NOW) == words
