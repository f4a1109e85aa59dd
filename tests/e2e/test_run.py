"""What whole trainings of a small network on a few drawn faces leave behind, in this process."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_trainings import without
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from workplaces import SMALL, Workplace

from deblur.training.module import DeblurModule


def test_a_run_leaves_its_files(finished: Workplace) -> None:
    left = {path.relative_to(finished.run).as_posix() for path in finished.run.rglob("*") if path.is_file()}
    events = [name for name in left if name.startswith("events.out.tfevents.")]
    samples = {name for name in left if name.startswith("samples/")}
    assert len(events) == 1
    assert {Path(name).name for name in samples} == {"blurred.png", "restored.png", "sharp.png", "comparison.png"}
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


def test_the_status_stores_the_end(finished: Workplace) -> None:
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
    size = {"parameters": 25 * 6 + 6 + 9 * 6 + 1, "macs_per_pixel": 204, "receptive_field": 7}
    assert metrics["model"] == size
    assert metrics["precision"] == "32-true"
    assert metrics["versions"]["torch"] == torch.__version__


def test_the_history_has_a_row_an_epoch_and_the_best_one_is_in_the_metrics(finished: Workplace) -> None:
    rows = finished.rows("history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"step", "lr", "train/loss", "val/loss", "val/mse", "val/psnr", "val/ssim", "val/gain", "seconds"} <= rows[
        0
    ].keys()
    best = max(rows, key=lambda row: float(row["val/psnr"]))
    assert finished.read("metrics.json")["val"]["epoch"] == int(best["epoch"])
    assert finished.read("metrics.json")["val"]["psnr"] == float(best["val/psnr"])


def test_epochs_are_counted_from_1_wherever_they_are_shown(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workplace.train(*SMALL, "+logger.csv._target_=lightning.pytorch.loggers.CSVLogger") == 0
    history, log = workplace.rows("history.csv"), (workplace.run / "train.log").read_text()
    best = max(history, key=lambda row: float(row["val/psnr"]))["epoch"]
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    for shown in (capsys.readouterr().out, log):
        assert re.findall(r"epoch (\d/3)", shown) == ["1/3", "2/3", "3/3"]
        assert f"the best epoch, {best}" in shown
    assert workplace.read("status.json")["epoch"] == 3
    assert workplace.read("metrics.json")["val"]["epoch"] == int(best)
    logged = workplace.rows("lightning_logs/version_0/metrics.csv")
    for column in ("train/loss", "val/psnr"):
        theirs = {row["epoch"].removesuffix(".0"): float(row[column]) for row in logged if row[column]}
        assert theirs == pytest.approx({row["epoch"]: float(row[column]) for row in history})
    # Lightning's own file counts the finished epochs before this one, which a resume relies on.
    for name, epoch in (("best", best), ("last", "3")):
        stored = torch.load(workplace.run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert (stored["epoch"] + 1, stored["progress"]["rows"][-1]["epoch"]) == (int(epoch), int(epoch))


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


def test_tensorboard_shows_scalars_grids_and_hyperparameters(finished: Workplace) -> None:
    events = EventAccumulator(str(finished.run), size_guidance={"images": 0}).Reload()
    tags = events.Tags()
    stages = {f"val/{name}" for name in ("loss", "mse", "psnr", "ssim", "gain")}
    tests = {f"test/{name}" for name in ("psnr", "ssim", "gain", "input_psnr", "input_ssim")}
    assert {"train/loss", *stages, *tests} <= set(tags["scalars"])
    assert "epoch" not in tags["scalars"]  # a ramp, which Lightning adds
    for tag in ("train/loss", "val/psnr", "curves/train/loss", "curves/val/psnr"):
        assert [event.step for event in events.Scalars(tag)] == [2, 5, 8]
    assert min(tags["scalars"]).startswith("curves/")  # TensorBoard opens the first two groups
    assert [event.step for event in events.Images(tags["images"][0])] == [0, 9]
    assert events.Images(tags["images"][0])[0].width == 4 * 132 - 4  # four images of 64 px, enlarged twice

    def plugin(tag: str) -> plugin_data_pb2.HParamsPluginData:
        content = events.SummaryMetadata(tag).plugin_data.content
        return plugin_data_pb2.HParamsPluginData.FromString(content)

    shown = plugin(metadata.SESSION_START_INFO_TAG).session_start_info.hparams
    assert shown["model"].string_value == "srcnn_915"
    assert shown["blur"].string_value == "box"
    assert shown["lr"].number_value == 0.001
    assert shown["set/data.flips"].bool_value is True
    assert metadata.EXPERIMENT_TAG not in events.Tags()["tensors"]  # TensorBoard would take it for all runs
    ended = plugin(metadata.SESSION_END_INFO_TAG).session_end_info
    assert ended.status == api_pb2.STATUS_SUCCESS
    assert events.Scalars("test/psnr")[0].value == pytest.approx(
        finished.read("metrics.json")["test"]["psnr"], abs=1e-4
    )


def test_the_log_has_the_summary_and_the_table(finished: Workplace) -> None:
    log = (finished.run / "train.log").read_text()
    for overrides in ("16 images: 12 to train", "receptive field 7 px", "32-true", "epoch 3/3  loss ", "PSNR [dB]"):
        assert overrides in log


def test_the_same_command_gives_the_same_result(finished: Workplace, workplace: Workplace) -> None:
    assert workplace.train(*SMALL) == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]


def test_loader_processes_do_not_change_the_result(finished: Workplace, workplace: Workplace) -> None:
    assert workplace.train(*SMALL, "data.num_workers=2") == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]
    assert workplace.read("status.json")["config_hash"] == finished.read("status.json")["config_hash"]


def test_a_rate_in_the_history_is_the_one_trained_with(workplace: Workplace) -> None:
    assert workplace.train("scheduler=cosine", "logger=none", *SMALL) == 0
    assert [float(row["lr"]) for row in workplace.rows("history.csv")] == pytest.approx([1e-3, 0.75e-3, 0.25e-3])


def test_an_epoch_without_validation_has_no_figures_of_an_earlier_one(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ("trainer.max_epochs=4", "+trainer.check_val_every_n_epoch=2", "logger=none", "scheduler=plateau")
    assert workplace.train(*SMALL, *overrides, "scheduler.patience=0", "scheduler.mode=max") == 0
    assert [bool(row["val/psnr"]) for row in workplace.rows("history.csv")] == [False, True, False, True]
    assert workplace.read("metrics.json")["val"]["epoch"] in (2, 4)
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert ["gain" in line for line in shown] == [False, True, False, True]
    # The loss falls, which mode=max takes for a failure: the rate goes down after the second validation, not before.
    assert len({row["lr"] for row in workplace.rows("history.csv")}) == 1


def test_a_network_that_unshuffles_pixels_is_trained_on_sizes_that_are_no_multiples(workplace: Workplace) -> None:
    small = [word for word in SMALL if not word.startswith("model.")]
    overrides = ("model=resnet", "model.blocks=1", "model.width=8", "data.patch_size=32", "data.eval_crop=62")
    assert workplace.train(*small, *overrides, "logger=none", "optimizer.lr=3e-3") == 0
    metrics = workplace.read("metrics.json")
    assert metrics["model"]["receptive_field"] == 27
    losses = [float(row["train/loss"]) for row in workplace.rows("history.csv")]
    assert losses[-1] < losses[0]


def test_a_folder_of_ones_own(workplace: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "my images, [2020] = é"
    (root / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(24):
        levels = rng.integers(0, 256, (70 + index, 81, 3), dtype=np.uint8)
        Image.fromarray(levels).save(root / ("more" if index % 2 else "") / f"{index}.{'jpg' if index % 3 else 'png'}")
    (root / "broken.jpg").write_bytes(b"no image")
    assert workplace.train("data=folder", f"data.root={root}", *without(SMALL, "data.max_images")) == 0
    assert "broken.jpg" in capsys.readouterr().out
    assert workplace.read("metrics.json")["data"]["left_out"] == 1


@pytest.mark.parametrize(
    "overrides",
    [
        ("blur=gaussian", "scheduler=cosine", "loss=charbonnier"),
        ("blur=motion", "blur.angle=[0,180]", "blur.noise_sigma=[0,4]", "blur.jpeg_quality=80", "optimizer=sgd"),
        ("experiment=original", "data.patches_per_image=1", "optimizer.last_layer_lr_scale=0.1", "loss=l1"),
        ("blur=none", "blur.noise_sigma=10", "logger=none", "callbacks=none"),
    ],
)
def test_every_part_of_the_configuration_runs(workplace: Workplace, overrides: tuple[str, ...]) -> None:
    limits = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2")
    assert workplace.train(*overrides, *without(SMALL, "model.kernel_sizes", "model.widths"), *limits) == 0
    assert workplace.read("status.json")["state"] == "done"


def test_a_sweep_leaves_a_folder_for_each_run(workplace: Workplace) -> None:
    overrides = ("-m", "blur=box,none", "sweep=two", *SMALL, "trainer.max_epochs=1", "callbacks=none", "logger=none")
    assert workplace.train(*overrides) == 0
    folders = sorted(path.parent.name for path in workplace.root.rglob("status.json"))
    assert len(folders) == 2
    assert folders[0].startswith("srcnn_915-box-")
    assert folders[1].startswith("srcnn_915-none-")
    assert folders[0].endswith("-seed_0")
