"""Weights & Biases, with a folder in that of the run, from which `wandb sync` uploads it."""

import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from deblur.blur.images import AnyImage
from deblur.errors import NO_ROOM, UserError
from deblur.files import safe_name, write_json, write_png
from deblur.reading import read_json
from deblur.training.loggers.run_logger import HeldBackLogger, Settings

FOLDER: Final = "wandb"
COPY: Final = "until_done"
"""A folder in FOLDER with a copy of what was logged: W&B writes from time to time, and a killed run loses the rest."""
_COPIED_ROWS: Final = "rows.json"
_ID: Final = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-([a-z0-9]+)(?:-\d+)?")  # the number: of the same second

_Rows = dict[int, dict[str, float | str]]  # by step and name; a text is the file of an image


class WandB(HeldBackLogger):
    """Records each run as a run of Weights & Biases; those of a sweep are a group of its name.

    Nothing is sent unless `mode` is online. W&B begins a new folder whenever a run is resumed, and a server would be
    given the rows of both: all is logged again into the new folder, and the old one is then removed. A finished run
    that is made longer, or one that is trained again from its start, begins a new run of W&B.
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
        self._earlier: list[Path] = []  # folders whose content the new one is to hold
        self._obsolete: list[Path] = []  # to be removed at the end: them, or the new one as long as it does not
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

        identity = self._identity()
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
        with self._errors_as_user_errors():
            self._run = wandb.init(
                project=self._project,
                entity=self._entity,
                group=self.place.sweep,
                name=self.place.name,
                id=identity,
                dir=self.folder,
                config=dict(settings),
                allow_val_change=True,  # a run that is made longer has more epochs
                mode=self._mode,
                resume="allow" if is_online else None,
                reinit="create_new",
                settings=quiet,
            )
        self._remove_links()
        if is_online:
            sent = int(self._run.step)
            return {(name, row["step"] - 1) for row in self._rows for name in row if row["step"] - 1 < sent}
        self._obsolete = [Path(self._run.dir).parent] if self._earlier else []
        return self._log_again()

    def log_settings(self, settings: Settings) -> None:
        """Begin or continue the record; its earlier folders are of no use once the new one holds all of it."""
        super().log_settings(settings)
        self.sync()
        self._obsolete = self._earlier if self._mode == "offline" else []

    def write(self, values: Mapping[int, Mapping[str, float]], images: Mapping[tuple[str, int], AnyImage]) -> None:
        """Add numbers and images; steps never go back, so an image counts as of the last step that was taken.

        Raises:
            OSError: if a file cannot be written.
            UserError: for an error of W&B.
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
        run, self._run = self._run, None
        with self._errors_as_user_errors():
            run.finish(exit_code=0 if state == "done" else 1)
        self._remove_links()
        for folder in [*self._obsolete, *([self._copy] if state == "done" else [])]:
            shutil.rmtree(folder, ignore_errors=True)

    def _identity(self) -> str:
        """Return the id of the run in W&B, and note which folders are those of the same training."""
        found = [(path, of[1]) for path in (self.folder / FOLDER).glob("*run-*") if (of := _ID.fullmatch(path.name))]
        found.sort(key=lambda one: one[0].name.removeprefix("offline-"))  # by their time
        if not self.steps:  # from the start: they hold nothing that belongs to it
            self._earlier = [path for path, _ in found]
        elif found and (self._copy / _COPIED_ROWS).exists():
            self._earlier = [path for path, identity in found if identity == found[-1][1]]
            return found[-1][1]
        return secrets.token_hex(4)  # nothing here draws from the generators of the training

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
        with self._errors_as_user_errors():
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

    @contextmanager
    def _errors_as_user_errors(self) -> Iterator[None]:
        """Turn errors of W&B into a sentence.

        Raises:
            OSError: if a file of the run cannot be written.
            UserError: for any other error.
        """
        try:
            yield
        except Exception as error:  # W&B's own kinds, of which there are several, and those of its connections
            if isinstance(error, OSError) and (error.errno in NO_ROOM or self.is_of_run(error)):
                raise
            if isinstance(error, ConnectionError):  # to its own process, which has died: it is asked again at the exit
                import wandb

                with suppress(Exception):
                    wandb.teardown()
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")[:300]
            raise UserError(
                f"W&B cannot record the run ({reason}): if logger.wandb.mode is online, log in with `wandb login` or "
                "leave it out. Otherwise resume the run, or choose another logger."
            ) from error

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
