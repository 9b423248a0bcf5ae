"""The demo's report: one HTML file that needs nothing else, drawn from queries to ClickHouse."""

from streams.demo.report.facts import Facts, Phase, Sample, StepTime
from streams.demo.report.page import write_report

__all__ = ["Facts", "Phase", "Sample", "StepTime", "write_report"]
