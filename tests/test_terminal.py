"""What people see on a terminal."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.terminal import Bar, printable


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class GoneTerminal(Terminal):
    """A terminal whose window was closed."""

    def write(self, text: str, /) -> int:
        raise OSError(5, "Input/output error")


def test_nothing_is_drawn_where_nobody_looks() -> None:
    """Logs and pipes get plain lines alone."""
    stream = io.StringIO()
    bar = Bar(stream)
    bar("voa", 1, 2)
    bar("voa", 2, 2)
    bar.close()
    assert stream.getvalue() == ""


def test_a_closed_stream_is_no_terminal() -> None:
    """With standard error closed, there is no stream at all."""
    bar = Bar(None)
    bar("voa", 2, 2)
    bar.close()


def test_the_bar_is_drawn_over_itself_and_wiped_away() -> None:
    """What is left on the line when work is done is nothing."""
    stream = Terminal()
    bar = Bar(stream)
    bar("voa", 1000, 2000)
    bar("voa", 2000, 2000)
    bar.close()
    assert stream.getvalue() == (
        f"\r\x1b[Kvoa {'#' * 12}{'.' * 12} 1,000 of 2,000\r\x1b[Kvoa {'#' * 24} 2,000 of 2,000\r\x1b[K"
    )


def test_the_bar_is_not_drawn_more_often_than_the_eye_sees() -> None:
    """Drawing must not cost more than the work."""
    stream = Terminal()
    bar = Bar(stream)
    for done in range(1, 1000):
        bar("voa", done, 1000)
    assert stream.getvalue().count("\r") < 100


def test_a_bar_that_was_never_drawn_wipes_nothing() -> None:
    """Nor does a source without files divide by zero."""
    stream = Terminal()
    Bar(stream).close()
    assert stream.getvalue() == ""
    Bar(stream)("voa", 0, 0)
    assert stream.getvalue() == f"\r\x1b[Kvoa {'.' * 24} 0 of 0"


def test_a_terminal_that_has_gone_harms_no_work() -> None:
    """The articles are more important than the bar."""
    bar = Bar(GoneTerminal())
    bar("voa", 1, 1)
    bar.close()


def test_the_name_in_the_bar_cannot_move_the_cursor() -> None:
    """It comes from the settings, yet it is foreign text."""
    stream = Terminal()
    Bar(stream)("\x1b[2J" + "x" * 100, 1, 1)
    assert stream.getvalue().startswith("\r\x1b[K�[2Jxxx")
    assert len(stream.getvalue()) < 100


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
