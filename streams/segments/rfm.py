"""RFM: recency, frequency and monetary value of every member, reckoned in ClickHouse from the purchases of a period.

A run (`streams.segments.runs`) of the list `rfm`:

1. Values: days since the last purchase, the number of purchases, what was spent less what was brought back. A receipt
   that was published twice counts once. A stranger's receipts, and members without a purchase in the period, have none.
   What members have from before they were known, or under an id that was merged into theirs, is found first (view
   `inherited_purchases`). Whoever has such is reckoned apart, of both together; all others in one pass over the table
   `purchases` in its own order.
2. Thresholds: the values at one to four fifths of the members, the exact ones and not an estimate. A score is one more
   than the thresholds that the value exceeds, so that equal values have equal scores, whatever that does to the fifths.
3. Scores and segments (`streams.segments.rfm_rule`), and how members moved since the last run.
4. Changes against the last run: another value takes the place of the one before, so it alone is published
   (`streams.engine.rfm`); whoever drops out is taken out of what they were last.

Nothing of it comes into this process but the thresholds.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sinks.clickhouse.connect import Client
from streams.engine.values import Duration
from streams.segments import runs
from streams.segments.rfm_rule import SCORES, segment_sql
from streams.segments.runs import Run

LIST = "rfm"
RUNS_KEPT = 8
_IN_ORDER = {**runs.SPILL, "optimize_aggregation_in_order": 1, "max_block_size": 16_384}
"""Tables in order of the members are grouped as they are read, a member at a time."""
_SORTED = {**runs.SPILL, "join_algorithm": "full_sorting_merge"}
"""Joined by sorting, on the disk if need be: what members have from before can be a million keys on either side."""
_STRANGERS = "^(visitor|card|phone|email|receipt):"
_DAY_MS = 86_400_000
_PURCHASE = (
    "cityHash64(source, event_id) AS id, occurred_at, type = 'purchase_completed' AS bought, ifNull(total, 0) AS amount"
)
_OF_PERIOD = (
    "type IN ('purchase_completed', 'purchase_returned') AND occurred_at >= fromUnixTimestamp64Milli(%(since)s, 'UTC') "
    "AND occurred_at < fromUnixTimestamp64Milli(%(until)s, 'UTC')"
)
_HEIRS = "SELECT member_id FROM rfm_inherited WHERE run = %(run)s"
_OWN = f"SELECT key AS member_id, {_PURCHASE} FROM purchases WHERE {_OF_PERIOD}"  # noqa: S608 - our own text
_IS_NO_HEIR = (
    "NOT match(member_id, %(strangers)s) AND member_id NOT IN (SELECT key FROM merged_members) "  # noqa: S608 - our own text
    f"AND member_id NOT IN ({_HEIRS})"
)
_OF_HEIRS = (
    "SELECT member_id, id, occurred_at, bought, amount FROM rfm_inherited WHERE run = %(run)s "  # noqa: S608 - our own text
    f"UNION ALL {_OWN} AND key IN ({_HEIRS})"
)
_SPENT = "arraySum((amount, bought, place) -> if(place = 1, if(bought, amount, -amount), 0), amounts, kinds, places)"
_MOST = "999999999999.999999"
"""What a till scans in place of a total may sum up to more than the column holds: then it counts as this."""
_COLUMNS = {"recency": "days", "frequency": "purchases", "monetary": "spent"}
_VALUES = {**_COLUMNS, "recency": "-toInt32(days)"}
"""What is scored: the greater, the better."""


def definition_of(period: Duration) -> str:
    """Tell one way of reckoning from another: an edited one is reckoned at once."""
    return f"2 {period}"


def decide(client: Client, period: Duration, at_ms: int) -> Run:
    """Reckon RFM as of a moment (ms) and decide the run; it isn't published yet.

    Raises `OvertakenError`, and the driver's `ClickHouseError`.
    """
    before = runs.settled_run(client, LIST)
    earlier = "" if before is None else before.run
    with runs.preparing(
        client, staged=("rfm_staged", "rfm_inherited"), results=("rfm_values", "segment_changes")
    ) as run:
        stage_values(client, run, period.before(at_ms), at_ms)
        stage_scores(client, run, read_thresholds(client, run))
        _stage_facts(client, run, earlier)
        _stage_changes(client, run, earlier)
    members = client.query("SELECT count() FROM rfm_values WHERE run = %(run)s", parameters={"run": run})
    definition = definition_of(period)
    decided = runs.decide(
        client, LIST, run, before, origin="rfm", at_ms=at_ms, definition=definition, members=members.result_rows[0][0]
    )
    _drop_old(client)
    return decided


def stage_values(client: Client, run: str, since_ms: int, until_ms: int) -> None:
    """Write the values of a run, of purchases from `since_ms` (inside) until `until_ms` (outside)."""
    period = {"run": run, "since": since_ms, "until": until_ms}
    client.command(
        f"""
        INSERT INTO rfm_inherited (run, member_id, id, occurred_at, bought, amount)
        SELECT %(run)s, member_id, {_PURCHASE} FROM inherited_purchases WHERE {_OF_PERIOD}
        """,  # noqa: S608 - our own text
        parameters=period,
        settings=_SORTED,
    )
    _stage_values(client, _OWN, _IS_NO_HEIR, period, _IN_ORDER)
    _stage_values(client, _OF_HEIRS, "true", period, runs.SPILL)


def _stage_values(
    client: Client, purchases: str, only: str, parameters: Mapping[str, object], settings: dict[str, int]
) -> None:
    """Write the values of the members of these purchases who fulfil the condition `only`."""
    client.command(
        f"""
        INSERT INTO rfm_staged (run, member_id, days, purchases, spent)
        SELECT %(run)s, member_id, intDiv(%(until)s - toUnixTimestamp64Milli(last), %(day)s),
            arrayCount((bought, place) -> bought AND place = 1, kinds, arrayEnumerateUniq(ids) AS places),
            greatest(least({_SPENT}, toDecimal128('{_MOST}', 6)), toDecimal128('-{_MOST}', 6))
        FROM
        (
            SELECT member_id, maxIf(occurred_at, bought) AS last, groupArray(id) AS ids,
                groupArray(amount) AS amounts, groupArray(bought) AS kinds
            FROM ({purchases})
            GROUP BY member_id
            HAVING has(kinds, true) AND {only}
        )
        """,  # noqa: S608 - our own text
        parameters={**parameters, "day": _DAY_MS, "strangers": _STRANGERS},
        settings=settings,
    )


def read_thresholds(client: Client, run: str) -> Mapping[str, Sequence[Decimal | int]]:
    """Tell the four thresholds of each measure, rising; of recency, of its days taken negative (fewer are better).

    The k-th is the greatest value of the lowest k fifths, rounded up to whole members.
    """
    found = {}
    for measure, value in _VALUES.items():
        rows = client.query(
            f"""
            SELECT arrayMap(k -> sorted[intDiv(k * length(sorted) + {SCORES} - 1, {SCORES})], range(1, {SCORES}))
            FROM (SELECT arraySort(groupArray({value})) AS sorted FROM rfm_staged WHERE run = %(run)s)
            """,  # noqa: S608 - our own names
            parameters={"run": run},
        ).result_rows
        found[measure] = rows[0][0]
    return found


def stage_scores(client: Client, run: str, thresholds: Mapping[str, Sequence[Decimal | int]]) -> None:
    """Write values with their scores and segments."""

    def score(measure: str) -> str:
        bounds = (f"toDecimal64('{each}', 6)" if measure == "monetary" else str(each) for each in thresholds[measure])
        return f"toUInt8(1 + arrayCount(each -> {_VALUES[measure]} > each, [{', '.join(bounds)}]))"

    client.command(
        f"""
        INSERT INTO rfm_values (run, member_id, days, purchases, spent, recency, frequency, monetary, segment)
        SELECT run, member_id, days, purchases, spent,
            {score("recency")} AS r, {score("frequency")} AS f, {score("monetary")} AS m, {segment_sql("r", "f", "m")}
        FROM rfm_staged WHERE run = %(run)s
        """,  # noqa: S608 - our own names and numbers
        parameters={"run": run},
    )


def _stage_facts(client: Client, run: str, earlier: str) -> None:
    """Write between which values each score lies, and how members moved."""
    for measure, column in _COLUMNS.items():
        client.command(
            f"""
            INSERT INTO rfm_run_thresholds (run, measure, score, least, most, members)
            SELECT run, '{measure}', {measure}, min({column}), max({column}), count()
            FROM rfm_values WHERE run = %(run)s GROUP BY run, {measure}
            """,  # noqa: S608 - our own names
            parameters={"run": run},
        )
    client.command(
        """
        INSERT INTO rfm_run_transitions (run, from_segment, to_segment, members)
        SELECT %(run)s, before, after, count() FROM
        (
            SELECT maxIf(toString(segment), run = %(earlier)s) AS before,
                maxIf(toString(segment), run = %(run)s) AS after
            FROM rfm_values WHERE run IN (%(run)s, %(earlier)s) GROUP BY member_id
        )
        GROUP BY before, after
        """,
        parameters={"run": run, "earlier": earlier},
        settings=_IN_ORDER,
    )


def _stage_changes(client: Client, run: str, earlier: str) -> None:
    """Write what is to be published: of each family the value that is new, or the one that was, if there is none."""
    families = ", ".join(
        f"('{LIST}.{family}.', toString(maxIf({family}, run = %(run)s)), toString(maxIf({family}, run = %(earlier)s)))"
        for family in ("segment", *_COLUMNS)
    )
    client.command(
        f"""
        INSERT INTO segment_changes (run, member_id, segment, inside, was)
        SELECT %(run)s, member_id, concat(change.1, if(now_inside, change.2, change.3)), now_inside, NOT now_inside FROM
        (
            SELECT member_id, arrayJoin(arrayFilter(each -> each.2 != each.3, found)) AS change,
                change.2 NOT IN ('', '0') AS now_inside
            FROM
            (
                SELECT member_id, [{families}] AS found
                FROM rfm_values WHERE run IN (%(run)s, %(earlier)s) GROUP BY member_id
            )
        )
        """,  # noqa: S608 - our own names
        parameters={"run": run, "earlier": earlier},
        settings=_IN_ORDER,
    )


def _drop_old(client: Client) -> None:
    """Drop the members' values of runs before the last few, and what broken-off ones left behind."""
    rows = client.query(
        "SELECT DISTINCT partition FROM system.parts WHERE database = currentDatabase() AND table = 'rfm_values' "
        "AND active AND partition NOT IN (SELECT run FROM segment_runs WHERE list = %(list)s "
        "ORDER BY number DESC LIMIT %(kept)s) AND (partition IN (SELECT run FROM segment_runs WHERE list = %(list)s) "
        "OR modification_time < now() - INTERVAL 2 DAY)",
        parameters={"list": LIST, "kept": RUNS_KEPT},
    ).result_rows
    for (run,) in rows:
        runs.drop(client, "rfm_values", run)
