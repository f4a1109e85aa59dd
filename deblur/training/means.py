"""Means over an epoch that are kept on the device until the epoch ends."""

import torch
from torch import Tensor
from torchmetrics import Metric


class FiniteMean(Metric):
    """The mean of what an epoch gives; what is infinite or not a number is left out.

    torchmetrics' own looks at each value for one that is not a number, or copies each weight to the device: both make
    a GPU wait in every step. Without its look it forgets the weights as well (`nan_strategy="disable"`, 1.9).
    """

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, values: Tensor) -> None:
        """Take in values of any shape."""
        finite = torch.isfinite(values)
        self.total += torch.where(finite, values, 0.0).sum()
        self.count += finite.sum()

    def compute(self) -> Tensor:
        """Return the mean; not a number if there is nothing to average."""
        return self.total / self.count
