"""Our side of `studies.srcnn_2022.program`: the program as users run it, and its training step."""

import contextlib
import io
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.bare import BareLoop, random_batch
from deblur.device import DeviceRequest, keep_freed_memory, taken_device
from deblur.models import SRCNN
from deblur.train import main as train
from studies.srcnn_2022.matching import OURS
from studies.srcnn_2022.restated import NETWORKS, SHARP

MODELS = {network: model for model, network in OURS.items()}
WARM_UP = 3  # steps that are not measured


class Epoch(NamedTuple):
    """One epoch of ours: seconds of its training and of its validation, and the PSNR that it reached [dB]."""

    training: float
    validation: float
    psnr: float


class Clock(Callback):
    """Notes the epochs of the training that runs."""

    epochs: ClassVar[list[Epoch]] = []

    def __init__(self) -> None:
        """Begin with a new training."""
        Clock.epochs.clear()
        self._start = self._trained = self._validated = 0.0

    def on_train_epoch_start(self, *_: object) -> None:
        """Start the clock."""
        self._start = _now()

    def on_validation_start(self, *_: object) -> None:
        """Note the end of the training part."""
        self._trained = _now()

    def on_validation_end(self, *_: object) -> None:
        """Note the end of validation."""
        self._validated = _now()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep the epoch."""
        reached = float(trainer.callback_metrics["val/psnr"])
        Clock.epochs.append(Epoch(self._trained - self._start, self._validated - self._trained, reached))


def run(network: str, images: Path, blur: str, epochs: int, output: Path) -> Sequence[Epoch]:
    """Train with our defaults by our command line, in this process.

    Args:
        network: 9-1-5, 9-3-1-5 or 9-1-1-1-5.
        images: the folder that `original_study.prepare` wrote.
        blur: box, gaussian or motion.
        epochs: how many.
        output: a new folder for the run's files.
    """
    overrides = [
        f"model={MODELS[network]}",
        f"blur={blur}",
        "data=folder",
        f"data.root={images / SHARP}",
        f"trainer.max_epochs={epochs}",
        f"paths.output_root={output}",
        f"paths.cache_root={images / 'cache'}",
        "+callbacks.clock._target_=studies.srcnn_2022.ours.Clock",
        "trusted=[studies.srcnn_2022.ours]",
    ]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = train(overrides)
    if code:
        sys.exit(said.getvalue())
    return tuple(Clock.epochs)


def measure_step(network: str, steps: int) -> float:
    """Return the median seconds of a training step of ours on as many pixels as one image of the study has.

    The network has the study's kernels, widths and dropout, for one gray channel; the step is that of our program: 16
    patches of 64 px that bring their context, in the precision that `auto` chooses, Adam, freed memory kept.
    """
    keep_freed_memory()
    with taken_device(DeviceRequest()) as device:
        kind = "cuda" if device.accelerator == "gpu" else "cpu"
        layers = NETWORKS[network]
        net = SRCNN(layers.kernel_sizes, layers.widths, residual=False, dropout=0.2)
        loop = BareLoop(net, kind, bfloat16=device.precision == "bf16-mixed")
        batch = {name: values.to(kind) for name, values in random_batch(net.halo).items()}
        taken = []
        for _ in range(WARM_UP + steps):
            start = _now()
            loop.step(batch)
            taken.append(_now() - start)
    return statistics.median(taken[WARM_UP:])


def _now() -> float:
    """Return the time [s], once a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
