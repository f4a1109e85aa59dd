"""The page itself: controls on the left, before and after on the right."""

import html
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import gradio as gr

from deblur.demonstration.networks import Networks
from deblur.demonstration.wording import result_in_words, training_in_words
from deblur.demonstration.work import (
    FACES,
    FAMILIES,
    NOISE,
    Strength,
    blur_and_restore,
    blur_of,
    read_upload,
    sample_face,
)
from deblur.errors import UserError
from deblur.restoring.writing import write_picture

TITLE: Final = "deblur: make a blurred picture sharper"
CSS: Final = """
.gradio-container { max-width: 1280px !important; margin: auto !important; }
footer { display: none !important; }
"""
# Gradio's slider describes its pictures to nobody: say what they are whenever they appear.
SCRIPT: Final = """() => {
  const describe = () => document.querySelectorAll("#slider img").forEach((image, place) => {
    image.alt = place ? "After: what the network made of it" : "Before: what the network was given";
  });
  new MutationObserver(describe).observe(document.body, {childList: true, subtree: true});
}"""
_INTRODUCTION: Final = (
    "Take a drawn face or drop a picture, blur it or leave it as it is, and slide between it and what a small network "
    "(SRCNN) makes of it. Pictures stay on the computer that runs this page, and are deleted when it ends."
)
_LIMITS: Final = "What such networks can and cannot do: see `docs/limits.md` of this project."
_UNBLURRED: Final = "none"
_FACE, _UPLOAD = "face", "upload"
_WAITING: Final = 8  # people; one is served at a time
_CLEANED_EVERY, _KEPT_FOR = 600, 3600  # s; uploads and results of a page that goes on for days
_NOT_FOR_PROGRAMS: Final = "private"  # which functions behind the page others may call: none


def build_page(networks: Networks, folder: Path, max_megapixels: float) -> gr.Blocks:
    """Build the page.

    Args:
        networks: to choose from.
        folder: where results go; gradio may serve what is in it.
        max_megapixels: largest picture that is taken.
    """

    def restore(
        source: str, upload: str | None, face: float, family: str, noise: float, network: str, *strengths: float
    ) -> tuple[tuple[str, str], str, dict[str, Any]]:
        try:
            restorer = networks.get(network)
            blur = None if family == _UNBLURRED else blur_of(family, _by_name(strengths), noise)
            if source == _FACE:
                picture, name = sample_face(int(face)), f"face-{int(face)}"
            elif upload is None:
                raise UserError("There is no picture yet: drop one, or take a sample face.")
            else:
                picture, name = read_upload(Path(upload), max_megapixels), Path(upload).stem
            outcome = blur_and_restore(picture, restorer, blur, is_sharp=source == _FACE)
            place = Path(tempfile.mkdtemp(dir=folder))
            before, after = place / f"{name}-before.png", place / f"{name}-restored.png"
            write_picture(before, outcome.before)
            write_picture(after, outcome.after)
        except UserError as error:
            # The page takes the text for HTML, and a file's name may hold some.
            raise gr.Error(html.escape(str(error)), duration=None, print_exception=False) from None
        said = f"**{result_in_words(outcome.gain)}**\n\n{training_in_words(restorer.settings)}"
        return (str(before), str(after)), said, gr.update(value=str(after), interactive=True)

    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(_CLEANED_EVERY, _KEPT_FOR))
    with page:
        gr.Markdown(f"# {TITLE}\n\n{_INTRODUCTION}")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                source, upload, face = _source_controls(max_megapixels)
                family, noise, strengths = _blur_controls()
                network = gr.Dropdown(networks.choices, value=networks.names[0], label="Network", filterable=False)
                button = gr.Button("Restore", variant="primary")
            with gr.Column(scale=3, min_width=320):
                slider = gr.ImageSlider(
                    label="Before (left) and after (right)",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    max_height=640,
                    elem_id="slider",
                )
                numbers = gr.Markdown("Press Restore to see before and after here.", elem_id="numbers")
                download = gr.DownloadButton("Download the restored picture (PNG)", interactive=False)
        gr.Markdown("\n\n".join(filter(None, (networks.missing, _LIMITS))))
        clicked = button.click(
            restore,
            [source, upload, face, family, noise, network, *strengths],
            [slider, numbers, download],
            concurrency_limit=1,
            show_progress_on=slider,
            api_visibility=_NOT_FOR_PROGRAMS,
        )
        # The results of an earlier picture must not stand beside a later one's mistake.
        clicked.failure(
            _no_result,
            None,
            [slider, numbers, download],
            queue=False,
            show_progress="hidden",
            api_visibility=_NOT_FOR_PROGRAMS,
        )
    page.queue(max_size=_WAITING, api_open=False, default_concurrency_limit=1)
    return page


def page_theme() -> gr.Theme:
    """Return how the page looks: in fonts of the reader's own system, with buttons of enough contrast."""
    return gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"])


def _no_result() -> tuple[None, str, dict[str, Any]]:
    return None, "Nothing was restored.", gr.update(value=None, interactive=False)


def _source_controls(max_megapixels: float) -> tuple[gr.Radio, gr.File, gr.Slider]:
    """Add the choice of a picture."""
    source = gr.Radio([("Sample face", _FACE), ("My own picture", _UPLOAD)], value=_FACE, label="Picture")
    face = gr.Slider(1, FACES, value=1, step=1, label="Number of the face")
    # No gr.Image: it would turn, convert and shrink the picture before it is read here.
    upload = gr.File(
        label=f"PNG, JPEG, WebP, TIFF or BMP, up to {max_megapixels:g} megapixels", visible=False, height=180
    )

    def show(chosen: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return gr.update(visible=chosen == _FACE), gr.update(visible=chosen == _UPLOAD)

    source.change(show, source, [face, upload], queue=False, show_progress="hidden", api_visibility=_NOT_FOR_PROGRAMS)
    return source, upload, face


def _blur_controls() -> tuple[gr.Radio, gr.Slider, list[gr.Slider]]:
    """Add the choice of a blur; the strengths are those of `_all_strengths`."""
    choices = [(family.label, name) for name, family in FAMILIES.items()]
    first = next(iter(FAMILIES))
    family = gr.Radio([*choices, ("Leave it as it is", _UNBLURRED)], value=first, label="Blur it first")
    strengths = [_slider(strength, visible=owner == first) for owner, strength in _all_strengths()]
    noise = _slider(NOISE, visible=True)

    def show(chosen: str) -> list[dict[str, Any]]:
        shown = [gr.update(visible=owner == chosen) for owner, _ in _all_strengths()]
        return [*shown, gr.update(visible=chosen != _UNBLURRED)]

    family.change(
        show, family, [*strengths, noise], queue=False, show_progress="hidden", api_visibility=_NOT_FOR_PROGRAMS
    )
    return family, noise, strengths


def _slider(strength: Strength, visible: bool) -> gr.Slider:
    return gr.Slider(
        strength.lowest,
        strength.highest,
        value=strength.start,
        step=strength.step,
        label=strength.label,
        visible=visible,
        buttons=[],
    )


def _all_strengths() -> list[tuple[str, Strength]]:
    """Return each family's parameters with its name, in the order of their sliders."""
    return [(name, strength) for name, family in FAMILIES.items() for strength in family.strengths]


def _by_name(values: Sequence[float]) -> dict[str, float]:
    return {strength.name: value for (_, strength), value in zip(_all_strengths(), values, strict=True)}
