import os
from pathlib import Path

import numpy as np
import pytest
from image_files import folder, write_images

from deblur.data.sources import SyntheticData
from deblur.image_io.decoding import BadImageError, read_gray

# Folders


def test_a_folder_gives_all_its_images(tmp_path: Path) -> None:
    write_images(tmp_path / "b", 2)
    write_images(tmp_path, 2)
    source = folder(tmp_path)
    assert list(source.names) == ["000.png", "001.png", "b/000.png", "b/001.png"]
    assert str(tmp_path) in source.description
    np.testing.assert_array_equal(source.decode(3), read_gray(tmp_path / "b/001.png"))


def test_a_name_that_cannot_be_written_to_files_is_bad(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    (tmp_path / "000.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    source = folder(tmp_path)
    with pytest.raises(BadImageError, match="not valid UTF-8"):
        source.decode(0)
    assert source.cache_key()


def test_a_choice_of_images(tmp_path: Path) -> None:
    write_images(tmp_path, 60)
    names = folder(tmp_path).names
    chosen = folder(tmp_path, max_images=20).names
    assert len(set(chosen)) == 20
    assert list(chosen) == sorted(chosen)
    assert set(chosen) < set(names)
    assert list(chosen) != list(names[:20])
    assert chosen == folder(tmp_path, max_images=20).names
    assert chosen != folder(tmp_path, max_images=20, seed=1).names
    assert set(chosen) < set(folder(tmp_path, max_images=21).names)
    assert folder(tmp_path, max_images=1000).names == names


def test_more_files_change_few_choices(tmp_path: Path) -> None:
    write_images(tmp_path, 60)
    before = set(folder(tmp_path, max_images=30).names)
    write_images(tmp_path, 6, first=60)
    after = set(folder(tmp_path, max_images=30).names)
    new = {f"{index:03d}.png" for index in range(60, 66)}
    assert len(before - after) == len(after & new) <= 6


def test_the_key_of_a_folder_follows_what_decides_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    write_images(root, 3)
    file = root / "000.png"
    keys = [folder(root).cache_key()]
    assert folder(root).cache_key() == keys[0]
    monkeypatch.chdir(tmp_path)
    assert folder(Path("root")).cache_key() == keys[0]
    assert folder(root, max_images=3, seed=9).cache_key() == keys[0]

    keys.append(folder(root, max_images=2).cache_key())
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    keys.append(folder(root).cache_key())
    file.write_bytes(file.read_bytes() + b"x")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    keys.append(folder(root).cache_key())
    file.chmod(0o400)  # a file that could not be read may be readable now
    keys.append(folder(root).cache_key())
    file.rename(root / "0.png")
    keys.append(folder(root).cache_key())
    (root / "broken.png").symlink_to(tmp_path / "nowhere.png")
    keys.append(folder(root).cache_key())
    root.rename(tmp_path / "moved")
    keys.append(folder(tmp_path / "moved").cache_key())
    assert len(set(keys)) == len(keys)
    assert all(int(key, 16) for key in keys)


# Faces


def test_faces() -> None:
    from deblur.synthesis.faces import draw

    source = SyntheticData(3, seed=5)
    assert list(source.names) == ["face-000000", "face-000001", "face-000002"]
    np.testing.assert_array_equal(source.decode(2), draw(5, 2))
    keys = {SyntheticData(count, seed=seed).cache_key() for count, seed in [(3, 5), (4, 5), (3, 6)]}
    assert len(keys) == 3
    assert source.cache_key() in keys
