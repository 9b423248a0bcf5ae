"""A programme that uses everything at once, and streams of events, drawn by Hypothesis, that make it do things."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas.catalogue import EVENT_TYPES, FieldType
from schemas.values import MS_MAX, MS_MIN, datetime_from_ms, exact
from streams.engine.events import Event
from streams.programme import Programme
from tests.simulation.support import directory

FILES = {
    "policies.yaml": """
        quiet_hours: {from: "21:00", to: "09:00"}
        frequency_caps: [{channel: sms, max: 2, per: P1D, then: defer}, {max: 5, per: P7D}]
    """,
    "counters.yaml": """
        counters:
          spent: {event: purchase_completed, aggregate: sum, field: total, window: P3D, step: PT6H}
          visits: {event: site_visited, aggregate: count, window: {tumbling: P1D}}
          stores: {event: purchase_completed, aggregate: distinct, field: store_id}
          most: {event: purchase_completed, aggregate: max, field: total, window: {calendar: week}}
          orders: {event: order_placed, aggregate: sum, field: total}
    """,
    "segments/rich.yaml": "id: rich\nwhere: {any: [{counter.spent: {ge: 100}}, {member.bonus.points: {ge: 50}}]}",
    "segments/fresh.yaml": "id: fresh\nwhere: {member.days_since_registration: {le: 3}, not: {segment: rich}}",
    "segments/quiet.yaml": "id: quiet\nwhere: {any: [{days_since.site_visited: {ge: 2}}, {member.age: {ge: 30}}]}",
    "templates/more.yaml": """
        templates:
          - {id: named, text: "{{ member.first_name }} {{ event.total }} {{ counter.spent }}"}
          - {id: points, text: "{{ amount }}"}
    """,
}
CAMPAIGNS = {
    "back": """
        trigger: [{event: purchase_completed}, {event: registration_completed}]
        cancel_on: [{event: purchase_completed, where: {total: {ge: 50}}}]
        entry: {while_running: restart}
        actions:
          - wait: P2D
          - send: {channel: sms, template: a}
          - wait: P1D
          - send: {channel: email, template: mail}
    """,
    "asked": """
        trigger: {event: site_visited}
        entry: {while_running: parallel}
        priority: 3
        actions:
          - send: {channel: sms, template: named, as: first, expires: PT10H}
          - wait: {for: {event: feedback_received}, timeout: PT6H, on_timeout: [{award: {amount: 5, currency: points}}]}
          - wait: {until: "10:00"}
          - send:
              cascade:
                - {channel: viber, template: a, wait: PT10M, until: delivered}
                - {channel: email, template: mail, wait: PT1H, until: opened}
                - {channel: sms, template: b}
    """,
    "rich": """
        trigger: [{segment_entered: rich}, {segment_left: rich}]
        entry: {again: P1D}
        actions:
          - split: [{percent: 50, actions: [{add_to: listed}]}, {percent: 50, actions: [{remove_from: listed}]}]
          - award: {amount: 12.5, currency: points, limit: {count: 2, per: P7D}}
          - send: {channel: cashier, template: points}
    """,
    "quiet": "trigger: {segment_entered: quiet}\nactions: [{send: {channel: push, template: a}}]",
    "fresh": "trigger: {segment_left: fresh}\nactions: [{set: {fresh: false}}, {send: {channel: in_app, template: a}}]",
    "listed": "trigger: {segment_entered: listed}\nactions: [{send: {channel: receipt, template: c}}]",
    "birthday": """
        trigger: {date: birth_date, at: "10:00", offset: -P1D}
        actions: [{send: {channel: sms, template: c}}]
    """,
    "cart": "trigger: {cart_abandoned: {after: PT1H}}\nactions: [{send: {channel: sms, template: b}}]",
    "points": """
        trigger: [{bonus: {expires_in: P1D}}, {bonus: {activates_in: PT6H, at: "12:00", minimum: 10}}]
        entry: {while_running: parallel}
        actions: [{send: {channel: viber, template: points}}]
    """,
    "daily": """
        trigger: {schedule: {cron: "0 10 * * *", zone: member}}
        actions: [{send: {channel: call_center, template: a}}]
    """,
    "order": """
        trigger: {event: order_placed}
        entry: {while_running: parallel}
        cancel_on: [{event: order_cancelled, where: {order_id: {ref: entry.order_id}}}]
        goal: {event: purchase_completed, ends: true}
        actions: [{wait: PT12H}, {send: {channel: sms, template: hello}}, {wait: P1D}, {select: {segment: rich}}]
    """,
    "friend": "trigger: {event: friend_purchase_completed}\nactions: [{award: {amount: 1, currency: points}}]",
}
FILES["segments/listed.yaml"] = "id: listed\nmembers: []"


def everything(*, without: str = "", **more: str) -> Programme:
    """The programme, with more campaigns, or without one."""
    return directory(FILES, **{name: text for name, text in CAMPAIGNS.items() if name != without}, **more)


START = datetime(2018, 1, 1, 12, tzinfo=UTC)
_skus = st.sampled_from(["a", "b", "c"])
_money = st.sampled_from([Decimal(5), Decimal("10.5"), Decimal(60), Decimal(120)])
_hours = st.integers(0, 24 * 7).map(lambda hours: START + timedelta(hours=hours))
_BODIES: dict[str, Any] = {
    "purchase_completed": st.fixed_dictionaries(
        {"total": _money, "store_id": _skus, "lines": st.lists(_skus.map(lambda sku: {"sku": sku}), max_size=2)}
    ),
    "purchase_returned": st.fixed_dictionaries({"total": _money}),
    "site_visited": st.just({}),
    "feedback_received": st.just({}),
    "cart_item_added": st.fixed_dictionaries({"sku": _skus, "price": _money}),
    "cart_item_removed": st.fixed_dictionaries({"sku": _skus}),
    "order_placed": st.fixed_dictionaries({"order_id": _skus, "total": _money}),
    "order_cancelled": st.fixed_dictionaries({"order_id": _skus}),
    "bonus_accrued": st.fixed_dictionaries(
        {
            "accrual_id": _skus,
            "amount": _money,
            "currency": st.just("points"),
            "activates_at": _hours,
            "expires_at": _hours,
        }
    ),
    "bonus_cancelled": st.fixed_dictionaries({"accrual_id": _skus}),
    "bonus_activated": st.fixed_dictionaries({"accrual_id": _skus}),
    "bonus_paid": st.fixed_dictionaries({"amount": _money, "currency": st.just("points")}),
    "profile_updated": st.fixed_dictionaries(
        {},
        optional={
            "first_name": st.sampled_from(["Ann", "Bob"]),
            "phone": st.sampled_from(["+79123456789", "none"]),
            "time_zone": st.sampled_from(["Asia/Vladivostok", "America/New_York", "Europe/Moscow"]),
            "birth_date": st.sampled_from([date(1990, 1, 5), date(1988, 1, 3), date(1992, 2, 29)]),
        },
    ),
    "segment_assigned": st.just({"segment": "listed"}),
    "segment_removed": st.just({"segment": "listed"}),
    "subscription_changed": st.fixed_dictionaries(
        {"subscribed": st.booleans()}, optional={"channel": st.sampled_from(["sms", "email"])}
    ),
}


@st.composite
def streams(draw: st.DrawFn, members: tuple[str, ...] = ("m", "n"), size: int = 25) -> list[Event]:
    """Events of these members over a week (within which repetitions are known), at whole hours: ties are common."""
    events = [
        Event(
            event_id=f"{member} registers",
            type="registration_completed",
            occurred_at=_ms(START),
            source="test",
            key=member,
            member_id=member,
            body={"phone": "+79123456789", "email": "a@example.com"} | ({"referrer_id": "m"} if member != "m" else {}),
        )
        for member in members
    ]
    for number in range(draw(st.integers(1, size))):
        kind = draw(st.sampled_from(sorted(_BODIES)))
        member = draw(st.sampled_from(members))
        events.append(
            Event(
                event_id=str(number),
                type=kind,
                occurred_at=_ms(draw(_hours)),
                source="test",
                key=member,
                member_id=member,
                historical=draw(st.sampled_from([False] * 9 + [True])),
                body=draw(_BODIES[kind]),
            )
        )
    return events


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


UNTIL = _ms(START + timedelta(days=20))


# Anything that a reader lets through ---------------------------------------------------------------------------------

_MOMENTS = st.integers(MS_MIN, MS_MAX) | st.sampled_from([MS_MIN, MS_MIN + 1, 0, _ms(START), MS_MAX - 1, MS_MAX])
_KINDS: dict[str, Any] = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["sms", "listed", "points", "+79123456789", "m", "Europe/Moscow", "2018-01-05"]),
    "boolean": st.booleans(),
    "integer": st.integers(0, 2**63 - 1),
    "decimal": st.decimals("-999999999999", "999999999999", places=6).map(exact) | _money,
    "timestamp": _MOMENTS.map(datetime_from_ms),
    "date": st.dates(),
}
_SCALARS = _KINDS["string"] | _KINDS["decimal"] | st.booleans()


def _field(field: FieldType) -> Any:
    if field.kind == "records":
        return st.lists(_record(field.fields), max_size=3)
    if field.kind == "map":
        return st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3)
    if field.kind == "enum":
        return st.sampled_from(field.symbols)
    return _KINDS[field.kind]


def _record(fields: Any) -> Any:
    given = {name: st.just(each.default) | _field(each) for name, each in fields.items() if each.default is not None}
    return st.fixed_dictionaries(
        given, optional={name: _field(each) for name, each in fields.items() if each.default is None}
    )


@st.composite
def anything(draw: st.DrawFn) -> list[Event]:
    """Events of any type, at any time, with any values that their schemas allow."""
    events = []
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from([name for name, each in EVENT_TYPES.items() if each.topic is not None]))
        events.append(
            Event(
                event_id=str(number),
                type=kind,
                occurred_at=draw(_MOMENTS),
                source="test",
                key="m",
                member_id="m",
                historical=draw(st.booleans()),
                body=draw(_record(EVENT_TYPES[kind].fields)),
            )
        )
    return events
