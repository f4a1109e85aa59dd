"""The LightningModule: one network, trained to restore what one degradation blurred."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from deblur.choices import CUDA_GRAPHS
from deblur.config import schema
from deblur.config.chosen import build_loss, build_metrics
from deblur.errors import UnfitSettings
from deblur.inference.building import build_network
from deblur.inference.checkpoints import digest_of
from deblur.inference.description import ORIGINS, SEEN
from deblur.losses import Loss
from deblur.metrics import DEFAULT_METRICS, Metric, MetricInfo
from deblur.metrics.measuring import mean_results, measure
from deblur.models.protocol import traits_of
from deblur.training.means import FiniteMean
from deblur.training.optimizers import build_optimizer, build_scheduler

Batch = Mapping[str, Any]

STEPS_BETWEEN_LOSS_CHECKS = 50  # looking at a loss makes a GPU wait, so not every step is looked at


class DeblurModule(L.LightningModule):
    """Trains a network on batches {blurred, sharp, name, degradation}, images in [0, 1], (N, C, H, W).

    A network that has a `halo` and takes `pad=False` is trained on patches that bring that much context: the
    blurred one is `halo` pixels larger on each side than the sharp one. Any other network gets both in one size.

    A network that takes the kernel is called with the kernel and the noise as well; the batches bring them.

    Attributes:
        network: blurred -> restored.
        trusted: modules of the user's own from which optimizers and schedulers may be built.
        seen_before: digests of the images that earlier trainings of its weights have seen.
        origins: names of the networks that it is trained on from, the first one first.
        infos: of the metrics that are measured.
        test_rows: one mapping per test image: its name, its degradation, and the metrics of the input and the result.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        optimizer: Mapping[str, Any],
        scheduler: Mapping[str, Any] | None = None,
        loss: str = "mse",
        metrics: Sequence[str] = DEFAULT_METRICS,
        seed: int = 0,
        blur: Mapping[str, Any] | None = None,  # noqa: ARG002 # kept by save_hyperparameters
        data: Mapping[str, Any] | None = None,  # noqa: ARG002 # kept by save_hyperparameters
        network: nn.Module | None = None,
        built_optimizer: Optimizer | None = None,
        built_loss: Loss | None = None,
        built_metrics: Sequence[Metric] | None = None,
    ) -> None:
        """Take the network, or build it.

        Args:
            model: the configuration of the network, as plain Python values; so are the next ones.
            optimizer: the configuration of the optimizer.
            scheduler: the configuration of the learning-rate scheduler, if there is one.
            loss: its name, or the import path of a class of the user's; so are the next ones.
            metrics: of validation and test images.
            seed: of the randomness within training, such as dropout.
            blur: the degradation trained on; kept in the checkpoint for whoever loads it.
            data: how the data was prepared; kept in the checkpoint as well.
            network: what `model` describes, if it is built already. Without it only classes of `deblur.models` are
                built: this is how a checkpoint is loaded, and a stranger's must not run a stranger's code.
            built_optimizer: what `optimizer` describes, of the parameters of `network`, if it is built already.
            built_loss: what `loss` names, if it is built already; without it only ours are.
            built_metrics: what `metrics` names, likewise.

        Raises:
            UserError: for a class of another module.
        """
        super().__init__()
        self.save_hyperparameters(ignore=["network", "built_optimizer", "built_loss", "built_metrics"], logger=False)
        self.network = network or build_network(model, allowed=("deblur.models",))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stub
        self.test_rows: list[dict[str, Any]] = []
        self._compile: bool | str = model.get("compile", False)
        self._is_compiled = False
        self._recorded: Callable[..., Tensor] | None = None  # the network's forward in CUDA graphs
        self._optimizer = schema.Optimizer.model_validate(optimizer)
        self._built_optimizer = built_optimizer
        self._scheduler = None if scheduler is None else schema.Scheduler.model_validate(scheduler)
        self._seed = seed
        self.trusted: Sequence[str] = ()
        self.seen_before: frozenset[str] = frozenset()
        self.origins: Sequence[str] = ()
        self._loss = built_loss or build_loss(loss)
        self._metrics = built_metrics or build_metrics(metrics)
        self.infos: list[MetricInfo] = [metric.info for metric in self._metrics]
        self._traits = traits_of(self.network)
        validated = ("loss", *(info.name for info in self.infos), "gain")
        self._validated = nn.ModuleDict({f"val/{name}": FiniteMean() for name in validated})
        self._losses: list[tuple[Tensor, int]] = []  # of the epoch's batches, and how many patches each had

    @property
    def context(self) -> int:
        """Return how many pixels a patch has to bring beyond its own on each side."""
        return self._traits.halo or 0

    def inputs(self, batch: Batch) -> list[Tensor]:
        """Return the inputs of the network from a batch: the blurred images, and what is known of their blur."""
        names = ("blurred", "psf", "noise_sigma") if self._traits.takes_kernel else ("blurred",)
        return [batch[name] for name in names]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Restore whole images (N, C, H, W), from what `inputs` returned; not clamped."""
        restored: Tensor = self.network(*inputs)
        return restored

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember which images the network has seen: a later evaluation leaves them out."""
        data = self.trainer.datamodule  # type: ignore[attr-defined] # of a trainer that fits
        seen = (*data.splits.train, *data.splits.val)
        checkpoint[SEEN] = sorted({digest_of(data.images.digests[index]) for index in seen} | self.seen_before)
        if self.origins:
            checkpoint[ORIGINS] = list(self.origins)

    def on_fit_start(self) -> None:
        """Compile the network if asked for; its weights keep their names, so checkpoints load plainly."""
        if not self._compile or self._is_compiled:
            return
        self._is_compiled = True
        # torch compiles a piece of code eight times in a process at most, which the runs of a sweep would use up.
        torch.compiler.reset()
        if self._compile == CUDA_GRAPHS:
            # In training alone: whole images have many shapes, and each would be recorded.
            self._recorded = torch.compile(self.network.forward, mode=CUDA_GRAPHS, dynamic=False)
        else:
            self.network.compile()

    def on_train_epoch_start(self) -> None:
        """Seed torch's generator, which no checkpoint holds: a resumed run drops out the same activations.

        Processes that share a run drop out others.
        """
        further = [self.global_rank] if self.global_rank else []
        sequence = np.random.SeedSequence([self._seed, self.current_epoch, *further])
        torch.manual_seed(int(sequence.generate_state(1)[0]))
        self._losses.clear()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            UnfitSettings: if the loss is no longer a finite number, or the images are smaller than the network's
                squares.
        """
        sharp, given = batch["sharp"], self.inputs(batch)
        if self.context:
            # What lies beyond the last multiple of its size divisor a network computes with a part of the mirror image.
            squares = self._traits.size_divisor
            if min(sharp.shape[-2:]) < squares:
                raise UnfitSettings(
                    f"The network works on squares of {squares} px, and there are training images of "
                    f"{sharp.shape[-1]}x{sharp.shape[-2]} px: give a data.patch_size of at least {squares}."
                )
            rest = (sharp.shape[-2] % squares, sharp.shape[-1] % squares)
            sharp, *given = (_without(rest, images) for images in (sharp, *given))
        network = self._recorded or self.network
        restored = network(*given, pad=False) if self.context else network(*given)
        loss = self._loss(restored.float(), sharp)
        if batch_idx % STEPS_BETWEEN_LOSS_CHECKS == 0:
            self._refuse_divergence(loss)
        self._losses.append((loss.detach(), sharp.shape[0]))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss over the epoch's patches."""
        losses, counts = zip(*self._losses, strict=True)
        loss = torch.dot(torch.stack(losses), torch.tensor(counts, device=self.device).float()) / sum(counts)
        self._refuse_divergence(loss)
        usual = torch.stack(losses).median()  # of the epoch's steps: a few may fail and the training recover
        if usual > self._loss.diverged_above:
            self._refuse(usual)
        self.log("train/loss", loss, logger=False, sync_dist=True)  # History hands it on, before the checkpoint
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, ReduceLROnPlateau) and self._scheduler is not None:
            monitor = self._scheduler.arguments()["monitor"]
            is_validated = (self.current_epoch + 1) % (self.trainer.check_val_every_n_epoch or 1) == 0
            if is_validated or not monitor.startswith("val/"):  # else what is there is of an earlier epoch
                # Lightning steps it after the last checkpoint is written, so that a resumed run would lose a step.
                scheduler.step(self.trainer.callback_metrics[monitor])

    def validation_step(self, batch: Batch) -> None:
        """Measure restored validation images; infinite values are left out of the means."""
        restored = self(*self.inputs(batch))
        measured = measure(restored, batch, self._metrics, of_input=False)
        # Of each image alone: the mean does not depend on how many are in a batch.
        pairs = zip(restored.float().split(1), batch["sharp"].split(1), strict=True)
        measured["loss"] = torch.stack([self._loss(*pair) for pair in pairs])
        for name, mean in self._validated.items():
            if isinstance(mean, FiniteMean):
                mean.update(measured[name.removeprefix("val/")])
                self.log(name, mean, on_step=False, on_epoch=True)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch, counted from 1: Lightning would give loggers one that is counted from 0."""
        self.log("epoch", float(self.current_epoch + 1), sync_dist=True)

    @property
    def validated(self) -> tuple[str, ...]:
        """Names of what is measured on validation images, such as `psnr`; the loss comes first."""
        return tuple(name.removeprefix("val/") for name in self._validated)

    def on_test_start(self) -> None:
        """Forget the rows of an earlier test."""
        self.test_rows.clear()

    def test_step(self, batch: Batch) -> None:
        """Measure restored test images, in float32 whatever the precision of training."""
        with torch.autocast(self.device.type, enabled=False):
            restored = self(*self.inputs(batch))
            measured = measure(restored, batch, self._metrics, of_input=True)
        columns = {name: values.tolist() for name, values in measured.items()}
        for index, name in enumerate(batch["name"]):
            values = {column: column_values[index] for column, column_values in columns.items()}
            self.test_rows.append({"name": name, **batch["degradation"][index], **values})

    def on_test_epoch_end(self) -> None:
        """Gather the rows of all processes; log means over the images, infinite values left out."""
        if self.trainer.world_size > 1:
            parts: list[list[dict[str, Any]]] = [[] for _ in range(self.trainer.world_size)]
            torch.distributed.all_gather_object(parts, self.test_rows)
            self.test_rows = sorted((row for part in parts for row in part), key=lambda row: str(row["name"]))
        for name, value in mean_results(self.test_rows, self.infos).items():
            if value is not None:
                self.log(f"test/{name}", float(value), sync_dist=True)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients as Lightning does, also for a fused optimizer, which it refuses at any mixed precision.

        Only at 16-mixed is there a reason: the gradients are scaled until such an optimizer takes its step.
        """
        if not gradient_clip_val:
            return
        if self.trainer.precision == "16-mixed":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_algorithm == "value":
            nn.utils.clip_grad_value_(self.network.parameters(), gradient_clip_val)
        else:
            nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and, if there is one, the scheduler."""
        optimizer = self._built_optimizer or build_optimizer(self._optimizer, self.network, self.trusted)
        if self._scheduler is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        return {
            "optimizer": optimizer,
            "lr_scheduler": build_scheduler(self._scheduler, optimizer, steps, self.trusted),
        }

    def _refuse_divergence(self, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            self._refuse(loss)

    def _refuse(self, loss: Tensor) -> NoReturn:
        rate = self._optimizer.lr
        raise UnfitSettings(
            f"The training has diverged: the loss became {loss.item():g} in epoch {self.current_epoch + 1} (step "
            f"{self.global_step}) at optimizer.lr={rate:g}. Try optimizer.lr={rate / 10:g}, "
            "+trainer.gradient_clip_val=1 or trainer.precision=32-true."
        )


def _without(rest: tuple[int, int], images: Tensor) -> Tensor:
    """Return images without their last rows and columns."""
    return images[..., : images.shape[-2] - rest[0], : images.shape[-1] - rest[1]] if any(rest) else images
