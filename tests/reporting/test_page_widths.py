"""The page in a browser, in windows of a desktop and of a phone."""

from collections.abc import Callable
from pathlib import Path

from chromium import NEEDS_CHROMIUM, chromium
from run_files import write_report, write_samples

Files = Callable[..., Path]

pytestmark = NEEDS_CHROMIUM

WIDER_THAN_THE_WINDOW = """() => [...document.querySelectorAll("body *")]
  .filter(one => !one.closest(".scroll") || one.className === "scroll")
  .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(one => one.outerHTML.slice(0, 80))"""
SCROLLED = """() => [...document.querySelectorAll(".scroll")].filter(one => one.scrollWidth > one.clientWidth).length"""


def test_wide_tables_scroll_in_their_box_and_the_page_does_not(
    make_measured: Files, sweep: Path, tmp_path: Path
) -> None:
    for model in ("srcnn_915", "srcnn_9315"):
        for lr in (0.001, 0.0001):
            name = f"{model}-box-lr_{lr}-a_long_setting_{'x' * 60}-seed_0"
            write_samples(make_measured(name, [lr * 1000, 2.0], ["one", "two"], model=model, lr=lr), "one")
    page = write_report([sweep], tmp_path / "out")
    with chromium() as browser:
        for width in (1280, 400):
            shown = browser.new_page(viewport={"width": width, "height": 900})
            shown.goto(page.as_uri())
            assert shown.evaluate(WIDER_THAN_THE_WINDOW) == []
            assert shown.evaluate("document.documentElement.scrollWidth") == width
            if width == 400:
                assert shown.evaluate(SCROLLED) > 3
            else:
                used = shown.evaluate("document.querySelector('h2').getBoundingClientRect().width")
                assert used > 0.9 * width
