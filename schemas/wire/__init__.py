"""Avro's binary encoding, as the pipeline's records use it. Its modules may have been compiled (`streams.compiled`)."""

from streams.compiled import WIRE, prefer

prefer(__path__, WIRE)
