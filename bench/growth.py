"""The growth curve: speed against an all but empty ledger, as the ledger grows; drawn as SVG.

Pure: no database, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 48, 44
# Told apart by dash as well as by color, on light and on dark pages.
LINES = (
    ("posting a purchase", "posting", 0.75, "#2563eb", ""),
    ("a page of the statement", "statement", 0.35, "#c2410c", "6 3"),
)
GRID = "#6b7280"


@dataclass(frozen=True, slots=True)
class Point:
    """How fast a ledger of so many entries is, 1.0 being as fast as an empty one."""

    entries: int
    posting: float
    statement: float


def svg(points: Sequence[Point], caption: str) -> str:
    """Return the curve as an SVG document with its own title; ``points`` are in growing order.

    :raises ValueError: there are fewer than two points.
    """
    if len(points) < 2:
        raise ValueError("a curve needs two points")
    top = max(1.0, *(max(point.posting, point.statement) for point in points))
    x_max = points[-1].entries
    body = [_frame(top, x_max)]
    for place, (label, name, goal, color, dash) in enumerate(LINES):
        values = [(point.entries, float(getattr(point, name))) for point in points]
        body.append(_curve(values, (x_max, top), color, dash))
        body.append(_goal(goal, top, color))
        body.append(_legend(place, label, color, dash))
    title = f"<title>{escape(caption)}</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' font-family="sans-serif" font-size="12">{title}\n' + "\n".join(body) + "\n</svg>\n"
    )


def table(points: Sequence[Point]) -> str:
    """Return the points as the rows of a Markdown table."""
    lines = ["| entries | posting | a page of the statement |", "|---|---|---|"]
    lines += [
        f"| {point.entries:,} | {point.posting:.2f} x | {point.statement:.2f} x |"
        for point in points
    ]
    return "\n".join(lines)


def _x(entries: int, x_max: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * entries / x_max, 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top, 1)


def _curve(
    values: Sequence[tuple[int, float]], extent: tuple[int, float], color: str, dash: str
) -> str:
    x_max, top = extent
    places = " ".join(f"{_x(entries, x_max)},{_y(value, top)}" for entries, value in values)
    return (
        f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"'
        f' stroke-dasharray="{dash}"/>'
    )


def _goal(goal: float, top: float, color: str) -> str:
    height = _y(goal, top)
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height}" y2="{height}" stroke="{color}"'
        ' stroke-width="1" stroke-dasharray="1 4"/>'
        f'<text x="{WIDTH - RIGHT}" y="{height - 4}" text-anchor="end" fill="{color}">'
        f"goal {goal:.2f} x</text>"
    )


def _legend(place: int, label: str, color: str, dash: str) -> str:
    left = LEFT + 200 * place
    return (
        f'<line x1="{left}" x2="{left + 24}" y1="20" y2="20" stroke="{color}" stroke-width="2"'
        f' stroke-dasharray="{dash}"/><text x="{left + 30}" y="24" fill="{color}">'
        f"{escape(label)}</text>"
    )


def _frame(top: float, x_max: int) -> str:
    parts = []
    for step in range(5):
        value, entries = top * step / 4, x_max * step // 4
        height, left = _y(value, top), _x(entries, x_max)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height}" y2="{height}"'
            f' stroke="{GRID}" stroke-opacity="0.3"/>'
            f'<text x="{LEFT - 8}" y="{height + 4}" text-anchor="end" fill="{GRID}">'
            f"{value:.2f} x</text>"
            f'<text x="{left}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="{GRID}">'
            f"{_count(entries)}</text>"
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle"'
        f' fill="{GRID}">entries in the ledger</text>'
    )
    return "".join(parts)


def _count(entries: int) -> str:
    if entries >= 1_000_000:
        return f"{entries / 1_000_000:g} M"
    return f"{entries / 1_000:g} k" if entries >= 1_000 else str(entries)
