"""Processes of our own for work that may hang, crash or take the other core: what they may do, and how they speak.

They are new interpreters, never forks, so they share neither threads nor locks nor secrets with whoever started them.
What is said to them on standard input, and by them on standard output, comes in frames: four bytes of length, then so
many bytes.
"""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Iterator
from typing import IO, BinaryIO

OUT_OF_MEMORY = 12
"""The exit code of a process that has no memory left (ENOMEM)."""

LARGE_BYTES = 256 * 1024
"""Memory that is asked for in such pieces, or larger ones, is given back once it is free."""

_M_MMAP_THRESHOLD = -3
"""By this name `mallopt` knows that bound (malloc.h of the GNU C library)."""

_LENGTH = 4
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def command(module: str) -> tuple[str, ...]:
    """What such a process is started by; `-P`: nothing is imported from the folder that we happen to be in."""
    return (sys.executable, "-P", "-m", module)


def environment(*prefixes: str) -> dict[str, str]:
    """What such a process needs to find its modules, and nothing else of ours but what begins with these prefixes."""
    passed = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(prefixes)}
    return passed | ({"PYTHONDONTWRITEBYTECODE": "1"} if sys.dont_write_bytecode else {})


def confine(*, memory: int) -> None:
    """Bound what this process can use and do; whoever started it ends it, not the terminal or the service manager.

    Args:
        memory: Bytes of address space.
    """
    for which, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(which)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):  # not every system knows every limit
            resource.setrlimit(which, (bound, bound))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


def collect_seldom() -> None:
    """Let the garbage collector leave alone what is there for good, and look at the rest one time where it did seventy.

    For processes that work through much and end: nearly all of what they let go is free at once, being in no circle.
    Whole documents among it go back to the system, where the C library would keep their room for the next.
    """
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    with contextlib.suppress(OSError, AttributeError):  # not every system's C library has it
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def streams() -> tuple[BinaryIO, BinaryIO]:
    """Where this process is asked, and where it answers; what else is printed goes nowhere."""
    asked = open(0, "rb", closefd=False)  # noqa: SIM115  (it lives as long as the process)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return asked, answers


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """End the process when what is inside takes longer: the default action of SIGALRM, which nothing can hold up."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def frame(content: bytes) -> bytes:
    """The content with its length before it."""
    return len(content).to_bytes(_LENGTH) + content


def send(answers: IO[bytes], content: bytes) -> None:
    """Write a frame."""
    answers.write(frame(content))
    answers.flush()


def receive(asked: IO[bytes], *, most: int | None = None) -> bytes | None:
    """The next frame; None at the end of the input.

    Args:
        asked: Where it comes from.
        most: Bytes; a longer one is refused.

    Raises:
        EOFError: The input ends within the frame, or the frame is too long.
    """
    length = asked.read(_LENGTH)
    if not length:
        return None
    size = int.from_bytes(length)
    if len(length) < _LENGTH or (most is not None and size > most):
        raise EOFError
    content = asked.read(size)
    if len(content) < size:
        raise EOFError
    return content
