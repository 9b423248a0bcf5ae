"""Draws what grows against what, as SVG: one chart for each, dots with their values, the scale below logarithmic."""

import itertools
import math
from collections.abc import Mapping

from streams.demo.report import svg

HEIGHT, PLOT, LEFT, GAP, STEP = 300, 200, 60, 320, 90
_STYLE = "<style>text{font:12px sans-serif}.axis{stroke:#999}.curve{stroke:#26c;stroke-width:2}</style>"


def draw(found: Mapping[str, Mapping[int, float]]) -> str:
    """All charts beside each other."""
    parts = [_STYLE]
    for number, (name, values) in enumerate(found.items()):
        left = LEFT + number * GAP
        greatest = max(values.values())
        base = 40 + PLOT
        parts += [svg.text(left, 20, name.replace("_", " ")), svg.line(left, base, left + 250, base, css="axis")]
        least = math.log10(min(values))
        points = [
            (left + 20 + (math.log10(size) - least) * min(STEP, 600 / len(values)), base - PLOT * value / greatest)
            for size, value in values.items()
        ]
        parts += [svg.line(*a, *b, css="curve") for a, b in itertools.pairwise(points)]
        for (x, y), (size, value) in zip(points, values.items(), strict=True):
            parts += [svg.rect(x - 3, y - 3, 6, 6, fill="#26c"), svg.text(x, y - 8, f"{value:,.0f}", anchor="middle")]
            parts.append(svg.text(x, base + 18, f"{size:,}", anchor="middle"))
    return svg.figure(HEIGHT, *parts, label="How costs grow", width=LEFT + GAP * len(found))
