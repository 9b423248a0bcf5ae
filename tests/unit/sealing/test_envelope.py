"""What a sealed record is, and what isn't one."""

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from streams.sealing.envelope import (
    APART_VERSION,
    DRAWN_BYTES,
    HEAD_BYTES,
    NONCE_BYTES,
    OVERHEAD_BYTES,
    CannotOpenError,
    Pool,
    ended_keys,
    is_sealed,
    key_id_of,
    seal,
    unseal,
    with_ending,
    without_ending,
)

CIPHER = AESGCM(bytes(range(32)))
KEY_ID = b"abcdefgh"


def sealed(value: bytes, owner: bytes = b"m1") -> bytes:
    return seal(CIPHER, KEY_ID, os.urandom(NONCE_BYTES), owner, value)


@given(st.binary(max_size=3000), st.binary(min_size=1, max_size=50))
def test_what_was_sealed_opens_for_its_owner_and_shows_nothing(value, owner):
    record = sealed(value, owner)
    assert unseal(CIPHER, owner, record) == value
    assert (is_sealed(record), key_id_of(record), len(record)) == (True, KEY_ID, len(value) + OVERHEAD_BYTES)
    if len(value) > 8:
        assert value not in record


@given(st.binary(min_size=1, max_size=60), st.integers(0), st.integers(1, 255))
def test_a_record_that_was_changed_anywhere_does_not_open(value, place, change):
    record = bytearray(sealed(value))
    place %= len(record)
    record[place] ^= change
    if place == 0:
        assert not is_sealed(bytes(record))
    elif place == 1 and record[1] != APART_VERSION:
        with pytest.raises(CannotOpenError, match="sealed by version"):
            key_id_of(bytes(record))
    else:
        with pytest.raises(CannotOpenError, match="was changed"):
            unseal(CIPHER, b"m1", bytes(record))


def test_a_record_put_under_another_name_does_not_open():
    with pytest.raises(CannotOpenError, match="under another key than its owner's"):
        unseal(CIPHER, b"m2", sealed(b"Anna"))


@pytest.mark.parametrize("value", [None, b"", b"\0\0\0\0\1rest", b"no Avro at all"])
def test_nothing_else_is_taken_for_sealed(value):
    assert not is_sealed(value)


@given(st.binary(max_size=OVERHEAD_BYTES - 2))
def test_what_is_too_short_says_so(rest):
    with pytest.raises(CannotOpenError, match=f"at least {OVERHEAD_BYTES}"):
        key_id_of(b"\1" + rest)


def test_nonces_never_come_twice_and_are_drawn_many_at_a_time():
    calls = []

    def draw(count: int) -> bytes:
        calls.append(count)
        return os.urandom(count)

    pool = Pool(draw)
    drawn = [pool(NONCE_BYTES) for _ in range(3 * (DRAWN_BYTES // NONCE_BYTES))]
    assert len(set(drawn)) == len(drawn)
    assert {len(nonce) for nonce in drawn} == {NONCE_BYTES}
    assert calls == [DRAWN_BYTES] * 3
    assert HEAD_BYTES == 10


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=5), st.binary(min_size=1, max_size=60))
def test_a_record_says_which_keys_end_with_it(key_ids, value):
    record = with_ending(key_ids, b"\0" + value)
    assert (ended_keys(record), without_ending(record)) == (key_ids, b"\0" + value)
    assert ended_keys(record[: 2 + 8 * len(key_ids)]) == []
    assert (ended_keys(None), ended_keys(b"\0" + value), without_ending(b"\0" + value)) == ([], [], b"\0" + value)
