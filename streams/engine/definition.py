"""What every definition of the campaign language is made of: the base model, its kinds, and readable errors.

A definition is a frozen pydantic model. Its YAML may be shorter than its fields (`wait: P14D`), so a model first
*reads* the YAML's shape into fields (`read`) and knows where each field stands in the YAML (`place`): the location of
an error is always a path in the file, which the loader turns into line and column.

Kinds of one family (actions, triggers) are told apart by their key (`wait`, `send`), not by trying each: an error
names the right kind only. A family's kinds are the modules of its package; adding one is one file.
"""

import ast
import difflib
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, ValidationError, core_schema
from typing_extensions import override

Loc = tuple[str | int, ...]
_SHOWN_CHARS_MAX = 60
DEFINED = "defined"  # in a JSON Schema: the name of a definition of the whole, made a reference at the end
EXPLAINED = "definition"  # the type of errors whose message is already ours


class Definition(BaseModel):
    """A piece of the campaign language: immutable, and strict about what it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)

    @classmethod
    def read(cls, data: Any) -> Any:
        """The fields (by their YAML names) that the YAML value states; `data` itself when its shape is theirs."""
        return data

    @classmethod
    def place(cls, field: str) -> Loc:
        """Where the field (by its YAML name) stands below the definition, when `read` has changed the shape."""
        return (field,)

    @classmethod
    def keys(cls) -> list[str]:
        """The YAML names of the fields."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Its fields and validators, wrapped so that shape is read before them and mistakes are explained after."""
        return core_schema.no_info_wrap_validator_function(cls._explain, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of its fields, each with the text below it in the code."""
        found = handler.resolve_ref_schema(handler(schema))
        texts = field_texts(cls)
        for name, field in cls.model_fields.items():
            if name in texts:
                found["properties"][field.alias or name]["description"] = texts[name]
        return found

    @classmethod
    def _explain(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        if isinstance(data, cls):
            return data
        fields = cls.read(data)
        try:
            return handler(fields)
        except ValidationError as error:
            place = cls.place if fields is not data else Definition.place
            raise _explained(cls, error, place) from None


class Kind(Definition):
    """One kind of a family, named by its key in the YAML.

    `beside`: the fields stand beside the kind's key (`if`, `then`, `else`), not below it.
    `sole`: the value below the kind's key is this one field.
    The reference runs the example: `shown_given` are the events, where not a purchase, `shown_before` and `shown_after`
    the actions around it, all in YAML.
    """

    kind: ClassVar[str] = ""
    example: ClassVar[str] = ""
    shown_given: ClassVar[str] = ""
    shown_before: ClassVar[str] = ""
    shown_after: ClassVar[str] = ""
    beside: ClassVar[bool] = False
    sole: ClassVar[str | None] = None
    family: ClassVar[str] = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A family's own schema dispatches on the kind's key; a kind's is its fields."""
        if "family" in cls.__dict__:
            return core_schema.with_info_plain_validator_function(cls._dispatch)
        return super().__get_pydantic_core_schema__(source, handler)

    @classmethod
    @override
    def read(cls, data: Any) -> Any:
        if cls.beside or not isinstance(data, dict) or set(data) != {cls.kind}:
            return data
        value = data[cls.kind]
        if cls.sole is not None:
            return {cls.sole: value}
        if not isinstance(value, dict):
            raise invalid([((cls.kind,), f"expected a mapping with {listed(cls.keys())}, not {described(value)}")])
        return value

    @classmethod
    @override
    def place(cls, field: str) -> Loc:
        if cls.beside:
            return (field,)
        return (cls.kind,) if field == cls.sole else (cls.kind, field)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A family's schema is spelt out once, among the definitions of the whole."""
        return (
            {DEFINED: cls.family} if "family" in cls.__dict__ else super().__get_pydantic_json_schema__(schema, handler)
        )

    @classmethod
    def yaml_schema(cls, fields: JsonSchemaValue) -> JsonSchemaValue:
        """The JSON Schema of the kind's YAML, from that of its fields."""
        if cls.beside:
            return fields
        value = fields if cls.sole is None else fields["properties"][cls.sole]
        return {
            "type": "object",
            "description": fields.get("description", ""),
            "properties": {cls.kind: {**value, "description": fields.get("description", "")}},
            "required": [cls.kind],
            "additionalProperties": False,
        }

    @classmethod
    def kinds(cls) -> "Mapping[str, type[Self]]":
        """The family's kinds by their keys, found in the modules of its package."""
        return _kinds(cls)

    @classmethod
    def _dispatch(cls, data: Any, info: ValidationInfo) -> Self:
        if isinstance(data, cls):
            return data
        kinds = cls.kinds()
        if not isinstance(data, dict):
            raise invalid([((), f"expected a mapping with one of {listed(kinds)}, not {described(data)}")])
        found = [key for key in data if key in kinds]
        if not found:
            where: Loc = (next(iter(data)),) if data else ()
            name = str(where[0]) if where else ""
            raise invalid(
                [(where, f"unknown {cls.family} `{name}`{did_you_mean(name, kinds)}: expected {listed(kinds)}")]
            )
        kind = kinds[found[0]]
        stray = [key for key in data if key != kind.kind] if not kind.beside else found[1:]
        if stray:
            raise invalid(
                [((key,), f"one {cls.family} has one kind: `{key}` can't stand beside `{kind.kind}`") for key in stray]
            )
        return kind.model_validate(data, context=info.context)


@cache
def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each field of a model, and of those that it extends, as a string of its own."""
    texts: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, Definition) or cls in {Definition, Kind}:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                texts[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return texts


@cache
def _kinds(family: type[Kind]) -> dict[str, Any]:
    package = importlib.import_module(family.__module__)
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
    return {kind.kind: kind for kind in sorted(family.__subclasses__(), key=lambda kind: kind.kind)}


# Errors --------------------------------------------------------------------------------------------------------------


def invalid(problems: Iterable[tuple[Loc, str]]) -> ValidationError:
    """An error to raise from a validator: each problem has its path below the value at hand and its sentence."""
    details = [
        InitErrorDetails(type=PydanticCustomError(EXPLAINED, text), loc=loc, input=None) for loc, text in problems
    ]
    return ValidationError.from_exception_data("definition", details)


def listed(names: Iterable[str], last: str = "or") -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}" if quoted else "nothing"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """` (did you mean `x`?)` if something in `names` resembles `name`, else nothing."""
    near = difflib.get_close_matches(str(name), [str(other) for other in names], n=1, cutoff=0.6)
    return f" (did you mean `{near[0]}`?)" if near else ""


def described(value: Any) -> str:
    """What a YAML value is, for the second half of "expected …, not …"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    shown = text if len(text) <= _SHOWN_CHARS_MAX else f"{text[: _SHOWN_CHARS_MAX - 1]}…"
    return f"the string `{shown}`" if isinstance(value, str) else f"`{shown}`"


def _explained(cls: type[Definition], error: ValidationError, place: Callable[[str], Loc]) -> ValidationError:
    problems: list[tuple[Loc, str]] = []
    details = error.errors(include_url=False)
    for detail in details:
        loc = detail["loc"]
        if detail["type"] == "too_short" and any(
            other["loc"][: len(loc)] == loc for other in details if other is not detail
        ):
            continue  # only short because its items are wrong
        text = detail["msg"] if detail["type"] == EXPLAINED else _sentence(cls, loc, detail)
        head = place(str(loc[0])) if loc and isinstance(loc[0], str) else loc[:1]
        problems.append(((*head, *loc[1:]), text))
    return invalid(problems)


def _sentence(cls: type[Definition], loc: Sequence[str | int], detail: Mapping[str, Any]) -> str:
    kind, value, limits = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        names = cls.keys()
        return f"unknown key{did_you_mean(str(loc[-1]), names)}: expected {listed(names)}"
    if kind == "literal_error":
        allowed = str(limits["expected"]).replace("'", "`")
        choices = [part.strip(" `") for part in allowed.replace(" or ", ", ").split(",")]
        return f"expected {allowed}, not {described(value)}{did_you_mean(str(value), choices)}"
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"must be {word} {limits[key]}, not {described(value)}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, not {described(value)}"
    if kind == "string_too_long":
        return f"must be at most {limits['max_length']} characters long"
    if kind in {"too_short", "string_too_short"}:
        return "must not be empty"
    return str(detail["msg"]).removeprefix("Value error, ")


_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
