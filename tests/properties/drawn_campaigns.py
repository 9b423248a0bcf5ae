"""Generated campaigns, as the YAML's mappings: triggers, conditions, actions, everything that the language has."""

from typing import Any

from hypothesis import strategies as st

from streams.engine.channels import CHANNELS as ALL_CHANNELS

Drawn = dict[str, Any]
DURATIONS = ["PT0S", "PT1H", "PT6H", "PT12H", "P1D", "P3D", "P7D", "P1M"]
TIMES = ["00:00", "02:30", "09:00", "10:00", "21:00", "23:30"]
TYPES = ["purchase_completed", "registration_completed", "profile_updated", "product_viewed", "order_placed"]
SEGMENTS = ["everyone", "buyers", "named", "chosen"]
COUNTERS = ["spend", "buys", "month", "orders", "shops"]
CHANNELS = ["sms", "email", "push", "viber", "social", "cashier", "in_app"]
STATUSES = ["message_sent", "message_delivered", "message_opened", "message_clicked", "message_failed"]
STATED_ZONES = ["Europe/Berlin", "Australia/Lord_Howe", "member", "member"]

TEMPLATES: Drawn = {
    "plain": {"text": "Hello", "subject": "Subject", "moderated": True},
    "bare": {"text": "Hi", "subject": "Subject"},
    "named": {"text": "Hello {{ member.first_name }}", "subject": "Subject"},
    "priced": {"text": "{{ event.total }}, {{ counter.spend }}", "subject": "{{ counter.buys }}", "moderated": True},
    "pointed": {"text": "{{ amount }} {{ member.bonus.points }}", "subject": "{{ counter.orders }}", "moderated": True},
    "full": {
        "text": "{{ member.purchases.count }} {{ member.attributes.tier | default: 'none' }}",
        "subject": "{{ member.time_zone }}",
        "image": "https://example.com/{{ campaign.id }}.png",
        "button": {"text": "{{ campaign.version }}", "url": "https://example.com/{{ member.id }}"},
        "moderated": True,
    },
}
POLLED = {"asked": {"text": "{{ poll.questions[0].text }} {{ poll.id }}", "subject": "Poll", "moderated": True}}
POLLS: Drawn = {"p": {"questions": [{"id": "q", "text": "How was it?", "options": ["good", "bad"]}]}}

templates = st.sampled_from(["plain", "plain", "plain", "bare", "bare", *sorted(TEMPLATES)])
numbers = st.sampled_from([0, 1, 5, 10, 99.5, 100])
local_times = st.sampled_from(TIMES)
channels = st.sampled_from([*CHANNELS, *CHANNELS, *sorted(ALL_CHANNELS)])


def optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Drawn]:
    """Some of these."""
    return st.fixed_dictionaries({}, optional=strategies)


def rarely(draw: st.DrawFn, chance: int, **strategies: st.SearchStrategy[Any]) -> Drawn:
    """Each of these in one of `chance` cases."""
    return {name: draw(strategy) for name, strategy in strategies.items() if draw(st.integers(1, chance)) == chance}


# Conditions ----------------------------------------------------------------------------------------------------------

member_conditions = st.one_of(
    st.builds(lambda n: {"member.purchases.count": {"ge": n}}, st.integers(0, 3)),
    st.builds(lambda n: {"member.purchases.total": {"gt": n}}, numbers),
    st.builds(lambda value: {"member.city": value}, st.sampled_from(["Riga", "Oslo"])),
    st.builds(lambda value: {"member.first_name": {"exists": value}}, st.booleans()),
    st.builds(lambda value: {"member.attributes.tier": value}, st.sampled_from(["gold", "grey"])),
    st.just({"member.status": {"exists": True}}),
    st.just({"counter.everything": {"gt": 100}}),
)
turning_conditions = st.one_of(
    st.builds(lambda name, n: {f"counter.{name}": {"ge": n}}, st.sampled_from(COUNTERS), numbers),
    st.builds(lambda n: {"days_since.purchase_completed": {"le": n}}, st.integers(0, 5)),
    st.builds(lambda n: {"days_since.purchase_completed": {"ge": n}}, st.integers(0, 5)),
    st.builds(lambda n: {"member.days_since_registration": {"ge": n}}, st.integers(0, 5)),
    st.builds(lambda n: {"member.days_since_registration": {"between": [n, n + 1]}}, st.integers(0, 5)),
    st.builds(lambda n: {"member.bonus.points": {"ge": n}}, st.sampled_from([1, 10, 100])),
    st.builds(lambda n: {"member.age": {"ge": n}}, st.sampled_from([20, 28, 30])),
)
momentary_conditions = st.one_of(
    member_conditions,
    turning_conditions,
    st.builds(lambda name: {"segment": name}, st.sampled_from(SEGMENTS)),
    st.builds(lambda n: {"total": {"ge": n}}, numbers),
    st.builds(lambda c: {"not": c}, member_conditions),
    st.just({"lines": {"some": {"sku": "s1"}}}),
)
event_triggers = st.one_of(
    st.builds(lambda kind: {"event": kind}, st.sampled_from([*TYPES, *TYPES, "friend_purchase_completed"])),
    st.builds(
        lambda kind, where: {"event": kind, "where": where},
        st.sampled_from(["purchase_completed", "order_placed"]),
        st.sampled_from([{"total": {"ge": 10}}, {"total": {"lt": 50}}, {"total": {"exists": True}}]),
    ),
)
matches = st.one_of(
    event_triggers,
    st.just({"event": "order_cancelled", "where": {"order_id": {"ref": "entry.order_id"}}}),
    st.sampled_from([{"event": kind} for kind in ("message_failed", "purchase_returned", "cart_item_added")]),
)

# Triggers ------------------------------------------------------------------------------------------------------------

bonus_triggers = st.one_of(
    st.builds(
        lambda kind, lead, more: {"bonus": {kind: lead, **more}},
        st.sampled_from(["activates_in", "expires_in"]),
        st.sampled_from(["PT6H", "P1D", "P3D"]),
        optional(minimum=st.sampled_from([1, 50, 100])),
    ),
    st.builds(
        lambda kind, lead, at: {"bonus": {kind: lead, "at": at}},
        st.sampled_from(["activates_in", "expires_in"]),
        st.sampled_from(["P1D", "P3D"]),
        local_times,
    ),
)
schedules = st.builds(
    lambda when, zone: {"schedule": {**when, **zone}},
    st.one_of(
        st.builds(
            lambda day, at: {"at": f"2020-{day}T{at}"}, st.sampled_from(["02-28", "03-01", "03-29"]), local_times
        ),
        st.sampled_from(["0 10 * * *", "30 2 * * *", "0 10 * * 1", "0,30 0,2 * * *"]).map(lambda c: {"cron": c}),
    ),
    optional(zone=st.sampled_from(STATED_ZONES)),
)
dates = st.builds(
    lambda name, at, offset: {"date": name, "at": at, **offset},
    st.sampled_from(["birth_date", "registered_at"]),
    local_times,
    optional(offset=st.sampled_from(["-P3D", "P1D", "-P1M"])),
)
triggers = st.one_of(
    *[event_triggers] * 10,
    dates,
    st.builds(lambda after: {"cart_abandoned": {"after": after}}, st.sampled_from(["PT1H", "PT6H", "P1D"])),
    st.builds(
        lambda kind, name: {kind: name},
        st.sampled_from(["segment_entered", "segment_left"]),
        st.sampled_from(["buyers", "named"]),
    ),
    bonus_triggers,
    schedules,
    st.just({"now": True}),
)

# Actions -------------------------------------------------------------------------------------------------------------


@st.composite
def sends(draw: st.DrawFn) -> Drawn:
    def message() -> Drawn:
        channel = draw(channels)
        network = {"network": draw(st.sampled_from(["vk", "ok"]))} if channel in {"social", "chat_bot"} else {}
        return {"channel": channel, "template": draw(templates), **network}

    kind = draw(st.integers(0, 5))
    rest = draw(optional(expires=st.sampled_from(["PT1H", "PT12H"]), messaging_type=st.just("service")))
    if kind == 0:
        return {"poll": {"poll": "p", **message(), "template": "asked", **rest}}
    if kind == 1:
        first = {**message(), "wait": draw(st.sampled_from(["PT1H", "P1D"])), "until": "delivered"}
        second = {**message(), "wait": "PT6H", "until": draw(st.sampled_from(["sent", "opened", "clicked"]))}
        return {"send": {"cascade": [first, second, message()][draw(st.integers(0, 1)) :], **rest}}
    return {"send": {**message(), **rest}}


@st.composite
def answered(draw: st.DrawFn) -> list[Drawn]:
    """A message and a wait for what becomes of it."""
    send = draw(sends())
    next(iter(send.values()))["as"] = "mail"
    wait = {
        "for": {"event": draw(st.sampled_from(STATUSES)), "of": "mail"},
        "timeout": draw(st.sampled_from(["PT1H", "P1D", "P3D"])),
        **rarely(draw, 2, on_timeout=actions(0)),
    }
    return [send, {"wait": wait}]


awards = st.builds(
    lambda n, limit, more: {"award": {"amount": n, "currency": "points", **limit, **more}},
    st.sampled_from([1, 12.5]),
    st.sampled_from([{}, *({"limit": {"count": n, "per": per}} for n, per in ((1, "P3D"), (1, "P1M"), (2, "P1M")))]),
    optional(
        lifetime=st.sampled_from(["P30D", "P1M"]),
        activates_in=st.just("P1D"),
        legal_entity=st.just("shop"),
        description=st.just("Thanks"),
    ),
)
webhooks = st.sampled_from(
    [
        {"webhook": {"url": "https://example.com/", "body": {"of": "{{ member.id }}", "n": [1, "{{ amount }}"]}}},
        {"webhook": {"url": "https://example.com/", "body": "{{ event.total }} {{ counter.shops }}"}},
        {"webhook": {"url": "https://example.com/"}},
    ]
)


def actions(depth: int = 2) -> st.SearchStrategy[list[Drawn]]:
    kinds = [
        st.builds(lambda d: {"wait": d}, st.sampled_from(DURATIONS)),
        st.builds(lambda at: {"wait": {"until": at}}, local_times),
        sends(),
        sends(),
        sends(),
        awards,
        awards,
        webhooks,
        st.builds(lambda name: {"select": {"segment": name}}, st.sampled_from(SEGMENTS)),
        st.builds(lambda value: {"set": {"tier": value}}, st.sampled_from(["gold", "grey", None])),
        st.sampled_from([{"add_to": "chosen"}, {"remove_from": "chosen"}]),
    ]
    if depth:
        below = actions(depth - 1)
        kinds += [
            st.builds(
                lambda match, timeout, more: {"wait": {"for": match, "timeout": timeout, **more}},
                matches,
                st.sampled_from(["PT1H", "P1D", "P3D"]),
                optional(on_timeout=below),
            ),
            st.builds(lambda match: {"wait": {"for": match}}, matches),
            st.builds(
                lambda c, then, more: {"if": c, "then": then, **more},
                momentary_conditions,
                below,
                optional(**{"else": below}),
            ),
            st.builds(
                lambda a, b, rest: {"split": [{"percent": 30, "actions": a}, {"percent": 70 - rest, "actions": b}]},
                below,
                below,
                st.sampled_from([0, 20]),
            ),
        ]
    if depth < 2:
        kinds.append(st.just({"exit": "enough"}))
    one_each = st.lists(st.one_of(kinds), min_size=1, max_size=3)
    if not depth:
        return one_each
    pause = st.sampled_from(["PT6H", "P1D", "P3D"]).map(lambda d: [{"wait": d}])
    later = st.builds(lambda first, rest: first + rest, st.one_of(pause, pause, answered()), one_each)
    return st.one_of(one_each, later)


# Campaigns -----------------------------------------------------------------------------------------------------------


goals = st.builds(
    lambda match, within, ends: {**match, "within": within, **ends},
    matches,
    st.sampled_from(["P1D", "P7D"]),
    st.sampled_from([{}, {"ends": True}, {"ends": True}]),
)


@st.composite
def campaigns(draw: st.DrawFn, name: str) -> Drawn:
    entry = rarely(
        draw,
        2,
        again=st.sampled_from(["always", "never", "P1D", "P1M"]),
        while_running=st.sampled_from(["ignore", "restart", "restart", "parallel", "parallel"]),
    )
    active = st.sampled_from(
        [
            {"from": "2020-02-28T00:00"},
            {"until": "2020-03-01T10:00"},
            {"from": "2020-02-28T10:00", "until": "2020-03-03T00:00"},
        ]
    )
    return {
        "id": name,
        "trigger": draw(st.lists(triggers, min_size=1, max_size=2)),
        "actions": draw(actions()),
        **rarely(draw, 2, entry=st.just(entry), cancel_on=st.lists(matches, min_size=1, max_size=2), goal=goals),
        **rarely(draw, 3, priority=st.integers(0, 2)),
        **rarely(draw, 6, audience=momentary_conditions, holdout=st.sampled_from([10, 50])),
        **rarely(draw, 15, status=st.sampled_from(["draft", "paused", "stopped"]), active=active),
    }
