"""Commands as records: what a bound stopped is counted, and nothing is larger than a record may be."""

import pytest
from prometheus_client import REGISTRY

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.engine.commands import Decision, LimitExceeded, Webhook
from streams.engine.decision import LIMITS
from streams.members.emit import RECORD_BYTES_MAX, encode_commands

CODEC = Codec(CommittedSchemas())
DECIDED = (1_500_000_000_000, "m", "c", 1, None, "refused", "limit_exceeded")


def counted(limit: str) -> float:
    return REGISTRY.get_sample_value("rekindle_limits_exceeded_total", {"limit": limit}) or 0.0


@pytest.mark.parametrize("limit", LIMITS)
def test_a_bound_that_was_met_is_counted_and_the_decision_recorded(limit: str) -> None:
    before = counted(limit)
    [record] = encode_commands(CODEC, [LimitExceeded(*DECIDED, limit)])
    [plain] = encode_commands(CODEC, [Decision(*DECIDED)])
    assert record == plain
    assert counted(limit) == before + 1


def test_a_record_that_kafka_would_not_take_is_refused() -> None:
    webhook = Webhook(
        at=1_500_000_000_000,
        webhook_id="w",
        member_id="m",
        campaign="c",
        version=1,
        action="actions[0]",
        url="https://partner.example.com",
        body="x" * RECORD_BYTES_MAX,
    )
    with pytest.raises(ValueError, match="larger than"):
        encode_commands(CODEC, [webhook])
