"""The right column of a tab: an image before and after, what is said of it, and the download."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gradio as gr

from deblur.demo.visitors import Visitor, Visitors
from deblur.demo.wording import kernel_label, paragraphs
from deblur.demo.work import LeftAlone, Outcome, details, kernel_images, preview
from deblur.errors import UserError
from deblur.image_io.images import DecodedImage
from deblur.image_io.writing import write_image
from deblur.inference.restorer import Restorer
from deblur.inference.scaling import FULL

NOT_FOR_PROGRAMS: Final = "private"  # visibility of the functions behind the page
QUIETLY: Final[dict[str, Any]] = {
    "show_progress": "hidden",
    "api_visibility": NOT_FOR_PROGRAMS,
    "concurrency_limit": None,
}
_NOTHING: Final = "Nothing was restored."
_TRY_AGAIN: Final = "Press {button} to try again, and reload the page if that does not help."
_WAITING: Final = "Press {button} to see before and after here."
_KERNEL_WIDTH, _KERNEL_HEIGHT = 220, 248  # px, with its caption
_ONE_AT_A_TIME: Final = "restoring"
_PROGRESS: Final = gr.Progress()

_log = logging.getLogger(__name__)

Shown = tuple[Any, ...]  # both sliders, the text, the download, the kernel's column, image and download


@dataclass(frozen=True)
class Answer:
    """What a press of the button gives.

    Attributes:
        outcome: the image before and after, or why it is left as it is.
        texts: sentences about it, the first of which is the most important.
        download: the file of the restored image, in a folder of its own; None if there is none.
        kernel: the file of the estimated kernel, in the same folder, if there is one.
    """

    outcome: Outcome | LeftAlone
    texts: Sequence[str]
    download: Path | None = None
    kernel: Path | None = None


Work = Callable[[Visitor, gr.Progress, Sequence[Any]], Answer]


class Results:
    """The results of a tab, which belong to the values of some of its controls: to an image, and a network."""

    def __init__(self, button: str) -> None:
        """Add them to the page, below one another.

        Args:
            button: the name of the button that fills them.
        """
        self._button = button
        self._slider = _slider("Before (left) and after (right)", visible=True)
        with gr.Row():
            with gr.Column(scale=0, min_width=_KERNEL_WIDTH, visible=False) as self._kernel_column:
                self._kernel = gr.Image(
                    type="filepath", interactive=False, buttons=[], height=_KERNEL_HEIGHT, elem_classes="kernel"
                )
                self._kernel_download = gr.DownloadButton("Download the kernel")
            with gr.Column(scale=1, min_width=320):
                # Its text may come from a file: nothing in it is rendered as a formula.
                waiting = _WAITING.format(button=button)
                self._text = gr.Markdown(waiting, elem_classes="numbers", latex_delimiters=[])
                self._download = gr.DownloadButton("Download the restored image", interactive=False)
        self._detail = _slider("A detail at full size, before (left) and after (right)", visible=False)
        self._of = gr.Textbox(visible=False)  # the values that the results belong to

    def fill(
        self,
        button: gr.Button,
        work: Work,
        inputs: Sequence[gr.components.Component],
        keys: Sequence[gr.components.Component],
        visitors: Visitors,
    ) -> None:
        """Fill the results when the button is pressed, and empty them when one of the keys changes.

        Args:
            button: which starts the work.
            work: returns the answer for the values of the inputs; its UserErrors are shown.
            inputs: the controls whose values it takes.
            keys: those of them that the results belong to.
            visitors: the owners of images.
        """
        places = [list(inputs).index(key) for key in keys]

        def answer(request: gr.Request, progress: gr.Progress = _PROGRESS, *values: Any) -> tuple[str, *Shown]:
            return _key([values[place] for place in places]), *_answered(work, request, progress, values, visitors)

        shown = [self._slider, self._detail, self._text, self._download]
        shown += [self._kernel_column, self._kernel, self._kernel_download]
        clicked = button.click(
            answer,
            [*inputs],
            [self._of, *shown],
            concurrency_limit=1,
            concurrency_id=_ONE_AT_A_TIME,
            show_progress_on=self._slider,
            api_visibility=NOT_FOR_PROGRAMS,
        )
        # If gradio itself refuses, the results of an earlier image must not stay.
        failed = paragraphs([_NOTHING, _TRY_AGAIN.format(button=self._button)], is_usage_error=True)
        clicked.failure(None, None, shown, js=f"() => {_emptied(failed)}", **QUIETLY)
        # Nor those of another image. In the browser: from the server, this could arrive after the next results.
        waiting = _emptied(_WAITING.format(button=self._button))
        for key in keys:
            key.change(None, None, shown, js=f"() => {waiting}", **QUIETLY)  # type: ignore[attr-defined] # added by gradio
        forget_other = f"""(of, ...values) => of === values.map((value) => value?.path ?? value ?? "").join("\\n")
          ? Array({len(shown)}).fill({{__type__: "update"}}) : {waiting}"""
        clicked.success(None, [self._of, *keys], shown, js=forget_other, **QUIETLY)


def report(progress: gr.Progress, image: DecodedImage, restorer: Restorer, scale: float = FULL) -> Callable[[], None]:
    """Show the progress of a restoration at a scale; return what to call after each tile."""
    return report_tiles(progress, restorer.count(image, scale=scale))


def report_tiles(progress: gr.Progress, count: int) -> Callable[[], None]:
    """Show the progress of as many tiles; return what to call after each."""
    done = 0
    progress((done, count), desc="Restoring", unit="tiles")

    def advance() -> None:
        nonlocal done
        done += 1
        progress((done, count), desc="Restoring" if done < count else "Writing the result", unit="tiles")

    return advance


def _answered(
    work: Work, request: gr.Request, progress: gr.Progress, values: Sequence[Any], visitors: Visitors
) -> Shown:
    """Return what is shown of an answer, or of an error."""
    try:
        token = visitors.token_in(request.headers.get("cookie", ""))
        if token is None:
            raise UserError("This page does not know you: reload it.")
        return _shown(work(visitors.visitor(token), progress, values))
    except UserError as error:
        return _usage_error(str(error))
    except MemoryError:
        return _usage_error("The image needs more memory than this computer has: drop a smaller one.")
    except Exception as error:
        if isinstance(error, RuntimeError) and "memory" in str(error):  # a GPU's
            return _usage_error("The image needs more memory than the device has: drop a smaller one.")
        _log.exception("An image could not be restored.")
        return _usage_error("The program has failed. The terminal of the computer that runs this page has the details.")


def store(path: Path, image: DecodedImage) -> tuple[str, ...]:
    """Write an image; return what its file does not hold, as `write_image` does.

    Raises:
        UserError: if it cannot be written, in words for a reader of the page.
    """
    try:
        return write_image(path, image)
    except UserError as error:
        _log.error("%s", error)
        raise UserError("The result could not be stored on the computer that runs this page.") from error


def _shown(answer: Answer) -> Shown:
    outcome = answer.outcome
    said = paragraphs([answer.texts[0], *outcome.remarks, *answer.texts[1:]])
    if isinstance(outcome, LeftAlone) or answer.download is None:
        return _nothing(said)
    before, after, folder = outcome.before, outcome.after, answer.download.parent
    detail = details(outcome)
    return (
        gr.update(value=_pair(folder / "whole", (preview(before), preview(after)))),
        gr.update(value=None if detail is None else _pair(folder / "detail", detail), visible=detail is not None),
        said,
        gr.update(value=str(answer.download), interactive=True),
        *_shown_kernel(outcome, answer.kernel),
    )


def _shown_kernel(outcome: Outcome, download: Path | None) -> Shown:
    """Store the kernel of an outcome, if there is one, and return what is shown of it."""
    if outcome.kernel is None or download is None:
        return _no_kernel()
    enlarged, levels = kernel_images(outcome.kernel)
    shown = download.parent / "kernel" / "enlarged.png"
    store(shown, enlarged)
    store(download, levels)
    label = kernel_label(*outcome.kernel.shape)
    return gr.update(visible=True), gr.update(value=str(shown), label=label), gr.update(value=str(download))


def _no_kernel() -> Shown:
    return gr.update(visible=False), gr.update(value=None), gr.update(value=None)


def _pair(folder: Path, images: tuple[DecodedImage, DecodedImage]) -> tuple[str, str]:
    """Write two images for a slider, and return their paths."""
    paths = folder / "before.png", folder / "after.png"
    for path, image in zip(paths, images, strict=True):
        store(path, image)
    return str(paths[0]), str(paths[1])


def _usage_error(sentence: str) -> Shown:
    return _nothing(paragraphs([_NOTHING, sentence], is_usage_error=True))


def _nothing(said: str) -> Shown:
    """Return results without images."""
    return (
        gr.update(value=None),
        gr.update(value=None, visible=False),
        said,
        gr.update(value=None, interactive=False),
        *_no_kernel(),
    )


def _emptied(said: str) -> str:
    """Return results without images, in JavaScript."""
    empty, detail, download = (
        f"{{__type__: 'update', value: null{more}}}" for more in ("", ", visible: false", ", interactive: false")
    )
    column = "{__type__: 'update', visible: false}"
    return f"[{empty}, {detail}, {json.dumps(said)}, {download}, {column}, {empty}, {empty}]"


def _key(values: Sequence[Any]) -> str:
    """Return values of controls as the text that the page makes of them."""
    return "\n".join(
        "" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in values
    )


def _slider(label: str, *, visible: bool) -> gr.ImageSlider:
    return gr.ImageSlider(
        label=label,
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        max_height=560,
        visible=visible,
        elem_classes="before-after",
    )
