"""Searches in processes of their own: rungs are resumed runs, and a killed search resumes."""

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from noise_images import Noise
from small_trainings import SMALLEST_DATA, without
from sweep_processes import Sweeps
from workplaces import Workplace

from deblur.files import write_png

pytestmark = pytest.mark.slow

NETWORK = ("model.kernel_sizes=[5,3]", "model.widths=[6]")
TRAINING = ("data.max_images=16", "trainer.max_epochs=4", "scheduler=onecycle", *NETWORK, *SMALLEST_DATA)
SEARCH = (
    "experiment=search",
    "sweep=four",
    "search.trials=3",
    "search.first_rung=1",
    "search.eta=2",
    "search.space.optimizer.lr.log=[1e-3,10]",
    "~search.space.model",
    "+search.space.model.dropout.linear=[0,0.5]",
    *TRAINING,
)


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "search" / "search.json").read_text())


def weights(run: Path) -> list[dict[str, torch.Tensor]]:
    names = ("best", "last")
    return [torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"] for name in names]


def same(first: list[dict[str, torch.Tensor]], second: list[dict[str, torch.Tensor]]) -> bool:
    return all(
        one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
        for one, other in zip(first, second, strict=True)
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Sweeps:
    """A search that was never interrupted."""
    found = Sweeps(tmp_path_factory.mktemp("searched"), cache_root)
    assert Workplace(found.place / "outputs", cache_root).train(*SEARCH) == 0
    return found


def test_a_survivor_equals_a_plain_run_of_the_full_length(searched: Sweeps, tmp_path: Path, cache_root: Path) -> None:
    trials = record(searched.folder)["trials"]
    assert [sum(str(rung) in one["values"] for one in trials) for rung in (1, 2, 4)] == [3, 1, 1]
    assert sorted(searched.states().values()) == ["done", "paused", "paused"]
    (survivor,) = (one for one in trials if "4" in one["values"])
    run = searched.folder / survivor["run"]
    plain = Workplace(tmp_path, cache_root)
    chosen = [f"{key}={value}" for key, value in survivor["settings"].items()]
    assert plain.train(*TRAINING, *chosen) == 0
    assert same(weights(run), weights(plain.run))
    assert json.loads((run / "metrics.json").read_text())["test"] == plain.read("metrics.json")["test"]
    assert searched.has_a_report()
    assert (searched.folder / "report" / "search_four_settings.png").is_file()


def test_a_killed_search_resumes_as_if_nothing_had_happened(searched: Sweeps, tmp_path: Path, cache_root: Path) -> None:
    killed = Sweeps(tmp_path, cache_root)
    for epochs in ("1", "2"):  # in the first rung, and after its end
        process = killed.start(*SEARCH)
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            path = killed.folder / "search" / "search.json"
            if path.is_file() and any(epochs in one["values"] for one in record(killed.folder)["trials"]):
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert "4" not in {rung for one in record(killed.folder)["trials"] for rung in one["values"]}
    code, _, err = killed.run(*SEARCH)
    assert code == 0, err
    assert record(killed.folder)["trials"] == record(searched.folder)["trials"]
    for name in (one["run"] for one in record(searched.folder)["trials"]):
        assert same(weights(killed.folder / name), weights(searched.folder / name))
    before = killed.files(name)
    assert killed.run(*SEARCH)[0] == 0  # nothing is left to do
    assert killed.files(name) == before


def test_a_damaged_file_is_a_sentence_and_its_cure_works(
    searched: Sweeps, tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweeps" / "four"
    shutil.copytree(searched.folder, folder)
    path = folder / "search" / "search.json"
    place = Workplace(tmp_path, cache_root)
    path.write_bytes(path.read_bytes()[:200])
    assert place.train(*SEARCH) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{path} is damaged" in said
    assert "delete the file, and the search's command writes it again from its runs." in said
    path.unlink()
    assert place.train(*SEARCH) == 0
    assert record(folder) == record(searched.folder)


@pytest.mark.parametrize("written", ["checkpoint", "history"])
def test_a_trial_killed_at_the_end_of_a_rung_is_paused_there(
    searched: Sweeps, tmp_path: Path, cache_root: Path, written: str
) -> None:
    shutil.copytree(searched.folder, tmp_path / "sweeps" / "four")
    folder = tmp_path / "sweeps" / "four"
    content = record(folder)
    trial = next(one for one in content["trials"] if one["values"].keys() == {"1"})
    trial["values"] = {}
    (folder / "search" / "search.json").write_text(json.dumps(content))
    run = folder / trial["run"]
    status = json.loads((run / "status.json").read_text()) | {"state": "running", "process": 2**31 - 1}
    if written == "checkpoint":  # the last thing that was written
        status["epoch"] = 0
        rows = (run / "history.csv").read_text().splitlines(keepends=True)
        (run / "history.csv").write_text("".join(rows[:-1]))
    (run / "status.json").write_text(json.dumps(status))
    assert Workplace(tmp_path, cache_root).train(*SEARCH) == 0
    assert record(folder) == record(searched.folder)
    assert json.loads((run / "status.json").read_text())["state"] == "paused"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0
    assert len((run / "history.csv").read_text().splitlines()) == 2
    assert same(weights(run), weights(searched.folder / trial["run"]))


SHORT = (
    "experiment=search",
    "sweep=four",
    "search.trials=2",
    "search.first_rung=1",
    "search.eta=2",
    "~search.space.model",
    *without(TRAINING, "trainer.max_epochs", "scheduler", "data.max_images"),
    "trainer.max_epochs=2",
    "trusted=[watchers]",
)


def test_a_lack_of_memory_fails_no_trial(tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    watched = (f"+callbacks.watch.flag='{flag}'", "+callbacks.watch._target_=watchers.AskForMemory")
    place = Workplace(tmp_path / "outputs", cache_root)
    assert place.train(*SHORT, *watched, "data.max_images=16") == 2
    said = capsys.readouterr()
    assert "The memory does not suffice" in said.err
    assert "trial 1/2 is not finished: the same command resumes the search with it." in said.out
    flag.unlink()
    assert place.train(*SHORT, *watched, "data.max_images=16") == 0
    assert [one["error"] for one in record(place.root / "sweeps" / "four")["trials"]] == [None, None]


def test_a_folder_that_vanishes_fails_no_trial(
    tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, flag = tmp_path / "images", tmp_path / "flag"
    images.mkdir()
    flag.touch()
    pixels = Noise(16, (80, 80))
    for number in range(16):
        write_png(images / f"{number}.png", pixels[number])
    watched = [f"+callbacks.watch.{key}='{value}'" for key, value in (("flag", flag), ("folder", images))]
    watched += [f"+callbacks.watch.to='{tmp_path / 'away'}'", "+callbacks.watch._target_=watchers.RenameOnce"]
    words = (*SHORT, *watched, "data=folder", f"data.root={images}")
    place = Workplace(tmp_path / "outputs", cache_root)
    assert place.train(*words) == 2
    assert f"data.root={images} does not exist" in capsys.readouterr().err
    folder = place.root / "sweeps" / "four"
    assert [one["error"] for one in record(folder)["trials"]] == [None, None]
    (tmp_path / "away").rename(images)
    assert place.train(*words) == 0
    assert [one["error"] for one in record(folder)["trials"]] == [None, None]
    assert [len(one["values"]) for one in record(folder)["trials"]].count(2) == 1


def test_a_trial_whose_parts_cannot_be_built_fails(tmp_path: Path, cache_root: Path) -> None:
    place = Workplace(tmp_path, cache_root)
    space = ("+search.space.model.dropout.choice=[0,0.1]", "+search.space.model.residual.choice=[false,true]")
    fixed = ("optimizer.lr=1e-3", "data.batch_size=8", "model._target_=watchers.Picky", "data.max_images=16")
    words = (*without(SHORT, "search.trials"), "search.trials=6", *space, *fixed)
    assert place.train(*words) == 0
    trials = record(tmp_path / "sweeps" / "four")["trials"]
    refused = [one for one in trials if one["settings"] == {"model.dropout": "0.1", "model.residual": "true"}]
    assert 0 < len(refused) < len(trials)
    assert {one["error"] for one in refused} == {"ValueError('dropout and residual are too much for me')"}
    assert not any(one["error"] for one in trials if one not in refused)
    # If no settings at all can be built, that is no fault of a trial.
    none = ("model._target_=watchers.Picky", "model.dropout=0.1", "model.residual=true", "data.max_images=16")
    with pytest.raises(ValueError, match="too much"):
        place.train(*without(SHORT, "sweep"), "sweep=none", *none)
    assert [one["error"] for one in record(tmp_path / "sweeps" / "none")["trials"]] == [None]


def test_failed_trials_do_not_end_a_search(
    tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Workplace(tmp_path, cache_root)
    steep = tuple(
        word.replace("search.space.optimizer.lr.log=[1e-3,10]", "+search.space.optimizer.lr.choice=[1e-3,1e30]")
        for word in SEARCH
    )
    assert place.train(*steep, "~search.space.optimizer.lr.log") == 0
    trials = record(tmp_path / "sweeps" / "four")["trials"]
    failed = [one for one in trials if one["settings"]["optimizer.lr"] == "1e+30"]
    assert 0 < len(failed) < len(trials)
    for one in failed:
        assert "The training has diverged" in one["error"]
        assert one["values"] == {}
    said = capsys.readouterr().out
    assert "  failed: The training has diverged" in said
    assert "Best of 3 trials: optimizer.lr=0.001 " in said
    assert place.train(*steep, "~search.space.optimizer.lr.log", "search.seed=1") == 2
    assert "was made with other settings (seed differ)" in capsys.readouterr().err
