"""What the report is told by the run itself, since no table holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One step of the run, from `began_s` after its start, for `seconds`."""

    name: str
    began_s: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """How long one step of a stage's batches took, from the metrics: seconds at quantiles and in all."""

    stage: str
    step: str
    batches: int
    p50_s: float
    p95_s: float
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How many records were behind the stages at a moment of the replay, `at_s` in seconds since the epoch."""

    at_s: float
    ingested: int
    decided: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The summary as it stands in summary.json, and how the run went."""

    summary: Mapping[str, Any]
    phases: Sequence[Phase] = ()
    steps: Sequence[StepTime] = ()
    samples: Sequence[Sample] = ()
    campaign_names: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    machine: str = ""
