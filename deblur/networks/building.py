"""Settings -> an untrained network."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from deblur.config.build import TRUSTED, build


def build_network(
    settings: Mapping[str, Any], trusted: Sequence[str] = (), allowed: Sequence[str] = TRUSTED
) -> nn.Module:
    """Build a network; `compile` in its settings is left to the training."""
    node = {key: value for key, value in settings.items() if key != "compile"}
    return build(node, nn.Module, trusted=trusted, allowed=allowed)
