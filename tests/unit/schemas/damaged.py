"""Records damaged at random, and what the codec makes of them: `python -m tests.unit.schemas.damaged SEED COUNT`."""

import random
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from schemas.codec import BadRecord, Codec
from schemas.registry import CommittedSchemas
from schemas.wire import read
from streams.engine.events import Event

PREFIX_BYTES = 5


def damaged(codec: Codec, seed: int, count: int) -> Iterator[bytes]:
    """Receipts and others with a few bytes changed, inserted or taken out; some are left sound."""
    draw = random.Random(seed)
    sound = [codec.encode(event) for event in _events()]
    for _ in range(count):
        value = draw.choice(sound)
        for _ in range(draw.randrange(4)):
            at = draw.randrange(PREFIX_BYTES, len(value))
            random_bytes = draw.randbytes(draw.randrange(1, 12))
            inserted = draw.choice([b"", b"\0", random_bytes, b"\xff" * draw.randrange(1, 12)])
            value = value[:at] + inserted + value[at + draw.randrange(4) :]
        yield value


def outcomes(codec: Codec, value: bytes) -> list[Any]:
    """What each way of reading makes of it: whole, without lists of records, the header alone; a text for a bad one."""
    whole, plain = (
        codec.decode_log([value], [None], without_records=left_out)[0] for left_out in ((), ("purchase_completed",))
    )
    (header,) = codec.decode_headers([value])
    return [each.reason if isinstance(each, BadRecord) else each for each in (whole, plain, header)]


def _events() -> Iterator[Event]:
    lines = [
        {"sku": f"s{number}", "price": Decimal("1.1"), "quantity": Decimal(number), "discount": Decimal(0)}
        for number in range(4)
    ]
    bodies: dict[str, dict[str, Any]] = {
        "purchase_completed": {"receipt_id": "r", "total": Decimal("12.34"), "lines": lines, "store_id": "\u0433"},
        "registration_completed": {
            "first_name": "Ann",
            "birth_date": date(1990, 5, 6),
            "attributes": {"pets": Decimal(2), "vip": True, "size": "XL"},
        },
        "bonus_accrued": {"amount": Decimal(5), "activates_at": datetime(2017, 3, 4, 5, 6, 7, 8000, tzinfo=UTC)},
        "social_activity": {"action": "like"},
        "members_merged": {"from_id": "m2", "into_id": "m1", "visitor_id": "v1", "card_number": "c1"},
    }
    for name, body in bodies.items():
        yield Event(event_id="e", type=name, occurred_at=10**12, source="s", key="m1", member_id="m1", body=body)


def main() -> None:
    """Print the outcomes, after a line that says which code made them."""
    print(read.__file__)  # noqa: T201 - a command
    codec = Codec(CommittedSchemas())
    for value in damaged(codec, int(sys.argv[1]), int(sys.argv[2])):
        print(ascii(outcomes(codec, value)))  # noqa: T201 - the same


if __name__ == "__main__":
    main()
