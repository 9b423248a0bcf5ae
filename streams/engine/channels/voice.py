"""`voice`: A text read out in a call to the member's phone."""

from streams.engine.channels import DELIVERED, FAILED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="voice",
    doc="A text read out in a call to the member's phone.",
    parts=("text",),
    combinations=(TEXT,),
    address="phone",
    statuses=(SENT, DELIVERED, FAILED),
)
