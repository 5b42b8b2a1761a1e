"""The ratios as a picture: bars on a scale of powers of ten, readable on light and dark pages."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from tests.benchmarks.runner import Result, Row

WIDTH, LEFT, RIGHT, TOP, ROW, HEAD = 860, 300, 70, 44, 20, 26
LOWEST, HIGHEST = 0.01, 10.0

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 } .quiet { fill: #59636e } .grid { stroke: #d1d9e0 } .even { stroke: #59636e }
.met { fill: #1a7f64 } .missed { fill: #c2571a } .range { stroke: #1f2328 } .goal { stroke: #1f2328; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .quiet { fill: #9198a1 } .grid { stroke: #3d444d } .even { stroke: #9198a1 }
  .met { fill: #3fb68b } .missed { fill: #e0823d } .range, .goal { stroke: #f0f6fc }
}
"""


def ratios(results: Sequence[Result]) -> str:
    """An SVG document: for each ratio a bar up to its median, a line from the least to the most, a mark at its goal."""
    lines = list(_lines(results))
    height = TOP + sum(ROW if row else HEAD for _, row in lines) + 30
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            "<title>Ours by theirs: median, least and most, and the goal</title>",
            f"<style>{_STYLE}</style>",
            *_scale(height),
            *_rows(lines),
            "</svg>\n",
        ]
    )


def _lines(results: Sequence[Result]) -> Iterator[tuple[Result, Row | None]]:
    """A heading for each comparison that was run, and its rows."""
    for result in results:
        if result.rounds:
            yield result, None
            yield from ((result, row) for row in result.comparison.rows)


def _scale(height: int) -> Iterator[str]:
    bottom = height - 26
    for value in (0.01, 0.1, 1.0, 10.0):
        x, kind = _x(value), "even" if value == 1 else "grid"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}"/>'
        yield f'<text class="quiet" x="{x}" y="{TOP - 14}" text-anchor="middle">{value:g}×</text>'
    yield f'<text class="quiet" x="0" y="{TOP - 14}">Ours by theirs; less is better, but for serving</text>'
    legend = "bar: median; thin line: least to most; thick mark: goal"
    yield f'<text class="quiet" x="{LEFT}" y="{height - 6}">{legend}</text>'


def _rows(lines: Sequence[tuple[Result, Row | None]]) -> Iterator[str]:
    y = TOP
    for result, row in lines:
        if row is None:
            y += HEAD
            about = f'<tspan class="quiet" dx="6">{escape(result.comparison.about)}</tspan>'
            yield f'<text x="0" y="{y - 6}"><tspan class="head">{escape(result.comparison.name)}</tspan>{about}</text>'
        else:
            yield from _bar(result, row, y)
            y += ROW


def _bar(result: Result, row: Row, y: int) -> Iterator[str]:
    median, found = result.median(row), result.ratios(row)
    left, end, goal, middle = _x(LOWEST), _x(median), _x(row.goal), y + ROW // 2
    kind = "met" if result.meets(row) else "missed"
    wish = f" (at least {row.goal:g})" if row.more_is_better else ""
    yield f'<text x="14" y="{middle + 4}">{escape(row.name)}{wish}</text>'
    yield f'<rect class="{kind}" x="{left}" y="{y + 4}" width="{end - left:.1f}" height="{ROW - 8}" rx="2"/>'
    yield f'<line class="range" x1="{_x(min(found))}" x2="{_x(max(found))}" y1="{middle}" y2="{middle}"/>'
    yield f'<line class="goal" x1="{goal}" x2="{goal}" y1="{y + 1}" y2="{y + ROW - 1}"/>'
    yield f'<text x="{WIDTH}" y="{middle + 4}" text-anchor="end">{median:.{2 if median >= 0.1 else 3}f}×</text>'


def _x(value: float) -> float:
    """Where a ratio stands; what lies beyond the scale stands at its end."""
    share = (math.log10(value) - math.log10(LOWEST)) / (math.log10(HIGHEST) - math.log10(LOWEST))
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), 1.0), 1)
