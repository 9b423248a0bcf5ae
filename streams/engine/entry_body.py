"""What a journey keeps of the event that it was entered by, as bytes.

Names of fields are numbers, decimals and dates are told apart from text. Journeys keep these bytes for months, and
their length decides what is too much (`entry_bytes`): the format is part of every version of the state. `FIELDS` only
grows.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.msgpack import Ext

_DECIMAL, _DATE = 1, 2
FIELDS = (
    *("card_number", "visitor_id", "phone", "email", "receipt_id", "store_id", "pos_id", "discount", "lines"),
    *("sku", "name", "category", "quantity", "price", "amount", "currency", "total", "bonus_paid", "friend_id"),
    *("first_name", "middle_name", "last_name", "birth_date", "gender", "city", "address", "time_zone"),
    *("referrer_id", "attributes", "section", "platform", "push_token", "network", "profile_id", "group"),
    *("action", "referral_id", "previous", "status", "channel", "messaging_type", "subscribed", "from_id"),
    *("into_id", "segment", "url", "image", "order_id", "text", "poll", "question", "answer", "accrual_id"),
    *("activates_at", "expires_at", "award_id", "dispatch_id", "link", "reason"),
)
"""The fields of events, numbered: their names would be the larger part of entry bodies. New ones go to the end."""


def pack(body: Mapping[str, Any]) -> bytes:
    """An event's body as bytes that keep decimals and dates apart from text; `unpack` reads it."""
    return _encoder.encode(_mark_all(body))


def unpack(data: bytes) -> dict[str, Any]:
    """The body that `pack` took."""
    body: dict[str, Any] = _named(_body_decoder.decode(data))
    return body


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {FIELDS[name] if isinstance(name, int) else name: _named(item) for name, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else value


_NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(FIELDS)}


def _mark_all(record: Mapping[str, Any]) -> dict[str | int, Any]:
    marked: dict[str | int, Any] = {}
    for name, value in record.items():
        mark = _MARKS.get(type(value))
        marked[_NUMBERS.get(name, name)] = value if mark is None else mark(value)
    return marked


def _mark(value: Any) -> Any:
    mark = _MARKS.get(type(value))
    return value if mark is None else mark(value)


_MARKS: dict[type, Callable[[Any], Any]] = {
    Decimal: lambda value: Ext(_DECIMAL, str(value).encode()),
    date: lambda value: Ext(_DATE, value.isoformat().encode()),
    dict: _mark_all,
    list: lambda value: [_mark(item) for item in value],
}


def _unmark(code: int, data: memoryview) -> Any:
    text = bytes(data).decode()
    return Decimal(text) if code == _DECIMAL else date.fromisoformat(text)


_encoder = msgspec.msgpack.Encoder()
_body_decoder = msgspec.msgpack.Decoder(ext_hook=_unmark)
