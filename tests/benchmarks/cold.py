"""A first build of a whole archive beside Hugo's feed of all posts: ours cleans them, and writes two formats."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks import gate, hugo
from tests.benchmarks.runner import Comparison, Figures, Row, Run, Stage
from tests.benchmarks.site import Site

ARTICLES = 5685


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    archive = stage.archive(ARTICLES)
    site, write_feed = Site(stage.folder / "site", archive.files), hugo.feed_of(archive, stage.folder)

    def ours() -> Figures:
        site.forget()
        ran = site.build()
        gate.check_all(site.public, archive.numbers)
        return {"ours": ran.seconds, "our memory": ran.megabytes}

    def theirs() -> Figures:
        ran = write_feed()
        return {"theirs": ran.seconds, "their memory": ran.megabytes}

    yield ours, theirs


COMPARISON = Comparison(
    name="cold",
    about=f"{ARTICLES:,} articles, cleaned, as Atom and RSS with archives, beside one Atom feed of all by Hugo",
    rows=(
        Row(name="time", ours="ours", theirs="theirs", goal=0.9),
        Row(name="memory", ours="our memory", theirs="their memory", goal=0.1, unit="MB"),
    ),
    prepare=_prepare,
)
