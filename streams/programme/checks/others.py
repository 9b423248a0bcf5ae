"""Checks of policies, counters, segments and templates, with the links in these."""

from collections.abc import Iterator, Mapping

import phonenumbers

from schemas.catalogue import EVENT_TYPES
from streams.engine.channels import CHANNELS
from streams.engine.conditions.nodes import InSegment
from streams.engine.definition import did_you_mean, listed
from streams.engine.limits import SEGMENT_DEPTH_MAX, SEGMENT_TESTS_MAX
from streams.programme.checks import names
from streams.programme.checks.conditions import Context, check_condition
from streams.programme.definitions import Reading
from streams.programme.problems import Problem
from streams.programme.programme import needs

_UNSUBSCRIBE, _CONFIRM = "%unsubscribe_url%", "%confirm_url:"
_SHOWN_CHARS = 60


def check_policies(reading: Reading) -> Iterator[Problem]:
    """That phones have a numbering plan, that caps are for channels that exist and that they bind."""
    if reading.policies_source is None:
        return
    region = reading.policies.default_region
    if region not in phonenumbers.SUPPORTED_REGIONS:
        message = f"can never hold: there are no phones of a country `{region}`"
        yield reading.policies_source.problem(("default_region",), message, severity="warning")
    for index, cap in enumerate(reading.policies.frequency_caps):
        path = ("frequency_caps", index, "channel")
        if cap.channel is None:
            continue
        if cap.channel not in CHANNELS:
            message = f"unknown channel `{cap.channel}`{did_you_mean(cap.channel, CHANNELS)}"
            yield reading.policies_source.problem(path, message)
        elif CHANNELS[cap.channel].exempt:
            message = f"can never hold: channel `{cap.channel}` is exempt from caps"
            yield reading.policies_source.problem(path, message, severity="warning")


def check_counters(reading: Reading) -> Iterator[Problem]:
    """That counters count events that exist, by fields that these have."""
    for counter, source in reading.counters.values():
        fields = names.event_fields(counter.event)
        if fields is None:
            near = did_you_mean(counter.event, EVENT_TYPES)
            yield source.problem(("event",), f"unknown event type `{counter.event}`{near}")
            continue
        what = f"`{counter.event}`"
        if counter.field is not None and counter.field not in fields:
            near = did_you_mean(counter.field, fields)
            yield source.problem(("field",), f"unknown field `{counter.field}` of {what}{near}")
        elif (
            counter.field is not None
            and counter.aggregate in {"sum", "max"}
            and fields[counter.field].kind not in {"decimal", "integer"}
        ):
            yield source.problem(("field",), f"`{counter.aggregate}` needs a number; `{counter.field}` isn't one")
        if counter.where is not None:
            yield from check_condition(reading, counter.where, source, ("where",), Context(fields, {}, what))


def check_segments(reading: Reading) -> Iterator[Problem]:
    """That segments ask for what a member has, and not for themselves in a circle."""
    needed = {segment.id: sorted(needs(segment)) for segment, _ in reading.segments.values()}
    tests = _tests(reading, needed)
    ending = _ending(needed)
    for segment, source in reading.segments.values():
        if segment.where is None:
            continue
        context = Context({}, {}, "a segment's condition sees the member only: it", strict=False)
        yield from check_condition(reading, segment.where, source, ("where",), context)
        circle = [] if segment.id in ending else _circle(needed, segment.id)
        if circle:
            yield source.problem(("where",), f"asks for itself in a circle: {' → '.join(circle)}")
        elif segment.id not in tests:
            yield source.problem(("where",), f"asks for segments more than {SEGMENT_DEPTH_MAX} deep")
        elif tests[segment.id] > SEGMENT_TESTS_MAX:
            message = f"takes more than {SEGMENT_TESTS_MAX} tests, with those of the segments that it asks for"
            yield source.problem(("where",), message)


def _tests(reading: Reading, needed: Mapping[str, list[str]]) -> dict[str, int]:
    """How many tests each segment takes, with those that it asks for; without those that ask too deep."""
    tests: dict[str, int] = {}
    for _ in range(SEGMENT_DEPTH_MAX):
        ready = [
            segment
            for segment, _ in reading.segments.values()
            if segment.id not in tests and all(other in tests or other not in needed for other in needed[segment.id])
        ]
        for segment in ready:
            nodes = () if segment.where is None else segment.where.walk()
            tests[segment.id] = sum(
                1 + (tests.get(node.segment, 0) if isinstance(node, InSegment) else 0) for node in nodes
            )
    return tests


def _ending(needed: Mapping[str, list[str]]) -> set[str]:
    """The segments from which no way leads into a circle: most, found in one go."""
    asked_by: dict[str, list[str]] = {}
    open_ways: dict[str, int] = {}
    for segment_id, others in needed.items():
        known = [other for other in others if other in needed]
        open_ways[segment_id] = len(known)
        for other in known:
            asked_by.setdefault(other, []).append(segment_id)
    ending = [segment_id for segment_id, ways in open_ways.items() if not ways]
    for segment_id in ending:  # which grows meanwhile
        for asking in asked_by.get(segment_id, ()):
            open_ways[asking] -= 1
            if not open_ways[asking]:
                ending.append(asking)
    return set(ending)


def _circle(needed: Mapping[str, list[str]], start: str) -> list[str]:
    """The way from a segment back to itself, nothing if there is none."""
    came_from: dict[str, str] = {}
    ahead = [start]
    while ahead:
        here = ahead.pop()
        for other in needed.get(here, ()):
            if other == start:
                way = [other]
                while here != start:
                    way.append(here)
                    here = came_from[here]
                return [start, *reversed(way)]
            if other not in came_from:
                came_from[other] = here
                ahead.append(other)
    return []


def check_templates(reading: Reading) -> Iterator[Problem]:
    """That each template makes a message for at least one channel, and that its links say what they confirm."""
    for template, source in reading.templates.values():
        for path in template.confirming_nothing:
            message = "can never be rendered: `%confirm_url:…%` names no messaging type"
            yield source.problem(path, message, severity="warning")
        if all(channel.problem(template.parts) is not None for channel in CHANNELS.values()):
            yield source.problem(
                (), "can never be sent: no channel takes a template of these parts", severity="warning"
            )


def check_links(reading: Reading) -> Iterator[Problem]:
    """That links to unsubscribe and to confirm are written as such, and that what is confirmed is a messaging type."""
    known = reading.policies.messaging_types
    for template, source in reading.templates.values():
        for path, mark in template.link_marks:
            messaging_type = mark.removeprefix(_CONFIRM).removesuffix("%").strip()
            if "{" in mark or mark == _UNSUBSCRIBE or (mark.startswith(_CONFIRM) and not messaging_type):
                continue  # the data say it; it is well; of no type there is a doubt already
            if not (mark.startswith(_CONFIRM) and mark.endswith("%")):
                message = f"expected `{_UNSUBSCRIBE}` or `{_CONFIRM}TYPE%`, not `{mark[:_SHOWN_CHARS]}`"
                yield source.problem(path, message)
            elif messaging_type not in known:
                near = did_you_mean(messaging_type, known)
                message = f"unknown messaging type `{messaging_type[:_SHOWN_CHARS]}` in `{_CONFIRM}…%`{near}: expected "
                yield source.problem(path, message + listed(known))
