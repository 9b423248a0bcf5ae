"""`viber`: A message to the member's phone in Viber: text, an image, or text with a button and perhaps an image."""

from streams.engine.channels import CLICKED, DELIVERED, FAILED, OPENED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="viber",
    doc="A message to the member's phone in Viber: text, an image, or text with a button and perhaps an image.",
    parts=(
        "text",
        "image",
        "button",
    ),
    combinations=(
        TEXT,
        frozenset({"image"}),
        frozenset({"text", "button"}),
        frozenset({"text", "image", "button"}),
    ),
    address="phone",
    statuses=(SENT, DELIVERED, OPENED, CLICKED, FAILED),
)
