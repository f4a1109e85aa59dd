"""The folder of a run that is alive in this process."""

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
    SAMPLES_FOLDER,
    STATUS_FILE,
    State,
    config_of_run,
    read_config,
    read_status,
)
from deblur.runs.states import LOCK_FILE, earlier_status, is_lengthened, is_replaceable, seems_alive

HEARTBEAT = 30.0  # [s] between two heartbeats in status.json
_REPLACED = (CONFIG_FILE, STATUS_FILE, METRICS_FILE, HISTORY_FILE, IMAGES_FILE)  # by a new file, with each change
_LAST = (CONFIG_FILE, STATUS_FILE)  # to be deleted, in this order
_PATIENCE = 1.0  # [s]; a process that only checks whether the run is alive holds the lock for a moment


class RunIsAlive(UserError):
    """Another process trains in the folder."""


class RunIsLost(UserError):
    """The folder was moved, deleted or replaced while the run was alive."""


class RunIsDone(Exception):
    """The run is finished already."""


class RunIsPaused(Exception):
    """The run has finished as many epochs as it was asked for, and can be resumed."""


class RunFolder:
    """The folder of a run that is alive in this process.

    As a context manager, it locks the folder, sets the state `running` in status.json and refreshes the heartbeat in
    a thread. It ends as `done`, `failed`, `interrupted` or `paused`. The operating system releases the lock of a killed
    process. If the folder is moved, deleted or replaced meanwhile, nothing more is written there.
    """

    def __init__(
        self, path: Path, config: Mapping[str, Any], *, overwrite: bool = False, lengthen: bool = False
    ) -> None:
        """Describe the run; nothing is written yet.

        Args:
            path: the folder.
            config: the checked configuration.
            overwrite: replace a run in the folder that failed, is damaged or has another configuration.
            lengthen: continue a run in the folder, also a finished one, that has the same configuration but for fewer
                epochs. Until `lengthen` is called, the run stays what it was.
        """
        self.path = path
        self._config = config
        self._overwrite = overwrite
        self._lengthens = lengthen
        self._shorter: dict[str, Any] | None = None  # the status of the run that is not made longer yet
        self._lock = FolderLock(path, LOCK_FILE, patience=_PATIENCE)
        self._status: dict[str, Any] = {}
        self._status_lock = threading.Lock()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="heartbeat")

    def __enter__(self) -> Self:
        """Lock the folder and store the configuration in it.

        Raises:
            RunIsAlive: if another process holds it.
            RunIsDone: if the run is finished; nothing is changed then.
            UserError: if it holds another run, or cannot be written.
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
        """Check the folder without locking it.

        Raises:
            RunIsDone: if the run is finished.
            UserError: if the folder holds another run, which is not to be replaced.
        """
        if self._is_to_be_lengthened() or self._replaces():
            return
        if earlier_status(self.path, self._config).get("state") == "done":
            raise RunIsDone

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Store how the run ended and release the lock."""
        self._ended.set()
        self._heart.join()
        is_stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        state: State = "done" if error is None else "interrupted" if is_stopped else "failed"
        if isinstance(error, RunIsPaused):
            state = "paused"
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        self._status |= {"state": state, "ended": _now(), "heartbeat": _now()}
        self._status["error"] = reason if state == "failed" else None
        if self._shorter is not None:
            self._status = self._shorter
        try:
            self._write_status()
        except RunIsLost as lost:
            if not is_stopped:
                raise lost from error
        except OSError:
            if error is None:
                raise  # the error that ended the run is more informative
        finally:
            self._lock.release()

    def _start(self) -> None:
        try:
            self._refuse_living_run(read_status(self.path))
        except MissingFile:
            pass
        except UnusableFile:
            if not self._overwrite:
                raise
        if self._replaces():
            self._clear()
        self._refuse_links_out()
        self.refuse_if_done()  # another process may have finished it just now
        if self._is_to_be_lengthened():
            self._shorter = earlier = read_status(self.path)
            config: Mapping[str, Any] = config_of_run(self.path)
        else:
            earlier, config = earlier_status(self.path, self._config), self._config
            write_text(self.path / CONFIG_FILE, yaml_text(dict(config)))
        now = _now()
        self._status = {
            "state": "running",
            "config_hash": config_hash(config),
            "started": earlier.get("started", now),
            "ended": None,
            "epoch": earlier.get("epoch"),
            "data": earlier.get("data"),
            # Finished epochs fix the precision of the others.
            "precision": earlier.get("precision") if earlier.get("epoch") else None,
            "error": None,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "heartbeat": now,
        }
        self._write_status()
        self._heart.start()

    def _refuse_living_run(self, status: Mapping[str, Any]) -> None:
        is_dead = self._lock.holds_folder and status.get("host") == socket.gethostname()
        if not is_dead and seems_alive(status):
            raise RunIsAlive(
                f"The run {self.path} is alive on {status['host']} (its last heartbeat: {status['heartbeat']}): "
                "wait until it has ended. Without a heartbeat for five minutes it can be taken over."
            )

    def lengthen(self) -> None:
        """Make the run in the folder the longer one, once nothing speaks against it; do nothing if it is no longer one.

        Whenever the process is killed, what is left is one of the two, interrupted.
        """
        if self._shorter is None:
            return
        running = self._status
        self._status = running | {"state": "interrupted", "config_hash": None}
        self._write_status()
        for name in (METRICS_FILE, IMAGES_FILE):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / SAMPLES_FOLDER, ignore_errors=True)
        write_text(self.path / CONFIG_FILE, yaml_text(dict(self._config)))
        self._shorter = None
        self._status = running | {"config_hash": config_hash(self._config)}
        self._write_status()

    @property
    def is_shorter(self) -> bool:
        """Whether the run in the folder is still the one that is to be made longer."""
        return self._shorter is not None

    def _is_to_be_lengthened(self) -> bool:
        return self._lengthens and is_lengthened(self.path, self._config)

    def _replaces(self) -> bool:
        return self._overwrite and is_replaceable(self.path, self._config)

    def _clear(self) -> None:
        """Delete everything except the lock, which this process holds; the status last, as it identifies the run."""
        for path in sorted(self.path.iterdir(), key=lambda path: _LAST.index(path.name) if path.name in _LAST else -1):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK_FILE:
                path.unlink()

    def _refuse_links_out(self) -> None:
        """Refuse links out of the folder, with which a stranger's run could write anywhere.

        Links in the place of files that are written in one move are replaced, and have no effect.
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
        """Store which images the run uses; refuse others than an earlier process used.

        Args:
            fingerprint: of the images' names and pixels.

        Raises:
            UserError: if the images have changed: test images could have been trained on, and a sweep's runs could
                not be compared.
        """
        if self._status.get("data") not in (None, fingerprint):
            raise UserError(
                f"The images have changed since {self.path} was started, so its splits would change: start a new run."
            )
        if self._config["sweep"] is not None:
            for path in sorted(self.path.parent.glob(f"*/{STATUS_FILE}")):
                other = path.parent
                if self._is_comparable(other) and read_status(other).get("data") not in (None, fingerprint):
                    raise UserError(
                        f"The images have changed since {other.name} was trained, so that their results could not be "
                        "compared: choose another name with sweep=NAME."
                    )
        if self.is_held:
            self._status["data"] = fingerprint
            self._write_status()

    def _is_comparable(self, other: Path) -> bool:
        """Return whether a run is undamaged, done or paused, and has the same settings of the images."""
        try:
            has_results = read_status(other)["state"] in ("done", "paused")
            return has_results and data_settings(read_config(other)) == data_settings(self._config)
        except UnusableFile:
            return False

    @property
    def is_held(self) -> bool:
        """Whether this process holds the folder, and may write into it."""
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
        """Store the precision that `trainer.precision=auto` became, so that the run resumes in it on any machine."""
        if self.is_held:
            self._status["precision"] = precision
            self._write_status()

    def report_epoch(self, finished: int) -> None:
        """Store how many epochs are finished."""
        self._status["epoch"] = finished
        self._write_status()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            self._status["heartbeat"] = _now()
            # The training reports a full disk, and a folder that is moved back at once has not been lost.
            with suppress(OSError, RunIsLost):
                self._write_status()

    def _write_status(self) -> None:
        with self._status_lock:
            self.refuse_if_lost()
            write_json(self.path / STATUS_FILE, self._status)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
