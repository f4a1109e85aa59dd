"""The description of an exported network: JSON inside its file, read without torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from deblur.choices import ExportPrecision
from deblur.errors import UserError
from deblur.metrics import MOST_DECIMALS
from deblur.models.protocol import LARGEST_HALO, is_channels, is_size_divisor
from deblur.reading import json_value

KEY: Final = "deblur"  # of the description among a file's metadata
SEEN: Final = "seen_images"  # key of the digests of training and validation images
ORIGINS: Final = "trained_on_from"  # key of the names of the networks that it was trained on from, the first one first
PRECISION: Final = "precision"  # key of the precision of the weights, or of the layers
LOSS: Final = "precision_loss"  # key of the loss of PSNR by that [dB]
LARGEST_WIDTH: Final = 4096  # channels of a layer
LARGEST_PART: Final = 2**32  # bytes of a layer's output for a part of an image
MOST_WEIGHTS: Final = 10_000  # arrays of weights; two of each layer
LARGEST_TEXT: Final = 32 * 2**20  # bytes of the JSON; the digests of a million images have 20
MOST_SECTIONS: Final = 50_000  # lists and mappings in the JSON
MOST_VALUES: Final = 20_000  # in the settings of a network, those within lists and sections included
LONGEST_TEXT: Final = 10_000  # characters of a text in the settings
_FORMAT: Final = 1  # raised when the JSON changes its meaning


class ForeignFile(UserError):
    """A file of another program, which may hold the weights of a network all the same; see `inference.foreign`."""


def _plain(section: Any) -> Any:
    """Return a section if it holds plain values alone, in a number that is soon visited."""
    count, values = 0, [section]
    while values:
        value = values.pop()
        count += 1
        if count > MOST_VALUES:  # also of one value that stands in many places, as in a pickle
            raise ValueError("holds too many values")
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise ValueError("has a key that is no text")
            values += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            if len(value) > MOST_VALUES:
                raise ValueError("holds too many values")
            values += value
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise ValueError("holds a text that is too long")
        elif not isinstance(value, str | int | float | None):
            raise ValueError(f"holds a {type(value).__name__}")
    return section


Plain = Annotated[dict[str, Any], BeforeValidator(_plain)]


class _Stored(BaseModel):
    """Part of a description; keys that nothing reads may hold anything."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Object(_Stored):
    target: str | None = Field(None, alias="_target_")
    name: str | None = None


class _Blur(_Object):
    families: dict[str, dict[str, Any] | None] | None = None

    @model_validator(mode="after")
    def _weights_are_numbers(self) -> "_Blur":
        for family in (self.families or {}).values():
            weight = (family or {}).get("weight", 1)
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise ValueError("has a weight that is no number")
        return self


class _Data(_Object):
    color: str | None = None
    boundary: str | None = None
    leaves: float | None = None


class _Sections(_Stored):
    model: Plain
    blur: Plain
    data: Plain | None = None
    optimizer: Plain | None = None
    scheduler: Plain | None = None
    loss: str | None = None
    metrics: list[str] | None = None
    seed: int | None = None


class _Best(_Stored):
    epoch: int | None = None


class _Images(_Stored):
    fingerprint: str | None = None
    counts: dict[str, int] | None = None


class _MetricInfo(_Stored):
    label: str = ""
    unit: str = ""
    higher_is_better: bool = True
    decimals: int = Field(4, ge=0, le=MOST_DECIMALS)


class _Metrics(_Stored):
    test: dict[str, float | None] | None = None
    metrics: dict[str, _MetricInfo] | None = None
    val: _Best | None = None
    data: _Images | None = None


def _image_channels(channels: int) -> int:
    if not is_channels(channels):
        raise ValueError("are neither 1 (gray) nor 3 (RGB)")
    return channels


class _Description(_Stored):
    settings: dict[str, Any]
    name: str | None = Field(None, max_length=LONGEST_TEXT)
    metrics: dict[str, Any] | None = None
    channels: Annotated[int, AfterValidator(_image_channels)] = 1
    halo: int | None = Field(None, ge=0, le=LARGEST_HALO)
    size_divisor: int = Field(1, ge=1, le=LARGEST_HALO)
    precision: ExportPrecision = "float32"
    precision_loss: float | None = None
    seen_images: list[str] | None = None
    trained_on_from: list[Annotated[str, Field(max_length=LONGEST_TEXT)]] | None = None

    @model_validator(mode="after")
    def _parts_begin_where_they_can(self) -> "_Description":
        if not is_size_divisor(self.size_divisor, self.halo):
            raise ValueError("has a halo that is no multiple of its size divisor")
        return self


def write_description(description: Mapping[str, Any]) -> str:
    """Return the JSON of a description.

    Args:
        description: plain values: `settings` with the sections `model` and `blur` of the training's configuration, and
            optionally `name`, `metrics`, `channels`, `halo` and `size_divisor` [px], `precision` and its loss [dB].
    """
    return json.dumps({"format": _FORMAT, **description}, sort_keys=True)


def read_description(text: str | None, path: Path) -> dict[str, Any]:
    """Return the description of an exported network; the keys that this program reads are of the expected type.

    Args:
        text: JSON; None if the file has none.
        path: of the file, for the error.

    Raises:
        ForeignFile: if there is none.
        UserError: if it is invalid.
    """
    try:
        description = _parsed(text) if text and text.strip() else None
    except json.JSONDecodeError:
        description = None
    except ValueError as error:
        raise UserError(
            f"{path} is damaged: its description of the network cannot be read ({error}), or it was not exported by "
            "this program."
        ) from error
    if not isinstance(description, dict) or not has_settings(description.get("settings")):
        kind = ForeignFile if text is None else UserError
        raise kind(f"{path} was not exported by this program: it lacks the settings of its network.")
    if description.get("format") != _FORMAT:
        raise UserError(f"{path} is of the format {description.get('format')}, of another version of this program.")
    _refuse_unfit(_Description, description, path)
    check_settings(description["settings"], path)
    _refuse_unfit(_Metrics, description.get("metrics") or {}, path, "metrics")
    return description


def _parsed(text: str) -> Any:
    """Parse JSON; raise ValueError with a short reason if that would take hundreds of megabytes."""
    if len(text) > LARGEST_TEXT:
        raise ValueError(f"it has {len(text) / 2**20:.0f} MiB")
    if text.count("[") + text.count("{") > MOST_SECTIONS:
        raise ValueError("it has too many lists")
    return json_value(text)


def check_settings(settings: Mapping[str, Any], path: Path) -> None:
    """Check the types of the settings of a training, of any origin, for which `has_settings` is true.

    Raises:
        UserError: for the first invalid value.
    """
    _refuse_unfit(_Sections, settings, path, "settings")
    kinds: dict[str, type[_Object]] = {"model": _Object, "blur": _Blur, "data": _Data, "optimizer": _Object}
    for section, kind in kinds.items():
        if settings.get(section) is not None:
            _refuse_unfit(kind, settings[section], path, f"settings.{section}")


def checked_seen(seen: Any, path: Path) -> frozenset[str] | None:
    """Return the digests of a network's training and validation images, of any origin; None if they are not known.

    Raises:
        UserError: for anything else.
    """
    if seen is None:
        return None
    if not isinstance(seen, list) or not all(isinstance(digest, str) for digest in seen):
        raise _damaged(path, f"{SEEN} is no list of texts")
    return frozenset(seen)


def checked_origins(origins: Any, path: Path) -> tuple[str, ...]:
    """Return the names of the networks that a network, of any origin, was trained on from, the first one first.

    Raises:
        UserError: for anything else than a list of texts, or nothing.
    """
    if origins is None:
        return ()
    is_named = isinstance(origins, list) and len(origins) <= MOST_VALUES
    if not is_named or not all(isinstance(name, str) and len(name) <= LONGEST_TEXT for name in origins):
        raise _damaged(path, f"{ORIGINS} is no list of texts")
    return tuple(origins)


def has_settings(config: Any) -> bool:
    """Return whether a configuration, of any origin, has the sections that a network is built and described by."""
    return isinstance(config, dict) and all(isinstance(config.get(section), dict) for section in ("model", "blur"))


def _refuse_unfit(kind: type[BaseModel], stored: Any, path: Path, place: str = "") -> None:
    try:
        kind.model_validate(stored)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join([*([place] if place else []), *map(str, first["loc"])])[:100]  # keys of the file can be long
        reason = first["msg"].removeprefix("Value error, ")
        raise _damaged(path, f"{where}: {reason}" if where else reason) from error


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is damaged: its description of the network is not valid ({reason}). Export it again.")
