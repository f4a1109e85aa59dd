"""The kinds of sections that a configuration is made of, and how their values are shown."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.fields import FieldInfo


def shown(value: Any) -> str:
    """Return a value as it is written on a command line."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(shown, value))}]"
    if isinstance(value, dict):
        return "{...}"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _any_name(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Check a file name as a text; pydantic refuses names that are not Unicode, which file systems allow."""
    check(value.encode(errors="replace").decode() if isinstance(value, str) else value)
    return value


def _as_written(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    check(value)
    return value


Place = Annotated[str, WrapValidator(_any_name)]  # of a file or folder
Number = Annotated[float, WrapValidator(_as_written)]  # a whole one stays whole, as in the name and the hash of a run


class Section(BaseModel):
    """A part of the configuration in which every key is known."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def __eq__(self, other: object) -> bool:
        """Return whether two sections hold the same values."""
        return isinstance(other, Section) and self.plain() == other.plain()

    __hash__ = None  # type: ignore[assignment] # values can be assigned

    def plain(self) -> dict[str, Any]:
        """Return the keys that were given, nested, as plain Python values: what files of a run hold."""
        # A value that the user has assigned may be of another type: it is checked again, so it needs no warning.
        return self.model_dump(by_alias=True, exclude_unset=True, serialize_as_any=True, warnings=False)


class Target(Section):
    """A group that names the class to build."""

    name: str | None = Field(None, description="a short name for tables and folders")
    target: str = Field(alias="_target_", description="the import path of a class")

    @property
    def class_name(self) -> str:
        """The last part of the import path."""
        return self.target.rpartition(".")[2]

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the class that were given."""
        return {key: value for key, value in self.plain().items() if key not in ("_target_", "name")}


class OpenTarget(Target):
    """A group whose class takes further keys, such as a class of the user or of another library."""

    model_config = ConfigDict(extra="allow", strict=True)


def allowed(field: FieldInfo) -> str:
    """Return what a key may be, to follow `give`: its description, or else what its type and its range say."""
    if field.description is not None:
        return field.description
    kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    choices = list(_choices(TypeAdapter(kind).json_schema()))
    *first, last = choices
    if not first:
        return last
    return f"{', '.join(first)}{',' if any(' ' in choice for choice in choices) else ''} or {last}"


def _choices(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield in words what a JSON schema allows."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _choices(one)
    elif "const" in schema or "enum" in schema:
        yield from schema.get("enum", [schema.get("const")])
    elif schema["type"] == "boolean":
        yield from ("true", "false")
    elif schema["type"] == "null":
        yield "null"
    else:
        yield _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    is_whole = schema["type"] == "integer"
    start = f"above {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else f"from {schema['minimum']:g}"
    if "maximum" in schema:
        end = f" to {schema['maximum']:g}"
    elif "exclusiveMaximum" in schema:
        end = f" to {schema['exclusiveMaximum'] - 1}" if is_whole else f" to below {schema['exclusiveMaximum']:g}"
    else:
        end = "" if "exclusiveMinimum" in schema else " up"
    return f"{'a whole number' if is_whole else 'a number'} {start}{end}"


def _group(value: Any) -> Any:
    if not isinstance(value, dict | Section):
        raise ValueError("no group")
    return value


CHECKED_APART = PlainValidator(_group)
"""Marks a group at the top level. `deblur.config.check` checks it by the class that its `_target_` names."""
