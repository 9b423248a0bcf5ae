"""The one record that holds everything known of a member: profile, counters, cart, running journeys, timers.

One record per member is one changelog write per member and batch, and timers can never disagree with the state that
set them. `streams.engine.state_bytes` writes and reads it; a new field goes here and there.

The classes are plain and typed: compiled, an attribute is a place in a struct and not a look-up, which is what the
engine does most. Nothing here can refer to itself, so the cyclic garbage collector has no business with it (`acyclic`):
millions of records would otherwise be walked again and again.
"""

from datetime import date  # noqa: TC003 - compiled, annotations are looked at
from decimal import Decimal
from typing import Any, Final

from mypy_extensions import mypyc_attr

VERSION: Final = 3
"""2: what a dispatch that was sent needs for attribution, and `rfm`. 3: another layout of the same (`state_bytes`)."""
BEFORE_ALL: Final = -(2**62)
"""The clock of a member of whom nothing has been handled yet."""
NOBODYS: Final = -1
"""The programme of a member who was erased: none."""
ERASED: Final = "member_erased"
"""The event that says so; its time is all that is kept of a member who was erased, in `last_at`."""


@mypyc_attr(acyclic=True)
class Record:  # noqa: PLW1641 - what changes has no hash
    """What is compared and shown field by field."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in fields(type(self)))

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields(type(self)))
        return f"{type(self).__name__}({said})"


def fields(kind: type[Record]) -> tuple[str, ...]:
    """The fields of a kind of record, in order."""
    found: tuple[str, ...] = getattr(kind, "__mypyc_attrs__", None) or getattr(kind, "__slots__")  # noqa: B009 - the one compiled, the other plain
    return found


@mypyc_attr(acyclic=True)
class Timer(Record):
    """A durable wake-up. `due` in ms; `sequence` orders timers of equal due by when they were set.

    `owner` is the journey's number for timers of journeys, else the campaign; `detail` says what of it.
    """

    __slots__ = (
        "due",
        "sequence",
        "kind",
        "owner",
        "detail",
    )

    def __init__(self, due: int, sequence: int, kind: str, owner: int | str, detail: str = "") -> None:
        self.due = due
        self.sequence = sequence
        self.kind = kind
        self.owner = owner
        self.detail = detail


@mypyc_attr(acyclic=True)
class Pending(Record):
    """A message of a journey that isn't decided yet: deferred, or cascading and waiting for a status.

    `action_at` is when the action was reached (its expiry counts from there); `step` the cascade's step; `sent` the
    dispatch that a cascade waits on, None while deferred.
    """

    __slots__ = (
        "path",
        "step",
        "action_at",
        "sent",
    )

    def __init__(self, path: str, step: int, action_at: int, sent: str | None = None) -> None:
        self.path = path
        self.step = step
        self.action_at = action_at
        self.sent = sent


@mypyc_attr(acyclic=True)
class Journey(Record):
    """One member's run of one campaign.

    `number` orders journeys by entry. `at` is the path of the wait that it stands at, None once only pending messages
    keep it running; `base` is when that wait began, from which it counts, in ms. `member_id` is the member at entry,
    from whom ids are derived: empty while it is the one whose state this is. `entry_at` is None where the entry event
    was of the very moment of the entry. `entry_body` is packed by `entry_body.pack`. `named` are the dispatches by the
    name that their action gave them. `ending` is the reason to end with, once the last pending message is decided.
    `amount` is what its last award gave. `entered_version` is the version entered with, if the journey has been moved
    to another since.
    """

    __slots__ = (
        *("number", "campaign", "version", "entered_at", "member_id", "entry_source", "entry_event_id"),
        *("entry_at", "entry_body", "base", "at", "pending", "named", "ending", "amount", "entered_version"),
    )

    def __init__(
        self,
        number: int,
        campaign: str,
        version: int,
        entered_at: int,
        member_id: str,
        entry_source: str,
        entry_event_id: str,
        entry_at: int | None,
        entry_body: bytes,
        base: int,
        at: str | None = None,
        pending: list[Pending] | None = None,
        named: dict[str, list[str]] | None = None,
        ending: str | None = None,
        amount: Decimal | None = None,
        entered_version: int | None = None,
    ) -> None:
        self.number = number
        self.campaign = campaign
        self.version = version
        self.entered_at = entered_at
        self.member_id = member_id
        self.entry_source = entry_source
        self.entry_event_id = entry_event_id
        self.entry_at = entry_at
        self.entry_body = entry_body
        self.base = base
        self.at = at
        self.pending: list[Pending] = [] if pending is None else pending
        self.named: dict[str, list[str]] = {} if named is None else named
        self.ending = ending
        self.amount = amount
        self.entered_version = entered_version


@mypyc_attr(acyclic=True)
class Attributed(Record):
    """A purchase that was attributed, while it may still be returned: `left` is what of its amount wasn't yet.

    `at` is when it was made (ms); `clicked`, `delivered` or `sent` is `touch`, at `touched_at` (ms).
    """

    __slots__ = (
        "receipt_id",
        "at",
        "left",
        "touch",
        "touched_at",
    )

    def __init__(self, receipt_id: str, at: int, left: Decimal, touch: str, touched_at: int) -> None:
        self.receipt_id = receipt_id
        self.at = at
        self.left = left
        self.touch = touch
        self.touched_at = touched_at


@mypyc_attr(acyclic=True)
class Sent(Record):
    """A dispatch that was sent, as caps and attribution need it.

    `period` is the attribution period of the version that sent it, ISO 8601; None: nothing is attributed to it.
    `sent_at`, `delivered_at` and `clicked` (the latest clicks, in order) are what the gateway reported, in ms.
    """

    __slots__ = (
        *("at", "dispatch_id", "channel", "campaign", "capped", "version", "action", "period", "sent_at"),
        *("delivered_at", "clicked", "purchases"),
    )

    def __init__(
        self,
        at: int,
        dispatch_id: str,
        channel: str,
        campaign: str,
        capped: bool,
        version: int = 0,
        action: str = "",
        period: str | None = None,
        sent_at: int | None = None,
        delivered_at: int | None = None,
        clicked: list[int] | None = None,
        purchases: list[Attributed] | None = None,
    ) -> None:
        self.at = at
        self.dispatch_id = dispatch_id
        self.channel = channel
        self.campaign = campaign
        self.capped = capped
        self.version = version
        self.action = action
        self.period = period
        self.sent_at = sent_at
        self.delivered_at = delivered_at
        self.clicked: list[int] = [] if clicked is None else clicked
        self.purchases: list[Attributed] = [] if purchases is None else purchases


@mypyc_attr(acyclic=True)
class Tally(Record):
    """One counter's buckets. `definition` is the hash of the definition that it counts for."""

    __slots__ = (
        "definition",
        "numbers",
        "values",
    )

    def __init__(
        self,
        definition: str,
        numbers: dict[int, int | Decimal] | None = None,
        values: dict[int, list[str]] | None = None,
    ) -> None:
        self.definition = definition
        self.numbers: dict[int, int | Decimal] = {} if numbers is None else numbers
        self.values: dict[int, list[str]] = {} if values is None else values


@mypyc_attr(acyclic=True)
class Order(Record):
    """What an order added to which counters, so that its cancellation can take it back."""

    __slots__ = (
        "order_id",
        "at",
        "sums",
    )

    def __init__(self, order_id: str, at: int, sums: dict[str, Decimal]) -> None:
        self.order_id = order_id
        self.at = at
        self.sums = sums


@mypyc_attr(acyclic=True)
class CartLine(Record):
    """One sku in the cart."""

    __slots__ = (
        "sku",
        "name",
        "category",
        "quantity",
        "price",
        "url",
        "image",
    )

    def __init__(
        self,
        sku: str,
        name: str | None = None,
        category: str | None = None,
        quantity: Decimal = Decimal(1),
        price: Decimal | None = None,
        url: str | None = None,
        image: str | None = None,
    ) -> None:
        self.sku = sku
        self.name = name
        self.category = category
        self.quantity = quantity
        self.price = price
        self.url = url
        self.image = image


@mypyc_attr(acyclic=True)
class Accrual(Record):
    """Bonus points accrued at once. `spent` is what payments took of them; times in ms."""

    __slots__ = (
        *("accrual_id", "amount", "currency", "accrued_at", "activates_at", "expires_at", "spent"),
        *("cancelled",),
    )

    def __init__(
        self,
        accrual_id: str,
        amount: Decimal,
        currency: str,
        accrued_at: int,
        activates_at: int,
        expires_at: int | None = None,
        spent: Decimal = Decimal(0),
        cancelled: bool = False,
    ) -> None:
        self.accrual_id = accrual_id
        self.amount = amount
        self.currency = currency
        self.accrued_at = accrued_at
        self.activates_at = activates_at
        self.expires_at = expires_at
        self.spent = spent
        self.cancelled = cancelled


@mypyc_attr(acyclic=True)
class Statement(Record):
    """What the member said about being written to; None means every channel, every messaging type."""

    __slots__ = (
        "channel",
        "messaging_type",
        "subscribed",
        "at",
    )

    def __init__(self, channel: str | None, messaging_type: str | None, subscribed: bool, at: int) -> None:
        self.channel = channel
        self.messaging_type = messaging_type
        self.subscribed = subscribed
        self.at = at


@mypyc_attr(acyclic=True)
class Profile(Record):
    """What the member is known by. Phone in E.164 where the rule could tell, times in ms.

    `undeliverable` are the channels on which the address is known to be dead, `readdressed` when an address took the
    place of another, by field (`streams.engine.addresses`).
    """

    __slots__ = (
        *("registered_at", "first_name", "middle_name", "last_name", "phone", "email", "birth_date"),
        *("gender", "city", "address", "time_zone", "referrer_id", "status", "push_token", "platform"),
        *("card_number", "attributes", "social", "city_zone", "undeliverable", "readdressed"),
    )

    def __init__(self) -> None:
        self.registered_at: int | None = None
        self.first_name: str | None = None
        self.middle_name: str | None = None
        self.last_name: str | None = None
        self.phone: str | None = None
        self.email: str | None = None
        self.birth_date: date | None = None
        self.gender: str | None = None
        self.city: str | None = None
        self.address: str | None = None
        self.time_zone: str | None = None
        self.referrer_id: str | None = None
        self.status: str | None = None
        self.push_token: str | None = None
        self.platform: str | None = None
        self.card_number: str | None = None
        self.attributes: dict[str, str | bool | int | float] = {}
        self.social: dict[str, str] = {}
        self.city_zone: str | None = None
        self.undeliverable: list[str] = []
        self.readdressed: dict[str, int] = {}


@mypyc_attr(acyclic=True)
class Purchases(Record):
    """All purchases that were handled; times in ms."""

    __slots__ = (
        "count",
        "total",
        "first_at",
        "last_at",
    )

    def __init__(
        self,
        count: int = 0,
        total: Decimal = Decimal(0),
        first_at: int | None = None,
        last_at: int | None = None,
    ) -> None:
        self.count = count
        self.total = total
        self.first_at = first_at
        self.last_at = last_at


@mypyc_attr(acyclic=True)
class MemberState(Record):
    """Everything known of one member; see the module's docstring before adding a field.

    `clock` is the greatest time handled so far (ms). `seen` maps the hash of (source, event id) to the clock when it
    was first handled. `last_at` keeps, per event type, the latest two distinct times. `entries` is the time of the
    last entry by campaign. `dated` remembers the years in which a date trigger came due (see `note_date`), `mailed`
    the mailings that were made. `parked` holds due timers of paused campaigns. `rfm` is the value of each family of RFM
    segments.
    """

    __slots__ = (
        *("key", "clock", "sequence", "programme", "profile", "purchases", "statements", "seen", "last_at"),
        *("tallies", "journeys", "timers", "parked", "entries", "sent", "awarded", "assigned", "inside"),
        *("dated", "mailed", "cart", "cart_changed_at", "cart_last_at", "accruals", "noticed", "orders"),
        *("rfm",),
    )

    def __init__(self, key: str) -> None:
        self.key = key
        self.clock = BEFORE_ALL
        self.sequence = 0
        self.programme = 0
        self.profile = Profile()
        self.purchases = Purchases()
        self.statements: list[Statement] = []
        self.seen: dict[int, int] = {}
        self.last_at: dict[str, tuple[int, int | None]] = {}
        self.tallies: dict[str, Tally] = {}
        self.journeys: list[Journey] = []
        self.timers: list[Timer] = []
        self.parked: list[Timer] = []
        self.entries: dict[str, int] = {}
        self.sent: list[Sent] = []
        self.awarded: dict[str, list[int]] = {}
        self.assigned: dict[str, bool] = {}
        self.inside: list[str] = []
        self.dated: dict[str, int] = {}
        self.mailed: list[str] = []
        self.cart: list[CartLine] = []
        self.cart_changed_at: int | None = None
        self.cart_last_at: int | None = None
        self.accruals: list[Accrual] = []
        self.noticed: list[str] = []
        self.orders: list[Order] = []
        self.rfm: dict[str, int | str] = {}

    def next_due(self) -> int | None:
        """When the earliest timer is due, in ms; None without timers."""
        due: int | None = None
        for timer in self.timers:
            if due is None or timer.due < due:
                due = timer.due
        return due

    def next_number(self) -> int:
        """The next number of a timer or journey; never used twice."""
        self.sequence += 1
        return self.sequence


def new(key: str) -> MemberState:
    """The state of a member of whom nothing is known."""
    return MemberState(key)


def as_row(value: Any) -> Any:
    """Records as lists of their fields, all the way down: plain values that say everything."""
    if isinstance(value, Record):
        return [as_row(getattr(value, name)) for name in fields(type(value))]
    if isinstance(value, list):
        return [as_row(item) for item in value]
    if isinstance(value, dict):
        return {name: as_row(item) for name, item in value.items()}
    return value
