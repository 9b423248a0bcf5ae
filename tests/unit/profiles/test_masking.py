"""Whatever is declared personal is hidden; what is needed to follow a story isn't."""

import json

import pytest

from schemas.catalogue import EVENT_TYPES
from schemas.declarations import FOLDER
from streams.profiles.masking import HIDDEN, PROFILES, masked, masked_activity, masked_event


@pytest.mark.parametrize("name", [name for name, event_type in EVENT_TYPES.items() if event_type.topic])
def test_nothing_personal_of_an_example_remains(name):
    example = json.loads((FOLDER / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    shown = masked_event(name, example)
    for field, value in example.items():
        if EVENT_TYPES[name].fields.get(field) is None or not EVENT_TYPES[name].fields[field].personal:
            assert shown[field] == value
        elif isinstance(value, dict):
            assert set(shown[field].values()) == {HIDDEN}
        elif value is not None:
            assert HIDDEN in shown[field], field
            assert str(value) not in str(shown[field])


def test_every_field_of_a_profile_that_says_who_it_is_is_personal():
    profile = json.loads((FOLDER / "examples" / "profile.json").read_text(encoding="utf-8"))
    told = {"first_name", "last_name", "phone", "email", "birth_date", "address", "card_number"}
    assert told <= PROFILES & profile.keys()


def test_what_was_rendered_is_hidden_whole():
    message = {"kind": "dispatch", "to": "+79161234567", "content": {"text": "Dear Anna"}, "campaign": "c"}
    assert masked_activity(message) == {"kind": "dispatch", "to": "+7***67", "content": HIDDEN, "campaign": "c"}
    webhook = {"kind": "webhook", "url": "https://x.example/?phone=1", "body": {"name": "Anna"}}
    assert masked_activity(webhook) == {"kind": "webhook", "url": "https://x.example/", "body": HIDDEN}


def test_of_an_event_that_is_new_nothing_is_shown():
    assert masked_event("horoscope_read", {"sign": "virgo"}) == {"sign": HIDDEN}


def test_a_missing_value_stays_missing_and_dead_addresses_are_recognisable():
    assert masked({"phone": None, "undeliverable": {"sms": "+79161234567"}}) == {
        "phone": None,
        "undeliverable": {"sms": "+7***67"},
    }
