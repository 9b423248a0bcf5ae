"""What a `send` passes, in which order, and what is put off (contract §4.8, fine print "Caps", "Consent")."""

import pytest

from tests.simulation.support import bought, directory, event, happened, registered, run, sent

END = "2018-03-01T00:00:00Z"
QUIET = 'quiet_hours: {from: "21:00", to: "09:00"}\n'


def mailing(policies: str, *times: str, send: str = "{channel: sms, template: a}", **profile: object) -> list[str]:
    """What becomes of messages that are to be sent at these times."""
    programme = directory(
        {"policies.yaml": policies},
        c=f"trigger: {{event: site_visited}}\nentry: {{while_running: parallel}}\nactions: [{{send: {send}}}]",
    )
    events = [registered("m", "2018-01-01T00:00:00Z", **profile), *(event("m", "site_visited", at) for at in times)]
    return [line for line in happened(programme, events, END) if "completed" not in line]


# Quiet hours, 21:00 to 09:00: in Moscow from 18:00 to 06:00 UTC ------------------------------------------------------


def test_quiet_hours_put_off_to_their_end():
    assert mailing(QUIET, "2018-01-02T20:00:00Z") == [
        "2018-01-02T20:00:00Z deferred quiet_hours",
        "2018-01-03T06:00:00Z dispatch A",
    ]


def test_from_is_inside_and_to_outside():
    assert mailing(QUIET, "2018-01-02T17:59:59Z") == ["2018-01-02T17:59:59Z dispatch A"]
    assert mailing(QUIET, "2018-01-02T18:00:00Z")[0] == "2018-01-02T18:00:00Z deferred quiet_hours"
    assert mailing(QUIET, "2018-01-02T06:00:00Z") == ["2018-01-02T06:00:00Z dispatch A"]
    assert mailing(QUIET, "2018-01-02T05:59:59Z")[0] == "2018-01-02T05:59:59Z deferred quiet_hours"


def test_quiet_hours_in_the_members_zone():
    assert mailing(QUIET, "2018-01-02T12:00:00Z", time_zone="Asia/Vladivostok")[1] == "2018-01-02T23:00:00Z dispatch A"


def test_quiet_hours_may_suppress():
    policies = 'quiet_hours: {from: "21:00", to: "09:00", then: suppress}'
    assert mailing(policies, "2018-01-02T20:00:00Z") == ["2018-01-02T20:00:00Z suppressed quiet_hours"]


def test_quiet_hours_by_day():
    policies = 'quiet_hours: {from: "13:00", to: "14:00"}'
    assert mailing(policies, "2018-01-02T10:30:00Z")[1] == "2018-01-02T11:00:00Z dispatch A"
    assert mailing(policies, "2018-01-02T11:00:00Z") == ["2018-01-02T11:00:00Z dispatch A"]


@pytest.mark.parametrize("channel", ["receipt", "cashier"])
def test_receipt_and_cashier_are_exempt(channel):
    policies = f"{QUIET}frequency_caps: [{{channel: {channel}, max: 1, per: P1D}}]"
    send = f"{{channel: {channel}, template: a}}"
    assert mailing(policies, "2018-01-02T20:00:00Z", "2018-01-02T20:00:01Z", send=send) == [
        "2018-01-02T20:00:00Z dispatch A",
        "2018-01-02T20:00:01Z dispatch A",
    ]


def test_service_messages_are_exempt_and_need_no_consent():
    programme = directory(
        {"policies.yaml": QUIET + "frequency_caps: [{max: 1, per: P1D}]"},
        c="""
        trigger: {event: site_visited}
        entry: {while_running: parallel}
        actions: [{send: {channel: sms, template: a, messaging_type: service}}]
        """,
        d="trigger: {event: product_viewed}\nactions: [{send: {channel: email, template: mail}}]",
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        event("m", "subscription_changed", "2018-01-02T11:00:00Z", channel="sms", subscribed=False),
        event("m", "site_visited", "2018-01-02T20:00:00Z"),
        event("m", "site_visited", "2018-01-02T20:00:01Z"),
        event("m", "product_viewed", "2018-01-03T12:00:00Z"),
    ]
    # The two service messages don't count against the cap of the third.
    assert [text for _, text in sent(programme, events, END)] == ["A", "A", "Text"]


def test_on_the_day_the_clocks_go_forward_quiet_hours_end_when_their_end_strikes():
    policies = 'quiet_hours: {from: "22:00", to: "02:30"}\ndefault_time_zone: Europe/Berlin\n'
    # 02:30 doesn't exist on 25 March: with the offset before it is 01:30 UTC, 03:30 on the wall.
    programme = directory(
        {"policies.yaml": policies}, c="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a}}]"
    )
    for at, when in (("01:15", "01:30"), ("01:30", "01:30"), ("00:15", "01:30")):
        events = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", f"2018-03-25T{at}:00Z")]
        assert sent(programme, events, "2018-04-01T00:00:00Z") == [(f"2018-03-25T{when}:00Z", "A")]


# Expiry --------------------------------------------------------------------------------------------------------------


def test_expiry_is_inclusive_and_counted_from_the_action():
    until_nine = "{channel: sms, template: a, expires: PT10H}"
    assert mailing(QUIET, "2018-01-02T20:00:00Z", send=until_nine)[1] == "2018-01-03T06:00:00Z dispatch A"
    a_second_less = "{channel: sms, template: a, expires: PT9H59M59S}"
    assert mailing(QUIET, "2018-01-02T20:00:00Z", send=a_second_less) == [
        "2018-01-02T20:00:00Z deferred quiet_hours",
        "2018-01-03T06:00:00Z suppressed expired",
    ]


def test_a_late_journeys_message_may_have_expired():
    programme = directory(
        c="trigger: {event: purchase_completed}\nactions: [{send: {channel: sms, template: a, expires: PT1H}}]"
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        event("m", "site_visited", "2018-01-02T12:00:00Z"),
        bought("m", "2018-01-02T10:59:59Z"),
        bought("m", "2018-01-02T11:00:00Z"),
    ]
    lines = [line for line in happened(programme, events, END, in_order=True) if "completed" not in line]
    assert lines == ["2018-01-02T12:00:00Z suppressed expired", "2018-01-02T12:00:00Z dispatch A"]


# Caps ----------------------------------------------------------------------------------------------------------------

TWO_A_DAY = "frequency_caps: [{channel: sms, max: 2, per: P1D, then: %s}]"


def test_a_cap_suppresses_and_a_dispatch_counts_until_exactly_per_after_it():
    times = ["2018-01-02T10:00:00Z", "2018-01-02T11:00:00Z", "2018-01-03T09:59:59Z", "2018-01-03T10:00:00Z"]
    assert mailing(TWO_A_DAY % "suppress", *times) == [
        "2018-01-02T10:00:00Z dispatch A",
        "2018-01-02T11:00:00Z dispatch A",
        "2018-01-03T09:59:59Z suppressed frequency_cap",
        "2018-01-03T10:00:00Z dispatch A",
    ]


def test_suppress_is_the_default_of_a_cap():
    policies = "frequency_caps: [{channel: sms, max: 1, per: P1D}]"
    assert mailing(policies, "2018-01-02T10:00:00Z", "2018-01-02T11:00:00Z")[1].endswith("suppressed frequency_cap")


def test_a_cap_may_put_off_until_one_more_fits():
    times = ["2018-01-02T10:00:00Z", "2018-01-02T11:00:00Z", "2018-01-02T12:00:00Z", "2018-01-02T13:00:00Z"]
    assert mailing(TWO_A_DAY % "defer", *times) == [
        "2018-01-02T10:00:00Z dispatch A",
        "2018-01-02T11:00:00Z dispatch A",
        "2018-01-02T12:00:00Z deferred frequency_cap",
        "2018-01-02T13:00:00Z deferred frequency_cap",
        "2018-01-03T10:00:00Z dispatch A",
        # It was put off to the same moment: the first took the place that had become free.
        "2018-01-03T10:00:00Z deferred frequency_cap",
        "2018-01-03T11:00:00Z dispatch A",
    ]


def test_all_checks_run_again_after_a_deferral():
    policies = QUIET + TWO_A_DAY % "defer"
    times = ["2018-01-02T04:00:00Z", "2018-01-02T10:00:00Z", "2018-01-02T17:00:00Z", "2018-01-02T18:30:00Z"]
    assert mailing(policies, *times) == [
        "2018-01-02T04:00:00Z deferred quiet_hours",
        "2018-01-02T06:00:00Z dispatch A",
        "2018-01-02T10:00:00Z dispatch A",
        "2018-01-02T17:00:00Z deferred frequency_cap",
        "2018-01-02T18:30:00Z deferred frequency_cap",
        "2018-01-03T06:00:00Z dispatch A",
        "2018-01-03T06:00:00Z deferred frequency_cap",
        "2018-01-03T10:00:00Z dispatch A",
    ]


def test_a_cap_without_channel_counts_all_but_receipt_and_cashier():
    programme = directory(
        {"policies.yaml": "frequency_caps: [{max: 2, per: P1D}]"},
        c="""
        trigger: {event: site_visited}
        actions:
          - send: {channel: receipt, template: hello}
          - send: {channel: sms, template: a}
          - send: {channel: cashier, template: hello}
          - send: {channel: email, template: mail}
          - send: {channel: viber, template: b}
        """,
    )
    events = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T10:00:00Z")]
    assert [text for _, text in sent(programme, events, END)] == ["Hello", "A", "Hello", "Text"]


def test_the_first_cap_that_stands_in_the_way_decides():
    first, second = "{channel: sms, max: 1, per: P1D, then: %s}", "{max: 1, per: P2D, then: %s}"
    times = ["2018-01-02T10:00:00Z", "2018-01-02T11:00:00Z"]

    def then(one: str, other: str) -> str:
        return mailing(f"frequency_caps: [{first % one}, {second % other}]", *times)[1]

    assert then("suppress", "defer") == "2018-01-02T11:00:00Z suppressed frequency_cap"
    assert then("defer", "suppress") == "2018-01-02T11:00:00Z deferred frequency_cap"


def test_only_sent_messages_count():
    policies = QUIET + "frequency_caps: [{channel: sms, max: 1, per: PT3H}]"
    assert mailing(policies, "2018-01-03T05:00:00Z", "2018-01-03T06:00:00Z") == [
        "2018-01-03T05:00:00Z deferred quiet_hours",
        # Due at this very moment, and set before: it goes first.
        "2018-01-03T06:00:00Z dispatch A",
        "2018-01-03T06:00:00Z suppressed frequency_cap",
    ]


# Consent and address -------------------------------------------------------------------------------------------------


def consent(*statements: dict[str, object], policies: str = "", send: str = "channel: sms, template: a") -> bool:
    programme = directory(
        {"policies.yaml": policies or "default_region: RU"},
        c=f"trigger: {{event: site_visited}}\nactions: [{{send: {{{send}}}}}]",
    )
    events = [registered("m", "2018-01-01T00:00:00Z")]
    for number, statement in enumerate(statements):
        kind = str(statement.pop("type", "subscription_changed"))
        events.append(event("m", kind, f"2018-01-01T0{number + 1}:00:00Z", **statement))
    events.append(event("m", "site_visited", "2018-01-02T10:00:00Z"))
    lines = happened(programme, events, END)
    assert any("unsubscribed" in line or "dispatch" in line for line in lines)
    return any("dispatch" in line for line in lines)


OUT, IN = {"subscribed": False}, {"subscribed": True}


def test_without_a_statement_opt_out_means_yes_and_opt_in_no():
    assert consent()
    assert not consent(policies="messaging_types: {marketing: {consent: opt_in}}")
    assert consent(dict(IN), policies="messaging_types: {marketing: {consent: opt_in}}")


def test_null_means_every_channel_and_every_type():
    assert not consent({**OUT, "channel": "sms"})
    assert not consent({**OUT, "messaging_type": "marketing"})
    assert not consent(dict(OUT))
    assert consent({**OUT, "channel": "email"})
    assert consent({**OUT, "messaging_type": "digest"})


def test_the_narrowest_statement_counts():
    both, channel, kind = (
        {"channel": "sms", "messaging_type": "marketing"},
        {"channel": "sms"},
        {"messaging_type": "marketing"},
    )
    assert consent({**IN, **both}, {**OUT, **channel}, {**OUT, **kind}, dict(OUT))
    assert not consent({**OUT, **both}, {**IN, **channel}, {**IN, **kind}, dict(IN))
    assert consent({**IN, **channel}, {**OUT, **kind}, dict(OUT))
    assert not consent({**OUT, **kind}, dict(IN))


def test_among_equals_the_newest_counts():
    assert consent({**OUT, "channel": "sms"}, {**IN, "channel": "sms"})
    assert not consent({**IN, "channel": "sms"}, {**OUT, "channel": "sms"})


@pytest.mark.parametrize("kind", ["message_complained", "member_unsubscribed"])
def test_a_complaint_is_a_statement_for_its_channel(kind):
    objection = {"type": kind, "dispatch_id": "d", "channel": "sms"}
    assert not consent(dict(objection))
    assert consent(dict(objection), send="channel: email, template: mail")
    assert not consent(dict(objection), dict(IN))
    assert consent(dict(objection), {**IN, "channel": "sms"})


def test_no_address():
    programme = directory(
        c="""
        trigger: {event: site_visited}
        actions:
          - send: {channel: sms, template: a}
          - send: {channel: email, template: mail}
          - send: {channel: social, template: social, network: vk}
          - send: {channel: in_app, template: a}
        """
    )
    lines = happened(programme, [event("m", "site_visited", "2018-01-02T10:00:00Z")], END)
    assert lines[:3] == ["2018-01-02T10:00:00Z suppressed no_address"] * 3
    assert lines[3] == "2018-01-02T10:00:00Z dispatch A"


def test_where_each_channel_reaches_the_member():
    programme = directory(
        {"templates/push.yaml": "templates: [{id: push, title: Title, text: Push}]"},
        c="""
        trigger: {event: site_visited}
        actions:
          - send: {channel: sms, template: a}
          - send: {channel: email, template: mail}
          - send: {channel: push, template: push}
          - send: {channel: social, template: social, network: vk}
          - send: {channel: cashier, template: a}
        """,
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z", phone="8 (912) 345-67-89", email="Ann@Example.com"),
        event("m", "app_installed", "2018-01-01T00:00:00Z", platform="ios", push_token="token"),
        event("m", "social_profile_linked", "2018-01-01T00:00:00Z", network="vk", profile_id="id1"),
        event("m", "site_visited", "2018-01-02T10:00:00Z"),
    ]
    lines = run(programme, events, END)
    assert [(line["channel"], line["to"]) for line in lines] == [
        ("sms", "+79123456789"),
        ("email", "Ann@example.com"),
        ("push", "token"),
        ("social", "id1"),
        ("cashier", "m"),
    ]


def test_the_order_of_the_checks():
    """Each stands before the next: what fails several is refused for the first."""
    policies = QUIET + "frequency_caps: [{channel: sms, max: 1, per: P9D}]"
    files = {
        "policies.yaml": policies,
        "templates/bad.yaml": 'templates: [{id: bad, text: "{{ member.first_name }}"}]',
    }
    programme = directory(
        files,
        first="trigger: {event: product_viewed}\nactions: [{send: {channel: sms, template: hello}}]",
        c="trigger: {event: purchase_completed}\nentry: {while_running: parallel}\n"
        "actions: [{send: {channel: sms, template: bad, expires: PT1H}}]",
    )
    noon, night = "2018-01-02T10:00:00Z", "2018-01-02T20:00:00Z"
    known = registered("m", "2018-01-01T00:00:00Z")
    viewed = event("m", "product_viewed", noon)
    unsubscribed = event("m", "subscription_changed", "2018-01-01T01:00:00Z", channel="sms", subscribed=False)
    nobody = registered("m", "2018-01-01T00:00:00Z", phone=None)
    late = event("m", "site_visited", "2018-01-02T21:00:01Z")

    def reason(*events: dict[str, object]) -> str:
        lines = happened(programme, [*events, bought("m", night)], END, in_order=True)
        return next(line.split()[2] for line in lines if "suppressed" in line or "deferred" in line)

    assert reason(nobody, unsubscribed, viewed, late) == "unsubscribed"
    assert reason(nobody, viewed, late) == "no_address"
    assert reason(known, viewed, late) == "expired"
    assert reason(known, viewed) == "frequency_cap"
    assert reason(known) == "quiet_hours"
    by_day = happened(programme, [known, bought("m", noon)], END)
    assert by_day[0] == "2018-01-02T10:00:00Z suppressed template_error"


def test_a_social_template_must_be_moderated():
    programme = directory(
        {"templates/raw.yaml": "templates: [{id: raw, text: Raw}]"},
        c="trigger: {event: site_visited}\nactions: [{send: {channel: social, template: raw, network: vk}}]",
    )
    events = [
        event("m", "social_profile_linked", "2018-01-01T00:00:00Z", network="vk", profile_id="id1"),
        event("m", "site_visited", "2018-01-02T10:00:00Z"),
    ]
    assert happened(programme, events, END)[0] == "2018-01-02T10:00:00Z suppressed not_moderated"
