"""Readable, unique names of runs, and where their folders are."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from deblur.config import TrainConfig
from deblur.config.identity import flatten, is_without_effect
from deblur.config.sections import Target
from deblur.text import as_bytes

LONGEST_RUN_ID = 120  # characters; file systems allow 255 bytes in a name

# A text that stands in a run id as it is: not one that could be taken for a number or for null, nor for two parts.
_PLAIN = re.compile(
    r"(?!(?:null|true|false|nan|inf)$)(?:[A-Za-z][A-Za-z0-9._]*|[A-Za-z][A-Za-z0-9.]*(?:-[A-Za-z0-9.]+)+)"
)
# Choices among devices, which cannot change the result.
_DEVICES = {("trainer", name) for name in ("default", "cpu", "gpu")}
# These are part of every run id, by their values.
_IN_EVERY_ID = ("model", "blur", "optimizer.lr", "seed")


def run_id(config: TrainConfig, overrides: Sequence[str]) -> str:
    """Return the readable name of a run: network, blur, rate, whatever else the command changed, seed.

    Args:
        config: the checked configuration.
        overrides: the words of the command, such as `blur.sigma=2`; their values are taken from `config`.

    Returns:
        For example `srcnn_9315-box-lr_0.001-size_9-seed_0`: letters, digits, dots, underscores and hyphens only.
    """
    argv = dict(sorted(word.lstrip("+").partition("=")[::2] for word in overrides))
    flat = flatten(config.plain())
    parts = [
        _label(argv.get("model"), config.model),
        _label(argv.get("blur"), config.blur),
        f"lr_{_slug(config.optimizer.lr)}",
    ]
    for key, text in argv.items():
        is_idle = is_without_effect(key.lstrip("~"), flat.get(key))
        if key in _IN_EVERY_ID or is_idle or (key, text) in _DEVICES:
            continue
        if key.startswith("~"):
            parts.append(f"without_{_slug(key[1:])}")
            continue
        # A chosen group stands in the configuration as a whole; the command has its name.
        value = flat.get(key) if text == "null" or flat.get(key) is not None else text
        last = key.rpartition(".")[2]
        is_alone = {one for one in (*flat, *argv) if one.rpartition(".")[2] == last} <= {key}
        parts.append(f"{_slug_key(last if is_alone else key)}_{_slug(value)}")
    name, seed = "-".join(parts), f"-seed_{config.seed}"
    room = LONGEST_RUN_ID - len(seed)
    if len(name) > room:
        digest = f"-{_digest(name)}"
        name = name[: room - len(digest)].rstrip("-_.") + digest
    return name + seed


def run_folder(config: TrainConfig, overrides: Sequence[str]) -> Path:
    """Return where a new run goes: a folder of its own time, or its fixed place in a sweep."""
    root = Path(os.path.realpath(config.paths.output_root))  # links in a circle are an error to Path.resolve
    name = run_id(config, overrides)
    if config.sweep is not None:
        return root / "sweeps" / config.sweep / name
    return root / "runs" / name / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")


def naming_overrides(overrides: Sequence[str], axes: Mapping[str, Any] | None) -> list[str]:
    """Return the words of a command that tell a run's name.

    Args:
        overrides: the words of the command.
        axes: what a preset has its sweep go through, as in Hydra's `sweeper.params`. They are among the words of each
            run, so the preset's name would say nothing more.
    """
    return [word for word in overrides if not (axes and word.startswith("experiment="))]


def _label(chosen: str | None, section: Target) -> str:
    """Return the option that the command chose, or the name of the group or its class."""
    return _slug(chosen or section.name or section.class_name)


def _slug(value: Any) -> str:
    """Return a value as part of a file name; one that does not stand there in full is told apart by a hash."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        short = f"{value:g}"
        return (short if float(short) == value else str(value)).replace("+", "")
    if isinstance(value, list) and len(value) > 1 and all(type(one) in (int, float) for one in value):
        return "-".join(map(_slug, value))
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", text.rstrip("/").rpartition("/")[2]).strip("-.")
    return f"{plain or 'x'}-{_digest(json.dumps(value))}"


def _slug_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9._]+", key) else _slug(key)


def _digest(text: str) -> str:
    return hashlib.sha256(as_bytes(text)).hexdigest()[:6]
