"""The one place that turns a `_target_` of the configuration into an object."""

import importlib
import inspect
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from deblur.config.sections import Section
from deblur.errors import UserError

Built = TypeVar("Built")

TRUSTED = ("deblur", "torch.nn", "torch.optim", "albumentations", "lightning.pytorch")
NETWORKS = "deblur.models"


def build(
    node: Section | Mapping[str, Any],
    base: type[Built],
    *arguments: object,
    trusted: Sequence[str] = (),
    allowed: Sequence[str] = TRUSTED,
    key: str = "_target_",
    **more: object,
) -> Built:
    """Build the object that a node of the configuration describes.

    Only classes are built, never functions, and only such as subclass `base` and are defined in a module of `allowed`
    or `trusted`. The name alone would not do: `torch.utils.collect_env.run` runs a shell.

    Args:
        node: a checked group, or `_target_`, the import path of the class, and its keyword arguments. `name` is a
            label and left out.
        base: what the class has to be a kind of.
        arguments: positional arguments that come before those of the node.
        trusted: modules that the user named on the command line.
        allowed: modules whose classes may be built anyway.
        key: of the import path in the configuration.
        more: keyword arguments besides those of the node.

    Raises:
        UserError: if the class is not found, not allowed, of another kind, or does not take the arguments.
    """
    settings = node.plain() if isinstance(node, Section) else node
    target = str(settings.get("_target_"))
    found = find_class(target, base, trusted=trusted, allowed=allowed, key=key)
    keywords = {key: value for key, value in settings.items() if key not in ("_target_", "name")} | more
    signature = inspect.signature(found)
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as error:
        known = ", ".join(name for name in list(signature.parameters)[len(arguments) :])
        raise UserError(f"{target}: {error}. It takes: {known}.") from error
    try:
        return found(*arguments, **keywords)
    except Exception as error:
        if not _is_within(target, allowed):
            raise  # the user's own class, whose author wants the traceback
        reason = " ".join(str(error).split())[:300]  # torch's have several lines
        raise UserError(f"{target} refuses its arguments: {reason}") from error


def find_class(
    target: str,
    base: type[Built],
    *,
    trusted: Sequence[str] = (),
    allowed: Sequence[str] = TRUSTED,
    key: str = "_target_",
) -> type[Built]:
    """Return the class that an import path names.

    Args:
        target: the import path.
        base: what the class has to be a kind of.
        trusted: modules that the user named on the command line.
        allowed: modules whose classes may be built anyway.
        key: of the path in the configuration.

    Raises:
        UserError: if the class is not found, not allowed, or of another kind.
    """
    refuse_by_name(target, trusted=trusted, allowed=allowed, key=key)
    found = _imported(target, (*allowed, *trusted), key)
    if not issubclass(found, base):
        raise UserError(f"{key}={target} is no {base.__name__}: give a class that is one.")
    if inspect.isabstract(found):
        raise UserError(f"{key}={target} is abstract: give a class that is derived from it.")
    return found


def path_arguments(kind: type) -> frozenset[str]:
    """Return the arguments of a class that are annotated as `pathlib.Path`, alone or in a union."""
    try:
        parameters = inspect.signature(kind, eval_str=True).parameters.values()
    except Exception:  # a user's annotation can be anything
        return frozenset()
    return frozenset(one.name for one in parameters if Path in (one.annotation, *typing.get_args(one.annotation)))


def refuse_by_name(
    target: str, *, trusted: Sequence[str] = (), allowed: Sequence[str] = TRUSTED, key: str = "_target_"
) -> None:
    """Refuse the import path of a class that cannot be allowed, whatever lies there; nothing is imported.

    Args:
        target: the import path.
        trusted: modules that the user named on the command line.
        allowed: modules whose classes may be built anyway.
        key: of the path in the configuration.

    Raises:
        UserError: if the path leads into no module of `allowed` or `trusted`.
    """
    if not _is_within(target, (*allowed, *trusted)):
        raise UserError(_refusal(key, target, (*allowed, *trusted)))


def _imported(target: str, modules: Sequence[str], key: str) -> type:
    path, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(path)
        found = getattr(module, name)
    except (ImportError, AttributeError) as error:
        reason = _absent_network(module.__all__) if path == NETWORKS else f"{error}."
        raise UserError(f"{key}={target} cannot be imported: {reason}") from error
    if not inspect.isclass(found) or not _is_within(f"{found.__module__}.{name}", modules):
        raise UserError(_refusal(key, target, modules))
    return found


def _absent_network(names: Sequence[str]) -> str:
    known = [name for name in names if name[0].isupper()]
    return (
        f"this version has the networks {', '.join(known[:-1])} and {known[-1]}. A run or a file of another one is of "
        "another version: train one of these instead, such as by experiment=known_kernel or experiment=one_kernel if "
        "the kernel is known."
    )


def _refusal(key: str, target: str, modules: Sequence[str]) -> str:
    return (
        f"{key}={target} is not allowed: give a class that is defined in {', '.join(modules)}, or name the module "
        f"of your own class with {trust(target.split('.')[0])}."
    )


def trust(module: str) -> str:
    """Return how the commands are given a module to trust."""
    return f"trusted=[{module}] (train, evaluate) or --trusted {module} (other commands)"


def _is_within(path: str, modules: Sequence[str]) -> bool:
    return any(path.startswith(f"{module}.") for module in modules)
