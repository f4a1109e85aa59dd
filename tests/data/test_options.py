import subprocess
import sys
from pathlib import Path

import pytest
from data_settings import SETTINGS, module_of
from image_files import write_images

from deblur.blur import Box
from deblur.data import AnimeFacesData, PhotosData
from deblur.data.sources import PHOTOGRAPHS
from deblur.errors import UserError

# What a fresh process says when it asks for the anime faces, beside a module kagglehub of these lines.
ASK = """
import sys
from deblur.data.sources import download_anime_faces
from deblur.errors import UserError
try:
    print(download_anime_faces())
except UserError as error:
    print(error)
"""
BY_HAND = (
    "or download https://www.kaggle.com/datasets/scribbless/another-anime-face-dataset by hand and use data=folder "
    "data.root=DIR."
)


def answer(tmp_path: Path, module: str) -> str:
    (tmp_path / "kagglehub.py").write_text(module)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}){ASK}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_anime_faces_without_the_package_are_a_sentence(tmp_path: Path) -> None:
    assert answer(tmp_path, "raise ImportError") == (
        f"data=anime_faces is downloaded by kagglehub, which is not installed: run pip install kagglehub, {BY_HAND}"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("ConnectionError('no way\\n to kaggle.com.')", "no way to kaggle.com"),
        ("PermissionError('403 Client Error')", "403 Client Error"),
        ("TimeoutError()", "TimeoutError"),
    ],
)
def test_a_download_that_fails_is_a_sentence(tmp_path: Path, error: str, reason: str) -> None:
    said = answer(tmp_path, f"def dataset_download(name):\n    raise {error}")
    assert said == (
        f"data=anime_faces: scribbless/another-anime-face-dataset cannot be downloaded ({reason}). Fix the connection "
        f"or Kaggle's credentials (https://github.com/Kaggle/kagglehub explains how), {BY_HAND}"
    )


def test_downloaded_faces_are_read_from_their_folder(
    tmp_path: Path, cache_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "faces", 12)
    module = f"dataset_download = {{'scribbless/another-anime-face-dataset': {str(tmp_path / 'faces')!r}}}.get"
    assert answer(tmp_path, module) == str(tmp_path / "faces")
    monkeypatch.setattr("deblur.data.sources.download_anime_faces", lambda: tmp_path / "faces")
    data = module_of(AnimeFacesData, Box(3), max_images=10, cache_root=str(cache_root), **SETTINGS)
    data.setup()
    assert len(data.images) == 10


def test_the_photographs_are_in_scikit_image(cache_root: Path) -> None:
    data = module_of(PhotosData, Box(3), max_images=None, cache_root=str(cache_root), **(SETTINGS | {"patch_size": 64}))
    data.setup()
    assert data.images.names == PHOTOGRAPHS
    assert data.images.bad == ()
    assert min(map(min, data.images.shapes)) == 300
    assert max(map(max, data.images.shapes)) == 1411
    assert len(data.splits.test) >= 1


def test_photographs_that_are_not_there_are_named(
    tmp_path: Path, cache_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "skimage"
    write_images(package / "data", 1)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    data = module_of(PhotosData, Box(3), max_images=None, cache_root=str(cache_root), **SETTINGS)
    with pytest.raises(UserError, match=r"none of the 11 images of .*skimage/data can be used") as caught:
        data.setup()
    assert "astronaut.png cannot be read (No such file" in str(caught.value)


def test_photographs_without_scikit_image_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UserError) as caught:
        _ = PhotosData().root
    assert str(caught.value) == (
        "data=photos takes the photographs that come with scikit-image, which is not installed: "
        "run pip install scikit-image."
    )


def test_the_conf_file_names_every_photograph() -> None:
    comment = (Path(__file__).parents[2] / "conf" / "data" / "photos.yaml").read_text()
    assert all(Path(name).stem in comment for name in PHOTOGRAPHS)
