"""Blurs of a configuration: checked by what their classes declare, then built.

It imports NumPy and OpenCV, which only commands that check a blur have to wait for.
"""

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator, create_model

from deblur.blur import FAMILIES, Degradation, KernelFile, Mixed
from deblur.blur.camera import CAMERA_PARAMETERS, CAMERA_SWITCHES, Camera
from deblur.blur.degradation import SHARED_PARAMETERS
from deblur.blur.families import completed, import_families
from deblur.blur.kernel_file import refuse_no_file
from deblur.blur.parameters import Parameter, Text
from deblur.blur.varying import DEFOCUS, Varying
from deblur.config.build import build, find_class, trust
from deblur.config.keys import CAMERAS, nearest, options, preset
from deblur.config.sections import OpenTarget, Section, Target, shown
from deblur.errors import UserError

_OURS = "deblur.blur."
_CAMERA = "camera"


def class_of(blur: Mapping[str, Any], trusted: Sequence[str]) -> type[Degradation]:
    """Return the class of a blur.

    Raises:
        UserError: as `find_class` does.
    """
    return find_class(str(blur["_target_"]), Degradation, trusted=trusted)


def is_ours(target: str) -> bool:
    """Return whether the package defines a blur's class, which then declares every key."""
    return target.startswith(_OURS)


def completed_blur(blur: Mapping[str, Any], trusted: Sequence[str]) -> dict[str, Any]:
    """Import the user's families of a mixture; return its settings with the parameters that the families leave out.

    A camera that is named becomes its settings. None is left out, as in runs of before: a class that knows of no camera
    is given none.

    Args:
        blur: of any class.
        trusted: modules that the user named on the command line.

    Raises:
        UserError: if a module cannot be imported, or no module registers a family of that name.
    """
    complete = deepcopy(dict(blur))
    if _CAMERA in complete:
        complete[_CAMERA] = named_camera(complete[_CAMERA])
        if complete[_CAMERA] is None:
            del complete[_CAMERA]
    families = complete.get("families")
    if not isinstance(families, dict):
        return complete
    if families.keys() - FAMILIES.keys():
        import_families(trusted)
    for name in sorted(map(str, families.keys() - FAMILIES.keys())):
        if nearest(name, FAMILIES) is None:
            raise UserError(
                f"blur.families.{name} is unknown: blur.families has the keys {', '.join(sorted(FAMILIES))}. Name the "
                f"module that registers a family of your own with {trust('MODULE')}."
            )
    if all(family is None or isinstance(family, dict) for family in families.values()):
        complete["families"] = completed(families)
    return complete


def named_camera(camera: Any) -> Any:
    """Return the settings of a camera that is given by the name of its option; others as they are."""
    if not isinstance(camera, str) or camera not in options(CAMERAS):
        return camera
    settings = preset(CAMERAS, camera)
    return settings.get(_CAMERA, settings)  # none sets the key itself


def section_of(kind: type[Degradation], *, is_complete: bool) -> type[Target]:
    """Return the schema of a class.

    Args:
        kind: the class.
        is_complete: whether it declares every key. Of one that does not, such as a class of the user's own, what it
            declares is checked if it is given.
    """
    fields = _fields({**kind.parameters, **kind.texts, **SHARED_PARAMETERS}, is_required=is_complete)
    if issubclass(kind, Mixed):
        fields["families"] = (
            Annotated[_families(), WrapValidator(_as_given)],
            Field(description="the families to draw from, each with its parameters"),
        )
    cameras = ", ".join(f"{CAMERAS}={name}" for name in options(CAMERAS))
    fields[_CAMERA] = (
        _camera_section() | None,
        Field(None, title="what the light goes through", description=f"a camera: {cameras}"),
    )
    return create_model(kind.__name__, __base__=Target if is_complete else OpenTarget, **fields)


def built(blur: Target, kind: type[Degradation], trusted: Sequence[str]) -> Degradation | None:
    """Build a blur whose keys were checked; None for a kernel in a file, which the run reads.

    Raises:
        UserError: if the class refuses its arguments, or there is no such file.
    """
    arguments = blur.arguments()
    if issubclass(kind, KernelFile):
        with contextlib.suppress(OSError):  # such as a name that is too long
            refuse_no_file(Path(arguments["path"]))
        return None
    try:
        if is_ours(blur.target):
            return kind(**arguments)
        return build(blur, Degradation, trusted=trusted)
    except ValueError as error:
        start = "blur." if is_ours(blur.target) else f"{blur.target} refuses its arguments: "
        raise UserError(f"{start}{error}") from error


def refuse_without_effect(blur: Target, kind: type[Degradation]) -> None:
    """Refuse the shake of a camera for a blur that is defocus alone, if it was changed: it would only rename the run.

    Raises:
        UserError: if that is so, of the blur or of a part of a mixture.
    """
    place, settings, usual = "blur", blur.plain(), preset("blur", Varying.family)
    if issubclass(kind, Mixed):
        place, settings = f"blur.families.{Varying.family}", settings["families"].get(Varying.family) or {}
        usual = preset("blur", Mixed.family)["families"][Varying.family]
    elif not issubclass(kind, Varying):
        return
    if settings.get("kind") == DEFOCUS and settings.get("shake") != usual["shake"]:
        raise UserError(
            f"{place}.shake={shown(settings.get('shake'))} is of a camera that rolls, and has no effect with "
            f"{place}.kind={DEFOCUS}: leave out {place}.shake, or take another {place}.kind."
        )


def _as_given(families: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Check the families of a mixture, and keep them as plain values in their order."""
    check(families)
    return families


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


def _camera_section() -> type[Section]:
    defaults = {name: one.default for name, one in inspect.signature(Camera).parameters.items()}
    own: dict[str, Any] = {
        **{name: (bool, Field(defaults[name], description=text)) for name, text in CAMERA_SWITCHES.items()},
        **{
            name: (_checked(one), Field(defaults[name], description=one.allowed))
            for name, one in CAMERA_PARAMETERS.items()
        },
    }
    return create_model("CameraSettings", __base__=Section, **own)


def _fields(declared: Mapping[str, Parameter | Text], *, is_required: bool) -> dict[str, Any]:
    default = ... if is_required else None
    return {name: (_checked(one), Field(default, description=one.allowed)) for name, one in declared.items()}


def _checked(declared: Parameter | Text) -> Any:
    def check(value: Any) -> Any:
        declared.check(value)
        return value

    return Annotated[Any, BeforeValidator(check)]
