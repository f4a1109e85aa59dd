"""The checkpoints that a training leaves behind, read without a trainer."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deblur.errors import UserError
from deblur.reading import MissingFile, read_bytes

CHECKPOINTS = "checkpoints"  # the folder in a run's
BEST, LAST = "best.ckpt", "last.ckpt"  # in that folder: of the best epoch, and of the last one
SEEN = "seen_images"  # key of the digests of the images that a network was trained or validated on


def digest_of(image: str) -> str:
    """Return as much of an image's digest as tells it from all others."""
    return image[:16]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's plain values and tensors; no code in it can run.

    Returns:
        What it holds: `epoch` and `global_step`, from 0 up, `state_dict`, the weights by name, and more.

    Raises:
        UserError: where it is missing, cannot be read, is damaged, or holds anything else.
    """
    try:
        archive = io.BytesIO(read_bytes(path, largest=_size(path)))
    except MissingFile:
        raise UserError(
            f"{path} is missing: no epoch was validated, so there is nothing to test. Leave out what shortens the "
            "validation or the training, or use debug=fast_dev_run."
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # in a pickle, which is then refused
            _compare_checksums(archive)
            content: Any = torch.load(archive, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler and its archive reader raise
        raise UserError(f"{path} is no checkpoint of this program, or is damaged ({type(error).__name__}).") from error
    flaw = _flaw(content)
    if flaw is not None:
        raise UserError(f"{path} {flaw}.")
    return dict(content)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # reading it says why
        return 0


def _compare_checksums(archive: io.BytesIO) -> None:
    """Compare what a file holds with the checksums in it, which torch does not look at.

    Raises:
        ValueError: where they differ.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as held:
            damaged = held.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} is not what was written")
    archive.seek(0)


def mismatch(expected: Any, found: Any, where: str) -> str | None:
    """Return in what a value of any origin is not of the kind that is expected; None where it is.

    Mappings have to hold every key that is expected, and may hold more. Tensors are of one shape and type. Whole and
    decimal numbers count as one kind, and so does anything with an expected None.

    Args:
        expected: an example of what it should be.
        found: the value.
        where: its name in the text that is returned.
    """
    if expected is None:
        return None
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return f"{where} is no mapping"
        for key, inner in expected.items():
            if key not in found:
                return f"it lacks {where}.{key}"
            told = mismatch(inner, found[key], f"{where}.{key}")
            if told is not None:
                return told
        return None
    if isinstance(expected, Tensor):
        if not isinstance(found, Tensor) or (found.shape, found.dtype) != (expected.shape, expected.dtype):
            return f"{where} is no tensor of {list(expected.shape)} {str(expected.dtype).removeprefix('torch.')}"
        return None
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        fits = isinstance(found, int | float) and not isinstance(found, bool)
    else:
        fits = isinstance(found, type(expected))
    return None if fits else f"{where} is {found!r}"[:200]


def _flaw(content: Any) -> str | None:
    """Return what keeps a value from being the content of a checkpoint, for the end of a sentence."""
    if not isinstance(content, dict) or not {"epoch", "global_step", "state_dict"} <= content.keys():
        return "is no checkpoint of a training"
    for key in ("epoch", "global_step"):
        if type(content[key]) is not int or content[key] < 0:  # True is an int as well
            return f"is damaged: its {key} is no whole number from 0 up"
    weights = content["state_dict"]
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        return "is damaged: it holds no weights by name"
    return None
