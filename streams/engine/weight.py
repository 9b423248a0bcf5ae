"""The bound on a member's whole state: what makes it too heavy goes, heaviest first.

Each list of the state has a bound of its own, but their sum is more than a record may hold. A state weighs what its
plain rows take as MessagePack, whatever the layout of the record and its compression make of them: decisions don't
depend on those. Weighing takes time, so it is done only after events and journeys that can make a state heavy, and only
if it holds many things. Journeys may
take half of the room: the heaviest end with `limit_exceeded`. Of the member's own data, the older half of the largest
part is forgotten, again and again until the rest fits; what was said about being written to is never among it.

Where two states become one, what only time and many events bring together counts, too: a member meets few mergers.
"""

from typing import Any

import msgspec

from streams.engine.handling import Handling
from streams.engine.journeys import leave
from streams.engine.limits import STATE_BYTES_MAX, STATE_GATHERED_LIGHT, STATE_ITEMS_LIGHT
from streams.engine.state import MemberState, as_row
from streams.engine.state_bytes import decode, encode

_encode = msgspec.msgpack.Encoder().encode


def weigh(part: Any) -> int:
    """What a state, or a part of one, weighs in bytes."""
    return len(_encode(as_row(part)))


def _can_be_heavy(state: MemberState) -> bool:
    """Whether the state holds enough to be worth weighing."""
    things = (
        len(state.cart)
        + len(state.profile.attributes)
        + len(state.journeys)
        + len(state.accruals)
        + len(state.assigned)
        + len(state.orders)
        + len(state.statements)
        + len(state.profile.social)
        + sum(len(values) for tally in state.tallies.values() for values in tally.values.values())
    )
    return things > STATE_ITEMS_LIGHT


def _has_gathered(state: MemberState) -> bool:
    """Whether time may have brought together enough to be worth weighing: messages and buckets of counters."""
    return len(state.sent) + sum(len(tally.numbers) for tally in state.tallies.values()) > STATE_GATHERED_LIGHT


def relieve(handling: Handling, *, gathered: bool = False) -> None:
    """Bring a state that is too heavy back within the bound; `gathered`: also one that time alone has made heavy."""
    state = handling.state
    if not (_can_be_heavy(state) or (gathered and _has_gathered(state))) or weigh(state) <= STATE_BYTES_MAX:
        return
    weights = {journey.number: weigh(journey) for journey in state.journeys}
    excess = sum(weights.values()) - STATE_BYTES_MAX // 2
    for journey in sorted(state.journeys, key=lambda each: (-weights[each.number], each.number)):
        if excess <= 0:
            break
        leave(handling, journey, "ended", "limit_exceeded", "state_bytes")
        excess -= weights[journey.number]
    while weigh(state) > STATE_BYTES_MAX and _forget_some(state):
        pass


def lightened(data: bytes, bytes_max: int) -> bytes:
    """An encoded state without what is too much for so many bytes: the older half of its largest part, and so on."""
    state = decode(data)
    while len(data) > bytes_max and _forget_some(state):
        data = encode(state)
    return data


def _forget_some(state: MemberState) -> bool:
    """Forget the older half of the largest part; False if there is nothing to forget."""
    parts: list[Any] = [state.cart, state.accruals, state.assigned, state.orders, state.seen]
    parts += [state.profile.attributes, state.profile.social, state.sent]
    parts += [values for tally in state.tallies.values() for values in tally.values.values()]
    numbers: list[Any] = [tally.numbers for tally in state.tallies.values()]
    largest = max([*parts, *numbers], key=weigh)
    if not largest:
        return False
    older = (len(largest) + 1) // 2
    if any(largest is each for each in numbers):  # by their time, whenever they were counted
        for bucket in sorted(largest)[:older]:
            del largest[bucket]
    elif isinstance(largest, dict):
        for name in list(largest)[:older]:
            del largest[name]
    else:
        del largest[:older]
    return True
