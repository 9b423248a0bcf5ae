"""Late and repeated events, and those of an initial load (contract §4.3-4.4, §2)."""

from tests.simulation.support import bought, decided, directory, event, happened, registered, run, sent

LATE = {"until": "2018-03-01T00:00:00Z", "in_order": True}


def test_a_late_event_counts_in_its_own_time():
    programme = directory(
        {"counters.yaml": "counters: {n: {event: purchase_completed, aggregate: count, window: P2D, step: P1D}}"},
        c="trigger: {event: site_visited}\n"
        'actions: [{webhook: {url: "https://example.com/", body: {n: "{{ counter.n }}"}}}]',
    )
    events = [
        event("m", "site_visited", "2018-01-10T12:00:00Z"),
        bought("m", "2018-01-09T12:00:00Z"),
        bought("m", "2018-01-08T12:00:00Z"),
        event("m", "site_visited", "2018-01-10T13:00:00Z"),
        event("m", "site_visited", "2018-01-11T00:00:00Z"),
    ]
    assert [line["body"]["n"] for line in run(programme, events, **LATE)] == ["0", "1", "0"]


def test_a_late_event_fills_only_profile_fields_that_are_empty():
    programme = directory(
        c="trigger: {event: site_visited}\n"
        'actions: [{webhook: {url: "https://example.com/", body: "{{ member.first_name }} {{ member.city }}'
        ' {{ member.attributes.a }} {{ member.attributes.b }}"}}]'
    )
    events = [
        event("m", "profile_updated", "2018-01-10T12:00:00Z", first_name="New", attributes={"a": 1}),
        event(
            "m", "profile_updated", "2018-01-09T12:00:00Z", first_name="Old", city="Omsk", attributes={"a": 2, "b": 3}
        ),
        event("m", "site_visited", "2018-01-10T13:00:00Z"),
    ]
    assert [line["body"] for line in run(programme, events, **LATE)] == ["New Omsk 1 3"]


def test_a_late_event_cancels_only_journeys_entered_at_or_before_it():
    campaign = """
    trigger: {event: product_viewed}
    cancel_on: [{event: purchase_completed}]
    actions: [{wait: P5D}, {send: {channel: sms, template: a}}]
    """
    viewed = [registered("m", "2018-01-01T10:00:00Z"), event("m", "product_viewed", "2018-01-10T12:00:00Z")]
    later = event("m", "site_visited", "2018-01-11T12:00:00Z")
    before = [*viewed, later, bought("m", "2018-01-10T11:59:59Z")]
    at = [*viewed, later, bought("m", "2018-01-10T12:00:00Z")]
    assert sent(directory(c=campaign), before, **LATE) == [("2018-01-15T12:00:00Z", "A")]
    assert sent(directory(c=campaign), at, **LATE) == []
    assert decided(directory(c=campaign), at, **LATE) == [("2018-01-11T12:00:00Z", "cancelled", "cancelled")]


def test_a_late_event_answers_no_wait_that_began_after_it_and_counts_on_from_its_own_time():
    campaign = """
    trigger: {event: product_viewed}
    actions:
      - wait: {for: {event: feedback_received}, timeout: P10D, on_timeout: [{exit: silent}]}
      - wait: P5D
      - send: {channel: sms, template: a}
    """
    viewed = [registered("m", "2018-01-01T10:00:00Z"), event("m", "product_viewed", "2018-01-10T12:00:00Z")]
    later = event("m", "site_visited", "2018-01-12T12:00:00Z")
    too_early = [*viewed, later, event("m", "feedback_received", "2018-01-10T11:59:59Z")]
    in_time = [*viewed, later, event("m", "feedback_received", "2018-01-10T12:00:00Z")]
    assert sent(directory(c=campaign), too_early, **LATE) == []
    assert sent(directory(c=campaign), in_time, **LATE) == [("2018-01-15T12:00:00Z", "A")]


def test_a_late_trigger_enters_at_its_own_time_and_what_is_overdue_happens_now():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        actions:
          - {send: {channel: sms, template: a}}
          - {wait: P1D}
          - {send: {channel: sms, template: b}}
          - {wait: P2D}
          - {send: {channel: sms, template: c}}
        """
    )
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        event("m", "site_visited", "2018-01-12T12:00:00Z"),
        bought("m", "2018-01-10T18:00:00Z"),
    ]
    assert sent(programme, events, **LATE) == [
        ("2018-01-12T12:00:00Z", "A"),
        ("2018-01-12T12:00:00Z", "B"),
        ("2018-01-13T18:00:00Z", "C"),
    ]


def test_a_late_trigger_does_not_replace_a_journey_entered_later():
    programme = directory(
        c="""
        trigger: {event: product_viewed}
        entry: {while_running: restart}
        actions: [{wait: P5D}, {send: {channel: sms, template: a}}]
        """
    )
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        event("m", "product_viewed", "2018-01-10T12:00:00Z"),
        event("m", "product_viewed", "2018-01-09T12:00:00Z"),
    ]
    assert happened(programme, events, **LATE) == [
        "2018-01-10T12:00:00Z refused already_running",
        "2018-01-15T12:00:00Z dispatch A",
        "2018-01-15T12:00:00Z ended completed",
    ]


def test_a_repeated_event_changes_nothing():
    programme = directory(
        {"counters.yaml": "counters: {n: {event: purchase_completed, aggregate: count}}"},
        c="""
        trigger: {event: purchase_completed}
        entry: {while_running: parallel}
        actions: [{webhook: {url: "https://example.com/", body: "{{ counter.n }} {{ member.purchases.count }}"}}]
        """,
    )
    events = [
        bought("m", "2018-01-01T12:00:00Z", event_id="1"),
        bought("m", "2018-01-01T12:00:00Z", event_id="1"),
        bought("m", "2018-01-08T12:00:00Z", event_id="1"),
        bought("m", "2018-01-08T12:00:00Z", event_id="2"),
    ]
    assert [line["body"] for line in run(programme, events, **LATE)] == ["1 1", "2 2"]


def test_a_repeated_event_is_known_for_seven_days_from_the_first():
    programme = directory(c="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a}}]")
    first = [registered("m", "2018-01-01T10:00:00Z"), event("m", "site_visited", "2018-01-01T12:00:00Z", event_id="1")]
    within = [
        event("m", "site_visited", "2018-01-05T12:00:00Z", event_id="1"),
        event("m", "site_visited", "2018-01-08T12:00:00Z", event_id="1"),
    ]
    assert len(sent(programme, [*first, *within], **LATE)) == 1
    after = event("m", "site_visited", "2018-01-08T12:00:01Z", event_id="1")
    assert len(sent(programme, [*first, *within, after], **LATE)) == 2


def test_an_event_id_is_its_sources_and_its_members():
    programme = directory(c="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a}}]")
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        registered("n", "2018-01-01T10:00:00Z"),
        event("m", "site_visited", "2018-01-01T12:00:00Z", event_id="1", source="web"),
        event("m", "site_visited", "2018-01-01T12:00:00Z", event_id="1", source="app"),
        event("n", "site_visited", "2018-01-01T12:00:00Z", event_id="1", source="web"),
    ]
    assert len(sent(programme, events, **LATE)) == 3


def test_a_repetition_does_not_move_the_clock():
    programme = directory(
        c="trigger: {event: purchase_completed}\nactions: [{wait: P1D}, {send: {channel: sms, template: a}}]",
        d="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: b}}]",
    )
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        bought("m", "2018-01-01T12:00:00Z", event_id="1"),
        bought("m", "2018-01-03T12:00:00Z", event_id="1"),
        event("m", "site_visited", "2018-01-01T13:00:00Z"),
    ]
    assert sent(programme, events, **LATE) == [("2018-01-01T13:00:00Z", "B"), ("2018-01-02T12:00:00Z", "A")]


def test_historical_events_change_state_counters_and_segments_and_trigger_cancel_and_answer_nothing():
    programme = directory(
        {
            "counters.yaml": "counters: {n: {event: purchase_completed, aggregate: count}}",
            "segments/buyers.yaml": "id: buyers\nwhere: {member.purchases.count: {ge: 2}}",
        },
        triggered="trigger: {event: purchase_completed}\nactions: [{send: {channel: sms, template: a}}]",
        entered="trigger: {segment_entered: buyers}\nactions: [{send: {channel: sms, template: b}}]",
        running="""
        trigger: {event: registration_completed}
        cancel_on: [{event: purchase_completed}]
        actions:
          - wait: {for: {event: purchase_completed}, timeout: P1D, on_timeout: [{exit: silent}]}
          - send: {channel: sms, template: c}
        """,
        asked="trigger: {event: site_visited}\naudience: {segment: buyers}\n"
        'actions: [{webhook: {url: "https://example.com/", body: "{{ counter.n }} {{ member.purchases.total }}"}}]',
    )
    events = [
        registered("m", "2018-01-10T10:00:00Z"),
        bought("m", "2018-01-10T11:00:00Z", historical=True),
        bought("m", "2018-01-10T12:00:00Z", historical=True),
        event("m", "site_visited", "2018-01-15T12:00:00Z"),
    ]
    lines = run(programme, events, "2018-02-01T00:00:00Z")
    assert [(line["kind"], line.get("body")) for line in lines] == [("webhook", "2 200")]
    assert decided(programme, events, "2018-02-01T00:00:00Z") == [
        ("2018-01-11T10:00:00Z", "ended", "exited"),
        ("2018-01-15T12:00:00Z", "ended", "completed"),
    ]


def test_historical_events_set_timers_for_what_is_still_to_come():
    programme = directory(
        birthday='trigger: {date: birth_date, at: "10:00"}\nactions: [{send: {channel: sms, template: a}}]',
        cart="trigger: {cart_abandoned: {after: PT1H}}\nactions: [{send: {channel: sms, template: b}}]",
    )
    events = [
        registered("m", "2018-01-01T10:00:00Z", birth_date="1990-02-01", historical=True),
        event("m", "site_visited", "2018-01-10T10:00:00Z"),
        event("m", "cart_item_added", "2018-01-10T08:00:00Z", sku="1", historical=True),
        event("m", "cart_item_added", "2018-01-10T09:30:00Z", sku="1", historical=True),
    ]
    assert sent(programme, events[:3], **LATE) == [("2018-02-01T07:00:00Z", "A")]
    assert sent(programme, events, **LATE) == [("2018-01-10T10:30:00Z", "B"), ("2018-02-01T07:00:00Z", "A")]
