"""The one checker of a composed configuration."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deblur.config import schema
from deblur.config.build import find_class, path_arguments, refuse_by_name
from deblur.config.chosen import refuse_unknown_names, refuse_unmeasured_monitors
from deblur.config.keys import COMMANDS, NEAR, TEXT_KEYS, did_you_mean, nearest, options, question
from deblur.config.sections import Section, Target, shown
from deblur.errors import UserError

if TYPE_CHECKING:
    from deblur.blur import Degradation

Config = dict[str, Any]

_GROUPS = ("model", "blur", "optimizer", "scheduler", "data", "trainer")
_GROUPS_OF_MANY = ("callbacks", "logger")
_PAIRS = "deblur.data.PairsData"
_FOLDERS_OF_DATA = ("root", "sharp", "blurred")
_TEXT_KEYS = TEXT_KEYS | {"compare", "trusted"}
_TEXTS_ANYWHERE = ("_target_", "name", "sha256")


class _OwnData(schema.DataSettings, Target, extra="allow"):
    """The keys of a data group whose image source is the user's own class: further ones are its arguments."""


def check(cfg: DictConfig | Mapping[str, Any], *, for_training: bool = True, stored: bool = False) -> Config:
    """Resolve and check a whole configuration, without importing torch.

    Args:
        cfg: what Hydra composed from conf/train.yaml, or what a run stored.
        for_training: whether its network is to be trained; one that is trained may be measured on other blurs.
        stored: whether it is what a run stored. That was resolved before: a `${...}` in it is a text, such as a part of
            a file's name, and in a stranger's file it could ask for what is in the environment of this process.

    Returns:
        The configuration as plain Python values, `data.root`, `data.sharp`, `data.blurred` and `blur.path` made
        absolute, and `blur.sha256` of that file filled in, so that they mean the same everywhere and ever after.

    Raises:
        UserError: for the first key that is missing, unknown or out of range; the text says what is allowed.
    """
    config = {str(key): deepcopy(value) for key, value in cfg.items()} if stored else resolve(cfg)
    check_section("", config, schema.Train)
    check_section("paths", config["paths"], schema.Paths)
    refuse_unknown_names(config if for_training else {**config, "loss": None})
    sections = {group: config[group] for group in _GROUPS}
    for group in _GROUPS_OF_MANY:
        sections |= {f"{group}.{name}": section for name, section in (config[group] or {}).items()}
    degradation = None
    for name, section in sections.items():
        if name == "blur":
            degradation = check_blur(section, config["trusted"])
        elif section is not None:
            _check_class(name, section, config["trusted"])
    if config["sweep"] is not None and config["trainer"].get("devices", 1) != 1:
        raise UserError(
            f"trainer.devices={config['trainer']['devices']} is not allowed in a sweep: its runs take one device each, "
            "since every further process of a run would start the whole sweep again. Leave out trainer.devices."
        )
    _refuse_unknown_kernels(config, degradation, for_training=for_training)
    if for_training:
        _refuse_too_few_images(config["data"])
        refuse_unmeasured_monitors(config)
    trainer = config["trainer"]
    if trainer["precision"] == "16-mixed" and trainer.get("gradient_clip_val") and config["optimizer"].get("fused"):
        raise UserError(
            f"trainer.gradient_clip_val={trainer['gradient_clip_val']} at trainer.precision=16-mixed needs "
            "optimizer.fused=false: a fused optimizer sees the gradients only after they are clipped at their scale."
        )
    for key in (*_FOLDERS_OF_DATA, *_paths_of_own_data(config)):
        if isinstance(config["data"].get(key), str):
            config["data"][key] = os.path.realpath(config["data"][key])
    if isinstance(config["blur"].get("path"), str):
        config["blur"] |= _identified(config["blur"])
    return config


def _paths_of_own_data(config: Config) -> frozenset[str]:
    """Return the arguments of the user's own image source that are annotated as paths."""
    target = str(config["data"]["_target_"])
    if target in schema.BY_TARGET:
        return frozenset()
    return path_arguments(find_class(target, object, trusted=config["trusted"], key="data._target_"))


def _refuse_unknown_kernels(config: Config, degradation: "Degradation | None", *, for_training: bool) -> None:
    """Refuse a network that has to know the kernel where nobody can tell it."""
    model, blur, data = config["model"], config["blur"], config["data"]
    if "non_blind" not in model:
        return
    from deblur.config.degradations import drawn_part  # OpenCV

    if data.get("_target_") == _PAIRS and (for_training or model["non_blind"]):
        raise UserError(
            "A network with a Wiener estimate has to know what blurred the images, and of data=pairs nobody tells it: "
            "take "
            "another model, or data=folder data.root=DIR with the sharp images."
        )
    drawn = drawn_part(blur, degradation)
    if for_training and not model["non_blind"] and drawn is not None:
        raise UserError(
            f"model.non_blind=false is for one kernel, and {drawn} draws one for each image: take one value, or "
            "model.non_blind=true for a network that gets the kernel of each image."
        )


def _refuse_too_few_images(data: Config) -> None:
    """Refuse a choice of images that cannot be divided into a training, a validation and a test set."""
    known, count = schema.BY_TARGET.get(str(data.get("_target_"))), data.get("max_images")
    if known is not None and count is not None and count < schema.FEWEST_TO_DIVIDE:
        description = known.model_fields["max_images"].description
        raise UserError(f"data.max_images={shown(count)} is not allowed: give {description}.")


def check_blur(blur: Config, trusted: list[str]) -> "Degradation | None":
    """Check the settings of a blur alone, by what its class declares, and build it.

    Args:
        blur: its settings. What a mixture leaves out of its families is filled in.
        trusted: modules that the user named on the command line.

    Returns:
        The blur; None for a kernel in a file.

    Raises:
        UserError: as `check` does.
    """
    _check_class("blur", blur, trusted)
    from deblur.config import degradations  # OpenCV

    kind = degradations.class_of(blur, trusted)
    degradations.complete(blur, trusted)
    check_section("blur", blur, degradations.section_of(kind, is_complete=degradations.is_ours(blur)))
    return degradations.built(blur, kind, trusted)


def refuse_trust_in_files(config: Mapping[str, Any] | DictConfig, overrides: Sequence[str]) -> None:
    """Let modules be trusted on the command line only.

    Args:
        config: a configuration, checked or not.
        overrides: the words of the command line.

    Raises:
        UserError: where a file names modules to trust, and the command line does not.
    """
    trusted = config.get("trusted")
    if trusted and not any(word.lstrip("+").startswith("trusted=") for word in overrides):
        named = list(map(str, [trusted] if isinstance(trusted, str | int) else trusted))
        raise UserError(
            f"A configuration file asks to trust the modules {', '.join(named)}: if you do, add "
            f"trusted=[{','.join(named)}] to the command line."
        )


def resolve(cfg: DictConfig | Mapping[str, Any]) -> Config:
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


def _check_class(name: str, section: Any, trusted: list[str]) -> None:
    """Check what describes an object: by the schema of its class, or else by the name of the class alone."""
    target = section.get("_target_") if isinstance(section, dict) else None
    known = schema.BY_GROUP.get(name) or schema.BY_TARGET.get(str(target))
    if known is None and name == "data" and isinstance(target, str):
        known = _OwnData
    if known is not None:
        check_section(name, section, known)
    elif not isinstance(section, dict):
        raise UserError(f"{name}={shown(section)} is not allowed: give a group with the import path of a class.")
    elif not isinstance(target, str):
        raise UserError(f"{name}._target_={shown(target)} is not allowed: give the import path of a class.")
    refuse_by_name(str(target), trusted=trusted, key=f"{name}._target_")


def _identified(blur: Mapping[str, Any]) -> dict[str, str]:
    """Return where the file of a blur is on this machine and, where a place for it is kept free, its SHA-256."""
    path = Path(os.path.realpath(blur["path"]))
    if blur.get("sha256", "") is not None:
        return {"path": str(path)}
    try:
        with path.open("rb") as file:
            return {"path": str(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise UserError(f"blur.path={path} cannot be read ({error.strerror}): give a file with a kernel.") from error


def check_section(group: str, section: Any, known: type[Section], *, called: str | None = None) -> None:
    """Check a section by its schema.

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
    for key, field in known.model_fields.items():
        if section.get(key) == "???":
            raise UserError(f"{group}{'.' if group else ''}{key} is missing: give {field.description}.")
    try:
        known.model_validate(section)
    except ValidationError as error:
        raise UserError(_sentence(group, section, known, error.errors()[0], called)) from None
    except UnicodeEncodeError as error:  # pydantic lost the sentence of a rule that names a file of no Unicode
        raise UserError(str(error.object)) from None


def _sentence(group: str, section: Config, known: type[Section], error: ErrorDetails, called: str | None = None) -> str:
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
    inner = _section_within(field)
    if inner is not None and len(error["loc"]) > 1:
        return _sentence(full_key, section[key], inner, error | {"loc": error["loc"][1:]})
    if error["type"] == "missing":
        without = f" {full_key}=none is for none." if "none" in options(full_key) else ""
        return f"{full_key} is missing: give {field.description}.{without}"
    choices = _choices(field.annotation)
    longer = [choice for choice in choices if choice.startswith(f"{section[key]}-")]  # bf16 for bf16-mixed
    near = nearest(str(section[key]), longer or choices, 0 if longer else NEAR)
    asked = question([] if near is None else [near])
    return f"{full_key}={shown(section[key])} is not allowed: give {field.description}.{asked}"


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
    command = known.__name__.lower()  # the top level of each command has a schema of its name
    return did_you_mean(unknown, command if command in COMMANDS else "train")


def _section_within(field: FieldInfo) -> type[Section] | None:
    """Return the schema of a key that is a section itself."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
