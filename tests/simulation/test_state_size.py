"""What a member costs in the store: a year of weekly purchases, five running journeys, one of which keeps a receipt."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from streams.engine import step
from streams.engine.events import Event
from streams.engine.state import MemberState, as_row, fields, new
from streams.engine.state_bytes import decode, encode
from streams.programme import load, read_directory

LIBRARY = Path(__file__).parents[2] / "campaigns/library"
BYTES_MAX = 1024
DAY_MS = 86_400_000
START = int(datetime(2025, 1, 6, 17, 30, tzinfo=UTC).timestamp() * 1000)


def event(number: int, kind: str, at: int, source: str, **body: object) -> Event:
    return Event(
        event_id=f"{source}-{number:08d}",
        type=kind,
        occurred_at=at,
        source=source,
        key="member-0012346",
        member_id="member-0012346",
        body=body,
    )


def purchase(week: int, at: int) -> Event:
    lines = [
        {
            "sku": f"4600{week:04d}{line}",
            "name": "Ground coffee" if line == 0 else "Something else",
            "category": "Coffee" if line == 0 else "Grocery",
            "quantity": Decimal(1),
            "price": Decimal("149.90"),
            "discount": Decimal("0.00"),
        }
        for line in range(8)
    ]
    body = {"store_id": "0042", "pos_id": "0042-3", "total": Decimal("1199.20"), "discount": Decimal("0.00")}
    return event(
        week, "purchase_completed", at, "pos", receipt_id=f"R{week:09d}", bonus_paid=Decimal(0), lines=lines, **body
    )


def typical() -> MemberState:
    """Registered with all that a form asks; a purchase a week for a year; points, a birthday near, a web order."""
    library = read_directory(LIBRARY)
    programme = load([{name: text.replace("status: draft", "status: live") for name, text in library.items()}])
    state = new("member-0012346")
    form = {
        "first_name": "Екатерина",
        "last_name": "Константинопольская",
        "phone": "+79161234567",
        "email": "ekaterina.konstantinopolskaya@example.com",
        "birth_date": datetime(1985, 1, 3, tzinfo=UTC).date(),
        "city": "Москва",
        "gender": "female",
    }
    step.handle(programme, state, event(0, "registration_completed", START, "crm", **form))
    for week in range(52):
        at = START + DAY_MS + week * 7 * DAY_MS
        step.advance(programme, state, at, wall=False)
        if week == 51:
            accrued = {"accrual_id": "A0000000001", "amount": Decimal(600), "currency": "points"}
            step.handle(programme, state, event(1, "bonus_accrued", at - 60_000, "ledger", **accrued))
        step.handle(programme, state, purchase(week, at))
    order = {"order_id": "W0000000001", "total": Decimal("2490.00")}
    step.handle(programme, state, event(2, "order_placed", at + 3_600_000, "web", **order))
    return state


def test_a_typical_member_doesnt_outgrow_its_place() -> None:
    state = typical()
    assert state.purchases.count == 52
    assert len({journey.campaign for journey in state.journeys}) == 5, [each.campaign for each in state.journeys]
    encoded = encode(state)
    shares = {name: len(msgspec.msgpack.encode(as_row(getattr(state, name)))) for name in fields(MemberState)}
    assert decode(encoded) == state
    assert len(encoded) <= BYTES_MAX, f"{len(encoded)} bytes: {shares}"
