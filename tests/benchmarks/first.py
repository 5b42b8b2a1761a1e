"""How long until a first subscription document is there, though the whole archive is new: beside Hugo's newest 50."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks import gate, hugo, processes
from tests.benchmarks.cold import ARTICLES
from tests.benchmarks.runner import Comparison, Figures, Row, Run, Stage
from tests.benchmarks.site import SHOWN, Site


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    archive = stage.archive(ARTICLES)
    site = Site(stage.folder / "site", archive.files)
    write_feed = hugo.feed_of(archive, stage.folder, newest=SHOWN)

    def ours() -> Figures:
        site.forget()
        seconds, document = processes.run_until(site.command("build"), site.subscription)
        gate.check_newest(document, archive.numbers[:SHOWN])
        return {"ours": seconds}

    yield ours, lambda: {"theirs": write_feed().seconds}


COMPARISON = Comparison(
    name="first",
    about=f"the newest {SHOWN} of {ARTICLES:,} new articles are to be read, beside a feed of just these by Hugo",
    rows=(Row(name="time", ours="ours", theirs="theirs", goal=1.0),),
    prepare=_prepare,
)
