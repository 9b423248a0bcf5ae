"""What the engine handles: facts about members, and the records by which the log carries time and the programme.

Times are integers, milliseconds since the epoch in UTC. Values of a body are what the Avro schema makes of them:
`str`, `int`, `bool`, `Decimal` (money and quantities), `datetime` (aware, UTC), `date`, and lists and mappings of
these.
"""

from typing import Any

import msgspec


class Event(msgspec.Struct, kw_only=True, gc=False):
    """A fact in the past tense.

    `key` says whose state it belongs to: the member id, or a stranger's own (`visitor:…`, `card:…`, `phone:…`,
    `email:…`, `receipt:…`). `body` holds the body fields and, where given, `card_number`, `visitor_id`, `phone` and
    `email`; fields that are null or absent on the wire are absent here, those with another default are filled in.
    """

    event_id: str
    type: str
    occurred_at: int
    source: str
    key: str
    member_id: str | None = None
    historical: bool = False
    body: dict[str, Any] = msgspec.field(default_factory=dict)


class Tick(msgspec.Struct, kw_only=True, gc=False):
    """Time as a record in the log: every timer of the partition that is due by `occurred_at` fires.

    `wall` says that it was taken from the clock; only such a tick can find a timer late after an outage.
    """

    occurred_at: int
    wall: bool


class ProgrammeApplied(msgspec.Struct, kw_only=True, gc=False):
    """From here on programme number `programme` is in force in this partition."""

    occurred_at: int
    programme: int


class StateMoved(msgspec.Struct, kw_only=True, gc=False):
    """Under the key `gone`, its state is to be handed over; under `into`, what comes next waits until it has come.

    `into` None: the name `gone` is linked to nobody any more. `historical`: the event that says so is. `erased`:
    nothing moves, the person whose key `gone` was is erased, and what there is under it is to be forgotten.
    """

    occurred_at: int
    move_id: str
    gone: str
    into: str | None
    historical: bool = False
    erased: bool = False


class StateHandedOver(msgspec.Struct, kw_only=True, gc=False):
    """The state that was kept under `gone`, as bytes, for the member `into`; None if there was none."""

    occurred_at: int
    move_id: str
    gone: str
    into: str
    historical: bool = False
    state: bytes | None = None


LogRecord = Event | Tick | ProgrammeApplied | StateMoved | StateHandedOver


def stranger_key(body: dict[str, Any]) -> str | None:
    """The key of the state that an event without a member id belongs to, or None if nothing in it identifies anyone.

    In the contract's order (§2, Identity): visitor, card, phone, e-mail, else the receipt.
    """
    for field, prefix in _STRANGERS:
        value = body.get(field)
        if value:
            return f"{prefix}:{value}"
    return None


_STRANGERS = (
    ("visitor_id", "visitor"),
    ("card_number", "card"),
    ("phone", "phone"),
    ("email", "email"),
    ("receipt_id", "receipt"),
)


_STRANGER_PREFIXES = tuple(f"{prefix}:" for _, prefix in _STRANGERS)
_NAMED = {prefix: field for field, prefix in _STRANGERS if field != "receipt_id"}  # no event comes by a receipt alone


def of_state(key: str) -> tuple[str | None, dict[str, str]]:
    """Return what an event gives to come to the state of this key: a member id, or the field of a stranger's name.

    >>> of_state("m-1001")
    ('m-1001', {})
    >>> of_state("card:77")
    (None, {'card_number': '77'})
    """
    prefix, _, name = key.partition(":")
    field = _NAMED.get(prefix)
    return (None, {field: name}) if field is not None and name else (key, {})


def is_stranger(key: str) -> bool:
    """Whether the key of a state is a stranger's: a visitor, card, phone, e-mail or receipt of nobody known."""
    return key.startswith(_STRANGER_PREFIXES)
