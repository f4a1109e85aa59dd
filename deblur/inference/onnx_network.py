"""A network that onnxruntime computes, for the tiles of an image; without torch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from deblur.errors import UserError
from deblur.inference.description import KEY, read_description
from deblur.inference.tiles import Plane, Planes, with_wiener_estimate
from deblur.reading import read_bytes

if TYPE_CHECKING:  # SciPy is loaded for a network that wants a Wiener estimate
    from deblur.blur.kernels import Psf
    from deblur.inference.onnx_graph import Sizes
    from deblur.wiener.prefilter import WienerPrefilter

_FATAL: Final = 4  # of onnxruntime's levels of its log: what is wrong is told by an exception
_PROBE: Final = (3, 5)  # px


def open_onnx(path: Path) -> "tuple[dict[str, Any], OnnxNetwork]":
    """Open a network that this program exported; no code in the file can run.

    Returns:
        What it says about itself (`settings`, `name`, `metrics`, `halo`, `size_divisor`), and the network.

    Raises:
        UserError: where onnxruntime or the file is missing, or the file is damaged or of another program.
    """
    try:
        import onnx  # noqa: F401 # reads what is then computed
        import onnxruntime
    except ImportError as error:
        missing = str(error.name).partition(".")[0]
        raise UserError(f"{path} needs {missing}: pip install deblur-lab[onnx] ({error}).") from error
    from deblur.inference.onnx_graph import LARGEST_FILE, Sizes, UnusableGraph, parsed

    content = _content(path, LARGEST_FILE)
    try:
        model = parsed(content)
    except UnusableGraph as error:
        raise _unusable(path, error) from error
    told = {entry.key: entry.value for entry in model.metadata_props}
    description = read_description(told.get(KEY), path)
    prefilter = _prefilter(description, path)
    sizes = Sizes(model, description.get("halo"))
    try:
        sizes.check(_shapes(sizes.inputs, prefilter, *_PROBE))
    except UnusableGraph as error:
        raise _not_computed(path, error) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = _threads()
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has classes of its own
        raise _unusable(path, error) from error
    network = OnnxNetwork(session, sizes, description.get("halo"), description.get("size_divisor", 1), prefilter)
    try:
        probed = network.run(np.zeros((network.planes, *_PROBE), np.float32))
    except Exception as error:  # as above
        raise _not_computed(path, error) from error
    if probed.shape != _PROBE or probed.dtype != np.float32:
        raise UserError(f"{path} is damaged: its network gives an image of another size or type. Export it again.")
    return description, network


def _content(path: Path, largest: int) -> bytes:
    try:
        path.stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give an exported .onnx file.") from error
    return read_bytes(path, largest=largest, cure="give an exported .onnx file")


def _unusable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{path} is no ONNX file of a network, or is damaged ({reason}): give one that was exported here.")


def _not_computed(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is damaged: its network cannot be computed ({' '.join(str(error).split())[:200]}).")


def _shapes(
    inputs: Sequence[str], prefilter: "WienerPrefilter | None", height: int, width: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what a network is given for a part of a plane: the blurred one, and its Wiener estimate."""
    planes = [1] if prefilter is None else [1, prefilter.planes]
    return {name: (1, count, height, width) for name, count in zip(inputs, planes, strict=False)}


def _prefilter(description: Mapping[str, Any], path: Path) -> "WienerPrefilter | None":
    told = description.get("prefilter")
    if told is None:
        return None
    from deblur.wiener.prefilter import WienerPrefilter

    try:
        return WienerPrefilter.of_plain(told)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(f"{path} is damaged: what it tells of its Wiener estimate cannot be so ({error}).") from error


class OnnxNetwork:
    """An exported network, which pads by itself."""

    def __init__(
        self,
        session: Any,
        sizes: "Sizes",
        halo: int | None,
        size_divisor: int,
        prefilter: "WienerPrefilter | None" = None,
    ) -> None:
        """Take an open network.

        Args:
            session: of onnxruntime, with an input and an output (N, 1, H, W), gray in [0, 1]; where there is a Wiener
                estimate it is a second input (N, G, H, W).
            sizes: of what it computes.
            halo: how far its receptive field reaches [px]; None where it is not known.
            size_divisor: at multiples of how many pixels a part of a plane may begin and end [px].
            prefilter: makes the Wiener estimate, if there is one.
        """
        self._session = session
        self._inputs = [given.name for given in session.get_inputs()]
        self._sizes = sizes
        self._checked: set[tuple[int, ...]] = set()  # shapes of parts
        self._halo = halo
        self._size_divisor = size_divisor
        self._prefilter = prefilter

    @property
    def halo(self) -> int | None:
        """How far the receptive field reaches [px]; None where it is not known."""
        return self._halo

    @property
    def size_divisor(self) -> int:
        """At multiples of how many pixels a part of a plane may begin and end [px]."""
        return self._size_divisor

    @property
    def planes(self) -> int:
        """How many planes the network is given: the blurred one and its Wiener estimate."""
        return 1 if self._prefilter is None else 1 + self._prefilter.planes

    @property
    def needs_kernel(self) -> bool:
        """Whether it has to be told what blurred each plane."""
        return self._prefilter is not None and self._prefilter.needs_kernel

    def prepare(self, plane: Plane, kernel: "Psf | None") -> Planes:
        """Return what the network is given; see `PlaneNetwork`."""
        return with_wiener_estimate(plane, kernel, self._prefilter)

    def __call__(self, surrounded: Planes) -> Plane:
        """Restore a part of a plane; see `PlaneNetwork`."""
        restored = self.run(surrounded)
        if not self._halo:
            return restored
        # What the network invents beyond the given surroundings reaches no further than these.
        return restored[self._halo : -self._halo, self._halo : -self._halo]

    def run(self, planes: Planes) -> Plane:
        """Return what the network gives (H, W) for all of what was prepared (C, H, W).

        Raises:
            UserError: where it would take more memory than a network of its layers.
        """
        self._check(*planes.shape[1:])
        given = [planes[None]] if self._prefilter is None else [planes[None, :1], planes[None, 1:]]
        (restored,) = self._session.run(None, dict(zip(self._inputs, given, strict=True)))
        plane_restored: Plane = restored[0, 0]
        return plane_restored

    def _check(self, height: int, width: int) -> None:
        from deblur.inference.onnx_graph import UnusableGraph

        if (height, width) in self._checked:
            return
        try:
            self._sizes.check(_shapes(self._inputs, self._prefilter, height, width))
        except UnusableGraph as error:
            raise UserError(f"The network is not computed: {error}. Give another.") from error
        self._checked.add((height, width))


def _threads() -> int:
    """Return how many threads this process may take, as torch does; 0 leaves it to onnxruntime."""
    given = os.environ.get("OMP_NUM_THREADS", "") or os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdecimal() else 0
