import json
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from run_processes import another_process, eventually
from run_settings import CONFIG, changed, enter, refusal

from deblur.config.identity import config_hash
from deblur.errors import UserError
from deblur.reading import read_json
from deblur.runs import folder
from deblur.runs.folder import RunFolder, RunIsAlive, RunIsDone
from deblur.runs.records import damage_in, read_config
from deblur.runs.states import differing_keys, state_of


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir() if path.name != ".lock"
    }


def test_a_run_is_running_and_then_done(tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    folder = tmp_path / "runs" / "a"
    with RunFolder(folder, CONFIG):
        status = read_json(folder / "status.json")
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
        (UserError("Fix this."), "failed", "Fix this."),
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


def test_a_resumed_run_keeps_its_start_and_epoch(tmp_path: Path) -> None:
    enter(tmp_path)
    first = read_json(tmp_path / "status.json") | {"started": "2020-01-01T00:00:00+00:00", "epoch": 3}
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


@pytest.mark.slow
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
    assert state_of(tmp_path) == "interrupted"


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
        "replace it with overwrite=true."
    )
    assert files_of(tmp_path) == before
    enter(tmp_path)


def test_a_configuration_that_differs_without_effect_is_taken(tmp_path: Path) -> None:
    enter(tmp_path)
    enter(tmp_path, changed("data.num_workers", 2))
    assert read_config(tmp_path)["data"]["num_workers"] == 2


def test_other_devices_are_another_configuration(tmp_path: Path) -> None:
    """Each takes a batch: two train with steps of twice as many images."""
    enter(tmp_path)
    assert "(trainer.devices differ)" in refusal(enter, tmp_path, changed("trainer.devices", 2))


def train_in_bfloat16(folder: Path, epochs: int) -> None:
    with RunFolder(folder, CONFIG) as run:
        run.note_precision("bf16-mixed")
        for epoch in range(epochs):
            run.report_epoch(epoch + 1)
        raise KeyboardInterrupt


@pytest.mark.parametrize("epochs", [0, 1])
def test_the_precision_of_finished_epochs_is_kept(tmp_path: Path, epochs: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_in_bfloat16(tmp_path, epochs)
    assert enter(tmp_path)["precision"] == ("bf16-mixed" if epochs else None)


def test_a_configuration_that_was_cut_is_damaged(tmp_path: Path) -> None:
    """Whatever is left of it can be read, and would look like another configuration."""
    enter(tmp_path)
    path = tmp_path / "config.yaml"
    whole = path.read_text().splitlines(keepends=True)
    for lines in range(1, len(whole)):
        path.write_text("".join(whole[:lines]))
        if damage_in(tmp_path) or differing_keys(tmp_path, CONFIG):  # else only what has no effect was lost
            said = refusal(enter, tmp_path)
            assert said.startswith(f"{path} is damaged (")
            assert "overwrite=true" in said
        enter(tmp_path, overwrite=True)
        assert read_config(tmp_path) == CONFIG


@pytest.mark.parametrize(
    "name", ["train.log", "checkpoints", "samples", "checkpoints/last.ckpt", "samples/a", ".other"]
)
def test_a_link_out_of_the_folder_is_not_written_to(tmp_path: Path, name: str) -> None:
    enter(tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "run" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    assert refusal(enter, tmp_path / "run").startswith(f"{link} is a link out of the run's folder")
    link.unlink()
    link.symlink_to(tmp_path / "run" / "status.json")
    enter(tmp_path / "run")
    link.unlink()
    link.symlink_to(link)  # leads nowhere
    enter(tmp_path / "run")


@pytest.mark.parametrize("file", ["status.json", "config.yaml", "history.csv", "metrics.json", "images.csv"])
@pytest.mark.parametrize("how", ["empty", "binary", "folder", "pipe", "unreadable"])
def test_overwrite_replaces_a_run_with_a_damaged_file(tmp_path: Path, file: str, how: str) -> None:
    with RunFolder(tmp_path, CONFIG):
        pass
    (tmp_path / "metrics.json").write_text('{"test": {"psnr": 26.0}}')
    path = tmp_path / file
    path.unlink(missing_ok=True)
    if how == "folder":
        (path / "within").mkdir(parents=True)
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "unreadable":
        path.symlink_to("/proc/self/mem")  # an input/output error
    else:
        path.write_bytes(b"" if how == "empty" else bytes(range(256)))
    assert damage_in(tmp_path) is not None
    if file in ("status.json", "config.yaml"):
        assert refusal(enter, tmp_path).startswith(f"{path} ")
        assert "overwrite=true" in refusal(enter, tmp_path)
    enter(tmp_path, overwrite=True)
    assert damage_in(tmp_path) is None
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".lock", "config.yaml", "status.json"]


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


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    with RunFolder(tmp_path, CONFIG) as run:
        run.report_epoch(20)
    (tmp_path / "metrics.json").write_text('{"test": {"psnr": 26.0}}')
    before = files_of(tmp_path)
    for overwrite in (False, True):
        again = RunFolder(tmp_path, CONFIG, overwrite=overwrite)
        with pytest.raises(RunIsDone):
            again.refuse_if_done()
        with pytest.raises(RunIsDone), again:
            pass
    assert files_of(tmp_path) == before
    assert "lr differ" in refusal(RunFolder(tmp_path, changed("optimizer.lr", 0.1)).refuse_if_done)


@pytest.mark.parametrize(
    ("state", "config", "is_replaced"),
    [
        ("done", changed("optimizer.lr", 0.1), True),
        ("interrupted", changed("optimizer.lr", 0.1), True),
        ("failed", CONFIG, True),
        ("interrupted", CONFIG, False),
        ("running", CONFIG, False),
    ],
)
def test_overwrite_replaces_failed_and_differing_runs(
    tmp_path: Path, state: str, config: dict[str, Any], is_replaced: bool
) -> None:
    enter(tmp_path)
    status = read_json(tmp_path / "status.json") | {"state": state, "epoch": 7}
    (tmp_path / "status.json").write_text(json.dumps(status))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    again = enter(tmp_path, config, overwrite=True)
    assert (tmp_path / "checkpoints").exists() is not is_replaced
    assert again["epoch"] == (None if is_replaced else 7)
    assert read_config(tmp_path) == config


@pytest.mark.slow
def test_overwrite_takes_no_living_run(tmp_path: Path) -> None:
    with another_process(tmp_path):
        before = files_of(tmp_path)
        run = RunFolder(tmp_path, changed("optimizer.lr", 0.1), overwrite=True)
        with pytest.raises(RunIsAlive), run:
            pass
        assert files_of(tmp_path) == before


@pytest.mark.parametrize(("silence", "is_alive"), [(10, True), (290, True), (310, False)])
def test_a_run_on_another_host_lives_as_long_as_its_heart_beats(tmp_path: Path, silence: int, is_alive: bool) -> None:
    enter(tmp_path)
    last = (datetime.now(UTC) - timedelta(seconds=silence)).isoformat()
    status = read_json(tmp_path / "status.json") | {"state": "running", "host": "elsewhere", "heartbeat": last}
    (tmp_path / "status.json").write_text(json.dumps(status))
    assert state_of(tmp_path) == ("running" if is_alive else "interrupted")
    if is_alive:
        replacing = RunFolder(tmp_path, changed("optimizer.lr", 0.1), overwrite=True)
        with pytest.raises(RunIsAlive), replacing:
            pass
        assert f"is alive on elsewhere (its last heartbeat: {last})" in refusal(enter, tmp_path)
        assert read_json(tmp_path / "status.json") == status
    else:
        assert enter(tmp_path)["host"] == socket.gethostname()


def test_a_run_of_a_sweep_sees_the_images_of_the_others(tmp_path: Path) -> None:
    config = CONFIG | {"sweep": "grid"}
    with RunFolder(tmp_path / "a", config) as run:
        run.refuse_other_data("first")
    with RunFolder(tmp_path / "b", config) as run:
        run.refuse_other_data("first")
        assert refusal(run.refuse_other_data, "second").startswith("The images have changed since")
    with RunFolder(tmp_path / "c", config) as run:
        assert refusal(run.refuse_other_data, "second").startswith("The images have changed since a was trained")
    with RunFolder(tmp_path / "d", config | {"data": {"root": "/others", "num_workers": 0}}) as run:
        run.refuse_other_data("second")  # a sweep may go through folders


LONGER = changed("trainer.max_epochs", 60)
RESULTS = ("metrics.json", "images.csv", "samples")


def finish(folder: Path) -> dict[str, bytes]:
    """Leave a finished run with its results, and return the content of its files."""
    with RunFolder(folder, CONFIG) as run:
        run.report_epoch(20)
        (folder / "samples").mkdir()
        for name in ("metrics.json", "images.csv", "samples/a.png"):
            (folder / name).write_text("{}")
    return content_of(folder)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_finished_run_becomes_the_longer_one(tmp_path: Path) -> None:
    finish(tmp_path)
    with RunFolder(tmp_path, LONGER, lengthen=True) as run:
        assert run.is_shorter
        assert read_config(tmp_path) == CONFIG
        run.lengthen()
        assert not run.is_shorter
        assert read_json(tmp_path / "status.json")["config_hash"] == config_hash(LONGER)
    assert state_of(tmp_path) == "done"
    assert read_config(tmp_path) == LONGER
    assert not any((tmp_path / name).exists() for name in RESULTS)  # of the shorter run
    with pytest.raises(RunIsDone):
        RunFolder(tmp_path, LONGER, lengthen=True).refuse_if_done()


def test_a_run_that_cannot_be_made_longer_after_all_stays_as_it_was(tmp_path: Path) -> None:
    before = finish(tmp_path)
    with pytest.raises(UserError), RunFolder(tmp_path, LONGER, lengthen=True):
        raise UserError("The images have changed.")
    assert content_of(tmp_path) == before


def test_a_longer_run_that_breaks_off_is_the_longer_one(tmp_path: Path) -> None:
    finish(tmp_path)
    with suppress(KeyboardInterrupt), RunFolder(tmp_path, LONGER, lengthen=True) as run:
        run.lengthen()
        raise KeyboardInterrupt
    assert (state_of(tmp_path), damage_in(tmp_path)) == ("interrupted", None)
    assert differing_keys(tmp_path, LONGER) == []


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_run_that_is_killed_while_it_becomes_longer_is_one_of_the_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """The process ends, as if it had been killed, before it has written its files so often."""
    finish(tmp_path)
    run = RunFolder(tmp_path, LONGER, lengthen=True).__enter__()
    left = iter(range(written))

    def killed(write: Callable[..., None]) -> Callable[..., None]:
        def last(*arguments: Any) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            write(*arguments)

        return last

    for name in ("write_json", "write_text"):
        monkeypatch.setattr(folder, name, killed(getattr(folder, name)))
    with suppress(KeyboardInterrupt):
        run.lengthen()
    run._lock.release()
    monkeypatch.undo()
    assert (state_of(tmp_path), damage_in(tmp_path)) == ("interrupted", None)
    resumed = RunFolder(tmp_path, LONGER if written > 1 else CONFIG)
    resumed.refuse_if_done()
    with resumed:
        pass
    assert state_of(tmp_path) == "done"


def test_other_configurations_are_not_made_longer(tmp_path: Path) -> None:
    finish(tmp_path)
    other = changed("optimizer.lr", 0.5) | {"trainer": LONGER["trainer"]}
    for config in (other, changed("trainer.max_epochs", 10)):
        with pytest.raises(UserError, match="was made with another configuration"):
            RunFolder(tmp_path, config, lengthen=True).__enter__()
