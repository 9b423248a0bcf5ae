"""`now`: a mailing at once."""

from typing import Any, ClassVar

from pydantic.json_schema import JsonSchemaValue
from typing_extensions import override

from streams.engine.definition import described, invalid
from streams.engine.triggers import Trigger


class NowTrigger(Trigger):
    """A mailing to everyone in the audience, as soon as the campaign is applied; once per version."""

    kind: ClassVar[str] = "now"
    example: ClassVar[str] = "now: true\n"
    shown_given: ClassVar[str] = "[]"

    @override
    @classmethod
    def yaml_schema(cls, fields: JsonSchemaValue) -> JsonSchemaValue:
        nested = super().yaml_schema(fields)
        nested["properties"]["now"] = {"const": True, "description": fields["description"]}
        return nested

    @override
    @classmethod
    def read(cls, data: Any) -> Any:
        if not isinstance(data, dict) or set(data) != {"now"}:
            return data
        if data["now"] is not True:
            raise invalid([(("now",), f"expected true, not {described(data['now'])}")])
        return {}
