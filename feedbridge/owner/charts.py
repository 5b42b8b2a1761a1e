"""Small charts as SVG that stands in a page: bars, in colours that the style sheet knows by their class."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_STEP, _BAR, _UP, _DOWN = 10, 8, 48, 14


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar, and what stands below the line in its place: how much went wrong.

    Attributes:
        parts: What it is made of, from the line upwards: the class of a colour, and how much of it.
        below: How much hangs from the line.
        note: What is shown to who points at it.
    """

    parts: tuple[tuple[str, float], ...] = ()
    below: float = 0
    note: str = ""

    @property
    def height(self) -> float:
        """Of all parts above the line."""
        return sum(amount for _, amount in self.parts)


def chart(bars: Sequence[Bar], *, label: str) -> Markup:
    """Draw bars, each as high as its share of the highest; those below the line have a scale of their own.

    Args:
        bars: From left to right.
        label: What the chart says, for who cannot see it.
    """
    highest = max((bar.height for bar in bars), default=0) or 1
    deepest = max((bar.below for bar in bars), default=0)
    depth = _DOWN if deepest else 0
    drawn = Markup("").join(
        _drawn(bar, number * _STEP, highest=highest, deepest=deepest) for number, bar in enumerate(bars)
    )
    width = max(1, len(bars)) * _STEP
    return Markup(
        '<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">{}'
        '<rect class="line" x="0" y="{}" width="{}" height="1"/></svg>'
    ).format(label, width, _UP + 1 + depth, drawn, _UP, width)


def _drawn(bar: Bar, x: int, *, highest: float, deepest: float) -> Markup:
    shapes = []
    top = float(_UP)
    for kind, amount in bar.parts:
        if amount:
            height = max(1.0, amount / highest * _UP)
            top -= height
            shapes.append(_rect(kind, x, top, height))
    if bar.below:
        shapes.append(_rect("bad", x, _UP + 1, max(3.0, bar.below / deepest * _DOWN)))
    if not shapes:
        return Markup("")
    title = Markup("<title>{}</title>").format(bar.note) if bar.note else Markup("")
    return Markup("<g>{}{}</g>").format(title, Markup("").join(shapes))


def _rect(kind: str, x: int, y: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        escape(kind), x, f"{max(0.0, y):.1f}", _BAR, f"{height:.1f}"
    )
