"""What the group `protocol` may hold: the inputs of a measuring protocol; what a protocol fixes is no key."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from deblur.choices import listed_names
from deblur.config.check import checked_section
from deblur.config.sections import Number, Place, Section, shown
from deblur.errors import UserError

NoiseLevels = Annotated[list[Annotated[Number, Field(ge=0, le=255)]], Field(min_length=1)]


class ProtocolSettings(Section):
    """What every protocol takes."""

    name: str = Field(description="the name of a protocol: protocol=NAME")
    max_images: int | None = Field(ge=1, description="a whole number from 1 up, or null for all images")


class NoisyProtocol(ProtocolSettings):
    """Schema of a protocol that adds noise."""

    noise_sigma: NoiseLevels = Field(
        description="a list of different numbers from 0 to 255 [gray levels of 255], such as [2.55,7.65]"
    )
    seed: int = Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")

    @model_validator(mode="after")
    def _each_level_once(self) -> "NoisyProtocol":
        if len(set(self.noise_sigma)) < len(self.noise_sigma):
            raise ValueError(f"protocol.noise_sigma={shown(self.noise_sigma)} is not allowed: name each level once.")
        return self


class PhotographsProtocol(NoisyProtocol):
    """Schema of a protocol of photographs with measured kernels."""

    blind: bool = Field(description="true or false: restore with estimated kernels as well")


class SyntheticProtocol(NoisyProtocol):
    """Schema of a protocol that blurs sharp images."""

    kernels: Place = Field(min_length=1, description="a folder of kernels: protocol.kernels=DIR")

    @model_validator(mode="after")
    def _kernels_are_a_folder(self) -> "SyntheticProtocol":
        is_folder = False
        with contextlib.suppress(OSError):  # such as a name that is too long
            is_folder = Path(self.kernels).is_dir()
        if not is_folder:
            raise ValueError(
                f"protocol.kernels={self.kernels} is no folder: give one with kernels, as .npy arrays or images of one "
                "kernel each."
            )
        self.kernels = os.path.realpath(self.kernels)
        return self


BY_PROTOCOL: Final[Mapping[str, type[ProtocolSettings]]] = {
    "levin2009": PhotographsProtocol,
    "levin_kernels": SyntheticProtocol,
    "circular": SyntheticProtocol,
    "gopro": ProtocolSettings,
    "hide": ProtocolSettings,
    "reds": ProtocolSettings,
    "realblur_j": ProtocolSettings,
    "realblur_r": ProtocolSettings,
}
"""The schema of each protocol; `deblur.evaluation.protocols.protocol.PROTOCOLS` has the protocols."""


def protocol_schema(section: Mapping[str, Any]) -> type[ProtocolSettings]:
    """Return the schema of a section `protocol`.

    Raises:
        UserError: if it names none of the protocols.
    """
    name = section.get("name")
    if not isinstance(name, str) or name not in BY_PROTOCOL:
        raise UserError(f"protocol.name={shown(name)} is not allowed: give {listed_names(BY_PROTOCOL)}.")
    return BY_PROTOCOL[name]


def checked_protocol(section: Mapping[str, Any], data: Mapping[str, Any]) -> ProtocolSettings:
    """Check the section `protocol` of an evaluation, and that of its data, of which it reads the folder alone.

    Args:
        section: of the protocol.
        data: what the command line gave of `data`.

    Raises:
        UserError: for the first key that is missing, unknown or out of range.
    """
    checked = checked_section("protocol", dict(section), protocol_schema(section))
    if "_target_" in data:
        raise UserError(
            f"protocol={checked.name} reads its own folder: leave out data={shown(data.get('name'))}, and give "
            "data.root=DIR."
        )
    others = [f"data.{key}" for key in data if key != "root"]
    if others:
        raise UserError(
            f"protocol={checked.name} fixes how images are read, and does not read {', '.join(others)}: leave that "
            "out; "
            "data.root is the only key of data."
        )
    root = data.get("root")
    if root is not None and (not isinstance(root, str) or not root):
        raise UserError(f"data.root={shown(root)} is not allowed: give a folder.")
    return checked
