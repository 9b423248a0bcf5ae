"""Whatever comes, every rule answers: a value that can be stored, or none; and what it made is right by itself.

Invalid UTF-8 and half surrogates don't get as far as a profile: a record that isn't UTF-8 is a dead letter, a line of a
file an error. The rules of texts are shown them all the same.
"""

import string
from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import BadRecord, Codec
from schemas.json_lines import read_events
from schemas.registry import CommittedSchemas
from streams.engine.events import Event
from streams.engine.limits import ATTRIBUTES_MAX
from streams.engine.profile import apply_to_profile
from streams.engine.state import new
from streams.engine.state_bytes import decode, encode
from streams.errors import InputError
from streams.profile.findings import Checked
from streams.profile.read import read_personal
from streams.profile.texts import TEXT_CHARS_MAX, clean_text

ON = date(2018, 1, 1)
REGIONS = st.sampled_from(["RU", "US", "DE", "GB", "KZ", "JP", "XX", ""])
ANY = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Lu", "Ll", "Zs", "Mn"]), max_size=30),
    st.text(string.digits + "+-() .,/АБВ'", max_size=30),
    st.sampled_from(["Москва", "119019", "SW1A 2AA", "Germany", "\u200b", "-", "'", "@", "a@b.co", "ß", "ŉ"]),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=3), st.sampled_from([1, 2_000, 400_000])),
)
READABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.just("x" * 1_000_000)
FIELDS = ("first_name", "middle_name", "last_name", "gender", "phone", "email", "birth_date", "city", "address")


def read(body, region="RU"):
    return read_personal("profile_updated", body, ON, region, known_zone=lambda _: False, attributes_left_out=0)


@settings(deadline=None)  # the first city that is asked for costs the index over all
@given(st.dictionaries(st.sampled_from(FIELDS), ANY, min_size=1), REGIONS)
def test_every_value_is_one_that_can_be_stored_or_none(body, region):
    values, findings = read(body, region)
    assert values.keys() == body.keys()
    for field, outcome, rule, _ in findings:
        value = values[field]
        assert (value is None) == (outcome == "rejected")
        assert (rule is None) == (outcome == "valid")
        if isinstance(value, str):
            assert len(value.encode()) <= 4 * TEXT_CHARS_MAX


@settings(deadline=None)  # the first city that is asked for costs the index over all
@given(st.dictionaries(st.sampled_from(FIELDS), ANY, min_size=1), REGIONS)
def test_what_a_rule_has_made_it_leaves_as_it_is(body, region):
    first = {field: value for field, value in read(body, region)[0].items() if value is not None}
    again, findings = read(first, region)
    assert again == first
    assert not [finding for finding in findings if finding.outcome in {"changed", "rejected"}]


@settings(deadline=None)
@given(ANY)
def test_a_clean_text_is_short_printable_and_clean(text):
    cleaned = clean_text(text)
    assert cleaned == clean_text(cleaned)
    assert len(cleaned) <= TEXT_CHARS_MAX
    assert "\x00" not in cleaned
    assert cleaned == " ".join(cleaned.split())


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), ANY),
    st.dictionaries(st.sampled_from(("time_zone", "referrer_id")), READABLE),
    st.dictionaries(READABLE, READABLE | st.integers() | st.floats(allow_nan=False) | st.booleans(), max_size=3),
)
def test_a_profile_takes_anything_and_can_be_written(body, others, attributes):
    state = new("m")
    event = Event(
        event_id="1",
        type="registration_completed",
        occurred_at=1_514_764_800_000,
        source="test",
        key="m",
        body={**body, **others, "attributes": attributes},
    )
    findings = apply_to_profile(state, event, late=False, region="RU")
    assert {finding.field for finding in findings} >= body.keys() - {"referrer_id"}
    assert decode(encode(state)) == state
    assert msgspec.json.encode([finding._asdict() for finding in findings])


def test_what_is_no_utf_8_is_a_dead_letter_or_an_error_in_its_line():
    codec = Codec(CommittedSchemas())
    event = Event(
        event_id="1", type="profile_updated", occurred_at=0, source="test", key="m", member_id="m", body={"city": "XYZ"}
    )
    (record,) = codec.decode_log([codec.encode(event).replace(b"XYZ", b"\xff\xfe\xfd")], [b"m"])
    assert isinstance(record, BadRecord)
    line = '{"type": "profile_updated", "event_id": "1", "source": "x", "occurred_at": "2018-01-01T00:00:00Z"'
    with pytest.raises(InputError, match=r":1|line 1"):
        list(read_events([line + ', "member_id": "m", "city": "\\ud800"}'], "file"))


def test_five_thousand_attributes_are_cut_and_told():
    state = new("m")
    many = {f"a{number}": "x" * 2_000 for number in range(5_000)}
    event = Event(
        event_id="1", type="profile_updated", occurred_at=0, source="test", key="m", body={"attributes": many}
    )
    (finding,) = apply_to_profile(state, event, late=False, region="RU")
    assert finding == ("attributes", "changed", "too_many", "4500")
    assert len(state.profile.attributes) == ATTRIBUTES_MAX
    assert {len(value) for value in state.profile.attributes.values()} == {1_000}


@pytest.mark.parametrize("field", ["gender", "city"])
def test_blanks_clear_a_field(field):
    for blanks in ("", "  ", "\t\u200b"):
        values, (finding,) = read({field: blanks})
        assert values == {field: None}
        assert tuple(finding) == (field, "rejected", "empty", None)


def test_attributes_that_a_profile_has_no_room_for_are_told_with_whichever_event_they_come():
    state = new("m")

    def findings(*names, late=False):
        attributes = dict.fromkeys(names, "x")
        event = Event(
            event_id="1", type="profile_updated", occurred_at=0, source="test", key="m", body={"attributes": attributes}
        )
        return [tuple(finding) for finding in apply_to_profile(state, event, late=late, region="RU")]

    a, b = ([f"{letter}{number}" for number in range(300)] for letter in "ab")
    assert findings(*a) == [("attributes", "valid", None, None)]
    assert findings(*b) == [("attributes", "changed", "too_many", "100")]
    assert findings(*a) == [("attributes", "valid", None, None)]
    assert findings("a1", "b299", late=True) == [("attributes", "changed", "too_many", "1")]
    assert list(state.profile.attributes) == [*a, *b[:200]]


def test_a_registration_says_what_it_lacks_an_update_does_not():
    _, findings = read({"city": "Omsk"})
    assert [tuple(finding[:2]) for finding in findings] == [("city", "valid")]
    _, findings = read_personal(
        "registration_completed", {"city": "Omsk"}, ON, "RU", known_zone=lambda _: True, attributes_left_out=0
    )
    missing = {finding.field for finding in findings if finding.outcome == "missing"}
    assert missing == {"first_name", "last_name", "phone", "email", "birth_date", "gender", "address"}
    assert Checked("x", "valid").rule is None
