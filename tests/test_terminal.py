"""What people see on a terminal."""

import io
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from feedbridge.tally import Step
from feedbridge.terminal import Display, printable


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class FineTerminal(Terminal):
    """One that can show any letter."""

    encoding = "UTF-8"


class GoneTerminal(Terminal):
    """A terminal whose window was closed."""

    def write(self, text: str, /) -> int:
        raise OSError(5, "Input/output error")


LIVELY = {"TERM": "xterm"}
WIPED = "\r\x1b[J"


def drawn(*steps: Step, stream: io.StringIO | None = None) -> str:
    """What is drawn of these steps, which come at once."""
    stream = Terminal() if stream is None else stream
    display = Display(stream, LIVELY, patience=0)
    for step in steps:
        display(step)
    wait_for(lambda: stream.getvalue() != "")
    display.close()
    return stream.getvalue()


def wait_for(done: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not done() and time.monotonic() < ends:
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("stream", "environ"),
    [
        (io.StringIO(), LIVELY),
        (None, LIVELY),
        (Terminal(), {}),
        (Terminal(), {"TERM": "dumb"}),
        (Terminal(), LIVELY | {"NO_COLOR": "1"}),
        (Terminal(), LIVELY | {"CI": "true"}),
    ],
    ids=["pipe", "closed", "no-term", "dumb", "no-color", "ci"],
)
def test_nothing_is_drawn_where_nobody_looks(stream: io.StringIO | None, environ: dict[str, str]) -> None:
    """Nor where nothing is to move, or nothing can; no thread is started."""
    threads = threading.active_count()
    display = Display(stream, environ, patience=0)
    display(Step(unit="files", source="voa", done=1, of=2))
    assert threading.active_count() == threads
    display.close()
    assert stream is None or stream.getvalue() == ""


def test_short_work_draws_nothing() -> None:
    """What ends before one has looked would only flicker."""
    stream = Terminal()
    display = Display(stream, LIVELY, patience=60)
    display(Step(unit="files", source="voa", done=1, of=2))
    display.close()
    assert stream.getvalue() == ""


def test_the_lines_are_drawn_over_themselves_and_wiped_away() -> None:
    """What is left of them when work is done is nothing."""
    bar = "#" * 8 + "." * 8
    first = f"voa  {bar}  1,000 of 2,000 files, 980 new or changed"
    stream = Terminal()
    display = Display(stream, LIVELY, patience=0)
    display(Step(unit="files", source="voa", done=1000, of=2000, came=980))
    wait_for(lambda: stream.getvalue() == f"{WIPED}{first}")
    display(Step(unit="feeds", done=1, of=2, came=12))
    both = f"voa    {first[5:]}\nfeeds  {bar}  1 of 2 feeds, 12 files written"
    wait_for(lambda: both in stream.getvalue())
    display.close()
    assert stream.getvalue() == f"{WIPED}{first}{WIPED}{both}\r\x1b[1A\x1b[J"


def test_what_is_not_known_yet_is_said_in_words() -> None:
    """A folder that is looked through, and sites that have not answered."""
    text = drawn(
        Step(unit="files", source="voa"),
        Step(unit="sites", done=3, of=10, waiting=("blog", "lagoon")),
        Step(unit="pictures", done=0, of=4),
    )
    assert [line.partition(".  ")[2] for line in text.split("\n")] == [
        "looking what there is",
        "3 of 10 sites; waiting for blog, lagoon and 5 more",
        "0 of 4 pictures\r\x1b[2A\x1b[J",
    ]


def test_of_many_parts_the_last_are_shown() -> None:
    """So that they can be drawn over themselves on any terminal."""
    text = drawn(*(Step(unit="files", source=f"s{number}", done=1, of=1) for number in range(30)))
    assert [line.partition(" ")[0].rpartition("J")[2] for line in text.split("\n")] == [f"s{n}" for n in range(22, 30)]


def test_a_line_takes_one_line_however_wide_its_letters_are() -> None:
    """Else the next would be drawn over the wrong one; without a width of its own, a terminal has 80 columns."""
    waiting = ("港" * 60, "x" * 60)
    text = drawn(Step(unit="files", source="港" * 60, done=1, of=1), Step(unit="sites", of=2, waiting=waiting))
    lines = text.removeprefix(WIPED).removesuffix("\r\x1b[1A\x1b[J").split("\n")
    assert [cell_len(line) for line in lines][1] == 79
    assert all(cell_len(line) < 80 for line in lines)
    assert lines[0].startswith("港" * 10 + "  #")


def test_letters_that_the_terminal_can_show_make_a_finer_bar() -> None:
    """By the encoding of the stream."""
    assert "━" * 8 + "─" * 8 in drawn(Step(unit="feeds", done=1, of=2), stream=FineTerminal())


def test_the_same_is_not_drawn_again() -> None:
    """Nor is anything drawn more often than the eye sees."""
    stream = Terminal()
    display = Display(stream, LIVELY, patience=0)
    for done in range(10_000):
        display(Step(unit="files", source="voa", done=done, of=10_000))
    time.sleep(0.35)
    display.close()
    assert stream.getvalue().count("\r") <= 3 + 1


def test_a_terminal_that_has_gone_harms_no_work() -> None:
    """The articles are more important than the lines."""
    for stream in (GoneTerminal(), Terminal()):
        display = Display(stream, LIVELY, patience=0)
        display(Step(unit="files", source="voa", done=1, of=1))
        stream.close()
        time.sleep(0.05)
        display.close()


def test_the_names_in_the_lines_cannot_move_the_cursor() -> None:
    """They come from the settings, yet they are foreign text."""
    evil = "\x1b[2J\n\x1b]0;x\x07"
    text = drawn(Step(unit="files", source=evil, done=1, of=1), Step(unit="sites", of=1, waiting=(evil,)))
    assert text.count("\x1b") == 3
    assert text.count("�[2J") == 2
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("日韩强化　合作\u00a0👨\u200d👩", "日韩强化　合作\u00a0👨\u200d👩"),
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("\x1b]0;title\x07", "�]0;title�"),
        ("\x9b2J", "�2J"),
        ("a\nb\rc\td\be\x7f", "a�b�c�d�e�"),
        ("a\u2028b\u2029c\x85d", "a�b�c�d"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("\u2066x\u2069", "�x�"),
        ("\udcff", "�"),
    ],
)
def test_foreign_text_stays_on_its_line(text: str, shown: str) -> None:
    """Escape sequences lose their force, line ends and turns of direction too; letters of any script stay."""
    assert printable(text) == shown


def test_long_text_is_cut() -> None:
    """The sign at the end says that there is more."""
    assert printable("abcdef", 6) == "abcdef"
    assert printable("abcdefg", 6) == "abcde…"


@given(st.text(st.characters(), max_size=50))
def test_any_text_is_one_line_that_can_be_encoded(text: str) -> None:
    """Whatever comes, one line of it goes out, as long as before."""
    shown = printable(text)
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)
