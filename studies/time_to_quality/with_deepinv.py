"""deepinv's contender: `python -m studies.time_to_quality.with_deepinv TASK [tuned]`.

deepinv's Trainer trains the same network with the same optimizer and learning rate on batches of as many patches of the
same images. Images are decoded and blurred before its clock starts. `tuned` takes what our training has and deepinv
does not by default: bf16 if the processor multiplies it, channels last, our CPU operators, fused Adam, freed memory
that is kept, and no metrics of training patches. What is then left of the difference is the two training loops.
"""

import importlib.util
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.bare import PATCHES, SIDE
from benchmarks.networks import NETWORKS
from deblur.device import keep_freed_memory, multiplies_bfloat16
from deblur.image_io.decoding import read_gray
from deblur.models import SRCNN
from studies.srcnn_2022.restated import BLURS, SHARP, SPLITS, UNCOMPRESSED
from studies.time_to_quality.ours import EPOCHS
from studies.time_to_quality.recording import Recorder, Task

RATE = 1e-3  # as conf/optimizer/adam.yaml
PATCHES_PER_IMAGE = 4  # as conf/train.yaml
EVALUATED = 2  # images in a batch, as conf/train.yaml

Pair = dict[str, Tensor]
"""deepinv's names: the sharp image is x, the blurred one y, (1, H, W) in [0, 1]."""


class Whole(Dataset[Pair]):
    """Validation images."""

    def __init__(self, images: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> None:
        """Take pairs of a sharp and a blurred image (H, W)."""
        self._images = images

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> Pair:
        """Return one pair."""
        sharp, blurred = self._images[index]
        return {"x": _as_tensor(sharp), "y": _as_tensor(blurred)}


class Patches(Dataset[Pair]):
    """Random patches of training images, mirrored at random; the blurred ones include the halo of the network."""

    def __init__(self, images: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]], halo: int) -> None:
        """Take pairs of a sharp and a blurred image (H, W), and pad the blurred ones."""
        self._images = [(sharp, np.pad(blurred, halo, "symmetric")) for sharp, blurred in images]
        self._halo = halo

    def __len__(self) -> int:
        """Return the number of patches in an epoch."""
        return len(self._images) * PATCHES_PER_IMAGE

    def __getitem__(self, index: int) -> Pair:
        """Draw a patch."""
        sharp, padded = self._images[index // PATCHES_PER_IMAGE]
        top, left = (int(torch.randint(length - SIDE + 1, ())) for length in sharp.shape)
        down, right = ((1, -1)[int(side)] for side in torch.randint(2, (2,)))
        outer = SIDE + 2 * self._halo
        return {
            "x": _as_tensor(sharp[top : top + SIDE, left : left + SIDE][::down, ::right]),
            "y": _as_tensor(padded[top : top + outer, left : left + outer][::down, ::right]),
        }


class Restoration(nn.Module):
    """Our network behind deepinv's call."""

    def __init__(self, network: SRCNN) -> None:
        """Take the network."""
        super().__init__()
        self._network = network

    def forward(self, y: Tensor, physics: object, **_: object) -> Tensor:  # noqa: ARG002 # deepinv's
        """Restore patches that include their halo in training, whole images otherwise."""
        restored: Tensor = self._network(y, pad=not self.training)
        return restored


def train(task: Task, *, tuned: bool) -> None:
    """Train until the targets are met or the time is over."""
    deepinv = import_deepinv(task.packages)
    torch.manual_seed(task.seed)
    if tuned:
        keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = SRCNN(*NETWORKS[task.network], cpu_ops="auto" if tuned else "torch").to(device)
    if tuned:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stub
    is_bfloat16 = tuned and multiplies_bfloat16("gpu" if device.type == "cuda" else "cpu", 0)
    recorder = Recorder(task)

    class WatchedTrainer(deepinv.Trainer):  # type: ignore[misc, name-defined] # no types
        """deepinv's Trainer, whose criterion for an early end are the targets."""

        def stop_criterion(self, epoch: int, train_ite: int, **_: object) -> bool:  # noqa: ARG002 # deepinv's
            """Write the point of the validation that has just ended."""
            seconds = recorder.seconds()
            decibels = self.logs_metrics_eval[0].vals
            mse = statistics.fmean(10 ** (-value / 10) for value in decibels)
            return recorder.add(seconds, epoch + 1, statistics.fmean(decibels), mse)

    splits = json.loads((task.images / SPLITS).read_text(encoding="utf-8"))
    training, validation = ([_read(task.images, name) for name in splits[kind]] for kind in ("train", "val"))
    with tempfile.TemporaryDirectory() as folder:
        trainer = WatchedTrainer(
            model=Restoration(network),
            physics=deepinv.physics.Blur(_kernel(task.blur), padding="replicate", device=device),
            optimizer=torch.optim.Adam(network.parameters(), RATE, fused=True if tuned else None),
            train_dataloader=DataLoader(Patches(training, network.halo), PATCHES, shuffle=True),
            eval_dataloader=DataLoader(Whole(validation), EVALUATED),
            epochs=EPOCHS,
            early_stop=1,  # asks `stop_criterion` after each validation
            metrics=deepinv.loss.metric.PSNR(norm_inputs="clip"),
            compute_train_metrics=not tuned,
            mixed_precision="bf16" if is_bfloat16 else False,
            device=device,
            save_path=folder,
            show_progress_bar=False,
            verbose=False,
        )
        recorder.start()
        trainer.train()


def is_installed(packages: Path | None) -> bool:
    """Return whether deepinv can be imported, from a folder or as it is installed."""
    if packages is not None:
        return (packages / "deepinv").is_dir()
    return importlib.util.find_spec("deepinv") is not None


def import_deepinv(packages: Path | None) -> Any:
    """Import deepinv, from a folder if one is given.

    A torchvision that was built for CUDA lacks its operators with a torch that was not, and its import then ends with
    an error. deepinv's Trainer uses none of them: it is enough to declare the two that the import asks for.
    """
    if packages is not None:
        sys.path.append(str(packages))
    found = importlib.util.find_spec("torchvision")
    if found is not None and found.origin is not None:
        try:
            torch.ops.load_library(Path(found.origin).parent / "_C.so")  # type: ignore[no-untyped-call] # of torch
        except OSError:
            for name in ("nms", "qnms"):
                torch.library.define(
                    f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
    import deepinv

    return deepinv


def _read(folder: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return read_gray(folder / SHARP / name), read_gray(folder / UNCOMPRESSED / name)


def _kernel(blur: str) -> Tensor:
    kernel = BLURS[blur].sample(np.random.default_rng(0)).psf
    return torch.from_numpy(np.asarray(kernel, np.float32))[None, None]


def _as_tensor(levels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(levels))[None].float() / 255


if __name__ == "__main__":
    train(Task.read(Path(sys.argv[1])), tuned="tuned" in sys.argv[2:])
