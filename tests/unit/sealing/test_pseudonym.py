"""What stands in the log for the key of a stranger's state."""

import base64

import pytest

from streams.sealing.master import MasterKeys
from streams.sealing.pseudonym import Pseudonyms


@pytest.mark.parametrize("key", ["phone:+79161234567", "email:anna@example.com", "card:2200-15"])
def test_a_name_that_tells_who_it_is_becomes_a_hash_that_stays_the_same(key):
    kind, _, name = key.partition(":")
    found = Pseudonyms(b"secret").of(key)
    assert (found.partition(":~")[0], len(found.partition(":~")[2]), name in found) == (kind, 32, False)
    assert Pseudonyms(b"secret").of(key) == found == Pseudonyms(b"secret").of(found)
    assert Pseudonyms(b"other").of(key) != found != Pseudonyms(b"secret").of(f"{key}1")


@pytest.mark.parametrize("key", ["m-1001", "visitor:v1", "receipt:r1", "card:", "phone", "", "segment:phone:1"])
def test_other_keys_stay(key):
    assert Pseudonyms(b"secret").of(key) == key


def test_a_new_master_key_in_front_changes_none():
    old, new = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    of_old = MasterKeys.from_setting(old).pseudonyms.of("card:1")
    assert MasterKeys.from_setting(f"{new},{old}").pseudonyms.of("card:1") == of_old
