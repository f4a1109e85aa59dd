import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from known_blurs import unrolled
from network_files import NO_BLUR
from PIL import Image

from deblur.blur import Box, Disk, Gaussian, Motion, Trajectory
from deblur.choices import PRETRAINED
from deblur.demo.work import (
    FACES,
    LeftAlone,
    Networks,
    Outcome,
    blur_and_restore,
    blur_of,
    details,
    download_place,
    examined,
    families,
    kernel_images,
    kernel_place,
    largest_upload,
    preview,
    read_kernel_file,
    read_upload,
    restore,
    restore_estimated,
    sample_face,
)
from deblur.errors import UserError
from deblur.estimation import blur_text
from deblur.image_io.decoding import luma
from deblur.image_io.formats.metadata import Resolution
from deblur.image_io.images import DecodedImage, Metadata
from deblur.image_io.writing import write_image
from deblur.inference import pretrained
from deblur.inference.restorer import Restorer, load
from deblur.inference.simulation import degraded, drawn
from deblur.inference.tiles import Planes, TileNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.inference.weights import read_weights, write_weights
from deblur.synthesis.leaves import draw

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
    return Restorer("brighter", {"blur": NO_BLUR}, Brighter(levels, channels))  # without a gate


def impulse(*color: int) -> DecodedImage:
    shape = (9, 9) if len(color) == 1 else (9, 9, 3)
    pixels = np.zeros(shape, np.uint8)
    pixels[4, 4] = color if len(color) > 1 else color[0]
    return DecodedImage(pixels, None, "PNG", METADATA)


def psnr(mean_squared_error: float) -> float:
    return 10 * math.log10(255**2 / mean_squared_error)


def test_a_blurred_impulse_has_the_known_psnr() -> None:
    # 225 over 3x3 pixels is 25 in each
    outcome, gain = blur_and_restore(impulse(225), restorer(25), blur_of("box", {"size": 3}, 0))
    assert outcome.before.pixels[4, 4] == outcome.before.pixels[3, 5] == 25
    assert outcome.before.pixels.sum() == 225
    assert gain.blurred == pytest.approx(psnr((200**2 + 8 * 25**2) / 81))
    # 25 more: 50 in the nine, 25 elsewhere
    assert gain.restored == pytest.approx(psnr((175**2 + 8 * 50**2 + 72 * 25**2) / 81))
    assert gain.difference == gain.restored - gain.blurred


def test_an_upload_is_restored_as_it_is() -> None:
    outcome = restore(impulse(225), restorer(25))
    assert np.array_equal(outcome.before.pixels, impulse(225).pixels)
    assert outcome.after.pixels[0, 0] == 25
    assert outcome.remarks == ()


def test_a_caveat_of_the_network_is_a_remark_on_the_result() -> None:
    class Periodic(Brighter):
        is_circular = True

    (remark,) = restore(impulse(225), Restorer("periodic", {}, Periodic())).remarks
    assert remark.startswith("periodic was trained with data.boundary=circular")


def test_progress_is_told_after_each_tile() -> None:
    image, network = DecodedImage(np.zeros((300, 600, 3), np.uint8), None, "PNG"), restorer()
    tiles: list[None] = []
    restore(image, network, advance=lambda: tiles.append(None))
    assert len(tiles) == network.count(image) == 6


def test_a_sharp_image_that_is_not_blurred_can_only_be_degraded() -> None:
    _, gain = blur_and_restore(impulse(225), restorer(25))
    assert math.isinf(gain.blurred)
    assert gain.restored == pytest.approx(psnr(25**2))


def test_colors_are_blurred_alike_and_restored_by_their_luma() -> None:
    outcome, gain = blur_and_restore(impulse(225, 90, 9), restorer(10), blur_of("box", {"size": 3}, 0))
    assert outcome.before.pixels[3, 3].tolist() == [25, 10, 1]
    assert outcome.after.pixels[3, 3].tolist() == [35, 20, 11]
    weights = np.array([0.299, 0.587, 0.114])
    center, beside = (weights @ [200, 80, 8]) ** 2, (weights @ [25, 10, 1]) ** 2
    assert gain.blurred == pytest.approx(psnr((center + 8 * beside) / 81))


def test_colors_are_restored_at_once_by_a_network_for_color() -> None:
    outcome, _ = blur_and_restore(impulse(225, 90, 9), restorer(10, channels=3), blur_of("box", {"size": 3}, 0))
    assert outcome.before.pixels[3, 3].tolist() == [25, 10, 1]
    assert outcome.after.pixels[3, 3].tolist() == [35, 20, 11]
    assert outcome.after.pixels[0, 0].tolist() == [10, 10, 10]
    gray = restore(impulse(225), restorer(25, channels=3))
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
    outcome, _ = blur_and_restore(face, non_blind, blur)
    kernel = drawn(blur, "demo").kernel.psf
    assert size is None or kernel.shape == (1, size)
    assert np.array_equal(outcome.after.pixels, non_blind(outcome.before.pixels, kernel=kernel))


def test_a_network_that_needs_the_kernel_is_refused_for_a_blur_that_varies() -> None:
    with pytest.raises(UserError, match="The network unrolled needs one kernel for the whole image"):
        blur_and_restore(sample_face(1), by_unrolled(), blur_of("varying", STARTS, 0))


def test_a_network_that_needs_the_kernel_is_refused_without_one() -> None:
    sentence = "The network unrolled needs the kernel that blurred the image: drop its file, or choose another network."
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        restore(impulse(225), by_unrolled())
    with pytest.raises(UserError, match=r"needs the kernel of a blur: choose a blur, or another network\.$"):
        blur_and_restore(impulse(225), by_unrolled())


def test_a_photo_is_restored_with_the_kernel_of_a_file(tmp_path: Path) -> None:
    kernel = np.array([[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]])
    np.save(tmp_path / "psf.npy", kernel)
    outcome = restore(sample_face(1), by_unrolled(), read_kernel_file(tmp_path / "psf.npy"))
    assert np.array_equal(outcome.after.pixels, by_unrolled()(sample_face(1).pixels, kernel=kernel))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("psf.npy", b"", "psf.npy is empty (0 bytes). Give a .npy array or a"),
        ("psf.txt", b"1 2 1", "psf.txt is neither a .npy array nor an image. Give a .npy array or a"),
    ],
)
def test_what_is_wrong_with_a_kernel_is_told_without_the_place_on_the_server(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as refused:
        read_kernel_file(tmp_path / name)
    assert str(refused.value).startswith(sentence)
    assert str(tmp_path) not in str(refused.value)


def test_a_photo_without_edges_is_left_as_it_is() -> None:
    flat = DecodedImage(np.full((128, 128), 90, np.uint8), None, "PNG")
    found = restore_estimated(flat, by_unrolled())
    assert isinstance(found, LeftAlone)
    assert found.remarks == ("The image shows no edges, from which a kernel could be estimated.",)


@pytest.mark.parametrize("side", [3, 31, 301])
def test_a_kernel_is_enlarged_for_the_screen_and_exact_in_its_file(tmp_path: Path, side: int) -> None:
    kernel = np.random.default_rng(0).random((side, side))
    kernel /= kernel.sum()
    enlarged, levels = kernel_images(kernel)
    assert min(enlarged.pixels.shape) >= 160
    assert enlarged.pixels.max() == 255
    (tmp_path / "my photo.jpg").touch()
    path = kernel_place(tmp_path / "my photo.jpg", tmp_path)
    assert path.name == "my photo-kernel.png"
    write_image(path, levels)
    np.testing.assert_allclose(read_kernel_file(path), kernel, atol=kernel.max() / 65535)


def test_sixteen_bits_stay_where_nothing_is_blurred() -> None:
    pixels = np.full((4, 5), 30_001, np.uint16)
    outcome = restore(DecodedImage(pixels, None, "PNG"), restorer(1))
    assert outcome.after.pixels.dtype == np.uint16
    assert (outcome.after.pixels == 30_001 + 257).all()


def test_blurred_sixteen_bits_are_eight_of_them_as_in_training() -> None:
    pixels = np.full((4, 5, 3), 100 * 257 + 120, np.uint16)
    alpha = np.full((4, 5), 50 * 257, np.uint16)
    image = DecodedImage(pixels, alpha, "PNG")
    outcome, gain = blur_and_restore(image, restorer(), blur_of("gaussian", {"sigma": 2}, 0))
    for each in (outcome.before, outcome.after):
        assert each.pixels.dtype == np.uint8
        assert (each.pixels == 100).all()
        assert each.alpha is not None
        assert each.alpha.dtype == np.uint8
        assert (each.alpha == 50).all()
    assert math.isinf(gain.blurred)  # compared with the eight bits


def test_alpha_and_metadata_are_kept() -> None:
    alpha = np.arange(81, dtype=np.uint8).reshape(9, 9)
    image = DecodedImage(impulse(225).pixels, alpha, "PNG", METADATA)
    outcome, _ = blur_and_restore(image, restorer(), blur_of("disk", {"radius": 2}, 3))
    for each in (outcome.before, outcome.after):
        assert each.alpha is not None
        assert np.array_equal(each.alpha, alpha)
        assert each.metadata == METADATA


def test_the_noise_has_its_strength_and_is_the_same_again() -> None:
    image = DecodedImage(np.full((128, 128), 128, np.uint8), None, "PNG")
    blur = blur_of("gaussian", {"sigma": 1}, 8)
    (first, gain), (again, _) = (blur_and_restore(image, restorer(), blur) for _ in range(2))
    assert np.array_equal(first.before.pixels, again.before.pixels)
    assert first.before.pixels.std() == pytest.approx(8, rel=0.05)
    assert gain.blurred == pytest.approx(psnr(64), abs=0.3)


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
def test_a_large_image_has_a_reduced_preview(kind: type, colors: tuple[int, ...]) -> None:
    white = np.iinfo(kind).max
    pixels = np.zeros((200, 300, *colors), kind)
    pixels[::2] = white  # means of 2x2 pixels are gray
    alpha = np.full((200, 300), white, kind)
    shown = preview(DecodedImage(pixels, alpha, "PNG", METADATA), 0.015)
    assert shown.pixels.shape == (100, 150, *colors)
    assert shown.pixels.dtype == np.uint8
    assert (np.abs(shown.pixels.astype(float) - 127.5) <= 1).all()
    assert shown.alpha is not None
    assert shown.alpha.shape == (100, 150)
    assert (shown.alpha == 255).all()
    assert shown.metadata == Metadata(icc_profile=b"profile")  # neither the place nor the date of a photo


@pytest.mark.parametrize("shape", [(1, 1), (1, 90_000), (90_000, 1), (317, 211), (200, 300)])
def test_a_preview_has_no_more_pixels_than_is_allowed(shape: tuple[int, int]) -> None:
    levels = np.arange(shape[0] * shape[1], dtype=np.uint32).astype(np.uint8).reshape(shape)
    shown = preview(DecodedImage(levels, None, "PNG"), 0.06).pixels
    assert 1 <= shown.size <= 60_000
    if levels.size <= 60_000:
        assert np.array_equal(shown, levels)


@pytest.mark.parametrize("shape", [(1500, 2000), (700, 4000), (9000, 300)])
def test_the_detail_of_a_large_image_is_its_most_blurred_part_at_full_size(shape: tuple[int, int]) -> None:
    sharp = np.tile(draw(9001, 0), [-(-side // 256) for side in shape])[: shape[0], : shape[1]]
    pixels = sharp.copy()
    blurred = degraded(np.ascontiguousarray(sharp[-600:, -600:]), Disk(6.0), "a")
    pixels[-600:, -600:] = blurred
    found = details(Outcome(DecodedImage(pixels, None, "PNG"), DecodedImage(255 - pixels, None, "PNG"), ()))
    assert found is not None
    height, width = min(shape[0], 512), min(shape[1], 512)
    assert found[0].pixels.shape == (height, width)
    assert np.array_equal(found[1].pixels, 255 - found[0].pixels)
    changes = [np.abs(np.diff(each.astype(int))).mean() for each in (found[0].pixels, sharp, blurred)]
    assert changes[0] < (changes[1] + changes[2]) / 2


def test_a_small_image_needs_no_detail() -> None:
    image = DecodedImage(np.zeros((1000, 2000), np.uint8), None, "PNG")
    assert details(Outcome(image, image, ())) is None


def test_what_is_seen_of_a_photo_is_said_and_decides_the_scale() -> None:
    sharp = np.block([[draw(9001, 2 * row + column) for column in range(2)] for row in range(2)])
    blurred = DecodedImage(degraded(sharp, Disk(12.0), "a"), None, "PNG")
    network = load("defocus", accelerator="cpu")
    seen = examined(blurred, network)
    assert seen is not None
    assert seen.scale <= 1 / 2
    advances: list[None] = []
    outcome = restore(blurred, network, advance=lambda: advances.append(None), seen=seen)
    assert len(advances) == network.count(blurred, scale=seen.scale)
    assert outcome.blur is seen.blur is not None
    assert outcome.remarks[0].lower().startswith(blur_text(seen.blur))
    assert "Restored at 1/" in outcome.remarks[0]
    unblurred = DecodedImage(sharp, None, "PNG")
    remarks = restore(unblurred, network, seen=examined(unblurred, network)).remarks
    assert "It is sharp already" in remarks[0]
    assert remarks[1].endswith("% of the network's correction was applied.")


@pytest.mark.parametrize(
    ("upload", "kind", "name", "said"),
    [
        ("photo.JPG", np.uint8, "photo-restored.JPG", ""),
        ("photo.tif", np.uint16, "photo-restored.tif", ""),
        (
            "photo.avif",
            np.uint16,
            "photo-restored.png",
            "The download is a PNG file: photo-restored.avif: AVIF holds 8 bits a channel, the image has 16.",
        ),
    ],
)
def test_a_download_is_named_as_by_restore_and_has_a_format_that_holds_it(
    tmp_path: Path, upload: str, kind: type, name: str, said: str
) -> None:
    (tmp_path / upload).touch()
    image = DecodedImage(np.zeros((4, 5, 3), kind), None, "PNG")
    assert download_place(tmp_path / upload, image, tmp_path / "results") == (tmp_path / "results" / name, said)


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
    labels = {label for label, _ in [*networks.choices, *networks.blind_choices]}
    assert len(labels) == len(networks.choices) + len(networks.blind_choices)  # none is to be taken for another


def test_a_network_of_ones_own_comes_first(folder: Path, tmp_path: Path, network_at: NetworkAt) -> None:
    network_at(folder / "default.safetensors")
    networks = Networks(str(network_at(tmp_path / "mine.safetensors")))
    (label, first), (_, second) = networks.choices
    assert label == "mine (your own network)"
    assert networks.get(first).name == "mine"
    assert second == "default"


def test_what_is_missing_is_told_and_cannot_be_chosen(folder: Path, network_at: NetworkAt) -> None:
    network_at(folder / "defocus.safetensors")
    networks = Networks()
    assert [name for _, name in networks.choices] == ["defocus"]
    assert networks.missing == (
        "This installation lacks the files of these networks: default, motion, unrolled. Install the package again."
    )
    with pytest.raises(UserError, match="There is no network sharp: choose one of defocus"):
        networks.get("sharp")


def test_a_name_of_any_length_is_one_line_to_choose(folder: Path, tmp_path: Path, network_at: NetworkAt) -> None:
    network_at(folder / "default.safetensors")
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
    path = network_at(folder / "defocus.safetensors")
    networks = Networks()
    first = networks.get("defocus")
    path.write_bytes(b"damaged")
    assert networks.get("defocus") is first


@pytest.mark.usefixtures("folder")
def test_without_any_network_there_is_no_page() -> None:
    with pytest.raises(UserError, match=r"these networks: default, .* with --network DIR\."):
        Networks()


def test_a_wrong_run_is_refused_at_once(folder: Path, network_at: NetworkAt) -> None:
    network_at(folder / "defocus.safetensors")
    with pytest.raises(UserError, match="There is no network absent"):
        Networks("absent")
