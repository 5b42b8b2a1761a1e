"""What people see on a terminal: progress where somebody looks, and foreign text that keeps its place."""

import contextlib
import io
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TextIO

from feedbridge.errors import FeedbridgeError

if TYPE_CHECKING:
    from feedbridge.tally import Step

_PATIENCE = 0.4
_REDRAW_SECONDS = 0.1
_ROWS = 8
_BAR_WIDTH = 16
_NAME_WIDTH = 20
_COLUMNS = 80

_MOVES_THE_CURSOR = {"Cc", "Cs", "Zl", "Zp"}
_TURNS_THE_LINE = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Display:
    """Shows how far long work is: a few lines, drawn over themselves on a terminal; nothing elsewhere.

    A thread draws, so that the work need not; and not before the work has lasted a while. That it cannot be drawn,
    because the terminal has gone, harms no work.

    Args:
        stream: Where it is drawn, if somebody looks there.
        environ: The environment, which may say that nothing is to move.
        patience: Seconds until it is drawn first.
    """

    def __init__(self, stream: TextIO | None, environ: Mapping[str, str], *, patience: float = _PATIENCE) -> None:
        import threading  # here, for most commands show nothing

        self._stream = stream
        self._steps: dict[tuple[str, str | None], Step] = {}
        self._rows = 0
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, args=(patience,), daemon=True)
        if is_lively(stream, environ):
            self._painter.start()

    def __call__(self, step: "Step") -> None:
        """Show this step, in the place of the last one of that part."""
        self._steps[step.unit, step.source] = step

    def close(self) -> None:
        """Wipe it away."""
        self._over.set()
        if self._painter.is_alive():
            self._painter.join()

    def _paint(self, patience: float) -> None:
        shown: list[Step] = []
        pause = patience
        while not self._over.wait(pause):
            pause = _REDRAW_SECONDS
            steps = list(self._steps.values())[-_ROWS:]
            if steps != shown:
                shown = steps
                self._draw(steps)
        if self._rows:
            self._draw([])

    def _draw(self, steps: "Sequence[Step]") -> None:
        assert self._stream is not None
        up = f"\x1b[{self._rows - 1}A" if self._rows > 1 else ""
        self._rows = len(steps)
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            self._stream.write(f"\r{up}\x1b[J" + "\n".join(self._lines(steps)))
            self._stream.flush()

    def _lines(self, steps: "Sequence[Step]") -> Iterator[str]:
        from rich.cells import cell_len, set_cell_size  # here, for most commands show nothing

        names = [printable(step.source or step.unit) for step in steps]
        width = min(max(map(cell_len, names), default=0), _NAME_WIDTH)
        room = columns(self._stream) - 1
        signs = "━─" if (getattr(self._stream, "encoding", None) or "").lower().startswith("utf") else "#."
        for name, step in zip(names, steps, strict=True):
            filled = _BAR_WIDTH * step.done // max(step.of, step.done, 1)
            bar = signs[0] * filled + signs[1] * (_BAR_WIDTH - filled)
            line = f"{set_cell_size(name, width)}  {bar}  {_words(step)}"
            yield line if cell_len(line) <= room else set_cell_size(line, room)


def _words(step: "Step") -> str:
    """What a step says in words."""
    unit = step.unit.removesuffix("s") if step.of == 1 else step.unit
    told = f"{step.done:,} of {step.of:,} {unit}" if step.of else "looking what there is"
    if step.came and step.unit != "feeds":
        told += f", {step.came:,} new or changed"
    elif step.came:
        told += f", {step.came:,} files written"
    if step.waiting:
        more = step.of - step.done - len(step.waiting)
        told += f"; waiting for {', '.join(map(printable, step.waiting))}" + (f" and {more:,} more" if more > 0 else "")
    return told


def is_lively(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether somebody looks at it who can be shown colours, and things that move."""
    if stream is None or not stream.isatty():
        return False
    return environ.get("TERM", "dumb") != "dumb" and not (environ.get("NO_COLOR") or environ.get("CI"))


def columns(stream: TextIO | None) -> int:
    """How wide a terminal is; 80 for what is none, or does not tell."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns if stream else 0) or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


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
