"""The workers' own account of the run: how long each step of their batches took, from `/metrics` of both together."""

import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from streams.demo.report import StepTime

_METRIC = "rekindle_step_seconds"
_TIMEOUT_S = 5.0


def read_steps(ports: Iterable[int]) -> list[StepTime]:
    """Ask the processes that serve metrics on these local `ports`; one that doesn't answer is left out."""
    pages = []
    for port in ports:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_S) as answer:
                pages.append(answer.read().decode())
        except (urllib.error.URLError, OSError):
            continue
    return steps_of(pages)


def steps_of(pages: Iterable[str]) -> list[StepTime]:
    """Add the histograms of several processes up; the step that took longest in all comes first within its stage."""
    buckets: dict[tuple[str, str], dict[float, float]] = defaultdict(lambda: defaultdict(float))
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for page in pages:
        for family in text_string_to_metric_families(page):
            if family.name != _METRIC:
                continue
            for sample in family.samples:
                key = (sample.labels["stage"], sample.labels["step"])
                if sample.name.endswith("_bucket"):
                    buckets[key][float(sample.labels["le"])] += sample.value
                elif sample.name.endswith("_sum"):
                    sums[key] += sample.value
    found = []
    for (stage, step), counted in buckets.items():
        bounds = sorted(counted.items())
        batches = bounds[-1][1]
        if batches:
            found.append(
                StepTime(
                    stage=stage,
                    step=step,
                    batches=int(batches),
                    p50_s=_quantile(bounds, 0.5),
                    p95_s=_quantile(bounds, 0.95),
                    total_s=sums[stage, step],
                )
            )
    return sorted(found, key=lambda step: (step.stage, -step.total_s))


def _quantile(bounds: list[tuple[float, float]], share: float) -> float:
    """Estimate a quantile of cumulative buckets (upper bound, count), evenly within its bucket as Prometheus does."""
    wanted = share * bounds[-1][1]
    low, below = 0.0, 0.0
    for bound, count in bounds:
        if count >= wanted:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low
