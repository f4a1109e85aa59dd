"""The folder of a run that is alive."""

import os
import shutil
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deblur.config.identity import config_hash, data_settings
from deblur.config.places import CONFIG_FILE
from deblur.errors import UserError, disk_error
from deblur.files import write_json, write_text
from deblur.reading import MissingFile, UnusableFile, yaml_text
from deblur.runs.locking import FolderIsLocked, FolderLock
from deblur.runs.records import (
    HISTORY_FILE,
    IMAGES_FILE,
    METRICS_FILE,
    STATUS_FILE,
    State,
    read_config,
    read_status,
)
from deblur.runs.states import LOCK_FILE, earlier_status, is_replaceable, lives_elsewhere, lives_here

HEARTBEAT = 30.0  # [s] between two signs of life in status.json
_REPLACED = (CONFIG_FILE, STATUS_FILE, METRICS_FILE, HISTORY_FILE, IMAGES_FILE)  # by a new file, with each change
_LAST = (CONFIG_FILE, STATUS_FILE)  # to be deleted, in this order
_PATIENCE = 1.0  # [s] somebody who only looks whether the run is alive holds the lock for a moment


class RunIsAlive(UserError):
    """Another process trains in the folder."""


class RunIsLost(UserError):
    """The folder of a run that is alive is not its own any more."""


class RunIsDone(Exception):
    """The run that is asked for has been finished before."""


class RunFolder:
    """The folder of a run that is alive in this process.

    While it is entered, nobody else can enter it, status.json says `running`, and a thread refreshes the heartbeat. It
    ends as `done`, `failed` or `interrupted`. The lock is the operating system's, so it ends with the process, however
    that ends. Where the folder is moved, deleted or replaced meanwhile, nothing more is written there.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Describe the run; nothing is written yet.

        Args:
            path: the folder.
            config: the checked configuration.
            overwrite: replace a failed run, or one of another configuration, that lies there.
        """
        self.path = path
        self._config = config
        self._overwrite = overwrite
        self._lock = FolderLock(path, LOCK_FILE, patience=_PATIENCE)
        self._status: dict[str, Any] = {}
        self._status_lock = threading.Lock()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="heartbeat")

    def __enter__(self) -> Self:
        """Take the folder and store the configuration in it.

        Raises:
            RunIsAlive: where another process holds it.
            RunIsDone: where the run is finished; nothing is changed then.
            UserError: where it holds another run, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._start()
        except FolderIsLocked:
            raise RunIsAlive(f"The run {self.path} is alive in another process: wait until it has ended.") from None
        except OSError as error:
            self._lock.release()
            raise disk_error(
                error,
                f"The run folder {self.path} cannot be written ({error.strerror}): choose another paths.output_root.",
            ) from error
        except BaseException:
            self._lock.release()
            raise
        return self

    def refuse_if_done(self) -> None:
        """Look into the folder without taking it.

        Raises:
            RunIsDone: where the run is finished.
            UserError: where the folder holds another run, which is not to be replaced.
        """
        if not self._replaces() and earlier_status(self.path, self._config).get("state") == "done":
            raise RunIsDone

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write how the run ended and let go of the folder."""
        self._ended.set()
        self._heart.join()
        state: State = "done"
        if isinstance(error, KeyboardInterrupt | SystemExit):
            state = "interrupted"
        elif error is not None:
            state = "failed"
        self._status["error"] = None if state != "failed" else _sentence(error)
        self._status |= {"state": state, "ended": _now(), "heartbeat": _now()}
        try:
            self._write_status()
        except RunIsLost as lost:
            if not isinstance(error, KeyboardInterrupt | SystemExit):
                raise lost from error
        except OSError:
            if error is None:
                raise  # else what ended the run says more
        finally:
            self._lock.release()

    def _start(self) -> None:
        try:
            self._refuse_another_life(read_status(self.path))
        except MissingFile:
            pass
        except UnusableFile:
            if not self._overwrite:
                raise
        if self._replaces():
            self._clear()
        self._refuse_links_out()
        self.refuse_if_done()  # another process may have finished it just now
        earlier = earlier_status(self.path, self._config)
        write_text(self.path / CONFIG_FILE, yaml_text(dict(self._config)))
        now = _now()
        self._status = {
            "state": "running",
            "config_hash": config_hash(self._config),
            "started": earlier.get("started", now),
            "ended": None,
            "epoch": earlier.get("epoch"),
            "data": earlier.get("data"),
            # Of epochs that are finished: the rest has to be trained in the same.
            "precision": earlier.get("precision") if earlier.get("epoch") else None,
            "error": None,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "heartbeat": now,
        }
        self._write_status()
        self._heart.start()

    def _refuse_another_life(self, status: Mapping[str, Any]) -> None:
        if lives_elsewhere(status) or (lives_here(status) and not self._lock.holds_folder):
            raise RunIsAlive(
                f"The run {self.path} is alive on {status['host']} (its last sign of life: {status['heartbeat']}): "
                "wait until it has ended. Without one for five minutes it can be taken over."
            )

    def _replaces(self) -> bool:
        return self._overwrite and is_replaceable(self.path, self._config)

    def _clear(self) -> None:
        """Delete everything but the lock, which this process holds; the status last, as it tells what is there."""
        for path in sorted(self.path.iterdir(), key=lambda path: _LAST.index(path.name) if path.name in _LAST else -1):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK_FILE:
                path.unlink()

    def _refuse_links_out(self) -> None:
        """Refuse links out of the folder: what is written to them would go elsewhere, in a stranger's run anywhere.

        Those in the place of a file that is written in one move are replaced and have no effect.
        """
        root = os.path.realpath(self.path)
        for place, folders, files in os.walk(root):
            for path in (Path(place, name) for name in (*folders, *files) if place != root or name not in _REPLACED):
                if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                    raise UserError(
                        f"{path} is a link out of the run's folder, and the run would write there: replace it by what "
                        "it leads to, or delete it."
                    )

    def refuse_other_data(self, fingerprint: str) -> None:
        """Note which images the run sees; refuse others than an earlier process saw.

        Args:
            fingerprint: of the images' names and pixels.

        Raises:
            UserError: where the images have changed: test images could have been trained on, and a sweep's runs could
                not be compared.
        """
        if self._status.get("data") not in (None, fingerprint):
            raise UserError(
                f"The images have changed since {self.path} was started, so its splits would change: start a new run."
            )
        if self._config["sweep"] is not None:
            self._refuse_other_data_than_its_sweep(fingerprint)
        if self.is_held:
            self._status["data"] = fingerprint
            self._write_status()

    def _refuse_other_data_than_its_sweep(self, fingerprint: str) -> None:
        for path in sorted(self.path.parent.glob(f"*/{STATUS_FILE}")):
            if self._is_comparable(path.parent) and read_status(path.parent).get("data") not in (None, fingerprint):
                raise UserError(
                    f"The images have changed since {path.parent.name} was trained, so that their results could not be "
                    "compared: choose another name with sweep=NAME."
                )

    def _is_comparable(self, other: Path) -> bool:
        """Return whether a run is done and has the same settings of the images; one with damaged files is neither."""
        try:
            is_done = read_status(other)["state"] == "done"
            return is_done and data_settings(read_config(other)) == data_settings(self._config)
        except UnusableFile:
            return False

    @property
    def is_held(self) -> bool:
        """Tell whether this process holds the folder, and may write into it."""
        return self._lock.is_held

    def refuse_if_lost(self) -> None:
        """Refuse to write into a folder that is not this run's any more.

        Raises:
            RunIsLost: if it was moved, deleted or replaced since it was entered.
        """
        if self.is_held and not self._lock.is_in_place():
            raise RunIsLost(
                f"The folder {self.path} was moved, deleted or replaced while a run was alive in it, so nothing more "
                "was written there: resume the run where it is now with resume=DIR, or start it again."
            )

    def note_precision(self, precision: str) -> None:
        """Note what `trainer.precision=auto` was taken for: the run resumes in the same, on whatever machine."""
        if self.is_held:
            self._status["precision"] = precision
            self._write_status()

    def report_epoch(self, finished: int) -> None:
        """Note how many epochs are finished."""
        self._status["epoch"] = finished
        self._write_status()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            self._status["heartbeat"] = _now()
            # A full disk is the training's to report, and a folder that is moved back at once has not been lost.
            with suppress(OSError, RunIsLost):
                self._write_status()

    def _write_status(self) -> None:
        with self._status_lock:
            self.refuse_if_lost()
            write_json(self.path / STATUS_FILE, self._status)


def _sentence(error: BaseException | None) -> str:
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
