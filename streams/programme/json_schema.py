"""JSON Schema of the campaign language, made from its definitions: for editors that complete and check as one types.

One document holds all: `$defs` has the kinds of files (`campaign`, `policies`, …) and what they are made of. It knows
shapes, not references: that a template exists is for `rekindle lint` to say.
"""

from collections.abc import Mapping
from typing import Any

from streams.engine.actions import Action
from streams.engine.campaign import (
    CalendarWindow,
    Campaign,
    Counter,
    Policies,
    Poll,
    Segment,
    SlidingWindow,
    TumblingWindow,
)
from streams.engine.conditions.operators import OPERATORS
from streams.engine.conditions.records import QUANTIFIERS
from streams.engine.definition import DEFINED, Definition, field_texts
from streams.engine.templates import Template
from streams.engine.triggers import Trigger

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES = {
    "campaign": "any other *.yaml: a campaign",
    "policies": "policies.yaml",
    "counters": "counters.yaml",
    "templates": "templates/*.yaml",
    "segment": "segments/*.yaml",
    "poll": "polls/*.yaml",
}
_SINGLE_OR_LIST = (("campaign", "trigger"), ("campaign", "cancel_on"), ("policies", "frequency_caps"))


def json_schema(file: str | None = None) -> dict[str, Any]:
    """The schema of one kind of file (a key of `FILES`), or of a file of any kind."""
    heads = [file] if file is not None else list(FILES)
    references = [{"$ref": f"#/$defs/{name}"} for name in heads]
    return {
        "$schema": DIALECT,
        "title": FILES[file] if file is not None else "A file of a campaign directory",
        **(references[0] if file is not None else {"anyOf": references}),
        "$defs": definitions(),
    }


def definitions() -> dict[str, Any]:
    """All definitions by name."""
    found: dict[str, Any] = {
        "campaign": fields(Campaign),
        "policies": fields(Policies),
        "counters": _mapping(
            {
                "counters": {
                    "type": "object",
                    "description": "Counters by their names.",
                    "additionalProperties": {DEFINED: "counter"},
                }
            }
        ),
        "templates": _mapping(
            {"templates": {"type": "array", "description": "A list of templates.", "items": {DEFINED: "template"}}}
        ),
        "segment": fields(Segment),
        "poll": fields(Poll),
        "template": fields(Template),
        "counter": fields(Counter),
        "window": _window(),
        **_condition(),
    }
    for family in (Action, Trigger):
        kinds = family.kinds()
        found |= {f"{family.family}:{name}": kind.yaml_schema(fields(kind)) for name, kind in kinds.items()}
        found[family.family] = {"anyOf": [{DEFINED: f"{family.family}:{name}"} for name in kinds]}
    for name, field in _SINGLE_OR_LIST:
        many = found[name]["properties"][field]
        found[name]["properties"][field] = {"description": many["description"], "anyOf": [many["items"], many]}
    types = found["policies"]["properties"]["messaging_types"]["additionalProperties"]
    types["required"] = []
    return {name: _linked(schema) for name, schema in found.items()}


def fields(model: type[Definition]) -> dict[str, Any]:
    """The schema of a definition's fields, by their YAML names."""
    return model.model_json_schema(by_alias=True)


def _mapping(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _window() -> dict[str, Any]:
    length = fields(SlidingWindow)["properties"]["duration"]
    return {
        "anyOf": [
            length,
            _mapping({"tumbling": {**length, "description": field_texts(TumblingWindow)["tumbling"]}}),
            _mapping({"calendar": fields(CalendarWindow)["properties"]["calendar"]}),
            {"type": "null"},
        ]
    }


def _condition() -> dict[str, Any]:
    scalar = {"type": ["string", "number", "boolean", "null"]}
    ref = _mapping({"ref": {"type": "string", "description": "A name to look up, such as `entry.order_id`."}})
    value = {"anyOf": [scalar, ref]}
    values = {"anyOf": [{"type": "array", "items": {DEFINED: "value"}}, ref]}
    operands: dict[str, Any] = {name: {DEFINED: "value"} for name in OPERATORS}
    operands.update((name, values) for name in ("in", "not_in", "between"))
    operands |= {name: {DEFINED: "condition"} for name in QUANTIFIERS}
    operands["exists"] = {"type": "boolean"}
    described = {
        name: {**schema, "description": OPERATORS[name].doc if name in OPERATORS else "A condition on the records."}
        for name, schema in operands.items()
    }
    tests = {"type": "object", "properties": described, "additionalProperties": False, "minProperties": 1}
    several = {"type": "array", "items": {DEFINED: "condition"}}
    return {
        "value": value,
        "test": {"anyOf": [{DEFINED: "value"}, tests]},
        "condition": {
            "type": "object",
            "properties": {
                "all": {**several, "description": "All of them must hold."},
                "any": {**several, "description": "At least one of them must hold."},
                "not": {DEFINED: "condition", "description": "It must not hold."},
                "segment": {DEFINED: "test", "description": "The id of a segment that the member must be in."},
            },
            "additionalProperties": {DEFINED: "test"},
        },
    }


def _linked(schema: Any) -> Any:
    """References in place of names, and without the titles that only repeat them."""
    if isinstance(schema, list):
        return [_linked(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if DEFINED in schema:
        rest = {key: part for key, part in schema.items() if key not in {DEFINED, "title"}}
        return {"$ref": f"#/$defs/{schema[DEFINED]}", **rest}
    return {
        key: {name: _linked(part) for name, part in value.items()} if key == "properties" else _linked(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }
