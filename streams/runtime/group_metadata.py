"""Who we are in the consumer group, in the form in which librdkafka sends it along with offsets of a transaction.

The group is Faust's (through aiokafka), the transaction librdkafka's. The broker refuses offsets of a member that has
lost its place in the group, and that is what keeps a worker that was thought dead from writing.
"""

import struct


def encode_group_metadata(group: str, generation: int, member: str, instance: str | None) -> bytes:
    """Write the group metadata as librdkafka reads it."""
    parts = [b"CGMDv2:", struct.pack("<i", generation), group.encode(), b"\0", member.encode(), b"\0"]
    parts.append(b"\1" if instance is None else b"\0" + instance.encode() + b"\0")
    return b"".join(parts)
