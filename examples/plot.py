"""Two pictures of a series with marked points: one for a terminal, one as SVG.

Input: the values in order, the indices of the marked ones.  Output: text.  No drawing library
is needed for a line and some dots.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

BARS = "▁▂▃▄▅▆▇█"
WIDTH, PRICE_HEIGHT, SCORE_HEIGHT, LEFT, TOP, GAP = 960, 260, 160, 56, 40, 36


def sparkline(values: Sequence[float], marked: Sequence[int], width: int = 96) -> str:
    """Draw a series in two lines of text: its course, and below it the marked points.

    Args:
        values: the series.
        marked: indices into it.
        width: characters to a line.

    Returns:
        Two lines joined by a newline; each column of the first shows the last value that falls
        into it.
    """
    width = min(width, len(values))
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    columns = [values[(column + 1) * len(values) // width - 1] for column in range(width)]
    line = "".join(BARS[int((value - low) / span * (len(BARS) - 1))] for value in columns)
    marks = [" "] * width
    for index in marked:
        marks[index * width // len(values)] = "^"
    return line + "\n" + "".join(marks).rstrip()


def _panel(
    values: Sequence[float], marked: Sequence[int], top: int, height: int, label: str
) -> list[str]:
    """One curve with its axis labels and its marked points as SVG elements."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(index: int) -> float:
        return LEFT + index * (WIDTH - LEFT - 16) / max(len(values) - 1, 1)

    def y(value: float) -> float:
        return top + height - (value - low) / span * height

    points = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values))
    return [
        f'<text x="{LEFT}" y="{top - 8}">{escape(label)}</text>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{top + height}" text-anchor="end">{low:.4g}</text>',
        f'<polyline points="{points}" fill="none" stroke="#36648b" stroke-width="0.8"/>',
        *(
            f'<circle cx="{x(i):.1f}" cy="{y(values[i]):.1f}" r="3" fill="#c0392b"/>'
            for i in marked
        ),
    ]


def svg(
    title: str,
    series: tuple[str, Sequence[float]],
    scores: tuple[str, Sequence[float]],
    marked: Sequence[int],
    ends: tuple[str, str],
) -> str:
    """Draw a series above its scores, the marked points red in both.

    Args:
        title: the heading.
        series: label and values of the upper curve.
        scores: label and values of the lower curve, as many as above.
        marked: indices of the marked points.
        ends: labels under the first and the last point.

    Returns:
        The text of an SVG file.
    """
    lower = TOP + 20 + PRICE_HEIGHT + GAP
    bottom = lower + SCORE_HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 32}" '
            'font-family="sans-serif" font-size="12" fill="#333">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>',
            *_panel(series[1], marked, TOP + 20, PRICE_HEIGHT, series[0]),
            *_panel(scores[1], marked, lower, SCORE_HEIGHT, scores[0]),
            f'<text x="{LEFT}" y="{bottom + 20}">{escape(ends[0])}</text>',
            f'<text x="{WIDTH - 16}" y="{bottom + 20}" text-anchor="end">{escape(ends[1])}</text>',
            "</svg>",
            "",
        ]
    )
