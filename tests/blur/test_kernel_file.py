import hashlib
import io
import logging
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deblur.blur import KernelFile, Sampled
from deblur.blur.kernel_file import MAX_BYTES
from deblur.errors import UserError

LEVELS = np.random.default_rng(2).integers(0, 256, (5, 9), dtype=np.uint8)  # equal to none of its mirror images
DEEP_LEVELS = LEVELS.astype(np.uint16) * 257 + np.arange(45, dtype=np.uint16).reshape(5, 9)


def read(path: Path) -> Sampled:
    return KernelFile(str(path)).sample(np.random.default_rng(0))


def weights_in(path: Path) -> NDArray[np.float64]:
    return read(path).kernel.psf


def npy(array: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def npz() -> bytes:
    content = io.BytesIO()
    np.savez(content, LEVELS)
    return content.getvalue()


def image(array: NDArray[Any], kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    content = io.BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(content, kind, **options)
    return content.getvalue()


def with_alpha(alpha: int) -> bytes:
    channels = [LEVELS, LEVELS, LEVELS, np.full_like(LEVELS, alpha)]
    return image(np.stack(channels, axis=-1))


def one_bright_pixel(height: int, width: int) -> NDArray[np.uint8]:
    image = np.zeros((height, width), np.uint8)
    image[height // 2, width // 2] = 200
    return image


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes, str], Path]:
    def saved(content: bytes, name: str = "my kernel.npy") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return saved


# What is read


@pytest.mark.parametrize(
    "array",
    [
        LEVELS,
        DEEP_LEVELS,
        LEVELS > 100,
        LEVELS.astype(np.float16),
        LEVELS.astype(">f4"),
        LEVELS.astype(np.int64),
        np.asfortranarray(LEVELS.astype(np.float64)),
        np.array([[1.0]]),
        np.full((3, 1), 1e308),
        np.array([[0.0, 5e-324, 0.0]]),
        np.ones((501, 3)),
    ],
    ids=lambda array: f"{array.dtype.str}-{array.shape[0]}x{array.shape[1]}",
)
def test_an_array_is_divided_by_its_sum(save: Callable[..., Path], array: NDArray[Any]) -> None:
    exact = array.astype(np.longdouble)
    psf = weights_in(save(npy(array)))
    np.testing.assert_allclose(psf, (exact / exact.sum()).astype(np.float64), rtol=1e-12)
    assert psf.dtype == np.float64


@pytest.mark.parametrize(
    ("content", "levels"),
    [
        (image(LEVELS), LEVELS),
        (image(LEVELS, "TIFF"), LEVELS),
        (image(LEVELS, "BMP"), LEVELS),
        (image(LEVELS, "PPM"), LEVELS),
        (image(LEVELS, mode="RGB"), LEVELS),
        (image(LEVELS, mode="P"), LEVELS),
        (image(LEVELS > 100), LEVELS > 100),
        (with_alpha(255), LEVELS),
        (image(DEEP_LEVELS), DEEP_LEVELS),
        (image(DEEP_LEVELS, "TIFF"), DEEP_LEVELS),
        (image(DEEP_LEVELS, "PPM"), DEEP_LEVELS),
        (image(DEEP_LEVELS.astype(np.int32), "TIFF"), DEEP_LEVELS),
        (image(DEEP_LEVELS.astype(np.float32), "TIFF"), DEEP_LEVELS),
    ],
    ids=[
        *("png", "tiff", "bmp", "pgm", "rgb", "palette", "1-bit", "opaque"),
        *("16-bit-png", "16-bit-tiff", "16-bit-pgm", "32-bit-tiff", "float-tiff"),
    ],
)
def test_the_levels_of_an_image_are_kept(
    save: Callable[..., Path], content: bytes, levels: NDArray[Any], caplog: pytest.LogCaptureFixture
) -> None:
    psf = weights_in(save(content, "kernel.image"))
    np.testing.assert_allclose(psf, levels / levels.sum(), rtol=1e-6)
    assert not caplog.records  # levels never sum up to 1: no news


def test_a_jpeg_is_read_as_well(save: Callable[..., Path]) -> None:
    psf = weights_in(save(image(one_bright_pixel(9, 15), "JPEG"), "kernel.jpg"))
    assert psf.shape == (9, 15)
    assert psf.argmax() == 9 * 15 // 2


def test_the_content_counts_and_not_the_name(save: Callable[..., Path]) -> None:
    np.testing.assert_array_equal(weights_in(save(npy(LEVELS), "kernel.png")), weights_in(save(image(LEVELS))))


def test_a_bright_pixel_becomes_what_the_file_shows(save: Callable[..., Path]) -> None:
    degradation = KernelFile(str(save(image(LEVELS))))
    blurred = degradation.apply(one_bright_pixel(21, 23), degradation.sample(np.random.default_rng(0)))
    np.testing.assert_allclose(blurred[8:13, 7:16], 200 * (LEVELS / LEVELS.sum()), atol=0.51)
    assert blurred[:8].sum() == blurred[13:].sum() == blurred[:, :7].sum() == blurred[:, 16:].sum() == 0


def test_the_largest_kernel_is_the_kernel(save: Callable[..., Path]) -> None:
    assert KernelFile(str(save(npy(LEVELS)))).max_kernel_size == (5, 9)


def test_noise_and_jpeg_follow(kernel_path: Path) -> None:
    degradation = KernelFile(str(kernel_path), noise_sigma=[2, 3], jpeg_quality=50)
    sampled = degradation.sample(np.random.default_rng(0))
    assert 2 <= sampled.noise_sigma <= 3
    assert sampled.jpeg_quality == 50
    assert degradation.apply(np.full((37, 31), 131, np.uint8), sampled).std() > 1


@pytest.mark.parametrize("total", [0.5, 1.002, 255.0])
def test_an_array_with_another_sum_is_a_warning(
    save: Callable[..., Path], total: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(npy(LEVELS * (total / LEVELS.sum())))
    weights_in(path)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"blur.path={path} has the sum {total:g}" in record.getMessage()


@pytest.mark.parametrize("total", [0.9995, 1.0, 1.0005])
def test_an_array_of_sum_1_is_none(save: Callable[..., Path], total: float, caplog: pytest.LogCaptureFixture) -> None:
    psf = weights_in(save(npy(LEVELS * (total / LEVELS.sum()))))
    assert not caplog.records
    assert psf.sum() == pytest.approx(1, abs=1e-12)


# Which file it was


def test_a_row_tells_kernels_apart_by_their_content(save: Callable[..., Path], tmp_path: Path) -> None:
    path = save(npy(LEVELS), "kernel.npy")
    before = read(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (before.family, before.parameters) == ("kernel", {"kernel": f"sha256-{digest[:12]}"})
    shutil.copy(path, tmp_path / "copy.npy")
    assert read(tmp_path / "copy.npy").parameters == before.parameters
    assert read(save(npy(LEVELS + 1), "kernel.npy")).parameters != before.parameters


def test_another_content_than_the_one_noted_is_refused(save: Callable[..., Path]) -> None:
    path = save(npy(LEVELS))
    digest = KernelFile(str(path)).sha256
    assert KernelFile(str(path), sha256=digest).sha256 == digest
    assert KernelFile(str(path), sha256=digest.upper()).sha256 == digest
    save(npy(LEVELS + 1))
    with pytest.raises(UserError, match=f"not the file that blur.sha256 stands for.*{digest}.*blur.sha256=null"):
        KernelFile(str(path), sha256=digest)


# What is refused


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(UserError) as refusal:
        KernelFile(str(path))
    text = str(refusal.value)
    assert text.startswith(f"blur.path={path} ")
    assert reason in text
    assert "an odd height and an odd width of at most 501 px" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty (0 bytes)"),
        (b"no kernel", "is neither a .npy array nor an image"),
        (pickle.dumps(LEVELS), "is neither a .npy array nor an image"),
        (npy(np.array([[{}]]), allow_pickle=True), "cannot be read (Object arrays cannot be loaded"),
        (npz(), "is an archive of several arrays (.npz)"),
        (npy(LEVELS)[:-1], "cannot be read"),
        (npy(LEVELS)[:40], "cannot be read"),
        (npy(LEVELS)[:7], "cannot be read"),
        (npy(LEVELS).replace(b"(5, 9)", b"(5, 9,"), "cannot be read"),
        (npy(LEVELS).replace(b"(5, 9), }      ", b"(9999999, 9), }"), "cannot be read"),
        (image(LEVELS)[:-30], "cannot be read"),
        (image(LEVELS)[:10], "is neither a .npy array nor an image"),
        (npy(np.float64(1)), "has 0 dimensions"),
        (npy(np.ones(9)), "has 1 dimensions, shape (9,)"),
        (npy(np.ones((5, 9, 1))), "has 3 dimensions, shape (5, 9, 1)"),
        (npy(np.ones((4, 9))), "has 4x9 px"),
        (npy(np.ones((5, 8))), "has 5x8 px"),
        (npy(np.ones((0, 3))), "has 0x3 px"),
        (npy(np.ones((503, 3))), "has 503x3 px"),
        (npy(np.ones((3, 503))), "has 3x503 px"),
        (image(np.ones((4, 9), np.uint8)), "has 4x9 px"),
        (image(np.ones((5, 503), np.uint8)), "has 5x503 px"),
        (npy(np.array([[0.5, np.nan, 0.5]])), "not finite"),
        (npy(np.array([[0.5, np.inf, 0.5]])), "not finite"),
        (npy(np.array([[0.5, -0.25, 0.75]])), "below 0, down to -0.25"),
        (image(np.full((3, 3), -1, np.int32), "TIFF"), "below 0, down to -1"),
        (npy(np.zeros((3, 3))), "nothing but 0"),
        (image(np.zeros((3, 3), np.uint8)), "nothing but 0"),
        (npy(np.ones((3, 3), complex)), "holds complex128 values"),
        (npy(np.full((3, 3), "1")), "holds <U1 values"),
        (npy(np.ones((3, 3), "datetime64[s]")), "holds datetime64[s] values"),
        (npy(np.ones((3, 3), [("weight", float)])), "values, not real numbers"),
        (with_alpha(254), "is transparent in places"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_that_hold_no_kernel_are_refused(save: Callable[..., Path], content: bytes, reason: str) -> None:
    assert_refused(save(content), reason)


def test_a_large_image_is_refused_before_it_is_decoded(
    save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(image(np.zeros((3001, 3001), np.uint8)))
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("the image was decoded"))
    assert_refused(path, "has 3001x3001 px")


def test_places_without_a_file_are_refused(tmp_path: Path) -> None:
    for path, state in ((tmp_path, "is no file"), (tmp_path / "absent.npy", "does not exist")):
        with pytest.raises(UserError, match=f"{state}: give a .npy array or an image with one kernel"):
            KernelFile(str(path))
    assert_refused(tmp_path / f"{'long' * 100}.npy", "cannot be read (File name too long)")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: it takes no space
    assert_refused(path, f"has {MAX_BYTES + 1} bytes")


def test_what_follows_the_blur_is_checked_as_everywhere(kernel_path: Path) -> None:
    with pytest.raises(ValueError, match="jpeg_quality"):
        KernelFile(str(kernel_path), jpeg_quality=0)
