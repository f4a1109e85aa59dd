"""The page in a real browser, served by a real process."""

import http.client
import io
import re
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from chromium import NEEDS_CHROMIUM, chromium
from network_files import write_rgb_network, write_unrolled_network
from PIL import Image, ImageCms
from running_demo import REPOSITORY, Demo

import deblur
from deblur.blur.kernel_file import read_kernel
from deblur.demo.wording import UNKNOWN_GAIN, result_text
from deblur.demo.work import blur_and_restore, blur_of, sample_face
from deblur.inference.restorer import load
from deblur.inference.weights import read_weights, write_weights
from deblur.restore import main
from deblur.synthesis.leaves import draw

pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.skipif(find_spec("gradio") is None, reason="the demo needs gradio: pip install deblur-lab[demo]"),
]

WIDE, NARROW = 1280, 390  # px
PATIENCE = 120_000  # ms


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, network_at: Callable[[Path], Path]) -> Path:
    return network_at(tmp_path_factory.mktemp("network") / "tiny.safetensors")


@pytest.fixture(scope="module")
def demo(network: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(network, tmp_path_factory.mktemp("demo") / "temporary") as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def new_context(browser: Any) -> Any:
    """Return a window with cookies of its own, which waits longer than usual on a machine that is busy."""
    context = browser.new_context(viewport={"width": WIDE, "height": 900})
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture
def page(browser: Any, demo: Demo) -> Iterator[Any]:
    """The page; whatever a test does with it, it asks no other host for anything."""
    context = new_context(browser)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    opened = context.new_page()
    opened.goto(demo.address)
    restore_button(opened).wait_for()
    yield opened
    context.close()
    hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {urlsplit(demo.address).netloc}


def restore_button(page: Any) -> Any:
    return page.get_by_role("button", name="Restore", exact=True)


def blur_button(page: Any) -> Any:
    return page.get_by_role("button", name="Blur and restore", exact=True)


def open_simulation(page: Any) -> None:
    page.get_by_role("tab", name="Simulate a blur").click()
    blur_button(page).wait_for()


def fill(page: Any, label: str, value: float) -> None:
    box = page.get_by_label(f"number input for {label}")
    box.fill(f"{value:g}")
    box.press("Tab")


def visible(page: Any, selector: str) -> Any:
    """Return what the open tab has of something that both have."""
    return page.get_by_role("tabpanel").filter(visible=True).locator(selector)


def upload(page: Any, path: Path) -> None:
    """Drop a file on the open tab, and wait until the server has it."""
    with page.expect_response("**/upload*"):
        visible(page, "input[type=file]").first.set_input_files(path)
    visible(page, ".file-preview").filter(has_text=path.stem).wait_for()


def clear(page: Any) -> None:
    page.get_by_role("button", name="Clear").first.click()


def downloaded(page: Any, path: Path) -> tuple[str, Image.Image]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the restored image").click()
    download.value.save_as(path)
    return download.value.suggested_filename, Image.open(path)


def test_a_sample_face_is_blurred_and_restored(page: Any, network: Path, tmp_path: Path) -> None:
    expected, gain = blur_and_restore(
        sample_face(3), load(network, accelerator="cpu"), blur_of("motion", {"length": 9, "angle": 45}, 2)
    )
    open_simulation(page)
    fill(page, "Number of the face", 3)
    page.get_by_label("Motion").check()
    fill(page, "Length (px)", 9)
    fill(page, "Angle (degrees, counter-clockwise)", 45)
    fill(page, "Noise after the blur (gray levels of 255)", 2)
    blur_button(page).click()
    page.get_by_text(result_text(gain)).wait_for()
    page.get_by_text("The network was trained on this blur: box (size 5 px, noise 2 gray levels).").wait_for()
    for description in ("Before: the input of the network", "After: the output of the network"):
        image = page.get_by_alt_text(description)
        image.wait_for()
        page.wait_for_function("image => image.naturalWidth === 256", arg=image.element_handle())
    name, restored = downloaded(page, tmp_path / "restored.png")
    assert name == "face-3-restored.png"
    assert np.array_equal(np.asarray(restored), expected.after.pixels)


def outputs_are_empty(page: Any) -> bool:
    """Tell whether nothing is shown and nothing can be downloaded."""
    button = page.get_by_role("button", name="Download the restored image")
    return visible(page, ".before-after img").count() == 0 and button.is_disabled()


def wait_until_empty(page: Any) -> None:
    visible(page, ".prose.numbers").filter(has_text="to see before and after here.").wait_for()
    visible(page, ".before-after img").first.wait_for(state="detached")
    assert outputs_are_empty(page)


def colors(folder: Path, name: str = "photo of mine.png", size: tuple[int, int] = (60, 40)) -> Path:
    """Write a sharp image, which any blur would change."""
    levels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(levels).save(folder / name)
    return folder / name


def test_an_upload_is_restored_as_it_is(page: Any, network: Path, tmp_path: Path) -> None:
    path = colors(tmp_path)
    expected = load(network, accelerator="cpu")(np.asarray(Image.open(path)))
    upload(page, path)
    restore_button(page).click()
    page.get_by_text("photo of mine.png was restored by the network tiny.").wait_for()
    page.get_by_text(UNKNOWN_GAIN).wait_for()
    before = page.get_by_alt_text("Before: the input of the network").get_attribute("src")
    shown = Image.open(io.BytesIO(page.request.get(before).body()))
    assert np.array_equal(np.asarray(shown), np.asarray(Image.open(path)))
    name, restored = downloaded(page, tmp_path / "restored.png")
    assert name == "photo of mine-restored.png"
    assert np.array_equal(np.asarray(restored), expected)


def phone_photo(path: Path, size: tuple[int, int]) -> Path:
    """Write a JPEG with the metadata of a phone's."""
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Phone", 6  # turned by a quarter
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gradient = Image.linear_gradient("L").resize(size)
    Image.merge("RGB", [gradient, gradient, gradient]).save(path, exif=exif, icc_profile=profile, dpi=(72, 72))
    return path


def test_the_download_is_the_file_that_restore_writes(page: Any, network: Path, tmp_path: Path) -> None:
    photo = phone_photo(tmp_path / "photo.jpg", (400, 300))
    assert main([str(photo), "--network", str(network), "--accelerator", "cpu"]) == 0
    upload(page, photo)
    restore_button(page).click()
    page.get_by_text("photo.jpg was restored by the network tiny.").wait_for()
    name, restored = downloaded(page, tmp_path / "downloaded.jpg")
    assert name == "photo-restored.jpg"
    assert restored.size == (300, 400)
    assert restored.getexif()[0x0110] == "Phone"
    assert (tmp_path / "downloaded.jpg").read_bytes() == (tmp_path / "photo-restored.jpg").read_bytes()


def test_a_large_photo_has_a_reduced_preview_and_a_detail(browser: Any, network: Path, tmp_path: Path) -> None:
    photo = phone_photo(tmp_path / "large.jpg", (2400, 1200))
    context = new_context(browser)
    with Demo(network, tmp_path / "temporary", max_megapixels=3) as started:
        page = context.new_page()
        page.goto(started.address)
        restore_button(page).wait_for()
        page.get_by_text("Photo, up to 3 megapixels").wait_for()
        upload(page, photo)
        restore_button(page).click()
        page.get_by_text("large.jpg was restored by the network tiny.").wait_for()
        whole, detail = (page.get_by_alt_text("After: the output of the network").nth(place) for place in range(2))
        for image, sides in (
            (whole, "Math.round(naturalWidth / 5) === 200 && Math.round(naturalHeight / 5) === 400"),
            (detail, "naturalWidth === 512 && naturalHeight === 512"),
        ):
            image.wait_for()
            function = f"({{naturalWidth, naturalHeight}}) => {sides}"
            page.wait_for_function(function, arg=image.element_handle())
        _, restored = downloaded(page, tmp_path / "restored.jpg")
        assert restored.size == (1200, 2400)
        clear(page)
        wait_until_empty(page)
    context.close()


def test_a_non_blind_network_is_given_the_kernel_in_a_file(browser: Any, tmp_path: Path) -> None:
    network, path = write_unrolled_network(tmp_path / "unrolled.safetensors"), colors(tmp_path)
    kernel = np.array([[0.2, 0.6, 0.2]])
    np.save(tmp_path / "psf.npy", kernel)
    context = new_context(browser)
    with Demo(network, tmp_path / "temporary") as started:
        page = context.new_page()
        page.goto(started.address)
        restore_button(page).wait_for()
        upload(page, path)
        restore_button(page).click()
        page.get_by_text("The network unrolled needs the kernel that blurred the image: drop its file").wait_for()
        upload(page, tmp_path / "psf.npy")
        wait_until_empty(page)
        restore_button(page).click()
        page.get_by_text("photo of mine.png was restored by the network unrolled.").wait_for()
        _, restored = downloaded(page, tmp_path / "restored.png")
        expected = load(network, accelerator="cpu")(np.asarray(Image.open(path)), kernel=kernel)
        assert np.abs(np.asarray(restored).astype(int) - expected).max() <= 1  # of other threads
        page.get_by_label("Network").first.click()
        page.get_by_role("option", name="defocus").click()
        wait_until_empty(page)
        page.get_by_text("Kernel of the blur").wait_for(state="hidden")
        restore_button(page).click()
        page.get_by_text("photo of mine.png was restored by the network defocus.").wait_for()
    context.close()


def test_a_photo_is_restored_by_its_estimated_kernel_or_left_as_it_is(page: Any, tmp_path: Path) -> None:
    photo = deblur.degrade(draw(9003, 1), "trajectory", seed=4, noise_sigma=1, extent=13, shake=0.5)
    Image.fromarray(photo).save(tmp_path / "shaken.png")
    Image.new("L", (128, 128), 90).save(tmp_path / "flat.png")
    kernel = visible(page, ".kernel img")
    page.get_by_label("Network").first.click()
    page.get_by_role("option", name="any blur, kernel estimated (blind)").click()
    upload(page, tmp_path / "shaken.png")
    restore_button(page).click()
    page.get_by_text("shaken.png was restored by the network unrolled, with a kernel estimated from it.").wait_for()
    page.get_by_text("of which several estimates agree closely").wait_for()
    kernel.wait_for()
    page.wait_for_function("image => image.naturalWidth >= 160", arg=kernel.element_handle())
    assert kernel.get_attribute("alt") == "The kernel that was estimated, enlarged"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the kernel").click()
    download.value.save_as(tmp_path / "psf.png")
    assert download.value.suggested_filename == "shaken-kernel.png"
    psf = read_kernel(tmp_path / "psf.png", "--kernel").psf
    page.get_by_text(f"Kernel of {len(psf)}x{len(psf)} px, enlarged").wait_for()
    name, restored = downloaded(page, tmp_path / "restored.png")
    assert name == "shaken-restored.png"
    again = load("unrolled", accelerator="cpu")(photo, kernel=psf)
    assert np.abs(np.asarray(restored).astype(int) - again).max() <= 2  # the kernel's file is rounded to 16 bits
    clear(page)
    wait_until_empty(page)
    assert kernel.count() == 0
    upload(page, tmp_path / "flat.png")
    restore_button(page).click()
    page.get_by_text("flat.png was left as it is.").wait_for()
    page.get_by_text("The image shows no edges, from which a kernel could be estimated.").wait_for()
    assert outputs_are_empty(page)
    assert kernel.count() == page.locator(".usage_error").count() == 0
    clear(page)
    wait_until_empty(page)


def test_an_rgb_network_restores_a_color_image_and_measures_on_a_blurred_one(browser: Any, tmp_path: Path) -> None:
    network, path = write_rgb_network(tmp_path / "swapped.safetensors", order=(2, 0, 1)), colors(tmp_path)
    context = new_context(browser)
    with Demo(network, tmp_path / "temporary") as started:
        page = context.new_page()
        page.goto(started.address)
        restore_button(page).wait_for()
        assert page.get_by_label("Network").first.input_value() == "swapped (your own network, for color images)"
        upload(page, path)
        restore_button(page).click()
        page.get_by_text("photo of mine.png was restored by the network swapped").wait_for()
        page.get_by_text("Red, green and blue were restored at once.").wait_for()
        _, restored = downloaded(page, tmp_path / "restored.png")
        assert np.array_equal(np.asarray(restored), np.asarray(Image.open(path))[..., [2, 0, 1]])
        open_simulation(page)
        page.get_by_label("Box").check()
        blur_button(page).click()
        page.get_by_text("Face 1 was blurred by Box").wait_for()
        page.get_by_text("PSNR before").wait_for()
        _, face = downloaded(page, tmp_path / "face.png")
        assert face.mode == "RGB"
    context.close()


def test_a_sharp_image_of_ones_own_is_blurred_in_the_second_tab(page: Any, tmp_path: Path) -> None:
    open_simulation(page)
    page.get_by_label("My own sharp image").check()
    upload(page, colors(tmp_path))
    page.get_by_label("Box").check()
    fill(page, "Side of the square (px, odd)", 5)
    blur_button(page).click()
    page.get_by_text("photo of mine.png was blurred by Box (size 5 px), then restored").wait_for()
    page.get_by_text("PSNR of the luma before").wait_for()
    page.get_by_label("No blur").check()
    page.get_by_label("number input for Side of the square (px, odd)").wait_for(state="hidden")
    blur_button(page).click()
    page.get_by_text("photo of mine.png was not blurred, then restored").wait_for()
    page.get_by_text("The image before equals the sharp one").wait_for()


def test_what_is_no_image_is_refused_in_a_sentence_that_the_next_image_removes(page: Any, tmp_path: Path) -> None:
    upload(page, colors(tmp_path))
    restore_button(page).click()
    page.get_by_text("photo of mine.png was restored by").wait_for()
    (tmp_path / "notes.png").write_text("<script>no image</script>")
    clear(page)
    upload(page, tmp_path / "notes.png")
    restore_button(page).click()
    page.get_by_text("notes.png is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image: give an undamaged").wait_for()
    page.get_by_text("Nothing was restored.").wait_for()
    assert outputs_are_empty(page)
    clear(page)
    wait_until_empty(page)
    assert page.get_by_text("Nothing was restored.").count() == 0
    upload(page, colors(tmp_path))
    restore_button(page).click()
    page.get_by_text("photo of mine.png was restored by").wait_for()
    assert page.get_by_text("Nothing was restored.").count() == 0


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((1000, 300), "wide.png has 1000x300 px, 0.3 megapixels, where 0.2 are allowed: save it smaller"),
        ((12_000, 9_000), "wide.png has 12000x9000 px, 108.0 megapixels, where 0.2 are allowed: save it smaller"),
    ],
)
def test_an_image_that_is_too_large_is_refused_in_words_of_the_page(
    page: Any, tmp_path: Path, size: tuple[int, int], said: str
) -> None:
    Image.new("1", size).save(tmp_path / "wide.png")
    upload(page, tmp_path / "wide.png")
    restore_button(page).click()
    page.get_by_text(said).wait_for()
    assert page.get_by_text("max_megapixels").count() == 0


def test_results_do_not_stand_beside_another_image_or_network(page: Any, tmp_path: Path) -> None:
    def show(button: Any) -> None:
        button.click()
        visible(page, ".prose.numbers").filter(has_text="restored by").wait_for()

    open_simulation(page)
    show(blur_button(page))
    fill(page, "Number of the face", 2)
    wait_until_empty(page)
    show(blur_button(page))
    page.get_by_label("My own sharp image").check()
    wait_until_empty(page)
    page.get_by_role("tab", name="Restore a photo").click()
    upload(page, colors(tmp_path))
    show(restore_button(page))
    page.get_by_label("Network").first.click()
    page.get_by_role("option", name="defocus").click()
    wait_until_empty(page)
    show(restore_button(page))
    clear(page)
    wait_until_empty(page)
    restore_button(page).click()
    page.get_by_text("There is no image yet: drop one.").wait_for()
    upload(page, colors(tmp_path, "another.png"))
    wait_until_empty(page)


def test_a_result_that_comes_after_another_image_was_chosen_is_not_shown(page: Any, tmp_path: Path) -> None:
    held: list[Any] = []
    page.route("**/queue/data*", lambda route: route.continue_() if held else held.append(route))
    upload(page, colors(tmp_path, "first.png"))
    restore_button(page).click()
    clear(page)
    upload(page, colors(tmp_path, "second.png"))
    with page.expect_response("**/queue/data*") as answered:
        held[0].continue_()
    answered.value.finished()
    page.wait_for_timeout(3000)  # in which it would be shown
    wait_until_empty(page)
    restore_button(page).click()
    page.get_by_text("second.png was restored by").wait_for()
    assert not outputs_are_empty(page)


def test_an_image_that_is_gone_is_asked_for_again(page: Any, demo: Demo, tmp_path: Path) -> None:
    upload(page, colors(tmp_path, "old.png"))
    for path in demo.temporary.rglob("old.png"):
        path.unlink()
    restore_button(page).click()
    page.get_by_text("This file is here no longer: drop it again.").wait_for()


@pytest.mark.parametrize("status", [403, 503])
def test_what_the_server_refuses_is_told_and_gone_with_the_next_result(page: Any, status: int) -> None:
    open_simulation(page)
    blur_button(page).click()
    page.get_by_text("PSNR before").wait_for()
    page.route("**/queue/join*", lambda route: route.fulfill(status=status, json={"detail": "This is refused."}))
    blur_button(page).click()
    page.get_by_text("Press Blur and restore to try again, and reload the page if that does not help.").wait_for()
    assert outputs_are_empty(page)
    page.unroute("**/queue/join*")
    blur_button(page).click()
    page.get_by_text("PSNR before").wait_for()
    page.wait_for_function("() => !document.body.innerText.includes('Error')")
    assert page.get_by_text("to try again").count() == 0


EVIL = (
    '<img src=x onerror="window.ran=1"><script>window.ran=1</script> **bold** [link](javascript:window.ran=1) '
    "![image](http://evil.example/a.png) http://evil.example $$x^2$$ {{7*7}} ${window.ran=1} \x1b[2J"
)


def test_names_of_any_origin_are_shown_as_text(browser: Any, network: Path, tmp_path: Path) -> None:
    weights, description = read_weights(network)
    description["settings"]["blur"] |= {"name": EVIL, EVIL: EVIL}
    write_weights(tmp_path / "evil.safetensors", weights, description | {"name": EVIL})
    with Demo(tmp_path / "evil.safetensors", tmp_path / "temporary") as started:
        context = new_context(browser)
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        opened = context.new_page()
        opened.goto(started.address)
        upload(opened, colors(tmp_path, "<img src=x onerror=alert(1)> **a**.png"))
        restore_button(opened).click()
        opened.get_by_text("was restored by").wait_for()
        said = visible(opened, ".prose.numbers").inner_text()
        assert EVIL.replace("\x1b", "\ufffd") in said
        assert '<img src=x onerror="window.ran=1"><script>window.ran=1</s' in said  # the name, shortened
        assert visible(opened, ".numbers :is(img, script, a, code)").count() == 0
        assert opened.evaluate("window.ran") is None
        assert {urlsplit(url).netloc for url in asked if url.startswith("http")} == {urlsplit(started.address).netloc}
        context.close()


def test_a_file_that_no_allowed_image_needs_is_not_taken(page: Any, demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(bytes(4_000_000))
    visible(page, "input[type=file]").first.set_input_files(tmp_path / "huge.png")
    page.get_by_text(re.compile("exceed the maximum allowed size")).wait_for()
    # and neither of a program, which the page cannot stop
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="huge.png"\r\n\r\n'
    answer = post(demo, "/gradio_api/upload", body + bytes(4_000_000) + b"\r\n--x--\r\n")
    assert answer == http.client.REQUEST_ENTITY_TOO_LARGE
    assert all(path.stat().st_size < 4_000_000 for path in demo.temporary.rglob("*"))


def post(demo: Demo, path: str, body: bytes) -> int:
    connection = http.client.HTTPConnection(urlsplit(demo.address).netloc, timeout=10)
    connection.request("POST", path, body, {"Content-Type": "multipart/form-data; boundary=x"})
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_fits_a_narrow_window(page: Any, tmp_path: Path) -> None:
    page.set_viewport_size({"width": NARROW, "height": 800})
    upload(page, colors(tmp_path))
    restore_button(page).click()
    page.get_by_alt_text("After: the output of the network").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    for name in ("Restore", "Download the restored image"):
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= NARROW


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the open sockets from Linux")
def test_it_listens_to_this_computer_alone(demo: Demo) -> None:
    folder = Path(f"/proc/{demo.process.pid}/fd")
    links = [str(link.readlink()) for link in folder.iterdir() if link.is_symlink()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{demo.process.pid}/net/{table}").read_text().splitlines()[1:]
    ]
    listening = [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
    port = urlsplit(demo.address).port
    assert listening == [f"0100007F:{port:04X}"]  # 127.0.0.1, the last byte first


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        (None, "/", 200),
        ("localhost", "/", 200),
        ("evil.example", "/", 400),  # another page's name that is made to lead here
        (None, "/docs", 404),
        (None, "/openapi.json", 404),
        (None, "/gradio_api/file=/etc/passwd", 403),
        (None, f"/gradio_api/file={REPOSITORY}/pyproject.toml", 403),
        (None, "/robots.txt", 200),
    ],
)
def test_nothing_but_the_page_is_served(demo: Demo, host: str | None, path: str, status: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(demo.address).netloc, timeout=10)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    assert connection.getresponse().status == status
    connection.close()


def test_ctrl_c_ends_it_quietly_and_removes_what_was_uploaded(browser: Any, network: Path, tmp_path: Path) -> None:
    with Demo(network, tmp_path / "temporary") as started:
        opened = new_context(browser).new_page()
        opened.goto(started.address)
        Image.linear_gradient("L").save(tmp_path / "secret.png")
        upload(opened, tmp_path / "secret.png")
        restore_button(opened).click()
        opened.get_by_text("was restored by").wait_for()
        assert list(started.temporary.rglob("secret.png"))
        before = time.monotonic()
        code, printed = started.stop()  # while the page is open
        opened.close()
        assert code == 130
        assert time.monotonic() - before < 15
        assert "Traceback" not in printed
        assert printed.endswith("Stopped.\n")
        assert "error:" not in printed
        assert list(started.temporary.iterdir()) == []
