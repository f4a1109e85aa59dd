"""What the groups in conf/blur may hold: the schemas of the classes of `deblur.blur`."""

import contextlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from deblur.config.sections import Place, Section, Target

Number = int | float


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool) and abs(value) < float("inf")


def _fixed_or_drawn(lowest: float, highest: float, *, odd: bool = False, whole: bool = False) -> BeforeValidator:
    """Accept a number in [lowest, highest], or a pair of them in rising order."""

    def check_one(value: Any) -> None:
        if not _is_number(value) or not lowest <= value <= highest:
            raise ValueError("out of range")
        if (odd or whole) and not isinstance(value, int):
            raise ValueError("not whole")

    def check(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            check_one(value)
            if odd and value % 2 == 0:
                raise ValueError("even")
            return value
        if len(value) != 2:
            raise ValueError("not a pair")
        for bound in value:
            check_one(bound)
        if value[0] > value[1] or (odd and value[0] == value[1] and value[0] % 2 == 0):
            raise ValueError("nothing between")
        return value

    return BeforeValidator(check)


Sigma = Annotated[
    Any,
    _fixed_or_drawn(0.05, 100),
    Field(description="a number from 0.05 to 100 [px], or a pair [lo,hi] of them"),
]
Size = Annotated[
    Any,
    _fixed_or_drawn(1, 501, odd=True),
    Field(
        description="an odd whole number from 1 to 501 [px], or a pair [lo,hi] between which the odd sizes are drawn"
    ),
]
Length = Annotated[
    Any,
    _fixed_or_drawn(1, 501),
    Field(description="a number from 1 to 501 [px], or a pair [lo,hi] of them"),
]
Angle = Annotated[
    Any,
    _fixed_or_drawn(-360, 360),
    Field(description="a number from -360 to 360 [degrees], or a pair [lo,hi] of them"),
]
Radius = Annotated[
    Any,
    _fixed_or_drawn(0.5, 250),
    Field(description="a number from 0.5 to 250 [px], or a pair [lo,hi] of them"),
]

Extent = Annotated[
    Any,
    _fixed_or_drawn(1, 250),
    Field(description="a number from 1 to 250 [px], or a pair [lo,hi] of them"),
]
Shake = Annotated[
    Any,
    _fixed_or_drawn(0, 1),
    Field(description="a number from 0 to 1, or a pair [lo,hi] of them"),
]


class _Degradation(Target):
    noise_sigma: Annotated[Any, _fixed_or_drawn(0, 255)] = Field(
        description="a number from 0 to 255 [gray levels], or a pair [lo,hi] of them"
    )
    jpeg_quality: Annotated[Any, _fixed_or_drawn(1, 100, whole=True)] | None = Field(
        description="a whole number from 1 to 100, a pair [lo,hi] of them, or null"
    )


class Gaussian(_Degradation):
    """Schema of `deblur.blur.Gaussian`."""

    sigma: Sigma


class Box(_Degradation):
    """Schema of `deblur.blur.Box`."""

    size: Size


class Motion(_Degradation):
    """Schema of `deblur.blur.Motion`."""

    length: Length
    angle: Angle


class Disk(_Degradation):
    """Schema of `deblur.blur.Disk`."""

    radius: Radius


class Trajectory(_Degradation):
    """Schema of `deblur.blur.Trajectory`."""

    extent: Extent
    shake: Shake


class NoBlur(_Degradation):
    """Schema of `deblur.blur.NoBlur`."""


class _Family(Section):
    weight: float = Field(1.0, ge=0, allow_inf_nan=False, description="a number from 0 up")


class _GaussianFamily(_Family):
    sigma: Sigma


class _BoxFamily(_Family):
    size: Size


class _MotionFamily(_Family):
    length: Length
    angle: Angle


class _DiskFamily(_Family):
    radius: Radius


class _TrajectoryFamily(_Family):
    extent: Extent
    shake: Shake


_FAMILY = "the parameters of the family, or null to leave it out"


class _Families(Section):
    gaussian: _GaussianFamily | None = Field(None, description=_FAMILY)
    box: _BoxFamily | None = Field(None, description=_FAMILY)
    motion: _MotionFamily | None = Field(None, description=_FAMILY)
    disk: _DiskFamily | None = Field(None, description=_FAMILY)
    trajectory: _TrajectoryFamily | None = Field(None, description=_FAMILY)
    none: _Family | None = Field(None, description=_FAMILY)


class Mixed(_Degradation):
    """Schema of `deblur.blur.Mixed`."""

    families: _Families = Field(description="the families to draw from, each with its parameters")

    @model_validator(mode="after")
    def _something_to_draw(self) -> "Mixed":
        given = [getattr(self.families, name) for name in _Families.model_fields]
        if not any(family is not None and family.weight > 0 for family in given):
            raise ValueError("blur.families has nothing to draw from: give at least one family a weight above 0.")
        return self


class KernelFile(_Degradation):
    """Schema of `deblur.blur.KernelFile`."""

    path: Place = Field(min_length=1, description="a file with a kernel: blur.path=FILE")
    sha256: str | None = Field(
        pattern=r"^[0-9a-fA-F]{64}$", description="the SHA-256 of the file, 64 hexadecimal digits, or null"
    )

    @model_validator(mode="after")
    def _path_is_a_file(self) -> "KernelFile":
        state = "does not exist"
        with contextlib.suppress(OSError):  # such as a name that is too long
            if Path(self.path).is_file():
                return self
            state = "is no file" if Path(self.path).exists() else state
        raise ValueError(f"blur.path={self.path} {state}: give a .npy array or an image with one kernel.")
