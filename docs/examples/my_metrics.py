"""A custom metric, the sharpness of the restored image, and a custom loss, an error of edges."""

from torch import Tensor

from deblur.losses import Loss
from deblur.metrics import Metric, MetricInfo


class Sharpness(Metric):
    """Mean absolute difference of neighboring pixels, of the restored image alone."""

    info = MetricInfo("sharpness", "Sharpness", needs_reference=False, decimals=5, min_side=2)

    def compute(self, restored: Tensor, *_: Tensor) -> Tensor:
        return restored.diff(dim=-1).abs().mean(dim=(1, 2, 3))


class EdgeLoss(Loss):
    """Mean absolute error of the pixels and of the differences of neighbors."""

    name = "edges"

    def compute(self, restored: Tensor, sharp: Tensor) -> Tensor:
        error = restored - sharp
        return error.abs().mean() + error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
