"""`set`: state attributes of the member."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from streams.engine.actions import Action
from streams.engine.definition import described
from streams.engine.values import Text


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | Decimal):
        return value
    raise PydanticCustomError("definition", f"expected a string, a number, true, false or null, not {described(value)}")  # type: ignore[arg-type]


Scalar = Annotated[Any, PlainValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]


class Set(Action):
    """Set `member.attributes`, key by key; null takes the attribute away."""

    kind: ClassVar[str] = "set"
    sole: ClassVar[str | None] = "attributes"
    example: ClassVar[str] = "set: {last_campaign: come-back}\n"

    attributes: Annotated[dict[Text, Scalar], Field(min_length=1)]
