"""A custom network on one patch, before anything is trained: is its output an image of the right shape?"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from deblur.config.schema import DataSettings
from deblur.errors import UserError
from deblur.models.protocol import traits_of

_OWN = "deblur."


def refuse_unfit_output(network: nn.Module, data: DataSettings) -> None:
    """Refuse a custom network whose output is no image of the shape of its target.

    It restores one black patch. A network that wants a Wiener estimate is not tried, since it has to be calibrated
    first, nor is one that is trained on whole images, of any size.

    Args:
        network: untrained; its parameters, its modes and the random generator are left as they are.
        data: the images of its training.

    Raises:
        UserError: if it fails, or returns anything else.
    """
    kind, traits = type(network), traits_of(network)
    if kind.__module__.startswith(_OWN) or traits.wants_wiener_estimate or data.patch_size is None:
        return
    halo = traits.halo or 0
    side = max(data.patch_size // traits.size_divisor, 1) * traits.size_divisor
    given = torch.zeros(1, data.channels, side + 2 * halo, side + 2 * halo)
    wanted = (1, data.channels, side, side)
    with _on_trial(network):
        try:
            restored = network(given, pad=False) if halo else network(given)
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


@contextmanager
def _on_trial(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
