"""What becomes of a member's state: everything that a condition can ask, bounded, and nothing of strangers."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.engine import state_bytes
from streams.engine.limits import NAME_CHARS_MAX, STATEMENTS_MAX, TEXT_CHARS_MAX
from streams.engine.profile import declare
from streams.engine.state import NOBODYS, Accrual, Journey, MemberState, Statement, Tally, new
from streams.members.emit import RECORD_BYTES_MAX
from streams.members.record import FENCE, TICK, pack
from streams.profiles.make import UnfitStateError, is_members, profile_of, profile_value

CODEC = Codec(CommittedSchemas())
AT = 1_500_000_000_000


def known(**profile: object) -> MemberState:
    state = new("m1")
    state.clock = AT
    for name, value in profile.items():
        setattr(state.profile, name, value)
    return state


def carried(state: MemberState):
    value, at = profile_value(CODEC, pack(None, state_bytes.encode(state)))
    if value is None:
        return None
    (profile,) = CODEC.decode_profiles([value])
    assert at == profile.at
    return profile


def test_a_whole_state_is_carried_through_bytes_and_back():
    state = known(first_name="Anna", phone="+79161234567", birth_date=date(1985, 2, 28), city_zone="Asia/Omsk")
    state.profile.attributes = {"children": 2, "weight": 61.5, "coffee": "arabica", "vip": True}
    state.profile.social = {"vk": "17"}
    state.purchases.count, state.purchases.total = 3, Decimal("34120.50")
    state.purchases.last_at = AT - 1
    state.tallies = {
        "spend": Tally("ab" * 16, {17531: Decimal(351), 17532: Decimal("-12.5")}),
        "brands": Tally("cd" * 16, values={0: ["acme", "zeta"]}),
    }
    state.last_at = {"purchase_completed": (AT - 1, AT - 5), "site_visited": (AT - 7, None)}
    state.accruals = [Accrual("a1", Decimal(500), "points", AT - 9, AT - 8, AT + 100, Decimal("120.5"))]
    state.assigned, state.inside = {"vips": True, "spam": False}, ["rich"]
    state.rfm = {"segment": "champions", "recency": 5}
    state.statements = [Statement("sms", None, False, AT - 3)]
    state.journeys = [Journey(4, "come-back", 2, AT - 2, "", "pos", "e1", None, b"\x80", AT - 2, "actions[0]")]
    state.profile.undeliverable = ["sms", "viber"]
    found = carried(state)
    assert CODEC.encode(found) == CODEC.encode(profile_of(state))
    assert found.time_zone == "Asia/Omsk"
    assert found.stated_time_zone is None
    assert found.birth_date == date(1985, 2, 28)
    assert found.attributes == [
        {"name": "children", "number": "2"},
        {"name": "weight", "number": "61.5"},
        {"name": "coffee", "text": "arabica"},
        {"name": "vip", "truth": True},
    ]
    assert found.purchases_total == "34120.50"
    assert found.counters[0]["numbers"] == [{"bucket": 17531, "number": "351"}, {"bucket": 17532, "number": "-12.5"}]
    assert found.counters[1]["values"] == [{"bucket": 0, "value": "acme"}, {"bucket": 0, "value": "zeta"}]
    assert found.segments == [
        {"segment": "vips", "inside": True, "assigned": True},
        {"segment": "spam", "inside": False, "assigned": True},
        {"segment": "rich", "inside": True, "assigned": False},
    ]
    assert (found.rfm_segment, found.rfm_recency, found.rfm_monetary) == ("champions", 5, None)
    assert found.undeliverable == [{"channel": name, "address": "+79161234567"} for name in ("sms", "viber")]
    assert found.journeys == [{"campaign": "come-back", "version": 2, "entered_at": AT - 2, "waits_at": "actions[0]"}]


def test_the_zone_stated_counts_before_the_citys_and_one_that_is_none_counts_not():
    assert profile_of(known(time_zone="Europe/Paris", city_zone="Asia/Omsk")).time_zone == "Europe/Paris"
    nowhere = profile_of(known(time_zone="Mars/Olympus"))
    assert (nowhere.time_zone, nowhere.stated_time_zone) == (None, "Mars/Olympus")


def test_the_erased_and_the_deleted_have_no_profile():
    erased = known()
    erased.programme = NOBODYS
    assert carried(erased) is None
    assert profile_value(CODEC, None) == (None, None)
    assert profile_of(new("m1")) is None


def test_only_members_have_profiles():
    assert is_members(b"m1")
    for key in (b"visitor:v1", b"card:1", b"phone:+7", b"email:a@b.c", b"receipt:9", FENCE, TICK):
        assert not is_members(key)


@pytest.mark.parametrize("garbage", [b"", b"short", b"\0" * 8, pack(None, b"\x03\xff\xff"), pack(None, b"\x13junk")])
def test_what_is_no_state_is_named(garbage):
    with pytest.raises(UnfitStateError, match="state"):
        profile_value(CODEC, garbage)


def test_a_time_that_no_calendar_has_is_named_and_not_carried():
    state = known(registered_at=10**17)
    with pytest.raises(UnfitStateError, match="registered_at"):
        carried(state)


def test_texts_of_a_megabyte_and_five_thousand_attributes_stay_bounded():
    state = known(first_name="x" * 1_000_000, address="я" * 1_000_000)
    state.profile.attributes = {f"attribute {number}": "y" * 500 for number in range(5_000)}
    value, _ = profile_value(CODEC, pack(None, state_bytes.encode(state)))
    assert len(value) <= RECORD_BYTES_MAX
    (profile,) = CODEC.decode_profiles([value])
    assert profile.first_name == "x" * TEXT_CHARS_MAX
    assert profile.left_out == [{"part": "attributes"}]
    assert profile.attributes == []


def test_what_says_least_is_left_out_first():
    state = known()
    state.tallies = {"seen": Tally("ab" * 16, values={0: [f"value {number}" * 20 for number in range(6_000)]})}
    state.profile.attributes = {"coffee": "arabica"}
    profile = carried(state)
    assert profile.left_out == [{"part": "counters"}]
    assert profile.attributes == [{"name": "coffee", "text": "arabica"}]


def test_what_was_said_about_being_written_to_stays_whatever_goes():
    """However long all that a member may say, and whatever else there is of everything."""
    state = known()
    long = "я" * NAME_CHARS_MAX
    for number in range(STATEMENTS_MAX):
        declare(state, "sms", f"{number:03}{long}", False, 0)
    state.tallies = {"seen": Tally("ab" * 16, values={0: [f"value {number}" * 20 for number in range(6_000)]})}
    state.profile.attributes = {f"attribute {number}": "я" * 500 for number in range(1_000)}
    state.profile.social = {f"network {number}": "я" * 500 for number in range(1_000)}
    state.assigned = {f"segment {number}" + "я" * 500: True for number in range(1_000)}
    state.last_at = {f"type {number}" + "я" * 500: (0, 0) for number in range(1_000)}
    profile = carried(state)
    assert len(profile.statements) == STATEMENTS_MAX
    parts = ["counters", "social", "attributes", "segments", "last_times"]
    assert [each["part"] for each in profile.left_out] == parts


def test_sums_beyond_a_purchases_digits_are_carried():
    state = known()
    state.purchases.total = Decimal(10) ** 20 + Decimal("0.000001")
    state.profile.attributes = {"large": 2**62, "odd": 1e300}
    assert carried(state).purchases_total == "100000000000000000000.000001"
    assert msgspec.json.encode(carried(state).attributes).startswith(
        b'[{"name":"large","number":"4611686018427387904"}'
    )
