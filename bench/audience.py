"""What counting an audience costs: a million members in ClickHouse, and the statement of `rekindle audience` over them.

Seconds by the wall clock and of processor time, with the embedded engine in this very process: the best of three, after
one that isn't counted. The rows are made in ClickHouse by formulas: three counters with thirty buckets each, five
accruals, attributes and times of events, more than most members have.
"""

import json
import tempfile
import time

import clickhouse_connect

from sinks.clickhouse.connect import Client
from sinks.clickhouse.migrate import migrate
from streams.programme import load
from streams.programme.programme import Programme
from streams.segments.audience import audience_of
from streams.segments.sql import Asking

MEMBERS = 1_000_000
AT_ONCE = 10_000
AT = 1_790_000_000_000
RUNS = 3
AUDIENCES = {
    "everyone": "{segment: everyone}",
    "profile": "{member.city: Riga, member.attributes.children: {ge: 1}, not: {member.status: staff}}",
    "reckoned": "{member.age: {between: [30, 40]}, member.days_since_registration: {ge: 365}, "
    "days_since.site_visited: {le: 10}}",
    "counted": "{counter.spend: {ge: 100}, counter.visits: {lt: 31}, member.bonus.points: {gt: 0}}",
    "segments": "{any: [{segment: spenders}, {segment: listed}], not: {segment: assigned}}",
}
LISTED = 10_000
"""Members of a list in the programme."""


def programme() -> Programme:
    """A campaign for each audience, over two channels, with holdouts."""
    counters = {
        "spend": "{event: purchase_completed, aggregate: sum, field: total, window: P30D}",
        "visits": "{event: site_visited, aggregate: count, window: P30D}",
        "shops": "{event: purchase_completed, aggregate: distinct, field: store_id, window: P30D}",
    }
    files = {
        "policies.yaml": "global_holdout: 5\n",
        "counters.yaml": "counters:\n" + "".join(f"  {name}: {text}\n" for name, text in counters.items()),
        "templates/t.yaml": "templates: [{id: t, text: Hello}]\n",
        "segments/a.yaml": "id: spenders\nwhere: {counter.spend: {ge: 1000}, counter.shops: {ge: 3}}\n",
        "segments/b.yaml": f"id: listed\nmembers: [{', '.join(f'm{number:07}' for number in range(LISTED))}]\n",
        "segments/c.yaml": "id: assigned\n",
    }
    for name, audience in AUDIENCES.items():
        files[f"{name}.yaml"] = (
            f"id: {name}\ntrigger: {{now: true}}\naudience: {audience}\nholdout: 10\n"
            "actions: [{send: {channel: sms, template: t}}, {send: {channel: push, template: t}}]\n"
        )
    return load([files])


def fill(client: Client, counters: Programme) -> None:
    """A million members."""
    day = AT // 86_400_000
    buckets = f"arrayMap(k -> {day} - k, range(30))"
    hashes = {name: counter.fingerprint for name, counter in counters.counters.items()}
    numbers = (
        f"arrayConcat(arrayMap(b -> ('spend', '{hashes['spend']}', b, toDecimal128((number + b) % 17, 6)), {buckets}), "
        f"arrayMap(b -> ('visits', '{hashes['visits']}', b, toDecimal128((number + b) % 3, 6)), {buckets}))"
    )
    values = f"arrayMap(b -> ('shops', '{hashes['shops']}', b, concat('s', toString((number * b) % 5))), {buckets})"
    at = f"fromUnixTimestamp64Milli({AT} - toInt64(number % 1000) * 86400000, 'UTC')"
    visited = f"fromUnixTimestamp64Milli({AT} - toInt64(number % 30) * 86400000, 'UTC')"
    ahead = f"fromUnixTimestamp64Milli({AT} + toInt64(number % 50) * 86400000, 'UTC')"
    columns = {
        "member_id": "concat('m', leftPad(toString(number), 7, '0'))",
        "at": at,
        "registered_at": at,
        "phone": "if(number % 10 = 0, NULL, concat('+371', toString(number)))",
        "push_token": "if(number % 3 = 0, concat('token-', toString(number)), NULL)",
        "birth_date": "toDate32('1950-01-01') + number % 20000",
        "city": "['Riga', 'Oslo', 'Omsk', 'Tula'][number % 4 + 1]",
        "status": "['gold', 'silver', 'staff'][number % 5 % 3 + 1]",
        "time_zone": "['Europe/Riga', 'Asia/Omsk', 'America/New_York'][number % 3 + 1]",
        "attribute_numbers": "map('children', toDecimal256(number % 3, 44))",
        "attribute_texts": "map('tier', toString(number % 9))",
        "purchases_count": "number % 100",
        "counter_numbers": numbers,
        "counter_values": values,
        "last_times": f"[('site_visited', {visited}, NULL), ('purchase_completed', {at}, {at})]",
        "accruals": f"arrayMap(k -> (toString(k), 'points', 10, k % 3, {at}, {at}, {ahead}, k = 4), range(5))",
        "segments_assigned": "if(number % 7 = 0, map('assigned', true), map())",
        "statements": f"if(number % 11 = 0, [('sms', NULL, false, {at})], [])",
        "_offset": "number",
    }
    made = ", ".join(f"{sql} AS {name}_" for name, sql in columns.items())
    for first in range(0, MEMBERS, AT_ONCE):
        client.command(
            f"INSERT INTO profiles ({', '.join(columns)}) SELECT {made} FROM numbers({first}, {AT_ONCE})",
            settings={"max_block_size": 1000, "max_threads": 1},
        )


def measure(client: Client, asking: Asking) -> dict[str, dict[str, float]]:
    """The best of some runs of each statement, and how many members it finds."""
    found: dict[str, dict[str, float]] = {}
    for name in AUDIENCES:
        campaign = asking.programme.current(name)
        assert campaign is not None
        statement = audience_of(campaign, asking).counting
        best = []
        for run in range(RUNS + 1):
            processor, began = time.process_time(), time.perf_counter()
            [row] = client.query(statement, settings={"max_query_size": 1 << 20}).named_results()
            if run:
                best.append((time.perf_counter() - began, time.process_time() - processor))
        found[f"audience_{name}"] = {
            "wall_s": round(min(wall for wall, _ in best), 2),
            "processor_s": round(min(processor for _, processor in best), 2),
            "admitted": row["count_admitted"],
        }
    return found


def main() -> None:
    """Run on a ClickHouse in this process and print the figures as JSON."""
    asking = Asking(programme(), AT)
    with (
        tempfile.TemporaryDirectory() as folder,
        clickhouse_connect.get_client(dsn=f"chdb://{folder}") as client,
    ):
        migrate(client)
        fill(client, asking.programme)
        found = measure(client, asking)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
