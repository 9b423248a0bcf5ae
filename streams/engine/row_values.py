"""Single values of a state's rows (`streams.engine.state_bytes`): moments, ids, words; each with its reading."""

from decimal import Decimal
from typing import Any, Final

_FAR_MS: Final = 2**61
_HASH_CHARS: Final = 16
_ID_CHARS: Final = 32
_UUID_CHARS: Final = 36
_UUID_BYTES: Final = 17
WORDS: Final = (
    *("wait", "message", "date", "schedule", "cart", "bonus", "segment", "timer", "sent", "delivered", "clicked"),
    *(f"actions[{number}]" for number in range(12)),
    *("sms", "email", "push", "viber", "social", "in_app", "voice", "chat_bot", "call_center", "receipt", "cashier"),
    *("P1D", "P3D", "P7D", "P14D", "P21D", "P28D", "P30D", "P1M"),
    *("registration_completed", "profile_updated", "purchase_completed", "purchase_returned", "order_placed"),
    *("order_cancelled", "bonus_accrued", "bonus_paid", "bonus_activated", "bonus_expired", "bonus_cancelled"),
    *("site_visited", "section_visited", "product_viewed", "cart_item_added", "cart_item_removed", "app_installed"),
    *("message_sent", "message_delivered", "message_opened", "message_clicked", "message_failed", "card_issued"),
    *("phone_bound", "email_bound", "status_changed", "status_calculated", "subscription_changed", "poll_answered"),
    *("friend_purchase_completed", "segment_assigned", "segment_removed", "segment_entered", "segment_left"),
    *("points", "male", "female", "active", "balance_inquired", "discount_calculated", "bonus_calculated"),
)
"""Words that stand in most states, written as their numbers. They are a part of version 3: new ones go to the end."""
_NUMBERS: Final[dict[str, object]] = {word: number for number, word in enumerate(WORDS)}


def time_of(at: int, base: int) -> object:
    """A moment in ms."""
    passed = at - base
    if not -_FAR_MS < passed < _FAR_MS:
        return str(at)
    seconds = passed // 1000
    return 2 * seconds if seconds * 1000 == passed else 2 * passed + 1


def time_or_none(at: int | None, base: int) -> object:
    """A moment in ms, or None."""
    return None if at is None else time_of(at, base)


def moment(value: object, base: int) -> int:
    """The moment (ms) that `time_of` was given."""
    if isinstance(value, int):
        half = value >> 1
        return base + half if value & 1 else base + half * 1000
    if isinstance(value, str):
        return int(value)
    raise TypeError("expected a moment")


def moment_or_none(value: object, base: int) -> int | None:
    """The moment (ms) or None that `time_or_none` was given."""
    return None if value is None else moment(value, base)


def short_id(text: str | None) -> object:
    """An id, as bytes if it is hexadecimal or a UUID."""
    if text is None:
        return None
    size = len(text)
    if size in {_HASH_CHARS, _ID_CHARS}:
        try:
            short = bytes.fromhex(text)
        except ValueError:
            return text
        return short if short.hex() == text else text
    if size == _UUID_CHARS and text[8] == "-":
        try:
            long = b"-" + bytes.fromhex(text.replace("-", ""))
        except ValueError:
            return text
        return long if len(long) == _UUID_BYTES and long_id(long) == text else text
    return text


def long_id(value: object) -> str:
    """The id that `short_id` was given."""
    if isinstance(value, bytes):
        if len(value) == _UUID_BYTES:
            digits = value[1:].hex()
            return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        return value.hex()
    if isinstance(value, str):
        return value
    raise TypeError("expected an id")


def word(text: str | None) -> object:
    """A word's number, or the text itself."""
    return None if text is None else _NUMBERS.get(text, text)


def said(value: object) -> str:
    """The text that `word` was given."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return WORDS[value]
    raise TypeError("expected a word")


def said_or_none(value: object) -> str | None:
    """The text or None that `word` was given."""
    return None if value is None else said(value)


def trimmed(row: list[Any]) -> list[Any]:
    """The row without the defaults at its end."""
    last = len(row)
    while last and row[last - 1] is None:
        last -= 1
    if last < len(row):
        del row[last:]
    return row


def decimal(value: object) -> Decimal | None:
    """A decimal from its text."""
    return None if value is None else Decimal(value)  # type: ignore[arg-type]
