"""The page in a real browser, served by a real process."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from deblur.demonstration.wording import UNKNOWN_GAIN, result_in_words
from deblur.demonstration.work import blur_and_restore, blur_of, sample_face
from deblur.restoring.restorer import load

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("gradio") is None, reason="the demo needs gradio: pip install deblur-lab[demo]"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="the browser test needs: pip install playwright"),
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium to open the page with"),
]

REPOSITORY = Path(__file__).resolve().parents[2]
WIDE, NARROW = 1280, 400  # px


class Demo:
    """A running demo, with its own folder for temporary files."""

    def __init__(self, network: Path, temporary: Path) -> None:
        words = [f"run={network}", "port=0", "max_megapixels=0.2", "accelerator=cpu"]
        temporary.mkdir()
        self.temporary = temporary
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deblur.demo", *words],
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("The page is at http://127.0.0.1:"), self.process.communicate(timeout=10)
        self.address = line.split()[-1]

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what was printed."""
        self.process.send_signal(signal.SIGINT)
        printed = self.process.communicate(timeout=30)
        return self.process.returncode, "".join(printed)

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:  # the tests of it are over, or one has failed before it came to stop it
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, network_at: Callable[[Path], Path]) -> Path:
    return network_at(tmp_path_factory.mktemp("network") / "tiny.safetensors")


@pytest.fixture(scope="module")
def demo(network: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(network, tmp_path_factory.mktemp("demo") / "temporary") as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # here: it is optional

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, demo: Demo) -> Iterator[Any]:
    """The page; whatever a test does with it, it asks no other host for anything."""
    context = browser.new_context(viewport={"width": WIDE, "height": 900})
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


def fill(page: Any, label: str, value: float) -> None:
    box = page.get_by_label(f"number input for {label}")
    box.fill(f"{value:g}")
    box.press("Tab")


def upload(page: Any, path: Path) -> None:
    page.get_by_label("My own picture").check()
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text(path.stem).first.wait_for()


def downloaded(page: Any, path: Path) -> tuple[str, Image.Image]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the restored picture (PNG)").click()
    download.value.save_as(path)
    return download.value.suggested_filename, Image.open(path)


def test_a_sample_face_is_blurred_and_restored(page: Any, network: Path, tmp_path: Path) -> None:
    expected = blur_and_restore(
        sample_face(3), load(network, accelerator="cpu"), blur_of("motion", {"length": 9, "angle": 45}, 2)
    )
    fill(page, "Number of the face", 3)
    page.get_by_label("Motion").check()
    fill(page, "Length (px)", 9)
    fill(page, "Angle (degrees, counter-clockwise)", 45)
    fill(page, "Noise after the blur (grey levels of 255)", 2)
    restore_button(page).click()
    page.get_by_text(result_in_words(expected.gain)).wait_for()
    page.get_by_text("The network was trained on this blur: box (size 5 px, noise 2 grey levels).").wait_for()
    for description in ("Before: what the network was given", "After: what the network made of it"):
        picture = page.get_by_alt_text(description)
        picture.wait_for()
        page.wait_for_function("picture => picture.naturalWidth === 256", arg=picture.element_handle())
    name, restored = downloaded(page, tmp_path / "restored.png")
    assert name == "face-3-restored.png"
    assert np.array_equal(np.asarray(restored), expected.after.pixels)


def test_of_a_picture_that_is_left_as_it_is_no_gain_is_told(page: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (60, 40), (200, 90, 10)).save(tmp_path / "photo of mine.jpg", exif=exif)
    upload(page, tmp_path / "photo of mine.jpg")
    page.get_by_label("Leave it as it is").check()
    restore_button(page).click()
    page.get_by_text(UNKNOWN_GAIN).wait_for()
    name, restored = downloaded(page, tmp_path / "restored.png")
    assert name == "photo of mine-restored.png"
    assert restored.mode == "RGB"
    assert restored.size == (40, 60)


def test_what_is_no_picture_or_too_large_is_refused_in_a_sentence(page: Any, tmp_path: Path) -> None:
    restore_button(page).click()
    page.get_by_text("PSNR before").wait_for()
    (tmp_path / "notes.png").write_text("<script>no picture</script>")
    upload(page, tmp_path / "notes.png")
    restore_button(page).click()
    page.get_by_text("notes.png is not a BMP, JPEG, PNG, TIFF or WEBP picture: give an undamaged").wait_for()
    page.get_by_text("Nothing was restored.").wait_for()  # and the result of the face is gone
    assert page.locator("#slider img").count() == 0

    Image.new("L", (1000, 300)).save(tmp_path / "wide.png")
    page.reload()
    restore_button(page).wait_for()
    upload(page, tmp_path / "wide.png")
    restore_button(page).click()
    page.get_by_text("wide.png has 1000x300 px, 0.3 megapixels, where 0.2 are allowed").wait_for()


def test_a_file_that_no_allowed_picture_needs_is_not_taken(page: Any, demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(bytes(4_000_000))
    page.get_by_label("My own picture").check()
    page.locator("input[type=file]").set_input_files(tmp_path / "huge.png")
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


def test_it_fits_a_narrow_window(page: Any) -> None:
    page.set_viewport_size({"width": NARROW, "height": 800})
    restore_button(page).click()
    page.get_by_alt_text("After: what the network made of it").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    for name in ("Restore", "Download the restored picture (PNG)"):
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
    ],
)
def test_nothing_but_the_page_is_served(demo: Demo, host: str | None, path: str, status: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(demo.address).netloc, timeout=10)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    assert connection.getresponse().status == status
    connection.close()


def test_ctrl_c_ends_it_quietly_and_removes_what_was_uploaded(browser: Any, network: Path, tmp_path: Path) -> None:
    with Demo(network, tmp_path / "temporary") as started:
        opened = browser.new_page()
        opened.goto(started.address)
        Image.linear_gradient("L").save(tmp_path / "secret.png")
        upload(opened, tmp_path / "secret.png")
        restore_button(opened).click()
        opened.get_by_text("PSNR before").wait_for()
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
