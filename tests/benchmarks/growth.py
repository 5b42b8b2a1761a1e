"""First builds of small and large archives: what an article costs must not grow with their number."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks import gate
from tests.benchmarks.runner import Comparison, Figures, Row, Run, Stage
from tests.benchmarks.site import Site

SIZES = {"few": (500, 40), "more": (5685, 64), "many": (5000, 48), "most": (50_000, 72)}
"""The whole ones and the small ones; the first two are compared, and the last two."""

ALLOWED_MEGABYTES = 400


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    yield [partial(_build, stage, name, *sizes) for name, sizes in SIZES.items()]


def _build(stage: Stage, name: str, whole: int, small: int) -> Figures:
    archive = stage.archive(whole, small=small)
    site = Site(stage.folder / name, archive.files)
    ran = site.build()
    gate.check_all(site.public, archive.numbers)
    site.forget()
    return {
        name: 1000 * ran.seconds / archive.count,
        f"{name} memory": ran.megabytes,
        "allowed memory": ALLOWED_MEGABYTES,
    }


COMPARISON = Comparison(
    name="growth",
    about="what an article costs, and the memory of all, in archives of 5,685 by 500 and of 50,000 by 5,000",
    rows=(
        Row(name="5,685 by 500, time each", ours="more", theirs="few", goal=1.2, unit="ms"),
        Row(name="5,685 by 500, memory", ours="more memory", theirs="few memory", goal=1.5, unit="MB"),
        Row(name="50,000 by 5,000, time each", ours="most", theirs="many", goal=1.2, unit="ms"),
        Row(name="50,000 by 5,000, memory", ours="most memory", theirs="many memory", goal=1.5, unit="MB"),
        Row(name="50,000 by 400 MB, memory", ours="most memory", theirs="allowed memory", goal=1.0, unit="MB"),
    ),
    prepare=_prepare,
    warm_up=False,
)
