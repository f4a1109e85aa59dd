"""The files of a run and of a sweep, read and checked: they may be damaged, or be made by others."""

import math
import posixpath
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deblur.config.places import CONFIG_FILE
from deblur.files import safe_name
from deblur.metrics import MOST_DECIMALS
from deblur.reading import (
    LARGEST_FILE,
    MEBIBYTE,
    DamagedFile,
    MissingFile,
    UnusableFile,
    damaged,
    read_csv,
    read_yaml,
)
from deblur.reading import read_json as read_any_json

State = Literal["running", "done", "failed", "interrupted"]

STATUS_FILE = "status.json"
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.csv"
IMAGES_FILE = "images.csv"
SWEEP_FILE = "sweep.json"  # in the folder of a sweep
LOG_FILE = "train.log"
SAMPLES_FOLDER = "samples"

_NEEDED_OF_IMAGES = ("name", "input_psnr", "psnr", "gain")  # columns of images.csv
INPUT = "input_"  # before the name of a metric: its value for the blurred image
_MOST_EPOCHS = 10**9
CURE = "restore the file from a copy, or train the run again (in a sweep: with overwrite=true)"
CURE_OF_SWEEP = "delete the file, and the sweep's command writes it again"

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Scalar = _Number | bool | str | None


class _Record(BaseModel):
    """What a file has to hold if it holds it; versions of this program wrote different keys."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Status(_Record):
    state: State
    config_hash: str | None = None
    started: str | None = None
    ended: str | None = None
    epoch: Annotated[int, Field(ge=0, lt=_MOST_EPOCHS)] | None = None
    data: str | None = None
    error: str | None = None
    host: str | None = None
    process: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None
    heartbeat: str | None = None


class _Data(_Record):
    fingerprint: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    left_out: int | None = None


class _Git(_Record):
    commit: str
    changed: bool


class _Device(_Record):
    accelerator: str | None = None
    name: str | None = None
    devices: int | None = None


class _MetricInfo(_Record):
    label: str
    unit: str = ""
    higher_is_better: bool = True
    decimals: Annotated[int, Field(ge=0, le=MOST_DECIMALS)] = 4


class _Metrics(_Record):
    test: dict[str, _Number | None]
    metrics: dict[str, _MetricInfo] = Field(default_factory=dict)
    val: dict[str, _Number | None] = Field(default_factory=dict)
    model: dict[str, _Scalar] = Field(default_factory=dict)
    seconds: dict[str, _Number] = Field(default_factory=dict)
    data: _Data = Field(default_factory=_Data)
    versions: dict[str, str] = Field(default_factory=dict)
    git: _Git | None = None
    seed: int | None = None
    device: _Device = Field(default_factory=_Device)
    threads: int | str | None = None  # it is only shown
    precision: str | None = None


class _Sweep(_Record):
    name: str | None = None
    issued: str | None = None
    commands: list[str] = Field(default_factory=list)
    runs: list[str] = Field(default_factory=list)
    data: dict[str, Any] = Field(default_factory=dict)


class _Group(_Record):
    target: str | None = Field(None, alias="_target_")
    name: str | None = None


class _Optimizer(_Group):
    lr: _Number | None = None


class _Config(_Record):
    """What readers of a stored configuration take for granted; `deblur.config.check` checks one that is used again."""

    model: _Group = Field(default_factory=_Group)
    blur: _Group = Field(default_factory=_Group)
    optimizer: _Optimizer = Field(default_factory=_Optimizer)
    scheduler: _Group | None = None
    data: _Group = Field(default_factory=_Group)
    trainer: _Group = Field(default_factory=_Group)
    callbacks: dict[str, Any] | None = None
    logger: dict[str, Any] | None = None
    paths: dict[str, Any] = Field(default_factory=dict)
    loss: str | None = None
    seed: int | None = None
    sweep: str | None = None


def sample_folder(name: str) -> str:
    """Return the folder in SAMPLES_FOLDER that holds the images of one test image.

    Args:
        name: of the image, with slashes between its folders.
    """
    return safe_name(posixpath.splitext(name)[0])


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds a mapping of any kind.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged.
    """
    return _mapping(path, "give the folder of a run")


def read_status(folder: Path) -> dict[str, Any]:
    """Read the status.json of a run.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged.
    """
    path = folder / STATUS_FILE
    return _checked(path, _mapping(path, CURE, MEBIBYTE), _Status, CURE)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read the metrics.json of a run.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged.
    """
    path = folder / METRICS_FILE
    return _checked(path, _mapping(path, CURE, MEBIBYTE), _Metrics, CURE)


def read_sweep_note(folder: Path) -> dict[str, Any]:
    """Read the sweep.json of a sweep.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged.
    """
    path = folder / SWEEP_FILE
    content = _checked(path, _mapping(path, CURE_OF_SWEEP), _Sweep, CURE_OF_SWEEP)
    for name in content.get("runs", []):
        if name in ("", ".", "..") or re.search(r"[/\\\0]", name):
            raise damaged(path, f"{name} is no name of a run", CURE_OF_SWEEP)
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration that a run stored: plain values, in which nothing is looked up or filled in.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged.
    """
    path = folder / CONFIG_FILE
    try:
        content = read_yaml(path, cure=CURE)
    except MissingFile:
        from deblur.runs.whereabouts import no_run  # which looks for the files that are named here

        raise MissingFile(no_run(folder)) from None
    if not isinstance(content, dict) or not content:
        raise damaged(path, "it holds no configuration", CURE)
    return _checked(path, content, _Config, CURE)


def config_of_run(folder: Path) -> dict[str, Any]:
    """Read the configuration of a run that has a status.json.

    Raises:
        UnusableFile: as `read_config` does; a configuration that is missing is damage then.
    """
    try:
        return read_config(folder)
    except MissingFile:
        raise DamagedFile(f"{folder} is damaged (it has no {CONFIG_FILE}): {CURE}.") from None


def read_history(folder: Path) -> list[dict[str, int | float | None]]:
    """Read the history.csv of a run, one row an epoch; what is empty or infinite is None.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged.
    """
    path = folder / HISTORY_FILE
    rows = [
        {name: _number(text, path) for name, text in row.items()}
        for row in read_csv(path, needed=("epoch",), cure=CURE)
    ]
    for row in rows:
        if not isinstance(row["epoch"], int) or not 0 <= row["epoch"] < _MOST_EPOCHS:
            raise damaged(path, f"{row['epoch']} is no epoch", CURE)
    return rows


def read_images(folder: Path) -> dict[str, dict[str, float]]:
    """Read the images.csv of a run: the test images by name, each with its metrics; what is empty is nan.

    Metrics are the columns that have a counterpart `input_<metric>`, these counterparts, and `gain`.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged.
    """
    path = folder / IMAGES_FILE
    found: dict[str, dict[str, float]] = {}
    for row in read_csv(path, needed=_NEEDED_OF_IMAGES, cure=CURE):
        names = [key for key in row if f"{INPUT}{key}" in row]
        columns = ("gain", *names, *(f"{INPUT}{name}" for name in names))
        numbers = {key: _number(row[key], path) for key in columns}
        found[row["name"]] = {key: math.nan if value is None else value for key, value in numbers.items()}
    return found


def damage_in(folder: Path) -> UnusableFile | None:
    """Return why a run's files cannot be used; None if they can, or if there is no run.

    These are the files that say what the run is, how far it has come, and what a finished one has found.
    """
    try:
        status = read_status(folder)
    except MissingFile:
        return None
    except UnusableFile as error:
        return error
    try:
        config_of_run(folder)
        with suppress(MissingFile):  # before the first epoch has ended
            read_history(folder)
        if status["state"] == "done":
            with suppress(MissingFile):
                read_images(folder)
            read_metrics(folder)
    except MissingFile:
        return DamagedFile(f"{folder} is damaged (it is done and has no {METRICS_FILE}): {CURE}.")
    except UnusableFile as error:
        return error
    return None


def _mapping(path: Path, cure: str, largest: int = LARGEST_FILE) -> dict[str, Any]:
    content = read_any_json(path, largest=largest, cure=cure)
    if not isinstance(content, dict):
        raise damaged(path, "it holds no mapping", cure)
    return content


def _checked(path: Path, content: Mapping[Any, Any], known: type[_Record], cure: str) -> dict[str, Any]:
    try:
        known.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:3])
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise damaged(path, " ".join(f"{place}: {reason}".split()), cure) from None
    return dict(content)


def _number(text: str, path: Path) -> int | float | None:
    if not text:
        return None
    try:
        number = int(text) if text.lstrip("-").isdecimal() else float(text)
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        raise damaged(path, f"{text[:20]!r} is no number", CURE) from None
