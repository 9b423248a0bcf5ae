"""The profile (contract fine print "Profile", "Names", "E-mails"), zones, and bodies that lack what they could have."""

import pytest

from tests.simulation.support import directory, event, happened, registered, run

END = "2019-01-01T00:00:00Z"


def shown(what: str, *events) -> list[str]:
    programme = directory(
        c=f"""
        trigger: {{event: feedback_received}}
        actions: [{{webhook: {{url: "https://example.com/", body: "{{{{ {what} | default: 'missing' }}}}"}}}}]
        """
    )
    asked = event("m", "feedback_received", "2018-06-01T12:00:00Z")
    (line,) = run(programme, [*events, asked], END)
    return line["body"]


def updated(at: str = "2018-02-01T00:00:00Z", **fields):
    return event("m", "profile_updated", at, **fields)


KNOWN = registered("m", "2018-01-01T00:00:00Z", first_name="Ann", phone="+79123456789", birth_date="1990-05-17")


def test_an_absent_or_null_field_changes_nothing():
    assert shown("member.first_name", KNOWN, updated(last_name="Lee", first_name=None)) == "Ann"


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("phone", "letters"),
        ("phone", "8800FLOWERS"),
        ("email", "no at sign"),
        ("birth_date", "2030-01-01"),
        ("birth_date", "1800-01-01"),
    ],
)
def test_a_value_that_its_rule_rejects_clears_the_field(field, bad):
    assert shown(f"member.{field}", KNOWN, updated(**{field: bad})) == "missing"


def test_attributes_are_merged_key_by_key():
    events = [updated("2018-02-01T00:00:00Z", attributes={"a": 1, "b": "x"}), updated(attributes={"a": None, "b": 2.5})]
    assert shown("member.attributes.a", *events) == "1"
    assert shown("member.attributes.b", *events) == "2.5"


def test_phones_become_international():
    assert shown("member.phone", updated(phone="8 (912) 345-67-89")) == "+79123456789"
    assert (
        shown("member.phone", event("m", "phone_bound", "2018-01-02T00:00:00Z", phone="+49 30 901820")) == "+4930901820"
    )


def test_e_mails_are_checked_for_syntax_only():
    assert shown("member.email", updated(email="ann@no-such-host.example")) == "ann@no-such-host.example"
    assert shown("member.email", event("m", "email_bound", "2018-01-02T00:00:00Z", email="a@b.co")) == "a@b.co"


def test_registered_at_is_the_first_registration_handled():
    again = registered("m", "2018-03-01T00:00:00Z")
    assert shown("member.days_since_registration", KNOWN, again) == "151"


@pytest.mark.parametrize(
    ("fields", "zone"),
    [
        ({}, "Europe/Moscow"),
        ({"city": "Владивосток"}, "Asia/Vladivostok"),
        ({"city": "Vladivostok", "time_zone": "Asia/Omsk"}, "Asia/Omsk"),
        ({"city": "Vladivostok", "time_zone": "Nowhere/Land"}, "Asia/Vladivostok"),
        ({"city": "no such city"}, "Europe/Moscow"),
    ],
)
def test_the_zone_is_the_one_stated_else_the_citys_else_the_default(fields, zone):
    assert shown("member.time_zone", updated(**fields)) == zone


def test_blanks_around_a_stated_zone_go():
    assert shown("member.time_zone", updated(time_zone=" Asia/Omsk ")) == "Asia/Omsk"


def test_status_and_card():
    assert shown("member.status", event("m", "status_changed", "2018-01-02T00:00:00Z", status="gold")) == "gold"
    assert shown("member.card_number", event("m", "card_issued", "2018-01-02T00:00:00Z", card_number="77")) == "77"


def test_times_of_purchases():
    events = [event("m", "purchase_completed", f"2018-0{month}-01T12:00:00Z", total=1) for month in (3, 2, 4)]
    assert shown("member.purchases.first_at", *events) == "2018-02-01T12:00:00Z"
    assert shown("member.purchases.last_at", *events) == "2018-04-01T12:00:00Z"


def test_every_event_may_lack_every_field():
    from schemas.catalogue import EVENT_TYPES

    given = [name for name, kind in EVENT_TYPES.items() if kind.topic is not None and name != "member_erased"]
    programme = directory(
        {"counters.yaml": "counters: {x: {event: purchase_completed, aggregate: sum, field: total}}"},
        **{
            f"c{number}": f"""
            trigger: {{event: {name}}}
            entry: {{while_running: parallel}}
            cancel_on: [{{event: {name}, where: {{card_number: x}}}}]
            actions: [{{wait: P1D}}, {{send: {{channel: cashier, template: a, messaging_type: service}}}}]
            """
            for number, name in enumerate(given)
        },
        bonus="trigger: {bonus: {expires_in: P3D}}\nactions: [{send: {channel: cashier, template: a}}]",
        cart="trigger: {cart_abandoned: {after: PT1H}}\nactions: [{send: {channel: cashier, template: a}}]",
        dated='trigger: {date: birth_date, at: "10:00"}\nactions: [{send: {channel: cashier, template: a}}]',
    )
    events = [event("m", name, f"2018-01-0{day}T12:00:00Z") for day in (1, 2) for name in given]
    lines = [line for line in happened(programme, events, END) if "dispatch" in line]
    assert len(lines) == 2 * len(given)


def test_an_erased_member_is_forgotten():
    programme = directory(
        c="""
        trigger: {event: registration_completed}
        actions: [{wait: P1D}, {send: {channel: sms, template: a}}]
        """,
        d="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: b}}]",
        dated='trigger: {date: birth_date, at: "10:00"}\nactions: [{send: {channel: cashier, template: a}}]',
    )
    events = [
        KNOWN,
        event("m", "member_erased", "2018-01-01T12:00:00Z"),
        event("m", "site_visited", "2018-01-02T12:00:00Z"),
    ]
    assert happened(programme, events, END) == [
        "2018-01-01T12:00:00Z cancelled member_erased",
        "2018-01-02T12:00:00Z suppressed no_address",
        "2018-01-02T12:00:00Z ended completed",
    ]
