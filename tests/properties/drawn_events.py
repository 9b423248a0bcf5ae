"""Generated histories of one or two members, as lines of a log: events, repeated and late, ticks, new programmes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.properties.drawn_campaigns import STATUSES, TYPES, numbers, optional
from tests.properties.drawn_programmes import MEMBER_ZONES

START = datetime(2020, 2, 27, tzinfo=UTC)
MEMBERS = ["m", "n"]
STRANGE = [
    "2020-02-28T20:59:59.999Z",
    "2020-02-28T21:00:00Z",
    "2020-02-29T06:00:00Z",
    "2020-03-01T00:00:00Z",
    "2020-03-28T21:59:59Z",
    "2020-03-29T00:59:59Z",
    "2020-03-29T01:00:00Z",
    "2020-04-04T15:00:00Z",
    "2020-10-25T00:30:00Z",
    "2020-10-25T01:30:00Z",
    "2020-12-31T23:59:59Z",
]


def iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def after(start: datetime, **unit: int) -> st.SearchStrategy[str]:
    """So many of the unit at most."""
    ((name, most),) = unit.items()
    return st.integers(0, most).map(lambda n: iso(start + timedelta(**{name: n})))


hours = after(START, hours=24 * 14)
later = after(START + timedelta(days=5), hours=24 * 4)
times = st.one_of(
    after(START, hours=24 * 20),
    after(START, hours=24 * 3),
    after(START, hours=24),
    after(START, minutes=60 * 24 * 3),
    after(datetime(2020, 3, 28, tzinfo=UTC), hours=60),
    after(datetime(2020, 4, 4, tzinfo=UTC), hours=48),
    after(datetime(2020, 10, 24, 20, tzinfo=UTC), minutes=600),
    st.sampled_from(STRANGE),
)
skus = st.sampled_from(["s1", "s2"])
receipts = st.sampled_from(["1", "2"])
accruals = st.sampled_from(["a", "b", "c"])
lines_bought = st.lists(st.fixed_dictionaries({"sku": skus, "quantity": st.just(1), "price": numbers}), max_size=2)

BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "purchase_completed": st.one_of(
        st.fixed_dictionaries(
            {"total": numbers, "receipt_id": receipts}, optional={"lines": lines_bought, "store_id": st.just("y")}
        ),
        st.fixed_dictionaries({"total": numbers, "store_id": st.just("x")}),
        optional(total=numbers, lines=lines_bought),
    ),
    "order_placed": st.one_of(
        st.fixed_dictionaries({"total": numbers, "order_id": receipts}),
        optional(total=numbers, order_id=receipts),
    ),
    "order_cancelled": st.fixed_dictionaries({"order_id": receipts}),
    "registration_completed": optional(
        phone=st.sampled_from(["+79001112233", "letters"]),
        email=st.sampled_from(["m@example.com", "nowhere"]),
        first_name=st.sampled_from(["Ann", "Bob"]),
        birth_date=st.sampled_from(["1990-02-28", "1992-02-29", "2000-03-05", "1999-01-01"]),
        city=st.sampled_from(["Riga", "Oslo"]),
        time_zone=st.sampled_from(MEMBER_ZONES),
        referrer_id=st.sampled_from(MEMBERS),
        attributes=st.sampled_from([{"tier": "gold"}, {"tier": "grey"}]),
    ),
    "product_viewed": st.just({"sku": "s1"}),
    "cart_item_added": st.fixed_dictionaries(
        {"sku": skus}, optional={"quantity": st.integers(1, 2), "price": numbers, "name": st.just("Tea")}
    ),
    "cart_item_removed": st.fixed_dictionaries({"sku": skus}, optional={"quantity": st.integers(1, 2)}),
    "phone_bound": st.just({"phone": "+79004445566"}),
    "email_bound": st.just({"email": "n@example.com"}),
    "app_installed": st.just({"push_token": "token", "platform": "ios"}),
    "social_profile_linked": st.fixed_dictionaries(
        {"network": st.sampled_from(["vk", "ok"]), "profile_id": st.sampled_from(["1", "2"])}
    ),
    "status_changed": st.just({"status": "gold"}),
    "subscription_changed": st.fixed_dictionaries(
        {"subscribed": st.booleans()},
        optional={
            "channel": st.sampled_from(["sms", "email", "push", " SMS", "e-mail"]),
            "messaging_type": st.sampled_from(["marketing", "service", " Marketing"]),
        },
    ),
    "segment_assigned": st.just({"segment": "chosen"}),
    "segment_removed": st.just({"segment": "chosen"}),
    "purchase_returned": optional(total=numbers, receipt_id=receipts),
    "bonus_accrued": st.fixed_dictionaries(
        {"accrual_id": accruals, "amount": st.sampled_from([10, 60, 99.5]), "currency": st.just("points")},
        optional={"activates_at": st.one_of(later, hours), "expires_at": st.one_of(later, hours)},
    ),
    "bonus_cancelled": st.fixed_dictionaries({"accrual_id": accruals}),
    "bonus_activated": st.fixed_dictionaries({"accrual_id": accruals}),
    "bonus_expired": st.fixed_dictionaries({"accrual_id": accruals}),
    "bonus_paid": st.fixed_dictionaries({"amount": numbers, "currency": st.just("points")}),
    "member_erased": st.just({}),
}
BODIES["members_merged"] = st.fixed_dictionaries(
    {"into_id": st.sampled_from(["m", "n", "o"])}, optional={"from_id": st.sampled_from(["m", "n", "o"])}
)
BODIES["profile_updated"] = BODIES["registration_completed"]
RARE = {"member_erased", "members_merged"}
HEARD = {
    "cart_abandoned": ["cart_item_added"],
    "bonus": ["bonus_accrued", "bonus_accrued", "bonus_paid"],
    "date": ["registration_completed", "profile_updated"],
    "segment_entered": ["purchase_completed", "profile_updated"],
    "segment_left": ["purchase_returned", "profile_updated", "segment_assigned", "segment_removed"],
    "order_cancelled": ["order_placed"],
    "friend_purchase_completed": ["purchase_completed", "profile_updated"],
}
"""What makes a trigger, or an event that isn't sent from outside, come."""


def heard(value: Any) -> list[str]:
    """The types of events that something in these programmes waits for."""
    if isinstance(value, list):
        return [kind for each in value for kind in heard(each)]
    if not isinstance(value, dict):
        return []
    found = [kind for name in value for kind in HEARD.get(name, [])]
    if isinstance(value.get("event"), str):
        found += [*HEARD.get(value["event"], []), value["event"]]
    return [kind for kind in [*found, *heard(list(value.values()))] if kind in BODIES]


def contacts(member: str) -> list[dict[str, Any]]:
    """A registration before everything, and what makes the member reachable."""
    known = {"phone": "+79001112233", "email": "m@example.com", "first_name": "Ann", "birth_date": "1990-03-01"}
    bodies = {
        "registration_completed": {**known, "referrer_id": "m"} if member == "n" else known,
        "app_installed": {"push_token": "token"},
        "social_profile_linked": {"network": "vk", "profile_id": "1"},
    }
    head = {"occurred_at": "2020-02-26T12:00:00Z", "source": "test", "member_id": member}
    return [{"event_id": f"r {kind}", "type": kind, **head, **body} for kind, body in bodies.items()]


@st.composite
def histories(draw: st.DrawFn, programmes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Registrations, then anything; mostly in the order of time. With one programme, it is there from the start."""
    count = draw(st.integers(3, 12))
    listened = st.sampled_from(heard([programme["campaigns"] for programme in programmes]) or TYPES)
    any_kind = st.one_of(listened, listened, listened, st.sampled_from(sorted(set(BODIES) - RARE)))
    kinds = draw(st.lists(any_kind, min_size=count, max_size=12))
    for rare in sorted(RARE):
        if draw(st.integers(0, 4)) == 4:
            kinds.insert(draw(st.integers(0, len(kinds))), rare)
    ticks = ["tick"] * draw(st.sampled_from([0, 0, 0, 1, 3]))
    applied = ["programme_applied"] * draw(st.sampled_from([0, 0, 0, 1]))
    if len(programmes) > 1:
        applied = ["programme_applied"] * len(programmes)
    if len(ticks + applied):
        kinds = draw(st.permutations([*kinds, *ticks, *applied]))
    moments = draw(st.lists(times, min_size=len(kinds), max_size=len(kinds)))
    if draw(st.integers(0, 3)):
        moments.sort()
    first = [line for member in (MEMBERS if draw(st.integers(0, 4)) else []) for line in contacts(member)]
    if applied and draw(st.booleans()):
        kinds.remove("programme_applied")
        first.insert(0, {"type": "programme_applied", "occurred_at": "2020-02-26T00:00:00Z", "programme": 1})
    lines: list[dict[str, Any]] = []
    number = len([line for line in first if line["type"] == "programme_applied"])
    for index, (kind, at) in enumerate(zip(kinds, moments, strict=False)):
        if kind == "tick":
            lines.append({"type": kind, "occurred_at": at, "clock": draw(st.sampled_from(["wall", "event"]))})
        elif kind == "programme_applied":
            number += 1
            lines.append({"type": kind, "occurred_at": at, "programme": number})
        else:
            lines.append(draw(event_lines(f"e{index}", kind, at, [line for line in lines if "event_id" in line])))
    return first + lines


IDENTIFIERS = {
    "visitor_id": st.sampled_from(["v", "w", "undefined"]),
    "card_number": st.sampled_from(["1", " 1 ", "2", "null"]),
    "phone": st.sampled_from(["+79001112233", "8 900 111-22-33", "letters"]),
    "email": st.sampled_from(["n@example.com", "N@Example.com"]),
}
one_of_them = st.sampled_from(list(IDENTIFIERS)).flatmap(lambda name: st.fixed_dictionaries({name: IDENTIFIERS[name]}))
members = st.sampled_from(["m", "m", "m", "n"]).map(lambda member: {"member_id": member})
logged_in = st.builds(lambda member, names: {**member, **names}, members, optional(**IDENTIFIERS))
WHO = st.one_of(*[members] * 6, logged_in, logged_in, one_of_them, optional(**IDENTIFIERS).filter(bool))
"""A member, a member who is known by something besides, a stranger."""


@st.composite
def event_lines(draw: st.DrawFn, event_id: str, kind: str, at: str, earlier: list[dict[str, Any]]) -> dict[str, Any]:
    """An event, or one of the earlier ones again."""
    chance = draw(st.integers(0, 19)) if earlier else 19
    if chance < 2:
        return draw(st.sampled_from(earlier))
    line = {
        "event_id": earlier[-1]["event_id"] if chance == 2 else event_id,  # the id of another event
        "type": kind,
        "occurred_at": at,
        "source": "other" if chance == 3 else "test",
        **draw(BODIES[kind]),
        **draw(WHO),
    }
    return {**line, "historical": True} if draw(st.integers(0, 14)) == 0 else line


def statuses() -> st.SearchStrategy[list[tuple[str, int, int]]]:
    """What gateways report: the type, of which dispatch, and how long after it (ms)."""
    delays = st.sampled_from([0, 1, 60_000, 3_600_000, 7_200_000, 86_400_000])
    types = st.sampled_from([*STATUSES, *STATUSES, "message_complained", "member_unsubscribed"])
    return st.lists(st.tuples(types, st.integers(0, 5), delays), max_size=4)
