from pathlib import Path

import lightning.pytorch as L
import pytest
import torch
from torch.optim import Optimizer

from deblur.training.module import DeblurModule

LIMIT = 1e-4


class Largest(L.Callback):
    """Notes the norm and the largest entry of all gradients of each step."""

    def __init__(self) -> None:
        self.norms: list[float] = []
        self.entries: list[float] = []

    def on_before_zero_grad(self, _trainer: L.Trainer, pl_module: L.LightningModule, _optimizer: Optimizer) -> None:
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        if gradients:
            self.norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))
            self.entries.append(max(float(gradient.abs().max()) for gradient in gradients))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
@pytest.mark.parametrize("algorithm", ["norm", "value", None])
def test_gradients_are_clipped(fused: bool, precision: str, algorithm: str | None, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = DeblurModule(
        model={"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 3], "widths": [4]},
        optimizer={"_target_": "torch.optim.Adam", "lr": 1e-6, "fused": fused},
    )
    batches = [{"blurred": torch.rand(2, 1, 12, 12), "sharp": torch.rand(2, 1, 8, 8)} for _ in range(3)]
    seen = Largest()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=2,
        precision=precision,
        callbacks=[seen],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        gradient_clip_val=None if algorithm is None else LIMIT,
        gradient_clip_algorithm=algorithm,
    )
    trainer.fit(module, train_dataloaders=torch.utils.data.DataLoader(batches, batch_size=None))
    assert len(seen.norms) > 2
    if algorithm is None:
        assert min(seen.norms) > 100 * LIMIT
    elif algorithm == "value":
        assert max(seen.entries) <= LIMIT < min(seen.norms)
    else:
        assert max(seen.norms) <= 1.001 * LIMIT
