"""A training step compared with the peak rate of the machine: `python -m benchmarks.train_step`.

Inside a real training, with its data, logging and callbacks, blocks of its steps are timed in turn with blocks of a
bare loop (the same network, optimizer, precision and batch size, on float32 batches in memory), with the same loop on
torch's own layers (`cpu_ops=torch`), with the same loop on RGB patches, and with products of two square matrices in the
same precision.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from benchmarks import train_step
from benchmarks.bare import BareLoop
from benchmarks.results import Row, median_ratio, write_table
from benchmarks.timing import seconds
from deblur.models import SRCNN
from deblur.train import main as train

NETWORKS = ("srcnn_915", "srcnn_9315", "srcnn_91115")
EPOCHS = 3  # the first is warm-up
BLOCK = 15  # steps
PRODUCT = 2048  # side of the matrices
PRODUCTS = 8  # in a block


@dataclass
class Blocks:
    """Seconds a step, or a product, of blocks that were taken in turn."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    rgb: list[float] = field(default_factory=list)
    product: list[float] = field(default_factory=list)
    operations: int = 0  # of a step


measured = Blocks()


def run(loop: BareLoop, batches: list[dict[str, Tensor]]) -> None:
    """Take one step for each batch, until the device has done them."""
    for batch in batches:
        loop.step(batch)
    if batches[0]["sharp"].is_cuda:
        torch.cuda.synchronize()


class Interleaved(Callback):
    """Times the training around it, and between its blocks everything else."""

    def __init__(self) -> None:
        """Wait for the first batches."""
        self._batches: list[dict[str, Tensor]] = []
        self._rgb_batches: list[dict[str, Tensor]] = []
        self._start = 0.0
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the loops."""
        network: Any = pl_module.network
        kernel_sizes = [layer.kernel_size[0] for layer in network._layers]
        widths = [layer.out_channels for layer in network._layers[:-1]]
        bfloat16 = trainer.precision == "bf16-mixed"
        settings = pl_module.hparams["optimizer"]
        adam = {"rate": settings["lr"], "fused": settings.get("fused", False)}
        kinds = (("auto", network.channels), ("torch", network.channels), ("auto", 3))
        bare, plain, rgb = (
            BareLoop(
                SRCNN(kernel_sizes, widths, cpu_ops=cpu_ops, channels=channels),
                pl_module.device,
                bfloat16=bfloat16,
                **adam,
            )
            for cpu_ops, channels in kinds
        )
        self._loops = [(bare, self._batches), (plain, self._batches), (rgb, self._rgb_batches)]
        factor = torch.rand(PRODUCT, PRODUCT, device=pl_module.device)
        self._factor = factor.bfloat16() if bfloat16 else factor

    def on_train_epoch_start(self, *_: Any) -> None:
        """Begin again with each epoch: its end is not part of a step."""
        self._begin()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, _outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End a block and measure the others."""
        if trainer.current_epoch == 0:
            if len(self._batches) < BLOCK:
                self._batches.append({name: batch[name].clone() for name in ("blurred", "sharp")})
                each = {name: images.expand(-1, 3, -1, -1) for name, images in self._batches[-1].items()}
                self._rgb_batches.append({name: images.contiguous() for name, images in each.items()})
            elif batch_idx % BLOCK == 0:
                for loop, batches in self._loops:  # warm-up
                    run(loop, batches[:3])
            return
        self._steps += 1
        if self._steps < BLOCK:
            return
        blocks = train_step.measured
        if batch["sharp"].is_cuda:
            torch.cuda.synchronize()
        blocks.ours.append((time.perf_counter() - self._start) / BLOCK)
        for (loop, batches), times in zip(self._loops, (blocks.bare, blocks.plain, blocks.rgb), strict=True):
            times.append(seconds(partial(run, loop, batches)) / BLOCK)
        blocks.product.append(seconds(self._multiply) / PRODUCTS)
        network: Any = pl_module.network
        blocks.operations = operations(network, batch["sharp"].shape)
        self._begin()

    def _multiply(self) -> None:
        for _ in range(PRODUCTS):
            product = self._factor @ self._factor
        if product.is_cuda:
            torch.cuda.synchronize()

    def _begin(self) -> None:
        self._steps = 0
        self._start = time.perf_counter()


def operations(network: SRCNN, shape: tuple[int, ...]) -> int:
    """Count the multiplications and additions of a step on sharp patches (N, C, S, S).

    Those of the gradient for the first layer's input are not done, so they are not counted.
    """
    count, side = shape[0], shape[-1] + 2 * network.halo
    total = 0
    for index, layer in enumerate(network._layers):
        side -= layer.kernel_size[0] - 1
        passes = 3 if index else 2
        total += passes * 2 * layer.weight.numel() * count * side**2
    return total


def measure(network: str, overrides: list[str]) -> Row:
    """Train a network for a few epochs and return what its steps took."""
    train_step.measured = Blocks()
    with tempfile.TemporaryDirectory() as folder:
        code = train(
            [
                f"model={network}",
                f"trainer.max_epochs={EPOCHS}",
                "+callbacks.interleaved._target_=benchmarks.train_step.Interleaved",
                "trusted=[benchmarks.train_step]",
                f"paths.output_root={folder}",
                *overrides,
            ]
        )
    blocks = train_step.measured
    if code or not blocks.ours:
        raise SystemExit("error: the training did not come to its second epoch.")

    def share(times: list[float]) -> float:
        products = [2 * PRODUCT**3 / product for product in blocks.product]
        rates = [blocks.operations / time for time in times]
        return statistics.median(rate / limit for rate, limit in zip(rates, products, strict=True))

    return {
        "network": network,
        "ours [ms]": 1e3 * statistics.median(blocks.ours),
        "ours / bare": median_ratio(list(zip(blocks.ours, blocks.bare, strict=True))),
        "bare / plain": median_ratio(list(zip(blocks.bare, blocks.plain, strict=True))),
        "RGB / bare": median_ratio(list(zip(blocks.rgb, blocks.bare, strict=True))),
        "share: ours": share(blocks.ours),
        "bare": share(blocks.bare),
        "plain": share(blocks.plain),
        "product [GFLOP/s]": 2 * PRODUCT**3 / statistics.median(blocks.product) / 1e9,
        "blocks": len(blocks.ours),
    }


def main() -> None:
    """Measure the networks one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="names of conf/model")
    parser.add_argument("overrides", nargs="*", help="overrides of the training, such as blur=mixed")
    options = parser.parse_args()
    rows = [measure(network, options.overrides) for network in options.networks]
    write_table("train_step", "Time of a training step; share of the matrix-product rate", rows)


if __name__ == "__main__":
    main()
