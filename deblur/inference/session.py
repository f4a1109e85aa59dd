"""One command that restores images, from what was asked for to what is said in the end."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deblur.choices import DEFAULT_MAX_MEGAPIXELS, Accelerator, Color, Precision
from deblur.config.blur_text import TRAINING, AskedBlur
from deblur.config.build import build
from deblur.config.sections import shown
from deblur.console import say_error, table
from deblur.errors import UserError
from deblur.image_io.images import DecodedImage
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image
from deblur.inference.batch import restore_all
from deblur.inference.panels import contact_sheet, eight_bits, liveliest_detail, row, side_by_side
from deblur.inference.places import Task, refuse_losses
from deblur.inference.pretrained import DEFAULT, PRETRAINED
from deblur.inference.progress import progress
from deblur.inference.restorer import Restorer, load
from deblur.inference.simulation import Gain, degraded, drawn, gain
from deblur.text import Lines, counted, lines, paragraphs

if TYPE_CHECKING:  # OpenCV is loaded for a kernel
    from deblur.blur import Degradation
    from deblur.blur.kernels import Psf

UNKNOWN_GAIN = (
    "How much sharper it is cannot be told without the sharp image: look at it, or try --simulate on a sharp one."
)
AROUND = (
    32  # px of an image that are restored beyond the detail on a sheet: more than the networks that are pretrained see
)

Advance = Callable[[], object]


@dataclass(frozen=True)
class RestoreOptions:
    """How images are restored.

    Attributes:
        network: the name of a pretrained network, a run's folder, a checkpoint or an exported file.
        color: `luma` restores the brightness, `channels` red, green and blue one by one.
        known_blur: what blurred the images, for a non-blind network.
        simulate: what blurs sharp images first; their gain is measured then.
        side_by_side: whether the image and the restored one are also written next to each other.
        overwrite: whether outputs that exist are replaced.
        max_megapixels: larger images are refused.
        accelerator: where to compute.
        precision: of the computation.
        trusted: modules of the user's whose classes may be built.
    """

    network: str = DEFAULT
    color: Color = "luma"
    known_blur: AskedBlur | None = None
    simulate: AskedBlur | None = None
    side_by_side: bool = False
    overwrite: bool = False
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    accelerator: Accelerator = "auto"
    precision: Precision = "auto"
    trusted: tuple[str, ...] = ()


def restore_images(tasks: Sequence[Task], asked: RestoreOptions) -> Lines:
    """Restore images, or blur and restore them, each to its place.

    Args:
        tasks: what is to be done.
        asked: how.

    Returns:
        What to show.

    Raises:
        UserError: if the network or the blur is not allowed, or an image failed; the others are restored then.
    """
    refuse_losses(tasks, lambda task: _files(task, asked))
    restorer = _loaded(asked.network, asked)
    grids = None if asked.simulate is None else _Simulation(restorer, asked.simulate, asked)
    kernel = _kernel(restorer, asked.known_blur) if grids is None else None

    def wanted(task: Task) -> list[Path]:
        return [path for path in _files(task, asked) if asked.overwrite or not path.exists()]

    todo = [task for task in tasks if wanted(task)]
    failures: list[UserError] = []

    def failed(_: Task, error: UserError) -> None:
        failures.append(error)
        if len(tasks) > 1:
            say_error(str(error))

    with progress(len(todo)) as bar:

        def work(task: Task, image: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
            advance = bar.tiles(task.name, restorer.count(image.pixels, asked.color))
            if grids is not None:
                results = [grids.of(task, image, advance)]
            else:
                restored = restorer.restore_image(image, asked.color, advance, kernel)
                results = [restored, side_by_side(image, restored)] if asked.side_by_side else [restored]
            missing = wanted(task)
            yield from (pair for pair in zip(_files(task, asked), results, strict=True) if pair[0] in missing)

        restore_all(todo, work, failed, asked.max_megapixels, bar.done)
    return _told(tasks, todo, failures, restorer, grids)


def compare_networks(tasks: Sequence[Task], asked: RestoreOptions) -> Lines:
    """Restore the liveliest detail of one image with every network that is pretrained, on one sheet.

    Args:
        tasks: one image.
        asked: how; the network is not read.

    Returns:
        What to show.

    Raises:
        UserError: if there are several images, or the image cannot be read.
    """
    if len(tasks) != 1:
        raise UserError(f"--compare-networks compares on one image, and these are {len(tasks)}: give one of them.")
    (task,) = tasks
    sheet = task.beside("networks", ".png")
    refuse_losses(tasks, lambda _: [sheet])
    if sheet.exists() and not asked.overwrite:
        return lines(f"{sheet} is there already: --overwrite makes it again.")
    image = read_image(task.source, asked.max_megapixels)
    rows, columns = liveliest_detail(image.pixels)
    restorers = {name: _loaded(name, asked) for name in PRETRAINED}
    above, left = max(rows.start - AROUND, 0), max(columns.start - AROUND, 0)
    part = eight_bits(image.pixels[above : rows.stop + AROUND, left : columns.stop + AROUND])
    inner = (slice(rows.start - above, rows.stop - above), slice(columns.start - left, columns.stop - left))
    panels = {"as it is": part[inner]}
    panels |= {name: restorer(part, asked.color)[inner] for name, restorer in restorers.items()}
    write_image(sheet, contact_sheet(panels))
    return lines(
        f"{sheet} shows the image from row {rows.start} and column {columns.start} as each network restores it.",
        "Take the one that you like best with --network NAME.",
    )


def _files(task: Task, asked: RestoreOptions) -> list[Path]:
    """Return all files that a task writes, those that are there already included."""
    if asked.simulate is not None:
        return [task.beside("simulated", ".png")]
    return [task.target, task.beside("side-by-side")] if asked.side_by_side else [task.target]


class _Simulation:
    """Blurs sharp images and keeps what the network gains on each."""

    def __init__(self, restorer: Restorer, blur: AskedBlur, asked: RestoreOptions) -> None:
        own = restorer.settings["blur"] if blur.family == TRAINING else None
        settings = blur.settings(own, asked.trusted)
        self._degradation = _built(blur, settings, asked.trusted)
        self._name = settings.get("name") or settings["_target_"]
        self._restorer = restorer
        self._color: Color = asked.color
        self.gains: dict[str, Gain] = {}

    def of(self, task: Task, image: DecodedImage, advance: Advance | None) -> DecodedImage:
        """Return an image blurred, restored and sharp, next to each other."""
        sharp = eight_bits(image.pixels)
        blurred = degraded(sharp, self._degradation, task.name)
        kernel = drawn(self._degradation, task.name).kernel.psf if self._restorer.needs_kernel else None
        restored = self._restorer(blurred, self._color, advance, kernel)
        self.gains[task.name] = gain(blurred, restored, sharp)
        return row([blurred, restored, sharp])

    def table(self) -> Lines:
        """Return the gains."""
        rows = [
            [
                name,
                _decibels(one.blurred, ".2f"),
                _decibels(one.restored, ".2f"),
                _decibels(one.difference, "+.2f"),
            ]
            for name, one in self.gains.items()
        ]
        title = f"PSNR of the brightness, blurred by {self._name}"
        return table(title, ["", "blurred, dB", "restored, dB", "gain, dB"], rows)


def _built(blur: AskedBlur, settings: Mapping[str, Any], trusted: Sequence[str] = ()) -> "Degradation":
    from deblur.blur import Degradation  # OpenCV

    with blur.naming_option():
        return build(settings, Degradation, trusted=trusted)


def _kernel(restorer: Restorer, blur: AskedBlur | None) -> "Psf | None":
    """Return the kernel of the images' blur for a non-blind network.

    Raises:
        UserError: if it is missing, drawn for each image, or given to a network that takes none, or with what none
            reads.
    """
    if not restorer.needs_kernel:
        if blur is not None:
            raise UserError(
                f"{blur.option} gives a kernel, and the network {restorer.name} takes none: leave {blur.option} out, "
                "or blur sharp images with --simulate."
            )
        return None
    advice = 'give --known-blur "motion length=9 angle=30", or a file with --kernel.'
    if blur is None:
        raise UserError(f"The network {restorer.name} needs the kernel that blurred the images: {advice}")
    degradation = _built(blur, blur.settings())
    unread = {"noise_sigma": degradation.noise_sigma.high > 0, "jpeg_quality": degradation.jpeg_quality is not None}
    given = [f"{key}={shown(blur.parameters[key])}" for key, is_given in unread.items() if is_given]
    if given:
        raise UserError(
            f"{blur.option}: the network {restorer.name} takes the kernel alone: leave out {' and '.join(given)}."
        )
    known = degradation.fixed_kernel
    if known is None:
        raise UserError(
            f"{blur.option}: {blur.family} draws a kernel for each image, and the network {restorer.name} needs one: "
            f"{advice}"
        )
    return known.psf


def _decibels(value: float, digits: str) -> str:
    """Return a number; an image that equals the sharp one has none."""
    return f"{value:{digits}}" if math.isfinite(value) else "exact" if value > 0 else "-"


def _loaded(network: str, asked: RestoreOptions) -> Restorer:
    return load(network, accelerator=asked.accelerator, precision=asked.precision, trusted=asked.trusted)


def _told(
    tasks: Sequence[Task],
    todo: Sequence[Task],
    failures: Sequence[UserError],
    restorer: Restorer,
    grids: _Simulation | None,
) -> Lines:
    """Return the end of the story.

    Raises:
        UserError: where an image failed.
    """
    restored, skipped = len(todo) - len(failures), len(tasks) - len(todo)
    # Results may lie in several folders: they are named by the one that holds them all.
    folders = {task.target.parent for task in tasks}
    if len({folder.is_absolute() for folder in folders}) > 1:  # which have no part in common
        folders = {folder.absolute() for folder in folders}
    folder = Path(os.path.commonpath(folders))
    where = folder if len(tasks) > 1 else tasks[0].target
    skips = f" {skipped} had been there already: --overwrite makes them again." if skipped else ""
    if failures and len(tasks) == 1:
        raise failures[0]
    if failures:
        verb = "is" if restored == 1 else "are"
        raise UserError(f"{len(failures)} of {len(tasks)} images failed, {restored} {verb} restored.{skips}")
    if grids is not None:
        where = where if len(tasks) > 1 else tasks[0].beside("simulated", ".png")
        return (
            paragraphs(grids.table(), f"blurred | restored | sharp: {where}{skips}")
            if restored
            else lines(skips.strip())
        )
    images = counted(restored, "image is", "images are")
    done = f"{images} restored by the network {restorer.name}: {where}." if restored else "Nothing was to be done."
    return lines(f"{done}{skips}", UNKNOWN_GAIN) if restored else lines(f"{done}{skips}")
