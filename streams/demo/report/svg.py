"""Drawing: SVG elements as text, scales and axes. No library: a chart is a string, the same for the same figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

WIDTH = 960
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def figure(height: float, *parts: str, label: str, width: float = WIDTH) -> str:
    """Put the parts into one SVG, as wide as its column; `label` is read out by screen readers."""
    inner = "".join(parts)
    return (
        f'<svg viewBox="0 0 {number(width)} {number(height)}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
    )


def rect(x: float, y: float, width: float, height: float, *, css: str = "", fill: str = "", title: str = "") -> str:
    """Draw a rectangle; `title` is what the mouse shows over it."""
    paint = f' fill="{fill}"' if fill else ""
    kind = f' class="{css}"' if css else ""
    size = f'x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" height="{number(max(height, 0))}"'
    return f"<rect {size}{kind}{paint}>{_title(title)}</rect>" if title else f"<rect {size}{kind}{paint}/>"


def text(x: float, y: float, content: str, *, css: str = "", anchor: str = "start") -> str:
    """Write a line of text whose baseline begins, ends or centres (`anchor`) at the point."""
    kind = f' class="{css}"' if css else ""
    return f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"{kind}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, css: str) -> str:
    """Draw a straight line."""
    points = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line {points} class="{css}"/>'


@dataclass(frozen=True, slots=True)
class Plot:
    """Where the values of a chart lie: pixels of its left edge and of value 0, and pixels per unit."""

    left: float
    y0: float
    scale: float

    def point(self, x: float, value: float) -> str:
        """Give the coordinates of a value at `x` pixels from the left edge."""
        return f"{number(self.left + x)},{number(self.y0 - value * self.scale)}"


def steps(values: Sequence[float], bases: Sequence[float], width: float, plot: Plot) -> str:
    """Outline an area of steps, one per value, each `width` wide, standing on `bases`."""
    top, bottom = [], []
    for index, (value, base) in enumerate(zip(values, bases, strict=True)):
        left, right = index * width, (index + 1) * width
        top += [plot.point(left, base + value), plot.point(right, base + value)]
        bottom += [plot.point(left, base), plot.point(right, base)]
    return "M" + " L".join(top + bottom[::-1]) + "Z"


def path(outline: str, *, fill: str = "", stroke: str = "", css: str = "") -> str:
    """Fill an outline, or draw along it."""
    paint = (f' fill="{fill}"' if fill else "") + (f' stroke="{stroke}"' if stroke else "")
    kind = f' class="{css}"' if css else ""
    return f'<path d="{outline}"{paint}{kind}/>'


def ticks(greatest: float, about: int = 4) -> list[float]:
    """Choose round values from 0 up to at least `greatest`."""
    if greatest <= 0:
        return [0.0, 1.0]
    raw = greatest / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw)
    return [index * step for index in range(math.ceil(greatest / step - 1e-9) + 1)]


def value_axis(values: Sequence[float], left: float, right: float, y0: float, scale: float) -> str:
    """Draw horizontal grid lines with their values at the left."""
    parts = []
    for value in values:
        y = y0 - value * scale
        parts.append(line(left, y, right, y, css="axis" if value == 0 else "grid"))
        parts.append(text(left - 8, y + 4, compact(value), css="tick", anchor="end"))
    return "".join(parts)


def month_axis(first: date, days: int, left: float, per_day: float, y: float) -> str:
    """Name the months beneath a chart of days, the year at its first month."""
    parts = []
    for offset in range(days):
        day = first + timedelta(days=offset)
        if day.day != 1 and offset != 0:
            continue
        x = left + offset * per_day
        parts.append(line(x, y, x, y + 4, css="axis"))
        name = _MONTHS[day.month - 1]
        parts.append(text(x + 2, y + 16, name, css="tick"))
        if day.month == 1 or offset == 0:
            parts.append(text(x + 2, y + 30, str(day.year), css="tick strong"))
    return "".join(parts)


def number(value: float) -> str:
    """Print a coordinate shortly."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def compact(value: float) -> str:
    """Print a quantity on an axis: 1200 as 1.2k."""
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.1f}".rstrip("0").rstrip(".") + suffix
    return number(value)


def whole(value: float) -> str:
    """Print a count with separated thousands."""
    return f"{value:,.0f}"


def _title(content: str) -> str:
    return f"<title>{escape(content)}</title>"
