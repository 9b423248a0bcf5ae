"""`set`: state attributes of the member."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import override

from streams.engine.actions import Action, Result
from streams.engine.definition import described
from streams.engine.handling import Handling
from streams.engine.limits import ATTRIBUTES_MAX
from streams.engine.profile import plain_attribute
from streams.engine.script import Step
from streams.engine.state import Journey
from streams.engine.values import Text


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | Decimal):
        return value
    raise PydanticCustomError("definition", f"expected a string, a number, true, false or null, not {described(value)}")


Scalar = Annotated[Any, PlainValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]


class Set(Action):
    """Set `member.attributes`, key by key; null takes the attribute away."""

    kind: ClassVar[str] = "set"
    sole: ClassVar[str | None] = "attributes"
    example: ClassVar[str] = "set: {last_campaign: come-back}\n"
    shown_after: ClassVar[str] = "- send: {channel: cashier, template: attribute}\n"

    attributes: Annotated[dict[Text, Scalar], Field(min_length=1)]
    """Attributes and their values: text, number, true, false, or null."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        del journey
        attributes = handling.state.profile.attributes
        for name, value in self.attributes.items():
            if value is None:
                attributes.pop(name, None)
            elif name in attributes or len(attributes) < ATTRIBUTES_MAX:
                attributes[name] = plain_attribute(value)
            else:
                return Result(limit="attributes")
        return Result(step.next)
