"""The reference of the campaign language, `docs/campaign-language.md`, made from the kinds themselves.

`python -m streams.programme.reference` writes it; a test says when it is out of date.
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streams.engine import limits
from streams.engine.actions import Action
from streams.engine.campaign import Campaign, Counter, Policies, Poll, Segment
from streams.engine.channels import CHANNELS
from streams.engine.conditions import records
from streams.engine.conditions.operators import OPERATORS
from streams.engine.decision import LIMITS, OUTCOMES, OUTCOMES_OF, REASONS
from streams.engine.definition import DEFINED, Definition, Kind
from streams.engine.policies.consent import MessagingType
from streams.engine.policies.frequency_cap import FrequencyCap
from streams.engine.policies.quiet_hours import QuietHours
from streams.engine.templates import Template
from streams.engine.triggers import Trigger
from streams.engine.values import Duration
from streams.programme.checks import names
from streams.programme.json_schema import FILES, fields
from streams.programme.worked import MEMBER, around, timeline
from streams.read_cases import KINDS as RECORDS

PAGE = Path(__file__).parents[2] / "docs" / "campaign-language.md"
_HEAD = """\
# The campaign language

Made from the definitions by `python -m streams.programme.reference`; don't edit it here. The same as JSON Schema, for
editors: `rekindle schema`. `rekindle lint DIRECTORY` checks a directory.

YAML 1.2, UTF-8: `on`, `no` and `10:00` are text. Durations are ISO 8601: days and shorter are clock time, months and
years calendar months in UTC, cut to the month's last day. Numbers are exact decimals. Unknown keys are errors.
"""
_CONDITIONS = """\
A mapping is AND: every name in it must pass its test. `all` and `any` take lists of conditions, `not` takes one. A test
is a value (equality) or a mapping of operators, of which all must hold; a value may be `{ref: entry.order_id}`. What is
missing or null makes every comparison false, also `ne` and `not_in`; so do values of unlike kinds. Text that reads as
ISO 8601 compares with dates and times; a date compared with a time stands for its first moment in UTC.

The same condition compiles to ClickHouse SQL: `rekindle audience CAMPAIGN` counts whom a campaign would reach before
anything is sent, see [audiences](audience.md).
"""
_TESTS = """\
`come-back_test.yaml` beside `come-back.yaml` is a list of cases that say what the campaign must do, as in
[this one](../campaigns/retention/come-back_test.yaml). `rekindle test DIRECTORY` runs all of them and tells which
actions and branches none of them reached; with `--min-coverage PERCENT` it fails below that share. Of a case that fails
it shows what was expected and what came, and every decision of the campaign with its reason: why she didn't get it.
Piped, it prints JSON lines: `{"kind": "case", "file", "line", "case", "passed", "complaints", "diff", "decided"}` and
`{"kind": "coverage", "campaign", "percent", "not_reached", …}`.

The whole programme of the directory is in force. The campaign beside the file runs as if it were live, also a draft;
the others run by their own status.

- `name`: what the case shows.
- `given`: events as in a file of events; `event_id` and `source` may be left out. In a delivery status, `dispatch_of`
  (`dispatch_of: actions[1]`) stands for the id of the message that was last sent from that action, over the event's
  `channel` if it states one.
- `until`: the end of the case; timers due then still fire.
- `start`: when the programme comes into force; without it, before everything.
- `status`: the campaign's status in this case, if not `live`.
- `dispatches`, `awards`, `webhooks`, `attributions`, `decisions`: what the campaign must put out, each in order and
  complete; of each entry only the fields that matter. A list that isn't given isn't checked. A field or reason that
  there is none of is a mistake in the file, told with its line.

What an entry may name:

| list | fields |
| --- | --- |
"""
_DECISIONS = """\
Every entry refused, message suppressed or deferred, journey cancelled, superseded or ended leaves a decision:
`rekindle simulate --decisions` prints them, the topic `decisions` carries them. Outcomes and reasons are closed lists.
"""
_BOUNDS = f"""\
No campaign can stall a worker. What goes beyond a bound is stopped for that member with the reason `limit_exceeded`
(templates: `template_error`); everything else goes on. The metric `rekindle_limits_exceeded` counts by bound.

A member has at most {limits.JOURNEYS_PER_MEMBER_MAX} running journeys, {limits.PENDING_PER_MEMBER_MAX} messages that
are put off or cascading, {limits.ATTRIBUTES_MAX} attributes and {limits.STATE_BYTES_MAX // 1024} KiB of state. A
journey does at most {limits.STEPS_PER_RUN_MAX} actions from one wait to the next, and remembers the latest
{limits.NAMED_MAX} messages with `as`. At one moment a campaign does at most {limits.ACTIONS_AT_ONCE_MAX} actions for a
member and is entered at most {limits.ENTRIES_AT_ONCE_MAX} times, both counted after the first
{limits.ACTIONS_UNCOUNTED} actions. What a change of segments triggers changes segments at most
{limits.SEGMENT_ROUNDS_MAX} times in a row. A template has at most {limits.TEMPLATE_SOURCE_CHARS_MAX} characters and
{limits.TEMPLATE_TAGS_MAX} outputs and tags, a part of a message {limits.TEMPLATE_TEXT_BYTES_MAX // 1024} KiB and all
its parts {limits.CONTENT_BYTES_MAX // 1024} KiB;
nested loops make at most {limits.TEMPLATE_LOOP_ROUNDS_MAX} rounds, numbers have at most {limits.NUMBER_DIGITS_MAX}
digits, and the work of a campaign's templates at one time is bounded as a whole.
"""
_ATTRIBUTION = """\
A purchase (`purchase_completed`) is attributed to at most one dispatch: of those to the member whose period covers it,
to the last clicked, else the last delivered, else the last sent. The period is `within` of the `goal` of the version
that sent it, whatever the goal's event; it begins with the delivery (an opening or a click is one), without a report of
that with the sending, and ends exactly so much later. A campaign without a goal has none: nothing is attributed to it.
What a gateway couldn't hand over counts as not sent.

Everything goes by the purchase's own time and by what was reported when it is handled; one that comes more than 7 days
late is attributed to nothing, and so is a historical one. `order_placed` is no purchase: the receipt of the order is.
`purchase_returned` takes its `total` back from the purchase whose `receipt_id` it names, `order_cancelled` all that is
left of the purchase whose `receipt_id` is the `order_id`: within 30 days, and never more than was attributed. What
names no such purchase corrects nothing.

Each attribution is a record of the topic `attributions` and of the table of that name, negative for what is taken back;
`rekindle simulate --attributions` prints them.
"""
_ACTIONS = """\
The steps of a campaign, done in order. Each example is entered by a purchase of Ada's and, where nothing else is said,
followed by a greeting at the till.
"""
_DECISIONS = """\
Whatever isn't done leaves a decision that says why: `rekindle simulate --decisions` prints them, live they go to the
topic and the table `decisions`. Outcomes and reasons are closed lists.
"""
_WINDOW = "`P30D`, `{tumbling: P1D}` or `{calendar: month}` (`year`, `week`)"
_RFM = {
    "segment": "the name in `rfm.segment.<name>`, the segment of RFM that the member was last put into",
    "recency": "the score in `rfm.recency.<n>`",
    "frequency": "the score in `rfm.frequency.<n>`",
    "monetary": "the score in `rfm.monetary.<n>`",
}
_ADDRESSES = {
    "phone": "the phone",
    "email": "the e-mail address",
    "push_token": "the app's push token",
    "profile": "the linked profile of the social network",
    "member_id": "nothing but the member",
}


def render() -> str:
    """The page."""
    return "\n".join([*_HEAD.splitlines(), *_lines()]).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield from ("", "## Files", "", "| file | holds |", "| --- | --- |")
    for name, path in sorted(FILES.items(), key=lambda item: item[0] == "campaign"):
        yield f"| {path.removesuffix(': a campaign')} | {name} |"
    yield from (
        "",
        "`*_test.yaml` and `gateways.yaml` are not part of the programme. A sub-directory with a file `.programme`",
    )
    yield from ("is a programme of its own and left out, such as the library of drafts beside the campaigns that run.",)
    yield from _definition("Campaigns", Campaign)
    yield from ("", "### Goals and attribution", "", *_ATTRIBUTION.splitlines())
    yield from ("", "## Triggers", "", "One, or a list: the first that matches starts a journey.", "")
    yield from (
        *MEMBER.splitlines(),
        "Each trigger is followed by `actions: [{send: {channel: cashier, template: hello}}]`.",
    )
    for trigger in Trigger.kinds().values():
        yield from _kind(trigger)
    yield from ("", "## Actions", "", *_ACTIONS.splitlines())
    for action in Action.kinds().values():
        yield from _kind(action)
    yield from _conditions()
    yield from _definition("Policies", Policies)
    for model in (QuietHours, FrequencyCap, MessagingType):
        yield from _definition(_spaced(model.__name__), model, level=3)
    yield from _definition("Counters", Counter)
    yield from _definition("Segments", Segment)
    yield from _definition("Polls", Poll)
    yield from _definition("Templates", Template)
    yield from _channels()
    yield from _reasons()
    yield from _bounds()
    yield from ("", "## Tests", "", *_TESTS.splitlines())
    for name, record in RECORDS.items():
        yield f"| `{name}` | {', '.join(f'`{field}`' for field in record.__struct_fields__)} |"


def _kind(kind: type[Kind]) -> Iterator[str]:
    yield from ("", f"### {kind.kind}", "", *_docs(kind), "", "```yaml", *kind.example.splitlines(), "```")
    yield from _table(kind)
    yield from _happens(kind)


def _definition(title: str, model: type[Definition], level: int = 2) -> Iterator[str]:
    example: str = getattr(model, "example", "")
    yield from ("", f"{'#' * level} {title}", "", *_docs(model), "", "```yaml", *example.splitlines(), "```")
    yield from _table(model)


def _table(model: type[Definition]) -> Iterator[str]:
    schema = fields(model)
    if not schema.get("properties"):
        return
    yield from ("", "| key | value | default | what |", "| --- | --- | --- | --- |")
    for name, field in schema["properties"].items():
        yield from _rows(_key(model, name), field, required=name in schema.get("required", ()))


def _key(model: type[Definition], name: str) -> str:
    """The key as written; some values stand for the whole kind, as in `wait: P14D`."""
    if issubclass(model, Kind) and model.kind and model.place(name) == (model.kind,):
        return f"({model.kind} itself)"
    return f"`{name}`"


def _rows(name: str, field: Mapping[str, Any], *, required: bool) -> Iterator[str]:
    """A row for the key, and one for each key below it."""
    default = "required" if required else _default(field.get("default"))
    yield f"| {name} | {_value(field)} | {default} | {field['description']} |"
    for part in field.get("anyOf", [field]):
        many = part.get("type") == "array"
        inner = part.get("items", {}) if many else part
        each = "<name>" if isinstance(part.get("additionalProperties"), dict) else ""
        inner = part["additionalProperties"] if each else inner
        for below, schema in inner.get("properties", {}).items():
            path = f"`{name.strip('`()').removesuffix(' itself')}{'[]' * many}{f'.{each}' * bool(each)}.{below}`"
            yield from _rows(path, schema, required=below in inner.get("required", ()))


def _happens(kind: type[Kind]) -> Iterator[str]:
    """What the example does, run by the engine."""
    yield from ("", f"What happens{around(kind)}:", "", "```text")
    yield from timeline(kind)
    yield "```"


def _reasons() -> Iterator[str]:
    yield from ("", "## Decisions", "", *_DECISIONS.splitlines())
    yield from ("", "| outcome | what |", "| --- | --- |")
    yield from (f"| `{name}` | {text} |" for name, text in OUTCOMES.items())
    yield from ("", "| reason | of | what |", "| --- | --- | --- |")
    for name, text in REASONS.items():
        yield f"| `{name}` | {', '.join(f'`{outcome}`' for outcome in OUTCOMES_OF[name])} | {text} |"


def _docs(model: type) -> list[str]:
    return inspect.cleandoc(model.__doc__ or "").splitlines()


def _default(value: Any) -> str:
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, Mapping):
        return f"`{Duration(**value)}`" if set(value) == {"months", "ms"} else ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _value(schema: Mapping[str, Any]) -> str:
    if DEFINED in schema:
        return _WINDOW if schema[DEFINED] == "window" else str(schema[DEFINED])
    if "anyOf" in schema:
        kinds = [_value(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_value(schema['items'])}" if schema.get("items") else "list"
    if kind == "object":
        if schema.get("properties"):
            return "mapping"
        more = schema.get("additionalProperties")
        return f"mapping to {_value(more)}" if isinstance(more, dict) and more else "mapping"
    if schema.get("format") == "duration":
        return f"duration such as `{schema.get('examples', ['P30D'])[0]}`"
    if kind == "string" and ("pattern" in schema or "examples" in schema):
        return f"text such as `{schema['examples'][0]}`" if "examples" in schema else "text"
    return {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false"}.get(
        str(kind), "any value"
    )


def _conditions() -> Iterator[str]:
    yield from ("", "## Conditions", "")
    yield from _CONDITIONS.splitlines()
    yield from ("", "```yaml", "audience:", "  member.city: Москва", "  member.purchases.count: {ge: 3, lt: 10}")
    yield from ("  lines: {some: {category: coffee, price: {gt: 4.5}}}", "  not: {segment: employees}", "```")
    yield from ("", "| operator | holds when |", "| --- | --- |")
    yield from (f"| `{operator.name}` | {operator.doc} |" for operator in OPERATORS.values())
    yield from (f"| `{name}` | {quantifier.doc} |" for name, quantifier in records.QUANTIFIERS.items())
    yield from ("", "| name | what |", "| --- | --- |", "| `total`, `lines`, … | a body field of the event at hand |")
    yield "| `entry.<field>` | a body field of the event that the journey was entered by |"
    yield from (f"| `member.{name}` | {_readable(kind)} |" for name, kind in names.MEMBER.items())
    yield from (f"| `member.purchases.{name}` | {_readable(kind)} |" for name, kind in names.PURCHASES.items())
    yield "| `member.attributes.<name>` | what was stated of the member |"
    yield "| `member.bonus.<currency>` | number: the active balance |"
    yield "| `counter.<name>` | number: the counter's value |"
    yield (
        "| `days_since.<event type>` | whole number: periods of 24 h since the latest before the present; never the"
        " event that is being handled, not even for a segment that it changes |"
    )
    yield "| `segment` | the id of a segment: whether the member is in it |"
    yield from (f"| `rfm.{name}` | {_readable(kind)}: {_RFM[name]} |" for name, kind in names.RFM.items())


def _readable(kind: str) -> str:
    return {"string": "text", "integer": "whole number", "decimal": "number", "timestamp": "time", "date": "date"}[kind]


def _channels() -> Iterator[str]:
    yield from ("", "## Channels", "", "| channel | what | parts that make a message | needs | statuses |")
    yield "| --- | --- | --- | --- | --- |"
    for channel in CHANNELS.values():
        parts = "; ".join(" + ".join(part for part in channel.parts if part in each) for each in channel.combinations)
        more = f" (and {', '.join(part for part in channel.parts if part in channel.optional)})" * bool(
            channel.optional
        )
        statuses = ", ".join(f"`{status}`" for status in channel.statuses)
        yield f"| `{channel.name}` | {channel.doc} | {parts}{more} | {_ADDRESSES[channel.address]} | {statuses} |"
    exempt = " and ".join(f"`{channel.name}`" for channel in CHANNELS.values() if channel.exempt)
    yield from ("", f"{exempt} are exempt from quiet hours and frequency caps.")


def _bounds() -> Iterator[str]:
    yield from ("", "### Bounds", "", *_BOUNDS.splitlines(), "", "| bound | when |", "| --- | --- |")
    yield from (f"| `{name}` | {meaning} |" for name, meaning in LIMITS.items())


def _spaced(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip().capitalize()


def write(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    write()
