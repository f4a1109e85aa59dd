"""Weights & Biases, with a folder in that of the run, from which `wandb sync` uploads it."""

import math
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from deblur.blur.images import AnyImage
from deblur.errors import UserError
from deblur.files import safe_name, write_json, write_png
from deblur.reading import read_json
from deblur.training.loggers.run_logger import HeldBackLogger, Settings

FOLDER: Final = "wandb"
COPY: Final = "until_done"
"""A folder in FOLDER with a copy of what was logged: W&B writes from time to time, and a killed run loses the rest."""
_COPIED_ROWS: Final = "rows.json"
_ID: Final = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-([a-z0-9]+)")

_Rows = dict[int, dict[str, float | str]]  # by step and name; a text is the file of an image


class WandB(HeldBackLogger):
    """Records each run as a run of Weights & Biases; those of a sweep are a group of its name.

    Nothing is sent unless `mode` is online. W&B begins a new folder whenever a run is resumed, and a server would be
    given the rows of both: all is logged again into the new folder, and the old one is then removed.
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
        self._rows_until_now: _Rows = {}

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
        return self._log_again()

    def write(self, values: Mapping[int, Mapping[str, float]], images: Mapping[tuple[str, int], AnyImage]) -> None:
        """Add numbers and images; steps never go back, so an image counts as of the last step that was taken.

        Raises:
            OSError: if a file cannot be written.
        """
        rows: _Rows = {step: dict(numbers) for step, numbers in values.items()}
        for (name, step), image in images.items():
            file = f"{step}-{safe_name(name)}.png"
            write_png(self._copy / file, np.ascontiguousarray(image))
            rows.setdefault(max(step - 1, 0), {})[name] = file
        self._log(rows)

    def end(self, state: str) -> None:
        """Wait until W&B has written all, and remove what was kept for a resumed run."""
        if self._run is None:
            return
        self._run.finish(exit_code=0 if state == "done" else 1)
        self._remove_links()
        self._run = None
        obsolete = [*(self._earlier if self._mode == "offline" else []), *([self._copy] if state == "done" else [])]
        for folder in obsolete:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _copy(self) -> Path:
        return self.folder / FOLDER / COPY

    def _log(self, rows: _Rows) -> None:
        """Copy rows, then hand them to W&B."""
        import wandb

        for step, row in rows.items():
            self._rows_until_now.setdefault(step, {}).update(row)
        # JSON has no numbers that are not finite.
        stored = {
            step: {
                name: {"number": str(value)} if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in row.items()
            }
            for step, row in self._rows_until_now.items()
        }
        write_json(self._copy / _COPIED_ROWS, stored)
        for step in sorted(rows):
            shown = {
                name: wandb.Image(str(self._copy / value)) if isinstance(value, str) else value
                for name, value in rows[step].items()
            }
            self._run.log(shown, step=step, commit=True)
        self._remove_links()

    def _log_again(self) -> set[tuple[str, int]]:
        """Log again what was logged before the checkpoint, and return what that is."""
        rows: _Rows = {}
        if self.steps:
            try:
                rows = _copied_rows(self._copy, self.steps)
            except (UserError, ValueError, TypeError, AttributeError):  # damaged: the checkpoint has the numbers
                rows = {}
        if rows:
            self._log(rows)
        return {(name, step) for step, row in rows.items() for name in row}

    def _remove_links(self) -> None:
        """Remove W&B's links to files in the user's cache: a run with a link out of its folder is not resumed."""
        for path in (self.folder / FOLDER).rglob("*"):
            if path.is_symlink():
                path.unlink(missing_ok=True)


def _copied_rows(folder: Path, steps: int) -> _Rows:
    """Read the rows before a step, with those images whose files are there.

    Raises:
        UserError, ValueError, TypeError, AttributeError: if they are damaged.
    """
    rows: _Rows = {}
    for text, row in read_json(folder / _COPIED_ROWS).items():
        step = int(text)
        if step >= steps:
            continue
        rows[step] = {}
        for name, value in row.items():
            if isinstance(value, str):
                # The folder may be a stranger's: no name leads out of it.
                if (folder / safe_name(value)).is_file():
                    rows[step][name] = safe_name(value)
            else:
                rows[step][name] = float(value["number"] if isinstance(value, dict) else value)
    return rows
