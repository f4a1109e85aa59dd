"""What an exported file says about its network."""

from collections.abc import Mapping
from typing import Any, Final

from deblur.config.identity import config_without_paths
from deblur.errors import UserError
from deblur.inference.description import SEEN
from deblur.inference.trained import SETTINGS, Trained
from deblur.models.protocol import LARGEST_HALO, traits_of

_METRICS: Final = (
    "test",
    "val",
    "metrics",
    "model",
    "data",
    "versions",
    "git",
    "seed",
    "precision",
)  # not times, nor the machine


def describe(trained: Trained) -> dict[str, Any]:
    """Return plain values: `settings`, `metrics` and images of the training, `name`, `halo` and `size_divisor` [px].

    Places on this machine are left out.

    Raises:
        UserError: where the network sees too far for the format, or its `size_divisor` cannot be.
    """
    traits = traits_of(trained.network)
    halo = traits.halo
    if halo is not None and halo > LARGEST_HALO:
        raise UserError(
            f"The network sees {halo} px to each side, and an exported one at most {LARGEST_HALO}: take "
            "fewer or smaller layers (model.kernel_sizes, model.dilations, model.blocks, model.unshuffle)."
        )
    return {
        "name": trained.name,
        "settings": {key: _portable(trained.config[key]) for key in SETTINGS if key in trained.config},
        "metrics": {key: trained.metrics[key] for key in _METRICS if key in trained.metrics},
        "halo": halo,
        "size_divisor": traits.size_divisor,
        **({} if trained.seen is None else {SEEN: sorted(trained.seen)}),
    }


def _portable(section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {key: _portable(value) for key, value in config_without_paths(section).items()}
