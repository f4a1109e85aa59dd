"""All loggers at once: what they hold of a run that was interrupted, and of a sweep, is that of undisturbed runs."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked_commands import Start, run_forked
from PIL import Image
from small_trainings import without
from wandb_folders import in_wandb
from workplaces import SMALL, Workplace

mlflow = pytest.importorskip("mlflow", reason="needs the extra [mlflow]")
pytest.importorskip("wandb", reason="needs the extra [wandb]")

pytestmark = pytest.mark.slow

TEST = ("test/psnr", "test/ssim", "test/gain", "test/input_psnr", "test/input_ssim")
LAST_STEP = 9  # three epochs of three steps


@pytest.fixture
def place(tmp_path: Path, cache_root: Path, empty_store: Path) -> Workplace:
    root = tmp_path / "outputs"
    root.mkdir()
    shutil.copy(empty_store, root)
    return Workplace(root, cache_root)


def only_folder(run: Path) -> Path:
    (folder,) = (run / "wandb").glob("*run-*")
    return folder


def in_mlflow(place: Workplace) -> dict[str, Any]:
    """Return what MLflow's client says of the only run in the store."""
    client = mlflow.MlflowClient(f"sqlite:///{place.root / 'mlflow.db'}")
    names = {one.experiment_id: one.name for one in client.search_experiments()}
    (run,) = client.search_runs(list(names))
    histories = [client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
    files = [file.path for file in client.list_artifacts(run.info.run_id, "images") if file.path.endswith(".png")]
    return {
        "id": run.info.run_id,
        "status": run.info.status,
        "name": run.info.run_name,
        "group": names[run.info.experiment_id],
        "settings": run.data.params,
        "rows": [(one.key, one.step, one.value) for history in histories for one in history],
        "images": [
            (int(file.split("+")[2]), np.asarray(Image.open(client.download_artifacts(run.info.run_id, file))))
            for file in files
        ],
    }


def in_table(place: Workplace) -> list[tuple[str, int, float]]:
    rows = place.rows("metrics.csv")
    return [
        (name, int(row["step"]), float(text)) for row in rows for name, text in row.items() if text and name != "step"
    ]


def expected_rows(place: Workplace) -> dict[tuple[str, int], float]:
    rows = {
        (name, int(row["step"]) - 1): float(text)
        for row in place.rows("history.csv")
        for name, text in row.items()
        if name.startswith(("train/", "val/"))
    }
    test = place.read("metrics.json")["test"]
    return rows | {(name, LAST_STEP): test[name.removeprefix("test/")] for name in TEST}


def without_other_tests(rows: list[tuple[str, int, float]]) -> dict[tuple[str, int], float]:
    """Return numbers by name and step, of which none may come twice."""
    kept = [row for row in rows if not row[0].startswith("test/") or row[0] in TEST]
    found = {(name, step): value for name, step, value in kept}
    assert len(found) == len(kept)
    return found


@pytest.mark.parametrize("how", ["StopOnce", "KillOnce"])
def test_a_resumed_run_continues_in_the_same_run_of_each_logger(
    place: Workplace, tmp_path: Path, cache_root: Path, finished: Workplace, how: str
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    stop = (f"+callbacks.stop.flag='{flag}'", f"+callbacks.stop._target_=watchers.{how}", "trusted=[watchers]")
    places = (f"paths.output_root={place.root}", f"paths.cache_root={cache_root}")
    words = (*SMALL, "logger=many_loggers", "callbacks.comparison_grids.every_n_epochs=1", *stop, *places)
    # With it, processes share the process of W&B that writes, which another shell does not.
    environment = {name: text for name, text in os.environ.items() if name != "WANDB_SERVICE"}
    done = run_forked(Start("deblur.train", words, environment=environment))
    assert done.returncode == (130 if how == "StopOnce" else -signal.SIGKILL), done.stderr
    before = in_mlflow(place), in_wandb(only_folder(place.run))
    assert before[0]["status"] == ("KILLED" if how == "StopOnce" else "RUNNING")
    assert {step for _, step, _ in in_table(place)} == {2}

    assert place.resume("trusted=[watchers]") == 0
    after = in_mlflow(place), in_wandb(only_folder(place.run))
    expected = expected_rows(place)
    for found, earlier, at in zip(after, before, ((0, 3, 6, 9), (0, 2, 5, 8)), strict=True):
        assert found["id"] == earlier["id"]
        assert found["name"] == place.run.parent.name
        assert found["settings"].items() >= earlier["settings"].items()
        assert without_other_tests(found["rows"]) == pytest.approx(expected)
        assert sorted(step for step, _ in found["images"]) == list(at)
        shown = dict(found["images"])
        assert all((shown[step] == image).all() for step, image in earlier["images"])
        assert {image.shape for image in shown.values()} == {(581, 524)}  # two images of 64 px, twice as large
    assert after[0]["status"] == "FINISHED"
    assert [path.name[:11] for path in (place.run / "wandb").iterdir() if path.is_dir()] == ["offline-run"]
    assert after[0]["settings"]["lr"] == "0.001"
    assert after[1]["settings"]["lr"] == 0.001
    assert after[0]["settings"]["model.kernel_sizes"] == "[5, 3]"
    assert without_other_tests(in_table(place)) == pytest.approx(expected)
    assert place.read("metrics.json")["test"] == finished.read("metrics.json")["test"]


def test_a_run_that_is_made_longer_has_a_record_of_its_own(place: Workplace) -> None:
    words = (*without(SMALL, "trainer.max_epochs"), "trainer.max_epochs=1", "logger=[mlflow,wandb]")
    assert place.train(*words) == 0
    shorter = in_mlflow(place)["id"]
    assert place.resume("trainer.max_epochs=3") == 0
    client = mlflow.MlflowClient(f"sqlite:///{place.root / 'mlflow.db'}")
    longer = client.get_run(place.read("mlflow.json")["run_id"])
    assert longer.data.params["epochs"] == "3"
    assert longer.data.tags["deblur.continues"] == shorter
    assert client.get_run(shorter).data.params["epochs"] == "1"
    found = [in_wandb(path) for path in sorted((place.run / "wandb").glob("*run-*"))]
    assert [one["settings"]["epochs"] for one in found] == [1, 3]
    expected = expected_rows(place)
    assert without_other_tests(found[1]["rows"]) == pytest.approx(expected)
    histories = {name: client.get_metric_history(longer.info.run_id, name) for name in longer.data.metrics}
    rows = [(name, one.step, one.value) for name, history in histories.items() for one in history]
    assert without_other_tests(rows) == pytest.approx(expected)


def test_runs_of_a_sweep_are_grouped_by_its_name(place: Workplace) -> None:
    words = ("-m", "blur=box,none", "sweep=two", *SMALL, "trainer.max_epochs=1", "logger=[csv,mlflow,wandb]")
    assert place.train(*words) == 0
    client = mlflow.MlflowClient(f"sqlite:///{place.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("two")
    runs = client.search_runs([experiment.experiment_id])
    folders = sorted((place.root / "sweeps" / "two").glob("*/"))
    names = sorted(path.name for path in folders if (path / "status.json").exists())
    assert sorted(run.info.run_name for run in runs) == names
    found = [in_wandb(only_folder(place.root / "sweeps" / "two" / name)) for name in names]
    assert [(one["group"], one["name"]) for one in found] == [("two", name) for name in names]
    assert len({one["id"] for one in found}) == 2


def test_a_store_that_cannot_be_used_is_a_sentence(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    (place.root / "mlflow.db").write_bytes(b"no database" * 100)
    assert place.train(*SMALL, "logger=mlflow", "trainer.max_epochs=1") == 2
    said = capsys.readouterr().err
    assert f"The MLflow store {place.root / 'mlflow.db'} cannot be used (" in said
    assert "Traceback" not in said
