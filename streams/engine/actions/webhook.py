"""`webhook`: a request to a partner's system."""

from typing import Any, ClassVar

from typing_extensions import override

from streams.engine import commands
from streams.engine.actions import Action, Result
from streams.engine.handling import Handling
from streams.engine.liquid_text import TemplateError, TemplateLimitError, render_body
from streams.engine.message_data import MessageData
from streams.engine.script import Step
from streams.engine.sending import step_id
from streams.engine.state import Journey
from streams.engine.values import WebAddress


class Webhook(Action):
    """Post `body`, a template whose strings are rendered, to `url`. The journey doesn't wait for the answer."""

    kind: ClassVar[str] = "webhook"
    example: ClassVar[str] = """\
webhook: {url: "https://partner.example.com/hook", body: {member: "{{ member.id }}"}}
"""

    url: WebAddress
    """Where to."""
    body: Any = None
    """What is posted, as JSON; strings in it are templates."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        campaign = handling.definition(journey)
        assert campaign is not None
        try:
            work = handling.allowance(journey.campaign).work
            body = render_body(self.body, MessageData(handling, journey, campaign), work)
        except TemplateLimitError:
            handling.exceed(
                journey.campaign, journey.version, step.path, "suppressed", "template", reason="template_error"
            )
            return Result(step.next)
        except TemplateError:
            handling.decide(journey.campaign, journey.version, step.path, "suppressed", "template_error")
            return Result(step.next)
        handling.output.append(
            commands.Webhook(
                at=handling.now,
                webhook_id=step_id(handling, journey, step.path),
                member_id=handling.state.key,
                campaign=journey.campaign,
                version=journey.version,
                action=step.path,
                url=self.url,
                body=body,
            )
        )
        return Result(step.next)
