import csv
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_disks import SmallDisk

from deblur.files import (
    remove_partial_files,
    safe_name,
    write_bytes,
    write_csv,
    write_json,
    write_output,
    write_png,
    write_text,
)

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\r")
cells = st.none() | st.integers() | st.floats(allow_nan=False) | st.text(characters)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_parent_folders_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_text_is_utf_8_on_every_machine(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "größe\n日本語\r\n")
    assert (tmp_path / "file").read_bytes() == "größe\n日本語\r\n".encode()


def test_a_file_name_that_is_no_unicode_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / "file", os.fsdecode(b"gr\xf6\xdfe"))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "gr\\udcf6\\udcdfe"


@pytest.mark.parametrize("where", ["beside.txt", "deep/er/file.txt", "absent.txt"])
@pytest.mark.parametrize("is_relative", [True, False])
def test_a_link_is_followed_and_stays(tmp_path: Path, where: str, is_relative: bool) -> None:
    target = tmp_path / "elsewhere" / where
    target.parent.mkdir(parents=True)
    if where != "absent.txt":
        target.write_text("old")
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(target.relative_to(tmp_path) if is_relative else target)
    second.symlink_to(first)
    write_output(second, b"new")
    assert target.read_text() == first.read_text() == "new"
    assert first.is_symlink()
    assert second.is_symlink()
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == [target.name]


def test_a_file_of_a_run_replaces_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("old")
    (tmp_path / "status.json").symlink_to(tmp_path / "elsewhere")
    write_bytes(tmp_path / "status.json", b"new")
    assert (tmp_path / "elsewhere").read_text() == "old"
    assert not (tmp_path / "status.json").is_symlink()


def test_links_that_lead_nowhere_are_an_error_and_stay(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match=r"symbolic links.*'.*/a'"):
        write_output(tmp_path / "a", b"new")
    (tmp_path / "folder").mkdir()
    (tmp_path / "c").symlink_to("folder")
    with pytest.raises(OSError, match="directory"):
        write_output(tmp_path / "c", b"new")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_symlink()) == ["a", "b", "c"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    reader = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE)
    write_output(tmp_path / "link", b"content")
    assert reader.communicate(timeout=60)[0] == b"content"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("write", [write_bytes, write_text])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, write: Callable[..., None]) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("old")
    folder.mkdir()
    with pytest.raises((TypeError, AttributeError)):
        write(file, 3)
    with pytest.raises(OSError, match="directory"):
        write(folder, b"new" if write is write_bytes else "new")
    with pytest.raises(OSError, match=r"exists|directory"):
        write(file / "below", b"new" if write is write_bytes else "new")
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "file", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_content_and_name_are_on_the_disk_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a loss of power the file is the old one or the new one, and not an empty one."""
    done: list[str] = []

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            done.append(f"{name} folder" if is_folder else name)
            return function(*arguments)

        return noted

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    write_bytes(tmp_path / "file", b"content")
    assert done == ["fsync", "replace", "fsync folder"]
    write_bytes(tmp_path / "new folder" / "file", b"content")
    assert done[3:] == ["fsync folder", "fsync", "replace", "fsync folder"]


KILLED = """
import os, sys
from pathlib import Path
from deblur.files import write_bytes

os.replace = lambda *_: os.kill(os.getpid(), 9)
write_bytes(Path(sys.argv[1]), b"new")
"""


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "run" / "a long name of a file.json"
    write_text(path, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)])
    assert killed.returncode == -9
    assert path.read_text() == "old"
    left = [found for found in path.parent.iterdir() if found != path]
    assert len(left) == 1
    (path.parent / ".hidden.partial").touch()  # somebody else's
    of_the_living = left[0].with_name(re.sub(r"-\d+\.", f"-{os.getpid()}.", left[0].name))
    of_another_host = left[0].with_name(re.sub(r"\w+-(\d+)\.", r"elsewhere-\1.", left[0].name))
    of_the_living.touch()
    of_another_host.touch()

    remove_partial_files(tmp_path)
    assert not left[0].exists()
    assert of_the_living.exists()
    assert of_another_host.exists()
    remove_partial_files(tmp_path, is_held=True)
    assert sorted(found.name for found in path.parent.iterdir()) == [".hidden.partial", path.name]
    remove_partial_files(tmp_path / "nowhere")


LIMITED = """
import resource, sys
from pathlib import Path
from deblur.files import write_bytes

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 2000)
except OSError as error:
    print(type(error).__name__, error.filename)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    limited = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert limited.stdout == f"OSError {path}\n"
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file", "old")]


def test_a_full_disk_leaves_the_old_file(small_disk: SmallDisk) -> None:
    disk = small_disk(64)
    write_bytes(disk / "file", b"old")
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_bytes(disk / "file", bytes(100 * 1024))
    assert caught.value.filename == str(disk / "file")
    assert [(found.name, found.read_bytes()) for found in disk.iterdir()] == [("file", b"old")]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_json(path, [0] * 5_000)
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            values = json.loads(path.read_bytes())
            assert len(values) == 5_000
            seen.update(values)

    failures: list[Any] = []
    before = threading.excepthook
    threading.excepthook = failures.append
    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        write_bytes(path, json.dumps([number] * 5_000).encode())
    stop.set()
    reader.join()
    threading.excepthook = before
    assert not failures
    assert len(seen) > 1


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o000])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int) -> None:
    script = "from pathlib import Path; from deblur.files import write_text; write_text(Path('file'), 'text')"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, umask=mask, check=True)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


def test_a_rewritten_file_is_readable_as_before(tmp_path: Path) -> None:
    (tmp_path / "touched").touch()
    write_text(tmp_path / "written", "text")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "touched").stat().st_mode


@given(st.recursive(cells, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab é"), inner), max_leaves=5))
def test_any_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    if "Infinity" in json.dumps(value):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(path, value)
    else:
        write_json(path, value)
        assert json.loads(path.read_text(encoding="utf-8")) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_json_has_only_finite_numbers(tmp_path: Path, number: float) -> None:
    write_json(tmp_path / "file", {"psnr": None})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"test": {"psnr": [number]}})
    assert json.loads((tmp_path / "file").read_text()) == {"psnr": None}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_columns_are_those_of_all_rows_in_order_of_appearance(tmp_path: Path) -> None:
    write_csv(tmp_path / "file", [{"b": 1, "a": None}, {"c": 0.5, "a": "x"}, {}])
    assert (tmp_path / "file").read_text() == "b,a,c\n1,,\n,x,0.5\n,,\n"


def test_no_rows_are_an_empty_table(tmp_path: Path) -> None:
    write_csv(tmp_path / "file", [])
    assert rows_of(tmp_path / "file") == []


@given(st.lists(st.fixed_dictionaries({"a": cells, 'b,"c"\n': cells}), min_size=1))
def test_any_table_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_csv(path, rows)
    assert rows_of(path) == [{key: "" if cell is None else str(cell) for key, cell in row.items()} for row in rows]


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 1)])
def test_an_image_comes_back(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_png(tmp_path / "samples" / "a.png", image)
    with Image.open(tmp_path / "samples" / "a.png") as decoded:
        assert (decoded.format, decoded.mode) == ("PNG", "L")
        np.testing.assert_array_equal(np.asarray(decoded), image)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("srcnn_915-box", "srcnn_915-box"),
        ("größe.png", "größe.png"),
        ("../../evil", "_.._evil"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        (".hidden", "hidden"),
        ("a\\b", "a_b"),
        ("C:/a", "C_a"),
        ("a\0b\n", "a_b_"),
        ("a b", "a_b"),
        ("\ud800", "_"),
    ],
)
def test_a_name_of_any_origin_becomes_one_of_a_file(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text() | st.text("./\\~\0a-", min_size=1, max_size=300))
def test_no_name_leads_out_of_its_folder(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    name = safe_name(text)
    folder = tmp_path_factory.getbasetemp() / "names"
    write_bytes(folder / name / f"{name}.png", b"")
    assert (folder / name).resolve().parent == folder.resolve()
    assert name == safe_name(name) == Path(name).name
    assert not name.startswith(".")
    assert len(name.encode()) <= 80


def test_long_names_that_begin_alike_differ() -> None:
    assert safe_name("a" * 200 + "b") != safe_name("a" * 200 + "c")
