"""Blurs of a configuration: checked by what their classes declare, then built.

It imports NumPy and OpenCV, which only commands that check a blur have to wait for.
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, create_model

from deblur.blur import FAMILIES, Degradation, KernelFile, Mixed, ParametricBlur
from deblur.blur.degradation import SHARED_PARAMETERS
from deblur.blur.kernel_file import refuse_no_file
from deblur.blur.mixed import completed
from deblur.blur.parameters import Parameter, Text
from deblur.blur.registry import import_families
from deblur.config.build import build, find_class, trust
from deblur.config.keys import nearest
from deblur.config.sections import OpenTarget, Section, Target, shown
from deblur.errors import UserError

_OURS = "deblur.blur."


def class_of(blur: Mapping[str, Any], trusted: Sequence[str]) -> type[Degradation]:
    """Return the class of a blur.

    Raises:
        UserError: as `find_class` does.
    """
    return find_class(str(blur["_target_"]), Degradation, trusted=trusted)


def is_ours(blur: Mapping[str, Any]) -> bool:
    """Tell whether a blur is one of the package, whose class declares every key."""
    return str(blur["_target_"]).startswith(_OURS)


def complete(blur: dict[str, Any], trusted: Sequence[str]) -> None:
    """Import the user's own families of a mixture, and fill in parameters that the families leave out.

    Args:
        blur: a mixture; changed in place.
        trusted: modules that the user named on the command line.

    Raises:
        UserError: where a module cannot be imported, or none of them has a family of that name.
    """
    families = blur.get("families")
    if not isinstance(families, dict):
        return
    if families.keys() - FAMILIES.keys():
        import_families(trusted)
    for name in sorted(map(str, families.keys() - FAMILIES.keys())):
        if nearest(name, FAMILIES) is None:
            raise UserError(
                f"blur.families.{name} is unknown: blur.families has the keys {', '.join(sorted(FAMILIES))}. Name the "
                f"module that registers a family of your own with {trust('MODULE')}."
            )
    if all(family is None or isinstance(family, dict) for family in families.values()):
        blur["families"] = completed(families)


def section_of(kind: type[Degradation], *, is_complete: bool) -> type[Section]:
    """Return the schema of a class.

    Args:
        kind: the class.
        is_complete: whether it declares every key. Of one that does not, such as a class of the user's own, what it
            declares is checked where it is given.
    """
    fields = _fields({**SHARED_PARAMETERS, **kind.parameters, **kind.texts}, is_required=is_complete)
    if issubclass(kind, Mixed):
        fields["families"] = (_families(), Field(description="the families to draw from, each with its parameters"))
    return create_model(kind.__name__, __base__=Target if is_complete else OpenTarget, **fields)


def built(blur: Mapping[str, Any], kind: type[Degradation], trusted: Sequence[str]) -> Degradation | None:
    """Build a blur whose keys were checked; None for a kernel in a file, which the run reads and says what it finds.

    Raises:
        UserError: where the class refuses its arguments, or there is no such file.
    """
    if issubclass(kind, KernelFile):
        with contextlib.suppress(OSError):  # such as a name that is too long
            refuse_no_file(Path(blur["path"]))
        return None
    try:
        if is_ours(blur):
            return kind(**{key: value for key, value in blur.items() if key not in ("_target_", "name")})
        return build(blur, Degradation, trusted=trusted)
    except ValueError as error:
        start = "blur." if is_ours(blur) else f"{blur['_target_']} refuses its arguments: "
        raise UserError(f"{start}{error}") from error


def drawn_part(blur: Mapping[str, Any], degradation: Degradation | None) -> str | None:
    """Return the word that makes a blur of ours draw its kernels; None where it draws none, or is not ours."""
    if degradation is None or degradation.fixed_kernel is not None or not is_ours(blur):
        return None
    pairs = [key for key in degradation.parameters if isinstance(blur[key], list)]
    if pairs and isinstance(degradation, ParametricBlur):
        return f"blur.{pairs[0]}={shown(blur[pairs[0]])}"
    return f"blur={blur.get('name') or blur['_target_']}"


def _families() -> type[Section]:
    """Return the schema of the families of a mixture, of those that are registered now."""
    weight = (float, Field(1.0, ge=0, allow_inf_nan=False, description="a number from 0 up"))
    fields: dict[str, Any] = {}
    for name, family in FAMILIES.items():
        own = _fields({**family.parameters, **family.texts}, is_required=True)
        section = create_model(f"{family.__name__}Family", __base__=Section, weight=weight, **own)
        fields[name] = (
            section | None,
            Field(None, description="the parameters of the family, or null to leave it out"),
        )
    return create_model("Families", __base__=Section, **fields)


def _fields(declared: Mapping[str, Parameter | Text], *, is_required: bool) -> dict[str, Any]:
    default = ... if is_required else None
    return {name: (_checked(one), Field(default, description=one.allowed)) for name, one in declared.items()}


def _checked(declared: Parameter | Text) -> Any:
    def check(value: Any) -> Any:
        declared.check(value)
        return value

    return Annotated[Any, BeforeValidator(check)]
