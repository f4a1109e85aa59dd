"""The sRGB curve on tensors, against that on arrays."""

import numpy as np
import pytest
import torch

from deblur import light, srgb
from deblur.blur.camera import Space

VALUES = np.concatenate([np.linspace(-0.2, 1.3, 301), [0.0, srgb.KNEE, srgb.ENCODED_KNEE]])


@pytest.mark.parametrize("curve", ["decoded", "encoded"])
def test_tensors_and_arrays_have_one_curve(curve: str) -> None:
    found = getattr(light, curve)(torch.from_numpy(VALUES))
    np.testing.assert_allclose(found.numpy(), getattr(srgb, curve)(VALUES), atol=1e-12)


def test_gradients_are_those_of_the_curve_at_black_as_well() -> None:
    values = torch.tensor([0.0, 1e-4, 0.2, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(light.decoded, (values,))
    assert torch.autograd.gradcheck(light.encoded, (values,))
    (slopes,) = torch.autograd.grad(light.encoded(values).sum(), values)
    assert slopes[0] == srgb.SLOPE


def test_contrasts_of_images_are_those_of_their_levels() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 8), dtype=np.uint8)
    levels[1] //= 4  # a dark image
    found = light.contrast(torch.from_numpy(levels / 255))
    np.testing.assert_allclose(found.numpy(), [Space(linear=True).contrast(one) for one in levels], rtol=1e-12)
