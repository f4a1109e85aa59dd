"""Atomic writing of files, under names that stay in their folder."""

import contextlib
import csv
import errno
import hashlib
import io
import json
import mimetypes
import os
import re
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # a command that only lists or refuses starts sooner without numpy
    import numpy as np
    from numpy.typing import NDArray

LONGEST_NAME = 80  # bytes of UTF-8; file systems allow 255, and one name may contain several

_PARTIAL = ".partial"
_HOST = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:40]
_PARTIAL_NAME = re.compile(rf"\.(?P<host>\w*)-(?P<process>\d+)\.\w{{8}}{re.escape(_PARTIAL)}\Z")
_UMASK = os.umask(0)  # which can only be read by setting it
os.umask(_UMASK)


def safe_name(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a text of any origin as a part of a file's name, of at most `longest` bytes of UTF-8.

    A name of letters, digits, dots, underscores and hyphens stays as it is. No other text leads out of a folder, is
    hidden or empty: `../../evil` becomes `_.._evil`. Two texts can become the same name.
    """
    plain = re.sub(r"[^\w.-]+", "_", text).lstrip(".") or "_"
    encoded = plain.encode()
    if len(encoded) <= longest:
        return plain
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:6]
    return f"{encoded[: longest - 7].decode(errors='ignore')}-{digest}"


def kind_of(place: Path) -> Literal["folder", "file"] | None:
    """Return what exists at a place; None for nothing, and for a name that is too long for the file system."""
    with contextlib.suppress(OSError):
        if place.is_dir():
            return "folder"
        return "file" if place.exists() else None
    return None


def no_folder(output: Path) -> str | None:
    """Return why a place cannot be a folder for several files, to follow its name; None if it can.

    It cannot if it is a file, or does not exist and has the ending of a known kind of file.
    """
    kind = kind_of(output)
    if kind == "file":
        return "is no folder: give one, into which several files go."
    if kind is None and mimetypes.guess_type(str(output))[0] is not None:
        return "names a file: give a folder, into which several files go."
    return None


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file under a temporary name in the same folder and move it to `path`; make parent folders.

    The content is on the disk before the name is, and the name before this returns: whatever ends the process or the
    machine, `path` is the old file or the new one. A killed process leaves its temporary file behind; see
    `remove_partial_files`.

    Raises:
        OSError: if the file cannot be written, with its name; the old file is intact, and nothing else is left.
    """
    # A part of the name: it may have the maximum length, and TensorBoard reads each file with "tfevents" in its name.
    prefix = f".{path.name[:12]}.{_HOST}-{os.getpid()}."
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(path.parent.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=_PARTIAL)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_UMASK)  # noqa: PTH101 # mkstemp makes files that only the owner may read
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        _sync_folder(path.parent)
    except OSError as error:  # of the temporary file
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_output(path: Path, content: bytes | memoryview) -> None:
    """Write a file that the user has named, as `write_bytes` does.

    A link is followed and stays, and a device or a pipe is written into, as a shell does. In the folder of a run, which
    may be a stranger's, `write_bytes` follows none.

    Raises:
        OSError: if the file cannot be written, or for circular links.
    """
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        path = target
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)
        return
    write_bytes(path, content)


def remove_partial_files(folder: Path, *, is_held: bool = False) -> None:
    """Remove the temporary files that killed processes left in a folder, if it exists, and in those below it.

    Args:
        folder: the folder.
        is_held: whether no other process can write there now. Otherwise only files of ended processes of this host are
            removed.
    """
    for path in folder.rglob(f".*{_PARTIAL}"):
        writer = _PARTIAL_NAME.search(path.name)
        if writer is not None and (is_held or _has_ended(writer["host"], int(writer["process"]))):
            with contextlib.suppress(OSError):  # another process may have removed it
                path.unlink()


def _has_ended(host: str, process: int) -> bool:
    if host != _HOST or os.name == "nt":  # there, signal 0 ends a process
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        pass
    return False


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; what is no Unicode, as in some file names, becomes an escape."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically.

    Raises:
        ValueError: for a number that is not finite, which JSON lacks.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV atomically; the columns are the keys of all rows in order of appearance, None is empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_png(path: Path, image: "NDArray[np.uint8]") -> None:
    """Write a gray image (H, W) or an RGB image (H, W, 3) as PNG atomically."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image).save(content, format="PNG")
    write_bytes(path, content.getvalue())
