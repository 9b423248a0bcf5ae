"""`webhook`: a request to a partner's system."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field
from typing_extensions import override

from streams.engine import commands
from streams.engine.actions import Action, Result
from streams.engine.handling import Handling
from streams.engine.liquid_text import LiquidText, TemplateError
from streams.engine.message_data import MessageData
from streams.engine.script import Step
from streams.engine.sending import step_id
from streams.engine.state import Journey


class Webhook(Action):
    """Post `body`, a template whose strings are rendered, to `url`. The journey doesn't wait for the answer."""

    kind: ClassVar[str] = "webhook"
    example: ClassVar[str] = """\
webhook: {url: "https://partner.example.com/hook", body: {member: "{{ member.id }}"}}
"""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    """Where to."""
    body: Any = None
    """What is posted, as JSON; strings in it are templates."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        campaign = handling.definition(journey)
        assert campaign is not None
        try:
            body = _rendered(self.body, MessageData(handling, journey, campaign))
        except TemplateError:
            handling.decide(journey.campaign, journey.version, step.path, "suppressed", "template_error")
            return Result(step.next)
        handling.output.append(
            commands.Webhook(
                at=handling.now,
                webhook_id=step_id(journey, step.path),
                member_id=handling.state.key,
                campaign=journey.campaign,
                version=journey.version,
                action=step.path,
                url=self.url,
                body=body,
            )
        )
        return Result(step.next)


def _rendered(value: Any, data: Mapping[str, Any]) -> Any:
    """Every string in `value`, however deep, as a template over `data`. Raises `TemplateError`."""
    if isinstance(value, str):
        return LiquidText(value).render(data)
    if isinstance(value, dict):
        return {name: _rendered(item, data) for name, item in value.items()}
    if isinstance(value, list):
        return [_rendered(item, data) for item in value]
    return value
