"""What can restore a blurred image: a trained network, or a classical baseline that knows the kernel."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deblur.baselines import Baseline
from deblur.blur.kernels import Weights
from deblur.errors import UserError
from deblur.runs import CONFIG_FILE, METRICS_FILE, read_config, read_json
from deblur.training.checkpoints import CHECKPOINTS, load_checkpoint
from deblur.training.optimizers import build_network

_PREFIX = "network."  # of the network's weights in a checkpoint
_SETTINGS = ("model", "optimizer", "scheduler", "loss", "seed", "blur", "data")  # that a checkpoint holds


class Restorer(ABC):
    """Restores blurred images.

    Attributes:
        name: what tables call it.
    """

    name: str

    @abstractmethod
    def restore(self, blurred: Tensor, kernels: Sequence[Weights]) -> Tensor:
        """Restore a batch.

        Args:
            blurred: (N, 1, H, W) in [0, 1], float32.
            kernels: what each image was blurred with.

        Returns:
            (N, 1, H, W), not clamped.
        """


class NetworkRestorer(Restorer):
    """A network, which does not need the kernels."""

    def __init__(self, name: str, network: nn.Module) -> None:
        """Take a trained network."""
        self.name = name
        self._network = network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._network.to(device)

    def restore(self, blurred: Tensor, kernels: Sequence[Weights]) -> Tensor:  # noqa: ARG002 # it saw enough of them
        """Restore a batch in float32."""
        restored: Tensor = self._network(blurred)
        return restored


class BaselineRestorer(Restorer):
    """A classical baseline, which takes one image at a time."""

    def __init__(self, baseline: Baseline) -> None:
        """Take a baseline that has been fitted."""
        self.name = baseline.name
        self._baseline = baseline

    def restore(self, blurred: Tensor, kernels: Sequence[Weights]) -> Tensor:
        """Restore a batch, image by image, on the processor."""
        images = blurred[:, 0].numpy(force=True)
        restored = [self._baseline.restore(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(restored)[:, None].astype(np.float32)).to(blurred.device)


@dataclass(frozen=True)
class Trained:
    """A trained network and what is known of its training.

    Attributes:
        name: of the run, or of the checkpoint's file.
        network: with the trained weights.
        config: the run's configuration, or the part of it that a checkpoint holds.
        fingerprint: of the images that it was trained and tested on, where that is known.
    """

    name: str
    network: nn.Module
    config: Mapping[str, Any]
    fingerprint: str | None


def load_trained(place: Path, trusted: Sequence[str] = ()) -> Trained:
    """Load a network from a run's folder (its best epoch), or from a checkpoint alone.

    Only classes of `deblur.models` are built, and such as the user trusts; no code in a checkpoint can run.

    Args:
        place: the folder or the file.
        trusted: modules that the user named on the command line.

    Raises:
        UserError: where there is none, it is damaged, of another program, or its network is not allowed.
    """
    if place.is_dir():
        config = read_config(place)
        checkpoint = place / CHECKPOINTS / "best.ckpt"
        if not checkpoint.is_file():
            raise UserError(f"{place} has no {CHECKPOINTS}/best.ckpt: the run has not finished an epoch yet.")
        has_metrics = (place / METRICS_FILE).is_file()
        fingerprint = read_json(place / METRICS_FILE).get("data", {}).get("fingerprint") if has_metrics else None
        content = load_checkpoint(checkpoint)
        return Trained(_name_of(place), _restored_network(config, content, checkpoint, trusted), config, fingerprint)
    if not place.is_file():
        raise UserError(
            f"run={place} does not exist: give a run's folder, with its {CONFIG_FILE}, or a checkpoint file."
        )
    content = load_checkpoint(place)
    settings = content.get("hyper_parameters")
    if not isinstance(settings, dict) or not {"model", "blur", "data"} <= settings.keys():
        raise UserError(f"{place} is no checkpoint of this program: it holds no settings of a network.")
    config = {key: settings[key] for key in _SETTINGS if key in settings}
    return Trained(place.stem, _restored_network(config, content, place, trusted), config, None)


def _name_of(folder: Path) -> str:
    """Return the name of a run; that of a single run is its folder's parent, above its time."""
    folder = folder.resolve()
    return folder.parent.name if folder.parent.parent.name == "runs" else folder.name


def _restored_network(
    config: Mapping[str, Any], content: Mapping[str, Any], path: Path, trusted: Sequence[str]
) -> nn.Module:
    network = build_network(config["model"], trusted, allowed=("deblur.models",))
    weights = {
        key.removeprefix(_PREFIX): value for key, value in content["state_dict"].items() if key.startswith(_PREFIX)
    }
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} does not fit its network ({reason[:200]}): it is damaged.") from error
    return network
