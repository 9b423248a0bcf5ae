"""Avro schemas, topic declarations and the codec that both sides of the wire share."""
