"""The registry of losses; torch is imported when a loss is computed."""

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from deblur.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

CHARBONNIER_EPSILON: Final = 1e-3  # in units of the [0, 1] range
LEAST_ERROR: Final = 1e-3  # mean squared error (30 dB) below which an error counts as in the mean squared error
ABSURD_ERROR: Final = 10.0  # root mean square, in units of the [0, 1] range: such a network is not learning


class Loss(ABC):
    """One number per batch. A subclass has a `name` and computes it; it is built without arguments.

    Attributes:
        name: for configurations.
        unit: such as dB; empty for none.
        diverged_above: loss of the median step above which a training has diverged.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = ""
    diverged_above: ClassVar[float] = math.inf

    @abstractmethod
    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        """Return the mean over the images, a tensor of one number that gradients flow through.

        Args:
            restored: (N, C, H, W), float32, not clamped.
            sharp: (N, C, H, W) in [0, 1].
        """

    def __call__(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        """Return the mean over the images.

        Raises:
            UserError: if the loss does not return one number.
        """
        value = self.compute(restored, sharp)
        if value.ndim:
            raise UserError(
                f"The loss {self.name} returned a tensor of the shape {tuple(value.shape)}: return one number, the "
                "mean over the images."
            )
        return value


class _MSE(Loss):
    name = "mse"
    diverged_above = ABSURD_ERROR**2

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        import torch.nn.functional as F

        return F.mse_loss(restored, sharp)


class _L1(Loss):
    name = "l1"
    diverged_above = ABSURD_ERROR

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        import torch.nn.functional as F

        return F.l1_loss(restored, sharp)


class _Charbonnier(Loss):
    """A smooth l1 loss, mean of sqrt(difference^2 + epsilon^2).

    Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP 1994.
    """

    name = "charbonnier"
    diverged_above = ABSURD_ERROR

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        return ((restored - sharp).square() + CHARBONNIER_EPSILON**2).sqrt().mean()


class _NegativePSNR(Loss):
    """Approximately minus the mean PSNR of the patches [dB].

    Patches with a small error count as much as those with a large one, which dominate the mean squared error: weak
    blurs are not sacrificed for strong ones. `LEAST_ERROR` is added to each error: the gradient of the true PSNR is
    unbounded as the error vanishes, and a few patches without blur then taught a network to do nothing at all.
    """

    name = "psnr"
    unit = "dB"
    diverged_above = 20 * math.log10(ABSURD_ERROR)

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        errors = (restored - sharp).square().mean(dim=(1, 2, 3))
        return 10 * (errors + LEAST_ERROR).log10().mean()


LOSSES: Final[dict[str, Loss]] = {loss.name: loss for loss in (_MSE(), _L1(), _Charbonnier(), _NegativePSNR())}
"""The losses that can be chosen by name."""
