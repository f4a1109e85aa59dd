"""A network that onnxruntime computes, for the tiles of an image; without torch."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from deblur.errors import UserError
from deblur.inference.description import KEY, read_description
from deblur.inference.tiles import Planes, TileNetwork
from deblur.reading import read_bytes

if TYPE_CHECKING:  # onnx is an extra
    from deblur.inference.onnx_graph import Sizes

_FATAL: Final = 4  # of onnxruntime's log levels: an exception says what is wrong
_PROBE: Final = (3, 5)  # px
_CURE: Final = "give an exported .onnx file"


def open_onnx(path: Path) -> "tuple[dict[str, Any], OnnxNetwork]":
    """Open a network that this program exported; no code in the file can run.

    Returns:
        Its description (`settings`, `name`, `metrics`, `channels`, `halo`, `size_divisor`), and the network.

    Raises:
        UserError: if onnxruntime or the file is missing, or the file is damaged or of another program.
    """
    try:
        import onnx  # noqa: F401 # checks the file before it is computed
        import onnxruntime
    except ImportError as error:
        missing = str(error.name).partition(".")[0]
        raise UserError(f"{path} needs {missing}: pip install deblur-lab[onnx] ({error}).") from error
    from deblur.inference.onnx_graph import LARGEST_FILE, Sizes, UnusableGraph, parsed

    try:
        path.stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {_CURE}.") from error
    content = read_bytes(path, largest=LARGEST_FILE, cure=_CURE)
    try:
        model = parsed(content)
    except UnusableGraph as error:
        raise _unusable(path, error) from error
    stored = {entry.key: entry.value for entry in model.metadata_props}
    description = read_description(stored.get(KEY), path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = _threads()
    network = OnnxNetwork(Sizes(model, description.get("halo")), description)
    try:
        network.check(*_PROBE)
    except UnusableGraph as error:
        raise _not_computed(path, error) from error
    try:
        network.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of onnxruntime's classes
        raise _unusable(path, error) from error
    try:
        probed = network.run(np.zeros((network.channels, *_PROBE), np.float32))
    except Exception as error:  # as above
        raise _not_computed(path, error) from error
    if probed.shape != (network.channels, *_PROBE) or probed.dtype != np.float32:
        raise UserError(f"{path} is damaged: its network gives an image of another size or type. Export it again.")
    return description, network


def _unusable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{path} is no ONNX file of a network, or is damaged ({reason}): give one that was exported here.")


def _not_computed(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is damaged: its network cannot be computed ({' '.join(str(error).split())[:200]}).")


class OnnxNetwork(TileNetwork):
    """An exported network, which pads by itself.

    Attributes:
        session: of onnxruntime, with an input and an output (N, channels, H, W) in [0, 1]. It is opened once a small
            input has been checked.
    """

    session: Any

    def __init__(self, sizes: "Sizes", description: Mapping[str, Any]) -> None:
        """Take the sizes and the description of a graph."""
        channels = description.get("channels", 1)  # older files have none
        super().__init__(channels, description.get("halo"), description.get("size_divisor", 1))
        self._sizes = sizes
        self._checked: set[tuple[int, int]] = set()

    def check(self, height: int, width: int) -> None:
        """Refuse a size for which the graph needs too much memory.

        Raises:
            UnusableGraph: with a short reason.
        """
        if (height, width) not in self._checked:
            self._sizes.check(dict.fromkeys(self._sizes.inputs[:1], (1, self.channels, height, width)))
            self._checked.add((height, width))

    def __call__(self, surrounded: Planes) -> Planes:
        """Restore a part of an image; see `TileNetwork`."""
        restored = self.run(surrounded)
        if not self.halo:
            return restored
        # The padding of the network reaches no further than the given surroundings.
        return restored[:, self.halo : -self.halo, self.halo : -self.halo]

    def run(self, planes: Planes) -> Planes:
        """Return the output (channels, H, W) for an image (channels, H, W).

        Raises:
            UserError: if it would take more memory than a network of its layers.
        """
        from deblur.inference.onnx_graph import UnusableGraph

        try:
            self.check(*planes.shape[1:])
        except UnusableGraph as error:
            raise UserError(f"The network is not computed: {error}. Give another.") from error
        (name,) = self._sizes.inputs
        (restored,) = self.session.run(None, {name: planes[None]})
        image: Planes = restored[0]
        return image


def _threads() -> int:
    """Return how many threads this process may take, as torch does; 0 leaves it to onnxruntime."""
    given = os.environ.get("OMP_NUM_THREADS", "") or os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdecimal() else 0
