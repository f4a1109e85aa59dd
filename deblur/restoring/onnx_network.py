"""A network that onnxruntime computes, for the tiles of a picture; without torch."""

import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from deblur.errors import UserError
from deblur.networks.description import KEY, read_description
from deblur.restoring.tiles import Plane, PlaneNetwork

_FATAL: Final = 4  # of onnxruntime's levels of its log: what is wrong is told by an exception
_PROBE: Final = (3, 5)  # px


def open_onnx(path: Path) -> tuple[dict[str, Any], PlaneNetwork]:
    """Open a network that this program exported; no code in the file can run.

    Returns:
        What it says about itself (`settings`, `name`, `metrics`, `radius`), and the network.

    Raises:
        UserError: where onnxruntime or the file is missing, or the file is damaged or of another program.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{path} needs onnxruntime: pip install deblur-lab[onnx] ({error}).") from error
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give an exported .onnx file.") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = _threads()
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has classes of its own
        raise UserError(
            f"{path} is no ONNX file of a network, or is damaged ({' '.join(str(error).split())[:200]})."
        ) from error
    description = read_description(session.get_modelmeta().custom_metadata_map.get(KEY), path)
    network = OnnxNetwork(session, description.get("radius"))
    try:
        probed = network.run(np.zeros(_PROBE, np.float32))
    except Exception as error:  # as above
        raise UserError(
            f"{path} is damaged: its network cannot be computed ({' '.join(str(error).split())[:200]})."
        ) from error
    if probed.shape != _PROBE or probed.dtype != np.float32:
        raise UserError(f"{path} is damaged: its network gives a picture of another size or type. Export it again.")
    return description, network


class OnnxNetwork:
    """An exported network, which pads by itself."""

    def __init__(self, session: Any, radius: int | None) -> None:
        """Take an open network.

        Args:
            session: of onnxruntime, with one input and one output (N, 1, H, W), gray in [0, 1].
            radius: how far its receptive field reaches [px]; None where it is not known.
        """
        self._session = session
        self._input = session.get_inputs()[0].name
        self._radius = radius

    @property
    def radius(self) -> int | None:
        """How far the receptive field reaches [px]; None where it is not known."""
        return self._radius

    def __call__(self, surrounded: Plane) -> Plane:
        """Restore a part of a plane; see `PlaneNetwork`."""
        restored = self.run(surrounded)
        if not self._radius:
            return restored
        # What the network invents beyond the given surroundings reaches no further than these.
        return restored[self._radius : -self._radius, self._radius : -self._radius]

    def run(self, plane: Plane) -> Plane:
        """Return what the network gives for a whole plane (H, W)."""
        (restored,) = self._session.run(None, {self._input: plane[None, None]})
        plane_restored: Plane = restored[0, 0]
        return plane_restored


def _threads() -> int:
    """Return how many threads this process may take, as torch does; 0 leaves it to onnxruntime."""
    given = os.environ.get("OMP_NUM_THREADS", "") or os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdecimal() else 0
