"""The identity of a run and the files that tell its state."""

import hashlib
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from deblur.errors import UserError
from deblur.files import write_json, write_text

State = Literal["running", "done", "failed", "interrupted"]

HEARTBEAT = 30.0  # [s] between two signs of life in status.json
LONGEST_RUN_ID = 120  # characters; file systems allow 255 bytes in a name
CONFIG_FILE = "config.yaml"
STATUS_FILE = "status.json"
METRICS_FILE = "metrics.json"
LOG_FILE = "train.log"

# Keys that cannot change the result of a run: neither its identity nor its hash depends on them.
WITHOUT_EFFECT = (
    "callbacks",
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
# These are part of every run id, in this order, or written out by it.
_IN_EVERY_ID = ("model", "blur", "optimizer.lr", "seed")


def run_id(config: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """Return the readable name of a run: network, blur, rate, whatever else the command changed, seed.

    Args:
        config: the checked configuration.
        overrides: the words of the command, such as `blur.sigma=2`; their values are taken from `config`.

    Returns:
        For example `srcnn_9315-box-lr_0.001-size_9-seed_0`: letters, digits, dots, underscores and hyphens only.
    """
    parts = [_label(config["model"]), _label(config["blur"]), f"lr_{_slug(config['optimizer']['lr'])}"]
    for word in sorted(word.lstrip("+") for word in overrides):
        key, _, text = word.partition("=")
        if key in _IN_EVERY_ID or _is_within(key, WITHOUT_EFFECT):
            continue
        value = OmegaConf.select(OmegaConf.create(dict(config)), key)
        # A chosen group stands in the configuration as a whole; the command has its name.
        value = text if value is None or OmegaConf.is_dict(value) else value
        parts.append(f"{key.rpartition('.')[2]}_{_slug(value)}")
    name, seed = "-".join(parts), f"-seed_{config['seed']}"
    room = LONGEST_RUN_ID - len(seed)
    if len(name) > room:
        digest = f"-{_digest(name)}"
        name = name[: room - len(digest)].rstrip("-_.") + digest
    return name + seed


def run_folder(config: Mapping[str, Any], overrides: Sequence[str]) -> Path:
    """Return where a new run goes: a folder of its own time, or its fixed place in a sweep."""
    root: Path = Path(config["paths"]["output_root"]).resolve()
    name = run_id(config, overrides)
    if config["sweep"] is not None:
        return root / "sweeps" / str(config["sweep"]) / name
    return root / "runs" / name / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")


def config_hash(config: Mapping[str, Any]) -> str:
    """Return a hash of everything in a configuration that can change the result."""
    return hashlib.sha256(json.dumps(what_matters(config), sort_keys=True).encode()).hexdigest()[:16]


def what_matters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration that can change the result, flat: {"optimizer.lr": 0.001, ...}."""
    return {key: value for key, value in flatten(config).items() if not _is_within(key, WITHOUT_EFFECT)}


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
    return {key: value for key, value in section.items() if key not in ("root", "path")}


def state_of(folder: Path) -> State | None:
    """Return the state that a folder's status.json tells, or None where there is none."""
    if not (folder / STATUS_FILE).is_file():
        return None
    state: State = read_json(folder / STATUS_FILE)["state"]
    return state


def resumed_config(folder: Path, config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration with which `resume=FOLDER` goes on: the run's own.

    Args:
        folder: the run's folder.
        config: what the command line gave.
        overrides: its words; only such as cannot change the result are taken.

    Raises:
        UserError: where the folder is no run, the run is done, or the command changes its result.
    """
    stored = read_config(folder)
    if state_of(folder) == "done":
        raise UserError(f"The run {folder} is done: there is nothing to resume.")
    for word in overrides:
        key = word.lstrip("+").partition("=")[0]
        if not _is_within(key, WITHOUT_EFFECT):
            raise UserError(
                f"resume={folder} goes on with the run's own configuration: leave out {key}, or start a new run."
            )
        if key != "resume":
            value = OmegaConf.select(OmegaConf.create(dict(config)), key)
            changed = OmegaConf.create(stored)
            OmegaConf.update(changed, key, value)
            stored = {str(name): one for name, one in OmegaConf.to_container(changed).items()}  # type: ignore[union-attr] # a mapping
    return stored


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        UserError: where it is missing or damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: give the folder of a run.") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}).") from error
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration that a run stored.

    Raises:
        UserError: where there is none.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise UserError(f"{folder} is no run: it has no {CONFIG_FILE}. Give a folder such as outputs/runs/RUN/TIME.")
    container = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(container, dict):
        raise UserError(f"{path} is damaged: it holds no configuration.")
    return {str(key): value for key, value in container.items()}


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
        self._lock = FileLock(path / ".lock")
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
        except Timeout:
            raise UserError(f"The run {self.path} is alive in another process: wait until it has ended.") from None
        except OSError as error:
            raise UserError(
                f"The run folder {self.path} cannot be written ({error.strerror}): choose another paths.output_root."
            ) from error
        earlier = self._refuse_another_config()
        write_text(self.path / CONFIG_FILE, OmegaConf.to_yaml(OmegaConf.create(dict(self._config))))
        now = _now()
        self._status = {
            "state": "running",
            "config_hash": config_hash(self._config),
            "started": earlier.get("started", now),
            "ended": None,
            "epoch": earlier.get("epoch"),
            "error": None,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "heartbeat": now,
        }
        self._write_status()
        self._heart.start()
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
        self._write_status()
        self._lock.release()

    def _refuse_another_config(self) -> dict[str, Any]:
        """Return the status that an earlier process left here, if any, after comparing the configurations."""
        if not (self.path / STATUS_FILE).is_file():
            return {}
        stored, asked = what_matters(read_config(self.path)), what_matters(self._config)
        differing = sorted(key for key in stored.keys() | asked.keys() if stored.get(key) != asked.get(key))
        if differing:
            self._lock.release()
            raise UserError(
                f"The run {self.path} was made with another configuration ({', '.join(differing)} differ): choose "
                "another sweep name, or delete the folder."
            )
        return read_json(self.path / STATUS_FILE)

    def report_epoch(self, finished: int) -> None:
        """Note how many epochs are finished."""
        self._status["epoch"] = finished
        self._write_status()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            self._status["heartbeat"] = _now()
            self._write_status()

    def _write_status(self) -> None:
        with self._status_lock:
            write_json(self.path / STATUS_FILE, self._status)


@contextmanager
def stopwatch(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the time that the block takes to `seconds[name]` [s]."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - start, 3)


def _label(group: Mapping[str, Any]) -> str:
    """Return the name of a group's option, or of its class where the user's file has no name."""
    return _slug(group.get("name") or str(group["_target_"]).rpartition(".")[2])


def _slug(value: Any) -> str:
    """Return a value as part of a file name; what had to be changed is told apart by a hash."""
    text = ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in _as_list(value))
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", text.rstrip("/").rpartition("/")[2]).strip(".") or "x"
    reversible = re.fullmatch(r"(,?-?[A-Za-z0-9][A-Za-z0-9._]*)+", text)
    return plain if reversible else f"{plain}-{_digest(text)}"


def _as_list(value: Any) -> Sequence[Any]:
    return value if not isinstance(value, str) and isinstance(value, Sequence) else [value]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _is_within(key: str, prefixes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
