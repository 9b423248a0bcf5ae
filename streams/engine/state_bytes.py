"""A member's state as bytes: the record that goes into the store and its changelog.

Version 3 is a byte that says so and a MessagePack array, each kind of record a row of its own: small, quick, and open
to growth, because what is missing at a row's end reads as its default. A new field goes to the end of its row, in
`_..._row` and where the row is read; never reorder or remove one. `tests/unit/engine/test_state.py` reads what every
version wrote.

- Times are differences to the member's clock, in whole seconds where they are: an even number is twice the seconds, an
  odd one twice the milliseconds and one.
- Defaults are nil, and left out at a row's end. Hexadecimal ids and UUIDs are bytes, words that stand in most states
  (`row_values.WORDS`) are numbers. Numbers of journeys and timers are the distance to the last one given.
- Rows of more than `PLAIN_BYTES_MAX` are compressed with LZ4, which writes in a microsecond or two what repeats itself:
  names of campaigns, lines of receipts.

Of versions 1 and 2, which began with the array itself, `streams.engine.earlier_states` knows.
"""

from datetime import date
from decimal import Decimal
from typing import Any, Final

import lz4.block
import msgspec

from streams.engine import earlier_states
from streams.engine.row_values import (
    decimal,
    long_id,
    moment,
    moment_or_none,
    said,
    said_or_none,
    short_id,
    time_of,
    time_or_none,
    trimmed,
    word,
)
from streams.engine.state import (
    BEFORE_ALL,
    Accrual,
    Attributed,
    CartLine,
    Journey,
    MemberState,
    Order,
    Pending,
    Profile,
    Purchases,
    Sent,
    Statement,
    Tally,
    Timer,
)

PLAIN_BYTES_MAX: Final = 768
"""Smaller rows are left as they are: what compressing saves of them isn't worth its time."""
_PLAIN: Final = b"\x03"
_LZ4: Final = b"\x13"
_NO_BODY: Final = b"\x80"
_ZERO: Final = Decimal(0)

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


def encode(state: MemberState) -> bytes:
    """The record that goes into the store and its changelog."""
    data: bytes = _encode(_state_row(state))
    if len(data) <= PLAIN_BYTES_MAX:
        return _PLAIN + data
    packed: bytes = lz4.block.compress(data, store_size=True)
    return _LZ4 + packed


def decode(data: bytes) -> MemberState:
    """The state that `encode` wrote, by this or any earlier version. Raises `msgspec.DecodeError` on other bytes."""
    head = data[:1]
    try:
        if head == _LZ4:
            return _state(_decode(lz4.block.decompress(data[1:])))
        if head == _PLAIN:
            return _state(_decode(data[1:]))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, lz4.block.LZ4BlockError) as error:
        raise msgspec.DecodeError(f"no state of a member: {error}") from error
    return earlier_states.decode(data)


# What a member has ---------------------------------------------------------------------------------------------------


def _timer_rows(timers: list[Timer], base: int, last: int) -> list[Any] | None:
    rows: list[Any] = []
    for timer in timers:
        owner = timer.owner
        row: list[Any] = [
            time_of(timer.due, base),
            last - timer.sequence,
            word(timer.kind),
            last - owner if isinstance(owner, int) else owner,
        ]
        if timer.detail:
            row.append(timer.detail)
        rows.append(row)
    return rows or None


def _timers(rows: list[list[Any]], base: int, last: int) -> list[Timer]:
    return [_timer(row, base, last) for row in rows]


def _timer(row: list[Any], base: int, last: int) -> Timer:
    owner: object = row[3]
    return Timer(
        moment(row[0], base),
        last - row[1],
        said(row[2]),
        last - owner if isinstance(owner, int) else str(owner),
        row[4] if len(row) > 4 else "",
    )


def _journey_row(journey: Journey, base: int, last: int) -> list[Any]:
    entered_at, body = journey.entered_at, journey.entry_body
    row: list[Any] = [
        last - journey.number,
        journey.campaign,
        journey.version,
        time_of(entered_at, base),
        word(journey.entry_source),
        short_id(journey.entry_event_id),
        None if body == _NO_BODY else body,
        time_of(journey.base, entered_at),
        word(journey.at),
    ]
    if (
        not journey.pending
        and not journey.named
        and journey.ending is None
        and journey.amount is None
        and journey.entry_at is None
        and not journey.member_id
        and journey.entered_version is None
    ):
        return trimmed(row)
    rest: list[Any] = [
        [[word(each.path), each.step, time_of(each.action_at, base), short_id(each.sent)] for each in journey.pending]
        or None,
        {name: [short_id(each) for each in ids] for name, ids in journey.named.items()} or None,
        journey.ending,
        journey.amount,
        time_or_none(journey.entry_at, base),
        journey.member_id or None,
        journey.entered_version,
    ]
    return trimmed(row + rest)


def _journey(row: list[Any], base: int, last: int) -> Journey:
    size = len(row)
    entered_at = moment(row[3], base)
    body = row[6] if size > 6 else None
    journey = Journey(
        last - row[0],
        row[1],
        row[2],
        entered_at,
        "",
        said(row[4]),
        long_id(row[5]),
        None,
        _NO_BODY if body is None else body,
        moment(row[7], entered_at),
        said_or_none(row[8]) if size > 8 else None,
    )
    if size > 9:
        if row[9] is not None:
            journey.pending = [_pending(each, base) for each in row[9]]
        if size > 10 and row[10] is not None:
            journey.named = {name: [long_id(each) for each in ids] for name, ids in row[10].items()}
        journey.ending = row[11] if size > 11 else None
        journey.amount = decimal(row[12]) if size > 12 else None
        journey.entry_at = moment_or_none(row[13], base) if size > 13 else None
        journey.member_id = (row[14] or "") if size > 14 else ""
        journey.entered_version = row[15] if size > 15 else None
    return journey


def _pending(row: list[Any], base: int) -> Pending:
    return Pending(said(row[0]), row[1], moment(row[2], base), None if row[3] is None else long_id(row[3]))


def _sent_row(sent: Sent, base: int) -> list[Any]:
    at = sent.at
    return trimmed(
        [
            time_of(at, base),
            short_id(sent.dispatch_id),
            word(sent.channel),
            sent.campaign,
            sent.capped,
            sent.version,
            word(sent.action),
            word(sent.period),
            time_or_none(sent.sent_at, at),
            time_or_none(sent.delivered_at, at),
            [time_of(each, at) for each in sent.clicked] or None,
            [
                [each.receipt_id, time_of(each.at, base), each.left, word(each.touch), time_of(each.touched_at, at)]
                for each in sent.purchases
            ]
            or None,
        ]
    )


def _sent(row: list[Any], base: int) -> Sent:
    size, at = len(row), moment(row[0], base)
    period = said_or_none(row[7]) if size > 7 else None
    sent = Sent(at, long_id(row[1]), said(row[2]), row[3], row[4], row[5], said(row[6]), period)
    if size > 8:
        sent.sent_at = moment_or_none(row[8], at)
        sent.delivered_at = moment_or_none(row[9], at) if size > 9 else None
        if size > 10 and row[10] is not None:
            sent.clicked = [moment(each, at) for each in row[10]]
        if size > 11 and row[11] is not None:
            sent.purchases = [
                Attributed(each[0], moment(each[1], base), Decimal(each[2]), said(each[3]), moment(each[4], at))
                for each in row[11]
            ]
    return sent


def _tally_row(name: str, tally: Tally) -> list[Any]:
    """Buckets are written as the distance to the one before."""
    numbers: list[Any] = []
    last = 0
    for bucket, number in tally.numbers.items():
        numbers.append(bucket - last)
        numbers.append(number)
        last = bucket
    row: list[Any] = [name, short_id(tally.definition), numbers]
    if tally.values:
        row.append(tally.values)
    return row


def _tally(row: list[Any]) -> Tally:
    numbers: dict[int, int | Decimal] = {}
    flat: list[Any] = row[2]
    bucket = 0
    for index in range(0, len(flat), 2):
        bucket += flat[index]
        number = flat[index + 1]
        numbers[bucket] = Decimal(number) if isinstance(number, str) else number
    return Tally(long_id(row[1]), numbers, row[3] if len(row) > 3 else None)


def _profile_row(profile: Profile, base: int) -> list[Any]:
    born = profile.birth_date
    return trimmed(
        [
            time_or_none(profile.registered_at, base),
            profile.first_name,
            profile.last_name,
            profile.phone,
            profile.email,
            None if born is None else born.toordinal(),
            word(profile.gender),
            profile.city,
            profile.city_zone,
            profile.attributes or None,
            profile.card_number,
            word(profile.status),
            profile.middle_name,
            profile.address,
            profile.time_zone,
            profile.referrer_id,
            profile.push_token,
            profile.platform,
            profile.social or None,
            [word(channel) for channel in profile.undeliverable] or None,
            {field: time_of(at, base) for field, at in profile.readdressed.items()} or None,
        ]
    )


_PROFILE_FIELDS = 21


def _fill_profile(profile: Profile, row: list[Any], base: int) -> None:
    row = row + [None] * (_PROFILE_FIELDS - len(row))
    profile.registered_at = moment_or_none(row[0], base)
    profile.first_name = row[1]
    profile.last_name = row[2]
    profile.phone = row[3]
    profile.email = row[4]
    profile.birth_date = None if row[5] is None else date.fromordinal(row[5])
    profile.gender = said_or_none(row[6])
    profile.city = row[7]
    profile.city_zone = row[8]
    if row[9] is not None:
        profile.attributes = row[9]
    profile.card_number = row[10]
    profile.status = said_or_none(row[11])
    profile.middle_name = row[12]
    profile.address = row[13]
    profile.time_zone = row[14]
    profile.referrer_id = row[15]
    profile.push_token = row[16]
    profile.platform = row[17]
    if row[18] is not None:
        profile.social = row[18]
    if row[19] is not None:
        profile.undeliverable = [said(channel) for channel in row[19]]
    if row[20] is not None:
        profile.readdressed = {field: moment(at, base) for field, at in row[20].items()}


def _accrual_row(accrual: Accrual, base: int) -> list[Any]:
    return trimmed(
        [
            accrual.accrual_id,
            accrual.amount,
            word(accrual.currency),
            time_of(accrual.accrued_at, base),
            time_of(accrual.activates_at, accrual.accrued_at),
            time_or_none(accrual.expires_at, base),
            accrual.spent if accrual.spent or str(accrual.spent) != "0" else None,
            accrual.cancelled or None,
        ]
    )


def _accrual(row: list[Any], base: int) -> Accrual:
    size, accrued_at = len(row), moment(row[3], base)
    return Accrual(
        row[0],
        Decimal(row[1]),
        said(row[2]),
        accrued_at,
        moment(row[4], accrued_at),
        moment_or_none(row[5], base) if size > 5 else None,
        _ZERO if size <= 6 or row[6] is None else Decimal(row[6]),
        size > 7,
    )


def _cart_row(line: CartLine) -> list[Any]:
    return trimmed([line.sku, line.name, line.category, line.quantity, line.price, line.url, line.image])


def _cart_line(row: list[Any]) -> CartLine:
    size = len(row)
    return CartLine(
        row[0],
        row[1],
        row[2],
        Decimal(row[3]),
        decimal(row[4]) if size > 4 else None,
        row[5] if size > 5 else None,
        row[6] if size > 6 else None,
    )


# The whole -----------------------------------------------------------------------------------------------------------


def _state_row(state: MemberState) -> list[Any]:
    base = 0 if state.clock == BEFORE_ALL else state.clock
    seen: list[Any] = []
    for key, at in state.seen.items():
        seen.append(key)
        seen.append(time_of(at, base))
    last_at: list[Any] = []
    for name, (latest, earlier) in state.last_at.items():
        last_at.append(word(name))
        last_at.append(time_of(latest, base))
        last_at.append(time_or_none(earlier, base))
    entries: list[Any] = []
    for name, at in state.entries.items():
        entries.append(name)
        entries.append(time_of(at, base))
    purchases = state.purchases
    return trimmed(
        [
            state.key,
            None if state.clock == BEFORE_ALL else state.clock,
            state.sequence,
            state.programme,
            [
                purchases.count,
                purchases.total,
                time_or_none(purchases.first_at, base),
                time_or_none(purchases.last_at, base),
            ],
            seen,
            last_at,
            _timer_rows(state.timers, base, state.sequence),
            [_journey_row(journey, base, state.sequence) for journey in state.journeys] or None,
            entries or None,
            [_sent_row(sent, base) for sent in state.sent] or None,
            _profile_row(state.profile, base) or None,
            [_tally_row(name, tally) for name, tally in state.tallies.items()] or None,
            [_accrual_row(accrual, base) for accrual in state.accruals] or None,
            state.dated or None,
            state.inside or None,
            state.assigned or None,
            [[each.channel, each.messaging_type, each.subscribed, time_of(each.at, base)] for each in state.statements]
            or None,
            state.rfm or None,
            [[order.order_id, time_of(order.at, base), order.sums] for order in state.orders] or None,
            [_cart_row(line) for line in state.cart] or None,
            time_or_none(state.cart_changed_at, base),
            time_or_none(state.cart_last_at, base),
            {place: [time_of(at, base) for at in times] for place, times in state.awarded.items()} or None,
            state.noticed or None,
            state.mailed or None,
            _timer_rows(state.parked, base, state.sequence),
        ]
    )


_STATE_FIELDS = 27


def _state(row: list[Any]) -> MemberState:
    row += [None] * (_STATE_FIELDS - len(row))
    state = MemberState(row[0])
    base = 0
    if row[1] is not None:
        base = state.clock = row[1]
    state.sequence = row[2]
    state.programme = row[3]
    bought: list[Any] = row[4]
    state.purchases = Purchases(
        bought[0], Decimal(bought[1]), moment_or_none(bought[2], base), moment_or_none(bought[3], base)
    )
    _fill_maps(state, row, base)
    if row[10] is not None:
        state.sent = [_sent(each, base) for each in row[10]]
    if row[11] is not None:
        _fill_profile(state.profile, row[11], base)
    if row[12] is not None:
        state.tallies = {each[0]: _tally(each) for each in row[12]}
    if row[13] is not None:
        state.accruals = [_accrual(each, base) for each in row[13]]
    if row[14] is not None:
        state.dated = row[14]
    if row[15] is not None:
        state.inside = row[15]
    if row[16] is not None:
        state.assigned = row[16]
    if row[17] is not None:
        state.statements = [Statement(each[0], each[1], each[2], moment(each[3], base)) for each in row[17]]
    if row[18] is not None:
        state.rfm = row[18]
    _fill_rest(state, row, base)
    return state


def _fill_maps(state: MemberState, row: list[Any], base: int) -> None:
    """What every member has."""
    flat: list[Any] = row[5]
    state.seen = {flat[index]: moment(flat[index + 1], base) for index in range(0, len(flat), 2)}
    flat = row[6]
    for index in range(0, len(flat), 3):
        state.last_at[said(flat[index])] = moment(flat[index + 1], base), moment_or_none(flat[index + 2], base)
    if row[7] is not None:
        state.timers = _timers(row[7], base, state.sequence)
    if row[8] is not None:
        state.journeys = [_journey(each, base, state.sequence) for each in row[8]]
    if row[9] is not None:
        flat = row[9]
        state.entries = {flat[index]: moment(flat[index + 1], base) for index in range(0, len(flat), 2)}


def _fill_rest(state: MemberState, row: list[Any], base: int) -> None:
    """What few members have."""
    if row[19] is not None:
        state.orders = [
            Order(each[0], moment(each[1], base), {name: Decimal(sum_) for name, sum_ in each[2].items()})
            for each in row[19]
        ]
    if row[20] is not None:
        state.cart = [_cart_line(each) for each in row[20]]
    state.cart_changed_at = moment_or_none(row[21], base)
    state.cart_last_at = moment_or_none(row[22], base)
    if row[23] is not None:
        state.awarded = {place: [moment(at, base) for at in times] for place, times in row[23].items()}
    if row[24] is not None:
        state.noticed = row[24]
    if row[25] is not None:
        state.mailed = row[25]
    if row[26] is not None:
        state.parked = _timers(row[26], base, state.sequence)
