"""A build when there was one before, and nothing or one article has changed since: beside Hugo's newest 50."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks import gate, hugo
from tests.benchmarks.cold import ARTICLES
from tests.benchmarks.runner import Comparison, Figures, GateError, Row, Run, Stage
from tests.benchmarks.site import SHOWN, Change, Changing, Site


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    archive = stage.archive(ARTICLES)
    write_feed = hugo.feed_of(archive, stage.folder, newest=SHOWN)
    changing = Changing(archive, stage.folder)
    site = Site(stage.folder / "site", changing.files)
    site.build()

    def nothing() -> Figures:
        before = site.stamps()
        ran = site.build()
        if site.stamps() != before:
            raise GateError("files were written, though nothing had changed")
        return {"nothing": ran.seconds}

    def changed(name: str, change: Callable[[], Change]) -> Figures:
        before, done = site.stamps(), change()
        ran = site.build()
        done.check(site, before)
        gate.check_all(site.public, changing.numbers)
        return {name: ran.seconds}

    yield (
        nothing,
        lambda: changed("new", changing.add),
        lambda: changed("edited", changing.edit),
        lambda: {"theirs": write_feed().seconds},
    )


COMPARISON = Comparison(
    name="again",
    about=f"a build of {ARTICLES:,} known articles, beside a feed of the newest {SHOWN} by Hugo",
    rows=(
        Row(name="nothing changed", ours="nothing", theirs="theirs", goal=0.35),
        Row(name="one new", ours="new", theirs="theirs", goal=0.4),
        Row(name="one edited", ours="edited", theirs="theirs", goal=0.4),
    ),
    prepare=_prepare,
)
