"""The order within one event (contract §4.5)."""

from tests.simulation.support import bought, directory, event, happened, registered, run, sent

END = "2018-03-01T00:00:00Z"


def test_profile_counters_and_segments_come_before_everything_else():
    programme = directory(
        {
            "counters.yaml": "counters: {n: {event: registration_completed, aggregate: count}}",
            "segments/ann.yaml": "id: ann\nwhere: {member.first_name: Ann}",
        },
        c="""
        trigger: {event: registration_completed}
        audience: {segment: ann, counter.n: 1, member.days_since_registration: 0}
        actions: [{send: {channel: sms, template: a}}]
        """,
    )
    assert len(sent(programme, [registered("m", "2018-01-01T10:00:00Z", first_name="Ann")], END)) == 1


def test_an_event_cancels_then_answers_then_triggers():
    programme = directory(
        a_cancelled="""
        trigger: {event: registration_completed}
        cancel_on: [{event: purchase_completed}]
        actions: [{wait: P9D}]
        """,
        b_waiting="""
        trigger: {event: registration_completed}
        actions: [{wait: {for: {event: purchase_completed}}}, {send: {channel: sms, template: a}}]
        """,
        c_triggered="trigger: {event: purchase_completed}\nactions: [{send: {channel: sms, template: b}}]",
        d_goal="""
        trigger: {event: registration_completed}
        goal: {event: purchase_completed, ends: true}
        actions: [{wait: P9D}]
        """,
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z")]
    assert [line.removeprefix("2018-01-01T12:00:00Z ") for line in happened(programme, events, END)] == [
        "cancelled cancelled",
        "dispatch A",
        "ended completed",
        "ended goal",
        "dispatch B",
        "ended completed",
    ]


def test_journeys_are_cancelled_and_answered_in_the_order_of_their_entry():
    waiting = """
    trigger: {event: %s}
    actions: [{wait: {for: {event: purchase_completed}}}, {send: {channel: sms, template: %s}}]
    """
    programme = directory(a=waiting % ("site_visited", "a"), b=waiting % ("product_viewed", "b"))
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        event("m", "product_viewed", "2018-01-01T11:00:00Z"),
        event("m", "site_visited", "2018-01-01T11:30:00Z"),
        bought("m", "2018-01-01T12:00:00Z"),
    ]
    assert [text for _, text in sent(programme, events, END)] == ["B", "A"]


def test_triggers_go_by_priority_then_id():
    campaign = "trigger: {event: purchase_completed}\npriority: %d\nactions: [{send: {channel: sms, template: %s}}]"
    programme = directory(
        x=campaign % (0, "a"), b=campaign % (-1, "b"), z=campaign % (5, "c"), a=campaign % (0, "hello")
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z")]
    assert [text for _, text in sent(programme, events, END)] == ["C", "Hello", "A", "B"]


def test_each_journey_runs_on_to_its_next_wait_before_the_next_is_looked_at():
    programme = directory(
        a="trigger: {event: purchase_completed}\nactions: [{set: {seen: a}}, {send: {channel: sms, template: a}}]",
        b="""
        trigger: {event: purchase_completed, where: {member.attributes.seen: a}}
        actions: [{send: {channel: sms, template: b}}]
        """,
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z")]
    assert [text for _, text in sent(programme, events, END)] == ["A", "B"]


def test_a_journey_is_not_cancelled_nor_its_wait_ended_by_the_event_that_entered_it():
    programme = directory(
        a="""
        trigger: {event: purchase_completed}
        cancel_on: [{event: purchase_completed}]
        goal: {event: purchase_completed, ends: true}
        actions: [{wait: {for: {event: purchase_completed}, timeout: P1D}}, {send: {channel: sms, template: a}}]
        """
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z")]
    assert sent(programme, events, END) == [("2018-01-02T12:00:00Z", "A")]


def test_one_event_ends_one_wait_of_a_journey():
    programme = directory(
        a="""
        trigger: {event: site_visited}
        actions:
          - wait: {for: {event: purchase_completed}}
          - send: {channel: sms, template: a}
          - wait: {for: {event: purchase_completed}}
          - send: {channel: sms, template: b}
        """
    )
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        event("m", "site_visited", "2018-01-01T11:00:00Z"),
        bought("m", "2018-01-01T12:00:00Z"),
        bought("m", "2018-01-01T13:00:00Z"),
    ]
    assert sent(programme, events, END) == [("2018-01-01T12:00:00Z", "A"), ("2018-01-01T13:00:00Z", "B")]


def test_the_first_trigger_that_matches_starts_one_journey():
    programme = directory(
        c="""
        trigger:
          - {event: purchase_completed, where: {total: {ge: 1000}}}
          - {event: purchase_completed}
        entry: {while_running: parallel}
        actions: [{send: {channel: sms, template: a}}]
        """
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z", total=2000)]
    assert len(sent(programme, events, END)) == 1


def test_timers_are_set_cart_bonus_dates_and_then_journeys():
    """All due at one moment: the order in which they fire is that in which they were set."""
    programme = directory(
        journey="trigger: {event: cart_item_added}\nactions: [{wait: PT1H}, {send: {channel: sms, template: a}}]",
        cart="trigger: {cart_abandoned: {after: PT1H}}\nactions: [{send: {channel: sms, template: b}}]",
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), event("m", "cart_item_added", "2018-01-01T12:00:00Z", sku="1")]
    assert [text for _, text in sent(programme, events, END)] == ["B", "A"]
    programme = directory(
        dated='trigger: {date: birth_date, at: "13:00"}\nactions: [{send: {channel: sms, template: a}}]',
        journey="trigger: {event: registration_completed}\nactions: [{wait: P1D}, {send: {channel: sms, template: b}}]",
    )
    events = [registered("m", "2018-01-01T10:00:00Z", birth_date="1990-01-02")]
    assert [text for _, text in sent(programme, events, END)] == ["A", "B"]


def test_a_friends_purchase_follows_the_purchase_directly():
    programme = directory(
        friend="""
        trigger: {event: friend_purchase_completed}
        actions: [{webhook: {url: "https://example.com/", body: "{{ event.friend_id }} {{ event.total }}"}}]
        """,
        own="trigger: {event: purchase_completed}\nactions: [{send: {channel: sms, template: a}}]",
    )
    events = [
        registered("old", "2018-01-01T10:00:00Z"),
        registered("new", "2018-01-01T11:00:00Z", referrer_id="old"),
        bought("new", "2018-01-01T12:00:00Z", total=351, card_number="77"),
        bought("old", "2018-01-01T12:00:00Z"),
    ]
    lines = run(programme, events, END)
    assert [(line["kind"], line["member_id"], line["at"]) for line in lines] == [
        ("dispatch", "new", "2018-01-01T12:00:00Z"),
        ("webhook", "old", "2018-01-01T12:00:00Z"),
        ("dispatch", "old", "2018-01-01T12:00:00Z"),
    ]
    assert lines[1]["body"] == "new 351"


def test_a_historical_purchase_of_a_friend_counts_and_triggers_nothing():
    programme = directory(
        {"counters.yaml": "counters: {n: {event: friend_purchase_completed, aggregate: sum, field: total}}"},
        friend="trigger: {event: friend_purchase_completed}\nactions: [{send: {channel: sms, template: a}}]",
        asked="trigger: {event: site_visited}\n"
        'actions: [{webhook: {url: "https://example.com/", body: "{{ counter.n }}"}}]',
    )
    events = [
        registered("old", "2018-01-01T10:00:00Z"),
        registered("new", "2018-01-01T11:00:00Z", referrer_id="old"),
        bought("new", "2018-01-01T12:00:00Z", total=5, historical=True),
        event("old", "site_visited", "2018-01-01T13:00:00Z"),
    ]
    assert [(line["kind"], line.get("body")) for line in run(programme, events, END)] == [("webhook", "5")]
