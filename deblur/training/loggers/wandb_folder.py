"""Weights & Biases, with a folder in that of the run, from which `wandb sync` uploads it."""

import json
import os
import re
import secrets
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from PIL import Image

from deblur.blur.images import AnyImage
from deblur.errors import UserError
from deblur.training.loggers.run_logger import HeldBackLogger, Settings

FOLDER: Final = "wandb"
_ID: Final = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-([a-z0-9]+)")
_FILE_HEADER: Final = 7  # bytes before the first record
_BLOCK: Final = 32_768  # bytes; a record may continue in the next block
_PART: Final = struct.Struct("<IHB")  # before each part of a record: checksum, length, kind
_WHOLE, _FIRST, _LAST = 1, 2, 4  # kinds of parts; 0 fills a block up


class WandB(HeldBackLogger):
    """Records each run as a run of Weights & Biases; those of a sweep are a group of its name.

    Nothing is sent unless `mode` is online. W&B begins a new folder whenever a run is resumed, and a server would be
    given the rows of both: the new folder gets the rows and images of the old one, which is then removed.
    """

    def __init__(
        self,
        save_dir: str | Path,
        project: str = "deblur",
        entity: str | None = None,
        mode: Literal["offline", "online"] = "offline",
    ) -> None:
        """Describe the run.

        Args:
            save_dir: the run folder.
            project: of W&B.
            entity: user or team of the project; None is the default of the account.
            mode: offline writes files only; online sends them as well.
        """
        super().__init__(save_dir)
        self._project, self._entity, self._mode = project, entity, mode
        self._run: Any = None
        self._earlier: list[Path] = []

    @property
    def version(self) -> str | None:
        """The id of the run in W&B; None before it is begun."""
        return None if self._run is None else str(self._run.id)

    @property
    def experiment(self) -> Any:
        """The run of W&B; None before it is begun."""
        return self._run

    def open(self, settings: Settings) -> set[tuple[str, int]]:
        """Begin a run, or continue the one of the folder.

        Raises:
            UserError: if W&B refuses it.
        """
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to a server
        import wandb

        self._earlier = sorted(path for path in (self.folder / FOLDER).glob("*run-*") if _ID.fullmatch(path.name))
        identities = [found[1] for path in self._earlier if (found := _ID.fullmatch(path.name))]
        # Nothing here draws from the generators of the training.
        identity = identities[-1] if identities else secrets.token_hex(4)
        is_online = self._mode == "online"
        quiet = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            save_code=False,
            symlink=False,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        try:
            self._run = wandb.init(
                project=self._project,
                entity=self._entity,
                group=self.place.sweep,
                name=self.place.name,
                id=identity,
                dir=self.folder,
                config=dict(settings),
                mode=self._mode,
                resume="allow" if is_online else None,
                reinit="create_new",
                settings=quiet,
            )
        except OSError:
            raise
        except Exception as error:  # W&B's own kinds, of which there are several
            reason = " ".join(str(error).split()).rstrip(".")
            raise UserError(
                f"W&B cannot record the run ({reason}): if logger.wandb.mode is online, log in with `wandb login` or "
                "leave it out, otherwise choose another logger."
            ) from error
        self._remove_links()
        if is_online:
            sent = int(self._run.step)
            return {(name, row["step"] - 1) for row in self._rows for name in row if row["step"] - 1 < sent}
        return self._copied()

    def write(self, values: Mapping[int, Mapping[str, float]], images: Mapping[tuple[str, int], AnyImage]) -> None:
        """Add numbers and images; steps never go back, so an image counts as of the last step that was taken."""
        import wandb

        rows: dict[int, dict[str, Any]] = {step: dict(numbers) for step, numbers in values.items()}
        for (name, step), image in images.items():
            rows.setdefault(max(step - 1, 0), {})[name] = wandb.Image(Image.fromarray(np.ascontiguousarray(image)))
        for step in sorted(rows):
            self._run.log(rows[step], step=step, commit=True)
        self._remove_links()

    def end(self, state: str) -> None:
        """Wait until all is in the folder, and remove the folders before it."""
        if self._run is None:
            return
        self._run.finish(exit_code=0 if state == "done" else 1)
        self._remove_links()
        self._run = None
        if self._mode == "offline":
            for path in self._earlier:
                shutil.rmtree(path, ignore_errors=True)

    def _remove_links(self) -> None:
        """Remove W&B's links to files in the user's cache: a run with a link out of its folder is not resumed."""
        for path in (self.folder / FOLDER).rglob("*"):
            if path.is_symlink():
                path.unlink(missing_ok=True)

    def _copied(self) -> set[tuple[str, int]]:
        """Log again what earlier folders hold of the steps before the checkpoint, and return what that is."""
        import wandb

        rows: dict[int, dict[str, Any]] = {}
        for folder in self._earlier:
            for step, logged in _history(folder):
                if step < self.steps:
                    rows.setdefault(step, {}).update(_with_files(logged, folder))
        for step in sorted(rows):
            shown = {
                name: wandb.Image(str(value)) if isinstance(value, Path) else value
                for name, value in rows[step].items()
            }
            self._run.log(shown, step=step, commit=True)
        return {(name, step) for step, logged in rows.items() for name in logged}


def _with_files(logged: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the numbers of a row, and the files of its images; what leads out of the folder is left out."""
    files = Path(os.path.realpath(folder / "files"))
    found: dict[str, Any] = {}
    for name, value in logged.items():
        if isinstance(value, int | float):
            found[name] = value
        elif isinstance(value, dict) and isinstance(value.get("path"), str):
            path = Path(os.path.realpath(files / value["path"]))
            if path.is_relative_to(files) and path.is_file():
                found[name] = path
    return found


def _history(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the steps of a folder of W&B with what was logged, up to the end or the first damaged record."""
    from wandb.proto import wandb_internal_pb2

    definitions: Any = wandb_internal_pb2  # made when it is imported

    for path in folder.glob("run-*.wandb"):
        for content in _records(path.read_bytes()):
            record = definitions.Record()
            try:
                record.ParseFromString(content)
            except Exception:  # protobuf's own kinds, of which there are several
                return
            if not record.HasField("history"):
                continue
            logged: dict[str, Any] = {}
            for item in record.history.item:
                name, *parts = item.nested_key or [item.key]
                with suppress(ValueError, TypeError):
                    value = json.loads(item.value_json)
                    if parts:  # one of the properties of an image
                        logged.setdefault(name, {})[parts[0]] = value
                    else:
                        logged[name] = value
            step = record.history.step.num if record.history.HasField("step") else logged.get("_step", 0)
            yield int(step), {name: value for name, value in logged.items() if not name.startswith("_")}


def _records(content: bytes) -> Iterator[bytes]:
    """Yield the records of a log in the format of LevelDB, up to the first that is cut off."""
    place = _FILE_HEADER
    parts: list[bytes] = []
    while place + _PART.size <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _PART.size:
            place += left
            continue
        _, length, kind = _PART.unpack_from(content, place)
        place += _PART.size
        if place + length > len(content):
            return
        if kind == 0:
            place += left - _PART.size
            continue
        parts = [] if kind in (_WHOLE, _FIRST) else parts
        parts.append(content[place : place + length])
        place += length
        if kind in (_WHOLE, _LAST):
            yield b"".join(parts)
