"""What becomes of a dispatch for each answer of a gateway; the gateway here answers by script."""

import asyncio
import threading

import pytest

from sinks.senders import hand_over as hand_over_module
from sinks.senders.gateway import Gateway, InDoubt, Rejected, TryLater, Unavailable
from sinks.senders.hand_over import Claim, HandOver
from streams.engine.commands import Dispatch
from tests.support import until

SENT = (("message_sent", None),)


class Scripted(Gateway):
    """Answers each dispatch by its script: an exception to raise, an event to wait for, or statuses."""

    def __init__(self, **scripts):
        self._scripts = {name: list(script) for name, script in scripts.items()}
        self.calls = []
        self.most_at_a_time = 0
        self._now = 0

    @classmethod
    def create(cls, settings, channel):
        return cls()

    async def hand_over(self, dispatch):
        self.calls.append(dispatch.dispatch_id)
        self._now += 1
        self.most_at_a_time = max(self.most_at_a_time, self._now)
        try:
            await asyncio.sleep(0)
            script = self._scripts.get(dispatch.dispatch_id)
            answer = script.pop(0) if script else ()
            if isinstance(answer, threading.Event):
                while not answer.is_set():  # noqa: ASYNC110 - another thread sets it
                    await asyncio.sleep(0.001)
                answer = script.pop(0) if script else ()
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self._now -= 1


def claim(name, *, member="m1", offset=0, partition=0, not_after=None):
    return Claim(
        partition,
        offset,
        Dispatch(
            at=0,
            dispatch_id=name,
            member_id=member,
            campaign="c",
            version=1,
            action="actions[0]",
            channel="sms",
            to="+79161234567",
            content={"text": "Hi"},
            messaging_type="marketing",
            not_after=not_after,
        ),
    )


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(hand_over_module, "WAIT_INITIAL_S", 0.001)
    monkeypatch.setattr(hand_over_module, "WAIT_MAX_S", 0.002)


@pytest.fixture
def start():
    running = []

    def make(gateway, *claims, now=lambda _dispatch: 0, concurrency=16, repeat_in_doubt=False):
        made = HandOver(gateway, now, concurrency=concurrency, repeat_in_doubt=repeat_in_doubt)
        running.append(made)
        made.start(claims)
        return made

    yield make
    for each in running:
        each.close()


def outcomes(hand_over, count):
    found = []
    until(lambda: found.extend(hand_over.outcomes()) or len(found) >= count, 5, f"{count} outcomes")
    return {outcome.claim.dispatch.dispatch_id: outcome.statuses for outcome in found}


def test_what_is_taken_is_sent_and_what_is_known_besides_follows(start):
    hand_over = start(Scripted(a=[("message_delivered",)]), claim("a"), claim("b", offset=1))
    assert outcomes(hand_over, 2) == {"a": (*SENT, ("message_delivered", None)), "b": SENT}


def test_what_is_rejected_fails_with_the_reason_and_nothing_else_does(start):
    hand_over = start(Scripted(a=[Rejected("address_rejected", "secret")]), claim("a"), claim("b", offset=1))
    assert outcomes(hand_over, 2) == {"a": (("message_failed", "address_rejected"),), "b": SENT}


def test_what_is_not_taken_now_is_tried_again(start):
    script = [Unavailable("gateway_unavailable"), Unavailable("gateway_unavailable"), ()]
    hand_over = start(gateway := Scripted(a=script), claim("a"))
    assert outcomes(hand_over, 1) == {"a": SENT}
    assert gateway.calls == ["a"] * 3
    assert (hand_over.repeated_attempts(), hand_over.repeated_attempts()) == (2, 0)


def test_what_is_taken_later_comes_back_and_what_follows_to_the_member_with_it(start):
    gate = threading.Event()
    gateway = Scripted(a=[gate, TryLater("full"), ()])
    first, second, third = claim("a"), claim("b", offset=1), claim("c", offset=2)
    hand_over = start(gateway, first, second)
    until(lambda: gateway.calls, 5, "one at the gateway")
    gate.set()
    found = []
    until(lambda: found.extend(hand_over.outcomes()) or len(found) == 2, 5, "both")
    assert [(each.claim, each.statuses, each.put_off) for each in found] == [(first, (), "full"), (second, (), None)]
    hand_over.start([third])  # claimed by one who hadn't heard yet
    assert outcomes(hand_over, 1) == {"c": ()}
    hand_over.start([first, second])
    assert outcomes(hand_over, 2) == {"a": SENT, "b": SENT}
    assert gateway.calls == ["a", "a", "b"]


@pytest.mark.parametrize("end", [lambda each, first: each.forget(first), lambda each, _first: each.give_back([0])])
def test_what_follows_goes_on_when_what_was_put_off_is_over(start, end):
    first = claim("a")
    hand_over = start(Scripted(a=[TryLater("full")]), first)
    assert outcomes(hand_over, 1) == {"a": ()}
    end(hand_over, first)
    hand_over.start([claim("b", offset=1)])
    assert outcomes(hand_over, 1) == {"b": SENT}


def test_not_after_is_inclusive(start):
    hand_over = start(Scripted(), claim("a", not_after=10), claim("b", not_after=9, offset=1), now=lambda _dispatch: 10)
    assert outcomes(hand_over, 2) == {"a": SENT, "b": (("message_failed", "too_late"),)}


def test_not_after_is_checked_again_before_every_attempt(start):
    gateway = Scripted(a=[Unavailable("gateway_unavailable")] * 100)
    hand_over = start(gateway, claim("a", not_after=3), now=lambda _dispatch: len(gateway.calls))
    assert outcomes(hand_over, 1) == {"a": (("message_failed", "too_late"),)}
    assert len(gateway.calls) == 4


@pytest.mark.parametrize(
    ("repeat", "expected", "calls"), [(False, (("message_failed", "in_doubt"),), 1), (True, SENT, 2)]
)
def test_what_is_in_doubt_goes_by_the_policy(start, repeat, expected, calls):
    hand_over = start(gateway := Scripted(a=[InDoubt("in_doubt")]), claim("a"), repeat_in_doubt=repeat)
    assert outcomes(hand_over, 1) == {"a": expected}
    assert len(gateway.calls) == calls


def test_a_gateway_that_breaks_its_contract_fails_that_message_only(start, caplog):
    hand_over = start(Scripted(a=[KeyError("?")]), claim("a"), claim("b", offset=1))
    assert outcomes(hand_over, 2) == {"a": (("message_failed", "gateway_error"),), "b": SENT}
    assert "in a way that it doesn't declare" in caplog.text


def test_messages_of_a_member_keep_their_order_and_others_overtake(start):
    gate = threading.Event()
    gateway = Scripted(a=[gate])
    hand_over = start(gateway, claim("a"), claim("b", offset=1), claim("c", offset=2, member="m2"))
    assert outcomes(hand_over, 1) == {"c": SENT}
    gate.set()
    assert outcomes(hand_over, 2) == {"a": SENT, "b": SENT}
    assert gateway.calls == ["a", "c", "b"]


def test_no_more_at_a_time_than_the_gateway_does_well(start):
    gateway = Scripted()
    hand_over = start(gateway, *(claim(f"d{n}", member=f"m{n}", offset=n) for n in range(50)), concurrency=4)
    outcomes(hand_over, 50)
    assert gateway.most_at_a_time == 4


def test_gives_back_what_the_gateway_has_not_seen_and_lets_the_rest_end(start):
    gate = threading.Event()
    gateway = Scripted(a=[gate], c=[gate])
    claims = [
        claim("a"),
        claim("b", offset=1),
        claim("c", member="m2", partition=1),
        claim("d", member="m2", partition=1, offset=1),
    ]
    hand_over = start(gateway, *claims)
    until(lambda: len(gateway.calls) == 2, 5, "two at the gateway")
    hand_over.give_back([0])
    assert outcomes(hand_over, 1) == {"b": ()}
    gate.set()
    assert outcomes(hand_over, 3) == {"a": SENT, "c": SENT, "d": SENT}


@pytest.mark.parametrize("error", [Unavailable("gateway_unavailable"), TryLater("full"), InDoubt("in_doubt")])
def test_what_was_given_back_at_the_gateway_is_not_tried_again(start, error):
    """Its partition may be another sender's by then."""
    gate = threading.Event()
    hand_over = start(gateway := Scripted(a=[gate, error]), claim("a"), claim("b", offset=1), repeat_in_doubt=True)
    until(lambda: gateway.calls, 5, "one at the gateway")
    hand_over.give_back([0])
    gate.set()
    assert outcomes(hand_over, 2) == {"a": (), "b": ()}
    assert gateway.calls == ["a"]


def test_what_is_given_back_at_the_gateway_in_doubt_stays_in_doubt(start):
    gate = threading.Event()
    hand_over = start(gateway := Scripted(a=[gate, InDoubt("in_doubt")]), claim("a"))
    until(lambda: gateway.calls, 5, "one at the gateway")
    hand_over.give_back([0])
    gate.set()
    assert outcomes(hand_over, 1) == {"a": (("message_failed", "in_doubt"),)}


def test_after_a_long_pause_nothing_is_handed_over_before_it_is_heard_whose_it_is(start, monkeypatch):
    monkeypatch.setattr(hand_over_module, "OWNED_S", -1.0)  # any pause is long
    hand_over = start(gateway := Scripted(), claim("lost"), claim("kept", member="m2", partition=1))
    until(lambda: hand_over._slots._value == 14, 5, "both about to be handed over")
    hand_over.give_back([0])
    assert outcomes(hand_over, 1) == {"lost": ()}
    assert gateway.calls == []
    monkeypatch.setattr(hand_over_module, "OWNED_S", 5.0)
    hand_over.beat(hand_over._loop.time())
    assert outcomes(hand_over, 1) == {"kept": SENT}


def test_right_after_a_long_pause_it_is_not_heard_yet(start, monkeypatch):
    monkeypatch.setattr(hand_over_module, "HEARD_S", 3600.0)
    hand_over = start(gateway := Scripted())
    hand_over.beat(hand_over._loop.time() + 3.0)  # at once, as in every cycle
    hand_over.start([claim("a")])
    assert outcomes(hand_over, 1) == {"a": SENT}
    hand_over.beat(hand_over._asked_at + 6.0)
    hand_over.start([claim("b", offset=1)])
    until(lambda: hand_over._slots._value == 15, 5, "b about to be handed over")
    assert gateway.calls == ["a"]
    hand_over.give_back([0])
    assert outcomes(hand_over, 1) == {"b": ()}


def test_what_was_at_the_gateway_when_it_closed_has_no_outcome(start):
    hand_over = start(gateway := Scripted(a=[threading.Event()]), claim("a"), claim("b", offset=1))
    until(lambda: gateway.calls, 5, "one at the gateway")
    hand_over.close()
    assert {outcome.claim.dispatch.dispatch_id: outcome.statuses for outcome in hand_over.outcomes()} == {"b": ()}
