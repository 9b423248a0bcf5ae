"""`rekindle erase`: what it refuses before it asks anyone."""

import pytest

from streams.cli.erase import erasure_of
from streams.identity.identifiers import Naming, own_name, pseudonym
from streams.identity.identify import identify
from streams.identity.links import Changes, Link, LinkTable
from tests.support import run_rekindle


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("m1", "--find", "x"), {}, "--find goes with --verify"),
        (("m1",), {"REKINDLE_CLOCK": "event"}, "--at TIME: with REKINDLE_CLOCK=event the present is not the clock's"),
        (("",), {}, "MEMBER is empty"),
        (("m1", "--at", "yesterday"), {}, "--at yesterday"),
    ],
)
def test_wrong_use_is_said(arguments, environment, said):
    done = run_rekindle("erase", *arguments, env=environment)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


SECRET = b"secret"


@pytest.mark.parametrize(
    "name",
    ["m1", "urn:m1", "visitor:v:1", "card:12", f"card:{pseudonym('12', SECRET)}", f"phone:{pseudonym('+7', SECRET)}"],
)
def test_a_member_or_a_stranger_is_asked_to_be_erased_by_what_the_log_calls_them(name):
    event = erasure_of(name, 5)
    is_member = name in {"m1", "urn:m1"}
    assert (event.type, event.occurred_at, event.member_id) == ("member_erased", 5, name if is_member else None)
    assert name not in event.event_id
    assert identify(LinkTable(), event, Naming("RU", SECRET)).key == own_name(name, SECRET if not is_member else b"")


def test_whoever_has_a_strangers_name_by_now_is_erased_with_all_their_names():
    table = LinkTable()
    table.take(Changes({"visitor:v": Link("m", 1), "card:1": Link("m", 1)}, {}))
    found = identify(table, erasure_of("visitor:v", 5), Naming("RU"))
    assert (found.key, sorted(found.erased)) == ("m", ["card:1", "visitor:v"])
