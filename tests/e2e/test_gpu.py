"""What a CUDA GPU has to do as a processor does: `make bench-gpu` runs these, and then measures."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_faces import drawn
from small_trainings import without
from sweep_processes import Sweeps
from workplaces import Workplace

import deblur
from deblur.blur import Motion
from deblur.data.device_blur import degraded
from deblur.metrics.images import psnr, ssim
from deblur.models import SRCNN
from deblur.train import main
from deblur.training.module import DeblurModule

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]
ON_GPU = ("trainer=gpu",)
SMALL = ("data.max_images=120", "data.eval_crop=128", "optimizer.lr=1e-3", "trainer.max_epochs=3", "callbacks=none")
TRUSTED = "trusted=[watchers]"
MIB = 2**20  # bytes


class WorkplaceOnGPU(Workplace):
    """Tells what the runs measured, all of them on a GPU."""

    def metrics(self) -> list[dict[str, Any]]:
        read = [json.loads(path.read_text()) for path in sorted(self.root.rglob("metrics.json"))]
        assert {metrics["device"]["accelerator"] for metrics in read} == {"gpu"}
        return read

    def gain(self) -> float:
        (metrics,) = self.metrics()
        return float(metrics["test"]["gain"])


@pytest.fixture
def workplace(tmp_path: Path, cache_root: Path) -> WorkplaceOnGPU:
    return WorkplaceOnGPU(tmp_path / "outputs", cache_root)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_removes_blur_and_no_step_waits_for_the_gpu(
    workplace: WorkplaceOnGPU, precision: str, workers: int
) -> None:
    watch = ("+callbacks.watch._target_=watchers.NeverWaits", TRUSTED, "data.batch_size=4")  # 60 steps or more
    overrides = (f"trainer.precision={precision}", f"data.num_workers={workers}")
    assert workplace.train(*ON_GPU, *without(SMALL, "callbacks"), *overrides, *watch) == 0
    assert workplace.gain() > 0.3


def test_a_training_blurs_on_the_gpu_and_does_not_wait(workplace: WorkplaceOnGPU) -> None:
    watch = ("+callbacks.watch._target_=watchers.NeverWaits", TRUSTED, "data.batch_size=4")
    blur = ("data.degrade_on=device", "blur=motion_random", "blur.noise_sigma=[0,2]", "blur/camera=linear")
    assert workplace.train(*ON_GPU, *without(SMALL, "callbacks"), *blur, *watch) == 0


def test_patches_blurred_on_the_gpu_are_those_of_the_processor(
    cache_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    blur = Motion([3, 15], [0, 180], noise_sigma=[0, 3], camera={"linear": True, "shot_noise": [0, 0.01]})
    for batch in drawn(cache_root, blur, degrade_on="device").train_dataloader():
        there = degraded({name: values.to("cuda") for name, values in batch.items()}, linear=True)
        difference = 255 * (there["blurred"].cpu() - degraded(batch, linear=True)["blurred"]).abs()
        assert difference.max() < 1.001
        assert (difference > 0.5).float().mean() < 0.01


@pytest.mark.parametrize("way", ["true", "reduce-overhead"])
def test_a_compiled_network_trains_and_its_checkpoint_loads_plainly(workplace: WorkplaceOnGPU, way: str) -> None:
    assert workplace.train(*ON_GPU, *SMALL, f"model.compile={way}") == 0
    assert workplace.gain() > 0.1
    (best,) = workplace.root.rglob("best.ckpt")
    DeblurModule.load_from_checkpoint(best, weights_only=True)


def test_a_moved_interrupted_run_resumes(workplace: WorkplaceOnGPU, tmp_path: Path, cache_root: Path) -> None:
    flag = tmp_path / "flag"
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", TRUSTED)
    overrides = (*ON_GPU, *without(SMALL, "callbacks"), "model.dropout=0.1", "trainer.precision=32-true")
    whole = WorkplaceOnGPU(tmp_path / "whole", cache_root)
    assert whole.train(*overrides, *stop) == 0
    flag.touch()
    assert workplace.train(*overrides, *stop) == 130
    (status,) = workplace.root.rglob("status.json")
    shutil.move(status.parent, tmp_path / "moved")
    assert main([f"resume={tmp_path / 'moved'}", TRUSTED]) == 0
    workplace.root = tmp_path / "moved"
    assert workplace.gain() == pytest.approx(whole.gain(), abs=0.05)  # sums on a GPU come in any order


def test_runs_of_a_sweep_leave_no_memory_behind(workplace: WorkplaceOnGPU) -> None:
    left = []
    for seeds in ("0,1", "2,3,4"):
        overrides = ("sweep=memory", f"seed={seeds}", "trainer.max_epochs=1")
        assert workplace.train("-m", *ON_GPU, *SMALL, *overrides) == 0
        left.append(torch.cuda.memory_allocated())
    assert len(workplace.metrics()) == 5
    assert left[1] < left[0] + MIB


def test_two_runs_share_a_gpu(sweeps: Sweeps) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    code, _, errors = sweeps.run("-m", "seed=0,1", "sweep=four", *ON_GPU, *SMALL, *launcher)
    assert (code, errors) == (0, "")
    assert len(sweeps.tests()) == 2
    assert all(test["gain"] > 0.1 for test in sweeps.tests().values())


def test_networks_agree_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    network = SRCNN((9, 3, 1, 5), (64, 32, 16)).eval()
    images = torch.rand(2, 1, 61, 47)
    with torch.no_grad():
        expected = network(images)
        restored = network.to("cuda")(images.to("cuda")).cpu()
    torch.testing.assert_close(restored, expected, rtol=0, atol=1e-5)


def test_metrics_agree() -> None:
    restored, sharp = torch.rand(3, 1, 40, 30), torch.rand(3, 1, 40, 30)
    restored[0] = sharp[0]
    for metric in (psnr, ssim):
        there = metric(restored.to("cuda"), sharp.to("cuda")).cpu()
        torch.testing.assert_close(there, metric(restored, sharp), rtol=1e-5, atol=1e-5)


def smooth() -> NDArray[np.float64]:
    """Return a smooth image (H, W) in [0, 1] with edges."""
    rows, columns = np.mgrid[:300, :500]
    return np.asarray(0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns / 13) + 0.2 * ((columns // 40) % 2 - 0.5))


@pytest.mark.parametrize(
    ("levels", "precision", "allowed"),
    [(np.uint8, "32-true", 1), (np.uint8, "bf16-mixed", 2), (np.uint16, "32-true", 6)],
)
def test_images_are_restored_alike(levels: type[np.unsignedinteger[Any]], precision: Any, allowed: int) -> None:
    image = np.round(smooth() * np.iinfo(levels).max).astype(levels)
    there = deblur.load("default", accelerator="gpu", precision=precision)(image).astype(int)
    here = deblur.load("default", accelerator="cpu", precision="32-true")(image).astype(int)
    assert np.abs(there - here).max() <= allowed  # 6 of 65535: TF32 would be a hundred off
