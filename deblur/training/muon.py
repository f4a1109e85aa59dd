"""The Muon optimizer for convolutions: steps along orthogonalized momentum."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim import Optimizer

# Of the quintic Newton-Schulz iteration of Jordan et al., which has the steepest slope at 0: after five iterations, all
# singular values lie between about 0.7 and 1.2.
COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
ITERATIONS: Final = 5
LEAST_NORM: Final = 1e-7
ADAM_RMS: Final = 0.2  # root mean square of a typical step of Adam at a learning rate of 1
ADAM_BETAS: Final = (0.9, 0.99)
ADAM_EPSILON: Final = 1e-8


class Muon(Optimizer):
    """Momentum whose matrices are orthogonalized for the weights of layers, and Adam for all other parameters.

    A weight of a convolution (O, I, K, L) is a matrix (O, I K L), of a transposed one (I, O, K, L) a matrix (I, O K L).
    Its step is that matrix of orthonormal rows or columns which is nearest to the momentum, so that all directions of a
    layer are learned at the same rate. The step is scaled to the root mean square of a step of Adam: both take the same
    learning rate.

    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024
    (kellerjordan.github.io/posts/muon); for the scale J. Liu et al., "Muon is scalable for LLM training", arXiv
    2502.16982, section 2.2. torch.optim.Muon takes matrices alone.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 4e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        adam_lr_scale: float = 0.25,
    ) -> None:
        """Take parameters or groups of them.

        Args:
            params: as every optimizer of torch takes them.
            lr: learning rate.
            momentum: of the layers' weights, from 0 to below 1.
            weight_decay: decoupled, of the layers' weights.
            adam_lr_scale: factor on the learning rate of parameters of one dimension, such as biases.

        Raises:
            ValueError: for a value that is not allowed.
        """
        if lr < 0 or not 0 <= momentum < 1 or weight_decay < 0 or adam_lr_scale < 0:
            raise ValueError(
                "Muon needs lr, weight_decay and adam_lr_scale from 0, and momentum from 0 to below 1: "
                f"{lr}, {weight_decay}, {adam_lr_scale}, {momentum}"
            )
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "adam_lr_scale": adam_lr_scale},
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step.

        Args:
            closure: computes the loss and its gradients again.

        Returns:
            What `closure` returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is None:
                        continue
                    if parameter.ndim > 1:
                        self._step_layer(parameter, parameter.grad, group)
                    else:
                        self._step_by_adam(parameter, parameter.grad, group["lr"] * group["adam_lr_scale"])
        return loss

    def _step_layer(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum: Tensor = state["momentum"].mul_(group["momentum"]).add_(gradient)
        ahead = momentum.mul(group["momentum"]).add_(gradient)  # Nesterov
        matrix = ahead.reshape(len(ahead), -1)
        scale = ADAM_RMS * math.sqrt(max(matrix.shape))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(orthogonalized(matrix).reshape(weight.shape), alpha=-group["lr"] * scale)

    def _step_by_adam(self, parameter: Tensor, gradient: Tensor, lr: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        first, second = ADAM_BETAS
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        mean = state["mean"] / (1 - first ** state["step"])
        size = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(ADAM_EPSILON)
        parameter.addcdiv_(mean, size, value=-lr)


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return approximately the nearest matrix with orthonormal rows or columns, (R, C) in float32.

    All singular values of the result are about 1, those of a matrix of zeros 0.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    wide = (matrix.T if is_tall else matrix).float()
    wide = wide / wide.norm().clamp(min=LEAST_NORM)
    for _ in range(ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if is_tall else wide
