"""Whose an event is, and what becomes of a stranger's state when it is found out (docs/identity.md)."""

import itertools

import pytest

from schemas.values import format_time, parse_time
from sinks.senders.statuses import status
from streams.consent.tokens import events_of, statement_of
from streams.engine.commands import Dispatch
from tests.simulation.support import bought, directory, event, happened, registered, run, sent

END = "2018-03-01T00:00:00Z"
CART = """
trigger: {cart_abandoned: {after: PT1H}}
actions: [{send: {channel: sms, template: a}}]
"""
HELLO = "trigger: {event: site_visited}\nactions: [{send: {channel: in_app, template: hello}}]"


def on(time: str) -> str:
    return f"2018-01-02T{time}:00Z"


def stranger(kind: str, time: str, **body):
    return event(None, kind, on(time), **body)


def whose(*events, **options):
    """Who is greeted at each visit."""
    lines = run(directory(hello=HELLO), list(events), END, kinds=("dispatch",), **options)
    return [line["member_id"] for line in lines]


def visit(time: str, member: str | None = None, **identifiers):
    return event(member, "site_visited", on(time), **identifiers)


# Links ---------------------------------------------------------------------------------------------------------------


def test_a_card_and_a_visitor_are_linked_by_an_event_with_a_member_id():
    login = visit("10:00", "m", visitor_id="v", card_number="c")
    assert whose(login, visit("11:00", visitor_id="v"), visit("12:00", card_number="c")) == ["m", "m", "m"]


@pytest.mark.parametrize("kind", ["registration_completed", "profile_updated"])
def test_a_registration_and_a_change_of_the_profile_link_phone_and_email(kind):
    known = event("m", kind, on("10:00"), phone="8 900 111-22-33", email="Ann@Example.com")
    assert whose(known, visit("11:00", phone="+79001112233"), visit("12:00", email="ann@example.COM")) == ["m", "m"]


def test_a_binding_links_what_it_binds():
    bindings = [
        event("m", "phone_bound", on("10:00"), phone="+79001112233"),
        event("m", "email_bound", on("10:00"), email="a@x.org"),
    ]
    assert whose(*bindings, visit("11:00", phone="+79001112233"), visit("12:00", email="a@x.org")) == ["m", "m"]


def test_any_other_event_links_no_phone():
    paid = visit("10:00", "m", phone="+79001112233")
    assert whose(paid, visit("11:00", phone="+79001112233")) == ["m", "phone:3732f492b3cd1bc41458dc5918c03a34"]


def test_a_stranger_is_the_first_linked_of_all_names_else_has_a_state_of_the_first():
    both = {"visitor_id": "v", "card_number": "c", "phone": "+79001112233", "email": "a@x.org"}
    assert whose(visit("10:00", **both)) == ["visitor:v"]
    names = list(both)
    for index, name in enumerate(names[:-1]):
        rest = {other: both[other] for other in names[index:]}
        assert whose(visit("10:00", **rest))[0].startswith(name.removesuffix("_id").removesuffix("_number"))
    assert whose(visit("09:00", "m", card_number="c"), visit("10:00", **both)) == ["m", "m"]
    assert whose(visit("09:00", "m", card_number="c"), visit("09:00", "n", visitor_id="v"), visit("10:00", **both)) == [
        "m",
        "n",
        "n",
    ]


def test_a_receipt_of_somebody_unknown_has_a_state_of_its_own():
    till = "trigger: {event: purchase_completed}\nactions: [{send: {channel: receipt, template: hello}}]"
    lines = run(directory(c=till), [event(None, "purchase_completed", on("10:00"), receipt_id="r", total=5)], END)
    assert [line["member_id"] for line in lines] == ["receipt:r"]


def test_an_event_that_is_a_members_by_its_card_links_no_visitor_but_what_it_binds():
    known = visit("09:00", "m", card_number="c")
    seen = visit("10:00", card_number="c", visitor_id="v")
    assert whose(known, seen, visit("11:00", visitor_id="v")) == ["m", "m", "visitor:v"]
    binds = stranger("phone_bound", "10:00", card_number="c", phone="+79001112233")
    assert whose(known, binds, visit("11:00", phone="+79001112233")) == ["m", "m"]


def test_a_card_that_is_passed_on_and_a_phone_that_is_taken_over_move_and_the_profile_keeps_the_field():
    first, second = (
        event(member, "registration_completed", on(time), phone="+79001112233", card_number="c")
        for member, time in (("m", "09:00"), ("n", "10:00"))
    )
    later = [visit("11:00", card_number="c"), visit("12:00", phone="+79001112233")]
    assert whose(first, second, *later) == ["n", "n"]
    text = "trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: hello}}]"
    lines = run(directory(c=text), [first, second, visit("11:00", "m")], END)
    assert [line["to"] for line in lines] == ["+79001112233"]


@pytest.mark.parametrize("again", [0, 1])
def test_neither_a_repetition_nor_a_late_event_takes_back_what_was_taken_over(again):
    given = [
        event(member, "phone_bound", on(time), phone="+79001112233")
        for member, time in (("m", "09:00"), ("n", "10:00"))
    ]
    asked = visit("12:00", phone="+79001112233")
    assert whose(*given, given[again], asked, in_order=True) == ["n"]
    assert whose(*reversed(given), asked, in_order=True) == ["n"]
    between = event("m", "phone_bound", on("11:00"), phone="+79001112233")
    assert whose(between, *given, asked, in_order=True) == ["m"]


def test_links_do_not_hang_on_the_order_of_the_log():
    events = [
        event("m", "phone_bound", on("09:00"), phone="+79001112233", card_number="c"),
        event("n", "phone_bound", on("10:00"), phone="+79001112233"),
        event("o", "profile_updated", on("11:00"), card_number="c"),
        event("m", "site_visited", on("11:30"), visitor_id="v", historical=True),
    ]
    asked = [visit("12:00", phone="+79001112233"), visit("12:01", card_number="c"), visit("12:02", visitor_id="v")]
    for order in itertools.permutations(events):
        assert whose(*order, *order, *asked, in_order=True) == ["n", "o", "m"]


MAILED = "trigger: {event: purchase_completed}\nactions: [{send: {channel: email, template: mail}}]"


@pytest.mark.parametrize("secret", [b"", b"secret"])
@pytest.mark.parametrize("given", [{"card_number": "c"}, {"phone": "+79001112233"}, {"email": "a@x.org"}])
@pytest.mark.parametrize("registers", ["never", "after", "before"])
@pytest.mark.parametrize("said", ["message_complained", "message_failed", "unsubscribed"])
def test_what_comes_back_of_a_strangers_message_counts_for_the_stranger_or_the_member(said, registers, given, secret):
    """A mail to whoever is known by `given`; its answer, before or after they register; then another purchase."""
    programme = directory(c=MAILED)
    known = stranger("email_bound", "08:00", **{"email": "a@x.org", **given})
    bought_first = stranger("purchase_completed", "09:00", total=5, **given)
    (mail,) = run(programme, [known, bought_first], END, secret=secret)
    made = {name: mail[name] for name in mail.keys() & set(Dispatch.__struct_fields__)}
    dispatch = Dispatch(**{**made, "at": parse_time(mail["at"]), "messaging_type": "marketing"})
    answered = parse_time(on("11:00"))
    if said == "unsubscribed":
        answers = events_of(statement_of(dispatch, "unsubscribe", 30), answered)
    else:
        answers = [status(dispatch, said, at=answered, reason="address_rejected" if "failed" in said else None)]
    lines = [
        event(each.member_id, each.type, format_time(answered), source=each.source, event_id=each.event_id, **each.body)
        for each in answers
    ]
    times = {"never": [], "after": ["12:00"], "before": ["10:00"]}[registers]
    registration = [event("m", "registration_completed", on(time), **given) for time in times]
    again = stranger("purchase_completed", "13:00", total=5, **given)
    decisions = run(
        programme, [known, bought_first, *registration, *lines, again], END, kinds=("decision",), secret=secret
    )
    reasons = [line["reason"] for line in decisions if line["at"] == on("13:00")]
    assert reasons[0] == ("no_address" if said == "message_failed" else "unsubscribed")


# Members merged ------------------------------------------------------------------------------------------------------


def merged(time: str, from_id: str | None, into_id: str | None, member: str | None = None):
    return event(member, "members_merged", on(time), from_id=from_id, into_id=into_id)


def test_what_comes_of_a_merged_member_is_the_others_from_then_on():
    card = visit("08:00", "a", card_number="c")
    events = [
        card,
        visit("09:00", "a"),
        merged("10:00", "a", "b"),
        visit("11:00", "a"),
        visit("12:00", card_number="c"),
    ]
    assert whose(*events) == ["a", "a", "b", "b"]
    assert whose(*events, merged("10:30", "a", "b"), merged("10:40", "b", "b")) == ["a", "a", "b", "b"]


def test_a_chain_leads_to_its_end_and_a_circle_changes_nothing():
    chain = [merged("09:00", "a", "b"), merged("09:30", "b", "c")]
    assert whose(*chain, visit("10:00", "a"), visit("10:10", "b"), visit("10:20", "c")) == ["c", "c", "c"]
    assert whose(*chain, merged("09:40", "c", "a"), visit("10:00", "a"), visit("10:10", "c")) == ["c", "c"]
    backwards = [merged("09:00", "b", "c"), merged("09:30", "a", "b")]
    assert whose(*backwards, visit("10:00", "a")) == ["c"]


def test_a_merger_without_one_of_both_merges_nobody():
    assert whose(merged("09:00", None, "b"), visit("10:00", "b")) == ["b"]
    assert whose(merged("09:00", "a", None, "a"), visit("10:00", "a")) == ["a"]


def test_a_merged_members_purchases_counters_and_consent_count():
    files = {"counters.yaml": "counters: {spent: {event: purchase_completed, aggregate: sum, field: total}}"}
    text = """
        trigger: {event: site_visited}
        actions: [{webhook: {url: "https://x.org/", body: "{{ counter.spent }} {{ member.purchases.count }}"}}]
    """
    events = [
        bought("a", on("08:00"), 10),
        bought("b", on("09:00"), 5.5),
        merged("10:00", "a", "b"),
        visit("11:00", "b"),
    ]
    assert [line["body"] for line in run(directory(files, c=text), events, END)] == ["15.5 2"]
    refused = event("a", "subscription_changed", on("08:00"), channel="sms", subscribed=False)
    text = "trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: hello}}]"
    events = [registered("b", on("07:00")), refused, merged("10:00", "a", "b"), visit("11:00", "b")]
    assert happened(directory(c=text), events, END)[0] == "2018-01-02T11:00:00Z suppressed unsubscribed"
    allowed = event("b", "subscription_changed", on("09:00"), channel="sms", subscribed=True)
    assert sent(directory(c=text), [*events, allowed], END) == [("2018-01-02T11:00:00Z", "Hello")]


def test_a_friend_who_turns_out_to_be_the_referrer_is_no_friend():
    text = "trigger: {event: friend_purchase_completed}\nactions: [{award: {amount: 1, currency: points}}]"
    brought = registered("b", on("07:00"), referrer_id="a")
    assert len(run(directory(c=text), [brought, bought("b", on("09:00"))], END)) == 1
    assert run(directory(c=text), [brought, merged("08:00", "a", "b"), bought("b", on("09:00"))], END) == []
    assert (
        run(directory(c=text), [brought, merged("08:00", "a", "z"), bought("b", on("09:00"))], END)[0]["member_id"]
        == "z"
    )


# What merges ---------------------------------------------------------------------------------------------------------

KNOWN = registered("m", "2018-01-01T09:00:00Z")


def added(time: str, sku: str, member: str | None = None, **more):
    names = {} if member else {"visitor_id": "v"}
    return event(member, "cart_item_added", on(time), sku=sku, **names, **more)


def login(time: str, member: str = "m", **more):
    return event(member, "section_visited", on(time), visitor_id="v", **more)


@pytest.mark.parametrize("time", ["12:00", "12:30", "13:00"])
def test_the_cart_of_an_hour_ago_counts_for_whoever_logs_in(time):
    assert sent(directory(c=CART), [KNOWN, added("12:00", "a"), login(time)], END) == [("2018-01-02T13:00:00Z", "A")]
    ordered = sorted([KNOWN, added("12:00", "a"), login(time)], key=lambda line: line["occurred_at"])
    assert sent(directory(c=CART), ordered, END, in_order=True) == [("2018-01-02T13:00:00Z", "A")]


def test_a_cart_whose_notice_came_has_had_its_notice():
    assert sent(directory(c=CART), [KNOWN, added("12:00", "a"), login("13:01")], END) == []


def test_it_counts_for_whoever_registers_too():
    new = registered("m", on("12:30"), visitor_id="v")
    assert sent(directory(c=CART), [added("12:00", "a"), new], END) == [("2018-01-02T13:00:00Z", "A")]


CONTENT = """
trigger: {cart_abandoned: {after: PT1H}}
actions: [{webhook: {url: "https://x.org/", body: "{{ event.total }}:
  {%- for line in event.lines %} {{ line.quantity }} {{ line.sku }} {{ line.price }}{% endfor %}"}}]
"""


def test_the_lines_of_both_carts_add_up_and_the_notice_comes_after_the_last_change():
    events = [
        added("12:00", "a", "m", price=10, quantity=1),
        added("12:10", "a", price=12, quantity=2),
        added("12:20", "b", price=1),
    ]
    lines = run(directory(c=CONTENT), [*events, login("12:30")], END)
    assert [(line["at"], line["member_id"], line["body"]) for line in lines] == [
        ("2018-01-02T13:20:00Z", "m", "37: 3 a 12 1 b 1")
    ]


JOURNEY = """
trigger: {event: section_visited}
cancel_on: [{event: order_placed}]
actions: [{wait: PT2H}, {send: {channel: sms, template: a}}, {wait: PT1H}, {send: {channel: sms, template: b}}]
"""


def test_a_running_journey_and_its_timer_move_and_its_ids_stay():
    opened = stranger("section_visited", "10:00", visitor_id="v")
    known = visit("11:00", "m", visitor_id="v")
    lines = run(directory(c=JOURNEY), [KNOWN, opened, known], END)
    assert [(line["at"], line["member_id"]) for line in lines] == [
        ("2018-01-02T12:00:00Z", "m"),
        ("2018-01-02T13:00:00Z", "m"),
    ]
    late = run(directory(c=JOURNEY), [KNOWN, opened, visit("12:30", "m", visitor_id="v")], END)
    assert lines[1]["dispatch_id"] == late[0]["dispatch_id"]
    assert len({line["dispatch_id"] for line in lines}) == 2
    stopped = event("m", "order_placed", on("11:30"))
    assert happened(directory(c=JOURNEY), [KNOWN, opened, known, stopped], END) == [
        "2018-01-02T11:30:00Z cancelled cancelled"
    ]


def test_a_campaign_that_runs_for_both_keeps_the_members():
    own = event("m", "section_visited", on("10:30"))
    theirs = stranger("section_visited", "10:00", visitor_id="v")
    found = happened(directory(c=JOURNEY), [KNOWN, own, theirs, visit("11:00", "m", visitor_id="v")], END)
    assert found == [
        "2018-01-02T11:00:00Z superseded superseded",
        "2018-01-02T12:30:00Z dispatch A",
        "2018-01-02T13:30:00Z dispatch B",
        "2018-01-02T13:30:00Z ended completed",
    ]


def test_sent_messages_count_for_the_cap_and_entries_for_again():
    files = {"policies.yaml": "frequency_caps: [{channel: push, max: 1, per: P1D}]"}
    text = "trigger: {event: site_visited}\nactions: [{send: {channel: push, template: p}}]"
    files["templates/p.yaml"] = "templates: [{id: p, title: T, text: P}]"
    token = stranger("app_installed", "08:00", visitor_id="v", push_token="t", platform="ios")
    visits = [visit("09:00", visitor_id="v"), visit("11:00", "m")]
    push = directory(files, c=text)
    assert len(sent(push, [KNOWN, token, *visits], END)) == 1
    assert len(sent(push, [KNOWN, token, event("m", "app_installed", on("10:00"), push_token="t"), *visits], END)) == 2
    assert len(sent(push, [KNOWN, token, login("10:00"), *visits], END)) == 1
    once = directory(c=HELLO + "\nentry: {again: never}")
    assert whose(*visits) == ["visitor:v", "m"]
    assert len(run(once, [*visits], END)) == 2
    assert len(run(once, [*visits, login("10:00")], END)) == 1


def test_a_seen_event_that_comes_again_changes_nothing():
    seen = visit("09:00", visitor_id="v")
    assert whose(seen, login("10:00"), seen, in_order=True) == ["visitor:v"]


def test_segments_are_looked_at_when_states_merge_and_who_was_inside_does_not_enter_again():
    files = {
        "counters.yaml": "counters: {spent: {event: purchase_completed, aggregate: sum, field: total}}",
        "segments/rich.yaml": "id: rich\nwhere: {counter.spent: {ge: 100}}",
        "segments/poor.yaml": "id: poor\nwhere: {counter.spent: {lt: 100}}",
    }
    programme = directory(
        files,
        rich="trigger: {segment_entered: rich}\nactions: [{send: {channel: in_app, template: a}}]",
        poor="trigger: {segment_left: poor}\nactions: [{send: {channel: in_app, template: b}}]",
    )
    by_card = event(None, "purchase_completed", on("08:00"), total=60, card_number="c")
    own, issued = bought("m", on("09:00"), 50), event("m", "site_visited", on("10:00"), card_number="c")
    assert sent(programme, [by_card, own, issued], END) == [
        ("2018-01-02T10:00:00Z", "B"),
        ("2018-01-02T10:00:00Z", "A"),
    ]
    inside = {**by_card, "total": 150}
    assert [at for at, text in sent(programme, [inside, own, issued], END) if text == "A"] == ["2018-01-02T08:00:00Z"]


def test_a_historical_link_triggers_nothing():
    files = {"segments/buyers.yaml": "id: buyers\nwhere: {member.purchases.count: {ge: 2}}"}
    programme = directory(files, c="trigger: {segment_entered: buyers}\nactions: [{award: {amount: 1, currency: p}}]")
    events = [event(None, "purchase_completed", on("08:00"), total=1, card_number="c"), bought("m", on("09:00"))]
    issued = event("m", "card_issued", on("10:00"), card_number="c", receipt_id="r")
    assert len(run(programme, [*events, issued], END)) == 1
    assert run(programme, [*events, {**issued, "historical": True}], END) == []


def test_a_visitor_who_logs_in_as_another_is_that_one_from_then_on_and_what_merged_stays():
    events = [added("12:00", "a", price=1), login("12:10"), login("12:20", "n"), added("12:30", "b", price=2)]
    lines = run(directory(c=CONTENT), events, END)
    assert [(line["member_id"], line["body"]) for line in lines] == [("m", "1: 1 a 1"), ("n", "2: 1 b 2")]


# Erasure and garbage -------------------------------------------------------------------------------------------------


def test_an_erased_member_has_no_links_and_what_was_given_before_makes_none():
    given = login("09:00", phone="+79001112233")
    erased = event("m", "member_erased", on("10:00"))
    assert whose(given, erased, visit("11:00", visitor_id="v")) == ["visitor:v"]
    assert whose(given, erased, given, visit("11:00", visitor_id="v"), in_order=True) == ["visitor:v"]
    assert whose(given, erased, login("10:30"), visit("11:00", visitor_id="v")) == ["m"]
    by_card = [visit("09:00", "m", card_number="c"), stranger("member_erased", "10:00", card_number="c")]
    assert whose(*by_card, visit("11:00", card_number="c")) == ["m", "card:c"]


@pytest.mark.parametrize(
    "garbage",
    [
        *({"phone": "no"}, {"email": "no"}, {"visitor_id": " "}, {"card_number": "", "visitor_id": ""}),
        *({"phone": "123-45-67"}, {"phone": "000 000-00-00"}, {"phone": "+7 123 456 78 90"}),
        *({"visitor_id": "undefined"}, {"visitor_id": " NULL"}, {"visitor_id": "NaN"}, {"visitor_id": "None"}),
        {"visitor_id": "00000000-0000-0000-0000-000000000000"},
    ],
)
def test_garbage_identifies_nobody(garbage):
    given = event("m", "profile_updated", on("09:00"), **garbage)
    asked = visit("10:00", **{**garbage, "card_number": "c"})
    assert whose(given, asked) == ["card:c"]
    alone = visit("10:00", phone="no")
    assert whose(event("m", "profile_updated", on("09:00"), phone="no"), alone) == ["phone:no"]


@pytest.mark.parametrize(
    "card", ["undefined", "NULL", " null ", "None", "NaN", "n/a", "-", "0", "0000000000", "[object Object]"]
)
@pytest.mark.parametrize("secret", [b"", b"secret"])
def test_a_card_number_that_stands_for_none_identifies_nobody(card, secret):
    given = visit("09:00", "m", card_number=card)
    asked = visit("10:00", card_number=card, email="a@x.org"), visit("11:00", card_number=card)
    _, by_email, alone = whose(given, *asked, secret=secret)
    assert by_email.startswith("email:")
    assert alone.startswith("card:")
    assert whose(visit("09:00", "m", card_number="00012"), visit("10:00", card_number="00012")) == ["m", "m"]


def test_an_endless_id_is_known_by_its_hash():
    long = "x" * 150_000
    (key,) = whose(visit("10:00", visitor_id=long))
    assert len(key) < 100
    assert whose(visit("09:00", "m", visitor_id=long), visit("10:00", visitor_id=long)) == ["m", "m"]
    assert whose(visit("10:00", visitor_id=long + "y")) != [key]
    assert len(whose(visit("10:00", phone="no" + long))[0]) < 100


def test_blanks_around_a_card_number_are_not_part_of_it():
    assert whose(visit("09:00", "m", card_number=" c "), visit("10:00", card_number="c")) == ["m", "m"]


# Due at the very moment ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trigger",
    [
        '{schedule: {at: "2026-12-01T10:00", zone: UTC}}',
        '{schedule: {cron: "0 10 1 12 *", zone: UTC}}',
        '{date: birth_date, at: "10:00"}',
    ],
)
def test_what_is_due_at_the_moment_of_a_merger_comes_once(trigger):
    programme = directory(
        {"policies.yaml": "default_time_zone: UTC\n"},
        c=f"trigger: {trigger}\nactions: [{{send: {{channel: sms, template: a, messaging_type: service}}}}]",
    )
    moment = "2026-12-01T10:00:00Z"
    events = [
        registered("m1", "2026-11-01T00:00:00Z", birth_date="1990-12-01"),
        event(None, "site_visited", "2026-11-02T00:00:00Z", visitor_id="v1"),
        event("m1", "site_visited", moment, visitor_id="v1"),
    ]
    assert sent(programme, events, "2027-01-01T00:00:00Z") == [(moment, "A")]


def test_a_late_merger_brings_back_no_birthday_that_was_past_when_it_was_told():
    programme = directory(c='trigger: {date: birth_date, at: "10:00"}\nactions: [{send: {channel: sms, template: a}}]')
    events = [
        event(None, "site_visited", "2018-01-01T00:00:00Z", visitor_id="v1"),
        registered("m1", "2018-01-03T00:00:00Z", birth_date="1990-01-02"),
        event("m1", "site_visited", "2018-01-01T12:00:00Z", visitor_id="v1"),
    ]
    assert sent(programme, events, END, in_order=True) == []
