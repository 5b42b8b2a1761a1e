"""Many files are prepared by processes of our own, one for each core; what hangs or crashes there costs one file.

with Crew(recipe) as crew:
    for batch in crew.prepare(batches):
        ...
"""

import contextlib
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from feedbridge import preparing
from feedbridge.children import OUT_OF_MEMORY, command, cores, environment, frame, receive
from feedbridge.preparing import Order, Prepared, Recipe

MOST_PROCESSES = 4
"""Each takes some 60 MiB."""

COMMAND = command("feedbridge.preparing")
"""What a process is started by."""

_MAX_FRAME = 64 * 2**20
_STARTING_SECONDS = 20.0
_GRACE_SECONDS = 5.0
_DYING_SECONDS = 1.0
_LOOK_SECONDS = 0.2
"""So often somebody looks whether a process has been at one file for too long."""

_BATCHES_EACH = 2
"""Batches that are under way for each process: one that it works on, and one that is done and waits to be kept."""


class Crew:
    """Processes that prepare the files of one source: started when first needed, ended with this context."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        count: int | None = None,
        deadline: timedelta = timedelta(seconds=30),
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Say what is to be done.

        Args:
            recipe: How the files are read.
            count: So many processes; left out, as many as there are cores, up to `MOST_PROCESSES`.
            deadline: For one file.
            command: Starts a process.
        """
        count = count or min(cores(), MOST_PROCESSES)
        self._hands = [_Hand(recipe, deadline.total_seconds(), command) for _ in range(count)]
        self._idle: SimpleQueue[_Hand] = SimpleQueue()
        for hand in self._hands:
            self._idle.put(hand)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="crew")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes, within a second; what they have not sent is lost."""
        for hand in self._hands:
            hand.dismiss()
        self._threads.shutdown(cancel_futures=True)
        for hand in self._hands:
            hand.bury()

    def prepare(
        self, batches: Iterable[Sequence[Order]], *, heed: Callable[[], None] = lambda: None
    ) -> Iterator[list[Prepared]]:
        """Prepare batches of files; what comes of them comes in their order.

        Args:
            batches: Taken as they are needed.
            heed: Called now and then while nothing comes; what it raises ends the work.
        """
        under_way: deque[Future[list[Prepared]]] = deque()
        for batch in batches:
            under_way.append(self._threads.submit(self._work, batch))
            if len(under_way) > _BATCHES_EACH * len(self._hands):
                yield self._next(under_way, heed)
        while under_way:
            yield self._next(under_way, heed)

    def _work(self, batch: Sequence[Order]) -> list[Prepared]:
        hand = self._idle.get()
        try:
            return hand.prepare(batch)
        finally:
            self._idle.put(hand)

    def _next(self, under_way: deque[Future[list[Prepared]]], heed: Callable[[], None]) -> list[Prepared]:
        waiting = under_way.popleft()
        while True:
            try:
                return waiting.result(_LOOK_SECONDS)
            except TimeoutError:
                heed()
                for hand in self._hands:
                    hand.end_if_stuck()


class _Lost(Exception):  # noqa: N818  (it becomes a verdict on a file)
    """A process was lost; says why."""


class _Dismissed(Exception):  # noqa: N818  (nobody waits for the work any more)
    """The crew has ended."""


class _Hand:
    """A place for a process, and the talk with it. One thread works with it; another may end it at any time."""

    def __init__(self, recipe: Recipe, seconds: float, command: Sequence[str]) -> None:
        self._recipe = recipe
        self._seconds = seconds
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._bound: float | None = None
        self._is_alone = False
        self._is_dismissed = False
        self._starting = threading.Lock()

    def prepare(self, batch: Sequence[Order]) -> list[Prepared]:
        """Prepare files. Where a process is lost over one, another tries once more; then the file is unusable.

        Raises:
            _Dismissed: The crew has ended.
        """
        done: list[Prepared] = []
        suspect = None
        while len(done) < len(batch):
            try:
                self._prepare(batch[len(done) :], done, again=suspect == len(done))
            except _Lost as lost:
                if suspect == len(done):
                    done.append(Prepared(unusable=str(lost)))
                suspect = len(done)
        return done

    def end_if_stuck(self) -> None:
        """Kill the process if its answer is overdue; what it is at is then lost."""
        if self._bound is not None and time.monotonic() > self._bound:
            self._kill()

    def dismiss(self) -> None:
        """Kill the process, and have no other."""
        with self._starting:
            self._is_dismissed = True
        self._kill()

    def bury(self) -> int | None:
        """Kill the process if it lives, and let go of all that is left of it; gives its exit code, None if unknown."""
        process, self._process, self._bound = self._process, None, None
        if process is None:
            return None
        for pipe in filter(None, (process.stdin, process.stdout)):
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_DYING_SECONDS)  # if it dies by itself, we want to know what of
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_DYING_SECONDS)
        return process.returncode

    def _kill(self) -> None:
        if process := self._process:
            process.kill()

    def _prepare(self, orders: Sequence[Order], done: list[Prepared], *, again: bool) -> None:
        """Add what comes of the files to what is done.

        Args:
            orders: The files.
            done: What is done.
            again: A process was lost over the first of them.

        Raises:
            _Lost: The process was lost over the file that is next.
            _Dismissed: The crew has ended.
        """
        process = self._process or self._start()
        if process is None:
            if again:
                raise _Lost("took its reader down, and no other can be started")
            done.append(preparing.prepare(self._recipe, orders[0]))
            return
        try:
            self._tell(process, preparing.written(orders))
            for _ in orders:
                done.append(preparing.read_answer(self._hear(process)))
        except ValidationError as error:
            self._kill()
            self.bury()
            raise _Lost("could not be read: the answer of its reader makes no sense") from error
        except (EOFError, OSError) as error:
            raise _Lost(self._cause_of_death()) from error

    def _start(self) -> "subprocess.Popen[bytes] | None":
        """A process that knows how the files are read; None if none can be had, and then none is tried again.

        Raises:
            _Dismissed: The crew has ended.
        """
        with self._starting:
            if self._is_dismissed:
                raise _Dismissed
            if self._is_alone:
                return None
            with contextlib.suppress(OSError):
                self._process = subprocess.Popen(  # noqa: S603  (the command is ours)
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment(),
                    start_new_session=True,  # what is typed at our terminal is not for it
                )
        try:
            if self._process:
                self._tell(self._process, preparing.opening(self._recipe, seconds=self._seconds), _STARTING_SECONDS)
                self._hear(self._process, _STARTING_SECONDS)
                return self._process
        except (EOFError, OSError):
            self.bury()
            if self._is_dismissed:
                raise _Dismissed from None
        self._is_alone = True
        return None

    def _tell(self, process: "subprocess.Popen[bytes]", content: bytes, seconds: float | None = None) -> None:
        assert process.stdin is not None
        self._bound = time.monotonic() + (seconds or self._seconds + _GRACE_SECONDS)
        process.stdin.write(frame(content))
        process.stdin.flush()

    def _hear(self, process: "subprocess.Popen[bytes]", seconds: float | None = None) -> bytes:
        assert process.stdout is not None
        self._bound = time.monotonic() + (seconds or self._seconds + _GRACE_SECONDS)
        content = receive(process.stdout, most=_MAX_FRAME)
        if content is None:
            raise EOFError
        self._bound = None
        return content

    def _cause_of_death(self) -> str:
        overdue = self._bound is not None and time.monotonic() > self._bound
        code = self.bury()
        if code == OUT_OF_MEMORY:
            return "needs more memory than a reader has"
        if code == -signal.SIGALRM or overdue:
            return f"could not be read within {self._seconds:g} s"
        if code is None:
            return "could not be read: its reader broke off"
        return f"took its reader down ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
