"""Training on: the weights of a trained network in place of random ones, `weights=NETWORK`."""

import inspect
import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deblur.choices import HUB, PRETRAINED, listed_names
from deblur.config import TrainConfig
from deblur.config.keys import nearest, option_settings, options, question
from deblur.config.sections import Target, shown
from deblur.errors import UserError
from deblur.inference.hub import is_on_hub, pulled
from deblur.inference.pretrained import pretrained_file
from deblur.models.protocol import traits_of
from deblur.reading import UnusableFile
from deblur.runs.conditions import network_text
from deblur.runs.paths import near_place, refuse_no_run
from deblur.runs.records import read_status
from deblur.runs.states import is_replaceable
from deblur.text import counted

if TYPE_CHECKING:  # torch takes seconds
    from torch import nn

    from deblur.data.datamodule import DeblurDataModule
    from deblur.inference.trained import Trained

log = logging.getLogger(__name__)

_WITHOUT_WEIGHTS: Final = ".onnx"
_EXPORTED: Final = ".safetensors"
# Settings that may differ from those of the earlier training: those of a training, of its data, or of the machine.
_MAY_DIFFER: Final = frozenset({"boundary", "channels", "compile", "cpu_ops", "dropout", "kernel_error"})
_LONGEST: Final = 200  # characters of a file's own settings in a sentence

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Start:
    """What is known of the network whose weights a training begins with.

    Attributes:
        origins: its name, after those of the networks that it was itself trained on from.
        seen: digests of the images that it was trained or validated on; None if they are not known.
    """

    origins: tuple[str, ...]
    seen: frozenset[str] | None


def refuse_unfit_weights(config: TrainConfig, folder: Path, known: set[str] | None = None) -> None:
    """Refuse weights that a run cannot begin with, before anything is written.

    A run that has finished an epoch continues from its own checkpoint: its file of weights need not be there any more.

    Args:
        config: a checked configuration.
        folder: of the run.
        known: weights and networks of earlier runs, which are not checked again; those of this run are added.

    Raises:
        UserError: as `begin` does.
    """
    if config.weights is None:
        return
    is_replaced = config.overwrite and is_replaceable(folder, config.plain())
    if has_epochs(folder) and not is_replaced:
        return
    known = set() if known is None else known
    content = json.dumps([config.weights, config.model.plain()], default=str)
    if content in known:
        return
    _place(config.weights)  # before torch is imported
    from deblur.inference.building import build_network

    begin(config, build_network(config.model, config.trusted))
    known.add(content)


def has_epochs(folder: Path) -> bool:
    """Return whether a run has finished an epoch, so that it continues from its own checkpoint."""
    try:
        status = read_status(folder)
    except UnusableFile:
        return False
    return status["state"] == "done" or bool(status.get("epoch"))


def begin(config: TrainConfig, network: "nn.Module") -> Start:
    """Give a new network the weights of a trained one.

    Args:
        config: a checked configuration, with `weights`.
        network: of its `model`.

    Raises:
        UserError: if there is no trained network, it is damaged, its class is not allowed, or it is another network.
    """
    from deblur.inference.trained import load_trained

    weights = str(config.weights)
    trained = load_trained(_place(weights), config.trusted)
    _refuse_other_channels(weights, trained, network, config)
    _refuse_other_network(weights, trained, network, config)
    try:
        network.load_state_dict(trained.network.state_dict())
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:_LONGEST]
        raise UserError(
            f"weights={weights} does not fit the network of the command ({reason}): give weights of the same network."
        ) from error
    name = trained.name if weights.endswith(_EXPORTED) else network_text(weights)
    return Start((*trained.origins, name), trained.seen)


def leave_out_seen(start: Start, weights: str, data: "DeblurDataModule") -> None:
    """Leave out the test images that the earlier training has seen, and say so.

    Args:
        start: what is known of that training.
        weights: the setting.
        data: set up.

    Raises:
        UserError: if nothing is left.
    """
    from deblur.inference.checkpoints import digest_of

    name = network_text(weights)
    if start.seen is None:
        log.warning(
            f"Which images the network {name} was trained and validated on is not known: test images may be among "
            "them, which would flatter the result."
        )
        return
    test = data.splits.test
    seen = [index for index in test if digest_of(data.images.digests[index]) in start.seen]
    if len(seen) == len(test):
        raise UserError(
            f"The network of weights={weights} was trained or validated on all of the test images, which would flatter "
            "the result: give others, or the data.seed of its training."
        )
    if seen:
        log.warning(
            f"The test is without {counted(len(seen), 'image')} of {len(test)} that the network {name} was trained or "
            "validated on."
        )
        data.leave_out_of_test(seen)


def _place(weights: str) -> Path:
    """Return the path of the trained network, downloaded if it is on the Hub; torch is not imported."""
    if is_on_hub(weights):
        place = pulled(weights)
    else:
        place = pretrained_file(weights) if weights in PRETRAINED else Path(weights)
    if place.suffix == _WITHOUT_WEIGHTS:
        raise UserError(
            f"weights={weights} is a graph for onnxruntime, without weights that can be trained: give the run, the "
            "checkpoint or the .safetensors file of the same network."
        )
    if not place.exists():
        lacking = f" ({place})" if weights in PRETRAINED else ""
        near = nearest(place.name, PRETRAINED)
        asked = "" if lacking else question([near]) if near else near_place(place)
        raise UserError(
            f"weights={weights} does not exist{lacking}: give the name of a "
            f"pretrained network ({listed_names(PRETRAINED)}), a run's folder, a checkpoint, an exported "
            f"{_EXPORTED} file, or {HUB}USER/NAME.{asked}"
        )
    refuse_no_run(place)
    return place


def _refuse_other_channels(weights: str, trained: "Trained", network: "nn.Module", config: TrainConfig) -> None:
    held, wanted = traits_of(trained.network).channels, traits_of(network).channels
    if held != wanted:
        colors = {1: "gray", 3: "rgb"}
        raise UserError(
            f"weights={weights} holds a network for images of {counted(held, 'channel')}, and "
            f"data.color={config.data.color} gives images of {wanted}: give data.color={colors[held]}, or weights of a "
            f"network of {counted(wanted, 'channel')}."
        )


def _refuse_other_network(weights: str, trained: "Trained", network: "nn.Module", config: TrainConfig) -> None:
    """Refuse a network of another class or of settings that change what its weights mean, such as the dilations."""
    held, asked = trained.config["model"], config.model.plain()
    target, other = str(held.get("_target_")), config.model.target
    theirs, ours = (_complete(one, type(each)) for one, each in ((held, trained.network), (asked, network)))
    differing = [key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key)]
    if target == other and not differing:
        return
    if target == other:
        theirs, ours = ({key: one[key] for key in one if key in differing} for one in (theirs, ours))
    raise UserError(
        f"weights={weights} holds a network of {_described(held, theirs)}, and the command builds one of "
        f"{_described(asked, ours)}: {_cure(trained, target, config.model)}."
    )


def _described(settings: Settings, values: Settings) -> str:
    target = str(settings.get("_target_"))
    listed = ", ".join(f"{key}={shown(value)}" for key, value in values.items())
    text = f"{target.rpartition('.')[2]} with {listed}" if listed else target.rpartition(".")[2]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _complete(settings: Settings, kind: type) -> dict[str, Any]:
    """Return the settings that decide what a network computes, with the defaults of its class for missing ones."""
    parameters = inspect.signature(kind).parameters
    usual = {key: one.default for key, one in parameters.items() if one.default is not one.empty}
    given = usual | {key: value for key, value in settings.items() if key not in ("_target_", "name")}
    in_order = sorted(given, key=lambda key: list(parameters).index(key) if key in parameters else len(parameters))
    return {key: _plain(given[key]) for key in in_order if key not in _MAY_DIFFER}


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _cure(trained: "Trained", target: str, asked: Target) -> str:
    """Return which overrides build the network of a file.

    They choose the option of `model` that needs the fewest others; of several, that of the file, else that of the
    command, else the one with the shortest name.
    """
    kind = type(trained.network)
    theirs = _complete(trained.config["model"], kind)
    preferred = [trained.config["model"].get("name"), asked.name]
    found: list[list[str]] = []
    for name in sorted(options("model"), key=lambda name: (*(name != one for one in preferred), len(name))):
        settings = option_settings("model", name)
        if settings.get("_target_") != target:
            continue
        ours = _complete(settings, kind)
        differing = {key: value for key, value in theirs.items() if ours.get(key) != value}
        found.append([f"model={name}", *_overrides(differing, settings)])
    if not found:
        listed = " ".join(_overrides(theirs, {}))
        return f"give a model group with model._target_={target}{f' and {listed}' if listed else ''}"
    fewest = min(found, key=len)
    return f"give {' '.join(fewest)}"


def _overrides(values: Settings, there: Settings) -> Sequence[str]:
    """Return settings as overrides of a command; a key that the option lacks has to be added with a plus sign."""
    return [
        shlex.quote(f"{'' if key in there else '+'}model.{key}={shown(value)}")[:_LONGEST]
        for key, value in values.items()
    ]
