"""The page itself: controls on the left, before and after on the right."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gradio as gr

from deblur.blur import Degradation, Slider
from deblur.blur.families import import_families
from deblur.demo.visitors import KEPT_FOR, Visitor, Visitors
from deblur.demo.wording import (
    blur_text,
    color_text,
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
    Networks,
    Outcome,
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
CSS, SCRIPT = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
_INTRODUCTION: Final = (
    "Take a drawn face, which is blurred here and restored, or drop a blurred image of your own, and slide between "
    "it and the output of a small network (SRCNN). Images stay on the computer that runs this page, and are deleted "
    "after an hour, or when it ends."
)
_LIMITS: Final = (
    "A network undoes the blurs that it was trained on. On others it gains little, or degrades an image. What a blur "
    "has removed cannot be recovered."
)
_FACE, _UPLOAD = "face", "upload"
_WAITING_FOR_PRESS: Final = "Press Restore to see before and after here."
_NOTHING: Final = "Nothing was restored."
_TRY_AGAIN: Final = "Press Restore to try again, and reload the page if that does not help."


def _emptied(said: str) -> str:
    """Return results without images, in JavaScript."""
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
_CLEANED_EVERY: Final = 600  # s; uploads and results of a page that runs for days
_NOT_FOR_PROGRAMS: Final = "private"  # visibility of the functions behind the page
_QUIETLY: Final[dict[str, Any]] = {
    "show_progress": "hidden",
    "api_visibility": _NOT_FOR_PROGRAMS,
    "concurrency_limit": None,
}

_log = logging.getLogger(__name__)

Shown = tuple[tuple[str, str] | None, str, dict[str, Any]]  # before and after, the text, the download


def build_page(networks: Networks, visitors: Visitors, max_megapixels: float) -> gr.Blocks:
    """Build the page.

    Args:
        networks: to choose from.
        visitors: the owners of images.
        max_megapixels: the largest image that a network is given; larger ones are reduced.
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
        is_face, number = source == _FACE, int(face)
        family = of_face if is_face else of_upload
        try:
            token = visitors.token_in(request.headers.get("cookie", ""))
            if token is None:
                raise UserError("This page does not know you: reload it.")
            visitor, restorer = visitors.visitor(token), networks.get(network)
            blur, blurred_by = _blur(family, _of_family(family, strengths), noise)
            if is_face:
                image, name = sample_face(number, restorer.channels), f"Face {number}"
            else:
                image, name = _uploaded(upload, visitor)
            smaller, is_color = fitted(image, max_megapixels), image.pixels.ndim == 3
            outcome = blur_and_restore(smaller, restorer, blur, is_sharp=is_face)
            before, after = _stored(outcome, visitor, f"face-{number}" if is_face else Path(name).stem)
            said = paragraphs(
                [
                    work_text(name, blurred_by, restorer.name),
                    resized_text(image.pixels.shape[:2], smaller.pixels.shape[:2], max_megapixels),
                    color_text(restorer.channels, is_color=is_color),
                    result_text(outcome.gain, of_luma=is_color and restorer.channels == 1),
                    training_text(restorer.settings),
                    restorer.caveat,
                ]
            )
            shown: Shown = (before, after), said, gr.update(value=after, interactive=True)
        except UserError as error:
            shown = _usage_error(str(error))
        except MemoryError:
            shown = _usage_error("The image needs more memory than this computer has: drop a smaller one.")
        except Exception:
            _log.exception("An image could not be restored.")
            shown = _usage_error(
                "The program has failed. The terminal of the computer that runs this page has the details."
            )
        return f"face {number}" if is_face else upload or "", *shown

    import_families(networks.trusted)
    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(_CLEANED_EVERY, KEPT_FOR))
    with page:
        gr.Markdown(f"# {TITLE}\n\n{_INTRODUCTION}")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                source = gr.Radio([("Sample face", _FACE), ("My own image", _UPLOAD)], value=_FACE, label="Image")
                face, upload = _image_controls()
                of_face, of_upload, noise, strengths = _blur_controls(max_megapixels)
                network = gr.Dropdown(networks.choices, value=networks.choices[0][1], label="Network", filterable=False)
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
                # Its text may come from a file: nothing in it is rendered as a formula.
                numbers = gr.Markdown(_WAITING_FOR_PRESS, elem_id="numbers", latex_delimiters=[])
                download = gr.DownloadButton("Download the restored image (PNG)", interactive=False)
                of = gr.Textbox(visible=False)  # the image of these results
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
        # If gradio itself refuses, the results of an earlier image must not stay.
        clicked.failure(None, None, results, js=_FAIL, **_QUIETLY)
        # Nor those of another image. In the browser: from the server, this could arrive after the next results.
        for changed in (source.change, upload.change, face.change):
            changed(None, None, results, js=_FORGET, **_QUIETLY)
        clicked.success(None, [source, upload, face, of], results, js=_FORGET_OTHER, **_QUIETLY)
        shown = [face, upload, of_face, of_upload, *strengths, noise]
        for control in (source, of_face, of_upload):
            control.change(None, [source, of_face, of_upload], shown, js=_show(), **_QUIETLY)
    page.queue(max_size=_WAITING, api_open=False, default_concurrency_limit=1)
    # As `launch()` does: without the first, gradio accepts any path of this computer as an uploaded image.
    page.has_launched = True
    page.state_session_capacity = _MOST_SESSIONS
    return page


def page_theme() -> gr.Theme:
    """Return the style of the page: system fonts, and enough contrast."""
    theme = gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")


def _blur(family: str, strengths: Mapping[str, float], noise: float) -> tuple[Degradation | None, str | None]:
    """Return the chosen blur, and its description.

    Raises:
        UserError: as `blur_of` does.
    """
    if family == _UNBLURRED:
        return None, None
    return blur_of(family, strengths, noise), blur_text(label_of(family), {**strengths, "noise_sigma": noise})


def _uploaded(upload: str | None, visitor: Visitor) -> tuple[DecodedImage, str]:
    """Return an image that was dropped on the page, and its name.

    Raises:
        UserError: if there is none, or it cannot be read.
    """
    if upload is None:
        raise UserError("There is no image yet: drop one, or take a sample face.")
    if not visitor.owns(upload):
        raise UserError("This image is here no longer: drop it again.")
    path = Path(upload)
    return read_upload(path, LARGEST_READ), path.name


def _stored(outcome: Outcome, visitor: Visitor, stem: str) -> tuple[str, str]:
    """Write both images, and return their paths.

    Raises:
        UserError: if they cannot be written, in words for a reader of the page.
    """
    place = visitor.results()
    before, after = place / f"{stem}-before.png", place / f"{stem}-restored.png"
    try:
        write_image(before, outcome.before)
        write_image(after, outcome.after)
    except UserError as error:
        _log.error("%s", error)
        raise UserError("The result could not be stored on the computer that runs this page.") from error
    return str(before), str(after)


def _usage_error(sentence: str) -> Shown:
    said = paragraphs([_NOTHING, sentence], is_usage_error=True)
    return None, said, gr.update(value=None, interactive=False)


def _image_controls() -> tuple[gr.Slider, gr.File]:
    """Add the choice of a face and of a file, of which one is visible."""
    face = gr.Slider(1, FACES, value=1, step=1, label="Number of the face")
    # No gr.Image: it would rotate, convert and reduce the image before it is read here.
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
    """Return the JavaScript that shows the controls of the chosen image and blur."""
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
