"""What people see on a terminal: a progress bar where somebody looks, and foreign text that keeps its place."""

import contextlib
import io
import os
import sys
import time
import unicodedata
from typing import NoReturn, TextIO

from feedbridge.errors import FeedbridgeError

_REDRAW_SECONDS = 0.1
_WIDTH = 24

_MOVES_THE_CURSOR = {"Cc", "Cs", "Zl", "Zp"}
_TURNS_THE_LINE = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Bar:
    """Shows how far long work is: drawn over itself on a terminal, nothing elsewhere.

    That it cannot be drawn, because the terminal has gone, harms no work.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._looked_at = stream is not None and stream.isatty()
        self._drawn = 0.0

    def __call__(self, name: str, done: int, of: int) -> None:
        """Draw it: `done` parts of `of` of the source `name`."""
        now = time.monotonic()
        if self._looked_at and (done == of or now - self._drawn >= _REDRAW_SECONDS):
            self._drawn = now
            filled = _WIDTH * done // max(of, 1)
            bar = "#" * filled + "." * (_WIDTH - filled)
            self._draw(f"{printable(name, 30)} {bar} {done:,} of {of:,}")

    def close(self) -> None:
        """Wipe it away."""
        if self._drawn:
            self._draw("")

    def _draw(self, line: str) -> None:
        with contextlib.suppress(OSError):
            if self._stream is not None:
                self._stream.write(f"\r\x1b[K{line}")
                self._stream.flush()


def spell_out() -> None:
    """Let what the terminal's encoding lacks be spelled out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def put(text: str) -> None:
    """Print; that the reader has left changes nothing, and that there is no room is told.

    Raises:
        FeedbridgeError: Standard output cannot be written.
    """
    try:
        print(text, flush=True)  # noqa: T201  (there may be no standard output at all)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that no buffer fails again at the end
        if not isinstance(error, BrokenPipeError):
            raise FeedbridgeError(f"standard output: cannot be written ({error.strerror})") from error


def say_and_leave(text: str) -> NoReturn:
    """Print all that a command has to say."""
    spell_out()
    try:
        put(text)
    except FeedbridgeError as error:
        sys.exit(f"feedbridge: {error}")
    sys.exit(0)


def printable(text: str, limit: int = 500) -> str:
    """Foreign text on one line, which cannot move the cursor; at most `limit` characters."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join("�" if _is_unruly(letter) else letter for letter in shown)


def _is_unruly(letter: str) -> bool:
    """Whether a character does more than stand in its place; joiners and wide spaces do not."""
    return not letter.isprintable() and (
        unicodedata.category(letter) in _MOVES_THE_CURSOR or unicodedata.bidirectional(letter) in _TURNS_THE_LINE
    )
