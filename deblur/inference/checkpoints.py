"""The checkpoints of a training, read without a trainer."""

import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import torch
from torch import Tensor

from deblur.errors import UserError
from deblur.inference.description import ForeignFile
from deblur.reading import UnusableFile, refuse_special_file, unicode_name, unreadable
from deblur.text import one_line

CHECKPOINTS = "checkpoints"  # folder in a run's folder
BEST, LAST = "best.ckpt", "last.ckpt"  # of the best and of the last epoch
_BEFORE_ARCHIVES: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files of torch before 1.6 begin
_LONGEST_CALL: Final = 60  # characters of the name of a function that are shown
_PICKLE: Final = "data.pkl"  # of the archive: all values but the tensors' numbers
_LARGEST_PICKLE: Final = 64 * 2**20  # bytes; the digests of a million images have 30
# Functions that reading a checkpoint calls. torch itself allows more, such as `bytearray(10**11)`.
_CALLED: Final = re.compile(
    r"collections (OrderedDict|Counter)|(builtins|__builtin__) set|torch\._utils _rebuild_(tensor_v2|parameter)|"
    r"torch\.storage UntypedStorage|torch (\w+Storage|Size|device|float\d+|bfloat16|u?int\d+|bool)"
)


def digest_of(image: str) -> str:
    """Return as much of an image's digest as identifies it."""
    return image[:16]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's plain values and tensors; no code in it can run.

    The numbers of the tensors stay in the file until they are used.

    Returns:
        Its content: `epoch` and `global_step`, from 0 up, `state_dict`, the weights by name, and more.

    Raises:
        ForeignFile: if it holds anything else.
        UserError: if it is missing, cannot be read, or is damaged.
    """
    content = load_values(path)
    if not isinstance(content, dict) or not {"epoch", "global_step", "state_dict"} <= content.keys():
        raise ForeignFile(f"{path} is no checkpoint of a training.")
    flaw = _flaw(content)
    if flaw is not None:
        raise UserError(f"{path} is damaged: {flaw}.")
    return dict(content)


def load_values(path: Path) -> Any:
    """Load the plain values and tensors of a file that `torch.save` has written; no code in it can run.

    Raises:
        UserError: if it is missing, cannot be read, is damaged, or would call a function.
    """
    content: Any = None
    try:
        _refuse_traps(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # in a pickle, which is then refused
            with unicode_name(path) as name:
                content = torch.load(name, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: no epoch was validated, so there is nothing to test. Leave out what shortens the "
            "validation or the training, or use debug=fast_dev_run."
        ) from None
    except UnusableFile:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # of torch's unpickler and archive reader
        reason = str(error) if isinstance(error, _Trap) else type(error).__name__
        raise UserError(
            f"{path} is no checkpoint of this program, or is damaged ({reason}): give a run's folder, a checkpoint, or "
            "an exported .safetensors or .onnx file."
        ) from error
    return content


def mismatch(expected: Any, found: Any, where: str) -> str | None:
    """Return how a value of any origin differs from the expected kind; None if it does not.

    Mappings have to hold every expected key, and may hold more. Tensors are of one shape and type. Whole and decimal
    numbers count as one kind; an expected None accepts anything.

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
            reason = mismatch(inner, found[key], f"{where}.{key}")
            if reason is not None:
                return reason
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


def _flaw(content: Mapping[str, Any]) -> str | None:
    """Return why the content of a checkpoint is damaged, for the end of a sentence; None if it is not."""
    for key in ("epoch", "global_step"):
        if type(content[key]) is not int or content[key] < 0:  # True is an int as well
            return f"its {key} is no whole number from 0 up"
    weights = content["state_dict"]
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        return "it holds no weights by name"
    return None


class _Trap(Exception):
    """A file that would take the memory of the machine, or its time."""


def _refuse_traps(path: Path) -> None:
    """Refuse a file that is no archive as torch writes it, before it is loaded."""
    refuse_special_file(path, path.stat().st_mode)
    with path.open("rb") as file:
        if file.read(len(_BEFORE_ARCHIVES)) == _BEFORE_ARCHIVES:
            raise _Trap("it is of torch before 1.6; torch.save(torch.load(OLD, weights_only=True), NEW) makes it new")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise _Trap("it is compressed")  # a kilobyte may then stand for a gigabyte
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise _Trap("it declares more than it holds")
        pickles = [entry for entry in entries if entry.filename.rpartition("/")[2] == _PICKLE]
        if len(pickles) != 1 or pickles[0].file_size > _LARGEST_PICKLE:
            raise _Trap("it holds no values, or too many")
        with archive.open(pickles[0]) as file:
            _refuse_calls(file)
        damaged = archive.testzip()  # torch does not look at the checksums
        if damaged is not None:
            raise _Trap(f"{damaged} is not what was written")


def _refuse_calls(file: IO[bytes]) -> None:
    """Refuse a pickle that calls other functions than a checkpoint does."""
    for code, value, _ in pickletools.genops(file):
        if code.name in ("GLOBAL", "INST") and not _CALLED.fullmatch(str(value)):
            called = one_line(str(value))[:_LONGEST_CALL].replace(" ", ".")
            raise _Trap(f"it calls {called}, which no weights need")
        if code.name == "STACK_GLOBAL":
            raise _Trap("it is of a later protocol")
