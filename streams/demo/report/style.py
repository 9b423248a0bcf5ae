"""How the report looks: one palette, one scale of type, light. Colours keep their campaign throughout the page."""

from collections.abc import Iterable

# Distinguishable with the common colour blindnesses, and in grey: hue and lightness both differ.
SERIES = ("#2f5d8a", "#e08a3c", "#3f9c8f", "#c2556a", "#8a6bb1", "#b7a33c", "#6b7a86", "#7bb0d6")
ACCENT = SERIES[0]


def colours(names: Iterable[str]) -> dict[str, str]:
    """Give every name its colour, in the order given."""
    return {name: SERIES[index % len(SERIES)] for index, name in enumerate(names)}


def blend(share: float) -> str:
    """Shade from nearly white (0) to the accent (1)."""
    share = min(max(share, 0.0), 1.0)
    light, dark = (238, 243, 248), (47, 93, 138)
    return "#" + "".join(f"{round(low + (high - low) * share):02x}" for low, high in zip(light, dark, strict=True))


CSS = """
:root { --ink: #1d2733; --soft: #5b6876; --faint: #8b97a3; --rule: #e3e8ed; --ground: #f6f8fa; --card: #ffffff;
  --accent: #2f5d8a; --good: #23795c; --bad: #b23a48; }
* { box-sizing: border-box; }
html { background: var(--ground); }
body { margin: 0 auto; max-width: 1080px; padding: 40px 28px 64px; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header h1 { margin: 0 0 4px; font-size: 30px; line-height: 1.2; letter-spacing: -0.015em; }
header p { margin: 0; color: var(--soft); max-width: 72ch; }
.verdict { display: inline-block; margin-top: 16px; padding: 7px 14px; border-radius: 6px; font-weight: 600; }
.verdict.good { color: var(--good); background: #e4f3ec; }
.verdict.bad { color: var(--bad); background: #fbe9eb; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 24px 0 8px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-weight: 650; letter-spacing: -0.01em;
  font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 20px 24px 18px;
  margin-top: 20px; break-inside: avoid; }
h2 { margin: 0; font-size: 19px; letter-spacing: -0.01em; }
h3 { margin: 20px 0 4px; font-size: 15px; }
section > p { margin: 2px 0 12px; color: var(--soft); max-width: 84ch; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 36px; }
.columns > div { min-width: 0; }
.columns p { margin: 0 0 8px; color: var(--soft); font-size: 13.5px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 4px 0 6px; padding: 0; list-style: none;
  font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px;
  vertical-align: -1px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .tick { fill: var(--soft); font-size: 11.5px; }
svg .strong { font-weight: 600; fill: var(--ink); }
svg .soft { fill: var(--soft); }
svg .light { fill: #fff; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: #b9c3cc; stroke-width: 1; }
svg .hover { fill: transparent; }
svg .hover:hover { fill: rgba(29, 39, 51, 0.08); }
svg .track { fill: #eef2f5; }
svg .night { fill: #eceff4; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .outline { fill: none; stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 4 3; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); padding: 6px 10px 6px 0; border-bottom: 1px solid #cdd5dc;
  white-space: nowrap; }
td { padding: 6px 10px 6px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
th.n, td.n { text-align: right; }
td small { color: var(--faint); font-size: 12px; margin-left: 5px; }
td small.name { display: block; margin: 0; white-space: normal; }
td .dot { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 8px; }
tfoot td { font-weight: 600; border-top: 1px solid #cdd5dc; border-bottom: 0; }
details { margin-top: 10px; font-size: 13px; color: var(--faint); }
summary { cursor: pointer; }
pre { margin: 8px 0 0; padding: 12px 14px; background: var(--ground); border-radius: 6px; overflow-x: auto;
  color: var(--ink); font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { margin-top: 24px; color: var(--faint); font-size: 13px; }
@media (max-width: 720px) { .columns { grid-template-columns: 1fr; }
  .tiles { grid-template-columns: 1fr 1fr; } body { padding: 20px 12px; }
  section { padding: 16px; } }
@media print { html { background: #fff; } details { display: none; } section, .tile { border-color: #ccc; } }
"""
