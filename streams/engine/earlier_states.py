"""States as versions 1 and 2 wrote them: MessagePack arrays of all fields in order, the last of them new in version 2.

Stores and changelogs hold them until their members are next written. Nothing here changes any more.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from streams.engine import state
from streams.engine.state import BEFORE_ALL, MemberState, Record, fields


def decode(data: bytes) -> MemberState:
    """The state that version 1 or 2 wrote. Raises `msgspec.DecodeError` on other bytes."""
    old = _decoder.decode(data)
    found = MemberState(old.key)
    _fill(found, old)
    return found


def _fill(new: Record, old: Any) -> None:
    """Take over what those versions had; a field that came since keeps its default."""
    for name in fields(type(new)):
        if hasattr(old, name):
            setattr(new, name, _now(getattr(old, name)))


def _now(value: Any) -> Any:
    """What the value is today."""
    if isinstance(value, list):
        return [_now(item) for item in value]
    if isinstance(value, dict):
        return {name: _now(item) for name, item in value.items()}
    kind = _KINDS.get(type(value))
    if kind is None:
        return value
    if kind is state.Profile:
        profile = state.Profile()
        _fill(profile, value)
        return profile
    return kind(**{name: _now(getattr(value, name)) for name in fields(kind) if hasattr(value, name)})


class _Timer(msgspec.Struct, array_like=True):
    due: int
    sequence: int
    kind: str
    owner: int | str
    detail: str = ""


class _Pending(msgspec.Struct, array_like=True):
    path: str
    step: int
    action_at: int
    sent: str | None = None


class _Journey(msgspec.Struct, array_like=True):
    number: int
    campaign: str
    version: int
    entered_at: int
    member_id: str
    entry_type: str
    entry_source: str
    entry_event_id: str
    entry_at: int | None
    entry_body: bytes
    base: int
    at: str | None = None
    began: int = 0
    pending: list[_Pending] = []
    named: dict[str, list[str]] = {}
    ending: str | None = None
    amount: Decimal | None = None
    entered_version: int | None = None


class _Attributed(msgspec.Struct, array_like=True):
    receipt_id: str
    at: int
    left: Decimal
    touch: str
    touched_at: int


class _Sent(msgspec.Struct, array_like=True):
    at: int
    dispatch_id: str
    channel: str
    campaign: str
    capped: bool
    version: int = 0
    action: str = ""
    period: str | None = None
    sent_at: int | None = None
    delivered_at: int | None = None
    clicked: list[int] = []
    purchases: list[_Attributed] = []


class _Tally(msgspec.Struct, array_like=True):
    definition: str
    numbers: dict[int, int | Decimal] = {}
    values: dict[int, list[str]] = {}


class _Order(msgspec.Struct, array_like=True):
    order_id: str
    at: int
    sums: dict[str, Decimal] = {}


class _CartLine(msgspec.Struct, array_like=True):
    sku: str
    name: str | None = None
    category: str | None = None
    quantity: Decimal = Decimal(1)
    price: Decimal | None = None
    url: str | None = None
    image: str | None = None


class _Accrual(msgspec.Struct, array_like=True):
    accrual_id: str
    amount: Decimal
    currency: str
    accrued_at: int
    activates_at: int
    expires_at: int | None = None
    spent: Decimal = Decimal(0)
    cancelled: bool = False


class _Statement(msgspec.Struct, array_like=True):
    channel: str | None
    messaging_type: str | None
    subscribed: bool
    at: int


class _Profile(msgspec.Struct, array_like=True):
    registered_at: int | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    birth_date: date | None = None
    gender: str | None = None
    city: str | None = None
    address: str | None = None
    time_zone: str | None = None
    referrer_id: str | None = None
    status: str | None = None
    push_token: str | None = None
    platform: str | None = None
    card_number: str | None = None
    attributes: dict[str, str | bool | int | float] = {}
    social: dict[str, str] = {}
    city_zone: str | None = None


class _Purchases(msgspec.Struct, array_like=True):
    count: int = 0
    total: Decimal = Decimal(0)
    first_at: int | None = None
    last_at: int | None = None


class _MemberState(msgspec.Struct, array_like=True):
    key: str
    version: int = 0
    clock: int = BEFORE_ALL
    sequence: int = 0
    programme: int = 0
    profile: _Profile = msgspec.field(default_factory=_Profile)
    purchases: _Purchases = msgspec.field(default_factory=_Purchases)
    statements: list[_Statement] = []
    seen: dict[int, int] = {}
    last_at: dict[str, tuple[int, int | None]] = {}
    tallies: dict[str, _Tally] = {}
    journeys: list[_Journey] = []
    timers: list[_Timer] = []
    parked: list[_Timer] = []
    entries: dict[str, int] = {}
    sent: list[_Sent] = []
    awarded: dict[str, list[int]] = {}
    assigned: dict[str, bool] = {}
    inside: list[str] = []
    dated: dict[str, int] = {}
    mailed: list[str] = []
    cart: list[_CartLine] = []
    cart_changed_at: int | None = None
    cart_last_at: int | None = None
    accruals: list[_Accrual] = []
    noticed: list[str] = []
    orders: list[_Order] = []
    rfm: dict[str, int | str] = {}


_KINDS: dict[type, Any] = {
    _Timer: state.Timer,
    _Pending: state.Pending,
    _Journey: state.Journey,
    _Attributed: state.Attributed,
    _Sent: state.Sent,
    _Tally: state.Tally,
    _Order: state.Order,
    _CartLine: state.CartLine,
    _Accrual: state.Accrual,
    _Statement: state.Statement,
    _Profile: state.Profile,
    _Purchases: state.Purchases,
}
_decoder = msgspec.msgpack.Decoder(_MemberState)
