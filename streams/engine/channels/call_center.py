"""`call_center`: A text for an operator who calls the member's phone."""

from streams.engine.channels import DELIVERED, FAILED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="call_center",
    doc="A text for an operator who calls the member's phone.",
    parts=("text",),
    combinations=(TEXT,),
    address="phone",
    statuses=(SENT, DELIVERED, FAILED),
)
