import math

import pytest
import torch

from deblur.training.means import FiniteMean


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_out(value: float) -> None:
    mean = FiniteMean()
    mean.update(torch.tensor([value, 2.0, 4.0]))
    mean.update(torch.tensor(9.0))
    assert mean.compute().item() == 5


def test_the_mean_of_nothing_is_not_a_number() -> None:
    mean = FiniteMean()
    mean.update(torch.tensor([math.inf]))
    assert mean.compute().isnan()
    mean.reset()
    mean.update(torch.tensor([1.0]))
    assert mean.compute().item() == 1
