"""Settings -> a network: an untrained one, or one of a file whose settings are not checked."""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from deblur.config import schema
from deblur.config.build import TRUSTED, build, find_class
from deblur.config.check import checked_section
from deblur.config.sections import Target
from deblur.errors import UserError
from deblur.inference.description import LARGEST_WIDTH, MOST_WEIGHTS
from deblur.models.protocol import LARGEST_HALO, traits_of

OWN: Final = ("deblur.models",)
"""Modules whose classes are built from any file."""

_CONVOLUTION: Final = 4  # dimensions of its weights: channels out, channels in, height, width
_DRAWING: Final = ("normal_", "uniform_", "random_", "bernoulli_", "exponential_")  # of torch.Tensor
_SHARED: Final = 4  # weights may take so many times the size of their file, if some share their memory


def build_network(
    settings: Target | Mapping[str, Any], trusted: Sequence[str] = (), allowed: Sequence[str] = TRUSTED
) -> nn.Module:
    """Build a network without `compile`, which the training does, and without the default `cpu_ops=auto`.

    A custom class that takes over our settings need not have the argument `cpu_ops`, nor `channels` if it is for gray.
    """
    given = settings.plain() if isinstance(settings, Target) else settings
    node = {key: value for key, value in given.items() if key != "compile" and (key, value) != ("cpu_ops", "auto")}
    if node.get("channels") == 1:
        kind = find_class(str(node.get("_target_")), nn.Module, trusted=trusted, allowed=allowed)
        parameters = inspect.signature(kind).parameters
        if "channels" not in parameters and all(one.kind != one.VAR_KEYWORD for one in parameters.values()):
            del node["channels"]
    return build(node, nn.Module, trusted=trusted, allowed=allowed)


def rebuild_network(
    settings: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path, trusted: Sequence[str]
) -> nn.Module:
    """Build the network of a file with its weights.

    The settings may ask for any size. The network is therefore built without memory first, and with memory only if the
    shapes of its weights are those of the file.

    Raises:
        UserError: if the settings are not allowed, or the weights are those of another network.
    """
    refuse_sizes(weights, path)
    with no_more_parameters_than(len(weights)):
        outline = _outlined(settings, trusted)
    if outline is not None:
        _fill(outline, {name: torch.empty_like(weight, device="meta") for name, weight in weights.items()}, path)
        halo = traits_of(outline).halo
        if halo is not None and halo > LARGEST_HALO:
            raise UserError(
                f"The receptive field of the network of {path} reaches {halo} px to each side, for which every part "
                f"of an image would take gigabytes: {LARGEST_HALO} are allowed."
            )
    network = build_network(settings, trusted, OWN)
    _fill(network, weights, path)
    return network


def damaged(path: Path, error: Exception) -> UserError:
    """Return the error of a file whose weights are those of another network."""
    reason = " ".join(str(error).split())
    return UserError(f"{path} does not fit its network ({reason[:200]}): it is damaged.")


def refuse_sizes(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights of a small file that make a network of gigabytes.

    Raises:
        UserError: naming what is too large.
    """
    if len(weights) > MOST_WEIGHTS:
        raise UserError(f"{path} holds {len(weights)} arrays of weights: {MOST_WEIGHTS} are allowed.")
    held = sum(weight.numel() * weight.element_size() for weight in weights.values())
    size = path.stat().st_size
    if held > _SHARED * size:
        raise UserError(
            f"{path} is damaged: its weights would take {held:,} bytes, and the file has {size:,} altogether."
        )
    widest = max((max(one.shape[:2]) for one in weights.values() if one.ndim == _CONVOLUTION), default=0)
    if widest > LARGEST_WIDTH:
        raise UserError(
            f"The network of {path} has a layer of {widest} channels, of which a small part of an image takes "
            f"gigabytes: {LARGEST_WIDTH} are allowed."
        )


@contextlib.contextmanager
def no_more_parameters_than(arrays: int, numbers: float = math.inf, buffers: float = math.inf) -> Iterator[None]:
    """Stop building a network of more parameters than a file holds, such as one of a billion layers.

    Parameters are counted before a layer initializes them, so that none of their memory has been taken. Buffers, such
    as the tables of positions that networks with attention compute, are counted once they are there: a single one may
    take all of the memory.

    Args:
        arrays: how many parameters the network may have.
        numbers: how many elements they may have in total.
        buffers: how many bytes all buffers may take.

    Raises:
        ValueError: within the block, as soon as there are more.
    """
    made: dict[tuple[int, str], int] = {}
    kept: dict[tuple[int, str], int] = {}
    total = taken = 0

    def counted(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal total
        place = id(module), name
        total += parameter.numel() - made.get(place, 0)  # a parameter that is changed in place is registered again
        made[place] = parameter.numel()
        if len(made) > arrays:
            raise ValueError(f"it has more parameters than the {arrays} arrays of weights that the file holds")
        if total > numbers:
            raise ValueError("it has more parameters than the file holds")

    def weighed(module: nn.Module, name: str, buffer: Tensor | None) -> None:
        nonlocal taken
        if buffer is None:
            return
        place = id(module), name
        taken += buffer.nbytes - kept.get(place, 0)
        kept[place] = buffer.nbytes
        if taken > buffers:
            raise ValueError(f"its buffers take more than {buffers / 2**20:.0f} MiB")

    hooks = (
        nn.modules.module.register_module_parameter_registration_hook(counted),
        nn.modules.module.register_module_buffer_registration_hook(weighed),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _outlined(settings: Mapping[str, Any], trusted: Sequence[str]) -> nn.Module | None:
    """Return a network without memory for its weights; None for a custom class that needs some."""
    _refuse_values(settings)
    is_own = str(settings.get("_target_")).startswith(tuple(f"{module}." for module in OWN))
    try:
        with torch.device("meta"), _WithoutDrawing():
            return build_network(settings, trusted, OWN)
    except UserError:
        raise
    except Exception:
        if is_own:
            raise
        return None


class _WithoutDrawing(TorchFunctionMode):
    """Skips the initialization of weights without memory, for which torch loads its compiler for seconds."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],  # torch's
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__name__", "") in _DRAWING and args and isinstance(args[0], Tensor) and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


def _refuse_values(settings: Mapping[str, Any]) -> None:
    """Refuse values of another type or range than those of a training; missing ones are the defaults of the class."""
    target = str(settings.get("_target_"))
    known = schema.BY_TARGET.get(target)
    if known is None:
        return
    from deblur import models

    signature = inspect.signature(getattr(models, target.rpartition(".")[2]))
    usual = {key: one.default for key, one in signature.parameters.items() if one.default is not one.empty}
    given = {key: value for key, value in settings.items() if key in signature.parameters}
    lacking = [key for key, one in signature.parameters.items() if one.default is one.empty and key not in given]
    if lacking:
        return  # the class itself names them
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in (usual | given).items()}
    try:
        checked_section("model", {"_target_": target, **plain}, known)
    except UserError as error:
        raise UserError(f"{target} refuses its arguments: {error}") from error


def _fill(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
