"""Training steps as Lightning takes them, and as a bare loop does."""

import time
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.bare import BareLoop, random_batch
from deblur.models import SRCNN
from deblur.training.module import DeblurModule

WARM_UP = 20  # steps; of a compiled network the first ones take seconds
RATE = 1e-4


@dataclass(frozen=True)
class Setting:
    """One way to train.

    Attributes:
        name: in the table.
        precision: Lightning's name.
        tf32: whether products of float32 may round their factors to TF32.
        channels_last: the layout of the weights.
        compiled: whether torch.compile has the network, or `reduce-overhead` for its mode with CUDA graphs.
        benchmark: whether cuDNN tries its algorithms first.
    """

    name: str
    precision: str
    tf32: bool = False
    channels_last: bool = True
    compiled: bool | str = False
    benchmark: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        """Return torch's name of the layout."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


class Batches(Dataset[dict[str, Tensor]]):
    """The same batch as many times as it is wanted."""

    def __init__(self, halo: int, count: int) -> None:
        """Make the batch: patches that bring their context."""
        self.batch = random_batch(halo)
        self._count = count

    def __len__(self) -> int:
        """Return how many times."""
        return self._count

    def __getitem__(self, _: int) -> dict[str, Tensor]:
        """Return the batch."""
        return self.batch


class StepTimer(L.Callback):
    """Measures the steps after the warm-up, until the device has done them."""

    def __init__(self) -> None:
        """Wait for the training."""
        self.seconds = 0.0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Read the clock twice."""
        if trainer.fit_loop.epoch_loop.batch_progress.current.ready == WARM_UP or trainer.is_last_batch:
            self.seconds = finished(pl_module.device) - self.seconds


class Training:
    """Our training, as Lightning runs it.

    Attributes:
        shape: of the sharp patches.
    """

    def __init__(self, network: SRCNN, setting: Setting, accelerator: str, steps: int) -> None:
        """Take a network.

        Args:
            network: in training.
            setting: how to train it.
            accelerator: gpu or cpu.
            steps: how many are measured.
        """
        self._data = Batches(network.halo, WARM_UP + steps)
        self.shape = tuple(self._data.batch["sharp"].shape)
        model = {"_target_": "deblur.models.SRCNN", "compile": setting.compiled}
        optimizer = {"_target_": "torch.optim.Adam", "lr": RATE, "fused": True}
        self._module = DeblurModule(model=model, optimizer=optimizer, network=network)
        self._module.network.to(memory_format=setting.memory_format)  # type: ignore[call-overload] # missing in torch's stub
        self._setting = setting
        self._accelerator = accelerator
        self._steps = steps

    def seconds_a_step(self) -> float:
        """Train on, and return the time of a step [s]."""
        timer = StepTimer()
        trainer = L.Trainer(
            accelerator=self._accelerator,
            devices=1,
            precision=self._setting.precision,  # type: ignore[arg-type] # one of a list of literals
            max_epochs=1,
            benchmark=self._setting.benchmark,
            logger=False,
            callbacks=[timer],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(self._module, DataLoader(self._data, None, pin_memory=self._accelerator == "gpu"))
        return timer.seconds / self._steps


class BareTraining:
    """The same training without Lightning, on a batch that lies on the device."""

    def __init__(self, network: SRCNN, setting: Setting, device: torch.device, steps: int) -> None:
        """Take a network; see `Training`."""
        self._loop = BareLoop(
            network,
            device,
            bfloat16=setting.precision == "bf16-mixed",
            rate=RATE,
            fused=True,
            memory_format=setting.memory_format,
        )
        if setting.compiled is True:
            network.compile()
        elif setting.compiled:
            network.compile(mode=setting.compiled, dynamic=False)
        self._batch = {name: values.to(device) for name, values in random_batch(network.halo).items()}
        self._setting = setting
        self._device = device
        self._steps = steps

    def seconds_a_step(self) -> float:
        """Train on, and return the time of a step [s]."""
        torch.backends.cudnn.benchmark = self._setting.benchmark
        for _ in range(WARM_UP):
            self._loop.step(self._batch)
        start = finished(self._device)
        for _ in range(self._steps):
            self._loop.step(self._batch)
        return (finished(self._device) - start) / self._steps


def finished(device: torch.device) -> float:
    """Return the time when the device has done what it was given [s]."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
