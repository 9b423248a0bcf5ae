"""The one record that holds everything known of a member: profile, counters, cart, running journeys, timers.

One record per member is one changelog write per member and batch, and timers can never disagree with the state that
set them. It is encoded as MessagePack arrays: small, quick, and open to growth, because a field that is appended with
a default reads from every earlier record. Never reorder or remove a field; `tests/unit/engine/test_state.py` reads
every earlier version. Nothing here can refer to itself, so the cyclic garbage collector has no business with it
(`gc=False`): millions of records would otherwise be walked again and again.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.msgpack import Ext

VERSION = 2
"""2: what a dispatch that was sent needs for attribution, and `rfm`."""
BEFORE_ALL = -(2**62)
"""The clock of a member of whom nothing has been handled yet."""
NOBODYS = -1
"""The programme of a member who was erased: none."""


class Timer(msgspec.Struct, array_like=True, gc=False):
    """A durable wake-up. `due` in ms; `sequence` orders timers of equal due by when they were set.

    `owner` is the journey's number for timers of journeys, else the campaign; `detail` says what of it.
    """

    due: int
    sequence: int
    kind: str
    owner: int | str
    detail: str = ""


class Pending(msgspec.Struct, array_like=True, gc=False):
    """A message of a journey that isn't decided yet: deferred, or cascading and waiting for a status.

    `action_at` is when the action was reached (its expiry counts from there); `step` the cascade's step; `sent` the
    dispatch that a cascade waits on, None while deferred.
    """

    path: str
    step: int
    action_at: int
    sent: str | None = None


class Journey(msgspec.Struct, array_like=True, gc=False):
    """One member's run of one campaign.

    `number` orders journeys by entry. `at` is the path of the wait that it stands at, None once only pending messages
    keep it running; `base` is when that wait began, from which it counts, in ms. `member_id` is the member at entry,
    from whom ids are derived: empty while it is the one whose state this is. `entry_at` is None where the entry event
    was of the very moment of the entry. `entry_body` is packed by `pack`. `amount` is what its last award gave.
    `entry_type` and `began` aren't filled any more.
    `entered_version` is the version entered with, if the journey has been moved to another since.
    """

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
    pending: list[Pending] = []
    named: dict[str, list[str]] = {}
    ending: str | None = None
    amount: Decimal | None = None
    entered_version: int | None = None


class Attributed(msgspec.Struct, array_like=True, gc=False):
    """A purchase that was attributed, while it may still be returned: `left` is what of its amount wasn't yet.

    `at` is when it was made (ms); `clicked`, `delivered` or `sent` is `touch`, at `touched_at` (ms).
    """

    receipt_id: str
    at: int
    left: Decimal
    touch: str
    touched_at: int


class Sent(msgspec.Struct, array_like=True, gc=False):
    """A dispatch that was sent, as caps and attribution need it.

    `period` is the attribution period of the version that sent it, ISO 8601; None: nothing is attributed to it.
    `sent_at`, `delivered_at` and `clicked` (the latest clicks, in order) are what the gateway reported, in ms.
    """

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
    purchases: list[Attributed] = []


class Tally(msgspec.Struct, array_like=True, gc=False):
    """One counter's buckets. `definition` is the hash of the definition that it counts for."""

    definition: str
    numbers: dict[int, int | Decimal] = {}
    values: dict[int, list[str]] = {}


class Order(msgspec.Struct, array_like=True, gc=False):
    """What an order added to which counters, so that its cancellation can take it back."""

    order_id: str
    at: int
    sums: dict[str, Decimal] = {}


class CartLine(msgspec.Struct, array_like=True, gc=False):
    """One sku in the cart."""

    sku: str
    name: str | None = None
    category: str | None = None
    quantity: Decimal = Decimal(1)
    price: Decimal | None = None
    url: str | None = None
    image: str | None = None


class Accrual(msgspec.Struct, array_like=True, gc=False):
    """Bonus points accrued at once. `spent` is what payments took of them; times in ms."""

    accrual_id: str
    amount: Decimal
    currency: str
    accrued_at: int
    activates_at: int
    expires_at: int | None = None
    spent: Decimal = Decimal(0)
    cancelled: bool = False


class Statement(msgspec.Struct, array_like=True, gc=False):
    """What the member said about being written to; None means every channel, every messaging type."""

    channel: str | None
    messaging_type: str | None
    subscribed: bool
    at: int


class Profile(msgspec.Struct, array_like=True, gc=False):
    """What the member is known by. Phone in E.164 where the rule could tell, times in ms."""

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


class Purchases(msgspec.Struct, array_like=True, gc=False):
    """All purchases that were handled; times in ms."""

    count: int = 0
    total: Decimal = Decimal(0)
    first_at: int | None = None
    last_at: int | None = None


class MemberState(msgspec.Struct, array_like=True, gc=False):
    """Everything known of one member; see the module's docstring before adding a field.

    `clock` is the greatest time handled so far (ms). `seen` maps the hash of (source, event id) to the clock when it
    was first handled. `last_at` keeps, per event type, the latest two distinct times. `entries` is the time of the
    last entry by campaign. `dated` remembers the years in which a date trigger came due (see `note_date`), `mailed`
    the mailings that were made. `parked` holds due timers of paused campaigns. `rfm` is the value of each family of RFM
    segments.
    """

    key: str
    version: int = VERSION
    clock: int = BEFORE_ALL
    sequence: int = 0
    programme: int = 0
    profile: Profile = msgspec.field(default_factory=Profile)
    purchases: Purchases = msgspec.field(default_factory=Purchases)
    statements: list[Statement] = []
    seen: dict[int, int] = {}
    last_at: dict[str, tuple[int, int | None]] = {}
    tallies: dict[str, Tally] = {}
    journeys: list[Journey] = []
    timers: list[Timer] = []
    parked: list[Timer] = []
    entries: dict[str, int] = {}
    sent: list[Sent] = []
    awarded: dict[str, list[int]] = {}
    assigned: dict[str, bool] = {}
    inside: list[str] = []
    dated: dict[str, int] = {}
    mailed: list[str] = []
    cart: list[CartLine] = []
    cart_changed_at: int | None = None
    cart_last_at: int | None = None
    accruals: list[Accrual] = []
    noticed: list[str] = []
    orders: list[Order] = []
    rfm: dict[str, int | str] = {}

    def next_due(self) -> int | None:
        """When the earliest timer is due, in ms; None without timers."""
        return min((timer.due for timer in self.timers), default=None)

    def next_number(self) -> int:
        """The next number of a timer or journey; never used twice."""
        self.sequence += 1
        return self.sequence


def new(key: str) -> MemberState:
    """The state of a member of whom nothing is known."""
    return MemberState(key=key)


def encode(state: MemberState) -> bytes:
    """The record that goes into the store and its changelog."""
    return _encoder.encode(state)


def decode(data: bytes) -> MemberState:
    """The state that `encode` wrote, by this or any earlier version. Raises `msgspec.DecodeError` on other bytes."""
    state = _decoder.decode(data)
    state.version = VERSION
    return state


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
_decoder = msgspec.msgpack.Decoder(MemberState)
_body_decoder = msgspec.msgpack.Decoder(ext_hook=_unmark)
