"""The checkpoints that a training leaves behind, read without a trainer."""

import pickletools
import re
import stat
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any, Final

import torch

from deblur.errors import UserError

CHECKPOINTS = "checkpoints"  # the folder in a run's
_PICKLE: Final = "data.pkl"  # of the archive: all values but the tensors' numbers
_LARGEST_PICKLE: Final = 64 * 2**20  # bytes; the digests of a million images have 30
# What is called when a checkpoint of a training is read. torch itself allows more, such as `bytearray(10**11)`.
_CALLED: Final = re.compile(
    r"collections (OrderedDict|Counter)|(builtins|__builtin__) set|torch\._utils _rebuild_(tensor_v2|parameter)|"
    r"torch\.storage UntypedStorage|torch (\w+Storage|Size|device|float\d+|bfloat16|u?int\d+|bool)"
)


def digest_of(image: str) -> str:
    """Return as much of an image's digest as tells it from all others."""
    return image[:16]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's plain values and tensors; no code in it can run.

    The numbers of the tensors stay in the file until they are used.

    Raises:
        UserError: where it is missing, damaged, or holds anything else.
    """
    try:
        _refuse_traps(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # in a pickle, which is then refused
            content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: no epoch was validated, so there is nothing to test. Leave out what shortens the "
            "validation or the training, or use debug=fast_dev_run."
        ) from None
    except Exception as error:  # torch raises what its unpickler and its archive reader raise
        reason = str(error) if isinstance(error, _Trap) else type(error).__name__
        raise UserError(
            f"{path} is no checkpoint of this program, or is damaged ({reason}): give a run's folder, a checkpoint, or "
            "an exported .safetensors or .onnx file."
        ) from error
    if not isinstance(content, dict) or not {"epoch", "global_step", "state_dict"} <= content.keys():
        raise UserError(f"{path} is no checkpoint of a training.")
    if not all(type(content[key]) is int and content[key] >= 0 for key in ("epoch", "global_step")):
        raise UserError(f"{path} is damaged: its epoch and global_step are no whole numbers from 0 up.")
    return dict(content)


class _Trap(Exception):
    """What takes the memory of the machine, or its time, when it is read."""


def _refuse_traps(path: Path) -> None:
    """Refuse a file that is no archive as torch writes it, before anything in it is believed.

    Raises:
        _Trap: where it is none.
        FileNotFoundError, OSError, zipfile.BadZipFile: where it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise _Trap("it is no file")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise _Trap("it is compressed")  # a kilobyte may then stand for a gigabyte
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise _Trap("it tells of more than it holds")
        pickles = [entry for entry in entries if entry.filename.rpartition("/")[2] == _PICKLE]
        if len(pickles) != 1 or pickles[0].file_size > _LARGEST_PICKLE:
            raise _Trap("it holds no values, or too many")
        with archive.open(pickles[0]) as file:
            _refuse_calls(file)


def _refuse_calls(file: IO[bytes]) -> None:
    """Refuse a pickle that calls what no training has left there."""
    for code, value, _ in pickletools.genops(file):
        if code.name in ("GLOBAL", "INST") and not _CALLED.fullmatch(str(value)):
            raise _Trap("it calls what no training leaves behind")
        if code.name == "STACK_GLOBAL":
            raise _Trap("it is of a later protocol")
