"""`chat_bot`: A text from the bot of a messenger to the member's linked profile."""

from streams.engine.channels import CLICKED, DELIVERED, FAILED, OPENED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="chat_bot",
    doc="A text from the bot of a messenger to the member's linked profile.",
    parts=("text",),
    combinations=(TEXT,),
    address="profile",
    statuses=(SENT, DELIVERED, OPENED, CLICKED, FAILED),
)
