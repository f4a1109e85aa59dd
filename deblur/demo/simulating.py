"""The second tab: a sharp image is blurred, restored, and the gain is measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gradio as gr

from deblur.blur import Degradation, Slider
from deblur.demo.results import QUIETLY, Answer, Results, report, store
from deblur.demo.uploads import image_file, uploaded
from deblur.demo.visitors import Visitor, Visitors
from deblur.demo.wording import blur_text, color_text, result_text, simulated_text, training_text
from deblur.demo.work import (
    FACES,
    NOISE,
    NOISE_SLIDER,
    Networks,
    blur_and_restore,
    blur_of,
    families,
    label_of,
    sample_face,
    title_of,
)

_BUTTON: Final = "Blur and restore"
_FACE, _UPLOAD = "face", "upload"
_UNBLURRED: Final = "none"
_NOTE: Final = (
    "Take a drawn face, or drop a sharp image. It is blurred and restored, and the result is compared with it."
)


def add_simulating(networks: Networks, visitors: Visitors, max_megapixels: float) -> None:
    """Add the controls and the results; for arguments see `build_page`."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            gr.Markdown(_NOTE)
            choices = [("Sample face", _FACE), ("My own sharp image", _UPLOAD)]
            source = gr.Radio(choices, value=_FACE, label="Image")
            face = gr.Slider(1, FACES, value=1, step=1, label="Number of the face")
            upload = image_file("Sharp image", max_megapixels, visible=False)
            family, noise, strengths = _blur_controls()
            network = gr.Dropdown(networks.choices, value=networks.choices[0][1], label="Network", filterable=False)
            button = gr.Button(_BUTTON, variant="primary", elem_classes="run")
        with gr.Column(scale=3, min_width=320):
            results = Results(_BUTTON)
    source.change(None, source, [face, upload], js=_show_image(), **QUIETLY)
    family.change(None, family, [*strengths, noise], js=_show_strengths(), **QUIETLY)

    def work(visitor: Visitor, progress: gr.Progress, values: Sequence[Any]) -> Answer:
        chosen, path, number, name, of_family, of_noise, *of_strengths = values
        restorer = networks.get(name)
        blur, blurred_by = _blur(of_family, _of_family(of_family, of_strengths), of_noise)
        progress(0, desc="Reading the image")
        if chosen == _FACE:
            image, stem, called = sample_face(int(number), restorer.channels), f"face-{int(number)}", f"Face {number:g}"
        else:
            image = uploaded(path, visitor, max_megapixels)
            stem, called = Path(path).stem, Path(path).name
        outcome, gain = blur_and_restore(image, restorer, blur, report(progress, image, restorer))
        target = visitor.results() / f"{stem}-restored.png"
        store(target, outcome.after)
        is_color = image.pixels.ndim == 3
        texts = [
            simulated_text(called, blurred_by, restorer.name),
            color_text(restorer.channels, is_color=is_color),
            result_text(gain, of_luma=is_color and restorer.channels == 1),
            training_text(restorer.settings),
        ]
        return Answer(outcome, texts, target)

    inputs = [source, upload, face, network, family, noise, *strengths]
    results.fill(button, work, inputs, [source, upload, face, network], visitors)


def _blur(family: str, strengths: Mapping[str, float], noise: float) -> tuple[Degradation | None, str | None]:
    """Return the chosen blur, and its description.

    Raises:
        UserError: as `blur_of` does.
    """
    if family == _UNBLURRED:
        return None, None
    return blur_of(family, strengths, noise), blur_text(label_of(family), {**strengths, "noise_sigma": noise})


def _blur_controls() -> tuple[gr.Radio, gr.Slider, list[gr.Slider]]:
    """Add the choice of a blur, its noise, and its strengths; these are those of `_all_strengths`."""
    choices = [(label_of(name), name) for name in families()]
    first = next(iter(families()))
    family = gr.Radio([*choices, ("No blur", _UNBLURRED)], value=first, label="Blur")
    strengths = [
        _slider(slider, title_of(owner, name), visible=owner == first) for owner, name, slider in _all_strengths()
    ]
    return family, _slider(NOISE_SLIDER, NOISE.title, visible=True), strengths


def _show_image() -> str:
    """Return the JavaScript that shows the controls of the chosen image."""
    return f"""(source) =>
      [source === "{_FACE}", source !== "{_FACE}"].map((visible) => ({{__type__: "update", visible}}))"""


def _show_strengths() -> str:
    """Return the JavaScript that shows the strengths of the chosen blur, and its noise."""
    owners = json.dumps([owner for owner, _, _ in _all_strengths()])
    return f"""(family) => [...{owners}.map((owner) => owner === family), family !== "{_UNBLURRED}"]
      .map((visible) => ({{__type__: "update", visible}}))"""


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
