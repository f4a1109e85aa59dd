"""The first tab: a photo is restored as it is."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import gradio as gr

from deblur.demo.results import QUIETLY, Answer, Results, report, store
from deblur.demo.uploads import image_file, owned, uploaded
from deblur.demo.visitors import Visitor, Visitors
from deblur.demo.wording import UNKNOWN_GAIN, color_text, restored_text, training_text
from deblur.demo.work import PREVIEW_MEGAPIXELS, Networks, download_place, examined, read_kernel_file, restore
from deblur.image_io.formats.opening import FORMATS_READ
from deblur.inference.scaling import FULL

_BUTTON: Final = "Restore"
_NOTE: Final = (
    f"Drop {FORMATS_READ}. The photo is restored at full size, and the download has its format and metadata. Of more "
    f"than {PREVIEW_MEGAPIXELS:g} megapixels, the page shows a reduced preview, and a detail at full size."
)
_KERNEL: Final = "Kernel of the blur: a .npy array or a gray image with odd sides"


def add_restoring(networks: Networks, visitors: Visitors, max_megapixels: float) -> None:
    """Add the controls and the results; for arguments see `build_page`."""
    non_blind = [name for _, name in networks.choices if networks.get(name).needs_kernel]
    first = networks.choices[0][1]
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            upload = image_file("Photo", max_megapixels)
            gr.Markdown(_NOTE)
            network = gr.Dropdown(networks.choices, value=first, label="Network", filterable=False)
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
        path, name, of_kernel = values
        restorer = networks.get(name)
        # The page hides the kernel of a network that takes none; its value stays there.
        psf = read_kernel_file(owned(of_kernel, visitor)) if of_kernel and restorer.needs_kernel else None
        progress(0, desc="Reading the photo")
        image = uploaded(path, visitor, max_megapixels)
        target, of_format = download_place(Path(path), image, visitor.results())
        seen = examined(image, restorer)
        advance = report(progress, image, restorer, FULL if seen is None else seen.scale)
        outcome = restore(image, restorer, psf, advance, seen)
        lost = store(target, outcome.after)
        texts = [
            restored_text(Path(path).name, restorer.name),
            color_text(restorer.channels, is_color=image.pixels.ndim == 3),
            UNKNOWN_GAIN,
            training_text(restorer.settings),
            of_format,
            f"Left out of the copy: {', '.join(lost)}." if lost else "",
        ]
        return Answer(outcome, texts, target)

    results.fill(button, work, [upload, network, kernel], [upload, network, kernel], visitors)
