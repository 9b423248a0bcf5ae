"""Draws what grows against what, as SVG: one chart for each, from zero up; what it grows with, logarithmically."""

import itertools
import math
from collections.abc import Mapping

from streams.demo.report import svg

HEIGHT, PLOT, LEFT, GAP, WIDTH, MARGIN = 300, 180, 60, 320, 250, 20
TITLES = {
    "event_us_by_members": "µs of processor time per event, by members",
    "memory_mib_by_members": "memory of the process in MiB, by members",
    "event_us_by_campaigns": "µs of processor time per event, by campaigns",
    "events_per_s_by_workers": "events a second, by workers",
}
_STYLE = "<style>text{font:12px sans-serif}.axis{stroke:#999}.curve{stroke:#26c;stroke-width:2}</style>"


def draw(found: Mapping[str, Mapping[int, float]]) -> str:
    """All charts beside each other."""
    width = LEFT + GAP * len(found)
    parts = [_STYLE, svg.rect(0, 0, width, HEIGHT, fill="#fff")]
    for number, (name, values) in enumerate(found.items()):
        left = LEFT + number * GAP
        greatest = max(values.values())
        base = 60 + PLOT
        parts += [svg.text(left, 20, TITLES[name]), svg.line(left, base, left + WIDTH, base, css="axis")]
        least, most = math.log10(min(values)), math.log10(max(values))
        step = (WIDTH - 2 * MARGIN) / (most - least or 1)
        points = [
            (left + MARGIN + (math.log10(size) - least) * step, base - PLOT * value / greatest)
            for size, value in values.items()
        ]
        parts += [svg.line(*a, *b, css="curve") for a, b in itertools.pairwise(points)]
        for (x, y), (size, value) in zip(points, values.items(), strict=True):
            parts += [svg.rect(x - 3, y - 3, 6, 6, fill="#26c"), svg.text(x, y - 8, f"{value:,.0f}", anchor="middle")]
            parts.append(svg.text(x, base + 18, f"{size:,}", anchor="middle"))
    return svg.figure(HEIGHT, *parts, label="How costs grow", width=width)
