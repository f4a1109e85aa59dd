"""One command that restores images, from its options to its final report."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deblur.choices import (
    BLIND,
    DEFAULT_MAX_MEGAPIXELS,
    DEFAULT_NETWORK,
    NON_BLIND,
    Accelerator,
    Color,
    Precision,
    refusal,
)
from deblur.config.blur_text import TRAINING, AskedBlur
from deblur.config.build import build
from deblur.config.sections import shown
from deblur.console import say_error, table
from deblur.errors import UserError
from deblur.estimation import blur_text, estimate, kernel_text, most_blurred
from deblur.image_io.decoding import eight_bits, printable
from deblur.image_io.images import DecodedImage, refuse_unfit
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image
from deblur.inference.advice import Report, examine
from deblur.inference.batch import progress, restore_all
from deblur.inference.panels import DETAIL, contact_sheet, detail_around, row, side_by_side, with_inset
from deblur.inference.pixels import visible
from deblur.inference.places import Task, refuse_losses
from deblur.inference.restorer import Restorer, load
from deblur.inference.scaling import FULL
from deblur.inference.simulation import Gain, crop_of, degraded, drawn, gain, reference
from deblur.text import Lines, counted, lines, paragraphs

if TYPE_CHECKING:  # OpenCV is loaded for a kernel
    from deblur.blur import Degradation
    from deblur.blur.images import Boundary
    from deblur.blur.kernels import Psf

UNKNOWN_GAIN = (
    "The gain cannot be measured without the sharp image: look at the result, or try --simulate on a sharp image."
)
AROUND = 384  # px around the detail of a sheet, in which detail decides whether a blur is visible; beyond them, nothing
GRID = 192  # px; a part of an image that begins at a multiple of it has the same windows, cells and unshuffled pixels

Advance = Callable[[], object]


@dataclass(frozen=True)
class RestoreOptions:
    """How images are restored; the options of the command of the same names."""

    network: str = DEFAULT_NETWORK
    color: Color | None = None
    known_blur: AskedBlur | None = None
    noise_sigma: float | None = None
    strength: float | None = None
    scale: float | None = None
    detail: tuple[int, int] | None = None
    blind: bool = False
    save_kernel: Path | None = None
    simulate: AskedBlur | None = None
    side_by_side: bool = False
    overwrite: bool = False
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    accelerator: Accelerator = "auto"
    precision: Precision = "auto"
    self_ensemble: bool = False
    trusted: tuple[str, ...] = ()


def restore_images(tasks: Sequence[Task], asked: RestoreOptions) -> Lines:
    """Restore images, or blur and restore them: each is decoded once and checked once before it is restored.

    Returns:
        The text to show.

    Raises:
        UserError: if the network or the blur is not allowed, or an image failed; the others are restored then.
    """
    if asked.save_kernel is not None and len(tasks) > 1:
        raise UserError(
            f"--save-kernel names the file of one kernel, and these are {len(tasks)} images: leave it out, and each "
            "kernel is written as NAME-kernel.png."
        )
    outputs = {task: _outputs(task, asked) for task in tasks}
    refuse_losses(outputs)
    restorer = _loaded(asked.network, asked)
    if asked.noise_sigma is not None and not restorer.needs_kernel:
        raise UserError(
            f"--noise-sigma gives the noise, and the network {restorer.name} takes none: leave --noise-sigma out."
        )
    if asked.scale is not None and restorer.needs_kernel:
        raise UserError(f"--scale is for networks without a kernel, and {restorer.name} takes one: leave --scale out.")
    simulation = None if asked.simulate is None else _Simulation(restorer, asked.simulate, asked)
    report = Report(is_gated=asked.strength is None)
    blind = _Blind(restorer, asked) if asked.blind else None
    kernel = _kernel(restorer, asked.known_blur) if simulation is None and blind is None else None
    missing = {task: [path for path in outputs[task] if asked.overwrite or not path.exists()] for task in tasks}
    todo = [task for task in tasks if missing[task]]
    failures: list[UserError] = []

    def failed(_: Task, error: UserError) -> None:
        failures.append(error)
        if len(tasks) > 1:
            say_error(str(error))

    with progress(len(todo)) as bar:

        def work(task: Task, image: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
            for path in missing[task]:
                if outputs[task][path]:
                    refuse_unfit(image, path, outputs[task][path])
            if blind is not None:
                # A bar while the kernel is estimated, on which the number of tiles depends.
                bar.tiles(task.name, restorer.count(image, asked.color))
                results = blind.of(task, image, partial(bar.tiles, task.name))
                if not results:
                    return
            else:
                examined = None
                if simulation is None and not restorer.needs_kernel:
                    examined = examine(image, restorer.name, restorer.settings, asked.scale)
                scale = asked.scale or FULL if examined is None else examined.scale
                advance = bar.tiles(task.name, restorer.count(image, asked.color, scale=scale))
                if simulation is not None:
                    results = [simulation.of(task, image, advance)]
                else:
                    restored = restorer.restore_image(
                        image,
                        asked.color,
                        advance,
                        kernel,
                        asked.noise_sigma,
                        scale=scale,
                        strength=asked.strength,
                        applied=None if examined is None else partial(report.add, task.name, examined),
                    )
                    results = [restored, side_by_side(image, restored)] if asked.side_by_side else [restored]
            yield from (pair for pair in zip(outputs[task], results, strict=True) if pair[0] in missing[task])

        restore_all(todo, work, failed, asked.max_megapixels, bar.done)
    summary = _summary(tasks, todo, failures, restorer, simulation, declined=0 if blind is None else blind.declined)
    seen = report.lines() if blind is None else blind.lines()
    return paragraphs(*filter(None, (seen, summary)))


def compare_networks(tasks: Sequence[Task], asked: RestoreOptions) -> Lines:
    """Restore a detail of one image with every blind pretrained network, on one sheet.

    Args:
        tasks: one image.
        asked: the options; `network` is not read. Without `detail` the most blurred one is taken.

    Returns:
        The text to show.

    Raises:
        UserError: if there are several images, or the image cannot be read.
    """
    if len(tasks) != 1:
        raise UserError(f"--compare-networks compares on one image, and these are {len(tasks)}: give one of them.")
    (task,) = tasks
    sheet = task.sibling("networks", ".png")
    refuse_losses({task: [sheet]})
    if sheet.exists() and not asked.overwrite:
        return lines(f"{sheet} is there already: --overwrite makes it again.")
    image = read_image(task.source, asked.max_megapixels)
    seen = estimate(visible(image.pixels, image.alpha))
    middle = most_blurred(seen.map, DETAIL) if asked.detail is None else _middle(asked.detail, image)
    rows, columns = detail_around(*middle, image.pixels.shape)
    restorers = {name: _loaded(name, asked) for name in BLIND}
    above, left = (max(side.start - AROUND, 0) // GRID * GRID for side in (rows, columns))
    part = eight_bits(image.pixels[above : rows.stop + AROUND, left : columns.stop + AROUND])
    inner = (slice(rows.start - above, rows.stop - above), slice(columns.start - left, columns.stop - left))
    panels = {"as it is": part[inner]}
    panels |= {
        name: restorer(part, asked.color, strength=asked.strength)[inner] for name, restorer in restorers.items()
    }
    write_image(sheet, contact_sheet(panels))
    return lines(
        f"{printable(task.name)}: {blur_text(seen)}.",
        f"{sheet} shows the image from row {rows.start} and column {columns.start} as each network restores it.",
        "Take the one that you like best with --network NAME.",
    )


def _middle(detail: tuple[int, int], image: DecodedImage) -> tuple[int, int]:
    """Return the row and column of the center of the detail that was asked for.

    Raises:
        UserError: if it is outside the image.
    """
    height, width = image.pixels.shape[:2]
    x, y = detail
    if x >= width or y >= height:
        raise UserError(
            f"--detail {x},{y} is outside the image: give X from 0 to {width - 1} and Y from 0 to {height - 1}."
        )
    return y, x


def _outputs(task: Task, asked: RestoreOptions) -> dict[Path, int]:
    """Return all files of a task, existing ones included, each with how many images it shows side by side."""
    if asked.simulate is not None:
        return {task.sibling("simulated", ".png"): 3}
    outputs = {task.target: 1} | ({task.sibling("side-by-side"): 2} if asked.side_by_side else {})
    if asked.blind:
        outputs[asked.save_kernel or task.sibling("kernel", ".png")] = 0
    return outputs


class _Blind:
    """Restores photos by estimated kernels, leaves alone those that it cannot improve, and keeps what it saw.

    Attributes:
        declined: how many photos were left as they are.
    """

    def __init__(self, restorer: Restorer, asked: RestoreOptions) -> None:
        if not restorer.needs_kernel:
            raise UserError(
                f"--blind estimates the kernel for a non-blind network, and {restorer.name} takes none: leave --blind "
                f"out, or take the network {NON_BLIND}."
            )
        self._restorer = restorer
        self._asked = asked
        self._said: dict[str, str] = {}
        self.declined = 0

    def of(self, task: Task, image: DecodedImage, begin: Callable[[int], Advance | None]) -> list[DecodedImage]:
        """Return the images of a photo's files; none if it is better left as it is."""
        from deblur.blur.kernel_file import kernel_levels
        from deblur.inference.blind import restore_blindly, shown_kernel

        asked = self._asked
        found = restore_blindly(self._restorer, image, asked.color, begin, asked.noise_sigma, asked.strength)
        estimate = found.estimate
        seen = "" if estimate.blur is None else f"{blur_text(estimate.blur)}. "
        if found.restored is None:
            self.declined += 1
            self._said[task.name] = f"{seen}Left as it is. {found.refusal}"
            return []
        said = f"{seen}{kernel_text(estimate)}; the result explains {found.explained:.0%} of the image."
        if estimate.field is not None:
            said += " Their image shows them side by side, and cannot be given to --kernel, which reads a single one."
        self._said[task.name] = said
        psf = shown_kernel(estimate)
        compared = [side_by_side(image, with_inset(found.restored, psf))] if asked.side_by_side else []
        return [found.restored, *compared, DecodedImage(kernel_levels(psf), None, "PNG")]

    def lines(self) -> Lines:
        """Return a line for each of a few photos, or for each that was left as it is."""
        return lines(*(f"{printable(name)}: {text}" for name, text in self._said.items()))


class _Simulation:
    """Blurs sharp images, and keeps the gain of the network on each."""

    def __init__(self, restorer: Restorer, blur: AskedBlur, asked: RestoreOptions) -> None:
        if blur.family == TRAINING and "blur" not in restorer.settings:
            raise UserError(
                f"--simulate {TRAINING} blurs as the network's training did, and that of {restorer.name} is not known: "
                'name a blur, such as --simulate "gaussian sigma=2".'
            )
        own = restorer.settings["blur"] if blur.family == TRAINING else None
        settings = blur.settings(own, asked.trusted)
        self._degradation = _built(blur, settings, asked.trusted)
        self._boundary = _boundary_of(restorer) if blur.family == TRAINING else "symmetric"
        self._name = settings.get("name") or settings["_target_"]
        self._restorer = restorer
        if restorer.needs_kernel:
            with blur.naming_option():
                self._degradation.require_one_kernel(f"the network {restorer.name}")
        self._color = asked.color
        self._noise_sigma = asked.noise_sigma
        self._strength = asked.strength
        self._scale = asked.scale or FULL  # what is measured is not chosen by an estimate
        self.gains: dict[str, Gain] = {}

    def of(self, task: Task, image: DecodedImage, advance: Advance | None) -> DecodedImage:
        """Return an image blurred, restored and sharp, side by side."""
        given = eight_bits(image.pixels)
        crop = crop_of(self._boundary, self._degradation, given.shape)
        blurred = degraded(given, self._degradation, task.name, crop)
        sharp = reference(given, self._degradation, task.name, crop)
        kernel = drawn(self._degradation, task.name).psf if self._restorer.needs_kernel else None
        restored = self._restorer(
            blurred,
            self._color,
            advance,
            kernel,
            self._noise_sigma,
            scale=self._scale,
            strength=self._strength,
        )
        self.gains[task.name] = gain(blurred, restored, sharp, of_luma=self._restorer.channels == 1)
        return row([blurred, restored, sharp])

    def table(self) -> Lines:
        """Return the gains."""
        digits = (".2f", ".2f", "+.2f")
        rows = [
            [name, *map(_decibels, (one.blurred, one.restored, one.difference), digits)]
            for name, one in self.gains.items()
        ]
        boundary = "" if self._boundary == "symmetric" else f" with a {self._boundary} boundary"
        of = "of the luma" if self._restorer.channels == 1 else "over red, green and blue"
        title = f"PSNR {of}, blurred by {self._name}{boundary}"
        return table(title, ["", "blurred, dB", "restored, dB", "gain, dB"], rows)


def _boundary_of(restorer: Restorer) -> "Boundary":
    """Return the boundary of a network's training; symmetric if it is not known, the only one of older versions.

    Raises:
        UserError: if a file holds another one.
    """
    from deblur.blur.images import Boundary  # OpenCV

    stored: Any = (restorer.settings.get("data") or {}).get("boundary") or "symmetric"
    refused = refusal("data.boundary", stored, Boundary)
    if refused:
        raise UserError(f"The settings of the network {restorer.name} are damaged: {refused}")
    boundary: Boundary = stored
    return boundary


def _built(blur: AskedBlur, settings: Mapping[str, Any], trusted: Sequence[str] = ()) -> "Degradation":
    from deblur.blur import Degradation  # OpenCV

    with blur.naming_option():
        return build(settings, Degradation, trusted=trusted)


def _kernel(restorer: Restorer, blur: AskedBlur | None) -> "Psf | None":
    """Return the kernel of the images' blur for a non-blind network; None for a blind one.

    Raises:
        UserError: if it is missing, drawn for each image, of no use to the network, or given with noise or JPEG.
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
    unread = {
        "noise_sigma": degradation.noise_sigma.high > 0,
        "jpeg_quality": degradation.jpeg_quality is not None,
        "camera": degradation.camera is not None,
    }
    given = [
        f"{key}={shown(value)}" for key, value in blur.parameters.items() if unread.get(key.partition(".")[0], False)
    ]
    if given:
        raise UserError(
            f"{blur.option}: the network {restorer.name} takes the kernel alone: leave out {' and '.join(given)}"
            f"{'; --noise-sigma gives the noise' if unread['noise_sigma'] else ''}."
        )
    with blur.naming_option():
        degradation.require_one_kernel(f"the network {restorer.name}")
    known = degradation.fixed_kernel
    if known is None:
        raise UserError(
            f"{blur.option}: {blur.family} draws a kernel for each image, and the network {restorer.name} needs one: "
            f"{advice}"
        )
    return known.psf


def _decibels(value: float, digits: str) -> str:
    """Return a PSNR or gain as text: `exact` for an image that equals the sharp one."""
    return f"{value:{digits}}" if math.isfinite(value) else "exact" if value > 0 else "-"


def _loaded(network: str, asked: RestoreOptions) -> Restorer:
    restorer = load(
        network,
        accelerator=asked.accelerator,
        precision=asked.precision,
        self_ensemble=asked.self_ensemble,
        trusted=asked.trusted,
    )
    if asked.color is not None and restorer.channels > 1:
        raise UserError(
            f"--color {asked.color} is for a network of gray images, and {restorer.name} restores red, green and blue "
            "at once: leave --color out."
        )
    return restorer


def _summary(
    tasks: Sequence[Task],
    todo: Sequence[Task],
    failures: Sequence[UserError],
    restorer: Restorer,
    simulation: _Simulation | None,
    *,
    declined: int,
) -> Lines:
    """Return the final report.

    Raises:
        UserError: if an image failed.
    """
    restored, skipped = len(todo) - len(failures) - declined, len(tasks) - len(todo)
    targets = [task.target if simulation is None else task.sibling("simulated", ".png") for task in tasks]
    folders = {target.parent for target in targets}
    if len({folder.is_absolute() for folder in folders}) > 1:  # which have no part in common
        folders = {folder.absolute() for folder in folders}
    where = Path(os.path.commonpath(folders)) if len(tasks) > 1 else targets[0]
    skips = f" {skipped} had been there already: --overwrite makes them again." if skipped else ""
    left = f" {counted(declined, 'image was', 'images were')} left as {'it is' if declined == 1 else 'they are'}."
    left = left if declined else ""
    if failures and len(tasks) == 1:
        raise failures[0]
    if failures:
        verb = "is" if restored == 1 else "are"
        raise UserError(f"{len(failures)} of {len(tasks)} images failed, {restored} {verb} restored.{left}{skips}")
    if simulation is not None and restored:
        return paragraphs(simulation.table(), f"blurred | restored | sharp: {where}{skips}")
    if simulation is not None:
        return lines(skips.strip())
    if not restored and declined:
        return lines(f"Nothing was restored.{left}{skips}")
    if not restored:
        return lines(f"Nothing was to be done.{skips}")
    images = counted(restored, "image is", "images are")
    return lines(f"{images} restored by the network {restorer.name}: {where}.{left}{skips}", UNKNOWN_GAIN)
