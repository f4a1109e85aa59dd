"""A blur in one text, as the options of plain commands take it: `gaussian sigma=2 noise_sigma=1`."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deblur.config.check import check_blur, checked_section, read_value
from deblur.config.keys import nearest, options, preset, question
from deblur.errors import UserError

TRAINING: Final = "training"
"""Stands for the blur of a network's own training in place of a family."""

_KERNEL: Final = "kernel"  # the family whose parameter is a path


@dataclass(frozen=True)
class AskedBlur:
    """A blur that an option asks for.

    Attributes:
        option: that asks, for sentences: `--simulate`.
        family: a file in conf/blur, without its suffix, or `training`.
        parameters: what is given besides the family, by dotted keys.
    """

    option: str
    family: str
    parameters: Mapping[str, Any]

    def settings(self, own: Mapping[str, Any] | None = None, trusted: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the settings of the blur: those of the family's preset, or of a training, with the given ones.

        Args:
            own: the blur of the network's own training, for the family `training`.
            trusted: modules whose classes that one may name.

        Raises:
            UserError: for a parameter that is unknown or out of range.
        """
        from deblur.config import degradations  # OpenCV

        blur = deepcopy(dict(preset("blur", self.family) if own is None else own))
        for key, value in self.parameters.items():
            *sections, last = key.split(".")
            section: Any = blur
            for name in sections:
                section = section.setdefault(name, {})
                if not isinstance(section, dict):
                    raise UserError(f"{self.option}: {key} is unknown: {name} has no keys.")
            section[last] = degradations.named_camera(value) if key == "camera" else value
        with self.naming_option():
            if degradations.is_ours(str(blur["_target_"])):
                complete = degradations.completed_blur(blur, trusted)
                known = degradations.section_of(degradations.class_of(blur, trusted), is_complete=True)
                checked_section("", complete, known, called=self.family)
            return check_blur(blur, trusted)[0].plain()

    @contextmanager
    def naming_option(self) -> Iterator[None]:
        """Let an error of the blur's settings name the option in place of a key of the configuration.

        Raises:
            UserError: for such an error.
        """
        try:
            yield
        except UserError as error:
            first = error.__cause__ if isinstance(error.__cause__, UserError) else error  # of the blur's own class
            reason = str(first).removeprefix("blur.path=").removeprefix("blur.")
            raise UserError(f"{self.option}: {reason}") from error


def kernel_file(path: Path, option: str) -> AskedBlur:
    """Return the blur whose kernel stands in a file.

    Raises:
        UserError: if it is no file.
    """
    asked = AskedBlur(option, _KERNEL, {"path": str(path)})
    asked.settings()
    return asked


def read_blur(text: str, option: str, *, allows_training: bool = False) -> AskedBlur:
    """Read a blur.

    Args:
        text: `FAMILY key=value key=value`: values as Hydra reads them, lists without blanks, a path with blanks in
            quotes.
        option: that was given the text.
        allows_training: whether the blur of the network's training may stand in place of a family.

    Raises:
        UserError: if the text cannot be read, the family is unknown, or a parameter of it is unknown or out of range.
    """
    families = [*options("blur"), *([TRAINING] if allows_training else [])]
    try:
        family, *given = shlex.split(text)
    except ValueError:  # a quotation mark alone, or no family
        raise UserError(
            f'{option} "{text}" cannot be read: give a family and its parameters, such as "motion length=9 angle=30".'
        ) from None
    if family not in families:
        near = nearest(family, families)
        raise UserError(f"{option}: {family} is no blur: give {', '.join(families)}.{question([near] if near else [])}")
    parameters: dict[str, Any] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not re.fullmatch(r"[a-z]\w*(\.[a-z]\w*)*", key):
            raise UserError(f"{option}: {one} is no parameter: write KEY=VALUE, such as noise_sigma=1.")
        if key in parameters:
            raise UserError(f"{option}: {key} is given twice: give it once.")
        parameters[key] = os.path.expanduser(value) if key == "path" else read_value(value)  # noqa: PTH111 # Path.expanduser raises for a user that does not exist
    asked = AskedBlur(option, family, parameters)
    if family != TRAINING:
        asked.settings()  # refuses what is wrong before a network is loaded
    return asked
