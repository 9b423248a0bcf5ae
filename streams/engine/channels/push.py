"""`push`: A notification of the app: a text or an image at least."""

from streams.engine.channels import CLICKED, DELIVERED, FAILED, OPENED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="push",
    doc="A notification of the app: a text or an image at least.",
    parts=(
        "title",
        "text",
        "url",
        "image",
    ),
    combinations=(TEXT, frozenset({"image"})),
    optional=frozenset({"title", "text", "url", "image"}),
    address="push_token",
    statuses=(SENT, DELIVERED, OPENED, CLICKED, FAILED),
)
