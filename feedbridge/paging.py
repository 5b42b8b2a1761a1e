"""The pages of single entries: which are due, what is written, and what goes when nothing leads there any more."""

from collections.abc import Iterator, Sequence

from feedbridge.composing import Composer, entry_path
from feedbridge.errors import OutputError, PublishError
from feedbridge.printing import Printed, print_entry
from feedbridge.publish.outputs import Outlet
from feedbridge.store import feeds as rows
from feedbridge.store import pictures
from feedbridge.store.database import Store
from feedbridge.store.feeds import FeedRow, Output, Placed

_AT_ONCE = 100
"""So many are noted together: each note waits for the disk."""


class EntryPages:
    """The pages of a feed's entries."""

    def __init__(self, store: Store, folder: Outlet, feed: FeedRow, composer: Composer) -> None:
        self._store = store
        self._folder = folder
        self._feed = feed
        self._composer = composer
        self._known: dict[str, Output] = {}
        self._gone: dict[int, str | None] = {}

    def print(self) -> Iterator[Printed]:
        """Write what is due.

        Raises:
            OutputError: The folder takes nothing more.
        """
        with self._store.transaction() as connection:
            self._known = rows.written(connection, below=[entry_path(self._feed.name)])
            due = rows.due_pages(connection, self._feed)
            if lost := self._lost():
                entries = rows.entry_ids(connection, self._feed).items()
                due += [article for uid, article in entries if entry_path(self._feed.name, uid) in lost]
        for start in range(0, len(due), _AT_ONCE):
            some = due[start : start + _AT_ONCE]
            with self._store.transaction() as connection:
                places = rows.shown_among(connection, self._feed, some)
                ids = rows.ids_of(connection, some)
                stay = rows.holds(connection, self._feed, ids.values())
            shown = {place.article for place in places}
            self._gone |= {
                article: None if uid in stay else entry_path(self._feed.name, uid)
                for article, uid in ids.items()
                if article not in shown
            }
            yield from self._print(places)

    def remove(self) -> tuple[list[str], list[str]]:
        """Remove the pages of entries that are no more, where nobody but us wrote them.

        Returns:
            What is gone, and why something is not: that is tried again.
        """
        removed, errors, done = [], [], []
        for article, path in self._gone.items():
            try:
                if path in self._known and self._folder.remove(path, self._known[path].digest):
                    removed.append(path)
            except OutputError as error:
                errors.append(str(error))
                break
            except PublishError as error:
                errors.append(str(error))
            else:
                done.append(article)
        if done:
            with self._store.transaction() as connection:
                rows.forget_outputs(connection, [path for article in done if (path := self._gone[article])])
                rows.forget_documents(connection, [(self._feed.row, -article) for article in done])
        return removed, errors

    def _lost(self) -> set[str]:
        """The pages that do not stand as we wrote them, as far as can be told without reading them."""
        return self._known.keys() - self._folder.whole(self._known)

    def _print(self, places: Sequence[Placed]) -> Iterator[Printed]:
        done = []
        for place in places:
            with self._store.transaction() as connection:
                page = self._composer.page(connection, [place], None)
            printed = print_entry(self._folder, self._composer, page, entry_path(self._feed.name, place.uid))
            done.append((-place.article, printed, page.pictures))
            yield printed
        self._folder.sync()
        with self._store.transaction() as connection:
            rows.keep_outputs(connection, [output for _, printed, _ in done for output, _ in printed.outputs])
            rows.mark_clean(connection, [(self._feed.row, number) for number, printed, _ in done if not printed.errors])
            for number, _, wanted in done:
                if wanted:
                    pictures.show(connection, self._feed.row, number, wanted)
                pictures.show_only(connection, self._feed.row, number, wanted)
