"""The static page in a real browser, from a server of files alone, gives what the library does."""

import base64
import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from chromium import NEEDS_CHROMIUM, chromium
from network_files import write_unrolled_network
from numpy.typing import NDArray
from PIL import Image

import deblur
from deblur.estimation import visibility
from deblur.estimation.estimate import luma_of
from deblur.estimation.visibility import VISIBLE
from deblur.inference.restorer import Restorer
from deblur.inference.simulation import degraded
from deblur.inference.weights import write_weights
from deblur.models import ResNet
from deblur.models.gate import CELL
from deblur.synthesis import leaves
from scripts.browser.__main__ import PACKAGES, build, main

pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.skipif(not PACKAGES.is_dir(), reason="the page needs onnxruntime-web: make browser, which needs npm"),
]

PATIENCE = 300_000  # ms
WIDE, NARROW = 1280, 390  # px
SLIGHTLY, BLURRED = 1.0, 1.5  # px, standard deviations
VISIBILITY = """async ([text, height, width]) => {
    const { visibility } = await import("./visibility.js");
    const network = await (await fetch("network.json")).json();
    const levels = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const image = { height, width, luma: (index) => levels[index] / 255 };
    return Array.from(await visibility(image, network.visibility, network.gate.cell));
}"""


@pytest.fixture(scope="module")
def default_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the default network, as `make browser` writes it."""
    folder = tmp_path_factory.mktemp("default") / "page"
    assert main(["--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def rgb_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small network for RGB images, in float16, without a gate."""
    import torch

    folder = tmp_path_factory.mktemp("rgb")
    model = {"_target_": "deblur.models.ResNet", "blocks": 1, "width": 8, "unshuffle": 3, "channels": 3}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ResNet(1, 8, 3, channels=3)
        torch.nn.init.normal_(network.last.weight, std=0.05)
    description = {
        "name": "tiny",
        "settings": {"model": model, "blur": {"name": "none", "_target_": "deblur.blur.NoBlur"}},
    }
    write_weights(folder / "tiny.safetensors", network.state_dict(), description)
    build(str(folder / "tiny.safetensors"), folder / "page", "float16")
    return folder / "page"


class Handler(http.server.SimpleHTTPRequestHandler):
    """A server of files that prints nothing."""

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Open the page in a folder; whatever a test does with it, it asks its own server alone and sends nothing."""
    contexts, servers, requests = [], [], []

    def open_page(folder: Path, script: str = "", **options: Any) -> Any:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: requests.append(request))
        page = context.new_page()
        if script:
            page.add_init_script(script)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    for server in servers:
        server.shutdown()
        server.server_close()
    web = [request for request in requests if urlsplit(request.url).scheme not in ("data", "blob")]
    assert {urlsplit(request.url).hostname for request in web} == {"127.0.0.1"}
    assert {request.method for request in web} == {"GET"}


def restored_by(page: Any, file: Path) -> None:
    page.locator("#file:enabled").set_input_files(file)
    page.get_by_text(f"{file.name} is restored").wait_for()


def downloaded(page: Any, folder: Path, kind: str = "PNG") -> tuple[str, NDArray[np.uint8]]:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download as {kind}").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.name, np.asarray(Image.open(path).convert("RGB"))


def drawn_image(color: str, height: int, width: int, sigma: float = BLURRED) -> NDArray[np.uint8]:
    """Draw an image of several drawings, and blur it."""
    tiles = [
        [leaves.draw(7, 3 * row + column, color) for column in range(-(-width // 256))]
        for row in range(-(-height // 256))
    ]
    drawn = np.concatenate([np.concatenate(row, axis=1) for row in tiles])[:height, :width]
    return degraded(drawn, deblur.degradation("gaussian", sigma=sigma), "page") if sigma else drawn


def half_blurred_image(height: int, width: int) -> NDArray[np.uint8]:
    """Draw an image whose left half is sharp."""
    return np.concatenate([drawn_image("gray", height, width // 2, sigma) for sigma in (0, 2.5)], axis=1)


def blurred_image(folder: Path, color: str, height: int = 256, width: int = 256) -> tuple[Path, NDArray[np.uint8]]:
    """Draw an image of several drawings, blur it, and write it."""
    image = drawn_image(color, height, width)
    return written(folder, image), image


def written(folder: Path, image: NDArray[np.uint8]) -> Path:
    Image.fromarray(image).save(folder / "photo.png")
    return folder / "photo.png"


def differences(found: NDArray[np.uint8], restorer: Restorer, image: NDArray[np.uint8], **options: Any) -> NDArray[Any]:
    expected = restorer(image, **options)
    colors = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, axis=2)
    assert found.shape == colors.shape
    return np.abs(found.astype(int) - colors)


# Of more than one tile, and of sides that are no multiples of anything.
@pytest.mark.parametrize(("color", "height", "width"), [("rgb", 301, 535), ("gray", 37, 23)])
def test_a_photo_is_restored_as_by_the_library(
    color: str, height: int, width: int, opened: Any, default_page: Path, tmp_path: Path
) -> None:
    file, image = blurred_image(tmp_path, color, height, width)
    restorer = deblur.load(default_page / "network.onnx")
    page = opened(default_page)
    restored_by(page, file)
    name, found = downloaded(page, tmp_path)
    assert name == "photo-restored.png"
    gated = differences(found, restorer, image)
    assert gated.mean() < 0.1
    assert (gated > 1).mean() < 0.002  # 8 bits of a layer are rounded to either side
    assert differences(found, restorer, image, strength=0).mean() > 0.2  # it does something
    page.get_by_label("Leave sharp places as they are").uncheck()
    page.get_by_label("Strength in percent").fill("50")
    page.locator("#after[data-shown='0.5 false']").wait_for()
    _, half = downloaded(page, tmp_path)
    assert differences(half, restorer, image, strength=0.5).mean() < 0.1


@pytest.mark.parametrize(
    "draw",
    [
        lambda: drawn_image("gray", 256, 300, 0),
        lambda: drawn_image("rgb", 300, 410, SLIGHTLY),
        lambda: half_blurred_image(400, 1000),
    ],
    ids=["sharp", "slightly blurred", "half blurred"],
)
def test_only_a_visible_blur_is_removed_as_by_the_library(
    draw: Callable[[], NDArray[np.uint8]], opened: Any, default_page: Path, tmp_path: Path
) -> None:
    image = draw()
    page = opened(default_page)
    restored_by(page, written(tmp_path, image))
    _, found = downloaded(page, tmp_path)
    assert differences(found, deblur.load(default_page / "network.onnx"), image).mean() < 0.1


def test_a_blur_is_as_visible_as_to_the_library(opened: Any, default_page: Path) -> None:
    half = half_blurred_image(400, 1000)
    images = [half, drawn_image("gray", 300, 410, VISIBLE), half[:37, 480:503], half[:1, :1]]
    images.append(np.tile(half, (6, 3))[:2100, :2100])  # its windows lie further apart
    page = opened(default_page)
    for image in images:
        text = base64.b64encode(image.tobytes()).decode()
        found = np.array(page.evaluate(VISIBILITY, [text, *image.shape]))
        expected = visibility(luma_of(image), VISIBLE, CELL)
        assert np.abs(found.reshape(expected.shape) - expected).mean() < 0.001


@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_a_network_for_rgb_restores_as_by_the_library(color: str, opened: Any, rgb_page: Path, tmp_path: Path) -> None:
    file, image = blurred_image(tmp_path, color, 100, 131)
    page = opened(rgb_page)
    restored_by(page, file)
    page.get_by_text("This network has no gate").wait_for()
    found = differences(downloaded(page, tmp_path)[1], deblur.load(rgb_page / "network.onnx"), image)
    assert found.mean() < 0.01
    assert found.max() <= 1


def test_a_jpeg_is_turned_as_its_metadata_say(opened: Any, rgb_page: Path, tmp_path: Path) -> None:
    _, image = blurred_image(tmp_path, "rgb", 64, 96)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned clockwise to be seen
    Image.fromarray(image).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    page = opened(rgb_page)
    restored_by(page, tmp_path / "turned.jpg")
    name, found = downloaded(page, tmp_path, "JPEG")
    assert (name, found.shape) == ("turned-restored.jpg", (96, 64, 3))


def test_mistakes_are_sentences(opened: Any, rgb_page: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_bytes(b"no image")
    Image.new("L", (6000, 4001)).save(tmp_path / "large.png")
    page = opened(rgb_page)
    page.locator("#file:enabled").set_input_files(tmp_path / "notes.png")
    page.get_by_text("notes.png is no image that this browser can read, or is damaged: give a JPEG").wait_for()
    page.locator("#file").set_input_files(tmp_path / "large.png")
    page.get_by_text("large.png has 24 megapixels, more than the 24 that fit").wait_for()
    file, _ = blurred_image(tmp_path, "rgb")
    restored_by(page, file)  # after mistakes as well
    assert page.get_by_role("alert").count() == 0
    without = opened(rgb_page, "delete window.WebAssembly")
    without.get_by_text("This browser cannot compute the network, for want of WebAssembly").wait_for()
    assert without.locator("#file").is_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_everything_has_a_name(
    scheme: str, opened: Any, rgb_page: Path, tmp_path: Path
) -> None:
    file, _ = blurred_image(tmp_path, "rgb", 300, 700)
    page = opened(rgb_page, viewport={"width": NARROW, "height": 800}, color_scheme=scheme)
    restored_by(page, file)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    for name in ("Before: the photo as it was given", "After: the restored photo"):
        page.get_by_role("img", name=name).wait_for()
    page.get_by_role("slider", name="Boundary between before and after").fill("20")
    assert page.locator("#compare").evaluate("one => one.style.getPropertyValue('--split')") == "20%"


def test_a_network_that_cannot_be_in_a_page_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = write_unrolled_network(tmp_path / "unrolled.safetensors")
    assert main([str(network), "--output", str(tmp_path / "page")]) == 2
    assert capsys.readouterr().err.startswith("error: This network deconvolves the whole image")
