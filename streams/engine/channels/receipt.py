"""`receipt`: A text on the member's next receipt."""

from streams.engine.channels import DELIVERED, FAILED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="receipt",
    doc="A text on the member's next receipt.",
    parts=("text",),
    combinations=(TEXT,),
    address="member_id",
    exempt=True,
    statuses=(SENT, DELIVERED, FAILED),
)
