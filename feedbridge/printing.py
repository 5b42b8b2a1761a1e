"""Documents are written in their formats, checked, and put in place; many at once by processes of our own.

Such a process reads the store itself, so that little has to be said to it: the settings and, one after the other, which
document it is to print. What it answers is noted by whoever asked.
"""

import contextlib
import hashlib
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from feedbridge.children import collect_seldom, environment, receive, send, streams
from feedbridge.composing import PAGE, Composer, Copied, Facts, Page, document_path, forms_of, keys_of
from feedbridge.errors import FeedbridgeError, OutputError, PublishError
from feedbridge.feeds import slices
from feedbridge.model import Feed
from feedbridge.pictures.album import Album
from feedbridge.publish.opening import open_outlet
from feedbridge.publish.outputs import Outlet
from feedbridge.settings import FeedTable, Settings
from feedbridge.store.database import Store
from feedbridge.store.feeds import SUBSCRIPTION, FeedRow, Output

if TYPE_CHECKING:
    from feedbridge.feeds.rendering import Rendering

MOST_PROCESSES = 4
"""That print at once, the one that asks for it among them."""

_KEYS = ("AWS_", "AZURE_", "GOOGLE_")
"""Variables that say how a bucket is reached begin so."""

_PROGRAM = "from feedbridge.printing import main; main()"
"""Not `-m`, for what is pickled there must be known by the same name here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """What became of a document.

    Attributes:
        outputs: Its files, and whether their bytes are new.
        left_out: Entries that could not be written, as path, entry and reason.
        errors: Why a file stays as it stood.
    """

    outputs: tuple[tuple[Output, bool], ...] = ()
    left_out: tuple[tuple[str, str, str], ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An archive document to print; `last` is the number of the newest one."""

    table: FeedTable
    feed: FeedRow
    number: int
    last: int


def print_page(
    folder: Outlet,
    composer: Composer,
    forms: Iterable[str],
    feed: FeedRow,
    page: Page,
    number: int,
    *,
    last: int,
) -> Printed:
    """Print a document in these formats.

    Raises:
        OutputError: The folder takes nothing more.
    """
    printed = Printed()
    for form in forms:
        path = document_path(feed.name, number, form)
        one = print_feed(folder, path, composer, page, number, form, last=last)
        printed = Printed(
            outputs=printed.outputs + one.outputs,
            left_out=printed.left_out + one.left_out,
            errors=printed.errors + one.errors,
        )
    folder.sync()
    return printed


def print_feed(
    folder: Outlet, path: str, composer: Composer, page: Page, number: int, form: str, *, last: int
) -> Printed:
    """Print a document in one format; a bad entry is left out and named.

    Entries that are copied were checked when they were written first.

    Raises:
        OutputError: The folder takes nothing more.
    """
    from feedbridge.feeds import lint  # here, for a build that writes nothing needs none of it
    from feedbridge.feeds.rendering import MEDIA_TYPES

    feed, copied = composer.feed(page, number, form, last=last), dict[str, bytes]()
    if page.standing:
        cut = page.standing.cuts[form]
        copied = {entry.id: cut.entries[entry.id] for entry in page.entries if isinstance(entry, Copied)}
        feed = replace(feed, vocabularies=slices.vocabularies(cut, copied))
    render, left_out = _renderer(composer, number, form, last=last), dict[str, str]()
    while True:
        shown = tuple(entry for entry in feed.entries if entry.id not in left_out)
        try:
            made = render(replace(feed, entries=shown))
        except PublishError as error:
            return Printed(errors=(str(error),))
        left_out |= {one.entry_id: one.reason for one in made.left_out}
        problems = lint.lint(made.body, MEDIA_TYPES[form])
        bad = {problem.entry: problem.message for problem in problems if problem.entry}
        if not bad.keys() - left_out.keys():
            break
        left_out |= bad
    told = tuple((path, entry, reason) for entry, reason in left_out.items())
    if problems:
        return Printed(left_out=told, errors=(not_published(path, problems[0].message),))
    body = slices.splice(made.body, form, copied, [entry.id for entry in page.entries]) if copied else made.body
    if body is None:
        return Printed(left_out=told, errors=(not_published(path, "it does not look as we write it"),))
    return replace(put(folder, path, body), left_out=told)


def put(folder: Outlet, path: str, body: bytes) -> Printed:
    """Put a file in place.

    Raises:
        OutputError: The folder takes nothing more.
    """
    try:
        new = folder.put(path, body)
    except OutputError:
        raise
    except PublishError as error:
        return Printed(errors=(str(error),))
    output = Output(path=path, digest=hashlib.sha256(body).hexdigest(), size=len(body))
    return Printed(outputs=((output, new),))


def not_published(path: str, reason: str) -> str:
    """That a file stays as it stood."""
    return f"{path}: not published, for {reason}; what stands there stays"


def print_entry(folder: Outlet, composer: Composer, page: Page, entry_path: str) -> Printed:
    """Print the page of the one entry that a page shows.

    Raises:
        OutputError: The folder takes nothing more.
    """
    from feedbridge.feeds import lint
    from feedbridge.feeds.rendering import HTML
    from feedbridge.pages.entry import entry_page

    feed = composer.feed(page, SUBSCRIPTION, PAGE, last=SUBSCRIPTION)
    frame = replace(composer.frame(SUBSCRIPTION, last=SUBSCRIPTION), path=entry_path)
    try:
        body = entry_page(feed, frame)
    except PublishError as error:
        return Printed(errors=(str(error),))
    except ValueError as error:
        return Printed(left_out=((entry_path, page.entries[0].id, str(error)),))
    if problems := lint.lint(body, HTML):
        return Printed(left_out=((entry_path, page.entries[0].id, problems[0].message),))
    return put(folder, entry_path, body)


def _renderer(composer: Composer, number: int, form: str, *, last: int) -> "Callable[[Feed], Rendering]":
    """What writes a document in a format."""
    if form == PAGE:
        from feedbridge.pages.feed import feed_page

        return partial(feed_page, frame=composer.frame(number, last=last))
    if form == "json":
        from feedbridge.feeds.jsonfeed import json_feed

        return json_feed
    from feedbridge.feeds import syndication

    return {"atom": syndication.atom, "rss": syndication.rss}[form]


# Many at once


class Printers:
    """Processes that print archive documents: started when first needed, ended with this context."""

    def __init__(self, settings: Settings, facts: Facts, *, count: int) -> None:
        opening = pickle.dumps((settings, facts))
        known = environment(*(() if settings.site.output_folder else _KEYS))
        self._idle: SimpleQueue[_Printer] = SimpleQueue()
        self._printers = [_Printer(opening, known) for _ in range(count)]
        for printer in self._printers:
            self._idle.put(printer)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="printers")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        for printer in self._printers:
            printer.end()

    def print(
        self, jobs: Sequence[Job], *, beside: Callable[[Job], Printed] | None = None
    ) -> Iterator[tuple[Job, Printed | None]]:
        """Print documents, in any order; None where a process was lost over one, or failed: try it yourself.

        Args:
            jobs: The documents.
            beside: Prints one in this process, which has nothing better to do meanwhile, and needs no start.
        """
        waiting = deque((job, self._threads.submit(self._print, job)) for job in jobs)
        while waiting:
            job, result = waiting[-1]
            if beside and result.cancel():  # nobody is at it yet
                waiting.pop()
                yield job, beside(job)
            else:
                beside = None
            while waiting and (beside is None or waiting[0][1].done()):
                job, result = waiting.popleft()
                yield job, result.result()

    def _print(self, job: Job) -> Printed | None:
        printer = self._idle.get()
        try:
            return printer.print(job)
        finally:
            self._idle.put(printer)


class _Printer:
    """A process, and the talk with it."""

    def __init__(self, opening: bytes, known: dict[str, str]) -> None:
        self._opening = opening
        self._environment = known
        self._process: subprocess.Popen[bytes] | None = None

    def print(self, job: Job) -> Printed | None:
        try:
            process = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            send(process.stdin, pickle.dumps(job))
            answer = receive(process.stdout)
        except (EOFError, OSError):
            answer = None
        if answer is None:
            self.end()
            return None
        printed: Printed | None = pickle.loads(answer)  # noqa: S301  (the process is ours, and reads our store alone)
        return printed

    def end(self) -> None:
        """Let it finish; it has nothing more to do."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in filter(None, (process.stdin, process.stdout)):
            with contextlib.suppress(OSError):
                pipe.close()
        process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._process = subprocess.Popen(  # noqa: S603  (the command is ours)
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,  # what is typed at our terminal is not for it
        )
        assert self._process.stdin is not None
        send(self._process.stdin, self._opening)
        return self._process


def main() -> None:
    """Print what is asked for on standard input, until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asked, answers = streams()
    collect_seldom()
    with contextlib.suppress(EOFError, OSError):
        if opening := receive(asked):
            settings, facts = pickle.loads(opening)  # noqa: S301  (our parent alone speaks to us)
            _serve(settings, facts, asked, answers)


def _serve(settings: Settings, facts: Facts, asked: IO[bytes], answers: IO[bytes]) -> None:
    album = Album(base_url=settings.site.base_url, keys=keys_of(settings))
    folder = open_outlet(settings.site)
    with Store(settings.site.store, write=False) as store:
        while job := receive(asked):
            printed = _print_job(store, folder, settings, facts, album, pickle.loads(job))  # noqa: S301  (the same)
            send(answers, pickle.dumps(printed))


def _print_job(
    store: Store, folder: Outlet, settings: Settings, facts: Facts, album: Album, job: Job
) -> Printed | None:
    """Print an archive document; None where it cannot be, and somebody else is to find out why."""
    composer = Composer(settings, job.table, job.feed, facts, album)
    try:
        with store.transaction() as connection:
            page = composer.archive(connection, job.number)
        forms = forms_of(settings, job.table, job.number)
        return print_page(folder, composer, forms, job.feed, page, job.number, last=job.last)
    except FeedbridgeError:
        return None
