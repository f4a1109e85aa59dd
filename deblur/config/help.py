"""What `--help` prints: the groups, and for each key its default, what it means and what is allowed."""

import functools
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped] # it has no types
from omegaconf import DictConfig, OmegaConf

from deblur.config import schema
from deblur.config.check import section_within
from deblur.config.commands import EvaluateConfig
from deblur.config.keys import options
from deblur.config.places import conf_dir
from deblur.config.protocols import protocol_schema
from deblur.config.sections import Section, allowed, shown

SCHEMAS: Final[Mapping[str, type[Section]]] = {"train": schema.TrainConfig, "evaluate": EvaluateConfig}
"""Of the top level, by command."""

_COLUMN: Final = 32  # characters of a setting, before its explanation
_WIDTH: Final = 86  # characters of an explanation's lines
_FOR_BUILDING: Final = ("_target_", "name", "defaults")


def help_text(config: DictConfig, config_name: str) -> str:
    """Return the text of `--help`.

    Args:
        config: what Hydra composed of a command, with its own section `hydra`.
        config_name: the main file in conf/, without its suffix.
    """
    template = str(config.hydra.help.template)
    groups = [name for name in _groups(config_name) if options(name)]
    return (
        template.replace(
            "$APP_CONFIG_GROUPS", "".join(f"{name}: {', '.join(options(name))}\n" for name in groups)
        ).replace("$CONFIG", "\n".join(_lines(config, config_name)) + "\n")
        + "\n"
    )


def _groups(config_name: str) -> list[str]:
    defaults = OmegaConf.load(conf_dir() / f"{config_name}.yaml").defaults
    names = [str(next(iter(entry))) for entry in defaults if isinstance(entry, DictConfig)]
    return sorted(name for name in names if not name.startswith("override "))


def _lines(config: DictConfig, config_name: str) -> Iterator[str]:
    meanings = dict(file_meanings(conf_dir() / f"{config_name}.yaml"))
    for group, choice in config.hydra.runtime.choices.items():
        file = conf_dir() / str(group) / f"{choice}.yaml"
        if not group.startswith("hydra/") and file.is_file():
            section = group.replace("/", ".")
            meanings |= {f"{section}.{key}": meaning for key, meaning in option_meanings(file).items()}
    plain = OmegaConf.to_container(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
    yield from _section(plain, "", SCHEMAS[config_name], meanings)


def _section(content: Any, prefix: str, known: type[Section] | None, meanings: Mapping[str, str]) -> Iterator[str]:
    fields = {} if known is None else known.model_fields
    indent = "  " * prefix.count(".")
    for key, value in content.items():
        name = f"{prefix}{key}"
        if key in _FOR_BUILDING:
            continue
        field = fields.get(key)
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            within = None if field is None else section_within(field)
            yield from _section(value, f"{name}.", section_schema(name, value) or within, meanings)
            continue
        setting = f"{indent}{key}: {shown(value)}"
        explanations = [meanings.get(name, ""), "" if field is None else f"Allowed: {allowed(field)}"]
        explained = [line for text in explanations for line in textwrap.wrap(text, _WIDTH)]
        yield f"{setting:<{_COLUMN}}  {explained[0]}" if explained else setting
        yield from (" " * (_COLUMN + 2) + line for line in explained[1:])


def section_schema(name: str, content: Mapping[str, Any]) -> type[Section] | None:
    """Return the schema of a section; None for that of a user's own class."""
    if name == "blur" and "_target_" in content:
        from deblur.config.degradations import class_of, is_ours, section_of  # imports OpenCV

        return section_of(class_of(content, ()), is_complete=True) if is_ours(str(content["_target_"])) else None
    if name == "protocol":
        return protocol_schema(content)
    return schema.BY_TARGET.get(str(content.get("_target_"))) or schema.BY_GROUP.get(name)


@functools.cache
def option_meanings(file: Path) -> Mapping[str, str]:
    """Return the meanings of the keys of a group's option, and of those that it is based on."""
    bases = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    found: dict[str, str] = {}
    for base in bases.get("defaults", []):
        if isinstance(base, str) and base != "_self_":
            found |= option_meanings(file.with_name(f"{base}.yaml"))
    return found | dict(file_meanings(file))


def file_meanings(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the dotted keys of a YAML file and the comment behind each."""
    text = file.read_text(encoding="utf-8")
    lines = text.split("\n")

    def below(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
        for key, value in node.value:
            is_section = isinstance(value, yaml.MappingNode) and value.start_mark.line > key.start_mark.line
            end = key.end_mark if is_section else value.end_mark
            comment = lines[end.line][end.column :].lstrip(": ").strip()
            if comment.startswith("#"):
                yield f"{prefix}{key.value}", comment.lstrip("# ")
            if isinstance(value, yaml.MappingNode):
                yield from below(value, f"{prefix}{key.value}.")

    root = yaml.compose(text, yaml.SafeLoader)
    if isinstance(root, yaml.MappingNode):
        yield from below(root, "")
