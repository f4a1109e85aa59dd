"""The page itself: a tab that restores a photo, and one that blurs a sharp image first."""

from pathlib import Path
from typing import Final

import gradio as gr

from deblur.blur.families import import_families
from deblur.demo.restoring import add_restoring
from deblur.demo.simulating import add_simulating
from deblur.demo.visitors import KEPT_FOR, Visitors
from deblur.demo.wording import plain
from deblur.demo.work import Networks

TITLE: Final = "deblur: make a blurred image sharper"
CSS, SCRIPT = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
_INTRODUCTION: Final = (
    "Drop a blurred photo, and slide between it and the output of a small network (SRCNN). Images stay on the computer "
    "that runs this page, and are deleted after an hour, or when it ends."
)
_LIMITS: Final = (
    "A network undoes the blurs that it was trained on. On others it gains little, or degrades an image. What a blur "
    "has removed cannot be recovered."
)
_WAITING: Final = 8  # people; one is served at a time
_MOST_SESSIONS: Final = 200  # tabs whose controls gradio remembers
_CLEANED_EVERY: Final = 600  # s; uploads and results of a page that runs for days


def build_page(networks: Networks, visitors: Visitors, max_megapixels: float) -> gr.Blocks:
    """Build the page.

    Args:
        networks: to choose from.
        visitors: the owners of images.
        max_megapixels: the largest image that is taken; larger ones are refused.
    """
    import_families(networks.trusted)
    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(_CLEANED_EVERY, KEPT_FOR))
    with page:
        gr.Markdown(f"# {TITLE}\n\n{_INTRODUCTION}")
        with gr.Tab("Restore a photo"):
            add_restoring(networks, visitors, max_megapixels)
        with gr.Tab("Simulate a blur"):
            add_simulating(networks, visitors, max_megapixels)
        absent = f"Not available here: the networks {', '.join(networks.absent)}." if networks.absent else ""
        gr.Markdown("\n\n".join(filter(None, (plain(absent), _LIMITS))))
    page.queue(max_size=_WAITING, api_open=False, default_concurrency_limit=1)
    # As `launch()` does: without the first, gradio accepts any path of this computer as an uploaded image.
    page.has_launched = True
    page.state_session_capacity = _MOST_SESSIONS
    return page


def page_theme() -> gr.Theme:
    """Return the style of the page: system fonts, and enough contrast."""
    theme = gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")
