"""Reading small files of any origin, which may be damaged or special files; and writing YAML that is read back."""

import csv
import functools
import io
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from deblur.errors import UserError

if TYPE_CHECKING:
    import yaml  # type: ignore[import-untyped] # it has no types

Value = TypeVar("Value")

MEBIBYTE = 2**20  # bytes
LARGEST_FILE = 64 * MEBIBYTE  # bytes; the default limit
DEEPEST = 40  # nested lists and mappings; files of this program have fewer than 10
MOST_YAML_EVENTS = 40_000  # values, and starts and ends of lists and mappings; a configuration has about 200

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


class UnusableFile(UserError):
    """A file that cannot be used, for the reason of its subclass."""


class MissingFile(UnusableFile):
    """A file that does not exist."""


class UnreadableFile(UnusableFile):
    """A file that exists and cannot be read; it need not be damaged."""


class DamagedFile(UnusableFile):
    """A file that was read and has other content than it should."""


def read_bytes(path: Path, *, largest: int = LARGEST_FILE, cure: str = "") -> bytes:
    """Read a regular file; a pipe could block for ever, and a device never end.

    Args:
        path: the file.
        largest: limit of its size [bytes].
        cure: what the user can do, for the end of the error's sentence; likewise below.

    Raises:
        MissingFile: if it does not exist.
        UnreadableFile: if the system refuses to read it, or it is no regular file.
        DamagedFile: if it is too large.
    """
    try:
        refuse_special_file(path, os.stat(path).st_mode, cure)  # noqa: PTH116 # opening a device can have effects
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            # Again: another file may have replaced it, and the system opens folders for reading.
            refuse_special_file(path, os.fstat(descriptor).st_mode, cure)
            content = file.read(largest + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(_sentence(path, "does not exist", cure)) from None
    except (OSError, ValueError) as error:  # ValueError for a name with a zero byte
        raise unreadable(path, error, cure) from error
    if len(content) > largest:
        limit = f"{largest // MEBIBYTE} MiB" if largest >= MEBIBYTE else f"{largest} bytes"
        raise damaged(path, f"it has more than {limit}", cure)
    return content


def refuse_special_file(path: Path, mode: int, cure: str = "") -> None:
    """Refuse a folder, a pipe, a socket or a device, given the mode of `os.stat`.

    Raises:
        UnreadableFile: for anything but a regular file.
    """
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        raise UnreadableFile(_sentence(path, f"cannot be read (it is {kind}, no file)", cure))


@contextmanager
def unicode_name(path: Path) -> Iterator[str]:
    """Yield the path of a file, or if it is no Unicode, a name of the open file, for libraries that need Unicode.

    Raises:
        OSError: if the file cannot be opened.
    """
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        with path.open("rb") as file:
            yield f"/dev/fd/{file.fileno()}"
    else:
        yield name


def read_json(path: Path, *, largest: int = LARGEST_FILE, cure: str = "") -> Any:
    """Read a JSON file; see `json_value` and `read_bytes`."""
    return _parsed(path, read_bytes(path, largest=largest, cure=cure), json_value, cure)


def read_yaml(path: Path, *, largest: int = MEBIBYTE, cure: str = "") -> Any:
    """Read a YAML file; see `yaml_value` and `read_bytes`."""
    return _parsed(path, read_bytes(path, largest=largest, cure=cure), yaml_value, cure)


def read_csv(
    path: Path, *, needed: Sequence[str] = (), largest: int = 4 * LARGEST_FILE, cure: str = ""
) -> list[dict[str, str]]:
    """Read a CSV file with a header; see `csv_rows` and `read_bytes`."""
    content = read_bytes(path, largest=largest, cure=cure)
    return _parsed(path, content, lambda text: csv_rows(text, needed), cure)


def _parsed(path: Path, content: bytes, parse: Callable[[bytes], Value], cure: str) -> Value:
    try:
        return parse(content)
    except ValueError as error:
        raise damaged(path, str(error), cure) from error


def unreadable(path: Path, error: Exception, cure: str = "") -> UnreadableFile:
    """Return the error of a file that the system refuses to read."""
    return UnreadableFile(_sentence(path, f"cannot be read ({reason_of(error)})", cure))


def damaged(path: Path, reason: str, cure: str = "") -> DamagedFile:
    """Return the error of a file that has other content than it should."""
    return DamagedFile(_sentence(path, f"is damaged ({reason})", cure))


def _sentence(path: Path, problem: str, cure: str) -> str:
    return f"{path} {problem}{f': {cure}' if cure else ''}."


def reason_of(error: Exception) -> str:
    """Return the text of a system error without its number and the file's name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def json_value(text: str | bytes) -> Any:
    """Parse JSON of any origin with finite numbers and bounded nesting.

    Raises:
        ValueError: for anything else; its text is a short reason.
    """
    try:
        value = json.loads(_text(text), parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _refuse_depth(value)
    return value


def _text(content: str | bytes) -> str:
    if isinstance(content, bytes):
        try:
            content = content.decode()
        except UnicodeDecodeError:
            raise ValueError("it is no UTF-8 text") from None
    if not content.strip("\0 \t\r\n"):
        raise ValueError("it is empty")
    return content


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


def _whole(text: str) -> int:
    _finite(text)  # computations may need a float
    return int(text)


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def yaml_value(text: str | bytes) -> Any:
    """Parse YAML of any origin: one document of plain values, as this program writes it.

    Aliases, by which a few lines can expand to gigabytes, and tags are refused; size and nesting are bounded.

    Raises:
        ValueError: for anything else; its text is a short reason.
    """
    import yaml

    content = _text(text)
    # The parser written in C refuses the escapes of file names that are no Unicode.
    has_surrogates = re.search(r"\\u[dD][89a-fA-F]", content)
    base = yaml.SafeLoader if has_surrogates else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_traps(content, base)
        return yaml.load(content, _yaml_loader(base))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:300]) from error


def _refuse_traps(text: str, loader: "type[yaml.SafeLoader]") -> None:
    import yaml

    depth = 0
    for count, event in enumerate(yaml.parse(text, loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has aliases, which are not allowed")
        if getattr(event, "tag", None) is not None:
            raise ValueError(f"it has the tag {event.tag}, which is not allowed")
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        if count > MOST_YAML_EVENTS:
            raise ValueError("it has too many values")


@functools.cache
def _yaml_loader(base: "type[yaml.SafeLoader]") -> "type[yaml.SafeLoader]":
    """Return a loader of plain values that reads numbers as OmegaConf does."""
    import yaml

    class Loader(base):  # type: ignore[misc] # it has no types
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                raise ValueError(f"it has the key {next(key for key in keys if keys.count(key) > 1)} twice")
            made: dict[Any, Any] = super().construct_mapping(node, deep)
            return made

    _take_numbers_of_omegaconf(Loader)
    return Loader


def _take_numbers_of_omegaconf(kind: Any) -> None:
    """Let a loader or dumper of PyYAML read 1e-3 as a number and 2020-01-01 as text, unlike YAML 1.1."""
    kind.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith((":float", ":timestamp"))]
        for first, found in kind.yaml_implicit_resolvers.items()
    }
    number = r"[-+]?(?:(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.(?:inf|Inf|INF))"
    pattern = re.compile(rf"(?:{number}|\.(?:nan|NaN|NAN))\Z")
    kind.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+0123456789."))


def yaml_text(value: Any) -> str:
    """Return plain values as YAML that `yaml_value` reads back; OmegaConf would resolve a text with `${`."""
    import yaml

    def text(*, allow_unicode: bool) -> str:
        settings = {"default_flow_style": False, "allow_unicode": allow_unicode, "sort_keys": False}
        return str(yaml.dump(value, Dumper=_yaml_dumper(), **settings))

    readable = text(allow_unicode=True)
    # PyYAML writes some line breaks of Unicode as they are, and reads them as spaces.
    return readable if yaml_value(readable) == value else text(allow_unicode=False)


@functools.cache
def _yaml_dumper() -> "type[yaml.SafeDumper]":
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc] # it has no types
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 # PyYAML gives it
            return True

    _take_numbers_of_omegaconf(Dumper)
    return Dumper


def csv_rows(text: str | bytes, needed: Sequence[str] = ()) -> list[dict[str, str]]:
    """Parse CSV with a header of distinct names, the needed ones among them; every row has a cell for each.

    Raises:
        ValueError: for anything else; its text is a short reason.
    """
    reader = csv.reader(io.StringIO(_text(text), newline=""), strict=True)
    try:
        names = next(reader)
        lacking = [name for name in needed if name not in names]
        if lacking:
            raise ValueError(f"it lacks the columns {', '.join(lacking)}")
        if len(set(names)) < len(names):
            raise ValueError("two columns have one name")
        rows = []
        for cells in reader:
            if cells and len(cells) != len(names):
                raise ValueError(f"line {reader.line_num} has {len(cells)} cells instead of {len(names)}")
            if cells:
                rows.append(dict(zip(names, cells, strict=True)))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    return rows
