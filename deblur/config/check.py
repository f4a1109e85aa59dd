"""The one checker of a composed configuration."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deblur.choices import HUB, PRETRAINED
from deblur.config import schema
from deblur.config.build import find_class, path_arguments, refuse_by_name
from deblur.config.chosen import refuse_unknown_names, refuse_unmeasured_monitors
from deblur.config.keys import COMMANDS, NEAR, TEXT_KEYS, did_you_mean, nearest, options, question
from deblur.config.on_device import refuse_unfit_compile, refuse_unfit_degrading
from deblur.config.schema import TrainConfig
from deblur.config.search import RANGES, Search, leaves, refuse_unsearchable
from deblur.config.sections import OpenTarget, Section, Target, allowed, shown
from deblur.errors import UserError

if TYPE_CHECKING:
    from deblur.blur import Degradation

Checked = TypeVar("Checked", bound=Section)
Kind = TypeVar("Kind", bound=Target)

_GROUPS_OF_LIBRARIES = ("optimizer", "scheduler", "trainer")
_PAIRS = "deblur.data.PairsData"
_UNROLLED = "deblur.models.Unrolled"
_FOLDERS_OF_DATA = frozenset({"root", "sharp", "blurred"})
_TEXT_KEYS = TEXT_KEYS | {"compare", "trusted"}
_TEXTS_ANYWHERE = ("_target_", "name", "sha256")


def check(cfg: DictConfig | Mapping[str, Any], *, for_training: bool = True, stored: bool = False) -> TrainConfig:
    """Resolve and check a whole configuration, without importing torch.

    Args:
        cfg: what Hydra composed from conf/train.yaml, or what a run stored.
        for_training: whether its network is to be trained; one that is trained may be measured on other blurs.
        stored: whether a run stored it. Its values are final: a `${...}` in it is a text, such as a part of a file
            name, and in a stranger's file it could read the environment of this process.

    Returns:
        The configuration. `data.root`, `data.sharp`, `data.blurred`, `blur.path` and a `weights` that is not the name
        of a pretrained network are absolute, and `blur.sha256` is that of the kernel's file.

    Raises:
        UserError: for the first key that is missing, unknown or out of range; the text says what is allowed.
    """
    config = {str(key): deepcopy(value) for key, value in cfg.items()} if stored else resolve(cfg)
    if isinstance(config.get("blur"), dict) and config["blur"].keys() == {"camera"}:
        del config["blur"]  # by ~blur, which leaves the group within the group
    train = checked_section("", config, TrainConfig)
    refuse_unknown_names(train.loss if for_training else None, train.metrics, train.trusted)
    trusted = train.trusted
    train.model = _checked_target("model", config["model"], Target, trusted)
    train.blur, degradation = check_blur(config["blur"], trusted)
    train.optimizer = _checked_target("optimizer", config["optimizer"], schema.Optimizer, trusted)
    if config["scheduler"] is not None:
        train.scheduler = _checked_target("scheduler", config["scheduler"], schema.Scheduler, trusted)
    train.data = _checked_target("data", config["data"], schema.Data, trusted)
    train.trainer = _checked_target("trainer", config["trainer"], schema.Trainer, trusted)
    train.callbacks = _checked_targets("callbacks", config["callbacks"], trusted)
    train.logger = _checked_targets("logger", config["logger"], trusted)
    if train.sweep is not None and train.trainer.devices != 1:
        raise UserError(
            f"trainer.devices={train.trainer.devices} is not allowed in a sweep: its runs take one device each, "
            "since every further process of a run would start the whole sweep again. Leave out trainer.devices."
        )
    if config.get("search") is not None:
        train.search = _checked_search(config["search"], train)
    _refuse_unknown_kernels(train, degradation)
    if for_training:
        train.model = _with_channels(train.model, train.data)
        if train.model.target == _UNROLLED:
            train.model = _with_light(_with_boundary(train.model, train.data), degradation)
        _refuse_too_few_images(train.data)
        refuse_unfit_compile(train)
        refuse_unfit_degrading(train, degradation)
        refuse_unmeasured_monitors(train)
    clipped = train.trainer.arguments().get("gradient_clip_val")
    if train.trainer.precision == "16-mixed" and clipped and train.optimizer.arguments().get("fused"):
        raise UserError(
            f"trainer.gradient_clip_val={clipped} at trainer.precision=16-mixed needs "
            "optimizer.fused=false: a fused optimizer sees the gradients only after they are clipped at their scale."
        )
    if train.weights is not None and train.weights not in PRETRAINED and not train.weights.startswith(HUB):
        train.weights = os.path.realpath(train.weights)
    train.data = _with_absolute_paths(train.data, trusted)
    train.blur = _identified(train.blur)
    return train


def _checked_search(section: Any, train: TrainConfig) -> Search:
    """Check the settings of a search, and that its trials can be compared.

    Raises:
        UserError: for a range that is none, a key of the images or the blur, and rungs that do not fit the training.
    """
    search = checked_section("search", section, Search)
    for key, kind, given in leaves(search.space):
        checked_section(f"search.space.{key}", {kind: given}, RANGES[kind])
        refuse_unsearchable(key)
    if not search.space:
        raise UserError(f"search.space is empty: give {allowed(Search.model_fields['space'])}.")
    every = train.trainer.check_val_every_n_epoch
    rungs = search.rungs(train.trainer.max_epochs)
    if any(rung % every for rung in rungs):
        raise UserError(
            f"search.first_rung={search.first_rung} is no multiple of trainer.check_val_every_n_epoch={every}: trials "
            "are compared after epochs with a validation. Change one of the two."
        )
    if train.sweep is None:
        raise UserError("A search needs a name for its folder: give one with sweep=NAME.")
    if train.resume is not None:
        raise UserError("resume=DIR continues one run: leave it out; the same command resumes a search.")
    return search


def _with_absolute_paths(data: schema.Data, trusted: Sequence[str]) -> schema.Data:
    """Return a data group; the paths of a user's class, named as ours or annotated as `Path`, are made absolute."""
    if data.target in schema.BY_TARGET:
        return data
    found = find_class(data.target, object, trusted=trusted, key="data._target_")
    paths = path_arguments(found) | _FOLDERS_OF_DATA
    given = {key: value for key, value in data.arguments().items() if key in paths and isinstance(value, str)}
    absolute = {key: os.path.realpath(value) for key, value in given.items()}
    return checked_section("data", data.plain() | absolute, type(data))


def _with_channels(model: Target, data: schema.Data) -> Target:
    """Return a network to be trained with as many channels as its images have.

    A custom class is told if its group has the key `channels`.

    Raises:
        UserError: if other channels are set.
    """
    settings = model.plain()
    if "channels" not in settings and (data.channels == 1 or "channels" not in type(model).model_fields):
        return model
    channels = settings.get("channels")
    if channels is not None and (type(channels) is not int or channels != data.channels):
        raise UserError(
            f"model.channels={shown(channels)} does not fit data.color={data.color}: leave out "
            f"model.channels, which is {data.channels} then."
        )
    return checked_section("model", settings | {"channels": data.channels}, type(model))


def _with_boundary(model: Target, data: schema.Data) -> Target:
    """Return an unrolled network to be trained with the boundary of its images.

    Raises:
        UserError: if it assumes a circular boundary of images that have another one.
    """
    boundary = model.plain()["boundary"]
    if data.boundary == "circular" and boundary != "unknown" and data.patch_size is not None:
        raise UserError(
            f"data.patch_size={data.patch_size} does not fit data.boundary=circular: an unrolled network takes each "
            "image for periodic, and a patch of it is not. Give data.patch_size=null (with data.batch_size=1 if the "
            "images differ in size), or model.boundary=unknown."
        )
    if boundary is None:
        found = "circular" if data.boundary == "circular" else "unknown"
        return checked_section("model", model.plain() | {"boundary": found}, type(model))
    if boundary == "circular" and data.boundary != "circular":
        raise UserError(
            f"model.boundary=circular does not fit data.boundary={data.boundary}: leave out model.boundary, which is "
            "unknown then."
        )
    return model


def _with_light(model: Target, degradation: "Degradation | None") -> Target:
    """Return an unrolled network to be trained that deconvolves in the space of the blur.

    Raises:
        UserError: if it assumes another one.
    """
    given, is_linear = model.plain()["linear_light"], degradation is not None and degradation.space.linear
    if given is not None and given != is_linear:
        raise UserError(
            f"model.linear_light={shown(given)} does not fit blur.camera.linear={shown(is_linear)}: leave out "
            "model.linear_light, which follows the blur."
        )
    return checked_section("model", model.plain() | {"linear_light": is_linear}, type(model))


def _refuse_unknown_kernels(train: TrainConfig, degradation: "Degradation | None") -> None:
    """Refuse a network that needs the kernel if the kernel is unknown."""
    if train.model.target != _UNROLLED:
        return
    if degradation is not None:
        degradation.require_one_kernel("An unrolled network")
    if train.data.target == _PAIRS:
        raise UserError(
            "An unrolled network needs the kernel of each image, and data=pairs has no kernels: choose another model, "
            "or data=folder data.root=DIR with the sharp images."
        )


def _refuse_too_few_images(data: schema.Data) -> None:
    """Refuse too few images for a training, a validation and a test set."""
    count = data.arguments().get("max_images")
    if data.target in schema.BY_TARGET and count is not None and count < schema.FEWEST_TO_DIVIDE:
        description = allowed(type(data).model_fields["max_images"])
        raise UserError(f"data.max_images={shown(count)} is not allowed: give {description}.")


def check_blur(blur: Any, trusted: Sequence[str]) -> tuple[Target, "Degradation | None"]:
    """Check the settings of a blur alone, by what its class declares, and build it.

    Args:
        blur: its settings. Parameters of a mixture's families that are left out get their values for mixtures.
        trusted: modules that the user named on the command line.

    Returns:
        The checked settings; the blur, or None for a kernel in a file.

    Raises:
        UserError: as `check` does.
    """
    _refuse_target("blur", blur, trusted)
    from deblur.config import degradations  # OpenCV

    kind = degradations.class_of(blur, trusted)
    complete = degradations.completed_blur(blur, trusted)
    section = checked_section(
        "blur", complete, degradations.section_of(kind, is_complete=degradations.is_ours(blur["_target_"]))
    )
    degradations.refuse_without_effect(section, kind)
    degradation = degradations.built(section, kind, trusted)
    return section, degradation


def refuse_trust_in_files(trusted: Any, overrides: Sequence[str]) -> None:
    """Let modules be trusted on the command line only.

    Args:
        trusted: the modules that a configuration trusts, checked or not.
        overrides: of the command line.

    Raises:
        UserError: if a file names modules to trust, and the command line does not.
    """
    if trusted and not any(word.lstrip("+").startswith("trusted=") for word in overrides):
        named = list(map(str, [trusted] if isinstance(trusted, str | int) else trusted))
        raise UserError(
            f"A configuration file asks to trust the modules {', '.join(named)}: if you do, add "
            f"trusted=[{','.join(named)}] to the command line."
        )


def resolve(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as plain Python values, without Hydra's own section.

    What an environment variable says is a text to OmegaConf; it is read here as the command line reads a value, so that
    `optimizer.lr=${oc.env:RATE}` is a number. Paths and names stay texts.

    Raises:
        UserError: for a value that refers to one that is not there.
    """
    config = OmegaConf.create(cfg)  # type: ignore[arg-type] # its stubs know no Mapping
    container: Any
    try:
        container = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        if str(error.full_key).startswith("hydra."):  # which refers to the key that is meant
            return resolve(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
        raise UserError(unresolved(error)) from error
    raw: Any = OmegaConf.to_container(config, resolve=False)
    return {str(key): _decoded(value, raw[key], str(key)) for key, value in container.items() if key != "hydra"}


def unresolved(error: OmegaConfBaseException) -> str:
    """Return a sentence for a value that refers to one that is not there."""
    key = error.full_key or "The configuration"
    variable = re.search(r"Environment variable '(.*)' not found", str(error))
    if variable:
        return f"{key} needs the environment variable {variable[1]}, which is not set: set it, or write the value."
    return f"{key} cannot be resolved: {str(error).splitlines()[0].rstrip('.')}."


def _decoded(value: Any, raw: Any, key: str) -> Any:
    """Return a resolved value with the texts that come from interpolations in it read as values."""
    if isinstance(value, dict):
        below = raw if isinstance(raw, dict) else {}
        return {name: _decoded(one, below.get(name), f"{key}.{name}") for name, one in value.items()}
    if isinstance(value, list):
        each = raw if isinstance(raw, list) else [None] * len(value)
        return [_decoded(one, other, key) for one, other in zip(value, each, strict=True)]
    is_read = isinstance(value, str) and isinstance(raw, str) and "${" in raw and not _is_text(key)
    return read_value(value) if is_read else value


def _is_text(key: str) -> bool:
    return key in _TEXT_KEYS or key.rpartition(".")[2] in _TEXTS_ANYWHERE


def read_value(text: str) -> Any:
    """Return what a text means on the command line; the text itself if it is none of a number, truth value or list."""
    read = OmegaConf.create({"text": text.replace("${", "\\${"), "value": "${oc.decode:${text}}"})
    try:
        return OmegaConf.to_container(read, resolve=True)["value"]  # type: ignore[index,call-overload] # a mapping
    except OmegaConfBaseException:
        return text


def _checked_targets(group: str, sections: Any, trusted: Sequence[str]) -> dict[str, Target | None] | None:
    if sections is None:
        return None
    return {
        str(name): None if section is None else _checked_target(f"{group}.{name}", section, Target, trusted)
        for name, section in sections.items()
    }


def _checked_target(name: str, section: Any, kind: type[Kind], trusted: Sequence[str]) -> Kind:
    """Check a group that describes an object: by the schema of its class, or by that of its group."""
    target = section.get("_target_") if isinstance(section, dict) else None
    known = None if name in _GROUPS_OF_LIBRARIES else schema.BY_TARGET.get(str(target))
    known = known or schema.BY_GROUP.get(name) or OpenTarget
    if known is OpenTarget:
        _refuse_target(name, section, trusted)
    checked = checked_section(name, section, known)
    refuse_by_name(checked.target, trusted=trusted, key=f"{name}._target_")
    if not isinstance(checked, kind):
        raise UserError(f"{name}._target_={checked.target} is not allowed: give a class for the group {name}.")
    return checked


def _refuse_target(name: str, section: Any, trusted: Sequence[str]) -> None:
    """Refuse a group that does not name a class which may be built."""
    if not isinstance(section, dict):
        raise UserError(f"{name}={shown(section)} is not allowed: give a group with the import path of a class.")
    target = section.get("_target_")
    if not isinstance(target, str):
        raise UserError(f"{name}._target_={shown(target)} is not allowed: give the import path of a class.")
    refuse_by_name(target, trusted=trusted, key=f"{name}._target_")


def _identified(blur: Target) -> Target:
    """Return a blur with the absolute path of its file, if it has one, and the SHA-256 if it lacks that."""
    settings = blur.plain()
    if not isinstance(settings.get("path"), str):
        return blur
    path = Path(os.path.realpath(settings["path"]))
    settings["path"] = str(path)
    if settings.get("sha256", "") is None:
        try:
            with path.open("rb") as file:
                settings["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(
                f"blur.path={path} cannot be read ({error.strerror}): give a file with a kernel."
            ) from error
    return checked_section("blur", settings, type(blur))


def checked_section(group: str, section: Any, known: type[Checked], *, called: str | None = None) -> Checked:
    """Check a section by its schema, and return it.

    Args:
        group: its key; empty at the top.
        section: its values.
        known: the schema.
        called: what a sentence calls a section at the top that is no whole configuration.

    Raises:
        UserError: for the first key that is missing, unknown or out of range.
    """
    if not isinstance(section, dict):
        raise UserError(f"{group}={shown(section)} is not allowed: choose an option with {group}=NAME.")
    _refuse_missing(group, section, known)
    try:
        return known.model_validate(section)
    except ValidationError as error:
        raise UserError(_sentence(group, section, known, error.errors()[0], called)) from None
    except UnicodeEncodeError as error:  # pydantic lost the sentence of a rule that names a file of no Unicode
        raise UserError(str(error.object)) from None


def _refuse_missing(group: str, section: dict[str, Any], known: type[Section]) -> None:
    """Refuse the first key that a configuration file leaves to the user, who has not given it."""
    for key, field in known.model_fields.items():
        full_key, value, within = f"{group}.{key}" if group else key, section.get(key), section_within(field)
        if value == "???":
            raise UserError(f"{full_key} is missing: give {allowed(field)}.")
        if within is not None and isinstance(value, dict):
            _refuse_missing(full_key, value, within)


def _sentence(
    group: str, section: dict[str, Any], known: type[Section], error: ErrorDetails, called: str | None = None
) -> str:
    if not error["loc"]:  # a rule over several keys; its text is a sentence already
        return error["msg"].removeprefix("Value error, ")
    key = str(error["loc"][0])
    full_key = f"{group}.{key}" if group else key
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        names = sorted((field.alias or name) for name, field in known.model_fields.items())
        listed = ", ".join(name for name in names if name not in ("_target_", "name"))
        near = nearest(key, names) if called else None
        meant = question([near] if near else []) if called else _meant(full_key, names, known)
        return f"{full_key} is unknown: {group or called or 'the top level'} has the keys {listed}.{meant}"
    field = next(field for name, field in known.model_fields.items() if key in (name, field.alias))
    inner = section_within(field)
    if inner is not None and len(error["loc"]) > 1:
        return _sentence(full_key, section[key], inner, error | {"loc": error["loc"][1:]})
    if error["type"] == "missing":
        without = f" {full_key}=none is for none." if "none" in options(full_key) else ""
        return f"{full_key} is missing: give {allowed(field)}.{without}"
    choices = _choices(field.annotation)
    longer = [choice for choice in choices if choice.startswith(f"{section[key]}-")]  # bf16 for bf16-mixed
    near = nearest(str(section[key]), longer or choices, 0 if longer else NEAR)
    asked = question([] if near is None else [near])
    return f"{full_key}={shown(section[key])} is not allowed: give {allowed(field)}.{asked}"


def _choices(annotation: Any) -> list[str]:
    """Return the texts that a key may have, if it is one of a few."""
    if get_origin(annotation) is Literal:
        return [choice for choice in get_args(annotation) if isinstance(choice, str)]
    return [choice for each in get_args(annotation) for choice in _choices(each)]


def _meant(unknown: str, names: Sequence[str], known: type[Section]) -> str:
    """Return a question for a key that a section does not have; nothing if none is near."""
    group, _, key = unknown.rpartition(".")
    near = nearest(key, names) if group else None
    if near is not None:
        return question([f"{group}.{near}"])
    command = known.__name__.removesuffix("Config").lower()  # the top level of each command has a schema of its name
    return did_you_mean(unknown, command if command in COMMANDS else "train")


def section_within(field: FieldInfo) -> type[Section] | None:
    """Return the schema of a key that is a section itself."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
