"""Two kinds of plots as SVG text: bars, and lines over a logarithmic axis. No library is needed for these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["bars", "lines"]

_COLOURS = ("#0b6e4f", "#c0562f", "#3b6ea8", "#8a6bb8", "#b08a1e", "#6b7280", "#a33b5e", "#2f8f9d")
_FONT = 'font-family="sans-serif" font-size="12"'
_WIDTH = 760


def bars(title: str, values: Sequence[tuple[str, float]], unit: str, own: str = "cenote") -> str:
    """Draw one bar per value, those whose name begins with `own` in a colour of their own."""
    left, step = 330, 22
    height, longest = 40 + step * len(values), max((value for _, value in values), default=1.0) or 1.0
    parts = [_text(10, 20, f"{title} ({unit})", weight="bold")]
    for place, (name, value) in enumerate(values):
        top = 34 + place * step
        width = (_WIDTH - left - 80) * value / longest
        colour = _COLOURS[0] if name.startswith(own) else _COLOURS[5]
        parts.append(_text(left - 8, top + 13, name, anchor="end"))
        parts.append(f'<rect x="{left}" y="{top}" width="{width:.1f}" height="16" fill="{colour}"/>')
        parts.append(_text(left + width + 6, top + 13, f"{value:,.3g}" if value < 100 else f"{value:,.0f}"))
    return _svg(height, parts)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Draw one line per series of (x, y), x on a logarithmic axis, y from 0."""
    left, top, right, bottom = 80, 40, _WIDTH - 230, 320
    points = [point for line in series.values() for point in line]
    lowest, highest = min(x for x, _ in points), max(x for x, _ in points)
    largest = max(y for _, y in points) or 1.0
    span = math.log(highest / lowest) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * math.log(x / lowest) / span, bottom - (bottom - top) * y / largest

    parts = [_text(10, 20, title, weight="bold"), _text((left + right) / 2, bottom + 36, across, anchor="middle")]
    parts.append(_text(10, top - 4, up))
    for x in sorted({x for x, _ in points}):
        at, _ = place(x, 0)
        parts.append(_text(at, bottom + 18, f"{x:,.0f}", anchor="middle"))
    for share in (0, 0.25, 0.5, 0.75, 1):
        _, at = place(lowest, largest * share)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(_text(left - 8, at + 4, f"{largest * share:,.0f}", anchor="end"))
    for index, (name, line) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(right + 14, top + 12 + 20 * index, name, colour=colour))
    return _svg(bottom + 50, parts)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}" {_FONT}>'
        f"{escape(text)}</text>"
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])
