"""The kinds of sections that a configuration is made of, and how their values are shown."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator


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
    """Check the name of a file as a text; pydantic knows none that is no Unicode, and file systems do."""
    check(value.encode(errors="replace").decode() if isinstance(value, str) else value)
    return value


Place = Annotated[str, WrapValidator(_any_name)]  # of a file or folder


class Section(BaseModel):
    """A part of the configuration in which every key is known."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class OpenSection(Section):
    """A part that passes further keys on to a class of another library."""

    model_config = ConfigDict(extra="allow", strict=True)


class Target(Section):
    """A group that names the class to build."""

    target: str = Field(alias="_target_", description="the import path of a class")
    name: str | None = Field(None, description="a short name for tables and folders")


class OpenTarget(Target):
    """A group that names the class to build, which knows further keys."""

    model_config = ConfigDict(extra="allow", strict=True)
