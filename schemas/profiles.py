"""A member's profile as `member.profiles` and the table `profiles` carry it on (`streams.profiles` makes it)."""

from datetime import date
from typing import Any

import msgspec


class MemberProfile(msgspec.Struct, kw_only=True):
    """What is known of a member; the fields are explained in `schemas/avro/profile.avsc`.

    Times are milliseconds since the epoch, UTC. Numbers without a bound are texts in decimal. `gone` never stands in a
    record: a tombstone says it, that nothing is known of the member any more; `at` is the tombstone's time then.
    """

    member_id: str
    at: int
    registered_at: int | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    birth_date: date | None = None
    gender: str | None = None
    city: str | None = None
    address: str | None = None
    time_zone: str | None = None
    stated_time_zone: str | None = None
    referrer_id: str | None = None
    status: str | None = None
    card_number: str | None = None
    push_token: str | None = None
    platform: str | None = None
    attributes: list[dict[str, Any]] = []
    social: list[dict[str, Any]] = []
    purchases_count: int = 0
    purchases_total: str = "0"
    purchases_first_at: int | None = None
    purchases_last_at: int | None = None
    counters: list[dict[str, Any]] = []
    last_times: list[dict[str, Any]] = []
    accruals: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    rfm_segment: str | None = None
    rfm_recency: int | None = None
    rfm_frequency: int | None = None
    rfm_monetary: int | None = None
    statements: list[dict[str, Any]] = []
    undeliverable: list[dict[str, Any]] = []
    journeys: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    gone: bool = False
