"""`rekindle member`: what the tables hold of one member, in order, masked unless it is to be revealed."""

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from schemas.profiles import MemberProfile
from sinks.clickhouse.connect import connect
from streams.engine.commands import Attribution, Award, Decision, Dispatch
from streams.engine.events import Event, StateMoved
from tests.integration.sinks.support import codec_of, produce
from tests.support import PROGRAM, ROOT, program_environment, run_rekindle

pytestmark = pytest.mark.services

DAY = 86_400_000
AT = 1_514_808_000_000  # 2018-01-01T12:00:00Z
OF = {"campaign": "come-back", "version": 1, "action": "actions[0]"}
PROFILE = MemberProfile(
    member_id="m1",
    at=AT + 9 * DAY,
    registered_at=AT,
    first_name="Katharina",
    last_name="Wagner",
    phone="+79161234567",
    email="kw@example.com",
    birth_date=date(1985, 2, 28),
    address="Lindenweg 12",
    city="Omsk",
    time_zone="Asia/Omsk",
    card_number="7000777",
    attributes=[{"name": "pet", "text": "Rexy"}, {"name": "children", "number": "2"}],
    purchases_count=3,
    purchases_total="30.25",
    accruals=[
        {"accrual_id": name, "currency": "points", "amount": amount, "spent": spent, "accrued_at": AT}
        | {"activates_at": activates, "expires_at": expires, "cancelled": name == "c"}
        for name, amount, spent, activates, expires in (
            ("a", "100", "20.5", AT, None),
            ("b", "50", "0", 4_000_000_000_000, 4_100_000_000_000),
            ("c", "7", "0", AT, None),
            ("d", "9", "0", AT, AT + DAY),
        )
    ],
    segments=[
        {"segment": "vips", "inside": True, "assigned": True},
        {"segment": "spam", "inside": False, "assigned": True},
        {"segment": "rich", "inside": True, "assigned": False},
    ],
)
LINES = [{"sku": "1", "category": "tea"}, {"sku": "2"}]
PERSONAL = ("Katharina", "Wagner", "+79161234567", "kw@example.com", "1985", "Lindenweg", "7000777", "Rexy", "Dear")


def event(member: str, kind: str, day: float, **body: object) -> Event:
    at = AT + round(day * DAY)
    identity = {"event_id": f"{member}/{kind}/{at}", "source": "test", "key": member, "member_id": member}
    return Event(type=kind, occurred_at=at, body=body, **identity)


def dispatch(name: str, channel: str, to: str, day: float) -> Dispatch:
    content = {"text": "Dear Katharina, come back"}
    of = {**OF, "at": AT + round(day * DAY), "member_id": "m1", "messaging_type": "marketing"}
    return Dispatch(dispatch_id=name, channel=channel, to=to, content=content, **of)


def status(name: str, channel: str, kind: str, day: float, **more: object) -> Event:
    return event("m1", kind, day, dispatch_id=name, channel=channel, **more)


EVENTS = [
    event("m1", "registration_completed", 0, first_name="Katharina", phone="+79161234567", attributes={"pet": "Rexy"}),
    event("old", "purchase_completed", -30, total=Decimal("9.5"), store_id="s9", receipt_id="r0"),
    event("m1", "members_merged", 0.5, from_id="old", into_id="m1"),
    event("visitor:v7", "site_visited", -29, url="https://example.com/before"),
    *(
        event(
            "m1", "purchase_completed", day, total=Decimal("10.25"), store_id=store, receipt_id=f"r{day}", lines=LINES
        )
        for day, store in ((1, "s1"), (3, "s2"), (5, "s2"))
    ),
    event("m1", "site_visited", 2, url="https://example.com/"),
    event("m1", "section_visited", 2.1, section="tea"),
    status("d1", "sms", "message_sent", 6),
    status("d1", "sms", "message_failed", 6.1, reason="unreachable"),
    status("d2", "email", "message_sent", 7),
    status("d2", "email", "message_opened", 7.2),
    event("m2", "site_visited", 2, url="https://example.com/other"),
]


MOVED = [StateMoved(occurred_at=AT, move_id="x", gone=gone, into="m1") for gone in ("visitor:v7", "old")]
LATE = event("visitor:v7", "product_viewed", 4, sku="2")
SENT_ON = [replace(LATE, key="m1", member_id="m1")]
AGAIN = [LATE, event("visitor:v7", "site_visited", 3, url="https://example.com/somebody-else")]


@pytest.fixture(scope="module")
def held(module_environment, module_settings, module_fresh_topics, guard):
    """The environment of a pipeline whose sink has stored it all."""
    from tests.support import Command, renew_database

    renew_database(module_settings)
    codec = codec_of(module_settings)
    sent = [dispatch("d1", "sms", "+79161234567", 6), dispatch("d2", "email", "kw@example.com", 7)]
    award = Award(at=AT + 8 * DAY, member_id="m1", award_id="a1", amount=Decimal(50), currency="points", **OF)
    refused = Decision(AT + 7 * DAY, "m1", "come-back", 1, "actions[1]", "suppressed", "frequency_cap")
    owed = {"event": "purchase_completed", "event_id": "e", "occurred_at": AT, "touched_at": AT}
    attribution = Attribution(
        at=AT + 9 * DAY, member_id="m1", attribution_id="x", dispatch_id="d2", channel="email", amount=Decimal(5),
        touch="clicked", **owed, **OF,
    )  # fmt: skip
    for topic, records in (
        ("member.events", EVENTS),
        ("member.events", MOVED),
        ("member.events", AGAIN),
        ("member.events", SENT_ON),
        ("send.sms", sent[:1]),
        ("send.email", sent[1:]),
        ("bonus.awards", [award]),
        ("decisions", [refused]),
        ("attributions", [attribution]),
        ("member.profiles", [MemberProfile(member_id="m1", at=AT), PROFILE]),
        ("member.profiles", [MemberProfile(member_id="m2", at=AT, referrer_id="m1")]),
    ):
        headers = [("sent-on", b"")] if records is SENT_ON else []
        produce(module_settings, codec, topic, records, headers=headers)
    log = module_settings.data_dir.parent / "sink.log"
    with Command("sink", env=module_environment, log=log, guard=guard) as sink:
        sink.until(lambda: _stored(module_settings) == [len(EVENTS) + len(AGAIN), 2, 1, 1, 1, 2], 60, "the rows")
        yield module_environment


def _stored(settings) -> list[int]:
    tables = ("events", "dispatches", "awards", "decisions", "attributions", "profiles FINAL")
    with connect(settings.clickhouse_dsn, create_database=True) as client:
        if not client.command("EXISTS TABLE profiles"):
            return []
        return [client.command(f"SELECT count() FROM {table}") for table in tables]


def told(environment: Mapping[str, str], *arguments: str) -> list[dict]:
    done = run_rekindle("member", *arguments, env=environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_profile_with_habits_and_everything_that_happened_in_order(held):
    profile, habits, *happened = told(held, "m1", "--reveal")
    assert profile["kind"] == "profile"
    assert (profile["first_name"], profile["phone"], profile["birth_date"]) == (
        "Katharina",
        "+79161234567",
        "1985-02-28",
    )
    assert profile["attributes"] == {"pet": "Rexy", "children": 2}
    assert profile["purchases"] == {"count": 3, "total": 30.25}
    assert profile["bonus"] == {
        "points": {
            "active": 79.5,
            "activates": [{"at": "2096-10-02T07:06:40Z", "amount": 50}],
            "expires": [{"at": "2099-12-03T16:53:20Z", "amount": 50}],
        }
    }
    assert profile["segments"] == ["rich", "vips"]
    assert (habits["receipts"], habits["favourite_store"], habits["favourite_hour"]) == (4, "s2", 18)
    assert (habits["visits"], habits["favourite_section"], habits["preferred_channel"]) == (2, "tea", "email")
    assert habits["referrals"] == 1
    what = [(row["at"][:10], row.get("type") or row.get("reason") or row["kind"]) for row in happened]
    assert what == [
        ("2017-12-02", "purchase_completed"),  # of the member who was merged
        ("2017-12-03", "site_visited"),  # of the visitor that the member was
        ("2018-01-01", "registration_completed"),
        ("2018-01-02", "members_merged"),
        ("2018-01-02", "purchase_completed"),
        ("2018-01-03", "site_visited"),
        ("2018-01-03", "section_visited"),
        ("2018-01-04", "purchase_completed"),
        ("2018-01-05", "product_viewed"),  # it came under the visitor when that was the member, and was sent on
        ("2018-01-06", "purchase_completed"),
        ("2018-01-07", "dispatch"),
        ("2018-01-08", "dispatch"),
        ("2018-01-08", "frequency_cap"),
        ("2018-01-09", "award"),
        ("2018-01-10", "attribution"),
    ]
    sms, email = (row for row in happened if row["kind"] == "dispatch")
    assert [each["status"] for each in sms["statuses"]] == ["message_sent", "message_failed"]
    assert sms["statuses"][1]["reason"] == "unreachable"
    assert [each["status"] for each in email["statuses"]] == ["message_sent", "message_opened"]
    assert email["content"] == {"text": "Dear Katharina, come back"}


def test_nothing_that_says_who_it_is_is_shown_unasked(held):
    done = run_rekindle("member", "m1", env=held)
    assert [each for each in PERSONAL if each in done.stdout] == []
    profile, _, *happened = map(json.loads, done.stdout.splitlines())
    assert (profile["first_name"], profile["phone"], profile["email"]) == ("K***", "+7***67", "k***@example.com")
    assert [row["to"] for row in happened if row["kind"] == "dispatch"] == ["+7***67", "k***@example.com"]


def test_the_latest_activities_are_shown(held):
    assert [row["kind"] for row in told(held, "m1", "--limit", "2")[2:]] == ["award", "attribution"]


@pytest.mark.parametrize("known_by", ["+79161234567", "KW@example.com", "7000777"])
def test_a_member_is_found_by_what_the_profile_has(held, known_by):
    assert told(held, known_by, "--limit", "1")[0]["member_id"] == "m1"


def test_who_is_unknown_is_told_so(held):
    done = run_rekindle("member", "nobody", env=held)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no member nobody" in done.stderr


def test_the_export_is_everything_that_is_held(held):
    done = run_rekindle("member", "m1", "--export", env=held)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["member_id"], document["merged_into_them"]) == ("m1", ["old", "visitor:v7"])
    assert document["record"]["accruals"][0]["spent"] == "20.5"
    tables = document["tables"]
    assert {"events", "dispatches", "profiles", "purchases", "delivery_statuses", "consents", "awards"} <= tables.keys()
    of_others = [row for rows in tables.values() for row in rows if {row.get("member_id"), row.get("key")} & {"m2"}]
    assert of_others == []
    assert len(tables["events"]) == len(EVENTS) - 1 + len(SENT_ON)
    assert [row["into"] for row in tables["sent_on"]] == ["m1"]
    assert {row["recipient"] for row in tables["dispatches"]} == {"+79161234567", "kw@example.com"}


def test_habits_of_all_members_are_one_view(held, module_settings):
    with connect(module_settings.clickhouse_dsn) as client:
        found = client.query(
            "SELECT member_id, receipts, favourite_store, favourite_categories, preferred_channel, visits, referrals "
            "FROM member_habits ORDER BY member_id"
        ).result_rows
    assert found == [("m1", 4, "s2", ["tea"], "email", 2, 1), ("m2", 0, None, [], None, 1, 0)]


def test_in_a_terminal_it_is_a_table(held):
    master, slave = os.openpty()
    program = [*PROGRAM, "member", "m1"]
    environment = {**program_environment(held), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen(program, env=environment, cwd=ROOT, stdout=slave, stderr=subprocess.PIPE) as shown:
        os.close(slave)
        output = b""
        try:
            while piece := os.read(master, 65536):
                output += piece
        except OSError:  # the terminal's other end was closed
            pass
        assert shown.wait(60) == 0, shown.stderr.read()
    os.close(master)
    text = output.decode()
    assert "Member m1, as of 2018-01-10T12:00:00Z" in text
    assert "favourite store" in text
    assert "message_sent → message_failed (unreachable)" in text
    assert [each for each in PERSONAL if each in text] == []
