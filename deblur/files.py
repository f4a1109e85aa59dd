"""Writing files so that a reader never sees half of one."""

import contextlib
import csv
import errno
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a command that only lists or refuses starts sooner without numpy
    import numpy as np
    from numpy.typing import NDArray


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside `path` and move it there; parent folders are made.

    A link is followed and stays, and a device or a pipe is written into, as when a shell writes.

    Raises:
        OSError: where the folder cannot be written; nothing is left behind.
    """
    path = _followed(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name[:20]}."
    )  # a name may be as long as is allowed
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_UMASK)  # noqa: PTH101 # mkstemp makes files that only the owner may read
        os.replace(temporary, path)  # noqa: PTH105 # the name that says what it does
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108 # beside os.replace
        raise


def _followed(path: Path) -> Path:
    """Return the place to which a path leads through links; that need not exist.

    Raises:
        OSError: for links that lead round in a circle.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file in one move; what is no Unicode, as in some file names, is written as an escape."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one move.

    Raises:
        ValueError: for a number that is not finite: JSON has none, so it has to be None.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV in one move; the columns are the keys of all rows in order of appearance, None is empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_gray_png(path: Path, image: "NDArray[np.uint8]") -> None:
    """Write a gray image (H, W) as PNG in one move."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image).save(content, format="PNG")
    write_bytes(path, content.getvalue())


def _current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _current_umask()
