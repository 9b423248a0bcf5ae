"""A master key that is forgotten at a restart doesn't go unnoticed."""

import base64

import pytest

from streams.errors import RekindleError
from streams.sealing.open import open_sealer
from streams.settings import Settings
from streams.topics import MEMBER_KEYS
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network
from tests.unit.sealing.support import CODEC, Sealed, event

ANNA = b"m1"


def test_whoever_never_sealed_goes_on_without_a_key(tmp_path):
    clock = Clock(0)
    log = Log(clock)
    kafka = MemoryKafka(Network(log, clock))
    assert open_sealer(Settings(), kafka, tmp_path) is None, "topics of an earlier release"
    log.create_topic(MEMBER_KEYS, 2)
    assert open_sealer(Settings(), kafka, tmp_path) is None


def test_a_log_that_was_sealed_is_not_gone_on_with_unsealed(tmp_path):
    sealed = Sealed()
    sealed.transact((ANNA, CODEC.encode(event(ANNA))))
    with pytest.raises(RekindleError, match=f"REKINDLE_MASTER_KEY is not set, and topic {MEMBER_KEYS} isn't empty"):
        open_sealer(Settings(), sealed.kafka, tmp_path)
    key = base64.b64encode(b"m" * 32).decode()
    assert open_sealer(Settings(master_key=key), sealed.kafka, tmp_path) is not None
    sealed.close()
