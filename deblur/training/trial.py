"""A custom network on one patch, before anything is trained: is its output an image of the right shape?"""

import traceback
from collections.abc import Callable

import torch
from torch import Tensor, nn

from deblur.config.schema import DataSettings
from deblur.errors import UserError
from deblur.models.protocol import traits_of

_OWN = "deblur."


def refuse_unfit_output(network: nn.Module, build: Callable[[], nn.Module], data: DataSettings) -> None:
    """Refuse a custom network whose output is no image of the shape of its target.

    Another network of the same settings restores one black patch, so that the one to be trained keeps its weights, its
    modes and what it makes in its first call. A network that is trained on whole images, of any size, is not tried.

    Args:
        network: to be trained.
        build: returns another one of the same settings.
        data: the images of its training.

    Raises:
        UserError: if it fails, or returns anything else.
    """
    kind, traits = type(network), traits_of(network)
    if kind.__module__.startswith(_OWN) or data.patch_size is None:
        return
    halo = traits.halo or 0
    side = max(data.patch_size // traits.size_divisor, 1) * traits.size_divisor
    given = torch.zeros(1, data.channels, side + 2 * halo, side + 2 * halo)
    wanted = (1, data.channels, side, side)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        tried = build().eval()
        try:
            if traits.takes_kernel:
                restored = tried(given, torch.ones(1, 1, 1), torch.ones(1))
            else:
                restored = tried(given, pad=False) if halo else tried(given)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise UserError(
                f"{kind.__name__} fails on a blurred patch {tuple(given.shape)} of data.color={data.color} with "
                f"{type(error).__name__}: {' '.join(str(error).split())} ({place.filename}, line {place.lineno}). "
                "Change the class."
            ) from error
    found = tuple(restored.shape) if isinstance(restored, Tensor) else type(restored).__name__
    if found != wanted:
        rest = f", as a network with halo={halo} cuts off its halo" if halo else ""
        raise UserError(
            f"{kind.__name__} returns {found} for a blurred patch {tuple(given.shape)} of data.color={data.color}, and "
            f"its target is {wanted}{rest}: change the class."
        )
