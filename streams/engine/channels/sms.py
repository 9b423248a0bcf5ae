"""`sms`: A text to the member's phone."""

from streams.engine.channels import CLICKED, DELIVERED, FAILED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="sms",
    doc="A text to the member's phone.",
    parts=("text",),
    combinations=(TEXT,),
    address="phone",
    statuses=(SENT, DELIVERED, CLICKED, FAILED),
)
