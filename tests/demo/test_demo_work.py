import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from known_blurs import unrolled
from PIL import Image

from deblur.blur import Box, Disk, Gaussian, Motion, Trajectory
from deblur.choices import PRETRAINED
from deblur.demo.work import (
    FACES,
    Networks,
    blur_and_restore,
    blur_of,
    families,
    fitted,
    largest_upload,
    read_upload,
    sample_face,
)
from deblur.errors import UserError
from deblur.image_io.decoding import luma
from deblur.image_io.formats.metadata import Resolution
from deblur.image_io.images import DecodedImage, Metadata
from deblur.image_io.writing import write_image
from deblur.inference import pretrained
from deblur.inference.restorer import Restorer
from deblur.inference.simulation import drawn
from deblur.inference.tiles import Planes, TileNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.inference.weights import read_weights, write_weights

NetworkAt = Callable[[Path], Path]

STARTS = {name: slider.start for sliders in families().values() for name, slider in sliders.items()}
METADATA = Metadata(icc_profile=b"profile", resolution=Resolution(72.0, 72.0))


class Brighter(TileNetwork):
    """A network that adds as many gray levels of 255."""

    def __init__(self, levels: float = 0, channels: int = 1) -> None:
        super().__init__(channels, 0, 1)
        self.levels = levels

    def __call__(self, surrounded: Planes) -> Planes:
        return surrounded + np.float32(self.levels / 255)


def restorer(levels: float = 0, channels: int = 1) -> Restorer:
    return Restorer("brighter", {}, Brighter(levels, channels))


def impulse(*color: int) -> DecodedImage:
    shape = (9, 9) if len(color) == 1 else (9, 9, 3)
    pixels = np.zeros(shape, np.uint8)
    pixels[4, 4] = color if len(color) > 1 else color[0]
    return DecodedImage(pixels, None, "PNG", METADATA)


def psnr(mean_squared_error: float) -> float:
    return 10 * math.log10(255**2 / mean_squared_error)


def test_a_blurred_impulse_has_the_known_psnr() -> None:
    # 225 over 3x3 pixels is 25 in each
    outcome = blur_and_restore(impulse(225), restorer(25), blur_of("box", {"size": 3}, 0))
    assert outcome.before.pixels[4, 4] == outcome.before.pixels[3, 5] == 25
    assert outcome.before.pixels.sum() == 225
    assert outcome.gain is not None
    assert outcome.gain.blurred == pytest.approx(psnr((200**2 + 8 * 25**2) / 81))
    # 25 more: 50 in the nine, 25 elsewhere
    assert outcome.gain.restored == pytest.approx(psnr((175**2 + 8 * 50**2 + 72 * 25**2) / 81))
    assert outcome.gain.difference == outcome.gain.restored - outcome.gain.blurred


def test_the_gain_of_an_image_that_is_left_as_it_is_is_not_known() -> None:
    outcome = blur_and_restore(impulse(225), restorer(25))
    assert outcome.gain is None
    assert np.array_equal(outcome.before.pixels, impulse(225).pixels)
    assert outcome.after.pixels[0, 0] == 25


def test_a_sharp_image_that_is_left_as_it_is_can_only_be_degraded() -> None:
    outcome = blur_and_restore(impulse(225), restorer(25), is_sharp=True)
    assert outcome.gain is not None
    assert math.isinf(outcome.gain.blurred)
    assert outcome.gain.restored == pytest.approx(psnr(25**2))


def test_colors_are_blurred_alike_and_restored_by_their_luma() -> None:
    outcome = blur_and_restore(impulse(225, 90, 9), restorer(10), blur_of("box", {"size": 3}, 0))
    assert outcome.before.pixels[3, 3].tolist() == [25, 10, 1]
    assert outcome.after.pixels[3, 3].tolist() == [35, 20, 11]
    weights = np.array([0.299, 0.587, 0.114])
    center, beside = (weights @ [200, 80, 8]) ** 2, (weights @ [25, 10, 1]) ** 2
    assert outcome.gain is not None
    assert outcome.gain.blurred == pytest.approx(psnr((center + 8 * beside) / 81))


def test_colors_are_restored_at_once_by_a_network_for_color() -> None:
    outcome = blur_and_restore(impulse(225, 90, 9), restorer(10, channels=3), blur_of("box", {"size": 3}, 0))
    assert outcome.before.pixels[3, 3].tolist() == [25, 10, 1]
    assert outcome.after.pixels[3, 3].tolist() == [35, 20, 11]
    assert outcome.after.pixels[0, 0].tolist() == [10, 10, 10]
    gray = blur_and_restore(impulse(225), restorer(25, channels=3))
    assert gray.after.pixels.shape == (9, 9)
    assert gray.after.pixels[0, 0] == 25


def test_a_face_has_the_channels_of_the_network() -> None:
    gray, color = sample_face(2), sample_face(2, channels=3)
    assert color.pixels.shape == (*gray.pixels.shape, 3)
    np.testing.assert_array_equal(luma(color.pixels), gray.pixels)


def by_unrolled() -> Restorer:
    """A network that takes the kernel of each image."""
    return Restorer("unrolled", {}, TorchNetwork(unrolled(), torch.device("cpu")))


@pytest.mark.parametrize(("family", "size"), [("motion", 11), ("trajectory", None)])
def test_a_non_blind_network_gets_the_kernel_that_the_page_blurs_with(family: str, size: int | None) -> None:
    face, non_blind, blur = sample_face(1), by_unrolled(), blur_of(family, STARTS, 1)
    outcome = blur_and_restore(face, non_blind, blur)
    kernel = drawn(blur, "demo").kernel.psf
    assert size is None or kernel.shape == (1, size)
    assert np.array_equal(outcome.after.pixels, non_blind(outcome.before.pixels, kernel=kernel))
    assert outcome.gain is not None


def test_a_network_that_needs_the_kernel_is_refused_for_a_blur_that_varies() -> None:
    with pytest.raises(UserError, match="The network unrolled needs one kernel for the whole image"):
        blur_and_restore(sample_face(1), by_unrolled(), blur_of("varying", STARTS, 0))


@pytest.mark.parametrize("is_sharp", [False, True])
def test_a_network_that_nobody_can_tell_the_kernel_is_refused(is_sharp: bool) -> None:
    sentence = (
        "The network unrolled needs the kernel that blurred an image, which is not known of this one: choose another "
        "network, or have an image blurred here."
    )
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        blur_and_restore(impulse(225), by_unrolled(), is_sharp=is_sharp)


def test_sixteen_bits_stay_where_nothing_is_blurred() -> None:
    pixels = np.full((4, 5), 30_001, np.uint16)
    outcome = blur_and_restore(DecodedImage(pixels, None, "PNG"), restorer(1))
    assert outcome.after.pixels.dtype == np.uint16
    assert (outcome.after.pixels == 30_001 + 257).all()


def test_blurred_sixteen_bits_are_eight_of_them_as_in_training() -> None:
    pixels = np.full((4, 5, 3), 100 * 257 + 120, np.uint16)
    alpha = np.full((4, 5), 50 * 257, np.uint16)
    outcome = blur_and_restore(DecodedImage(pixels, alpha, "PNG"), restorer(), blur_of("gaussian", {"sigma": 2}, 0))
    for image in (outcome.before, outcome.after):
        assert image.pixels.dtype == np.uint8
        assert (image.pixels == 100).all()
        assert image.alpha is not None
        assert image.alpha.dtype == np.uint8
        assert (image.alpha == 50).all()
    assert outcome.gain is not None
    assert math.isinf(outcome.gain.blurred)  # compared with the eight bits


def test_alpha_and_metadata_are_kept() -> None:
    alpha = np.arange(81, dtype=np.uint8).reshape(9, 9)
    image = DecodedImage(impulse(225).pixels, alpha, "PNG", METADATA)
    outcome = blur_and_restore(image, restorer(), blur_of("disk", {"radius": 2}, 3))
    for each in (outcome.before, outcome.after):
        assert each.alpha is not None
        assert np.array_equal(each.alpha, alpha)
        assert each.metadata == METADATA


def test_the_noise_has_its_strength_and_is_the_same_again() -> None:
    image = DecodedImage(np.full((128, 128), 128, np.uint8), None, "PNG")
    blur = blur_of("gaussian", {"sigma": 1}, 8)
    first, again = (blur_and_restore(image, restorer(), blur) for _ in range(2))
    assert np.array_equal(first.before.pixels, again.before.pixels)
    assert first.before.pixels.std() == pytest.approx(8, rel=0.05)
    assert first.gain is not None
    assert first.gain.blurred == pytest.approx(psnr(64), abs=0.3)


@pytest.mark.parametrize(
    ("family", "kind", "parameters"),
    [
        ("gaussian", Gaussian, {"sigma": 2.5}),
        ("box", Box, {"size": 9}),
        ("motion", Motion, {"length": 13, "angle": 30}),
        ("disk", Disk, {"radius": 4.5}),
        ("trajectory", Trajectory, {"extent": 9, "shake": 0.25}),
    ],
)
def test_a_blur_has_the_chosen_parameters(family: str, kind: type, parameters: dict[str, float]) -> None:
    blur = blur_of(family, STARTS | parameters, 1.5)
    assert isinstance(blur, kind)
    drawn = blur.sample(np.random.default_rng(0))
    assert drawn.parameters == parameters
    assert drawn.noise_sigma == 1.5


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("which", ["lowest", "start", "highest"])
def test_every_blur_that_can_be_chosen_is_allowed(family: str, which: str) -> None:
    values = {name: getattr(slider, which) for name, slider in families()[family].items()}
    assert blur_of(family, values, 0).max_kernel_size >= (1, 1)


@pytest.mark.parametrize(
    ("family", "changed", "noise", "sentence"),
    [
        ("gaussian", {"sigma": 60}, 0, "Sigma (px): 60 is not from 0.5 to 6."),
        ("disk", {"radius": math.nan}, 0, "Radius (px): nan is not from 0.5 to 10."),
        ("box", {"size": 8}, 0, "Box: 8 holds no odd number."),
        ("box", {}, -1, "Noise after the blur (gray levels of 255): -1 is not from 0 to 25."),
    ],
)
def test_what_cannot_be_chosen_is_refused(family: str, changed: dict[str, float], noise: float, sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        blur_of(family, STARTS | changed, noise)


def test_a_blur_that_there_is_not_is_refused() -> None:  # families of other tests may be registered as well
    with pytest.raises(UserError, match=r"^There is no blur blox: choose gaussian, box, motion, disk, trajectory\b"):
        blur_of("blox", STARTS, 0)


def test_each_sample_face_is_another() -> None:
    first, last, again = sample_face(1), sample_face(FACES), sample_face(1)
    assert first.pixels.shape == last.pixels.shape == (256, 256)
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, last.pixels)
    for number in (0, FACES + 1):
        with pytest.raises(UserError, match=f"There is no face {number}: choose one from 1 to {FACES}"):
            sample_face(number)


def test_an_upload_is_shown_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (7, 3)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_upload(tmp_path / "turned.jpg", 1).pixels.shape == (7, 3, 3)


def test_what_is_wrong_with_an_upload_is_told_without_the_place_on_the_server(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    Image.new("L", (500, 300)).save(tmp_path / "large.png")
    with pytest.raises(UserError, match=r"^notes\.png is no .* image: ") as refused:
        read_upload(tmp_path / "notes.png", 1)
    assert str(tmp_path) not in str(refused.value)
    with pytest.raises(
        UserError, match=r"^large\.png has 500x300 px, 0\.1 megapixels, where 0\.1 are allowed"
    ) as refused:
        read_upload(tmp_path / "large.png", 0.1)
    assert str(refused.value).endswith(": save it smaller, or cut out the part that matters, and drop that.")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("colors", [(), (3,)])
def test_an_image_that_is_too_large_is_reduced(kind: type, colors: tuple[int, ...]) -> None:
    white = np.iinfo(kind).max
    pixels = np.zeros((200, 300, *colors), kind)
    pixels[::2] = white  # means of 2x2 pixels are gray
    alpha = np.full((200, 300), white, kind)
    reduced = fitted(DecodedImage(pixels, alpha, "PNG", METADATA), 0.015)
    assert reduced.pixels.shape == (100, 150, *colors)
    assert reduced.pixels.dtype == kind
    assert (np.abs(reduced.pixels.astype(float) - white / 2) <= 1).all()
    assert reduced.alpha is not None
    assert reduced.alpha.shape == (100, 150)
    assert (reduced.alpha == white).all()
    assert reduced.metadata == METADATA


@pytest.mark.parametrize("shape", [(1, 1), (1, 90_000), (90_000, 1), (317, 211), (200, 300)])
def test_a_reduced_image_has_no_more_than_is_allowed(shape: tuple[int, int]) -> None:
    image = DecodedImage(np.zeros(shape, np.uint8), None, "PNG")
    height, width = fitted(image, 0.06).pixels.shape
    assert 1 <= height * width <= 60_000
    if shape[0] * shape[1] <= 60_000:
        assert fitted(image, 0.06) is image


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_largest_file_of_an_allowed_image_may_be_uploaded(tmp_path: Path, suffix: str) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (500, 400, 4), dtype=np.uint16)  # it cannot be compressed
    path = tmp_path / f"noise.{suffix}"
    write_image(path, DecodedImage(levels[..., :3], levels[..., 3], "PNG"))
    assert 1_600_000 < path.stat().st_size <= largest_upload(0.2)
    assert read_upload(path, 0.2).pixels.dtype == np.uint16


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take this folder for that of the networks that are pretrained."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    return tmp_path / "pretrained"


def test_all_that_are_pretrained_can_be_chosen(folder: Path, network_at: NetworkAt) -> None:
    for name in PRETRAINED:
        network_at(folder / f"{name}.safetensors")
    networks = Networks()
    assert [name for _, name in networks.choices] == list(PRETRAINED)
    assert networks.missing == ""
    assert [networks.get(name).name for _, name in networks.choices] == list(PRETRAINED)


def test_a_network_of_ones_own_comes_first(folder: Path, tmp_path: Path, network_at: NetworkAt) -> None:
    network_at(folder / "mixed.safetensors")
    networks = Networks(str(network_at(tmp_path / "mine.safetensors")))
    (label, first), (_, second) = networks.choices
    assert label == "mine (your own network)"
    assert networks.get(first).name == "mine"
    assert second == "mixed"


def test_what_is_missing_is_told_and_cannot_be_chosen(folder: Path, network_at: NetworkAt) -> None:
    network_at(folder / "box.safetensors")
    networks = Networks()
    assert [name for _, name in networks.choices] == ["box"]
    assert networks.missing == (
        "This installation lacks the files of these networks: mixed, gaussian, motion, disk. Install the package again."
    )
    with pytest.raises(UserError, match="There is no network mixed: choose one of box"):
        networks.get("mixed")


def test_a_name_of_any_length_is_one_line_to_choose(folder: Path, tmp_path: Path, network_at: NetworkAt) -> None:
    network_at(folder / "mixed.safetensors")
    weights, description = read_weights(network_at(tmp_path / "mine.safetensors"))
    write_weights(tmp_path / "mine.safetensors", weights, description | {"name": f"a\x1b\n{'b' * 300}"})
    (label, _), _ = Networks(str(tmp_path / "mine.safetensors")).choices
    assert label == f"a\ufffd\ufffd{'b' * 56}\u2026 (your own network)"


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_damaged_network_is_told_before_there_is_a_page(folder: Path, network_at: NetworkAt, name: str) -> None:
    for each in PRETRAINED:
        network_at(folder / f"{each}.safetensors")
    (folder / f"{name}.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=f"{name}.safetensors is no safetensors file, or is damaged"):
        Networks()


def test_a_network_is_loaded_once(folder: Path, network_at: NetworkAt) -> None:
    path = network_at(folder / "box.safetensors")
    networks = Networks()
    first = networks.get("box")
    path.write_bytes(b"damaged")
    assert networks.get("box") is first


@pytest.mark.usefixtures("folder")
def test_without_any_network_there_is_no_page() -> None:
    with pytest.raises(UserError, match=r"these networks: mixed, .* with --network DIR\."):
        Networks()


def test_a_wrong_run_is_refused_at_once(folder: Path, network_at: NetworkAt) -> None:
    network_at(folder / "box.safetensors")
    with pytest.raises(UserError, match="There is no network absent"):
        Networks("absent")
