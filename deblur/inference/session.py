"""One command that restores images, from what was asked for to what is said in the end."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deblur.config import Config
from deblur.config.build import build
from deblur.config.check import check_blur
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
    from deblur.blur.kernels import Psf

UNKNOWN_GAIN = (
    "How much sharper it is cannot be told without the sharp image: look at it, or try simulate=true on a sharp one."
)
AROUND = (
    32  # px of an image that are restored beyond the detail on a sheet: more than the networks that are pretrained see
)

Advance = Callable[[], object]


def restore_images(tasks: Sequence[Task], config: Config) -> Lines:
    """Restore images, or blur and restore them, each to its place.

    Args:
        tasks: what is to be done.
        config: checked.

    Returns:
        What to show.

    Raises:
        UserError: where the network or the blur is not allowed, or an image failed; the others are restored then.
    """
    refuse_losses(tasks, lambda task: _files(task, config))
    restorer = _loaded(config["network"] or DEFAULT if config["run"] is None else config["run"], config)
    grids = _Simulation(restorer, config) if config["simulate"] else None
    kernel = None if config["simulate"] else _kernel(restorer, config)

    def wanted(task: Task) -> list[Path]:
        return [path for path in _files(task, config) if config["overwrite"] or not path.exists()]

    todo = [task for task in tasks if wanted(task)]
    failures: list[UserError] = []

    def failed(_: Task, error: UserError) -> None:
        failures.append(error)
        if len(tasks) > 1:
            say_error(str(error))

    with progress(len(todo)) as bar:

        def work(task: Task, image: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
            advance = bar.tiles(task.name, restorer.count(image.pixels, config["color"]))
            if grids is not None:
                results = [grids.of(task, image, advance)]
            else:
                restored = restorer.restore_image(image, config["color"], advance, kernel)
                results = [restored, side_by_side(image, restored)] if config["side_by_side"] else [restored]
            asked = wanted(task)
            yield from (pair for pair in zip(_files(task, config), results, strict=True) if pair[0] in asked)

        restore_all(todo, work, failed, config["max_megapixels"], bar.done)
    return _told(tasks, todo, failures, restorer, grids)


def compare_networks(tasks: Sequence[Task], config: Config) -> Lines:
    """Restore the liveliest detail of one image with every network that is pretrained, on one sheet.

    Args:
        tasks: one image.
        config: checked.

    Returns:
        What to show.

    Raises:
        UserError: where there are several images, or the image cannot be read.
    """
    if len(tasks) != 1:
        raise UserError(f"network=list compares networks on one image, and input has {len(tasks)}: give one of them.")
    refuse_losses(tasks, lambda task: _files(task, config))
    (task,) = tasks
    (sheet,) = _files(task, config)
    if sheet.exists() and not config["overwrite"]:
        return lines(f"{sheet} is there already: overwrite=true makes it again.")
    image = read_image(task.source, config["max_megapixels"])
    rows, columns = liveliest_detail(image.pixels)
    restorers = {name: _loaded(name, config) for name in PRETRAINED}
    above, left = max(rows.start - AROUND, 0), max(columns.start - AROUND, 0)
    part = eight_bits(image.pixels[above : rows.stop + AROUND, left : columns.stop + AROUND])
    inner = (slice(rows.start - above, rows.stop - above), slice(columns.start - left, columns.stop - left))
    panels = {"as it is": part[inner]}
    panels |= {name: restorer(part, config["color"])[inner] for name, restorer in restorers.items()}
    write_image(sheet, contact_sheet(panels))
    return lines(
        f"{sheet} shows the image from row {rows.start} and column {columns.start} as each network restores it.",
        "Take the one that you like best with network=NAME.",
    )


def _files(task: Task, config: Config) -> list[Path]:
    """Return all files that a task writes, those that are there already included."""
    if config["network"] == "list":
        return [task.beside("networks", ".png")]
    if config["simulate"]:
        return [task.beside("simulated", ".png")]
    return [task.target, task.beside("side-by-side")] if config["side_by_side"] else [task.target]


class _Simulation:
    """Blurs sharp images and keeps what the network gains on each."""

    def __init__(self, restorer: Restorer, config: Config) -> None:
        from deblur.blur import Degradation  # OpenCV

        own = dict(restorer.settings["blur"])
        asked: dict[str, Any] = config["blur"]
        self.blur = asked if "_target_" in asked else own | asked
        check_blur(self.blur, config["trusted"])
        self._degradation = build(self.blur, Degradation, trusted=config["trusted"])
        self._restorer = restorer
        self._color = config["color"]
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
        title = f"PSNR of the brightness, blurred by {self.blur.get('name') or self.blur['_target_']}"
        return table(title, ["", "blurred, dB", "restored, dB", "gain, dB"], rows)


def _kernel(restorer: Restorer, config: Config) -> "Psf | None":
    """Return what blurred the images, for a network that is to be told.

    Raises:
        UserError: where that is missing, draws the kernel, or tells what nothing reads.
    """
    told = config["blur"]
    if not restorer.needs_kernel:
        if told:
            raise UserError(
                f"The network {restorer.name} is not told what blurred an image: leave blur out, or add simulate=true."
            )
        return None
    advice = "give blur=motion blur.length=9 blur.angle=30, or blur=kernel blur.path=FILE."
    if "_target_" not in told:
        raise UserError(f"The network {restorer.name} has to be told what blurred the images: {advice}")
    from deblur.blur import Degradation  # OpenCV

    check_blur(told, config["trusted"])
    degradation = build(told, Degradation, trusted=config["trusted"])
    unread = {"noise_sigma": degradation.noise_sigma.high > 0, "jpeg_quality": degradation.jpeg_quality is not None}
    given = [f"blur.{key}={shown(told[key])}" for key, is_given in unread.items() if is_given and key in told]
    if given:
        raise UserError(
            f"The network {restorer.name} is told the kernel alone: leave out {' and '.join(given)}, or add "
            "simulate=true."
        )
    known = degradation.fixed_kernel
    if known is None:
        raise UserError(f"The network {restorer.name} has to be told one kernel, and this blur draws them: {advice}")
    return known.psf


def _decibels(value: float, digits: str) -> str:
    """Return a number; an image that equals the sharp one has none."""
    return f"{value:{digits}}" if math.isfinite(value) else "exact" if value > 0 else "-"


def _loaded(network: str, config: Config) -> Restorer:
    return load(network, accelerator=config["accelerator"], precision=config["precision"], trusted=config["trusted"])


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
    # The results of a folder may lie in several: they are named by the one that holds them all.
    folder = Path(os.path.commonpath([task.target.parent for task in tasks]))
    where = folder if len(tasks) > 1 else tasks[0].target
    skips = f" {skipped} had been there already: overwrite=true makes them again." if skipped else ""
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
