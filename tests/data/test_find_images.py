import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deblur.data.folders import find_images
from deblur.errors import UserError
from deblur.image_io.decoding import IMAGE_SUFFIXES

ODD_NAMES = [
    "a blank.png",
    "brackets (1) [2] {3}.png",
    "comma,equals=sign.jpg",
    "quote'\"#~&.png",
    "été 目 ß.jpeg",
    "line\nbreak.png",
]
NOBODY = 65534  # a user who owns nothing


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@contextlib.contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Make a folder that this process cannot list; root can list every folder, so it is another user meanwhile."""
    is_root = os.geteuid() == 0
    opened = [parent for parent in folder.parents if is_root and parent.stat().st_mode & 0o777 == 0o700]
    for parent in opened:
        parent.chmod(0o755)
    folder.chmod(0)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o700)
        for parent in opened:
            parent.chmod(0o700)


def said(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_images_are_found_in_all_folders_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "z.png", "b/c/x.JPG", "b/a.jpeg", "B/a.Png", "b.PNG", *ODD_NAMES)
    touch(tmp_path, "notes.txt", "png", "a.png.txt", ".hidden.png", ".git/a.png", "b/.x/a.png")
    (tmp_path / "empty.png").mkdir()
    expected = sorted(["z.png", "b/c/x.JPG", "b/a.jpeg", "B/a.Png", "b.PNG", *ODD_NAMES])
    assert find_images(tmp_path) == expected


def test_a_hidden_root_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, ".data/a.png", "@eaDir/b.png")
    assert find_images(tmp_path / ".data") == ["a.png"]
    assert find_images(tmp_path / "@eaDir") == ["b.png"]


def test_names_do_not_depend_on_how_the_root_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "root/b/a.png")
    monkeypatch.chdir(tmp_path)
    assert find_images(Path("root")) == find_images(Path("root/../root/")) == find_images(tmp_path / "root")


# What is left out


def test_files_of_other_kinds_are_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = ["a.xyz", "b/c.XYZ", "b/d.xyz", "e.cr2", "f.NEF", "g.cr2", "README", "b/IMG_0001", "i.txt", "j.ods\n"]
    touch(tmp_path, "good.png", *names, ".hidden.xyz", "Thumbs.db", "b/desktop.ini", ".DS_Store")
    assert find_images(tmp_path, "input") == ["good.png"]
    assert said(caplog) == [
        f"input: 10 files in {tmp_path} are left out for their suffixes: 3 .xyz, 2 without one, 2 .cr2 (raw), "
        "1 .nef (raw), 1 '.ods\\n', 1 .txt. Accepted are files that end in "
        f"{', '.join(sorted(IMAGE_SUFFIXES))}, also in folders within it. Convert images of other formats to one of "
        "these."
    ]


def test_one_file_is_said_in_the_singular_and_many_kinds_are_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "good.png", "a.txt")
    find_images(tmp_path)
    assert f"data.root: 1 file in {tmp_path} is left out for its suffix: 1 .txt. Accepted" in said(caplog)[0]
    touch(tmp_path, *[f"{kind}{number}.x{kind}" for kind in range(12) for number in range(12 - kind)])
    caplog.clear()
    find_images(tmp_path)
    assert "12 .x0, 11 .x1, 10 .x2, 9 .x3, 8 .x4, 7 .x5, 6 .x6, 5 .x7, 11 others. Accepted" in said(caplog)[0]


def test_nothing_is_said_of_a_folder_of_images_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a.png", "b/c.jpg")
    with caplog.at_level(logging.INFO):
        find_images(tmp_path)
    assert not caplog.records


def test_folders_that_systems_make_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [
        "@eaDir",
        "b/@EADIR/a.png",  # a folder in a folder that is called like an image
        "#recycle",
        "@Recycle",
        "$RECYCLE.BIN/S-1-5",
        "__MACOSX",
        "System Volume Information",
        ".ipynb_checkpoints",
        ".Trash-1000/files",
        ".thumbnails",
    ]
    touch(
        tmp_path, "a.png", "b/a.png.jpg", "recycle/a.png", "eaDir/a.png", *[f"{name}/SYNO_THUMB.png" for name in names]
    )
    touch(tmp_path, "._a.png", "b/._c.jpg")
    with caplog.at_level(logging.INFO):
        assert find_images(tmp_path) == ["a.png", "b/a.png.jpg", "eaDir/a.png", "recycle/a.png"]
    assert not said(caplog)
    assert said(caplog, logging.INFO) == [
        "data.root: folders of the system are left out: #recycle, $RECYCLE.BIN, @EADIR, @Recycle, @eaDir, "
        "System Volume Information, __MACOSX."
    ]


@pytest.mark.parametrize("place", ["lost+found", "disk/lost+found"])
def test_what_was_recovered_and_cannot_be_listed_is_left_out_with_a_warning(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "a.png", f"{place}/b.png")
    with closed(tmp_path / place):
        assert find_images(tmp_path, "input") == ["a.png"]
    assert said(caplog) == [f"input: The system's folder {place} cannot be listed and is left out."]
    assert find_images(tmp_path) == ["a.png", f"{place}/b.png"]


def test_another_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    with closed(tmp_path / "closed"), pytest.raises(UserError, match=r"^input: the folder .*closed cannot be listed"):
        find_images(tmp_path, "input")


# Links


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "outside/far.png", "root/real/a.png", "root/z.png")
    root = tmp_path / "root"
    (root / "a_loop").symlink_to(root)
    (root / "real" / "up").symlink_to(root)
    (root / "b_link").symlink_to(root / "real")  # sorted before `real`, which must keep its name all the same
    (root / "c_outside").symlink_to(tmp_path / "outside")
    (root / "d_outside").symlink_to(tmp_path / "outside")
    (root / "linked.png").symlink_to(root / "z.png")
    assert find_images(root) == ["c_outside/far.png", "linked.png", "real/a.png", "z.png"]


def test_links_in_a_circle_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a.png", "c.txt")
    for name, target in (("x.png", "y.png"), ("y.png", "x.png"), ("one", "other"), ("other", "one")):
        (tmp_path / name).symlink_to(target)
    assert find_images(tmp_path, "input") == ["a.png"]
    (warning,) = said(caplog)
    assert warning.startswith(f"input: 1 file in {tmp_path} is left out for its suffix: 1 .txt. ")
    assert warning.endswith("4 links lead in a circle and are left out: one, other, x.png, y.png.")
    for name in ("y.png", "one", "other", "c.txt"):
        (tmp_path / name).unlink()
    (tmp_path / "x.png").unlink()
    (tmp_path / "x.png").symlink_to("x.png")
    caplog.clear()
    find_images(tmp_path, "input")
    assert said(caplog) == ["input: 1 link leads in a circle and is left out: x.png."]


def test_broken_links_are_named_and_pipes_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert find_images(tmp_path) == ["broken.png"]


# Refusals


@pytest.mark.parametrize(
    ("root", "problem"),
    [("missing", "does not exist"), ("file.png", "is a file, not a folder"), ("empty", "there is no image in")],
)
def test_a_root_without_images_is_refused(tmp_path: Path, root: str, problem: str) -> None:
    touch(tmp_path, "file.png", "empty/notes.txt", "empty/.hidden.png")
    with pytest.raises(UserError, match=problem) as caught:
        find_images(tmp_path / root)
    message = str(caught.value)
    assert message.startswith("data.root: ")
    assert str(tmp_path / root) in message
    assert ", ".join(sorted(IMAGE_SUFFIXES)) in message
    assert ("Its files are left out for their suffixes: 1 .txt." in message) == (root == "empty")


def test_reading_images_needs_no_torch() -> None:
    # Each process that decodes imports these modules.
    code = "import sys, deblur.data.cache; print({'torch', 'lightning', 'albumentations', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
