"""Whose images are whose, on a real disk."""

import os
import re
import time
from pathlib import Path

import pytest

from deblur.demo.visitors import KEPT_FOR, Visitor, Visitors, file_name


@pytest.fixture
def visitors(tmp_path: Path) -> Visitors:
    (tmp_path / "demo").mkdir()
    return Visitors(tmp_path / "demo")


def sent(visitor: Visitor, name: str = "photo.png") -> str:
    """Let a browser send an image; return its path."""
    path = visitor.place_for(name)
    path.write_bytes(b"an image")
    visitor.took(path)
    return str(path)


def test_a_browser_is_told_by_its_token(visitors: Visitors) -> None:
    first, second = visitors.new_token(), visitors.new_token()
    assert first != second
    assert visitors.token_in(f"other=1; {visitors.cookie}={first}") == first
    assert visitors.visitor(first) is visitors.visitor(first)
    assert visitors.visitor(first).folder != visitors.visitor(second).folder
    assert first not in str(visitors.visitor(first).folder)  # which others may see


@pytest.mark.parametrize("value", ["", "short", "a" * 44, "../" * 20, "a" * 42 + "\n", "a" * 42 + "/", '"' + "a" * 41])
def test_what_is_no_token_is_none(visitors: Visitors, value: str) -> None:
    assert visitors.token_in(f"{visitors.cookie}={value}") is None
    assert visitors.token_in(value) is None


def test_two_pages_of_a_computer_have_cookies_of_their_own(tmp_path: Path) -> None:
    """A browser sends the cookies of one port to the others as well."""
    assert Visitors(tmp_path).cookie != Visitors(tmp_path).cookie


def test_an_image_is_of_the_browser_that_sent_it_and_of_the_first_tab(visitors: Visitors) -> None:
    mine, other = (visitors.visitor(visitors.new_token()) for _ in range(2))
    path = sent(mine)
    assert not other.may_use(path, "tab")
    assert mine.may_use(path, "tab")
    assert mine.may_use(path, "tab")
    assert not mine.may_use(path, "another")
    assert not other.owns(path)
    assert mine.owns(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.upper(),
        lambda path: f"{path}/",
        lambda path: f"{path}/.",
        lambda path: f"{Path(path).parent}/../{Path(path).parent.name}/photo.png",
        lambda path: os.path.relpath(path),
        lambda path: f"/{path}",
        lambda path: f"file://{path}",
        lambda path: path.replace("photo", "%70hoto"),
        lambda path: f"{path}\0",
        lambda path: [path],
        lambda path: {"path": path},
        lambda path: path.encode(),
        lambda _: None,
    ],
)
def test_no_other_text_names_an_image(visitors: Visitors, change: object) -> None:
    visitor = visitors.visitor(visitors.new_token())
    path = sent(visitor)
    assert not visitor.may_use(change(path), "tab")  # type: ignore[operator] # functions of several kinds
    assert visitor.may_use(path, "tab")


def test_links_out_of_the_folder_lead_nowhere(visitors: Visitors, tmp_path: Path) -> None:
    visitor = visitors.visitor(visitors.new_token())
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = Path(sent(visitor)).parent
    (folder / "link.png").symlink_to(secret)
    (folder / "round").symlink_to(folder / "round")
    (folder / "out").symlink_to(tmp_path)
    for path in ("link.png", "round", "out/secret.png", "", "..", "absent.png", "photo.png/x", "a\0b"):
        assert not visitor.owns(f"{folder}/{path}")
    assert not visitor.owns(str(secret))
    assert not visitor.owns(os.path.relpath(folder / "photo.png"))
    assert visitor.owns(str(folder / "photo.png"))


def test_old_images_and_results_are_removed(visitors: Visitors) -> None:
    visitor = visitors.visitor(visitors.new_token())
    old, new, result = sent(visitor), sent(visitor), visitor.results()
    long_ago = time.time() - KEPT_FOR - 60
    os.utime(Path(old).parent, (long_ago, long_ago))
    visitors.clean()
    assert not Path(old).exists()
    assert not visitor.owns(old)
    assert Path(new).exists()
    assert result.exists()
    assert visitor.may_use(old, "tab")  # so that the page says that it is gone


def test_a_browser_keeps_a_few_images_and_the_page_a_few_browsers(visitors: Visitors, tmp_path: Path) -> None:
    first = visitors.visitor(visitors.new_token())
    paths = [sent(first) for _ in range(20)]
    visitors.clean()
    assert sum(Path(path).exists() for path in paths) < 10
    assert not first.may_use(paths[0], "tab")
    assert first.may_use(paths[-1], "tab")
    for _ in range(300):
        visitors.visitor(visitors.new_token())
    assert not first.folder.exists()
    assert not any((tmp_path / "demo").iterdir())


def test_the_images_of_a_browser_take_no_more_than_half_a_gigabyte_besides_the_newest(visitors: Visitors) -> None:
    visitor = visitors.visitor(visitors.new_token())
    paths = [Path(sent(visitor)) for _ in range(4)]
    for age, (path, size) in enumerate(zip(paths, (2**20, 2**29, 2**20, 2**29 - 2**22), strict=True)):
        with path.open("r+b") as file:
            file.truncate(size)  # a hole, which takes no room
        os.utime(path.parent, (time.time() - 100 + age,) * 2)
    visitors.clean()
    assert [path.exists() for path in paths] == [False, False, True, True]
    with paths[3].open("r+b") as file:
        file.truncate(2**30)
    visitors.clean()
    assert [path.exists() for path in paths] == [False, False, False, True]


def test_all_images_together_take_no_more_than_some_gigabytes(visitors: Visitors) -> None:
    everybody = [visitors.visitor(visitors.new_token()) for _ in range(3)]
    for visitor in everybody:
        with Path(sent(visitor)).open("r+b") as file:
            file.truncate(2**30)  # a hole, which takes no room
    visitors.clean()
    assert [visitor.folder.exists() for visitor in everybody] == [False, True, True]


def test_a_tab_is_of_the_first_browser_that_names_it(visitors: Visitors) -> None:
    mine, other = visitors.new_token(), visitors.new_token()
    assert visitors.claims(mine, "tab")
    assert visitors.claims(mine, "tab")
    assert not visitors.claims(other, "tab")
    for session in ("", "a" * 65, "a/b", "a b", "a\n", None, 3, ["tab"]):
        assert not visitors.claims(mine, session)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("photo of mine.jpg", "photo of mine.jpg"),
        ("gr\u00fc\u00dfe \u4f60\u597d.png", "gr\u00fc\u00dfe \u4f60\u597d.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.tif", "photo.tif"),
        ("a\x1b[2J\0b\n.png", "a_[2J_b_.png"),
        ('<img src="x">.png', "_img src=_x__.png"),
        ("..", "image"),
        (".png", "png"),
        ("", "image"),
        ("x" * 300 + ".png", "x" * 116 + ".png"),
        ("\u4f60" * 100 + ".png", "\u4f60" * 38 + ".png"),
        ("a." + "b" * 300, "a." + "b" * 15),
    ],
)
def test_a_name_of_any_content_is_that_of_a_file(given: str, name: str, tmp_path: Path) -> None:
    assert file_name(given) == name
    (tmp_path / name).touch()
    assert re.fullmatch(r"[^/\\\x00-\x1f]{1,120}", name)
