"""Some decisions are changed by a hair here: the replay of the recorded histories must tell.

Functions are replaced in their modules, which needs the engine in plain Python.
"""

from collections.abc import Callable
from typing import Any

import pytest

from streams.engine import reacting, sending, step, timers
from tests.replay.differences import tell_differences
from tests.replay.history import HOME, History
from tests.replay.replaying import Replay


def _a_second_off(within: Callable[..., bool]) -> Callable[..., bool]:
    return lambda at, *rest: within(at - 1000, *rest)


def _one_more(derived_id: Callable[..., str]) -> Callable[..., str]:
    return lambda *parts: derived_id(*parts, 0)


def _nothing(_function: Any) -> Callable[..., None]:
    return lambda *_args, **_options: None


CHANGED_BY_A_HAIR = {
    "quiet hours end a second later": ("demo-year", sending, "within", _a_second_off),
    "an outage is one from six minutes on": ("every-kind", timers, "OUTAGE_MS", lambda _: 90_000_000),
    "an event id is forgotten after five days": ("every-kind", step, "SEEN_FOR_MS", lambda ms: ms - 2 * 86_400_000),
    "dispatch ids": ("demo-year", sending, "derived_id", _one_more),
    "no goal ends a journey": ("every-kind", reacting, "_reach_goals", _nothing),
    "a friend's purchase isn't told": ("programme-changes", step, "_tell_referrer", _nothing),
}


@pytest.mark.parametrize(
    ("name", "module", "attribute", "mutate"), CHANGED_BY_A_HAIR.values(), ids=list(CHANGED_BY_A_HAIR)
)
def test_a_changed_decision_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, module: Any, attribute: str, mutate: Callable[[Any], Any]
) -> None:
    history = History(HOME / name)
    monkeypatch.setattr(module, attribute, mutate(getattr(module, attribute)))
    assert "differ" in tell_differences(history.expected(), Replay(history.programmes()).take_all(history.log()))
