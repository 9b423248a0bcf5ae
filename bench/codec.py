"""What decoding and encoding cost per record, in microseconds; fastavro beside them, for the same payloads.

The record is a receipt of nine lines, as the demo's are on average. `python -m bench.codec` prints JSON.
"""

import gc
import io
import json
import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import fastavro

from schemas.codec import Codec
from schemas.declarations import avro_schemas
from schemas.registry import CommittedSchemas
from streams.engine.commands import Decision, Dispatch
from streams.engine.events import Event

RECORDS = 5_000
LINES = 9
ROUNDS = 5
_PREFIX_BYTES = 5


def measure() -> dict[str, dict[str, float]]:
    """Microseconds per record, the best of some rounds: what it costs, not what else the machine does."""
    codec = Codec(CommittedSchemas())
    receipts = _receipts(RECORDS)
    values = [codec.encode(receipt) for receipt in receipts]
    keys: list[bytes | None] = [receipt.key.encode() for receipt in receipts]
    assert codec.decode_log(values, keys) == receipts
    bad = [*values[:-1], values[-1] + b"\0"]
    plain = frozenset({"purchase_completed"})
    dispatches = [codec.encode(dispatch) for dispatch in _dispatches(RECORDS)]
    decisions = [codec.encode(decision) for decision in _decisions(RECORDS)]
    schema = fastavro.parse_schema(json.loads(json.dumps(avro_schemas()["rekindle.events.PurchaseCompleted"])))
    rows = [_read(schema, value) for value in values]
    return {
        "receipt_decode_us": {
            "rekindle_batch": _us(lambda: codec.decode_log(values, keys), RECORDS),
            "rekindle_batch_with_a_bad_record": _us(lambda: codec.decode_log(bad, keys), RECORDS),
            "rekindle_without_lines": _us(lambda: codec.decode_log(values, keys, without_records=plain), RECORDS),
            "rekindle_one_by_one": _us(lambda: [codec.decode_log(values[:1], keys[:1]) for _ in values], RECORDS),
            "rekindle_headers": _us(lambda: codec.decode_headers(values, "pos.receipts"), RECORDS),
            "fastavro": _us(lambda: [_read(schema, value) for value in values], RECORDS),
        },
        "receipt_encode_us": {
            "rekindle": _us(lambda: [codec.encode(receipt) for receipt in receipts], RECORDS),
            "fastavro": _us(lambda: [_write(schema, row) for row in rows], RECORDS),
        },
        "command_decode_us": {
            "dispatch": _us(lambda: codec.decode_commands(dispatches), RECORDS),
            "decision": _us(lambda: codec.decode_commands(decisions), RECORDS),
        },
    }


def _us(work: Callable[[], object], records: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return round(best / records * 1e6, 2)


def _read(schema: Any, value: bytes) -> object:
    return fastavro.schemaless_reader(io.BytesIO(value[_PREFIX_BYTES:]), schema, None)


def _write(schema: Any, row: object) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, row)
    return stream.getvalue()


def _receipts(count: int) -> list[Event]:
    chosen = random.Random(1)
    return [
        Event(
            event_id=f"e{number:09}",
            type="purchase_completed",
            occurred_at=1_500_000_000_000 + number * 250,
            source="till",
            key=f"m{number % 2_500}",
            member_id=f"m{number % 2_500}",
            body={
                "receipt_id": f"r{number:09}",
                "store_id": f"s{number % 40}",
                "total": Decimal(chosen.randrange(100, 30_000)) / 100,
                "discount": Decimal(0),
                "bonus_paid": Decimal(0),
                "lines": [_line(chosen) for _ in range(LINES)],
            },
        )
        for number in range(count)
    ]


def _line(chosen: random.Random) -> dict[str, object]:
    article = chosen.randrange(50_000)
    return {
        "sku": f"s{article}",
        "name": f"Article {article}",
        "category": f"category {article % 300}",
        "quantity": Decimal(chosen.randrange(1, 4)),
        "price": Decimal(chosen.randrange(50, 2_000)) / 100,
        "discount": Decimal(chosen.randrange(50)) / 100,
    }


def _dispatches(count: int) -> Sequence[Dispatch]:
    return [
        Dispatch(
            at=1_500_000_000_000 + number,
            dispatch_id=f"{number:064}",
            member_id=f"m{number}",
            campaign="come-back",
            version=1,
            action="actions[1]",
            channel="sms",
            to="+79161234567",
            content={"text": "We miss you"},
            messaging_type="marketing",
        )
        for number in range(count)
    ]


def _decisions(count: int) -> Sequence[Decision]:
    return [
        Decision(
            at=1_500_000_000_000 + number,
            member_id=f"m{number}",
            campaign="come-back",
            version=1,
            action=None,
            outcome="ended",
            reason="completed",
        )
        for number in range(count)
    ]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
