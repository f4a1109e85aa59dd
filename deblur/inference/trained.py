"""Runs, checkpoints and exported files -> trained networks."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from deblur.config.places import CONFIG_FILE
from deblur.errors import UserError
from deblur.inference.building import rebuild_network
from deblur.inference.checkpoints import BEST, CHECKPOINTS, load_checkpoint
from deblur.inference.description import (
    ORIGINS,
    SEEN,
    ForeignFile,
    check_settings,
    checked_origins,
    checked_seen,
    has_settings,
)
from deblur.inference.weights import SUFFIX, read_weights
from deblur.models.protocol import traits_of
from deblur.reading import MissingFile
from deblur.runs.paths import refuse_no_run
from deblur.runs.records import read_config, read_metrics

_PREFIX: Final = "network."  # of the network's weights in a checkpoint
SETTINGS: Final = ("model", "optimizer", "scheduler", "loss", "metrics", "seed", "blur", "data")
"""Sections of the configuration in a checkpoint or an exported file."""


@dataclass(frozen=True)
class Trained:
    """A trained network and what is known of its training.

    Attributes:
        name: of the run, or of the file.
        network: with the trained weights.
        config: the run's configuration, or the part of it that a file holds.
        metrics: content of the run's metrics.json; empty if it is not known.
        seen: digests (see `digest_of`) of its training and validation images; None if they are not known.
        origins: names of the networks that it was trained on from, the first one first.
    """

    name: str
    network: nn.Module
    config: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    seen: frozenset[str] | None = None
    origins: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the images of its training and test, if it is known."""
        found: str | None = (self.metrics.get("data") or {}).get("fingerprint")
        return found


def load_trained(place: Path, trusted: Sequence[str] = ()) -> Trained:
    """Load a network from a run's folder (its best epoch), from a checkpoint alone, or from an exported file.

    Only classes of `deblur.models` and of `trusted` modules are built; no code in a file can run.

    Raises:
        ForeignFile: if it is of another program.
        UserError: if it is missing or damaged, or its network is not allowed.
    """
    refuse_no_run(place)
    source, metrics = place, {}
    if place.is_dir():
        config = read_config(place)
        source = place / CHECKPOINTS / BEST
        if not source.exists():
            raise UserError(f"{place} has no {CHECKPOINTS}/{BEST}: the run has not finished an epoch yet.")
        with contextlib.suppress(MissingFile):
            metrics = read_metrics(place)
        if not has_settings(config):
            raise UserError(f"{place / CONFIG_FILE} is damaged: it lacks the sections model and blur.")
        check_settings(config, place / CONFIG_FILE)
        name, content = _name_of(place), load_checkpoint(source)
        weights = _weights(content)
    elif place.suffix == SUFFIX:
        weights, content = read_weights(place)
        config = content["settings"]
        name, metrics = content.get("name") or place.stem, content.get("metrics") or {}
    else:
        name, content = place.stem, load_checkpoint(place)
        settings: Any = content.get("hyper_parameters")
        if not has_settings(settings):
            raise ForeignFile(f"{place} is no checkpoint of this program: it holds no settings of a network.")
        check_settings(settings, place)
        config = {key: settings[key] for key in SETTINGS if key in settings}
        weights = _weights(content)
    network = rebuild_network(config["model"], weights, source, trusted).eval()
    _refuse_other_channels(network, config, source)
    seen, origins = checked_seen(content.get(SEEN), source), checked_origins(content.get(ORIGINS), source)
    return Trained(name, network, config, metrics, seen, origins)


def _refuse_other_channels(network: nn.Module, config: Mapping[str, Any], path: Path) -> None:
    """Refuse a network that does not state the channels of the images that it was trained on.

    Raises:
        UserError: if it does not, or states impossible ones.
    """
    color, channels = (config.get("data") or {}).get("color", "gray"), traits_of(network).channels
    if color == "rgb" and channels == 1:
        raise UserError(
            f"{path} was trained with data.color=rgb, and its class {type(network).__name__} lacks the attribute "
            "channels=3: add it to the class (see deblur.models.protocol)."
        )


def _name_of(folder: Path) -> str:
    """Return the name of a run; that of a single run is its folder's parent, above its time."""
    folder = folder.resolve()
    return folder.parent.name if folder.parent.parent.name == "runs" else folder.name


def _weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    held = content["state_dict"]
    return {key.removeprefix(_PREFIX): value for key, value in held.items() if key.startswith(_PREFIX)}
