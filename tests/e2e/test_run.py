"""Whole trainings of a small network on a few drawn faces, in this process."""

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from deblur.train import main
from deblur.training.module import DeblurModule

SMALL = (
    "data.max_images=16",
    "data.patch_size=32",
    "data.eval_crop=64",
    "model.kernel_sizes=[5,3]",
    "model.widths=[6]",
    "model.dropout=0.3",
    "trainer.max_epochs=3",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
)

STOPPER = """
from pathlib import Path
from lightning.pytorch import Callback

class StopOnce(Callback):
    '''Presses Ctrl-C in the second epoch, as long as the file is there.'''

    def __init__(self, flag):
        self.flag = Path(flag)

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == 1 and batch_idx == 1 and self.flag.exists():
            self.flag.unlink()
            raise KeyboardInterrupt
"""


class Workplace:
    """Runs the command with its own output folder and finds the one run there."""

    def __init__(self, root: Path, cache_root: Path) -> None:
        self.root = root
        self._places = (f"paths.output_root={root}", f"paths.cache_root={cache_root}")

    def train(self, *words: str) -> int:
        return main([*self._places, *words])

    def resume(self, *words: str) -> int:
        return main([f"resume={self.run}", *words])

    @property
    def run(self) -> Path:
        (folder,) = (path.parent for path in self.root.rglob("status.json"))
        return folder

    def read(self, name: str) -> Any:
        return json.loads((self.run / name).read_text())

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.run / name).open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def workplace(tmp_path: Path, cache_root: Path) -> Workplace:
    return Workplace(tmp_path / "outputs", cache_root)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Workplace:
    """A run of three epochs; tests look at it but do not change it."""
    place = Workplace(tmp_path_factory.mktemp("finished"), cache_root)
    assert place.train(*SMALL) == 0
    return place


def test_a_run_leaves_its_files(finished: Workplace) -> None:
    left = {path.relative_to(finished.run).as_posix() for path in finished.run.rglob("*") if path.is_file()}
    events = [name for name in left if name.startswith("events.out.tfevents.")]
    samples = {name for name in left if name.startswith("samples/")}
    assert len(events) == 1
    assert {Path(name).name for name in samples} == {"blurred.png", "restored.png", "sharp.png", "strip.png"}
    assert left - samples - set(events) == {
        ".lock",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "config.yaml",
        "history.csv",
        "images.csv",
        "metrics.json",
        "status.json",
        "train.log",
    }
    assert finished.run.parent.name.startswith("srcnn_915-box-lr_0.001-eval_crop_64-max_images_16-patch_size_32")


def test_the_status_tells_the_end(finished: Workplace) -> None:
    status = finished.read("status.json")
    assert (status["state"], status["epoch"], status["error"]) == ("done", 3, None)
    assert status["started"] <= status["ended"]


def test_the_metrics_are_the_means_of_the_images(finished: Workplace) -> None:
    metrics, rows = finished.read("metrics.json"), finished.rows("images.csv")
    assert metrics["test"]["images"] == len(rows) == metrics["data"]["counts"]["test"]
    for name in ("psnr", "ssim", "gain", "input_psnr", "input_ssim"):
        mean = sum(float(row[name]) for row in rows) / len(rows)
        assert metrics["test"][name] == pytest.approx(mean, abs=1e-9)
    assert {row["blur"] for row in rows} == {"box"}
    assert {row["size"] for row in rows} == {"7.0"}
    assert metrics["model"] == {"parameters": 25 * 6 + 6 + 9 * 6 + 1, "macs_per_pixel": 204, "receptive_field": 7}
    assert metrics["precision"] == "32-true"
    assert metrics["versions"]["torch"] == torch.__version__


def test_the_history_has_a_row_an_epoch_and_the_best_one_is_in_the_metrics(finished: Workplace) -> None:
    rows = finished.rows("history.csv")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert {"step", "lr", "train/loss", "val/loss", "val/psnr", "val/ssim", "val/gain", "seconds"} <= rows[0].keys()
    best = max(rows, key=lambda row: float(row["val/psnr"]))
    assert finished.read("metrics.json")["val"]["epoch"] == int(best["epoch"])
    assert finished.read("metrics.json")["val"]["psnr"] == float(best["val/psnr"])


def test_checkpoints_load_alone_and_hold_no_place_of_this_machine(finished: Workplace) -> None:
    best = finished.run / "checkpoints" / "best.ckpt"
    settings = torch.load(best, weights_only=True)["hyper_parameters"]
    assert str(finished.root) not in json.dumps(settings)
    restored = DeblurModule.load_from_checkpoint(best, weights_only=True).eval()(torch.rand(1, 1, 9, 7))
    assert restored.shape == (1, 1, 9, 7)


def test_samples_are_the_images_of_the_table(finished: Workplace) -> None:
    rows = {row["name"]: row for row in finished.rows("images.csv")}
    folders = [path for path in (finished.run / "samples").iterdir() if path.is_dir()]
    assert len(folders) == 2
    for folder in folders:
        blurred, restored, sharp = (
            np.asarray(Image.open(folder / f"{kind}.png"), dtype=float) / 255
            for kind in ("blurred", "restored", "sharp")
        )
        row = rows[folder.name]
        assert -10 * math.log10(((blurred - sharp) ** 2).mean()) == pytest.approx(float(row["input_psnr"]), abs=1e-3)
        assert -10 * math.log10(((restored - sharp) ** 2).mean()) == pytest.approx(float(row["psnr"]), abs=0.05)


def test_tensorboard_shows_scalars_strips_and_hyperparameters(finished: Workplace) -> None:
    events = EventAccumulator(str(finished.run), size_guidance={"images": 0}).Reload()
    tags = events.Tags()
    stages = {f"val/{name}" for name in ("loss", "psnr", "ssim", "gain")}
    tests = {f"test/{name}" for name in ("psnr", "ssim", "gain", "input_psnr", "input_ssim")}
    assert {"train/loss", *stages, *tests, "hp/psnr", "hp/ssim", "hp/gain"} <= set(tags["scalars"])
    assert len(events.Scalars("val/psnr")) == 3
    assert [event.step for event in events.Images(tags["images"][0])] == [0, 9]
    assert events.Images(tags["images"][0])[0].width == 4 * 64

    def plugin(tag: str) -> plugin_data_pb2.HParamsPluginData:
        content = events.SummaryMetadata(tag).plugin_data.content
        return plugin_data_pb2.HParamsPluginData.FromString(content)

    shown = plugin(metadata.SESSION_START_INFO_TAG).session_start_info.hparams
    assert shown["model"].string_value == "srcnn_915"
    assert shown["blur"].string_value == "box"
    assert shown["lr"].number_value == 0.001
    measured = [info.name.tag for info in plugin(metadata.EXPERIMENT_TAG).experiment.metric_infos]
    assert sorted(measured) == ["hp/gain", "hp/psnr", "hp/ssim"]
    assert events.Scalars("hp/psnr")[0].value == pytest.approx(finished.read("metrics.json")["test"]["psnr"], abs=1e-4)


def test_the_log_has_the_summary_and_the_table(finished: Workplace) -> None:
    log = (finished.run / "train.log").read_text()
    for words in ("16 images: 12 to train", "receptive field 7 px", "32-true", "best.ckpt", "PSNR, dB"):
        assert words in log


def test_the_same_command_gives_the_same_result(finished: Workplace, workplace: Workplace) -> None:
    assert workplace.train(*SMALL) == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]


def test_loader_processes_do_not_change_the_result(finished: Workplace, workplace: Workplace) -> None:
    assert workplace.train(*SMALL, "data.num_workers=2") == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]
    assert workplace.read("status.json")["config_hash"] == finished.read("status.json")["config_hash"]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    finished: Workplace, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    (tmp_path / "stopper.py").write_text(STOPPER)
    monkeypatch.syspath_prepend(tmp_path)
    flag = tmp_path / "flag"
    flag.touch()
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=stopper.StopOnce", "trusted=[stopper]")
    assert workplace.train(*SMALL, *stop, f"data.num_workers={workers}") == 130
    status = workplace.read("status.json")
    assert (status["state"], status["epoch"]) == ("interrupted", 1)
    assert torch.load(workplace.run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0
    assert not (workplace.run / "metrics.json").exists()

    assert main([f"resume={workplace.run}"]) == 2  # the run needs a module that this command does not trust
    assert workplace.resume("trusted=[stopper]") == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]
    without_time = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in place.rows("history.csv")]
        for place in (workplace, finished)
    ]
    assert without_time[0] == without_time[1]
    steps = [event.step for event in EventAccumulator(str(workplace.run)).Reload().Scalars("val/psnr")]
    assert sorted(steps) == [2, 5, 8]  # files of the same second are read in any order


@pytest.mark.parametrize(
    "words",
    [
        ("scheduler=plateau", "scheduler.patience=0", "scheduler.mode=max"),
        ("scheduler=onecycle",),
        ("scheduler=cosine", "callbacks=[default,ema,early_stopping]"),
    ],
)
def test_schedules_and_averages_go_on(
    tmp_path: Path, cache_root: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (tmp_path / "stopper.py").write_text(STOPPER)
    monkeypatch.syspath_prepend(tmp_path)
    flag = tmp_path / "flag"
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=stopper.StopOnce", "trusted=[stopper]")
    whole, stopped = (Workplace(tmp_path / name, cache_root) for name in ("whole", "stopped"))
    assert whole.train(*words, *SMALL, *stop) == 0
    flag.touch()
    assert stopped.train(*words, *SMALL, *stop) == 130
    moved = tmp_path / "moved"
    shutil.move(stopped.run, moved)
    assert main([f"resume={moved}", "trusted=[stopper]"]) == 0
    stopped.root = moved
    assert stopped.read("metrics.json")["test"] == whole.read("metrics.json")["test"]
    rates = [[row["lr"] for row in place.rows("history.csv")] for place in (stopped, whole)]
    assert rates[0] == rates[1]


def test_a_run_that_was_stopped_in_its_test_is_finished(finished: Workplace, workplace: Workplace) -> None:
    shutil.copytree(finished.run, workplace.root / "copy")
    (workplace.run / "metrics.json").unlink()
    status = workplace.read("status.json")
    (workplace.run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    assert workplace.resume() == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]
    assert workplace.read("metrics.json")["val"] == finished.read("metrics.json")["val"]


def test_other_images_are_refused(
    finished: Workplace, workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished.run, workplace.root / "copy")
    status = workplace.read("status.json")
    (workplace.run / "status.json").write_text(json.dumps(status | {"state": "interrupted", "data": "others"}))
    assert workplace.resume() == 2
    assert "The images have changed" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_a_sentence(
    finished: Workplace, workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished.run, workplace.root / "copy")
    status = workplace.read("status.json")
    (workplace.run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    (workplace.run / "checkpoints" / "last.ckpt").write_bytes(b"nothing")
    assert workplace.resume() == 2
    assert "last.ckpt is no checkpoint of this program, or is damaged" in capsys.readouterr().err


def test_a_rate_in_the_history_is_the_one_trained_with(workplace: Workplace) -> None:
    assert workplace.train("scheduler=cosine", "logger=none", *SMALL) == 0
    assert [float(row["lr"]) for row in workplace.rows("history.csv")] == pytest.approx([1e-3, 0.75e-3, 0.25e-3])


@pytest.mark.parametrize("word", ["+trainer.limit_val_batches=0", "+trainer.limit_train_batches=-3"])
def test_options_that_cannot_work_are_sentences(
    workplace: Workplace, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert workplace.train(*SMALL, word) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_trust_comes_from_the_command_line_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "sly.yaml").write_text("# @package _global_\ntrusted: [evil]\n")
    assert main(["--config-dir", str(tmp_path / "conf"), "experiment=sly", *SMALL]) == 2
    assert "add trusted=[evil] to the command line" in capsys.readouterr().err


def test_a_finished_run_is_not_resumed(finished: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert finished.resume() == 2
    assert "is done: there is nothing to resume" in capsys.readouterr().err


def test_a_diverging_run_fails_with_advice(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workplace.train(*SMALL, "optimizer=sgd", "optimizer.lr=1e6") == 2
    assert "try optimizer.lr=100000" in capsys.readouterr().err
    status = workplace.read("status.json")
    assert status["state"] == "failed"
    assert "The loss became" in status["error"]
    log = (workplace.run / "train.log").read_text()
    assert "The loss became" in log
    assert "Traceback" not in log


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_a_sentence(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workplace.train(*SMALL[:-1], "trainer=gpu") == 2
    error = capsys.readouterr().err
    assert "trainer.accelerator=gpu" in error
    assert "trainer=cpu" in error
    assert not workplace.root.exists() or not list(workplace.root.rglob("*"))


def test_a_folder_of_ones_own(workplace: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "my pictures, [2020] = é"
    (root / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(24):
        levels = rng.integers(0, 256, (70 + index, 81, 3), dtype=np.uint8)
        Image.fromarray(levels).save(root / ("more" if index % 2 else "") / f"{index}.{'jpg' if index % 3 else 'png'}")
    (root / "broken.jpg").write_bytes(b"no picture")
    assert workplace.train("data=folder", f"data.root={root}", *SMALL[1:]) == 0
    assert "broken.jpg" in capsys.readouterr().out
    assert workplace.read("metrics.json")["data"]["left_out"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("blur=gaussian", "scheduler=cosine", "loss=charbonnier"),
        ("blur=motion", "blur.angle=[0,180]", "blur.noise_sigma=[0,4]", "blur.jpeg_quality=80", "optimizer=sgd"),
        ("experiment=original", "data.patches_per_image=1", "optimizer.last_layer_lr_scale=0.1", "loss=l1"),
        ("blur=none", "blur.noise_sigma=10", "logger=none", "callbacks=none"),
    ],
)
def test_every_part_of_the_configuration_runs(workplace: Workplace, words: tuple[str, ...]) -> None:
    limits = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2")
    assert workplace.train(*words, *SMALL[:-3], *limits) == 0
    assert workplace.read("status.json")["state"] == "done"


def test_a_sweep_leaves_a_folder_for_each_run(workplace: Workplace) -> None:
    words = ("-m", "blur=box,none", "sweep=two", *SMALL, "trainer.max_epochs=1", "callbacks=none", "logger=none")
    assert workplace.train(*words) == 0
    folders = sorted(path.parent.name for path in workplace.root.rglob("status.json"))
    assert len(folders) == 2
    assert folders[0].startswith("srcnn_915-box-")
    assert folders[1].startswith("srcnn_915-none-")
    assert folders[0].endswith("-seed_0")
