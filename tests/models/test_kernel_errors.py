"""Kernels with errors: of which size, and how they are drawn."""

import pytest
import torch
from torch import Tensor

from deblur.blur import kernels
from deblur.models.kernel_errors import with_errors

COUNT = 400


def many(error: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return a motion kernel, padded, and it with many errors."""
    kernel = torch.from_numpy(kernels.motion(11, 40)).float()
    generator = torch.Generator().manual_seed(seed)
    wrong = with_errors(kernel.expand(COUNT, -1, -1), torch.full((COUNT,), error), generator)
    return torch.nn.functional.pad(kernel, [2] * 4), wrong


def centers(wrong: Tensor) -> Tensor:
    """Return the centers of kernels [px], (N, 2): rows, columns."""
    places = [torch.arange(size) - size // 2 for size in wrong.shape[1:]]
    return torch.stack([(wrong.sum(2) * places[0]).sum(1), (wrong.sum(1) * places[1]).sum(1)], dim=1)


def spreads(wrong: Tensor) -> Tensor:
    """Return the standard deviation of the columns of kernels [px]."""
    place = torch.arange(wrong.shape[2]) - wrong.shape[2] // 2
    return ((wrong.sum(1) * place**2).sum(1) - centers(wrong)[:, 1] ** 2).sqrt()


def test_no_error_changes_nothing() -> None:
    kernel, wrong = many(0)
    torch.testing.assert_close(wrong, kernel.expand(COUNT, -1, -1), atol=0, rtol=0)


@pytest.mark.parametrize("error", [0.1, 0.5, 1.0])
def test_they_are_kernels(error: float) -> None:
    _, wrong = many(error)
    assert wrong.min() >= 0
    torch.testing.assert_close(wrong.sum((1, 2)), torch.ones(COUNT))


@pytest.mark.parametrize("error", [0.2, 0.6])
def test_shift_and_size_have_the_stated_spread(error: float) -> None:
    kernel, wrong = many(error)
    assert centers(wrong).mean().abs() < 0.1
    assert centers(wrong).std(dim=0).mean().item() == pytest.approx(error, rel=0.35)
    sizes = spreads(wrong) / spreads(kernel[None])
    assert sizes.mean().item() == pytest.approx(1, abs=0.15 * error)
    assert sizes.std().item() > 0.08 * error


def test_a_larger_error_is_further_from_the_kernel() -> None:
    distances = [(wrong - kernel).abs().sum((1, 2)).mean().item() for kernel, wrong in map(many, (0.1, 0.3, 1.0))]
    assert 0 < distances[0] < distances[1] < distances[2] < 2


def test_each_has_its_own_error_and_a_seed_gives_the_same() -> None:
    kernel = torch.from_numpy(kernels.box(5)).expand(2, -1, -1)
    wrong = with_errors(kernel, torch.tensor([0.0, 1.0], dtype=torch.float64), torch.Generator().manual_seed(3))
    assert torch.equal(wrong[0], torch.nn.functional.pad(kernel[0], [2] * 4))
    assert not torch.allclose(wrong[1], wrong[0])
    torch.testing.assert_close(many(0.5, seed=4)[1], many(0.5, seed=4)[1], atol=0, rtol=0)
    assert not torch.equal(many(0.5, seed=4)[1], many(0.5, seed=5)[1])
