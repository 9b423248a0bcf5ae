"""Generated programmes (as the YAML's mappings) and streams of events of one or two members."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

START = datetime(2020, 2, 27, tzinfo=UTC)
STRANGE = [
    "2020-02-28T20:59:59.999Z",
    "2020-02-28T21:00:00Z",
    "2020-02-29T06:00:00Z",
    "2020-03-01T00:00:00Z",
    "2020-03-29T00:59:59Z",
    "2020-03-29T01:00:00Z",
    "2020-10-25T00:30:00Z",
    "2020-10-25T01:30:00Z",
    "2020-12-31T23:59:59Z",
]
ZONES = ["Europe/Moscow", "Europe/Berlin", "Asia/Vladivostok", "America/New_York", "Asia/Kathmandu"]
MEMBERS = ["m", "n"]
DURATIONS = ["PT0S", "PT1H", "PT6H", "PT12H", "P1D", "P3D", "P7D", "P1M"]
TIMES = ["00:00", "02:30", "09:00", "10:00", "21:00", "23:30"]
TYPES = ["purchase_completed", "registration_completed", "profile_updated", "product_viewed", "order_placed"]
SEGMENTS = ["everyone", "buyers", "named", "chosen"]
CHANNELS = ["sms", "email", "push"]

STATUSES = ["message_sent", "message_delivered", "message_opened", "message_clicked", "message_failed"]

TEMPLATES = {
    "plain": {"text": "Hello", "subject": "Subject"},
    "named": {"text": "Hello {{ member.first_name }}", "subject": "Subject"},
    "priced": {"text": "{{ event.total }}, {{ counter.spend }}", "subject": "{{ counter.buys }}"},
}

numbers = st.sampled_from([0, 1, 5, 10, 99.5, 100])
durations = st.sampled_from(DURATIONS)
local_times = st.sampled_from(TIMES)


def optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these."""
    return st.fixed_dictionaries({}, optional=strategies)


member_conditions = st.one_of(
    st.builds(lambda n: {"member.purchases.count": {"ge": n}}, st.integers(0, 3)),
    st.builds(lambda n: {"member.purchases.total": {"gt": n}}, numbers),
    st.builds(lambda value: {"member.city": value}, st.sampled_from(["Riga", "Oslo"])),
    st.builds(lambda value: {"member.first_name": {"exists": value}}, st.booleans()),
    st.builds(lambda value: {"member.attributes.tier": value}, st.sampled_from(["gold", "grey"])),
    st.just({"member.age": {"ge": 20}}),
    st.just({"counter.everything": {"gt": 100}}),
)
turning_conditions = st.one_of(
    st.builds(lambda name, n: {f"counter.{name}": {"ge": n}}, st.sampled_from(["spend", "buys", "month"]), numbers),
    st.builds(lambda n: {"days_since.purchase_completed": {"le": n}}, st.integers(0, 5)),
    st.builds(lambda n: {"days_since.purchase_completed": {"ge": n}}, st.integers(0, 5)),
    st.builds(lambda n: {"member.days_since_registration": {"ge": n}}, st.integers(0, 5)),
    st.builds(lambda n: {"member.days_since_registration": {"between": [n, n + 1]}}, st.integers(0, 5)),
)
momentary_conditions = st.one_of(
    member_conditions,
    st.builds(lambda name, n: {f"counter.{name}": {"ge": n}}, st.sampled_from(["spend", "buys", "month"]), numbers),
    st.builds(lambda n: {"days_since.purchase_completed": {"le": n}}, st.integers(0, 5)),
    st.builds(lambda n: {"member.days_since_registration": {"ge": n}}, st.integers(0, 5)),
    st.builds(lambda name: {"segment": name}, st.sampled_from(SEGMENTS)),
    st.builds(lambda n: {"total": {"ge": n}}, numbers),
    st.builds(lambda c: {"not": c}, member_conditions),
)


@st.composite
def event_matches(draw: st.DrawFn, *, entry: bool = False) -> dict[str, Any]:
    """An event and perhaps a condition on it."""
    kind = draw(st.sampled_from([*TYPES, *TYPES, "friend_purchase_completed", "message_failed"]))
    found: dict[str, Any] = {"event": kind}
    if kind in {"purchase_completed", "order_placed"} and draw(st.booleans()):
        found["where"] = {"total": draw(st.sampled_from([{"ge": 10}, {"lt": 50}, {"exists": True}]))}
    return found


@st.composite
def triggers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["event", "event", "event", "date", "cart", "segment"]))
    if kind == "event":
        return draw(event_matches())
    if kind == "date":
        offset = draw(optional(offset=st.sampled_from(["-P3D", "P1D", "-P1M"])))
        return {"date": draw(st.sampled_from(["birth_date", "registered_at"])), "at": draw(local_times), **offset}
    if kind == "cart":
        return {"cart_abandoned": {"after": draw(st.sampled_from(["PT1H", "PT6H", "P1D"]))}}
    return {draw(st.sampled_from(["segment_entered", "segment_left"])): draw(st.sampled_from(["buyers", "named"]))}


@st.composite
def sends(draw: st.DrawFn) -> dict[str, Any]:
    def message() -> dict[str, Any]:
        return {"channel": draw(st.sampled_from(CHANNELS)), "template": draw(st.sampled_from(sorted(TEMPLATES)))}

    if draw(st.integers(0, 3)) == 0:
        first = {**message(), "wait": draw(st.sampled_from(["PT1H", "P1D"])), "until": "delivered"}
        return {"send": {"cascade": [first, message()]}}
    rest = draw(optional(expires=st.sampled_from(["PT1H", "PT12H"]), messaging_type=st.just("service")))
    return {"send": {**message(), **rest}}


@st.composite
def answered(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A message and a wait for what becomes of it."""
    send = draw(sends())
    send["send"]["as"] = "mail"
    wait = {
        "for": {"event": draw(st.sampled_from(STATUSES)), "of": "mail"},
        "timeout": draw(st.sampled_from(["PT1H", "P1D", "P3D"])),
        **rarely(draw, 2, on_timeout=actions(0)),
    }
    return [send, {"wait": wait}]


def actions(depth: int = 2) -> st.SearchStrategy[list[dict[str, Any]]]:
    kinds = [
        st.builds(lambda d: {"wait": d}, durations),
        st.builds(lambda at: {"wait": {"until": at}}, local_times),
        sends(),
        sends(),
        st.builds(
            lambda n, more: {"award": {"amount": n, "currency": "points", **more}},
            st.sampled_from([1, 12.5]),
            optional(
                lifetime=st.sampled_from(["P30D", "P1M"]),
                activates_in=st.just("P1D"),
                limit=st.sampled_from([{"count": 1, "per": "P3D"}, {"count": 2, "per": "P1M"}]),
            ),
        ),
        st.builds(lambda name: {"select": {"segment": name}}, st.sampled_from(SEGMENTS)),
        st.builds(lambda value: {"set": {"tier": value}}, st.sampled_from(["gold", "grey"])),
        st.sampled_from([{"add_to": "chosen"}, {"remove_from": "chosen"}]),
    ]
    if depth:
        below = actions(depth - 1)
        kinds += [
            st.builds(
                lambda match, timeout, more: {"wait": {"for": match, "timeout": timeout, **more}},
                event_matches(),
                st.sampled_from(["PT1H", "P1D", "P3D"]),
                optional(on_timeout=below),
            ),
            st.builds(
                lambda c, then, more: {"if": c, "then": then, **more},
                momentary_conditions,
                below,
                optional(**{"else": below}),
            ),
            st.builds(
                lambda a, b: {"split": [{"percent": 30, "actions": a}, {"percent": 70, "actions": b}]}, below, below
            ),
        ]
    if depth < 2:
        kinds.append(st.just({"exit": "enough"}))
    one_each = st.lists(st.one_of(kinds), min_size=1, max_size=3)
    if not depth:
        return one_each
    return st.one_of(one_each, one_each, st.builds(lambda first, rest: first + rest, answered(), one_each))


def rarely(draw: st.DrawFn, chance: int, **strategies: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Each of these in one of `chance` cases."""
    return {name: draw(strategy) for name, strategy in strategies.items() if draw(st.integers(1, chance)) == chance}


@st.composite
def campaigns(draw: st.DrawFn, name: str) -> dict[str, Any]:
    entry = rarely(
        draw,
        3,
        again=st.sampled_from(["always", "never", "P1D", "P1M"]),
        while_running=st.sampled_from(["ignore", "restart", "restart", "parallel", "parallel"]),
    )
    return {
        "id": name,
        "trigger": draw(st.lists(triggers(), min_size=1, max_size=2)),
        "actions": draw(actions()),
        **rarely(
            draw,
            3,
            entry=st.just(entry),
            priority=st.integers(0, 2),
            cancel_on=st.lists(event_matches(), min_size=1, max_size=2),
        ),
        **rarely(
            draw,
            6,
            audience=momentary_conditions,
            holdout=st.sampled_from([10, 50]),
            status=st.just("draft"),
            goal=st.builds(lambda match: {**match, "within": "P7D", "ends": True}, event_matches()),
        ),
    }


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    quiet = st.fixed_dictionaries(
        {"from": local_times, "to": local_times, "then": st.sampled_from(["defer", "defer", "suppress"])}
    ).filter(lambda quiet: quiet["from"] != quiet["to"])
    cap = st.fixed_dictionaries(
        {
            "max": st.integers(1, 2),
            "per": st.sampled_from(["PT6H", "P1D", "P7D"]),
            "then": st.sampled_from(["defer", "suppress"]),
        },
        optional={"channel": st.sampled_from(["sms", "email"])},
    )
    return {
        "default_time_zone": draw(st.sampled_from(ZONES)),
        **rarely(draw, 2, quiet_hours=quiet, frequency_caps=st.lists(cap, min_size=1, max_size=2)),
        **rarely(draw, 9, messaging_types=st.just({"marketing": {"consent": "opt_in"}}), global_holdout=st.just(10)),
    }


@st.composite
def programmes(draw: st.DrawFn) -> dict[str, Any]:
    window = draw(st.sampled_from([{"window": "P3D", "step": "P1D"}, {"window": "P7D", "step": "PT12H"}]))
    calendar = draw(st.sampled_from(["year", "month", "week"]))
    turning = draw(st.integers(0, 3)) == 0
    where = draw(turning_conditions if turning else member_conditions.filter(lambda c: "member.age" not in c))
    return {
        "turning": turning,
        "policies": draw(policies()),
        "counters": {
            "spend": {"event": "purchase_completed", "aggregate": "sum", "field": "total", **window},
            "buys": {"event": "purchase_completed", "aggregate": "count", "window": {"tumbling": "P1D"}},
            "month": {
                "event": "purchase_completed",
                "aggregate": "max",
                "field": "total",
                "window": {"calendar": calendar},
            },
            "everything": {"event": "purchase_completed", "aggregate": "sum", "field": "total"},
        },
        "templates": TEMPLATES,
        "segments": {
            "buyers": {"where": {"member.purchases.count": {"ge": 1}}},
            "named": {"where": where},
            "chosen": {"members": ["n"]},
        },
        "campaigns": [draw(campaigns(f"c{index}")) for index in range(draw(st.integers(1, 2)))],
    }


BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "purchase_completed": optional(total=numbers, lines=st.just([{"sku": "s1", "quantity": 1, "price": 5}])),
    "order_placed": optional(total=numbers),
    "registration_completed": optional(
        phone=st.sampled_from(["+79001112233", "letters"]),
        email=st.sampled_from(["m@example.com", "nowhere"]),
        first_name=st.sampled_from(["Ann", "Bob"]),
        birth_date=st.sampled_from(["1990-02-28", "1992-02-29", "2000-03-05", "1999-01-01"]),
        city=st.sampled_from(["Riga", "Oslo"]),
        time_zone=st.sampled_from(ZONES),
        referrer_id=st.sampled_from(MEMBERS),
        attributes=st.sampled_from([{"tier": "gold"}, {"tier": "grey"}]),
    ),
    "product_viewed": st.just({"sku": "s1"}),
    "cart_item_added": st.fixed_dictionaries(
        {"sku": st.sampled_from(["s1", "s2"])}, optional={"quantity": st.integers(1, 2), "price": numbers}
    ),
    "cart_item_removed": st.fixed_dictionaries(
        {"sku": st.sampled_from(["s1", "s2"])}, optional={"quantity": st.integers(1, 2)}
    ),
    "phone_bound": st.just({"phone": "+79004445566"}),
    "app_installed": st.just({"push_token": "token"}),
    "subscription_changed": st.fixed_dictionaries(
        {"subscribed": st.booleans()},
        optional={"channel": st.sampled_from(CHANNELS), "messaging_type": st.sampled_from(["marketing", "service"])},
    ),
    "purchase_returned": optional(total=numbers),
}
BODIES["profile_updated"] = BODIES["registration_completed"]
KINDS = [*TYPES, *TYPES, *sorted(BODIES)]


def iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


times = st.one_of(
    st.builds(lambda hours: iso(START + timedelta(hours=hours)), st.integers(0, 24 * 20)),
    st.builds(lambda hours: iso(START + timedelta(hours=hours)), st.integers(0, 24 * 3)),
    st.builds(lambda minutes: iso(START + timedelta(minutes=minutes)), st.integers(0, 60 * 24 * 3)),
    st.builds(lambda hours: iso(datetime(2020, 3, 28, tzinfo=UTC) + timedelta(hours=hours)), st.integers(0, 60)),
    st.builds(
        lambda minutes: iso(datetime(2020, 10, 24, 20, tzinfo=UTC) + timedelta(minutes=minutes)), st.integers(0, 600)
    ),
    st.sampled_from(STRANGE),
)


@st.composite
def event_lines(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A registration, then anything; mostly in the order of time; some of them repeated."""
    count = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=count, max_size=count))
    moments = draw(st.lists(times, min_size=count, max_size=count))
    if draw(st.booleans()):
        moments.sort()
    lines: list[dict[str, Any]] = []
    for index, (kind, at) in enumerate(zip(kinds, moments, strict=True)):
        if index and draw(st.integers(0, 9)) == 0:
            lines.append(draw(st.sampled_from(lines)))
            continue
        line = {
            "event_id": f"e{index}",
            "type": kind,
            "occurred_at": at,
            "source": "test",
            "member_id": draw(st.sampled_from(["m", "m", "m", "n"])),
            **draw(BODIES[kind]),
        }
        if draw(st.integers(0, 14)) == 0:
            line["historical"] = True
        lines.append(line)
    for member in MEMBERS if draw(st.integers(0, 4)) else []:
        contacts = {"phone": "+79001112233", "email": "m@example.com", "first_name": "Ann"}
        first = {"event_id": "r", "type": "registration_completed", "occurred_at": "2020-02-26T12:00:00Z"}
        lines.insert(0, {**first, "source": "test", "member_id": member, **contacts})
    return lines


def statuses() -> st.SearchStrategy[list[tuple[str, int, int]]]:
    """What gateways report: the type, of which dispatch, and how long after it (ms)."""
    delays = st.sampled_from([0, 1, 60_000, 3_600_000, 7_200_000, 86_400_000])
    types = st.sampled_from([*STATUSES, *STATUSES, "message_complained", "member_unsubscribed"])
    return st.lists(st.tuples(types, st.integers(0, 5), delays), max_size=4)
