"""Writing files so that a reader never sees half of one, under names that stay in their folder."""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a command that only lists or refuses starts sooner without numpy
    import numpy as np
    from numpy.typing import NDArray


LONGEST_NAME = 80  # bytes of UTF-8; file systems allow 255, and several names may stand in one


def safe_name(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a text of any origin, such as a name in a file, as a part of a file's name.

    A name of letters, digits, dots, underscores and hyphens stays as it is. No other text leads out of a folder, is
    hidden, empty or too long; two texts can become the same name.

    Args:
        text: such as `../../evil`, which becomes `_.._evil`.
        longest: how many bytes of UTF-8 it may have.
    """
    plain = re.sub(r"[^\w.-]+", "_", text).lstrip(".") or "_"
    encoded = plain.encode()
    if len(encoded) <= longest:
        return plain
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:6]
    return f"{encoded[: longest - 7].decode(errors='ignore')}-{digest}"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside `path` and move it there; parent folders are made.

    Raises:
        OSError: where the folder cannot be written; nothing is left behind.
    """
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
