"""The demo's report: one HTML file that needs nothing else, drawn from queries to ClickHouse."""

from streams.demo.report.facts import Facts, Phase, StepTime
from streams.demo.report.page import write_report

__all__ = ["Facts", "Phase", "StepTime", "write_report"]
