"""What decides a run's result, and the files that tell its state."""

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from filelock import FileLock, Timeout
from omegaconf import OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped] # it has no types

from deblur.errors import UserError
from deblur.files import write_json, write_text

State = Literal["running", "done", "failed", "interrupted"]

LONGEST_SILENCE = 300.0  # [s] without a heartbeat, after which a run on another host is dead
HEARTBEAT = 30.0  # [s] between two signs of life in status.json
CONFIG_FILE = "config.yaml"
STATUS_FILE = "status.json"
LOCK_FILE = ".lock"
METRICS_FILE = "metrics.json"
LOG_FILE = "train.log"

_SHARED_RUN_FOLDER = "DEBLUR_RUN_FOLDER"  # the environment variable by which a run's processes find it

# Keys that cannot change the result of a run: neither its identity nor its hash depends on them.
WITHOUT_EFFECT = (
    "callbacks.image_strips",
    "callbacks.lr_monitor",
    "data.cache_memory",
    "data.num_workers",
    "logger",
    "paths",
    "resume",
    "sweep",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.log_every_n_steps",
    "trusted",
)


def config_hash(config: Mapping[str, Any]) -> str:
    """Return a hash of everything in a configuration that can change the result."""
    return hashlib.sha256(json.dumps(what_matters(config), sort_keys=True).encode()).hexdigest()[:16]


def what_matters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration that can change the result, flat: {"optimizer.lr": 0.001, ...}."""
    return {key: value for key, value in flatten(config).items() if not is_within(key, WITHOUT_EFFECT)}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def config_without_paths(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section without the keys that name places on this machine."""
    return {key: value for key, value in section.items() if key not in ("root", "sharp", "blurred", "path")}


def state_of(folder: Path) -> State | None:
    """Return the state that a folder's status.json tells, or None where there is none.

    A run whose process was killed could not write how it ended: it is `interrupted`.

    Raises:
        UserError: where the file is damaged.
    """
    path = folder / STATUS_FILE
    if not path.is_file():
        return None
    state: State | None = read_json(path).get("state")
    if state not in get_args(State):
        raise UserError(f"{path} is damaged: it tells no state.")
    return "interrupted" if state == "running" and not _is_alive(folder) else state


def _is_alive(folder: Path) -> bool:
    """Tell whether a process trains in a folder: by its lock, and on another host by its heartbeat."""
    status = read_json(folder / STATUS_FILE)
    if status.get("host") != socket.gethostname() and status.get("heartbeat"):
        last = datetime.fromisoformat(str(status["heartbeat"]))
        return (datetime.now(UTC) - last).total_seconds() < LONGEST_SILENCE
    if not (folder / LOCK_FILE).exists():
        return False
    try:
        with FileLock(folder / LOCK_FILE, timeout=0):
            return False
    except Timeout:
        return True


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        UserError: where it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: give the folder of a run.") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}).") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: it holds no mapping.")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration that a run stored.

    Raises:
        UserError: where there is none, or it is damaged.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise UserError(f"{folder} is no run: it has no {CONFIG_FILE}. Give a folder such as outputs/runs/RUN/TIME.")
    try:
        container = OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, ValueError, OSError) as error:
        raise UserError(f"{path} is damaged ({' '.join(str(error).split())}).") from error
    if not isinstance(container, dict) or not container:
        raise UserError(f"{path} is damaged: it holds no configuration.")
    return {str(key): value for key, value in container.items()}


def earlier_status(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what status.json says of the run that an earlier process left in a folder; nothing where there is none.

    Raises:
        UserError: where that run has another configuration; the text names the keys.
    """
    if not (folder / STATUS_FILE).is_file():
        return {}
    stored, asked = what_matters(read_config(folder)), what_matters(config)
    differing = sorted(key for key in stored.keys() | asked.keys() if stored.get(key) != asked.get(key))
    if differing:
        raise UserError(
            f"The run {folder} was made with another configuration ({', '.join(differing)} differ): choose "
            "another sweep name, or delete the folder."
        )
    return read_json(folder / STATUS_FILE)


class RunFolder:
    """The folder of a run that is alive in this process.

    While it is entered, nobody else can enter it, status.json says `running`, and a thread refreshes the heartbeat. It
    ends as `done`, `failed` or `interrupted`. The lock is the operating system's, so it ends with the process, however
    that ends.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """Describe the run; nothing is written yet."""
        self.path = path
        self._config = config
        self._lock = FileLock(path / LOCK_FILE)
        self._status: dict[str, Any] = {}
        self._status_lock = threading.Lock()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="heartbeat")

    def __enter__(self) -> Self:
        """Take the folder and store the configuration in it.

        Raises:
            UserError: where another process holds it, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._start()
        except Timeout:
            raise UserError(f"The run {self.path} is alive in another process: wait until it has ended.") from None
        except OSError as error:
            self._lock.release()
            raise UserError(
                f"The run folder {self.path} cannot be written ({error.strerror}): choose another paths.output_root."
            ) from error
        except BaseException:
            self._lock.release()
            raise
        return self

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
        self._status["error"] = None if state != "failed" else f"{kind.__name__ if kind else ''}: {error}"
        self._status |= {"state": state, "ended": _now(), "heartbeat": _now()}
        try:
            self._write_status()
        finally:
            self._lock.release()

    def _start(self) -> None:
        earlier = earlier_status(self.path, self._config)
        write_text(self.path / CONFIG_FILE, OmegaConf.to_yaml(OmegaConf.create(dict(self._config))))
        now = _now()
        self._status = {
            "state": "running",
            "config_hash": config_hash(self._config),
            "started": earlier.get("started", now),
            "ended": None,
            "epoch": earlier.get("epoch"),
            "data": earlier.get("data"),
            "error": None,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "heartbeat": now,
        }
        self._write_status()
        self._heart.start()

    def refuse_other_data(self, fingerprint: str) -> None:
        """Note which images the run sees; refuse others than an earlier process saw.

        Args:
            fingerprint: of the images' names and pixels.

        Raises:
            UserError: where the images have changed: test images could have been trained on.
        """
        if self._status.get("data") not in (None, fingerprint):
            raise UserError(
                f"The images have changed since {self.path} was started, so its splits would change: start a new run."
            )
        if self.is_held:
            self._status["data"] = fingerprint
            self._write_status()

    @property
    def is_held(self) -> bool:
        """Tell whether this process holds the folder, and may write into it."""
        return self._lock.is_locked

    def report_epoch(self, finished: int) -> None:
        """Note how many epochs are finished."""
        self._status["epoch"] = finished
        self._write_status()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            self._status["heartbeat"] = _now()
            with suppress(OSError):  # a full disk is the training's to report
                self._write_status()

    def _write_status(self) -> None:
        with self._status_lock:
            write_json(self.path / STATUS_FILE, self._status)


def shared_run_folder() -> Path | None:
    """Return the folder of the run that this process was started to take part in, or None in a run's first process."""
    shared = os.environ.get(_SHARED_RUN_FOLDER)
    return Path(shared) if shared else None


@contextmanager
def sharing(folder: Path) -> Iterator[None]:
    """Let the processes that are started meanwhile, one for each further device, take part in this run."""
    os.environ[_SHARED_RUN_FOLDER] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(_SHARED_RUN_FOLDER, None)


def is_within(key: str, prefixes: Sequence[str]) -> bool:
    """Tell whether a dotted key is one of these or lies in one of them."""
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
