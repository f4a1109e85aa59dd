"""The page itself: controls on the left, before and after on the right."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gradio as gr

from deblur.blur import Slider
from deblur.blur.registry import import_families
from deblur.demo.networks import Networks
from deblur.demo.visitors import KEPT_FOR, Visitor, Visitors
from deblur.demo.wording import (
    blur_text,
    paragraphs,
    plain,
    resized_text,
    result_text,
    training_text,
    work_text,
)
from deblur.demo.work import (
    FACES,
    LARGEST_READ,
    NOISE,
    NOISE_SLIDER,
    blur_and_restore,
    blur_of,
    families,
    fitted,
    label_of,
    read_upload,
    sample_face,
    title_of,
)
from deblur.errors import UserError
from deblur.image_io.images import DecodedImage
from deblur.image_io.writing import write_image

TITLE: Final = "deblur: make a blurred image sharper"
CSS: Final = """
.gradio-container { max-width: 1280px !important; margin: auto !important; }
footer { display: none !important; }
.usage_error { border-left: 4px solid #b91c1c; padding-left: 12px; }
#slider [data-testid="status-tracker"]:has(.error) { display: none !important; } /* what is wrong stands below */
"""
# Gradio's slider describes its images to nobody: say what they are whenever they appear. What a network made of a
# image is read out when it is there, and so is a mistake.
# An error that gradio has told goes when the next image is asked for.
SCRIPT: Final = """() => {
  document.addEventListener("click", (event) => {
    if (event.target.closest("#restore")) document.querySelectorAll(".toast-close").forEach((one) => one.click());
  });
  const describe = () => {
    document.querySelectorAll("#slider img").forEach((image, place) => {
      image.alt = place ? "After: what the network made of it" : "Before: what the network was given";
    });
    document.querySelector("#numbers")?.setAttribute("aria-live", "polite");
  };
  new MutationObserver(describe).observe(document.body, {childList: true, subtree: true});
}"""
_INTRODUCTION: Final = (
    "Take a drawn face, which is blurred here and restored, or drop a blurred image of your own, and slide between "
    "it and what a small network (SRCNN) makes of it. Images stay on the computer that runs this page, and are "
    "deleted after an hour, or when it ends."
)
_LIMITS: Final = (
    "A network undoes the blurs that it was trained on. On others it gains little, or makes an image worse; and what "
    "a blur has removed altogether does not come back."
)
_FACE, _UPLOAD = "face", "upload"
_WAITING_FOR_PRESS: Final = "Press Restore to see before and after here."
_NOTHING: Final = "Nothing was restored."
_TRY_AGAIN: Final = "Press Restore to try again, and reload the page if that does not help."


def _emptied(said: str) -> str:
    """Return results without images, in the words of the browser."""
    return f"[null, {json.dumps(said)}, {{__type__: 'update', value: null, interactive: false}}]"


_FAIL: Final = f"() => {_emptied(paragraphs([_NOTHING, _TRY_AGAIN], is_usage_error=True))}"
_FORGET: Final = f"() => {_emptied(_WAITING_FOR_PRESS)}"
_FORGET_OTHER: Final = f"""(source, upload, face, of) =>
  of === (source === "{_UPLOAD}" ? upload?.path ?? "" : `face ${{face}}`)
    ? Array(3).fill({{__type__: "update"}}) : {_emptied(_WAITING_FOR_PRESS)}"""
_UNBLURRED: Final = "none"
_LEAVE: Final = ("Leave it as it is", _UNBLURRED)
_OWN_IS_LEFT: Final = (
    "Your image is restored as you drop it, reduced to {megapixels:g} megapixels if it has more. Choose a blur only "
    "to try a network on an image that is sharp."
)
_WAITING: Final = 8  # people; one is served at a time
_MOST_SESSIONS: Final = 200  # tabs whose controls gradio remembers
_CLEANED_EVERY: Final = 600  # s; uploads and results of a page that goes on for days
_NOT_FOR_PROGRAMS: Final = "private"  # which functions behind the page others may call: none

_log = logging.getLogger(__name__)

Shown = tuple[tuple[str, str] | None, str, dict[str, Any]]  # before and after, what is said, the download


@dataclass(frozen=True)
class _Asked:
    """What was chosen on the page."""

    source: str
    upload: str | None
    face: int
    family: str
    strengths: dict[str, float]
    noise: float
    network: str


def build_page(networks: Networks, visitors: Visitors, max_megapixels: float) -> gr.Blocks:
    """Build the page.

    Args:
        networks: to choose from.
        visitors: whose images are whose.
        max_megapixels: what a network is given; larger images are made smaller.
    """

    def restore(
        request: gr.Request,
        source: str,
        upload: str | None,
        face: float,
        of_face: str,
        of_upload: str,
        noise: float,
        network: str,
        *strengths: float,
    ) -> tuple[str, *Shown]:
        family = of_face if source == _FACE else of_upload
        asked = _Asked(source, upload, int(face), family, _of_family(family, strengths), noise, network)
        try:
            token = visitors.token_in(request.headers.get("cookie", ""))
            if token is None:
                raise UserError("This page does not know you: reload it.")
            shown = _restored(asked, networks, visitors.visitor(token), max_megapixels)
        except UserError as error:
            shown = _usage_error(str(error))
        except MemoryError:
            shown = _usage_error("The image needs more memory than this computer has: drop a smaller one.")
        except Exception:
            _log.exception("An image could not be restored.")
            shown = _usage_error("The program has failed. The terminal of the computer that runs this page tells more.")
        return f"face {asked.face}" if source == _FACE else upload or "", *shown

    import_families(networks.trusted)
    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(_CLEANED_EVERY, KEPT_FOR))
    with page:
        gr.Markdown(f"# {TITLE}\n\n{_INTRODUCTION}")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                source = gr.Radio([("Sample face", _FACE), ("My own image", _UPLOAD)], value=_FACE, label="Image")
                face, upload = _image_controls()
                of_face, of_upload, noise, strengths = _blur_controls(max_megapixels)
                network = gr.Dropdown(networks.choices, value=networks.names[0], label="Network", filterable=False)
                button = gr.Button("Restore", variant="primary", elem_id="restore")
            with gr.Column(scale=3, min_width=320):
                slider = gr.ImageSlider(
                    label="Before (left) and after (right)",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    max_height=640,
                    elem_id="slider",
                )
                # What it shows may come from a file: nothing in it is taken for a formula.
                numbers = gr.Markdown(_WAITING_FOR_PRESS, elem_id="numbers", latex_delimiters=[])
                download = gr.DownloadButton("Download the restored image (PNG)", interactive=False)
                of = gr.Textbox(visible=False)  # which image these are of
        absent = f"Not available here: the networks {', '.join(networks.absent)}." if networks.absent else ""
        gr.Markdown("\n\n".join(filter(None, (plain(absent), _LIMITS))))
        results = [slider, numbers, download]
        clicked = button.click(
            restore,
            [source, upload, face, of_face, of_upload, noise, network, *strengths],
            [of, *results],
            concurrency_limit=1,
            show_progress_on=slider,
            api_visibility=_NOT_FOR_PROGRAMS,
        )
        # What gradio itself refuses: the results of an earlier image must not stand beside a later one's mistake.
        clicked.failure(None, None, results, js=_FAIL, **_QUIETLY)
        # Nor beside another image than the one that they are of. In the browser: asked of the server, it could come
        # after the results of the next one.
        for changed in (source.change, upload.change, face.change):
            changed(None, None, results, js=_FORGET, **_QUIETLY)
        clicked.success(None, [source, upload, face, of], results, js=_FORGET_OTHER, **_QUIETLY)
        shown = [face, upload, of_face, of_upload, *strengths, noise]
        for control in (source, of_face, of_upload):
            control.change(None, [source, of_face, of_upload], shown, js=_show(), **_QUIETLY)
    page.queue(max_size=_WAITING, api_open=False, default_concurrency_limit=1)
    # What `launch()` would set: without the first, gradio takes any path of this computer for an uploaded image.
    page.has_launched = True
    page.state_session_capacity = _MOST_SESSIONS
    return page


_QUIETLY: Final[dict[str, Any]] = {
    "show_progress": "hidden",
    "api_visibility": _NOT_FOR_PROGRAMS,
    "concurrency_limit": None,
}


def page_theme() -> gr.Theme:
    """Return how the page looks: in fonts of the reader's own system, with buttons and texts of enough contrast."""
    theme = gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")


def _restored(asked: _Asked, networks: Networks, visitor: Visitor, max_megapixels: float) -> Shown:
    """Restore what was asked for.

    Raises:
        UserError: in words for who sees the page alone.
    """
    restorer = networks.get(asked.network)
    blur = None if asked.family == _UNBLURRED else blur_of(asked.family, asked.strengths, asked.noise)
    image, name = _given(asked, visitor)
    smaller = fitted(image, max_megapixels)
    outcome = blur_and_restore(smaller, restorer, blur, is_sharp=asked.source == _FACE)
    place = visitor.results()
    stem = f"face-{asked.face}" if asked.source == _FACE else Path(name).stem
    before, after = place / f"{stem}-before.png", place / f"{stem}-restored.png"
    try:
        write_image(before, outcome.before)
        write_image(after, outcome.after)
    except UserError as error:
        _log.error("%s", error)
        raise UserError("The result could not be stored on the computer that runs this page.") from error
    said = paragraphs(
        [
            work_text(name, None if blur is None else _choice_text(asked), restorer.name),
            resized_text(image.pixels.shape[:2], smaller.pixels.shape[:2], max_megapixels),
            result_text(outcome.gain),
            training_text(restorer.settings),
        ]
    )
    return (str(before), str(after)), said, gr.update(value=str(after), interactive=True)


def _choice_text(asked: _Asked) -> str:
    """Return the blur that was chosen, with its parameters."""
    return blur_text(label_of(asked.family), asked.strengths | {"noise_sigma": asked.noise})


def _given(asked: _Asked, visitor: Visitor) -> tuple[DecodedImage, str]:
    """Return the image that was chosen, and its name.

    Raises:
        UserError: where there is none, or it is none.
    """
    if asked.source == _FACE:
        return sample_face(asked.face), f"Face {asked.face}"
    if asked.upload is None:
        raise UserError("There is no image yet: drop one, or take a sample face.")
    if not visitor.owns(asked.upload):
        raise UserError("This image is here no longer: drop it again.")
    path = Path(asked.upload)
    return read_upload(path, LARGEST_READ), path.name


def _usage_error(sentence: str) -> Shown:
    said = paragraphs([_NOTHING, sentence], is_usage_error=True)
    return None, said, gr.update(value=None, interactive=False)


def _image_controls() -> tuple[gr.Slider, gr.File]:
    """Add the choice of a face, and the place for an image, of which one is seen."""
    face = gr.Slider(1, FACES, value=1, step=1, label="Number of the face")
    # No gr.Image: it would turn, convert and shrink the image before it is read here.
    return face, gr.File(label="PNG, JPEG, WebP, TIFF or BMP", visible=False, height=180)


def _blur_controls(max_megapixels: float) -> tuple[gr.Radio, gr.Radio, gr.Slider, list[gr.Slider]]:
    """Add the choice of a blur, one for faces and one for images; the strengths are those of `_all_strengths`."""
    choices = [(label_of(name), name) for name in families()]
    first = next(iter(families()))
    of_face = gr.Radio([*choices, _LEAVE], value=first, label="Blur it first")
    info = _OWN_IS_LEFT.format(megapixels=max_megapixels)
    of_upload = gr.Radio([_LEAVE, *choices], value=_UNBLURRED, label="Blur it first?", info=info, visible=False)
    strengths = [
        _slider(slider, title_of(owner, name), visible=owner == first) for owner, name, slider in _all_strengths()
    ]
    noise = _slider(NOISE_SLIDER, NOISE.title, visible=True)
    return of_face, of_upload, noise, strengths


def _show() -> str:
    """Return what shows the controls of what is chosen: a face or an image, the blur of each, its strengths."""
    owners = json.dumps([owner for owner, _, _ in _all_strengths()])
    return f"""(source, ofFace, ofUpload) => {{
      const isFace = source === "{_FACE}", family = isFace ? ofFace : ofUpload;
      const strengths = {owners}.map((owner) => owner === family);
      const shown = [isFace, !isFace, isFace, !isFace, ...strengths, family !== "{_UNBLURRED}"];
      return shown.map((visible) => ({{__type__: "update", visible}}));
    }}"""


def _slider(slider: Slider, title: str, visible: bool) -> gr.Slider:
    return gr.Slider(
        slider.lowest,
        slider.highest,
        value=slider.start,
        step=slider.step,
        label=title,
        visible=visible,
        buttons=[],
    )


def _all_strengths() -> list[tuple[str, str, Slider]]:
    """Return the slider of each parameter of each family, with the names of both, in their order on the page."""
    return [(owner, name, slider) for owner, sliders in families().items() for name, slider in sliders.items()]


def _of_family(family: str, values: Sequence[float]) -> dict[str, float]:
    """Return the parameters of one family by name, of the values of all sliders."""
    return {name: value for (owner, name, _), value in zip(_all_strengths(), values, strict=True) if owner == family}
