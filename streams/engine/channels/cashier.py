"""`cashier`: A text that the cashier sees, to say to the member."""

from streams.engine.channels import DELIVERED, FAILED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="cashier",
    doc="A text that the cashier sees, to say to the member.",
    parts=("text",),
    combinations=(TEXT,),
    address="member_id",
    exempt=True,
    statuses=(SENT, DELIVERED, FAILED),
)
