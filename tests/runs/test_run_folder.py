import copy
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deblur.errors import UserError
from deblur.runs import (
    RunFolder,
    config_hash,
    config_without_paths,
    flatten,
    read_config,
    read_json,
    resumed_config,
    state_of,
    what_matters,
)

CONFIG: dict[str, Any] = {
    "model": {"name": "srcnn_915", "kernel_sizes": [9, 1, 5]},
    "optimizer": {"lr": 0.001},
    "data": {"root": "/faces", "num_workers": 0},
    "trainer": {"max_epochs": 20, "accelerator": "auto", "devices": 1},
    "callbacks": {"image_strips": {"images": 4}},
    "logger": {"tensorboard": {"_target_": "deblur.training.loggers.TensorBoard"}},
    "paths": {"output_root": "outputs", "cache_root": None},
    "scheduler": None,
    "seed": 0,
    "sweep": None,
    "resume": None,
    "trusted": [],
}
HOLDER = """
    import json, sys, time
    from pathlib import Path
    from deblur.runs import RunFolder
    with RunFolder(Path(sys.argv[1]), json.loads(sys.argv[2])):
        print("inside", flush=True)
        time.sleep(60)
"""


def changed(key: str, value: object) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    *sections, last = key.split(".")
    node = config
    for section in sections:
        node = node[section]
    node[last] = value
    return config


def refusal(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def enter(folder: Path, config: dict[str, Any] = CONFIG) -> dict[str, Any]:
    """Run nothing in a folder; return the status while it ran."""
    with RunFolder(folder, config):
        return read_json(folder / "status.json")


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir() if path.name != ".lock"
    }


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold a run folder in another process."""
    words = [sys.executable, "-c", textwrap.dedent(HOLDER), str(folder), json.dumps(CONFIG)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        try:
            yield process
        finally:
            process.kill()


def eventually(happens: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happens():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paths.output_root", "/elsewhere"),
        ("paths.cache_root", "/tmp/cache"),
        ("data.num_workers", 4),
        ("trainer.accelerator", "gpu"),
        ("trainer.devices", 2),
        ("callbacks.image_strips.images", 1),
        ("logger", None),
        ("sweep", "grid"),
        ("resume", "outputs/x"),
        ("trusted", ["my_nets"]),
    ],
)
def test_the_hash_is_blind_to_what_cannot_change_the_result(key: str, value: object) -> None:
    assert config_hash(changed(key, value)) == config_hash(CONFIG)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer.lr", 0.002),
        ("optimizer.momentum", 0.9),
        ("model.kernel_sizes", [9, 5, 1]),
        ("model.name", "other"),
        ("data.root", "/other"),
        ("trainer.max_epochs", 21),
        ("scheduler", {"_target_": "x"}),
        ("seed", 1),
    ],
)
def test_the_hash_sees_what_can_change_the_result(key: str, value: object) -> None:
    assert config_hash(changed(key, value)) != config_hash(CONFIG)


@given(st.permutations(list(CONFIG)), st.permutations(list(CONFIG["trainer"])))
def test_the_hash_is_blind_to_the_order_of_keys(order: list[str], inner: list[str]) -> None:
    shuffled = {key: CONFIG[key] for key in order}
    shuffled["trainer"] = {key: CONFIG["trainer"][key] for key in inner}
    assert config_hash(shuffled) == config_hash(CONFIG)


def test_sections_are_flattened() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None, "f": {}}) == {"a.b.c": 1, "a.d": [2], "e": None}
    assert "paths.output_root" not in what_matters(CONFIG)
    assert what_matters(CONFIG)["optimizer.lr"] == 0.001
    assert config_without_paths({"root": "/faces", "path": "/kernel", "seed": 0}) == {"seed": 0}


def test_a_run_is_running_and_then_done(tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    folder = tmp_path / "runs" / "a"
    status = enter(folder)
    assert status["state"] == "running"
    assert status["ended"] is status["error"] is status["epoch"] is None
    assert status["process"] == os.getpid()
    assert status["config_hash"] == config_hash(CONFIG)
    assert start <= datetime.fromisoformat(status["started"]) <= datetime.now(UTC)
    ended = read_json(folder / "status.json")
    assert ended["state"] == state_of(folder) == "done"
    assert ended["error"] is None
    assert start <= datetime.fromisoformat(ended["ended"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (ValueError("no such thing"), "failed", "ValueError: no such thing"),
        (UserError("Mend this."), "failed", "Mend this."),
        (MemoryError(), "failed", "MemoryError: "),
        (KeyboardInterrupt("Stopped."), "interrupted", None),
        (SystemExit(1), "interrupted", None),
    ],
)
def test_a_run_that_breaks_off_says_so(tmp_path: Path, error: BaseException, state: str, text: str | None) -> None:
    with pytest.raises(type(error)), RunFolder(tmp_path, CONFIG):
        raise error
    status = read_json(tmp_path / "status.json")
    assert (status["state"], status["error"]) == (state, text)
    assert status["ended"] is not None


def test_a_run_that_goes_on_keeps_its_start_and_epoch(tmp_path: Path) -> None:
    with RunFolder(tmp_path, CONFIG) as run:
        run.report_epoch(3)
    first = read_json(tmp_path / "status.json") | {"started": "2020-01-01T00:00:00+00:00"}
    (tmp_path / "status.json").write_text(json.dumps(first))
    again = enter(tmp_path)
    assert (again["state"], again["epoch"], again["started"]) == ("running", 3, first["started"])
    assert again["ended"] is again["error"] is None


def test_the_configuration_is_stored(tmp_path: Path) -> None:
    config = CONFIG | {"data": {"root": "/größe/${x}/a: b", "lr": 1e-5, "flips": True, "none": None}}
    enter(tmp_path, config)
    assert read_config(tmp_path) == config


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deblur.runs.folder.HEARTBEAT", 0.02)
    with RunFolder(tmp_path, CONFIG):
        started = read_json(tmp_path / "status.json")["started"]
        assert eventually(lambda: read_json(tmp_path / "status.json")["heartbeat"] > started)
        assert state_of(tmp_path) == "running"
    last = files_of(tmp_path)
    time.sleep(0.1)
    assert files_of(tmp_path) == last


def test_the_heart_beats_on_after_it_could_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deblur.runs.folder.HEARTBEAT", 0.02)
    folder, away = tmp_path / "run", tmp_path / "away"
    with RunFolder(folder, CONFIG):
        folder.rename(away)
        folder.touch()
        time.sleep(0.1)
        folder.unlink()
        away.rename(folder)
        written = (folder / "status.json").stat().st_mtime_ns
        assert eventually(lambda: (folder / "status.json").stat().st_mtime_ns > written)


def test_nobody_enters_a_living_run(tmp_path: Path) -> None:
    with another_process(tmp_path):
        before = files_of(tmp_path)
        sentence = f"The run {tmp_path} is alive in another process: wait until it has ended."
        assert refusal(enter, tmp_path) == sentence
        assert files_of(tmp_path) == before
    with RunFolder(tmp_path, CONFIG):
        assert "is alive in another process" in refusal(enter, tmp_path)


def test_a_killed_run_can_be_entered_at_once(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert state_of(tmp_path) == "interrupted"
        assert enter(tmp_path)["process"] == os.getpid()
    assert state_of(tmp_path) == "done"


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("optimizer.lr", 0.1, "optimizer.lr"),
        ("optimizer.betas", [0.9, 0.99], "optimizer.betas"),
        ("scheduler", {"T_max": 3}, "scheduler.T_max"),
        ("model", {"name": "x", "kernel_sizes": [3, 3]}, "model.kernel_sizes, model.name"),
    ],
)
def test_another_configuration_is_refused_and_changes_nothing(
    tmp_path: Path, key: str, value: object, named: str
) -> None:
    enter(tmp_path)
    before = files_of(tmp_path)
    assert refusal(enter, tmp_path, changed(key, value)) == (
        f"The run {tmp_path} was made with another configuration ({named} differ): choose another sweep name, or "
        "delete the folder."
    )
    assert files_of(tmp_path) == before
    enter(tmp_path)


def test_a_configuration_that_differs_without_effect_is_taken(tmp_path: Path) -> None:
    enter(tmp_path)
    enter(tmp_path, changed("trainer.devices", 2))
    assert read_config(tmp_path)["trainer"]["devices"] == 2


@pytest.mark.parametrize("file", ["config.yaml", "status.json"])
def test_a_folder_with_a_damaged_file_can_be_mended(tmp_path: Path, file: str) -> None:
    enter(tmp_path)
    sound = (tmp_path / file).read_text()
    (tmp_path / file).write_text("{")
    assert str(tmp_path / file) in refusal(enter, tmp_path)
    (tmp_path / file).write_text(sound)
    with another_process(tmp_path):
        pass


def test_a_file_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "outputs").touch()
    folder = tmp_path / "outputs" / "runs" / "a"
    assert refusal(enter, folder) == (
        f"The run folder {folder} cannot be written (Not a directory): choose another paths.output_root."
    )
    (tmp_path / "outputs").unlink()
    (folder / "config.yaml").mkdir(parents=True)
    assert refusal(enter, folder) == (
        f"The run folder {folder} cannot be written (Is a directory): choose another paths.output_root."
    )
    (folder / "config.yaml").rmdir()
    enter(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written (Permission denied)" in refusal(enter, tmp_path / "runs")


def test_the_lock_is_let_go_when_the_last_status_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = RunFolder(folder, CONFIG).__enter__()
    (folder / "status.json").unlink()
    (folder / "status.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        run.__exit__(None, None, None)
    (folder / "status.json").rmdir()
    enter(folder)


@pytest.mark.parametrize("state", [None, "running", "failed", "interrupted"])
def test_a_resumed_run_goes_on_with_its_own_configuration(tmp_path: Path, state: str | None) -> None:
    enter(tmp_path)
    if state is None:
        (tmp_path / "status.json").unlink()
    else:
        (tmp_path / "status.json").write_text(json.dumps({"state": state}))
    asked = changed("optimizer.lr", 0.5) | {"resume": str(tmp_path)}
    assert resumed_config(tmp_path, asked, [f"resume={tmp_path}"]) == CONFIG


def test_a_finished_run_is_not_resumed(tmp_path: Path) -> None:
    enter(tmp_path)
    assert refusal(resumed_config, tmp_path, CONFIG, []) == f"The run {tmp_path} is done: there is nothing to resume."


@pytest.mark.parametrize("word", ["optimizer.lr=1", "+optimizer.x=1", "model=srcnn_9315", "~data.root", "seed=0"])
def test_a_resumed_run_takes_no_words_that_change_its_result(tmp_path: Path, word: str) -> None:
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path, CONFIG):
        raise KeyboardInterrupt
    key = word.lstrip("+").partition("=")[0]
    assert refusal(resumed_config, tmp_path, CONFIG, [f"resume={tmp_path}", word]) == (
        f"resume={tmp_path} goes on with the run's own configuration: leave out {key}, or start a new run."
    )


def test_a_resumed_run_takes_words_without_effect(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path, CONFIG):
        raise KeyboardInterrupt
    asked = changed("data.num_workers", 4) | {"logger": {"csv": {"_target_": "x"}}, "trusted": ["my_nets"]}
    words = ["data.num_workers=4", "logger=csv", "trusted=[my_nets]", f"resume={tmp_path}"]
    assert resumed_config(tmp_path, asked, words) == asked
    assert read_config(tmp_path) == CONFIG


def test_what_is_no_run_is_a_sentence(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert refusal(read_config, folder) == (
            f"{folder} is no run: it has no config.yaml. Give a folder such as outputs/runs/RUN/TIME."
        )
    assert state_of(tmp_path) is None
    path = tmp_path / "status.json"
    assert refusal(read_json, path) == f"{path} does not exist: give the folder of a run."


@pytest.mark.parametrize("content", [b"", b"{", b"a: [1", b"3", b"- 1", b"\xff\xfe\xff", b"a: 1\n  b: 2"])
def test_a_damaged_configuration_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    assert refusal(read_config, tmp_path).startswith(f"{tmp_path / 'config.yaml'} is damaged")


@pytest.mark.parametrize("content", [b"", b"{", b'{"state": "done"', b"[]", b"3", b"null", b"\xff\xfe"])
def test_a_damaged_json_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "status.json").write_bytes(content)
    assert refusal(read_json, tmp_path / "status.json").startswith(f"{tmp_path / 'status.json'} is damaged")
    assert refusal(state_of, tmp_path).startswith(f"{tmp_path / 'status.json'} is damaged")


@pytest.mark.parametrize("content", ["{}", '{"state": "finished"}', '{"state": null}', '{"state": ["done"]}'])
def test_a_status_without_a_state_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    assert refusal(state_of, tmp_path) == f"{tmp_path / 'status.json'} is damaged: it tells no state."
