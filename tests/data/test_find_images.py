import os
import subprocess
import sys
from pathlib import Path

import pytest

from deblur.data.images import find_images
from deblur.errors import UserError

ODD_NAMES = [
    "a blank.png",
    "brackets (1) [2] {3}.png",
    "comma,equals=sign.jpg",
    "quote'\"#~&.png",
    "été 目 ß.jpeg",
    "line\nbreak.png",
]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_images_are_found_in_all_folders_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "z.png", "b/c/x.JPG", "b/a.jpeg", "B/a.Png", "b.PNG", *ODD_NAMES)
    touch(tmp_path, "notes.txt", "png", "a.png.txt", "picture.gif", ".hidden.png", ".git/a.png", "b/.x/a.png")
    (tmp_path / "empty.png").mkdir()
    expected = sorted(["z.png", "b/c/x.JPG", "b/a.jpeg", "B/a.Png", "b.PNG", *ODD_NAMES])
    assert find_images(tmp_path) == expected


def test_a_hidden_root_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, ".data/a.png")
    assert find_images(tmp_path / ".data") == ["a.png"]


def test_names_do_not_depend_on_how_the_root_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "root/b/a.png")
    monkeypatch.chdir(tmp_path)
    assert find_images(Path("root")) == find_images(Path("root/../root/")) == find_images(tmp_path / "root")


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "outside/far.png", "root/real/a.png", "root/z.png")
    root = tmp_path / "root"
    (root / "a_loop").symlink_to(root)
    (root / "real" / "up").symlink_to(root)
    (root / "b_link").symlink_to(root / "real")  # sorted before `real`, which must keep its name all the same
    (root / "c_outside").symlink_to(tmp_path / "outside")
    (root / "d_outside").symlink_to(tmp_path / "outside")
    (root / "linked.png").symlink_to(root / "z.png")
    (root / "self").symlink_to(root / "self")
    assert find_images(root) == ["c_outside/far.png", "linked.png", "real/a.png", "z.png"]


def test_broken_links_are_named_and_pipes_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert find_images(tmp_path) == ["broken.png"]


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
    assert ".jpeg, .jpg, .png, .tf8, .tif, .tiff, .webp" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(UserError, match=r"closed cannot be listed"):
            find_images(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_reading_images_needs_no_torch() -> None:
    # Each process that decodes imports these modules.
    code = "import sys, deblur.data.cache; print({'torch', 'lightning', 'albumentations', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
