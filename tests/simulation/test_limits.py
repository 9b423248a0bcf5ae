"""No campaign and no flood of events stalls a worker: what goes beyond a bound ends, the rest goes on."""

from tests.simulation.support import Live, bought, directory, event, happened, registered, run, sent

END = "2018-03-01T00:00:00Z"
SENDS = "trigger: {event: site_visited}\nactions: [{send: {channel: cashier, template: a}}]"


def test_a_journey_of_too_many_actions_at_once_ends_and_the_rest_goes_on():
    actions = "\n".join(["  - set: {a: 1}"] * 1001)
    programme = directory(
        long=f"trigger: {{event: site_visited}}\npriority: 1\nactions:\n{actions}",
        other=SENDS,
    )
    assert happened(programme, [event("m", "site_visited", "2018-01-01T12:00:00Z")], END) == [
        "2018-01-01T12:00:00Z ended limit_exceeded",
        "2018-01-01T12:00:00Z dispatch A",
        "2018-01-01T12:00:00Z ended completed",
    ]


def test_as_many_actions_in_parts_are_no_matter():
    actions = "\n".join(["  - set: {a: 1}"] * 600)
    programme = directory(c=f"trigger: {{event: site_visited}}\nactions:\n{actions}\n  - wait: PT1H\n{actions}")
    lines = happened(programme, [event("m", "site_visited", "2018-01-01T12:00:00Z")], END)
    assert lines == ["2018-01-01T13:00:00Z ended completed"]


def test_too_many_journeys_of_a_member_are_refused():
    programme = directory(
        c="trigger: {event: site_visited}\nentry: {while_running: parallel}\nactions: [{wait: P1D}]",
        d="trigger: {event: product_viewed}\nactions: [{send: {channel: cashier, template: a}}]",
    )
    events = [event("m", "site_visited", "2018-01-01T12:00:00Z", event_id=str(number)) for number in range(230)]
    events.append(event("n", "product_viewed", "2018-01-01T12:00:01Z"))
    lines = happened(programme, events, END)
    assert lines.count("2018-01-01T12:00:00Z refused limit_exceeded") == 30
    assert lines.count("2018-01-02T12:00:00Z ended completed") == 200
    assert "2018-01-01T12:00:01Z dispatch A" in lines


def test_a_receipt_of_thousands_of_lines():
    programme = directory(
        {"templates/count.yaml": 'templates: [{id: count, text: "{{ event.lines | size }}"}]'},
        c="""
        trigger: {event: purchase_completed, where: {lines: {some: {category: coffee}}}}
        actions: [{send: {channel: cashier, template: count}}]
        """,
    )
    lines = [{"sku": str(number), "category": "tea", "quantity": 1, "price": 1} for number in range(2500)]
    lines[-1]["category"] = "coffee"
    assert [text for _, text in sent(programme, [bought("m", "2018-01-01T12:00:00Z", lines=lines)], END)] == ["2500"]


def test_a_list_that_nothing_names_is_not_kept():
    live = Live()
    live.apply("2018-01-01T00:00:00Z", c="trigger: {event: purchase_completed}\nactions: [{wait: P1D}]")
    lines = [{"sku": str(number)} for number in range(2500)]
    live.handle(bought("m", "2018-01-01T12:00:00Z", lines=lines))
    assert len(live.stored) < 1000


def test_a_tick_after_years_with_a_mailing_a_day():
    live = Live()
    live.apply("2000-01-01T00:00:00Z", c='trigger: {schedule: {cron: "0 10 * * *"}}\nactions: [{wait: PT1H}]')
    live.handle(registered("m", "2000-01-01T00:00:00Z"))
    live.tick("2018-01-01T00:00:00Z", wall=True)
    assert live.happened() == []
    live.tick("2018-01-01T01:00:00Z", wall=True)
    assert live.happened() == ["2018-01-01T01:00:00Z ended completed"]


def test_the_ends_of_the_calendar():
    programme = directory(
        {"counters.yaml": "counters: {x: {event: site_visited, aggregate: count, window: {calendar: year}}}"},
        wait="trigger: {event: site_visited}\nactions: [{wait: P200Y}, {send: {channel: cashier, template: a}}]",
        until='trigger: {event: site_visited}\nactions: [{wait: {until: "10:00"}}, {wait: P1M}]',
        dated='trigger: {date: birth_date, at: "10:00", offset: P3D}\nactions: [{set: {a: 1}}]',
        cron='trigger: {schedule: {cron: "0 10 1 1 *", zone: member}}\nactions: [{set: {a: 1}}]',
        award="""
        trigger: {event: site_visited, where: {counter.x: {ge: 1}}}
        entry: {again: P100Y}
        actions: [{award: {amount: 1, currency: points, lifetime: P100Y, limit: {count: 1, per: P200Y}}}]
        """,
    )
    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
        for year in ("0001", "9999"):
            events = [
                event("m", "profile_updated", f"{year}-12-31T23:00:00Z", time_zone=zone, birth_date="2000-12-31"),
                event("m", "site_visited", f"{year}-12-31T23:59:59.999Z"),
                event("n", "site_visited", f"{year}-01-01T00:00:00Z"),
            ]
            lines = run(programme, events, f"{year}-12-31T23:59:59.999Z")
            assert [line["member_id"] for line in lines if line["campaign"] == "award"] == ["n", "m"]
