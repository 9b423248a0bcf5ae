"""The report's charts: figures in, SVG out."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from streams.demo.report import style, svg

_LEFT, _RIGHT = 46, 6
_PLOT = svg.WIDTH - _LEFT - _RIGHT


def by_day(
    series: Mapping[str, Mapping[date, float]],
    span: tuple[date, date],
    colours: Mapping[str, str],
    *,
    label: str,
    height: int,
) -> str:
    """Stack one area per series over the days of `span`, ends included; pointing at a day tells its figures."""
    first, last = span
    days = (last - first).days + 1
    per_day = _PLOT / days
    rows = {name: [values.get(first + timedelta(days=n), 0) for n in range(days)] for name, values in series.items()}
    sums = [sum(values[n] for values in rows.values()) for n in range(days)]
    marks = svg.ticks(max(sums, default=0), 3)
    top, y0 = 10, height - 36
    scale = (y0 - top) / marks[-1]
    parts = [svg.value_axis(marks, _LEFT, svg.WIDTH - _RIGHT, y0, scale)]
    base = [0.0] * days
    for name, values in rows.items():
        parts.append(svg.path(svg.steps(values, base, per_day, svg.Plot(_LEFT, y0, scale)), fill=colours[name]))
        base = [low + value for low, value in zip(base, values, strict=True)]
    for n in range(days):
        told = [f"{name}: {svg.whole(values[n])}" for name, values in rows.items() if values[n]]
        if told:
            title = "\n".join([(first + timedelta(days=n)).strftime("%a %d %b %Y"), *told])
            parts.append(svg.rect(_LEFT + n * per_day, top, per_day, y0 - top, css="hover", title=title))
    parts.append(svg.month_axis(first, days, _LEFT, per_day, y0))
    return svg.figure(height, *parts, label=label)


def bars(rows: Sequence[tuple[str, float, str, str]], *, label: str, width: int = 460, name_width: int = 150) -> str:
    """Draw one horizontal bar per (name, value, what is written after it, colour)."""
    step, thick = 26, 14
    longest = max((value for _, value, _, _ in rows), default=0) or 1
    room = width - name_width - 96
    parts = []
    for index, (name, value, note, colour) in enumerate(rows):
        y = index * step + 4
        length = value / longest * room
        parts.append(svg.text(name_width - 10, y + thick - 2, name, css="soft", anchor="end"))
        parts.append(svg.rect(name_width, y, max(length, 1.5), thick, fill=colour))
        parts.append(svg.text(name_width + max(length, 1.5) + 8, y + thick - 2, note))
    return svg.figure(len(rows) * step + 4, *parts, label=label, width=width)


def funnel(steps: Sequence[tuple[str, float]], colour: str, *, label: str) -> str:
    """Draw the steps of one funnel as bars whose length is their share of the first."""
    width, step, thick, name_width = 460, 24, 18, 84
    first = steps[0][1] or 1
    room = width - name_width - 110
    parts = []
    for index, (name, value) in enumerate(steps):
        y = index * step + 2
        parts.append(svg.text(name_width - 10, y + 13, name, css="soft", anchor="end"))
        parts.append(svg.rect(name_width, y, room, thick, css="track"))
        parts.append(svg.rect(name_width, y, value / first * room, thick, fill=colour))
        share = "" if index == 0 else f"  {value / first:.1%}"
        parts.append(svg.text(name_width + room + 8, y + 13, svg.whole(value) + share))
    return svg.figure(len(steps) * step + 2, *parts, label=label, width=width)


def by_hour(
    series: Mapping[str, Mapping[int, float]],
    compared: Mapping[int, float],
    colours: Mapping[str, str],
    night: tuple[int, int],
    *,
    label: str,
) -> str:
    """Stack 24 bars; `compared` is drawn over them as an outline of the same area; the night hours are shaded."""
    width, height = 460, 230
    left, top, y0 = 40, 12, height - 26
    per_hour = (width - left - 4) / 24
    sums = [sum(values.get(hour, 0) for values in series.values()) for hour in range(24)]
    whole = sum(compared.values()) or 1
    outline = [compared.get(hour, 0) / whole * sum(sums) for hour in range(24)]
    marks = svg.ticks(max(*sums, *outline, 1), 3)
    scale = (y0 - top) / marks[-1]
    parts = [
        svg.rect(left, top, night[1] * per_hour, y0 - top, css="night"),
        svg.rect(left + night[0] * per_hour, top, (24 - night[0]) * per_hour, y0 - top, css="night"),
        svg.value_axis(marks, left, width - 4, y0, scale),
    ]
    base = [0.0] * 24
    for name, values in series.items():
        for hour in range(24):
            value = values.get(hour, 0)
            if value:
                y = y0 - (base[hour] + value) * scale
                told = f"{hour}:00, {name}: {svg.whole(value)}"
                x = left + hour * per_hour + 1
                parts.append(svg.rect(x, y, per_hour - 2, value * scale, fill=colours[name], title=told))
                base[hour] += value
    points = " L".join(
        f"{svg.number(left + (hour + side) * per_hour)},{svg.number(y0 - outline[hour] * scale)}"
        for hour in range(24)
        for side in (0, 1)
    )
    parts.append(svg.path(f"M{points}", css="outline"))
    parts += [
        svg.text(left + hour * per_hour, y0 + 16, f"{hour}:00", css="tick", anchor="middle") for hour in range(0, 25, 3)
    ]
    return svg.figure(height, *parts, label=label, width=width)


def quintiles(cells: Mapping[tuple[int, int], Mapping[str, Any]], *, label: str) -> str:
    """Draw recency by frequency, 5 by 5: how many members each cell holds, shaded by what they spent on average."""
    width, left, top, size, high = 460, 84, 8, 72, 52
    greatest = max((_spent_each(cell) for cell in cells.values()), default=1) or 1
    parts = []
    for row, r in enumerate(range(5, 0, -1)):
        y = top + row * high
        parts.append(
            svg.text(left - 10, y + high / 2 + 4, "recency 5" if row == 0 else str(r), css="soft", anchor="end")
        )
        for f in range(1, 6):
            x = left + (f - 1) * size
            cell = cells.get((r, f))
            if cell is None:
                parts.append(svg.rect(x + 1, y + 1, size - 2, high - 2, css="track"))
                continue
            spent = _spent_each(cell)
            share = spent / greatest
            told = (
                f"{cell['members']} members, {cell['receipts_each']:.0f} receipts and {spent:,.0f} dollars each, "
                f"last seen {cell['days_since']:.0f} days before the end"
            )
            parts.append(svg.rect(x + 1, y + 1, size - 2, high - 2, fill=style.blend(share), title=told))
            css = "strong light" if share > 0.45 else "strong"  # noqa: PLR2004
            parts.append(svg.text(x + size / 2, y + high / 2, svg.whole(cell["members"]), css=css, anchor="middle"))
            css = "light" if share > 0.45 else "soft"  # noqa: PLR2004
            parts.append(svg.text(x + size / 2, y + high / 2 + 15, f"${spent:,.0f}", css=css, anchor="middle"))
    parts += [
        svg.text(
            left + (f - 0.5) * size,
            top + 5 * high + 16,
            "frequency 1" if f == 1 else str(f),
            css="soft",
            anchor="middle",
        )
        for f in range(1, 6)
    ]
    return svg.figure(top + 5 * high + 24, *parts, label=label, width=width)


def _spent_each(cell: Mapping[str, Any]) -> float:
    return float(cell["spent_together"] / cell["members"])


def timeline(phases: Sequence[tuple[str, float, float]], *, label: str) -> str:
    """Draw each (name, began, seconds) as a bar on one axis of seconds."""
    step, name_width = 24, 236
    end = max((began + seconds for _, began, seconds in phases), default=1) or 1
    marks = svg.ticks(end, 6)
    scale = (svg.WIDTH - name_width - 60) / marks[-1]
    y0 = len(phases) * step + 4
    parts = []
    for mark in marks:
        x = name_width + mark * scale
        parts.append(svg.line(x, 0, x, y0, css="grid"))
        parts.append(svg.text(x, y0 + 14, f"{svg.number(mark)} s", css="tick", anchor="middle"))
    for index, (name, began, seconds) in enumerate(phases):
        y = index * step + 4
        x = name_width + began * scale
        parts.append(svg.text(name_width - 12, y + 12, name, css="soft", anchor="end"))
        parts.append(svg.rect(x, y, max(seconds * scale, 1.5), 15, fill=style.ACCENT))
        parts.append(svg.text(x + max(seconds * scale, 1.5) + 6, y + 12, f"{seconds:.1f} s"))
    return svg.figure(y0 + 22, *parts, label=label)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], colours: Mapping[str, str], *, label: str) -> str:
    """Draw one line per series of (second, value), both from 0."""
    width, height, left, top = 460, 230, 46, 10
    y0 = height - 26
    points = [point for values in series.values() for point in values]
    seconds = svg.ticks(max((x for x, _ in points), default=0), 5)
    marks = svg.ticks(max((y for _, y in points), default=0), 4)
    per_second = (width - left - 16) / seconds[-1]
    plot = svg.Plot(left, y0, (y0 - top) / marks[-1])
    parts = [svg.value_axis(marks, left, width - 16, y0, plot.scale)]
    for name, values in series.items():
        if values:
            outline = "M" + " L".join(plot.point(second * per_second, value) for second, value in values)
            parts.append(svg.path(outline, css="line", stroke=colours[name]))
    parts += [
        svg.text(left + mark * per_second, y0 + 16, f"{svg.number(mark)} s", css="tick", anchor="middle")
        for mark in seconds
    ]
    return svg.figure(height, *parts, label=label, width=width)
