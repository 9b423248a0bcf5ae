"""Generated programmes, as the YAML's mappings, and edits of them: what is applied one after the other."""

from typing import Any

from hypothesis import strategies as st

from tests.properties.drawn_campaigns import (
    POLLED,
    POLLS,
    TEMPLATES,
    Drawn,
    actions,
    campaigns,
    local_times,
    member_conditions,
    rarely,
    turning_conditions,
)

ZONES = ["Europe/Moscow", "Europe/Berlin", "Asia/Vladivostok", "America/New_York", "Asia/Kathmandu"]
"""Of programmes and members: without daylight saving, with it, far east and west, off by a quarter of an hour."""
MEMBER_ZONES = [*ZONES, "Australia/Lord_Howe", "America/Santiago", "America/St_Johns", "Asia/Beirut"]
"""Daylight saving of half an hour, in the south, by half-hour zones, at midnight."""

quiet_hours = st.fixed_dictionaries(
    {"from": local_times, "to": local_times, "then": st.sampled_from(["defer", "defer", "suppress"])}
).filter(lambda quiet: quiet["from"] != quiet["to"])
CAP_PERIODS = ["PT6H", "P1D", "P7D", "P1M"]
caps = st.builds(
    lambda most, per, then, of: {"max": most, "per": per, "then": then, **of},
    st.sampled_from([1, 1, 2]),
    st.sampled_from(CAP_PERIODS),
    st.sampled_from(["defer", "suppress"]),
    st.sampled_from([{}, {}, {"channel": "sms"}, {"channel": "email"}]),
)


@st.composite
def policies(draw: st.DrawFn, zone: str) -> Drawn:
    return {
        "default_time_zone": zone,
        **rarely(draw, 2, quiet_hours=quiet_hours, frequency_caps=st.lists(caps, min_size=1, max_size=2)),
        **rarely(draw, 9, messaging_types=st.just({"marketing": {"consent": "opt_in"}}), global_holdout=st.just(10)),
    }


@st.composite
def counters(draw: st.DrawFn) -> Drawn:
    bought = {"event": "purchase_completed"}
    window = draw(st.sampled_from([{"window": "P3D", "step": "P1D"}, {"window": "P7D", "step": "PT12H"}]))
    calendar = draw(st.sampled_from(["year", "month", "week"]))
    return {
        "spend": {**bought, "aggregate": "sum", "field": "total", **window},
        "buys": {**bought, "aggregate": "count", "window": {"tumbling": "P1D"}},
        "month": {**bought, "aggregate": "max", "field": "total", "window": {"calendar": calendar}},
        "orders": {
            "event": "order_placed",
            "aggregate": "sum",
            "field": "total",
            **draw(st.sampled_from([{}, window])),
        },
        "shops": {**bought, "aggregate": "distinct", "field": "store_id"},
        "everything": {**bought, "aggregate": "sum", "field": "total", **rarely(draw, 4, where=member_conditions)},
    }


@st.composite
def segments(draw: st.DrawFn) -> Drawn:
    turns = draw(st.integers(0, 3)) == 0
    return {
        "buyers": {"where": {"member.purchases.count": {"ge": 1}}},
        "named": {"where": draw(turning_conditions if turns else member_conditions)},
        "chosen": {"members": ["n"]},
    }


@st.composite
def programmes(draw: st.DrawFn, count: int = 2) -> Drawn:
    return {
        "policies": draw(policies(draw(st.sampled_from(ZONES)))),
        "counters": draw(counters()),
        "templates": {**TEMPLATES, **POLLED},
        "polls": POLLS,
        "segments": draw(segments()),
        "campaigns": [draw(campaigns(f"c{index}")) for index in range(draw(st.integers(1, count)))],
    }


@st.composite
def edited(draw: st.DrawFn, campaign: Drawn, number: int) -> Drawn | None:
    """What the next programme makes of a campaign; None: it is gone."""
    kind = draw(
        st.sampled_from(["same", "version", "version", "version", "version", "status", "status", "entry", "gone"])
    )
    if kind == "gone":
        return None
    if kind == "version":
        return {
            **campaign,
            "version": draw(st.sampled_from([10 * number, 10 * number, 10 * (10 - number)])),
            "actions": draw(edited_actions(campaign["actions"])),
            "in_flight": draw(st.sampled_from(["keep", "move", "move", "stop"])),
        }
    if kind == "status":
        return {**campaign, "status": draw(st.sampled_from(["live", "paused", "stopped", "draft"]))}
    if kind == "entry":
        return {**draw(campaigns(campaign["id"])), "actions": campaign["actions"], "version": 10 * number}
    return campaign


@st.composite
def edited_actions(draw: st.DrawFn, before: list[Drawn]) -> list[Drawn]:
    """Some of them are others, or gone, or more."""
    found: list[Drawn] = []
    for action in before:
        kind = draw(st.sampled_from(["same", "same", "same", "other", "gone"]))
        found += [action] if kind == "same" else draw(actions(0))[:1] if kind == "other" else []
    names = {next(iter(send.values())).get("as") for send in found if "send" in send or "poll" in send}
    found = [action for action in found if "mail" in names or '"mail"' not in repr(action).replace("'", '"')]
    return found or draw(actions(0))


@st.composite
def next_programme(draw: st.DrawFn, before: Drawn, number: int) -> Drawn:
    kept = [found for each in before["campaigns"] if (found := draw(edited(each, number))) is not None]
    zone = before["policies"]["default_time_zone"]
    changed = rarely(draw, 3, policies=policies(zone), counters=counters(), segments=segments())
    if "policies" in changed:
        changed["policies"] = looking_back_no_further(changed["policies"], before["policies"])
    templates = {**before["templates"], **rarely(draw, 4, plain=st.just({"text": "Bye", "subject": "Bye"}))}
    more = [{**draw(campaigns("d")), "version": number}] if draw(st.integers(0, 3)) == 0 or not kept else []
    others = [each for each in kept if each["id"] != "d" or not more]
    return {**before, "templates": templates, **changed, "campaigns": others + more}


def looking_back_no_further(policies: Drawn, before: Drawn) -> Drawn:
    """Leave out caps for which the engine may have forgotten what was sent earlier; the model forgets nothing."""

    def reach(cap: Drawn) -> int:
        return CAP_PERIODS.index(cap["per"])

    furthest = max(map(reach, before.get("frequency_caps", [])), default=-1)
    kept = [cap for cap in policies.get("frequency_caps", []) if reach(cap) <= furthest]
    return {**policies, "frequency_caps": kept} if "frequency_caps" in policies else policies


@st.composite
def edits(draw: st.DrawFn) -> list[Drawn]:
    """Programmes that are applied one after the other; mostly one alone."""
    found: list[dict[str, Any]] = [draw(programmes())]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        found.append(draw(next_programme(found[-1], len(found))))
    return found
