"""The arguments of a class of the user's or of another library, checked by its signature before the class is built."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from deblur.config.build import find_class
from deblur.config.keys import nearest, question
from deblur.config.schema import SHARED_DATA_KEYS, TrainConfig
from deblur.config.sections import Target, shown
from deblur.errors import UserError

_OURS: Final = "deblur."  # its classes have schemas, or declare their parameters
_READ_BY_US: Final[Mapping[str, frozenset[str]]] = {
    "model": frozenset({"compile", "cpu_ops"}),
    "optimizer": frozenset({"last_layer_lr_scale"}),
    "scheduler": frozenset({"interval", "monitor"}),
    "data": SHARED_DATA_KEYS,
}
"""Keys of a group that do not go to its class."""
_GIVEN_BY_US: Final = {"optimizer": 1, "scheduler": 1}
"""How many positional arguments a class gets besides its keys."""
_NOT_IN_JSON: Final = ("json_invalid", "needs_python_object", "callable_type")
"""Errors of a text that is not Unicode, of an object and of a function."""


def refuse_unfit_arguments(config: TrainConfig, known: set[str] | None = None) -> None:
    """Refuse the first argument that a class does not take; of a user's class, also one that its annotation excludes.

    The modules of the classes are imported.

    Args:
        config: of a run that is about to start.
        known: groups of earlier runs, which are not checked again; those of this run are added.

    Raises:
        UserError: for an argument that is unknown, missing or of another type, and for a class that is not there.
    """
    known = set() if known is None else known
    for key, section in _sections(config):
        content = json.dumps([key, section.plain()], default=str)
        if content not in known:
            _refuse_unfit(key, section, config.trusted)
        known.add(content)


def _sections(config: TrainConfig) -> Iterator[tuple[str, Target]]:
    for key in ("model", "blur", "optimizer", "scheduler", "data", "trainer"):
        section = getattr(config, key)
        if section is not None:
            yield key, section
    for key in ("callbacks", "logger"):
        for name, section in (getattr(config, key) or {}).items():
            if section is not None:
                yield f"{key}.{name}", section


def _refuse_unfit(key: str, section: Target, trusted: Sequence[str]) -> None:
    base: type[Any] = _base_of(key.partition(".")[0])
    found = find_class(section.target, base, trusted=trusted, key=f"{key}._target_")
    if section.target.startswith(_OURS):
        return
    try:
        parameters = inspect.signature(found).parameters
    except ValueError:  # a class of compiled code, which says what it takes when it is built
        return
    named = {name: one for name, one in parameters.items() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    taken = list(named)[_GIVEN_BY_US.get(key, 0) :]
    arguments = {
        name: value
        for name, value in section.arguments().items()
        if name in taken or not _does_without(key, name, value)
    }
    if all(one.kind != one.VAR_KEYWORD for one in parameters.values()):
        for name in arguments:
            if name not in taken:
                near = nearest(name, taken)
                raise UserError(
                    f"{key}.{name} is unknown: {section.target} takes {', '.join(taken) or 'no arguments'}."
                    f"{question([f'{key}.{near}'] if near else [])}"
                )
    lacking = [name for name in taken if named[name].default is inspect.Parameter.empty and name not in arguments]
    is_of_user = any(section.target.startswith(f"{module}.") for module in trusted)
    if lacking and is_of_user and not key.startswith("logger."):  # a logger gets the run's folder
        name = lacking[0]
        raise UserError(f"{key}.{name} is missing: {section.target} needs it. Give it with +{key}.{name}=VALUE.")
    hints = _hints(found) if is_of_user else {}
    for name, value in arguments.items():
        if name in hints and not (_is_default(value, named[name]) or _fits(value, hints[name])):
            raise UserError(
                f"{key}.{name}={shown(value)} is not allowed: {section.target} declares "
                f"{name}: {inspect.formatannotation(hints[name])}."
            )


def _does_without(group: str, key: str, value: Any) -> bool:
    """Return whether a class need not take a key of its group, with such a value."""
    return key in _READ_BY_US.get(group, frozenset()) or (group, key, value) == ("model", "channels", 1)


def _is_default(value: Any, parameter: inspect.Parameter) -> bool:
    return type(value) is type(parameter.default) and bool(value == parameter.default)


def _base_of(group: str) -> type:
    """Return what the class of a group has to be a kind of; that of a data set is known above this room."""
    import torch
    from lightning.pytorch import Callback, Trainer
    from lightning.pytorch.loggers import Logger

    from deblur.blur import Degradation

    bases: dict[str, type] = {
        "model": torch.nn.Module,
        "blur": Degradation,
        "optimizer": torch.optim.Optimizer,
        "scheduler": torch.optim.lr_scheduler.LRScheduler,
        "trainer": Trainer,
        "callbacks": Callback,
        "logger": Logger,
    }
    return bases.get(group, object)


def _hints(found: type) -> Mapping[str, Any]:
    try:
        parameters = inspect.signature(found, eval_str=True).parameters.values()
    except Exception:  # a name that only a type checker knows, for example
        return {}
    return {one.name: one.annotation for one in parameters if one.annotation is not one.empty}


def _fits(value: Any, hint: Any) -> bool:
    """Return whether an annotation allows a value of a YAML file.

    A list may stand for a tuple, a text for a path. What YAML cannot hold, such as a tensor, is left to the class.
    """
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # an annotation that pydantic does not know
        return True
    try:
        adapter.validate_json(json.dumps(value), strict=True)
    except TypeError:  # a value of Python's API that JSON does not know
        return True
    except ValidationError as error:
        return any(one["type"] in _NOT_IN_JSON for one in error.errors())
    return True
