"""Tables of all keys of the configuration, in Markdown, for the page `docs/configuration.md` of the site.

Defaults and meanings are those of the files in `conf/`, allowed values those of the typed models in `deblur.config`, so
the page cannot differ from what the commands accept. `python -m scripts.configuration_reference` prints the tables.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml  # type: ignore[import-untyped] # it has no types

from deblur.config.check import section_within
from deblur.config.help import SCHEMAS, file_meanings, option_meanings, section_schema
from deblur.config.keys import CAMERAS, PRESETS, option_settings, options
from deblur.config.places import conf_dir
from deblur.config.schema import TrainConfig
from deblur.config.sections import Section, allowed, shown

COLUMNS: Final = "| key | default | allowed | meaning |\n|---|---|---|---|"
GROUPS: Final = ("model", "blur", CAMERAS, "optimizer", "scheduler", "data", "trainer", "callbacks", "logger")
"""The groups of a training whose options are objects to build, in the order of the page."""

_NO_KEYS: Final = ("_target_", "name", "defaults")
_MISSING: Final = "???"


class Key(NamedTuple):
    """A row of a table."""

    name: str
    """With the group, such as `optimizer.lr`."""
    default: str
    allowed: str
    meaning: str

    @property
    def row(self) -> str:
        """The row in Markdown."""
        cells = (f"`{self.name}`", _code(self.default), self.allowed, self.meaning)
        return f"| {' | '.join(cell.replace('|', '&#124;').replace('<', '&lt;') for cell in cells)} |"


class Block(NamedTuple):
    """Options of a group that build the same class, or a single option that builds none."""

    target: str
    keys: Mapping[str, Sequence[Key]]
    """By option."""


def reference() -> str:
    """Return the tables of all groups and commands, in Markdown."""
    return "\n".join(_pages()) + "\n"


def all_keys() -> list[Key]:
    """Return every row of the tables, those of all options."""
    found = [*top_keys("train"), *shared_data_keys(), *top_keys("evaluate")]
    for group in (*GROUPS, "protocol"):
        found += [key for block in blocks(group) for keys in block.keys.values() for key in keys]
    return found


def top_keys(config_name: str) -> list[Key]:
    """Return the keys of a command that are in no group, with those of the section `paths`."""
    file = conf_dir() / f"{config_name}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    groups = {*GROUPS, *PRESETS, "defaults", "hydra", "data", "blur", "protocol"}
    settings = {key: value for key, value in content.items() if key not in groups}
    return list(_keys(settings, "", SCHEMAS[config_name], dict(file_meanings(file))))


def shared_data_keys() -> list[Key]:
    """Return the keys that all data sets have."""
    file = conf_dir() / "train.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))["data"]
    schema = section_schema("data", option_settings("data", "synthetic"))
    return list(_keys(settings, "data.", schema, dict(file_meanings(file))))


def ordered(group: str) -> list[str]:
    """Return the options of a group, the one that is chosen by default before the others."""
    content = yaml.safe_load((conf_dir() / "train.yaml").read_text(encoding="utf-8"))
    chosen = [entry[group] for entry in content["defaults"] if isinstance(entry, dict) and group in entry]
    return sorted(options(group), key=lambda option: (option not in chosen, option))


def blocks(group: str) -> list[Block]:
    """Return the options of a group by the class that they build, the default one before the others."""
    found: dict[str, dict[str, Sequence[Key]]] = {}
    for option in ordered(group):
        settings = option_settings(group, option)
        target = _target(settings) if group != "protocol" else option
        keys = _option_keys(group, option, settings)
        if keys:
            found.setdefault(target, {})[option] = keys
    return [Block(target, keys) for target, keys in found.items()]


def _target(settings: Mapping[str, Any]) -> str:
    inner = [str(value["_target_"]) for value in settings.values() if isinstance(value, dict) and "_target_" in value]
    return str(settings.get("_target_") or " ".join(inner))


def _option_keys(group: str, option: str, settings: Mapping[str, Any]) -> list[Key]:
    section = group.replace("/", ".")
    if section.rpartition(".")[2] in settings:  # none: it sets the group itself to null
        return []
    meanings = {f"{section}.{key}": text for key, text in option_meanings(_file(group, option)).items()}
    schema = _camera_schema() if group == CAMERAS else section_schema(group, dict(settings))
    keys = list(_keys(settings, f"{section}.", schema, meanings))
    given = {key.name for key in keys}
    for name, field in ({} if schema is None or group == "data" else schema.model_fields).items():
        full = f"{section}.{field.alias or name}"
        is_shown = full not in given and (field.alias or name) not in (*_NO_KEYS, *settings)
        if is_shown and field.title:
            keys.append(Key(full, shown(field.default), allowed(field), field.title))
    return keys


def _camera_schema() -> type[Section] | None:
    blur = section_schema("blur", option_settings("blur", "box"))
    return None if blur is None else section_within(blur.model_fields["camera"])


def _keys(
    content: Mapping[str, Any],
    prefix: str,
    schema: type[Section] | None,
    meanings: Mapping[str, str],
) -> Iterator[Key]:
    fields = {} if schema is None else schema.model_fields
    for name, value in content.items():
        if name in _NO_KEYS:
            continue
        full, field = f"{prefix}{name}", fields.get(name)
        if isinstance(value, dict) and value:
            within = None if field is None else section_within(field)
            yield from _keys(value, f"{full}.", within or section_schema(full, value), meanings)
            continue
        default = "required" if value == _MISSING else shown(value)
        of_class = str(content.get("_target_", ""))
        may_be = allowed(field) if field is not None else f"see `{of_class}`" if of_class else ""
        yield Key(full, default, may_be, meanings.get(full, "") or (field.title if field and field.title else ""))


def _file(group: str, option: str) -> Path:
    return conf_dir() / group / f"{option}.yaml"


def _introduction(group: str, option: str) -> tuple[str, str]:
    """Return the command and the text of the comment at the head of an option's file."""
    lines = _file(group, option).read_text(encoding="utf-8").splitlines()
    comments = []
    for line in lines:
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            comments.append(line.removeprefix("#").strip())
    command = next((line for line in comments if line.startswith("python -m")), "")
    return command, " ".join(line for line in comments if not line.startswith("python -m"))


def _code(text: str) -> str:
    return text if text == "required" else f"`{text}`"


def _table(keys: Sequence[Key]) -> Iterator[str]:
    yield ""
    yield COLUMNS
    yield from (key.row for key in keys)
    yield ""


def _pages() -> Iterator[str]:
    yield "## Keys of a training"
    yield from _table(top_keys("train"))
    for group in GROUPS:
        yield from _group(group)
    yield "## Presets: `experiment` and `debug`"
    yield "\nA preset sets keys of several groups. What stands after it on the command line changes it.\n"
    for group in PRESETS:
        for option in options(group):
            yield from _preset(group, option)
    yield "## Keys of an evaluation"
    yield "\n`data`, `blur` and `blur/camera` are the groups of a training; without them, those of the run are taken.\n"
    yield from _table(top_keys("evaluate"))
    yield from _group("protocol")


def _group(group: str) -> Iterator[str]:
    yield f"## Group `{group}`"
    yield ""
    field = TrainConfig.model_fields.get(group)
    if field is not None and field.description:
        yield f"Chosen as `{group}=NAME`.\n"
    yield "| option | |\n|---|---|"
    for option in ordered(group):
        command, text = _introduction(group, option)
        yield f"| `{option}` | {_sentence(text)} `{command}` |"
    yield ""
    found = blocks(group)
    shared = _shared(found)
    if group == "data":
        yield "### All data sets"
        yield from _table(shared_data_keys())
    if shared:
        yield f"### All options of `{group}`"
        yield from _table(shared)
    for block in found:
        yield from _block(block, {key.name for key in shared})


def _sentence(text: str) -> str:
    return "" if not text else text.replace("|", "&#124;") + ("" if text.endswith((".", ":")) else ".")


def _shared(found: Sequence[Block]) -> list[Key]:
    """Return the keys that all options with any keys have in common, with the same default and meaning."""
    each = [keys for block in found for keys in block.keys.values()]
    if len(found) < 2 or len(each) < 2:
        return []
    return [key for key in each[0] if all(key in keys for keys in each)]


def _block(block: Block, left_out: set[str]) -> Iterator[str]:
    first, *others = block.keys.values()
    rows = [key for key in first if key.name not in left_out]
    names = ", ".join(f"`{option}`" for option in block.keys)
    if not rows:
        return
    classes = " ".join(f"`{each}`" for each in block.target.split() if "." in each)
    yield f"### {names}" if len(block.keys) < 4 else f"### `{block.target.rpartition('.')[2]}`"
    yield f"\nBuilds {classes}." if classes else ""
    yield from _table(rows)
    if not others:
        return
    yield f"The defaults above are those of `{next(iter(block.keys))}`. Those of the other options that differ:\n"
    for option, keys in list(block.keys.items())[1:]:
        known = {key.name: key.default for key in first}
        changed = ", ".join(f"`{key.name}={key.default}`" for key in keys if known.get(key.name) != key.default)
        yield f"- `{option}`: {changed or 'none'}"
    yield ""


def _preset(group: str, option: str) -> Iterator[str]:
    command, text = _introduction(group, option)
    body = "\n".join(
        line for line in _file(group, option).read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    )
    yield f"### `{group}={option}`\n\n{text}\n\n```bash\n{command}\n```\n\n```yaml\n{body.strip()}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
