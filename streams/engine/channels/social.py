"""`social`: A text to the member's linked profile of a social network; its templates need moderation."""

from streams.engine.channels import DELIVERED, FAILED, OPENED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="social",
    doc="A text to the member's linked profile of a social network; its templates need moderation.",
    parts=("text",),
    combinations=(TEXT,),
    address="profile",
    moderated=True,
    statuses=(SENT, DELIVERED, OPENED, FAILED),
)
