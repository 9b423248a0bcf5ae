"""`in_app`: A message inside the app, shown when the member opens it: a text or an image at least."""

from streams.engine.channels import CLICKED, DELIVERED, FAILED, OPENED, SENT, TEXT, Channel

CHANNEL = Channel(
    name="in_app",
    doc="A message inside the app, shown when the member opens it: a text or an image at least.",
    parts=(
        "title",
        "text",
        "url",
        "image",
    ),
    combinations=(TEXT, frozenset({"image"})),
    optional=frozenset({"title", "text", "url", "image"}),
    address="member_id",
    statuses=(SENT, DELIVERED, OPENED, CLICKED, FAILED),
)
