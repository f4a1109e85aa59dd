import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from deblur.files import write_csv, write_json, write_text
from deblur.reading import (
    DamagedFile,
    MissingFile,
    UnreadableFile,
    UnusableFile,
    read_bytes,
    read_csv,
    read_json,
    read_yaml,
    yaml_text,
)

READERS: tuple[Callable[..., Any], ...] = (read_bytes, read_json, read_yaml, read_csv)
DEEP = 100_000

keys = st.text(min_size=1)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8)


def refusal(kind: type[UnusableFile], read: Callable[..., Any], path: Path, **settings: Any) -> str:
    with pytest.raises(UnusableFile) as caught:
        read(path, **settings)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text.startswith(f"{path} ")
    assert "\n" not in text
    assert len(text) < len(str(path)) + 400
    return text


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_not_there_is_missing(tmp_path: Path, read: Callable[..., Any]) -> None:
    path = tmp_path / "absent"
    assert refusal(MissingFile, read, path) == f"{path} does not exist."
    assert refusal(MissingFile, read, path, cure="give a file") == f"{path} does not exist: give a file."
    (tmp_path / "file").touch()
    refusal(MissingFile, read, tmp_path / "file" / "below")
    (tmp_path / "link").symlink_to("nowhere")
    refusal(MissingFile, read, tmp_path / "link")


@pytest.mark.parametrize("read", READERS)
def test_what_only_looks_like_a_file_is_not_read(tmp_path: Path, read: Callable[..., Any]) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket")[-100:])
        for name, kind in (("folder", "a folder"), ("pipe", "a pipe"), ("zero", "a device"), ("socket", "a socket")):
            text = refusal(UnreadableFile, read, tmp_path / name)
            assert text == f"{tmp_path / name} cannot be read (it is {kind}, no file)."
            (tmp_path / f"link to {name}").symlink_to(tmp_path / name)
            assert f"(it is {kind}, no file)" in refusal(UnreadableFile, read, tmp_path / f"link to {name}")


@pytest.mark.parametrize("read", READERS)
def test_what_the_system_refuses_is_not_called_damaged(tmp_path: Path, read: Callable[..., Any]) -> None:
    (tmp_path / "broken disk").symlink_to("/proc/self/mem")  # its first page cannot be read: an input/output error
    text = refusal(UnreadableFile, read, tmp_path / "broken disk", cure="repair it")
    assert text == f"{tmp_path / 'broken disk'} cannot be read (Input/output error): repair it."
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read (Too many levels of symbolic links)" in refusal(UnreadableFile, read, tmp_path / "loop")
    refusal(UnreadableFile, read, tmp_path / "a\0b")


def test_a_file_that_may_not_be_read_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    (tmp_path / "file").chmod(0)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "file").write_text("{}")
    (tmp_path / "closed").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):  # pytest's own folders are the owner's alone
        folder.chmod(folder.stat().st_mode | 0o055)
    script = f"""
import os, sys
sys.path[:] = {sys.path!r}
from pathlib import Path
from deblur.reading import UnreadableFile, read_json
if os.geteuid() == 0:
    os.setuid(65534)
for name in ("file", "closed/file"):
    try:
        read_json(Path({str(tmp_path)!r}) / name)
    except UnreadableFile as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    (tmp_path / "closed").chmod(0o700)
    assert said.splitlines() == [
        f"{tmp_path / name} cannot be read (Permission denied)." for name in ("file", "closed/file")
    ]


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_too_large_is_not_read_into_memory(tmp_path: Path, read: Callable[..., Any]) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(2**40)
    assert refusal(DamagedFile, read, tmp_path / "file", largest=1000) == (
        f"{tmp_path / 'file'} is damaged (it has more than 1000 bytes)."
    )
    assert "is damaged (it has more than 3 MiB)" in refusal(DamagedFile, read, tmp_path / "file", largest=3 * 2**20)


@pytest.mark.parametrize("read", READERS[1:])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "(it is empty)"),
        (b" \n\r\n\t", "(it is empty)"),
        (b"\0" * 5000, "(it is empty)"),  # as some file systems leave a file after a loss of power
        (b"\xff\xfe\x00", "(it is no UTF-8 text)"),
        (bytes(range(256)) * 4, "(it is no UTF-8 text)"),
        (b'{"a": 1', ""),
        (b"a: [1", ""),
        (b'a,b\n1,"2', ""),
    ],
)
def test_damage_is_named(tmp_path: Path, read: Callable[..., Any], content: bytes, reason: str) -> None:
    (tmp_path / "file").write_bytes(content)
    if reason:
        assert refusal(DamagedFile, read, tmp_path / "file").endswith(f" is damaged {reason}.")


@pytest.mark.parametrize(
    "content",
    [
        "[" * DEEP,
        "[" * DEEP + "]" * DEEP,
        '{"a":' * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
        "[" * 60 + "]" * 60,
        '{"a": ' * 60 + "[]" + "}" * 60,
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 5000 + "}",
        "{'a': 1}",
        '{"a": 1} {"b": 2}',
        "\ufeff{}",
        '{"a": "\n"}',
    ],
)
def test_json_that_is_none_is_damaged(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    assert " is damaged (" in refusal(DamagedFile, read_json, tmp_path / "file")


@given(values)
def test_json_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "aliases"),
        ("a: &a [*a]", "aliases"),
        ("a: &x {b: 1}\nc: {<<: *x}", "aliases"),
        ("[" * DEEP, "nested too deeply"),
        ("[" * DEEP + "]" * DEEP, "nested too deeply"),
        ("{a: " * DEEP, "nested too deeply"),
        ("- " * 1000 + "a", "nested too deeply"),
        ("\n".join(" " * n + "a:" for n in range(900)), "nested too deeply"),
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: !!python/object/apply:pathlib.PosixPath ['/']", "tag"),
        ("a: !!binary aGVsbG8=", "tag"),
        ("!!map {a: 1}", "tag"),
        ("[" + "a," * 50_000 + "]", "too many values"),
        ("a: 1\n---\nb: 2", ""),
        ("a: 1\na: 2", "the key a twice"),
        ("a: 1\n  b: 2", ""),
        ("a: \x00", ""),
        ("? [a]\n: 1", ""),
        ("? {a: 1}\n: 1", ""),
        ("@", ""),
        ("a: " + "9" * 5000, ""),
    ],
)
def test_yaml_that_is_a_trap_or_none_is_damaged(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "file").write_text(content)
    assert reason in refusal(DamagedFile, read_yaml, tmp_path / "file")


@given(st.dictionaries(st.sampled_from("abc"), values, max_size=3))
@example({"a": "\x85"})  # PyYAML writes it as it is, and reads it as a space
def test_yaml_is_read_as_omegaconf_reads_it(tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "value.yaml"
    escaped = json.loads(json.dumps(value).replace("$", "S"))  # OmegaConf would take ${...} for a reference
    try:
        path.write_text(OmegaConf.to_yaml(OmegaConf.create(escaped)), encoding="utf-8", newline="")
    except UnicodeEncodeError:
        return
    assert read_yaml(path) == OmegaConf.to_container(OmegaConf.load(path))


@given(st.dictionaries(st.sampled_from("abc"), values | st.text("1e-+.0_:${}#'\"\\ \n"), max_size=3))
def test_yaml_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "value.yaml"
    write_text(path, yaml_text(value))
    assert read_yaml(path) == value


def test_odd_texts_are_written_and_read(tmp_path: Path) -> None:
    shared = [1]
    value = {"a": os.fsdecode(b"gr\xf6\xdfe"), "b": "${x", "c": "\0\x7f\u2028", "d": shared, "e": shared, "f": 1e-5}
    write_text(tmp_path / "file", yaml_text(value))
    assert read_yaml(tmp_path / "file") == value


@pytest.mark.parametrize(
    "text",
    [
        "1e-3",
        "1e3",
        "1.5",
        ".5",
        "-1.5e+3",
        "3",
        "0x10",
        "1_000",
        "2020-01-01",
        "1:30",
        "yes",
        "null",
        "~",
        ".inf",
        "e5",
    ],
)
def test_yaml_numbers_are_those_of_omegaconf(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(f"a: {text}")
    expected = OmegaConf.to_container(OmegaConf.load(tmp_path / "file"))
    found = read_yaml(tmp_path / "file")
    assert found == expected
    assert type(found["a"]) is type(expected["a"])  # type: ignore[index,call-overload]


def test_a_yaml_number_that_is_none_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a: .nan")
    assert math.isnan(read_yaml(tmp_path / "file")["a"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\n1\n", "line 2 has 1 cells instead of 2"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells instead of 2"),
        ("a,b\n1,2\n3,", ""),
        ("a,a\n1,2\n", "two columns have one name"),
        ("b,c\n1,2\n", "it lacks the columns a"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ('a,b\n1,"2"3\n', "line 2: "),
        ("a,b\n1," + "x" * 200_000, "line 2: field larger than field limit"),
        ('"' * 1001, ""),
    ],
)
def test_a_damaged_table_is_told_by_its_line(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "file").write_text(content)
    if reason:
        assert reason in refusal(DamagedFile, read_csv, tmp_path / "file", needed=("a",))


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [{"name": 'a,"b"\nc', "größe": 1.5}, {"name": "", "größe": None}]
    write_csv(tmp_path / "file", rows)
    assert read_csv(tmp_path / "file", needed=("name",)) == [
        {"name": 'a,"b"\nc', "größe": "1.5"},
        {"name": "", "größe": ""},
    ]
    (tmp_path / "file").write_text("a,b\r\n\r\n1,2\r\n")
    assert read_csv(tmp_path / "file") == [{"a": "1", "b": "2"}]
