"""Records of every kind for property tests, in the canonical values that readers give."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from schemas.catalogue import EVENT_TYPES, EventType, FieldType
from schemas.keys import KEY_FIELDS, UNFIT_FOR_KEYS
from schemas.values import MS_MAX, MS_MIN, datetime_from_ms, exact
from streams.engine.commands import Attribution, Award, Decision, Dispatch, ProfileCheck, Webhook
from streams.engine.events import Event

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = texts.filter(bool)
parts_of_keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=UNFIT_FOR_KEYS), max_size=12)
moments = st.one_of(st.integers(0, 2_000_000_000_000), st.integers(MS_MIN, MS_MAX))
numbers = st.one_of(
    st.decimals(min_value=-10_000, max_value=10_000, places=2),
    st.decimals(min_value=Decimal("-999999999999.999999"), max_value=Decimal("999999999999.999999"), places=6),
).map(exact)
attributes = st.dictionaries(texts, st.one_of(texts, st.booleans(), numbers), max_size=3)

_BY_KIND: Mapping[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "boolean": st.booleans(),
    "decimal": numbers,
    "timestamp": moments.map(datetime_from_ms),
    "date": st.dates(dt.date.min, dt.date.max),
    "map": attributes,
}


def values_of(field: FieldType) -> st.SearchStrategy[Any]:
    if field.kind == "records":
        return st.lists(bodies_of(field.fields), max_size=4)
    if field.kind == "enum":
        return st.sampled_from(field.symbols)
    return _BY_KIND[field.kind]


def bodies_of(fields: Mapping[str, FieldType]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies with some fields missing; those with a default are always there, as readers leave them."""
    values = {name: parts_of_keys if name in KEY_FIELDS else values_of(field) for name, field in fields.items()}
    required = {name: values[name] for name, field in fields.items() if field.default is not None}
    optional = {name: values[name] for name, field in fields.items() if field.default is None}
    return st.fixed_dictionaries(required, optional=optional).map(
        lambda body: {name: body[name] for name in fields if name in body}
    )


def events_of(event_type: EventType) -> st.SearchStrategy[Event]:
    """Events of a type by members; the key is the member's."""
    return st.builds(
        Event,
        event_id=names,
        type=st.just(event_type.name),
        occurred_at=moments,
        source=names,
        key=st.just(""),
        member_id=parts_of_keys.filter(bool),
        historical=st.booleans(),
        body=bodies_of(event_type.fields),
    ).map(lambda event: msgspec.structs.replace(event, key=event.member_id))


events = st.sampled_from([each for each in EVENT_TYPES.values() if each.topic is not None]).flatmap(events_of)

_common = {"at": moments, "member_id": texts, "campaign": texts, "version": st.integers(0, 2**31 - 1)}
_parts = dict.fromkeys(("text", "subject", "html", "image", "title", "url"), texts)
_buttons = st.fixed_dictionaries({"text": texts, "url": texts})
dispatches = st.builds(
    Dispatch,
    **_common,
    dispatch_id=texts,
    action=texts,
    channel=texts,
    to=texts,
    content=st.fixed_dictionaries({}, optional={**_parts, "button": _buttons}),
    messaging_type=texts,
    not_after=st.none() | moments,
    network=st.none() | texts,
)
awards = st.builds(
    Award,
    **_common,
    award_id=texts,
    action=texts,
    amount=numbers,
    currency=texts,
    activates_at=st.none() | moments,
    expires_at=st.none() | moments,
    legal_entity=st.none() | texts,
    description=st.none() | texts,
)
decisions = st.builds(
    Decision,
    **_common,
    action=st.none() | texts,
    outcome=st.sampled_from(["refused", "suppressed", "deferred", "cancelled", "superseded", "ended"]),
    reason=st.sampled_from(["not_in_audience", "frequency_cap", "template_error", "completed", "goal"]),
)
_json = st.recursive(
    st.none() | st.booleans() | texts | st.integers(-(2**53), 2**53),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
webhooks = st.builds(Webhook, **_common, webhook_id=texts, action=texts, url=texts, body=_json)
attributions = st.builds(
    Attribution,
    **_common,
    attribution_id=texts,
    dispatch_id=texts,
    action=texts,
    channel=texts,
    event=texts,
    event_id=texts,
    occurred_at=moments,
    purchase=st.none() | texts,
    amount=numbers,
    touch=st.sampled_from(["sent", "delivered", "clicked"]),
    touched_at=moments,
)
_findings = st.fixed_dictionaries({"field": texts, "outcome": texts}, optional={"rule": texts, "detail": texts})
profile_checks = st.builds(
    ProfileCheck,
    at=moments,
    member_id=texts,
    source=texts,
    event=texts,
    event_id=texts,
    occurred_at=moments,
    findings=st.lists(_findings, max_size=3),
)
commands = st.one_of(dispatches, awards, decisions, webhooks, attributions, profile_checks)
