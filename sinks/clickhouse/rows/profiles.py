"""Members' profiles: of each member the row of the highest offset counts, so read it with FINAL.

Who is gone gets a row of their own, with nothing but the id, which takes the place of what was known.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from schemas.profiles import MemberProfile
from sinks.clickhouse.rows import TIME, Erases, Row, Table

NUMBER = "Decimal(38, 6)"
FINE_NUMBER = "Decimal(76, 44)"
_MOST = Decimal("9" * 32 + ".999999")
_LEAST = _MOST.copy_negate()  # `-` would round it
_COUNTED = "name String, definition String, bucket Int64"

_PLAIN = {
    "registered_at": f"Nullable({TIME})",
    "first_name": "Nullable(String)",
    "middle_name": "Nullable(String)",
    "last_name": "Nullable(String)",
    "phone": "Nullable(String)",
    "email": "Nullable(String)",
    "birth_date": "Nullable(Date32)",
    "gender": "LowCardinality(Nullable(String))",
    "city": "LowCardinality(Nullable(String))",
    "address": "Nullable(String)",
    "time_zone": "LowCardinality(Nullable(String))",
    "stated_time_zone": "LowCardinality(Nullable(String))",
    "referrer_id": "Nullable(String)",
    "status": "LowCardinality(Nullable(String))",
    "card_number": "Nullable(String)",
    "push_token": "Nullable(String)",
    "platform": "LowCardinality(Nullable(String))",
    "purchases_count": "Int64",
    "purchases_first_at": f"Nullable({TIME})",
    "purchases_last_at": f"Nullable({TIME})",
    "rfm_segment": "LowCardinality(Nullable(String))",
    "rfm_recency": "Nullable(Int64)",
    "rfm_frequency": "Nullable(Int64)",
    "rfm_monetary": "Nullable(Int64)",
}
"""What a column has as the record has it."""
_MADE = {
    "member_id": "String",
    "at": TIME,
    "is_deleted": "UInt8",
    "attribute_texts": "Map(String, String)",
    "attribute_numbers": f"Map(String, {FINE_NUMBER})",
    "attribute_truths": "Map(String, Bool)",
    "social": "Map(String, String)",
    "purchases_total": NUMBER,
    "counter_numbers": f"Array(Tuple({_COUNTED}, number {NUMBER}))",
    "counter_values": f"Array(Tuple({_COUNTED}, value String))",
    "last_times": f"Array(Tuple(type String, latest {TIME}, earlier Nullable({TIME})))",
    "accruals": (
        f"Array(Tuple(accrual_id String, currency String, amount {NUMBER}, spent {NUMBER}, accrued_at {TIME}, "
        f"activates_at {TIME}, expires_at Nullable({TIME}), cancelled Bool))"
    ),
    "segments_assigned": "Map(String, Bool)",
    "segments_inside": "Array(String)",
    "statements": (
        f"Array(Tuple(channel Nullable(String), messaging_type Nullable(String), subscribed Bool, at {TIME}))"
    ),
    "undeliverable": "Map(String, String)",
    "journeys": (f"Array(Tuple(campaign String, version Int64, entered_at {TIME}, waits_at Nullable(String)))"),
    "left_out": "Array(String)",
}


def _rows(profile: MemberProfile) -> Iterator[Row]:
    attributes = profile.attributes
    yield (
        profile.member_id,
        profile.at,
        int(profile.gone),
        _mapped(attributes, "name", "text"),
        {name: _number(number) for name, number in _mapped(attributes, "name", "number").items()},
        _mapped(attributes, "name", "truth"),
        _mapped(profile.social, "network", "profile_id"),
        _number(profile.purchases_total),
        [
            (each["name"], each["definition"], bucket["bucket"], _number(bucket["number"]))
            for each in profile.counters
            for bucket in each["numbers"]
        ],
        [
            (each["name"], each["definition"], value["bucket"], value["value"])
            for each in profile.counters
            for value in each["values"]
        ],
        [(each["type"], each["latest"], each.get("earlier")) for each in profile.last_times],
        [
            (
                each["accrual_id"],
                each["currency"],
                _number(each["amount"]),
                _number(each["spent"]),
                each["accrued_at"],
                each["activates_at"],
                each.get("expires_at"),
                each["cancelled"],
            )
            for each in profile.accruals
        ],
        {each["segment"]: each["inside"] for each in profile.segments if each["assigned"]},
        [each["segment"] for each in profile.segments if not each["assigned"]],
        [
            (each.get("channel"), each.get("messaging_type"), each["subscribed"], each["at"])
            for each in profile.statements
        ],
        _mapped(profile.undeliverable, "channel", "address"),
        [(each["campaign"], each["version"], each["entered_at"], each.get("waits_at")) for each in profile.journeys],
        [each["part"] for each in profile.left_out],
        *(getattr(profile, name) for name in _PLAIN),
    )


def _mapped(records: Iterable[Mapping[str, Any]], key: str, value: str) -> dict[str, Any]:
    return {each[key]: each[value] for each in records if each.get(value) is not None}


def _number(text: str) -> Decimal:
    """The number as the column holds it: one of more than 32 digits before the point as the largest there is."""
    return max(_LEAST, min(_MOST, Decimal(text)))


TABLE = Table(
    name="profiles",
    takes=MemberProfile,
    columns=_MADE | _PLAIN,
    rows=_rows,
    latest_only=True,
    erases=Erases("member_id", "at", unless="is_deleted"),
)
