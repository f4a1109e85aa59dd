"""A measured or drawn kernel, read from a file."""

import hashlib
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Unpack

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deblur.blur.degradation import AfterBlur, Degradation, DrawnKernel
from deblur.blur.kernels import Kernel, Psf
from deblur.blur.parameters import Text
from deblur.errors import UserError

MAX_SIDE = 501
"""Largest height and width of a kernel in px."""

MAX_BYTES = 64 * 2**20
"""Largest size of a file: far more than `MAX_SIDE` px a side take in any format."""

UNIT_SUM_TOLERANCE = 1e-3
"""How far the sum of an array may be from 1 without a warning: what the digits of a stored kernel can lose."""

ALLOWED: Final = (
    "Give a .npy array or a PNG, TIFF, BMP, PGM or JPEG image with one kernel: two dimensions, an odd height and an "
    f"odd width of at most {MAX_SIDE} px, values that are finite, at least 0 and not all 0."
)

_KEY: Final = "blur.path"
_NPY_START: Final = b"\x93NUMPY"
_ZIP_START: Final = b"PK"  # of an .npz archive
_IMAGE_FORMATS: Final = ("PNG", "TIFF", "BMP", "PPM", "JPEG")
_DEEP_GRAY_MODES: Final = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's, with more than 8 bits
_DIGEST_SHOWN: Final = 12  # hexadecimal digits that distinguish kernels in a table

_log = logging.getLogger(__name__)


class KernelFile(Degradation):
    """A blur whose kernel is in a file: measured, drawn by hand, or made by another program."""

    family = "kernel"
    label = "Kernel"
    texts: ClassVar[Mapping[str, Text]] = {
        "path": Text("a file with a kernel: blur.path=FILE", r".+"),
        "sha256": Text("the SHA-256 of the file, 64 hexadecimal digits, or null", r"[0-9a-fA-F]{64}", optional=True),
    }

    def __init__(self, path: str, sha256: str | None = None, **after: Unpack[AfterBlur]) -> None:
        """Read the kernel.

        Args:
            path: A .npy array or an image, read as gray: what a single bright pixel becomes. Of a file with several
                images the first is read.
            sha256: The digest that the file has to have, in 64 hexadecimal digits; None takes any content.
            **after: Noise and compression, as in `Degradation`.

        Raises:
            UserError: The file cannot be read, holds no kernel, or is another one than `sha256` says.
            ValueError: As in `Degradation`.
        """
        super().__init__(**after)
        content = _read(Path(path), _KEY)
        self.sha256 = hashlib.sha256(content).hexdigest()
        if sha256 is not None and sha256.lower() != self.sha256:
            raise UserError(
                f"blur.path={path} is not the file that blur.sha256 stands for: its SHA-256 is {self.sha256}, not "
                f"{sha256}. Give the file as it was, or take this one with blur.sha256=null."
            )
        self._kernel = _kernel(content, path, _KEY)

    def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:  # noqa: ARG002 # there is nothing to draw
        """Return the kernel."""
        return DrawnKernel(self._kernel, self.family, {"kernel": f"sha256-{self.sha256[:_DIGEST_SHOWN]}"})

    @property
    def fixed_kernel(self) -> Kernel:
        """The kernel."""
        return self._kernel

    @property
    def max_kernel_size(self) -> tuple[int, int]:
        """The size of the kernel."""
        height, width = self._kernel.psf.shape
        return height, width


def read_kernel(path: Path, key: str) -> Kernel:
    """Read the kernel of a file: a .npy array or an image.

    Args:
        path: the file.
        key: what messages call it.

    Raises:
        UserError: The file cannot be read or holds no kernel.
    """
    return _kernel(_read(path, key), str(path), key)


def kernel_levels(psf: Psf) -> NDArray[np.uint16]:
    """Return a kernel as a gray image of 16 bits, which `read_kernel` turns back into it but for the rounding.

    Args:
        psf: Of odd sides of at most `MAX_SIDE` px; its largest weight becomes white.
    """
    levels: NDArray[np.uint16] = np.rint(psf * (np.iinfo(np.uint16).max / psf.max())).astype(np.uint16)
    return levels


def _kernel(content: bytes, path: str, key: str) -> Kernel:
    try:
        return Kernel(_psf(content, path, key))
    except _NoKernelError as error:
        raise UserError(f"{key}={path} {error}. {ALLOWED}") from error


class _NoKernelError(ValueError):
    """A file that holds no kernel. Its text is a short reason, to follow the file's name: `is truncated`."""


def refuse_no_file(path: Path, key: str = _KEY) -> None:
    """Refuse a path that is none of a file.

    Raises:
        UserError: There is no such file.
        OSError: That cannot be known.
    """
    if not path.is_file():
        state = "is no file" if path.exists() else "does not exist"
        raise UserError(f"{key}={path} {state}: give a .npy array or an image with one kernel.")


def _read(path: Path, key: str) -> bytes:
    try:
        refuse_no_file(path, key)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{key}={path} has {size} bytes; at most {MAX_BYTES} are allowed. {ALLOWED}")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{key}={path} cannot be read ({error.strerror}). {ALLOWED}") from error


def _psf(content: bytes, path: str, key: str) -> Psf:
    """Read a kernel from a file's content and give it the sum 1."""
    if not content:
        raise _NoKernelError("is empty (0 bytes)")
    if content.startswith(_ZIP_START):
        raise _NoKernelError("is an archive of several arrays (.npz); store the one array with numpy.save")
    levels = _checked(_decoded(content))
    largest = float(levels.max())
    relative = levels / largest  # its sum is finite, whatever the levels
    total = largest * float(relative.sum())
    if content.startswith(_NPY_START) and not abs(total - 1.0) <= UNIT_SUM_TOLERANCE:
        _log.warning(
            "%s=%s has the sum %g; it is divided by that, so that the blur keeps the brightness.", key, path, total
        )
    psf: Psf = relative / relative.sum()
    return psf


def _decoded(content: bytes) -> NDArray[np.generic]:
    try:
        if content.startswith(_NPY_START):
            array: NDArray[np.generic] = np.load(io.BytesIO(content), allow_pickle=False)
            return array
        with Image.open(io.BytesIO(content), formats=_IMAGE_FORMATS) as image:
            if max(image.size) > MAX_SIDE:  # before anything is decoded
                raise _NoKernelError(f"has {image.height}x{image.width} px")
            if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
                raise _NoKernelError("is transparent in places, where it has no level")
            image.load()
            return np.array(image if image.mode in _DEEP_GRAY_MODES else image.convert("L"))
    except _NoKernelError:
        raise
    except UnidentifiedImageError as error:
        raise _NoKernelError("is neither a .npy array nor an image") from error
    # A damaged file can raise nearly anything: OSError, ValueError, EOFError, SyntaxError, MemoryError, ...
    except Exception as error:
        raise _NoKernelError(f"cannot be read ({' '.join(str(error).split()) or type(error).__name__})") from error


def _checked(values: NDArray[np.generic]) -> Psf:
    if values.dtype.kind not in "biuf":
        raise _NoKernelError(f"holds {values.dtype} values, not real numbers")
    if values.ndim != 2:
        raise _NoKernelError(f"has {values.ndim} dimensions, shape {values.shape}")
    height, width = values.shape
    if height % 2 == 0 or width % 2 == 0 or max(height, width) > MAX_SIDE:
        raise _NoKernelError(f"has {height}x{width} px")
    levels = values.astype(np.float64)
    if not np.isfinite(levels).all():
        raise _NoKernelError("holds values that are not finite")
    if levels.min() < 0:
        raise _NoKernelError(f"holds values below 0, down to {levels.min():g}")
    if not levels.any():
        raise _NoKernelError("holds nothing but 0")
    return levels
