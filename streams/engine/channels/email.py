"""`email`: An e-mail: a subject with text, HTML or both."""

from streams.engine.channels import CLICKED, DELIVERED, FAILED, OPENED, SENT, Channel

CHANNEL = Channel(
    name="email",
    doc="An e-mail: a subject with text, HTML or both.",
    parts=(
        "subject",
        "text",
        "html",
    ),
    combinations=(
        frozenset({"subject", "text"}),
        frozenset({"subject", "html"}),
        frozenset({"subject", "text", "html"}),
    ),
    address="email",
    statuses=(SENT, DELIVERED, OPENED, CLICKED, FAILED, "message_complained", "member_unsubscribed"),
)
