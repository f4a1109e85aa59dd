"""The gate of restore, measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from network_files import write_unrolled_network
from torch import Tensor

from deblur.estimation.visibility import VISIBLE
from deblur.evaluation.restorers import GatedRestorer, Kernels, Restorer
from deblur.inference.gating import pretrained_gate
from deblur.models.gate import CELL


class Brighter(Restorer):
    """Adds a half, so that the result may exceed 1."""

    name = "brighter"
    channels = 3

    def restore(self, blurred: Tensor, kernels: Kernels) -> Tensor:  # noqa: ARG002 # it takes none
        return blurred + 0.5


@pytest.mark.parametrize("channels", [1, 3])
def test_a_correction_is_clamped_and_weighed(channels: int) -> None:
    torch.manual_seed(0)
    blurred = torch.rand(2, channels, 2 * CELL + 3, CELL - 5)
    restorer = GatedRestorer(Brighter(), {"_target_": "deblur.blur.Gaussian", "sigma": 2.0})
    with torch.inference_mode():
        restored = restorer.restore(blurred, [])
        brighter = (blurred + 0.5).clamp(0, 1)
        weights = pretrained_gate().weights(blurred, brighter, VISIBLE)
    torch.testing.assert_close(restored, blurred + weights * (brighter - blurred))
    assert restorer.name == "brighter (gated)"
    assert restorer.channels == 3


def test_an_evaluation_names_the_gate(evaluated: Callable[..., Any], run: Path) -> None:
    found = evaluated(f"run={run}", "gate=true")
    assert found.summary["gate"] is True
    assert {row["restorer"] for row in found.rows} == {f"{run.name} (gated)"}


def test_the_network_is_measured_alone_by_default(evaluated: Callable[..., Any], run: Path) -> None:
    assert "gate" not in evaluated(f"run={run}").summary


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["baseline=[none]"], "gate=true decides about the correction of a network: add run=DIR, or leave it out."),
        (["optimal_linear=true", "sweep=two"], "optimal_linear does not read gate"),
        (["compare=[a,b]"], "gate=true decides about the correction of a network: add run=DIR, or leave it out."),
    ],
)
def test_the_gate_needs_a_network(refused: Callable[..., str], overrides: list[str], said: str) -> None:
    assert said in refused(*overrides, "gate=true")


def test_a_network_with_known_kernel_has_no_gate(refused: Callable[..., str], tmp_path: Path) -> None:
    network = write_unrolled_network(tmp_path / "known.safetensors")
    assert refused(f"run={network}", "data=synthetic", "gate=true") == (
        "gate=true is for networks that are known to remove a blur without its kernel, and known is none: leave it out."
    )
