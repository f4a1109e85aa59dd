"""Readers of the files of runs and sweeps, which may be damaged or made by others."""

import math
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deblur.config.places import CONFIG_FILE
from deblur.config.search import RANGES, Range
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
    read_json,
    read_yaml,
)

State = Literal["running", "done", "failed", "interrupted", "paused"]

STATUS_FILE = "status.json"
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.csv"
IMAGES_FILE = "images.csv"
SWEEP_FILE = "sweep.json"  # in the folder of a sweep
SEARCH_FOLDER = "search"  # in the folder of a sweep that is a search
SEARCH_FILE = "search.json"  # in that folder
LOG_FILE = "train.log"
SAMPLES_FOLDER = "samples"

_NEEDED_OF_IMAGES = ("name", "input_psnr", "psnr", "gain")  # columns of images.csv
INPUT = "input_"  # prefix of a metric's name for its value of the blurred image
_MOST_EPOCHS = 10**9
CURE = "restore the file from a copy, or train the run again (in a sweep: with overwrite=true)"
CURE_OF_SWEEP = "delete the file, and the sweep's command writes it again"
CURE_OF_SEARCH = "delete the file, and the search's command writes it again from its runs"

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Scalar = _Number | bool | str | None


class _Record(BaseModel):
    """Checks of the keys that a file has; versions of this program wrote different ones."""

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
    threads: int | str | None = None  # only shown
    precision: str | None = None


class _Sweep(_Record):
    name: str | None = None
    issued: str | None = None
    commands: list[str] = Field(default_factory=list)
    runs: list[str] = Field(default_factory=list)
    data: dict[str, Any] = Field(default_factory=dict)


class _Trial(_Record):
    settings: dict[str, _Scalar]
    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")] | None
    values: dict[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")], _Number]
    error: str | None


class _Search(_Record):
    trials: list[_Trial]
    rungs: list[Annotated[int, Field(ge=1, lt=_MOST_EPOCHS)]] = Field(min_length=1)
    eta: Annotated[int, Field(ge=2)]
    wanted: Annotated[int, Field(ge=1)]
    seed: int
    space: dict[str, dict[str, list[Any]]]
    common: dict[str, Any]
    optuna: str


class _Group(_Record):
    target: str | None = Field(None, alias="_target_")
    name: str | None = None


class _Optimizer(_Group):
    lr: _Number | None = None


class _Config(_Record):
    """What readers of a stored configuration rely on; `deblur.config.check` checks one that is used again."""

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
    weights: str | None = None


def sample_folder(name: str) -> str:
    """Return the folder in SAMPLES_FOLDER with the images of a test image.

    Args:
        name: of the image, with slashes between its folders.
    """
    return safe_name(posixpath.splitext(name)[0])


def read_status(folder: Path) -> dict[str, Any]:
    """Read the status.json of a run.

    Raises:
        UnusableFile: if it is missing, cannot be read, or is damaged; as do the other readers here.
    """
    return _read_record(folder / STATUS_FILE, _Status, CURE, MEBIBYTE)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read the metrics.json of a run; the best epoch is counted from 1, as of `read_history`."""
    content = _read_record(folder / METRICS_FILE, _Metrics, CURE, MEBIBYTE)
    best = content.get("val", {}).get("epoch")
    if best is not None:
        with suppress(UnusableFile):  # which readers of the history report
            if _is_from_zero(_history(folder)):
                content["val"]["epoch"] = best + 1
    return content


def read_sweep_file(folder: Path) -> dict[str, Any]:
    """Read the sweep.json of a sweep."""
    path = folder / SWEEP_FILE
    content = _read_record(path, _Sweep, CURE_OF_SWEEP)
    for name in content.get("runs", []):
        if name in ("", ".", "..") or re.search(r"[/\\\0]", name):
            raise damaged(path, f"{name} is no name of a run", CURE_OF_SWEEP)
    return content


def read_search_file(sweep: Path) -> dict[str, Any]:
    """Read the search.json of a sweep that is a search.

    Its trials have values of its ranges, so that a stranger's file sets no other keys.
    """
    path = sweep / SEARCH_FOLDER / SEARCH_FILE
    content = _read_record(path, _Search, CURE_OF_SEARCH)
    contradiction = next(_contradictions(content), None)
    if contradiction is not None:
        raise damaged(path, contradiction, CURE_OF_SEARCH)
    return content


def _contradictions(search: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what a search.json contradicts itself, for the middle of a sentence."""
    rungs, space = search["rungs"], search["space"]
    if any(one >= following for one, following in pairwise(rungs)):
        yield f"rungs: {rungs} are not ascending"
    if not space:
        yield "space: it has no range"
    ranges: dict[str, Range] = {}
    for key, content in space.items():
        if len(content) != 1 or not content.keys() <= RANGES.keys():
            yield f"space.{key}: it is none of the ranges {', '.join(RANGES)}"
            return
        (kind,) = content
        try:
            ranges[key] = RANGES[kind].model_validate(content)
        except ValidationError:
            yield f"space.{key}: {content[kind]} is no range {kind}"
            return
    for number, trial in enumerate(search["trials"]):
        place = f"trials.{number}"
        if trial["settings"].keys() != ranges.keys():
            yield f"{place}.settings: its keys are not those of the space"
        for key, value in trial["settings"].items():
            if key in ranges and not ranges[key].has(value):
                yield f"{place}.settings.{key}: {value!r} is outside its range"
        if any(int(epochs) not in rungs for epochs in trial["values"]):
            yield f"{place}.values: it has epochs that are no rung"
        if trial["values"] and trial["run"] is None:
            yield f"{place}.run: it has values without a run"


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration that a run stored: plain values, without interpolations or defaults."""
    path = folder / CONFIG_FILE
    try:
        content = read_yaml(path, cure=CURE)
    except MissingFile:
        from deblur.runs.paths import no_run  # which looks for the files that are named here

        raise MissingFile(no_run(folder)) from None
    if not isinstance(content, dict) or not content:
        raise damaged(path, "it holds no configuration", CURE)
    return _checked(path, content, _Config, CURE)


def config_of_run(folder: Path) -> dict[str, Any]:
    """Read the configuration of a run that has a status.json; a missing configuration is damage then."""
    try:
        return read_config(folder)
    except MissingFile:
        raise DamagedFile(f"{folder} is damaged (it has no {CONFIG_FILE}): {CURE}.") from None


def read_history(folder: Path) -> list[dict[str, int | float | None]]:
    """Read the history.csv of a run, one row per epoch; empty and infinite values are None.

    Epochs are counted from 1, also those of early versions, which counted from 0.
    """
    rows = _history(folder)
    return [{**row, "epoch": (row["epoch"] or 0) + 1} for row in rows] if _is_from_zero(rows) else rows


def _is_from_zero(rows: Sequence[Mapping[str, int | float | None]]) -> bool:
    return bool(rows) and rows[0]["epoch"] == 0


def _history(folder: Path) -> list[dict[str, int | float | None]]:
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
    """Read the images.csv of a run: the metrics of each test image by its name; empty values are nan.

    Metrics are the columns that have a counterpart `input_<metric>`, these counterparts, and `gain`.
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
    """Return why the files of a run cannot be used; None if they can, or if there is no run.

    These are its status and configuration, the history, and the results of a finished run.
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


def _read_record(path: Path, model: type[_Record], cure: str, largest: int = LARGEST_FILE) -> dict[str, Any]:
    content = read_json(path, largest=largest, cure=cure)
    if not isinstance(content, dict):
        raise damaged(path, "it holds no mapping", cure)
    return _checked(path, content, model, cure)


def _checked(path: Path, content: dict[str, Any], model: type[_Record], cure: str) -> dict[str, Any]:
    try:
        model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:3])
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise damaged(path, " ".join(f"{place}: {reason}".split()), cure) from None
    return content


def _number(text: str, path: Path) -> int | float | None:
    if not text:
        return None
    try:
        number = int(text) if text.lstrip("-").isdecimal() else float(text)
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        raise damaged(path, f"{text[:20]!r} is no number", CURE) from None
