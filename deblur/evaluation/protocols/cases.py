"""The cases of a protocol: which files belong together, and blurred and sharp images made or read from them."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from deblur.blur.images import AnyImage, Extension, Scalar, as_float
from deblur.blur.kernel_file import read_kernel
from deblur.blur.kernels import Kernel, Psf, convolve
from deblur.config.protocols import NoisyProtocol, ProtocolSettings, SyntheticProtocol
from deblur.data.folders import find_images
from deblur.errors import UserError
from deblur.evaluation.protocols.protocol import Protocol, Rounding
from deblur.image_io.decoding import (
    IMAGE_SUFFIXES,
    BadImageError,
    digest,
    printable,
    read_gray,
    read_rgb_and_gray,
)

Pixels = NDArray[np.float32]
"""An image (H, W) or (H, W, 3); a blurred one with unclipped noise may leave [0, 1]."""

WHITE: Final = 255.0  # gray levels
LEAST_SIDE: Final = 11  # of what is compared [px]: the window of SSIM
_ROUNDING_ERROR: Final = 1e-3  # gray levels of a convolution in float32, so that 10 stays 10 if it is cut to 8 bits
_LEVIN_NAME: Final = re.compile(r"im(\d+)_kernel(\d+)_img\.png")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Case:
    """One blurred image that is restored.

    Attributes:
        name: of the image, relative to its folder.
        sharp: its file.
        blurred: the file of the blurred image; None if it is made from the sharp one.
        kernel: that blurred it; None if it is not known.
        kernel_name: of its file; empty for none.
        noise_sigma: of the noise that is added [gray levels of 255].
    """

    name: str
    sharp: Path
    blurred: Path | None = None
    kernel: Kernel | None = None
    kernel_name: str = ""
    noise_sigma: float = 0.0

    @property
    def psf(self) -> Psf | None:
        """The weights of the kernel."""
        return None if self.kernel is None else self.kernel.psf


@dataclass(frozen=True, eq=False)
class Pair:
    """The images of a case, of one shape.

    Attributes:
        blurred: what is restored.
        sharp: what a result is compared with, in [0, 1].
        digest: of the decoded gray sharp image, whole.
    """

    blurred: Pixels
    sharp: Pixels
    digest: str


def find_cases(protocol: Protocol, root: Path, settings: ProtocolSettings) -> list[Case]:
    """Find the cases of a protocol in a folder, all levels of noise of an image and a kernel one after the other.

    Args:
        protocol: what is measured.
        root: the folder of its data.
        settings: the inputs of the protocol.

    Raises:
        UserError: if files are missing, in a sentence that says where the data are published and how they have to lie.
    """
    if isinstance(settings, SyntheticProtocol):
        kernels = find_kernels(Path(settings.kernels))
        names = spread(find_images(root), settings.max_images)
        found = [Case(name, root / name, None, kernel, label) for name in names for label, kernel in kernels.items()]
    else:
        found = _GIVEN.get(protocol.name, _realblur)(protocol, root)
        if not found:
            raise protocol.missing(f"data.root={root} holds no image of it")
        kept = set(spread(list(dict.fromkeys(case.sharp for case in found)), settings.max_images))
        found = [case for case in found if case.sharp in kept]
        for case in found:
            absent = next(
                (path for path in (case.sharp, case.blurred) if path is not None and not path.is_file()), None
            )
            if absent is not None:
                raise protocol.missing(f"{printable(str(absent))} is missing")
    levels = settings.noise_sigma if isinstance(settings, NoisyProtocol) else [0.0]
    return [replace(case, noise_sigma=float(level)) for case in found for level in levels]


def find_kernels(folder: Path) -> dict[str, Kernel]:
    """Read the kernels of a folder, by their names: its .npy arrays, or its images if it has no array.

    The names have no suffix, unless two files differ in that alone.

    Raises:
        UserError: if there is none, or one cannot be read.
    """
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    arrays = [path for path in files if path.suffix.lower() == ".npy"]
    chosen = arrays or [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not chosen:
        raise UserError(
            f"protocol.kernels={folder} holds neither .npy arrays nor images: give a folder of kernels, one a file."
        )
    stems = [path.stem for path in chosen]
    return {
        path.stem if stems.count(path.stem) == 1 else path.name: read_kernel(path, "protocol.kernels")
        for path in sorted(chosen, key=_natural)
    }


def spread(items: Sequence[Item], count: int | None) -> list[Item]:
    """Return some of the items, evenly spaced, so that the scenes of a data set have their parts."""
    if count is None or count >= len(items):
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.as_posix())]


def _levin(protocol: Protocol, root: Path) -> list[Case]:
    matched = [
        (found, path)
        for path in sorted(root.glob("im*_kernel*_img.png"), key=_natural)
        if (found := _LEVIN_NAME.fullmatch(path.name))
    ]
    kernels: dict[str, Kernel] = {}
    for label in dict.fromkeys(f"kernel{found[2]}" for found, _ in matched):
        file = root / f"{label}.npy"
        if not file.is_file():
            raise protocol.missing(f"{printable(str(file))} is missing")
        kernels[label] = read_kernel(file, "data.root")
    return [
        Case(path.name, root / f"im{found[1]}.png", path, kernels[f"kernel{found[2]}"], f"kernel{found[2]}")
        for found, path in matched
    ]


def _gopro(protocol: Protocol, root: Path) -> list[Case]:  # noqa: ARG001 # as all readers
    found = sorted(root.glob("test/*/blur/*.png"), key=_natural)
    return [Case(_name(path, root), path.parents[1] / "sharp" / path.name, path) for path in found]


def _hide(protocol: Protocol, root: Path) -> list[Case]:  # noqa: ARG001 # as all readers
    folders = (root / "test" / name for name in ("test-close-ups", "test-long-shot"))
    found = [path for folder in folders for path in sorted(folder.glob("*.png"), key=_natural)]
    return [Case(_name(path, root), root / "GT" / path.name, path) for path in found]


def _reds(protocol: Protocol, root: Path) -> list[Case]:  # noqa: ARG001 # as all readers
    base = next((each for each in (root, root / "val") if (each / "val_blur").is_dir()), root)
    found = sorted(base.glob("val_blur/*/*.png"), key=_natural)
    return [Case(_name(path, root), base / "val_sharp" / path.parent.name / path.name, path) for path in found]


def _realblur(protocol: Protocol, root: Path) -> list[Case]:
    file = root / f"RealBlur_{protocol.name[-1].upper()}_test_list.txt"
    try:
        lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise protocol.missing(f"{printable(str(file))} is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{printable(str(file))} cannot be read ({error}): give the list as it is published."
        ) from error
    for number, words in enumerate(lines, start=1):
        if len(words) < 2:
            raise UserError(
                f"{printable(str(file))} names {len(words)} file in its line {number} of text: a line names a sharp "
                "and a blurred "
                "image."
            )
    return [Case(blurred, root / sharp, root / blurred) for sharp, blurred, *_ in lines]


_GIVEN: Final[Mapping[str, Callable[[Protocol, Path], list[Case]]]] = {
    "levin2009": _levin,
    "gopro": _gopro,
    "hide": _hide,
    "reds": _reds,
    "realblur_j": _realblur,
    "realblur_r": _realblur,
}


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def load(case: Case, protocol: Protocol, seed: int = 0) -> Pair:
    """Read the images of a case, and blur the sharp one if that is the protocol.

    Args:
        case: one of `find_cases`.
        protocol: whose it is.
        seed: of the noise, which depends on the image's name, the kernel's name and the level as well.

    Raises:
        UserError: if an image cannot be read, is too small, or the two differ in size.
    """
    sharp, sharp_digest = _read(case.sharp, protocol)
    rng = noise_generator(seed, case)
    if case.blurred is None:
        if case.kernel is None:
            raise ValueError("a case without a blurred image needs a kernel")
        blurred = degraded(sharp, case.kernel, protocol, case.noise_sigma, rng)
        sharp = within(sharp, case.kernel, protocol)
    else:
        given, _ = _read(case.blurred, protocol)
        if given.shape != sharp.shape:
            sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (given, sharp)]
            raise UserError(
                f"{printable(str(case.blurred))} has {sizes[0]} px and {printable(str(case.sharp))} {sizes[1]}: a "
                "pair is of one "
                "size. Give the data set as it is published."
            )
        blurred = as_float(given) if case.noise_sigma == 0 else _noisy(given.astype(np.float64), case.noise_sigma, rng)
    side = min(sharp.shape[:2]) - 2 * protocol.cut
    if side < LEAST_SIDE:
        raise UserError(
            f"{printable(str(case.sharp))} is too small for protocol={protocol.name}: of its shorter side "
            f"{max(side, 0)} px are "
            f"compared, and {LEAST_SIDE} are needed. Leave it out."
        )
    return Pair(blurred, as_float(sharp), sharp_digest)


def noise_generator(seed: int, case: Case) -> np.random.Generator:
    """Return the generator of the noise of a case: the same for every method, whatever else is measured."""
    key = f"{seed}|{case.name}|{case.kernel_name}|{case.noise_sigma:g}"
    content = hashlib.sha256(key.encode(errors="surrogatepass")).digest()
    return np.random.default_rng(np.frombuffer(content, np.uint32).tolist())


def degraded(
    sharp: AnyImage, kernel: Kernel, protocol: Protocol, noise_sigma: float, rng: np.random.Generator
) -> Pixels:
    """Blur a sharp image as a protocol does it, the colors with one kernel and noise of their own.

    Args:
        sharp: (H, W) or (H, W, 3).
        kernel: what a single bright pixel becomes.
        protocol: fixes boundary and rounding.
        noise_sigma: of the white noise [gray levels of 255].
        rng: draws the noise.

    Returns:
        The blurred image; with a valid boundary it is smaller than the sharp one.
    """
    extension: Extension = "circular" if protocol.boundary == "circular" else "symmetric"
    planes = [np.ascontiguousarray(plane) for plane in _planes(sharp)]
    blurred = np.stack([convolve(plane, kernel, extension) for plane in planes], -1).astype(np.float64)
    blurred = within(blurred if sharp.ndim == 3 else blurred[..., 0], kernel, protocol)
    rounding: Rounding = protocol.rounding
    if rounding == "before_noise":
        levels = np.floor(np.clip(blurred, 0, WHITE) + _ROUNDING_ERROR)
        return np.asarray((levels + noise_sigma * rng.standard_normal(levels.shape)) / WHITE, dtype=np.float32)
    return _noisy(blurred, noise_sigma, rng)


def within(image: NDArray[Scalar], kernel: Kernel, protocol: Protocol) -> NDArray[Scalar]:
    """Return the part of an image that the blurred image shows: all of it, or with a valid boundary its middle."""
    if protocol.boundary == "circular":
        return image
    rows, columns = (size // 2 for size in kernel.psf.shape)
    return image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]


def _noisy(levels: NDArray[np.float64], noise_sigma: float, rng: np.random.Generator) -> Pixels:
    """Add noise to gray levels, clip and round."""
    noisy = levels + noise_sigma * rng.standard_normal(levels.shape)
    return np.asarray(np.rint(np.clip(noisy, 0, WHITE)) / WHITE, dtype=np.float32)


def _planes(image: AnyImage) -> Iterator[NDArray[np.uint8]]:
    yield from ([image] if image.ndim == 2 else np.moveaxis(image, 2, 0))


def _read(path: Path, protocol: Protocol) -> tuple[AnyImage, str]:
    """Read an image in the protocol's color, with the digest of its gray pixels, by which data sets know an image."""
    try:
        if protocol.color == "gray":
            gray = read_gray(path)
            return gray, digest(gray)
        rgb, gray = read_rgb_and_gray(path)
        return rgb, digest(gray)
    except BadImageError as error:
        raise UserError(f"{printable(str(path))} {error}: give the data set as it is published.") from error
