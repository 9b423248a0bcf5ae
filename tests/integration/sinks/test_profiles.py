"""The table of profiles on the real engine: the latest of each member, whatever is repeated, with every type intact."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from schemas.declarations import FOLDER
from schemas.profiles import MemberProfile
from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.connect import connect
from sinks.clickhouse.run import migrate_database
from sinks.clickhouse.write import write

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_database")]


@pytest.fixture
def client(settings):
    migrate_database(settings)
    with connect(settings.clickhouse_dsn) as client:
        yield client


def written(client, first, *profiles, suspect=False):
    records = tuple(Stored(first + number, 0, b"", b"") for number in range(len(profiles)))
    batch = Batch("member.profiles", 0, first, first + len(profiles) - 1, records, decided=False, suspect=suspect)
    write(client, batch, lambda _topic, _partition, _records: profiles)


def profile(member_id="m1", **fields):
    return MemberProfile(member_id=member_id, at=1_500_000_000_000, **fields)


def test_everything_of_a_profile_comes_back(client):
    example = msgspec.convert(json.loads((FOLDER / "examples" / "profile.json").read_text()), MemberProfile)
    written(client, 0, example)
    (row,) = client.query("SELECT * FROM profiles FINAL").named_results()
    assert row["member_id"] == "m-1001"
    assert row["at"].replace(tzinfo=UTC) == datetime(2018, 1, 1, 12, tzinfo=UTC)
    assert row["birth_date"] == date(1985, 2, 28)
    assert row["purchases_total"] == Decimal("34120.5")
    assert row["attribute_numbers"] == {"children": Decimal(2)}
    assert row["attribute_truths"] == {"vip": True}
    assert client.query(
        "SELECT arraySum(x -> x.number, arrayFilter(x -> x.bucket >= 17532, counter_numbers)), "
        "arrayMap(x -> x.value, counter_values), toString(last_times[1].earlier), "
        "toString(accruals[1].expires_at), accruals[1].cancelled, "
        "segments_assigned['vip-list'], has(segments_inside, 'year-old'), statements[1].messaging_type, "
        "journeys[1].waits_at, undeliverable['email'] FROM profiles FINAL"
    ).result_rows == [
        (
            Decimal("12.5"),
            ["acme"],
            "2017-12-24 09:33:20.000",
            "2018-01-22 08:00:00.000",
            False,
            True,
            True,
            None,
            "actions[0]",
            "anna@example.com",
        )
    ]


def test_the_latest_profile_counts_and_who_is_gone_is_left_out(client):
    written(client, 0, profile(city="Omsk"), profile("m2", city="Tula"))
    written(client, 2, profile(city="Tomsk"), profile("m3"))
    written(client, 4, profile("m2", gone=True))
    rows = client.query("SELECT member_id, city FROM profiles FINAL ORDER BY member_id").result_rows
    assert rows == [("m1", "Tomsk"), ("m3", None)]
    client.command("OPTIMIZE TABLE profiles FINAL")
    assert client.query("SELECT count() FROM profiles WHERE city IN ('Omsk', 'Tula')").result_rows == [(0,)]


def test_a_batch_that_is_written_again_changes_nothing_also_if_its_rows_are_merged_away(client):
    written(client, 0, profile(city="Omsk"))
    written(client, 0, profile(city="Omsk"), suspect=True)
    written(client, 1, profile(city="Tomsk"))
    client.command("OPTIMIZE TABLE profiles FINAL")
    written(client, 1, profile(city="Tomsk"), suspect=True)
    assert client.query("SELECT city, _offset FROM profiles FINAL").result_rows == [("Tomsk", 1)]


def test_sums_of_more_digits_than_a_purchase_has_are_exact(client):
    total = "12345678901234567890123456789012.654321"
    written(client, 0, profile(purchases_total=total, accruals=[
        {"accrual_id": "a", "currency": "points", "amount": total, "spent": "-" + total,
         "accrued_at": -10**13, "activates_at": 0, "cancelled": True}
    ]))  # fmt: skip
    rows = client.query("SELECT toString(purchases_total), toString(accruals[1].spent) FROM profiles FINAL").result_rows
    assert rows == [(total, "-" + total)]
