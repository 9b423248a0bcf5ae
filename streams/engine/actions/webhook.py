"""`webhook`: a request to a partner's system."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from streams.engine.actions import Action


class Webhook(Action):
    """Post `body`, a template whose strings are rendered, to `url`. The journey doesn't wait for the answer."""

    kind: ClassVar[str] = "webhook"
    example: ClassVar[str] = """\
webhook: {url: "https://partner.example.com/hook", body: {member: "{{ member.id }}"}}
"""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    body: Any = None
