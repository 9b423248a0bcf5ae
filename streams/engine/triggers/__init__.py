"""Triggers: what starts a journey. One kind, one file: its parameters, docs, example and code; found by discovery."""

from typing import ClassVar

from streams.engine.definition import Kind


class Trigger(Kind):
    """What starts a journey: a mapping whose key is its kind."""

    family: ClassVar[str] = "trigger"
