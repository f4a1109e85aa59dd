"""The first tab: a photo is restored as it is."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import gradio as gr

from deblur.demo.results import QUIETLY, Answer, Results, report, report_tiles, store
from deblur.demo.uploads import image_file, owned, uploaded
from deblur.demo.visitors import Visitor, Visitors
from deblur.demo.wording import UNKNOWN_GAIN, color_text, estimated_text, left_text, restored_text, training_text
from deblur.demo.work import (
    PREVIEW_MEGAPIXELS,
    LeftAlone,
    Networks,
    download_place,
    examined,
    kernel_place,
    read_kernel_file,
    restore,
    restore_estimated,
)
from deblur.image_io.formats.opening import FORMATS_READ
from deblur.inference.scaling import FULL

_BUTTON: Final = "Restore"
_NOTE: Final = (
    f"Drop {FORMATS_READ}. The photo is restored at full size, and the download has its format and metadata. Of more "
    f"than {PREVIEW_MEGAPIXELS:g} megapixels, the page shows a reduced preview, and a detail at full size."
)
_BLINDLY: Final = "blind:"  # before the name of a non-blind network whose kernel is estimated
_KERNEL: Final = "Kernel of the blur: a .npy array or a gray image with odd sides"


def add_restoring(networks: Networks, visitors: Visitors, max_megapixels: float) -> None:
    """Add the controls and the results; for arguments see `build_page`."""
    non_blind = [name for _, name in networks.choices if networks.get(name).needs_kernel]
    blindly = {f"{_BLINDLY}{name}": name for _, name in networks.blind_choices}
    choices = [*networks.choices, *((label, f"{_BLINDLY}{name}") for label, name in networks.blind_choices)]
    first = choices[0][1]
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            upload = image_file("Photo", max_megapixels)
            gr.Markdown(_NOTE)
            network = gr.Dropdown(choices, value=first, label="Network", filterable=False)
            kernel = gr.File(label=_KERNEL, height=140, visible=first in non_blind)
            button = gr.Button(_BUTTON, variant="primary", elem_classes="run")
        with gr.Column(scale=3, min_width=320):
            results = Results(_BUTTON)
    network.change(
        None,
        network,
        kernel,
        js=f"(network) => ({{__type__: 'update', visible: {json.dumps(non_blind)}.includes(network)}})",
        **QUIETLY,
    )

    def work(visitor: Visitor, progress: gr.Progress, values: Sequence[Any]) -> Answer:
        path, choice, of_kernel = values
        is_blind = choice in blindly
        restorer = networks.get(blindly.get(choice, choice))
        # The page hides the kernel of a network that takes none; its value stays there.
        takes_file = of_kernel and restorer.needs_kernel and not is_blind
        psf = read_kernel_file(owned(of_kernel, visitor)) if takes_file else None
        progress(0, desc="Reading the photo")
        image = uploaded(path, visitor, max_megapixels)
        name = Path(path).name
        if is_blind:
            progress(0, desc="Estimating the kernel")
            outcome = restore_estimated(image, restorer, partial(report_tiles, progress))
            if isinstance(outcome, LeftAlone):
                return Answer(outcome, [left_text(name)])
        else:
            seen = examined(image, restorer)
            advance = report(progress, image, restorer, FULL if seen is None else seen.scale)
            outcome = restore(image, restorer, psf, advance, seen)
        target, of_format = download_place(Path(path), image, visitor.results())
        lost = store(target, outcome.after)
        texts = [
            estimated_text(name, restorer.name) if is_blind else restored_text(name, restorer.name),
            color_text(restorer.channels, is_color=image.pixels.ndim == 3, color=outcome.color),
            UNKNOWN_GAIN,
            training_text(restorer.settings),
            of_format,
            f"Left out of the copy: {', '.join(lost)}." if lost else "",
        ]
        return Answer(outcome, texts, target, kernel_place(Path(path), target.parent) if is_blind else None)

    results.fill(button, work, [upload, network, kernel], [upload, network, kernel], visitors)
