"""The cases of each protocol: which files belong together, and what blurs them."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from protocol_layouts import LAYOUTS, noisy_image
from scipy import ndimage, signal

from deblur.blur.kernels import Kernel
from deblur.config.protocols import BY_PROTOCOL, NoisyProtocol, ProtocolSettings, SyntheticProtocol
from deblur.errors import UserError
from deblur.evaluation.protocols.alignment import aligned
from deblur.evaluation.protocols.cases import Case, degraded, find_cases, find_kernels, load, spread
from deblur.evaluation.protocols.measuring import values_of
from deblur.evaluation.protocols.protocol import PROTOCOLS
from deblur.files import write_png
from deblur.image_io.decoding import read_gray, read_rgb_and_gray

LOPSIDED = np.array([[0.0, 0.1, 0.3], [0.1, 0.3, 0.1], [0.1, 0.0, 0.0]])
VALID, CIRCULAR = PROTOCOLS["levin_kernels"], PROTOCOLS["circular"]


def given(name: str, max_images: int | None = None) -> ProtocolSettings:
    return ProtocolSettings(name=name, max_images=max_images)


def synthetic(kernels: Path, levels: list[float], max_images: int | None = None) -> SyntheticProtocol:
    return SyntheticProtocol(
        name="levin_kernels", kernels=str(kernels), noise_sigma=levels, max_images=max_images, seed=0
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for index in range(3):
        write_png(tmp_path / "sharp" / f"{index}.png", noisy_image(index, 100))
    (tmp_path / "kernels").mkdir()
    np.save(tmp_path / "kernels" / "kernel2.npy", LOPSIDED)
    np.save(tmp_path / "kernels" / "kernel10.npy", np.full((5, 3), 1 / 15))
    return tmp_path


def test_every_protocol_has_a_schema_and_the_other_way_round() -> None:
    assert PROTOCOLS.keys() == BY_PROTOCOL.keys()


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        VALID.cut = 0  # type: ignore[misc] # the point of the test


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tiny_data_set_of_each_layout_is_read(name: str, tmp_path: Path) -> None:
    write, count = LAYOUTS[name]
    write(tmp_path)
    cases = find_cases(PROTOCOLS[name], tmp_path, given(name))
    assert len({case.name for case in cases}) == len(cases) == count
    for case in cases:
        pair = load(case, PROTOCOLS[name])
        assert case.psf is None
        assert pair.sharp.shape == (72, 80, 3)
        # Each blurred image is half as bright as its own sharp one, so a wrong partner would be noticed.
        np.testing.assert_array_equal(np.rint(pair.blurred * 255), np.rint(pair.sharp * 255) // 2)


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_empty_folder_is_told_where_the_data_are_published(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=re.escape(f"published at {PROTOCOLS[name].published_at}. data.root has to hold")
    ):
        find_cases(PROTOCOLS[name], tmp_path, given(name))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_missing_partner_is_named(name: str, tmp_path: Path) -> None:
    LAYOUTS[name][0](tmp_path)
    absent = find_cases(PROTOCOLS[name], tmp_path, given(name))[-1].sharp
    absent.unlink()
    with pytest.raises(UserError, match=re.escape(f"{absent} is missing: protocol={name} needs")):
        find_cases(PROTOCOLS[name], tmp_path, given(name))


def test_a_line_of_one_name_is_refused(tmp_path: Path) -> None:
    LAYOUTS["realblur_j"][0](tmp_path)
    with (tmp_path / "RealBlur_J_test_list.txt").open("a") as file:
        file.write("alone.png\n")
    with pytest.raises(UserError, match="names 1 file in its line 3 of text"):
        find_cases(PROTOCOLS["realblur_j"], tmp_path, given("realblur_j"))


def test_a_pair_of_two_sizes_is_refused(tmp_path: Path) -> None:
    LAYOUTS["hide"][0](tmp_path)
    write_png(tmp_path / "GT" / "2fromGOPR0977.png", noisy_image(0, 60))
    case = find_cases(PROTOCOLS["hide"], tmp_path, given("hide"))[0]
    with pytest.raises(UserError, match=r"has 80x72 px and .* 68x60: a pair is of one size"):
        load(case, PROTOCOLS["hide"])


def test_some_images_are_spread_over_all() -> None:
    assert spread(range(10), 3) == [0, 3, 6]
    assert spread("abc", 5) == ["a", "b", "c"]
    assert spread("abc", None) == ["a", "b", "c"]


def test_each_image_meets_each_kernel_at_each_level(images: Path) -> None:
    cases = find_cases(VALID, images / "sharp", synthetic(images / "kernels", [2.55, 7.65]))
    assert len(cases) == 3 * 2 * 2
    assert [case.kernel_name for case in cases[:3]] == ["kernel2", "kernel2", "kernel10"]  # by number
    assert len(find_cases(VALID, images / "sharp", synthetic(images / "kernels", [0], 2))) == 4


def test_images_beside_arrays_are_no_kernels(images: Path) -> None:
    write_png(images / "kernels" / "sharp.png", noisy_image(0))
    assert list(find_kernels(images / "kernels")) == ["kernel2", "kernel10"]
    for path in (images / "kernels").glob("*.npy"):
        path.unlink()
    (images / "kernels" / "sharp.png").unlink()
    with pytest.raises(UserError, match=r"holds neither \.npy arrays nor images"):
        find_kernels(images / "kernels")
    write_png(images / "kernels" / "dot.png", np.array([[0, 0, 0], [0, 255, 255], [0, 0, 0]], np.uint8))
    np.testing.assert_allclose(find_kernels(images / "kernels")["dot"].psf[1], [0, 0.5, 0.5])
    write_png(images / "kernels" / "even.png", np.full((2, 2), 9, np.uint8))
    with pytest.raises(UserError, match=r"protocol\.kernels=.*even\.png has 2x2 px"):
        find_kernels(images / "kernels")


def test_kernels_of_one_stem_are_all_read(tmp_path: Path) -> None:
    dot, row = (np.zeros((3, 3), np.uint8) for _ in range(2))
    dot[1, 1], row[1] = 255, 255
    for name, kernel in (("k.png", dot), ("k.bmp", row), ("other.png", dot)):
        assert cv2.imwrite(str(tmp_path / name), kernel)
    found = find_kernels(tmp_path)
    assert list(found) == ["k.bmp", "k.png", "other"]
    assert found["k.bmp"].psf[1].tolist() == pytest.approx([1 / 3] * 3)


def test_a_valid_convolution_is_that_of_scipy_rounded(images: Path) -> None:
    case = find_cases(VALID, images / "sharp", synthetic(images / "kernels", [0.0]))[1]
    assert case.kernel_name == "kernel10"
    pair = load(case, VALID)
    gray = read_gray(case.sharp).astype(float)
    expected = np.rint(signal.convolve2d(gray, np.full((5, 3), 1 / 15), mode="valid"))
    assert pair.blurred.shape == pair.sharp.shape == (96, 106)
    assert np.abs(pair.blurred * 255 - expected).max() < 1.01  # a half may be rounded the other way
    assert np.mean(np.abs(pair.blurred * 255 - expected) > 0.5) < 1e-3
    np.testing.assert_array_equal(np.rint(pair.sharp * 255), gray[2:-2, 1:-1])


def test_a_kernel_is_convolved_and_not_correlated() -> None:
    dot = np.zeros((41, 41), np.uint8)
    dot[20, 20] = 200
    blurred = degraded(dot, Kernel(LOPSIDED), VALID, 0, np.random.default_rng(0))
    np.testing.assert_array_equal(np.rint(blurred[18:21, 18:21] * 255), 200 * LOPSIDED)


def test_a_circular_convolution_is_that_of_plug_and_play_papers(images: Path) -> None:
    """SciPy wraps and cuts the blurred uint8 image to whole levels; noise is added after that."""
    case = Case("0.png", images / "sharp" / "0.png", None, Kernel(LOPSIDED), "k", 0.0)
    pair = load(case, CIRCULAR)
    rgb, _ = read_rgb_and_gray(case.sharp)
    expected = ndimage.convolve(rgb, LOPSIDED[..., None], mode="wrap")
    assert pair.blurred.shape == (100, 108, 3)
    apart = np.abs(np.rint(pair.blurred * 255) - expected)
    assert apart.max() <= 1  # a sum that is whole but for the last bit
    assert np.mean(apart > 0) < 0.02
    noisy = load(replace(case, noise_sigma=20.0), CIRCULAR)
    difference = (noisy.blurred - pair.blurred) * 255
    assert difference.std() == pytest.approx(20, rel=0.02)
    assert noisy.blurred.min() < 0 or noisy.blurred.max() > 1  # not clipped
    assert np.abs(difference - np.rint(difference)).mean() > 0.2  # nor rounded


def test_noise_depends_on_image_kernel_level_and_seed_alone(images: Path) -> None:
    cases = find_cases(VALID, images / "sharp", synthetic(images / "kernels", [5.0]))
    few = find_cases(VALID, images / "sharp", synthetic(images / "kernels", [2.0, 5.0], 1))
    again = next(case for case in few if case.noise_sigma == 5)
    np.testing.assert_array_equal(load(again, VALID).blurred, load(cases[0], VALID).blurred)
    assert (load(cases[0], VALID, seed=1).blurred != load(cases[0], VALID).blurred).any()
    clean = load(replace(cases[0], noise_sigma=0.0), VALID).blurred
    noise = (load(cases[0], VALID).blurred - clean) * 255
    assert noise.std() == pytest.approx(5, rel=0.05)


def test_a_small_image_is_refused(tmp_path: Path, images: Path) -> None:
    write_png(tmp_path / "small" / "a.png", noisy_image(0, 72))
    case = find_cases(VALID, tmp_path / "small", synthetic(images / "kernels", [0.0]))[0]
    with pytest.raises(UserError, match=r"a\.png is too small for protocol=levin_kernels: of its shorter side 10 px"):
        load(case, VALID)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    LAYOUTS["gopro"][0](tmp_path)
    (case, *_) = find_cases(PROTOCOLS["gopro"], tmp_path, given("gopro"))
    case.sharp.write_bytes(b"no image")
    with pytest.raises(UserError, match=re.escape(str(case.sharp))):
        load(case, PROTOCOLS["gopro"])


def test_levins_kernels_are_turned_as_the_photographs_are(levin: Path) -> None:
    """Up to a shift, the photograph is the convolution with the kernel, and not with it transposed or turned."""
    protocol = PROTOCOLS["levin2009"]
    settings = NoisyProtocol(name="levin2009", noise_sigma=[0], seed=0, max_images=None)
    cases = find_cases(protocol, levin, settings)
    assert len(cases) == 32
    for case in cases[:8]:
        pair = load(case, protocol)
        assert case.psf is not None
        ratios = []
        for turned in (case.psf, case.psf.T, case.psf[::-1, ::-1], np.rot90(case.psf)):
            made = signal.fftconvolve(pair.sharp, turned, mode="same").astype(np.float32)
            ratios.append(values_of(aligned(made, pair.blurred, protocol), protocol)["psnr"])
        assert ratios[0] > 39, case.name
        assert ratios[0] > max(ratios[1:]) + 3, case.name
