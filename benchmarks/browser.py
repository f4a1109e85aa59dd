"""How long the static page takes for a photo: `python -m benchmarks.browser [FOLDER] [--side 1000]`.

FOLDER is what `make browser` has written. Chromium, which playwright starts (`pip install playwright`), restores a
square color image of drawings several times, as the page tells it: from the decoded photo to the result, with the start
of the workers and the gate. The first time also loads the files.
"""

import argparse
import functools
import http.server
import re
import shutil
import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.results import write_table
from deblur.synthesis import IMAGE_SIZE
from deblur.synthesis.leaves import draw

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
PATIENCE: Final = 600_000  # ms


class _Files(http.server.SimpleHTTPRequestHandler):
    """A server of files that prints nothing."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs/browser"), help="default %(default)s")
    parser.add_argument("--side", type=int, default=1000, help="of the image [px] (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="default %(default)s")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        sys.exit("There is no Chromium to open the page with: install it.")
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "photo.png"
        count = -(-options.side // IMAGE_SIZE)
        rows = [np.hstack([draw(0, count * row + column, "rgb") for column in range(count)]) for row in range(count)]
        Image.fromarray(np.vstack(rows)[: options.side, : options.side]).save(image)
        taken = seconds(options.folder, image, program, options.repeats)
    row = {"megapixels": options.side**2 / 1e6, "first [s]": taken[0], "median [s]": statistics.median(taken[1:])}
    write_table("browser", f"The page in {options.folder}, in Chromium", [row | {"fastest [s]": min(taken)}])


def seconds(folder: Path, image: Path, program: str, repeats: int) -> list[float]:
    """Return how long each restoration of an image takes, as the page tells it [s]."""
    from playwright.sync_api import sync_playwright  # it is optional

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    taken = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        for _ in range(repeats):
            page.locator("#file:enabled").set_input_files(image)
            page.locator("#result").wait_for(state="hidden")
            page.locator("#result").wait_for(state="visible")
            (found,) = re.findall(r"in ([\d.]+) seconds", page.locator("#status").inner_text())
            taken.append(float(found))
        browser.close()
    server.shutdown()
    return taken


if __name__ == "__main__":
    main()
