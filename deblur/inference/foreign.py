"""Networks of other programs, whose architectures spandrel knows: weights in a file -> a network of the protocol.

spandrel is an extra. It tells the architecture and its sizes from the names and shapes of the weights.
"""

import importlib.util
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from deblur.errors import UserError
from deblur.inference.building import no_more_parameters_than, refuse_sizes
from deblur.inference.checkpoints import load_values
from deblur.inference.description import ForeignFile
from deblur.inference.levels import Pixels, as_unit
from deblur.inference.memory import free_memory, highest_use
from deblur.inference.overlapping import restored_in_tiles, tiles_of
from deblur.inference.tiles import Advance, KnownBlur, Planes
from deblur.inference.torch_network import TorchNetwork
from deblur.inference.trained import Trained, load_trained
from deblur.inference.weights import SUFFIX, load_tensors
from deblur.models.protocol import is_channels

TILE: Final = 512  # px; side of a part of an image for which there is not enough memory
OVERLAP: Final = 64  # px, at least, that neighboring parts share
SHARE: Final = 0.5  # of the free memory that an image may take: operators take more than their results
_PROBES: Final = (128, 256)  # px; sides of the images on which the memory is measured
_SPARE: Final = 2  # a network may have so many times the weights of its file, if some share their memory
_BUFFERS: Final = 512 * 2**20  # bytes that what a network computes from its sizes may take besides its weights
_EXTRA: Final = "spandrel_extra_arches"  # of spandrel's authors: architectures under licenses of their own
_FAILURE: Final = 200  # characters of another program's error that are shown

_log = logging.getLogger(__name__)


def load_network(place: Path, trusted: Sequence[str] = ()) -> Trained:
    """Load a network of this program as `load_trained` does, or the weights of another one.

    A network of another program has no settings, and nothing is known of the images that it has seen.

    Raises:
        UserError: as `load_trained` does; and if the file is of another program and spandrel is missing or does not
            know it, or its network does not map gray or RGB images to images of their size.
    """
    try:
        return load_trained(place, trusted)
    except ForeignFile as error:
        if importlib.util.find_spec("spandrel") is None:
            raise UserError(
                f"{error} If these are the weights of a network such as NAFNet, spandrel opens it: pip install "
                "deblur-lab[spandrel]."
            ) from error
        network = _opened(place)
        return Trained(network.name, network, {}, seen=frozenset())


class ForeignNetwork(nn.Module):
    """A network of another program, on whole images if the memory permits it.

    Its size requirements are met by spandrel, which continues an image by its mirror image to the right and below, and
    crops the result. If the free memory does not suffice for an image, it is restored in overlapping tiles, which is
    logged: where a network pools or attends over all of its input, the result then differs from that of the whole.
    The memory that an image needs is extrapolated from two small images: a part that grows with the square of the
    pixels, such as attention between all of them, is seen if it is in the maximum of these, and missed otherwise.

    Attributes:
        name: the architecture and the name of the file.
        channels: of the images, 1 or 3.
    """

    def __init__(self, descriptor: Any, name: str) -> None:
        """Take an `ImageModelDescriptor` of spandrel, of scale 1, and the name."""
        super().__init__()
        self.name = name
        self.channels: int = descriptor.input_channels
        self.module: nn.Module = descriptor.model
        self._descriptor = descriptor
        self._uses: list[float] = []  # per pixel of the small images
        self._chosen: dict[tuple[int, int], bool] = {}

    def to(self, *args: Any, **kwargs: Any) -> "ForeignNetwork":
        """Move the network; its weights stay laid out as they are, which views of them may rely on."""
        kwargs.pop("memory_format", None)
        return super().to(*args, **kwargs) if args or kwargs else self

    def forward(self, blurred: Tensor, advance: Advance | None = None) -> Tensor:
        """Restore images one by one.

        Args:
            blurred: (N, channels, H, W) in [0, 1].
            advance: called after each part of an image; see `parts`.

        Returns:
            (N, channels, H, W) in [0, 1].
        """
        return torch.cat([self._restored(image[None], advance) for image in blurred])

    def parts(self, height: int, width: int) -> int:
        """Return in how many parts an image is restored: 1 if it is restored whole."""
        return 1 if self._is_whole(height, width) else len(tiles_of(height, width, TILE, OVERLAP))

    def _restored(self, image: Tensor, advance: Advance | None) -> Tensor:
        if not self._is_whole(*image.shape[-2:]):
            return restored_in_tiles(image, self._computed, TILE, OVERLAP, advance)
        restored = self._computed(image)
        if advance is not None:
            advance()
        return restored

    def _computed(self, image: Tensor) -> Tensor:
        # A copy: the strides of an image of one pixel can be those of another layout, which other operators compute.
        restored: Tensor = self._descriptor(torch.empty(image.shape, device=image.device).copy_(image))
        return restored

    def _is_whole(self, height: int, width: int) -> bool:
        """Return whether an image is restored whole; decided once for each size, and logged if it is not."""
        if height <= TILE and width <= TILE:
            return True
        if (height, width) not in self._chosen:
            device = next(self.module.parameters()).device
            needed, free = self._use_of(height * width, device), free_memory(device)
            self._chosen[height, width] = needed <= SHARE * free
            if not self._chosen[height, width]:
                _log.warning(
                    "%s would take about %.1f GiB for an image of %dx%d px, and %.1f GiB are free: it is restored in "
                    "%d tiles of at most %d px that overlap by at least %d px. This differs from the result of the "
                    "whole image.",
                    self.name,
                    needed / 2**30,
                    width,
                    height,
                    free / 2**30,
                    len(tiles_of(height, width, TILE, OVERLAP)),
                    TILE,
                    OVERLAP,
                )
        return self._chosen[height, width]

    def _use_of(self, pixels: int, device: torch.device) -> float:
        """Return how much memory the network takes for an image of so many pixels [bytes].

        This is the multiple of the pixels and of their square that is measured on two small images.
        """
        if not self._uses:
            for side in _PROBES:
                probe = torch.zeros(1, self.channels, side, side, device=device)
                self._uses.append(highest_use(partial(self._computed, probe)) / side**2)
        (small, large), (first, second) = (side**2 for side in _PROBES), self._uses
        slope = max(second - first, 0) / (large - small)
        return pixels * (second + slope * (pixels - large))


class ForeignTorchNetwork(TorchNetwork):
    """A network of another program, which divides large images itself."""

    def __init__(self, network: ForeignNetwork, device: torch.device) -> None:
        """Move a network to the device; it computes in float32."""
        super().__init__(network, device)
        self._foreign = network

    def steps(self, height: int, width: int) -> int:
        """Return the number of parts; see `TileNetwork`."""
        return self._foreign.parts(height, width)

    def restore_whole(
        self,
        image: Pixels,
        known: KnownBlur,  # noqa: ARG002 # it takes none
        advance: Advance | None = None,
    ) -> Planes:
        """Restore a whole image; see `TileNetwork`."""
        planes = np.ascontiguousarray(np.moveaxis(as_unit(image), 2, 0))
        with self.computing():
            restored = self._foreign(torch.from_numpy(planes).to(self.device)[None], advance)
            return np.asarray(restored[0].numpy(force=True), np.float32)


def _opened(place: Path) -> ForeignNetwork:
    """Open the weights of another program by spandrel.

    Raises:
        UserError: if it does not know them, or their network is none for images of its own size.
    """
    import spandrel

    registry = _registry()
    weights = _weights(place, spandrel.canonicalize_state_dict)
    refuse_sizes(weights, place)
    found = next((each for each in registry.architectures("detection") if _detects(each.detect, weights)), None)
    if found is None:
        known = ", ".join(sorted({each.architecture.name for each in registry}, key=str.lower))
        raise UserError(
            f"{place} holds the weights of no network that this program or spandrel {spandrel.__version__} knows: give "
            f"a network of this program, or one of the architectures {known}."
        )
    architecture = found.architecture
    try:
        numbers = _SPARE * sum(map(torch.numel, weights.values()))
        held = sum(weight.nbytes for weight in weights.values())  # which may be buffers, too
        with no_more_parameters_than(_SPARE * len(weights), numbers, _BUFFERS + held):
            descriptor = architecture.load(dict(weights))
    except Exception as error:  # of any kind: the architectures are by many authors
        reason = " ".join(str(error).split())[:_FAILURE]
        raise UserError(
            f"{place} does not fit its network, {architecture.name} ({type(error).__name__}: {reason}): it is damaged, "
            f"or of a variant that spandrel {spandrel.__version__} does not know."
        ) from error
    refused = _refusal(descriptor, isinstance(descriptor, spandrel.ImageModelDescriptor))
    if refused:
        raise UserError(f"{place} is a network {architecture.name} {refused}")
    descriptor.float().eval()
    return ForeignNetwork(descriptor, f"{architecture.name} {place.name}")


def _registry() -> Any:
    """Return the architectures that spandrel knows, with those of its extra package if the user has installed it."""
    from spandrel import MAIN_REGISTRY

    if importlib.util.find_spec(_EXTRA) is None:
        return MAIN_REGISTRY
    from spandrel_extra_arches import EXTRA_REGISTRY

    registry = MAIN_REGISTRY.copy()
    registry.add(*EXTRA_REGISTRY, ignore_duplicates=True)
    return registry


def _weights(place: Path, canonicalized: Callable[[Any], Any]) -> Mapping[str, Tensor]:
    """Return the weights of a file by name, out of what training programs wrap around them.

    Raises:
        UserError: if there are none.
    """
    held: Any = load_tensors(place)[0] if place.suffix == SUFFIX else load_values(place)
    found = canonicalized(held) if isinstance(held, dict) and all(isinstance(key, str) for key in held) else None
    if not found or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()):
        raise UserError(
            f"{place} holds no weights by name: give a file with the weights of a network alone, as torch.save writes "
            "a state_dict()."
        )
    weights: Mapping[str, Tensor] = found
    return weights


def _detects(detect: Callable[[Any], bool], weights: Mapping[str, Tensor]) -> bool:
    """Return whether an architecture recognizes weights; one that fails on them does not."""
    try:
        return bool(detect(dict(weights)))
    except Exception:  # as above
        return False


def _refusal(descriptor: Any, is_of_images: bool) -> str:
    """Return why a network cannot be taken, for the end of a sentence; nothing if it can."""
    if not is_of_images:
        return "for images with a mask: give one that takes the image alone."
    if descriptor.scale != 1:
        return f"that enlarges images {descriptor.scale} times: give one that keeps their size (scale 1)."
    channels = descriptor.input_channels, descriptor.output_channels
    if not is_channels(channels[0]) or channels[0] != channels[1]:
        return (
            f"from images of {channels[0]} channels to images of {channels[1]}: give one from gray to gray images or "
            "from RGB to RGB images."
        )
    return ""
