"""Histograms of several processes become one table."""

import pytest

from streams.demo.scrape import read_steps, steps_of

PAGE = """\
# HELP rekindle_step_seconds Time of one step of a batch.
# TYPE rekindle_step_seconds histogram
rekindle_step_seconds_bucket{le="0.01",stage="members",step="engine"} 10.0
rekindle_step_seconds_bucket{le="0.02",stage="members",step="engine"} 20.0
rekindle_step_seconds_bucket{le="+Inf",stage="members",step="engine"} 20.0
rekindle_step_seconds_count{stage="members",step="engine"} 20.0
rekindle_step_seconds_sum{stage="members",step="engine"} 0.25
rekindle_step_seconds_bucket{le="0.01",stage="members",step="idle"} 0.0
rekindle_step_seconds_bucket{le="+Inf",stage="members",step="idle"} 0.0
rekindle_step_seconds_sum{stage="members",step="idle"} 0.0
"""


def test_two_processes_add_up() -> None:
    (step,) = steps_of([PAGE, PAGE])
    assert (step.stage, step.step, step.batches) == ("members", "engine", 40)
    assert step.total_s == pytest.approx(0.5)
    assert step.p50_s == pytest.approx(0.01)
    assert step.p95_s == pytest.approx(0.019)


def test_beyond_the_last_bucket_its_bound_is_told() -> None:
    page = PAGE.replace('le="0.02",stage="members",step="engine"} 20', 'le="0.02",stage="members",step="engine"} 15')
    (step,) = steps_of([page])
    assert step.p95_s == pytest.approx(0.02)


def test_a_process_that_is_gone_is_left_out() -> None:
    assert read_steps([1]) == []
