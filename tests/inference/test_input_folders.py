"""Folders as they are: other files, thumbnails, links that lead nowhere, names that are no text."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from decoded_files import noise
from PIL import Image

Command = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two images."""
    (tmp_path / "in").mkdir()
    for index, name in enumerate(("a.png", "b.png")):
        Image.fromarray(noise(9, 11, seed=index)).save(tmp_path / "in" / name)
    return tmp_path / "in"


def restored(root: Path) -> list[str]:
    out = root.parent / "out"
    return sorted(os.fsencode(path.relative_to(out)).decode("latin-1") for path in out.rglob("*") if path.is_file())


def overrides(root: Path, identity: Path, *more: str) -> list[str]:
    return [f"{root}", f"--output={root.parent / 'out'}", f"--network={identity}", *more]


def test_what_is_left_out_is_said_once(
    command: Command, identity: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "@eaDir" / "a.png").mkdir(parents=True)
    Image.fromarray(noise(3, 4)).save(root / "@eaDir" / "a.png" / "SYNO_THUMB.png")
    for name in ("c.xyz", "d.nef", "notes", "Thumbs.db"):
        (root / name).write_text("no image")
    assert command(*overrides(root, identity)).code == 0
    assert restored(root) == ["a.png", "b.png"]
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"IMAGES: 3 files in {root} are left out for their suffixes: 1 without one, 1 .nef (raw), 1 .xyz. "
    )


def test_links_in_a_circle_do_not_keep_others_from_being_restored(
    command: Command, identity: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "x.png").symlink_to("y.png")
    (root / "y.png").symlink_to("x.png")
    told = command(*overrides(root, identity))
    assert told.code == 0
    assert restored(root) == ["a.png", "b.png"]
    (record,) = caplog.records
    assert record.getMessage() == "IMAGES: 2 links lead in a circle and are left out: x.png, y.png."


@pytest.mark.parametrize("again", [False, True])
def test_a_broken_link_is_one_failure(command: Command, identity: Path, root: Path, again: bool) -> None:
    (root / "broken.png").symlink_to("nowhere.png")
    if again:  # a link that was not broken before
        (root.parent / "out").mkdir()
        Image.fromarray(noise(9, 11)).save(root.parent / "out" / "broken.png")
    told = command(*overrides(root, identity, "--overwrite"))
    assert told.code == 2
    assert "broken.png does not exist" in told.err
    assert "1 of 3 images failed, 2 are restored." in told.err
    assert restored(root) == ["a.png", "b.png", *(["broken.png"] if again else [])]


def test_links_in_a_circle_where_the_results_go(command: Command, identity: Path, root: Path) -> None:
    (root.parent / "out").mkdir()
    (root.parent / "out" / "a.png").symlink_to("a.png")
    told = command(*overrides(root, identity))
    assert told.code == 2
    assert "a.png" in told.err
    assert "symbolic links" in told.err
    assert (root.parent / "out" / "a.png").is_symlink()


@pytest.mark.parametrize("more", [(), ("--simulate=box",), ("--side-by-side",)])
def test_names_that_are_not_utf_8(command: Command, identity: Path, root: Path, more: tuple[str, ...]) -> None:
    folder = root / os.fsdecode(b"\xe9t\xe9")
    folder.mkdir()
    for name in (b"caf\xe9.png", b"\xff.png"):
        Image.fromarray(noise(9, 11)).save(folder / os.fsdecode(name))
    for given in (root, root.parent / "given"):
        if given != root:
            folder.rename(given)
        told = command(f"{given}", f"--output={root.parent / 'out'}", f"--network={identity}", *more)
        assert told.code == 0
        told.out.encode()  # as a terminal wants it
    ending = "" if not more else "-simulated" if "--simulate=box" in more else "-side-by-side"
    assert {f"\xe9t\xe9/caf\xe9{ending}.png", f"caf\xe9{ending}.png"} <= set(restored(root))
    if "--simulate=box" in more:
        assert r"caf\udce9.png" in told.out
