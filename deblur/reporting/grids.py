"""Comparison grids of test images: blurred, restored by each network, sharp, and a detail of each."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deblur.blur.images import most_blurred
from deblur.reading import MissingFile, UnusableFile, damaged, read_bytes, reason_of
from deblur.reporting.answers import Answer
from deblur.reporting.configurations import Configuration
from deblur.reporting.figures import FigureFile, figure_file, styled
from deblur.reporting.results import Run
from deblur.runs.records import SAMPLES_FOLDER, sample_folder

CURE = "delete the file"
LARGEST_SAMPLE = 2**26  # pixels
MOST_MODELS = 5  # images of more do not fit side by side
TILE = 1.75  # [inch]
CROP = "#D55E00"

Pixels = NDArray[np.float64]  # levels of 255, (H, W) of a gray image or (H, W, 3) of an RGB image


@dataclass(frozen=True)
class _Sample:
    """A test image that the runs keep."""

    name: str
    folder: str
    gain: float


def grids(answers: Sequence[Answer], damages: list[str]) -> list[FigureFile]:
    """Return a figure for each test setting whose best run keeps test images.

    Args:
        answers: the test settings.
        damages: gets a sentence for each image that cannot be used, whose figure is left out.
    """
    made = []
    with styled():
        for number, answer in enumerate(answers, 1):
            samples = _samples(answer.best)
            try:
                if samples:
                    made.append(_figure(answer, list(dict.fromkeys([samples[0], samples[-1]])), number))
            except UnusableFile as error:
                damages.append(str(error))
    return made


def _samples(best: Configuration) -> list[_Sample]:
    """Return the stored test images, that with the largest gain of the best configuration first."""
    run = best.done[0]
    found: dict[str, _Sample] = {}
    for name, values in run.images.items():
        folder = sample_folder(name)
        if np.isfinite(values["gain"]) and (run.folder / SAMPLES_FOLDER / folder / "sharp.png").is_file():
            found.setdefault(folder, _Sample(name, folder, values["gain"]))
    return sorted(found.values(), key=lambda sample: -sample.gain)


def _figure(answer: Answer, samples: Sequence[_Sample], number: int) -> FigureFile:
    configurations = _best_of_each_model(answer)
    columns = len(configurations) + 2
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(TILE * columns, (2 * TILE + 0.62) * len(samples)), layout=layout)
    grid = figure.subplots(2 * len(samples), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    alts = [
        _draw(sample, configurations, grid[2 * place : 2 * place + 2], "largest" if place == 0 else "smallest")
        for place, sample in enumerate(samples)
    ]
    label = answer.test_setting.label
    which = "largest and the smallest" if len(samples) > 1 else "only known"
    caption = (
        f"The stored test images with the {which} gain of the best configuration ({answer.best.name}). Below each, the "
        "marked detail, in which the blurred image differs most from the sharp one. One run (seed) of each network at "
        "its best setting; numbers are PSNR in dB."
    )
    if len(configurations) < len({configuration.model for configuration in answer.test_setting.done}):
        caption += f" Only the {len(configurations)} best networks are shown."
    slug = re.sub(r"[^A-Za-z0-9]+", "_", label).strip("_")[:40]
    file = f"grid_{number}_{slug}.png" if slug else f"grid_{number}.png"
    heading = answer.test_setting.heading
    alt = f"Test images blurred by {heading}. {' '.join(alts)}"
    return figure_file(figure, file, f"Test images: {heading}", alt, caption)


def _best_of_each_model(answer: Answer) -> list[Configuration]:
    best: dict[str, Configuration] = {}
    for configuration in (answer.best, *(competitor.configuration for competitor in answer.competitors)):
        best.setdefault(configuration.model, configuration)
    shown = list(best.values())[:MOST_MODELS]
    places = {configuration.model: place for place, configuration in enumerate(answer.test_setting.configurations)}
    return sorted(shown, key=lambda configuration: places[configuration.model])


def _draw(sample: _Sample, configurations: Sequence[Configuration], grid: NDArray[np.object_], kind: str) -> str:
    """Draw an image and its details, and return its numbers in words."""
    run = _run_with(configurations[0], sample)
    blurred, sharp = _read(run, sample, "blurred"), _read(run, sample, "sharp")
    columns = [("blurred", blurred, run.images[sample.name]["input_psnr"])]
    for configuration in configurations:
        shown = _run_with(configuration, sample)
        psnr = shown.images.get(sample.name, {}).get("psnr", np.nan)
        columns.append((configuration.name.replace(", ", "\n"), _read(shown, sample, "restored"), psnr))
    columns.append(("sharp", sharp, np.nan))
    crop = None
    if blurred is not None and sharp is not None and blurred.shape == sharp.shape:
        crop = most_blurred(blurred, sharp)
    numbers = []
    for (title, image, psnr), whole, detail in zip(columns, *grid, strict=True):
        whole.set_title(f"{title} {psnr:.2f}" if np.isfinite(psnr) else title, fontsize=8)
        if np.isfinite(psnr):
            numbers.append(f"{title} {psnr:.2f} dB".replace("\n", " "))
        if image is not None:
            _show(whole, detail, image, crop)
    grid[0, 0].set_title(f"{sample.name[:40]}\n{grid[0, 0].get_title()}", fontsize=8)
    return f"{sample.name}, {kind} gain ({sample.gain:+.2f} dB): {', '.join(numbers)}."


def _run_with(configuration: Configuration, sample: _Sample) -> Run:
    """Return the first run that was tested on an image: with folds, not every run was."""
    return next((run for run in configuration.done if sample.name in run.images), configuration.done[0])


def _show(whole: Axes, detail: Axes, image: Pixels, crop: tuple[int, int, int] | None) -> None:
    _imshow(whole, image, "antialiased")
    if crop is None:
        return
    top, left, side = crop
    whole.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=CROP, linewidth=1.2))
    _imshow(detail, image[top : top + side, left : left + side], "nearest")


def _imshow(axes: Axes, image: Pixels, interpolation: str) -> None:
    if image.ndim == 3:
        axes.imshow(image / 255, interpolation=interpolation)
    else:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation=interpolation)


def _read(run: Run, sample: _Sample, kind: str) -> Pixels | None:
    """Return an image of a run, or None if it has none."""
    path = run.folder / SAMPLES_FOLDER / sample.folder / f"{kind}.png"
    try:
        content = read_bytes(path, cure=CURE)
    except MissingFile:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as file:
            if file.width * file.height > LARGEST_SAMPLE:
                raise ValueError(f"it has {file.width}x{file.height} pixels")
            return np.asarray(file.convert("RGB" if file.mode == "RGB" else "L"), dtype=np.float64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "it is no PNG image" if isinstance(error, UnidentifiedImageError) else reason_of(error)
        raise damaged(path, reason, CURE) from error
