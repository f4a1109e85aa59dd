"""What the noise of a color filter array costs: `python -m studies.chroma_noise RUN data.root=PHOTOS`.

The camera gives each pixel and channel noise of its own. Demosaicing spreads the noise of each sensor pixel over its
neighbors, so that noise becomes coarser and differs from channel to channel. The color photographs of a folder are
blurred by the blur of a run in linear light, without exposure, highlights and JPEG. They get shot and read noise of
the same variance, once in each pixel and channel, once at the sites of a Bayer pattern and interpolated bilinearly.
The last row has independent noise whose sum over the channels, with the weights of the luma, is as strong as that of
the interpolated noise.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

import deblur
from benchmarks.images import open_folder
from benchmarks.results import Row, write_table
from deblur.blur import Kernel, convolve
from deblur.luma import LUMA_WEIGHTS
from deblur.runs.records import read_config
from deblur.srgb import decoded, encoded

SHOT_NOISE: Final = 0.001  # the most that blur/camera=photo draws
READ_NOISE: Final = 0.002  # likewise
SITES: Final = (((0, 0),), ((0, 1), (1, 0)), ((1, 1),))
"""Rows and columns, modulo 2, of the red, green and blue pixels of a Bayer pattern."""

SQUARE: Final = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float64)
CROSS: Final = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float64)
WEIGHTS: Final = (SQUARE, CROSS, SQUARE)
"""Bilinear interpolation of red, green and blue, to be divided by the sum of the weights at the sites."""

Noise = NDArray[np.float64]
"""Of light, (H, W, 3); white is 1."""


def main(run: str, overrides: Sequence[str]) -> None:
    """Measure the network of a run with each kind of noise."""
    blur = {key: value for key, value in read_config(Path(run))["blur"].items() if not key.startswith("_")}
    kernel = Kernel(deblur.kernel(blur.pop("name"), **blur))
    data = open_folder(["data.color=rgb", "blur=none", *overrides])
    samples = data.evaluation_dataset(range(len(data.images)))
    photographs = [
        np.ascontiguousarray(samples[position]["sharp"].transpose(1, 2, 0)) for position in range(len(samples))
    ]
    lights = [blurred_light(photograph, kernel) for photograph in photographs]
    drawn = [noise_of(light, seed) for seed, light in enumerate(lights)]
    demosaiced = [interpolated(noise) for noise in drawn]
    ratio = float(np.sqrt(_mean_square(demosaiced) / _mean_square(drawn)))
    kinds: dict[str, Callable[[int], Noise]] = {
        "none": lambda position: np.zeros_like(drawn[position]),
        "independent": lambda position: drawn[position],
        "demosaiced": lambda position: demosaiced[position],
        f"independent, times {ratio:.2f}": lambda position: drawn[position] * ratio,
    }
    restorer, psnr, psnr_y = deblur.load(run), deblur.metric("psnr"), deblur.metric("psnr_y")
    rows: list[Row] = []
    for kind, noise in kinds.items():
        found = []
        for position, (photograph, light) in enumerate(zip(photographs, lights, strict=True)):
            image = developed(light + noise(position))
            restored = restorer(image, strength=1)
            found.append([metric(each, photograph) for metric in (psnr, psnr_y) for each in (image, restored)])
        blurred, gained, blurred_y, gained_y = np.mean(found, axis=0).tolist()
        row: Row = {"noise": kind, "blurred": blurred, "gain": gained - blurred}
        rows.append(row | {"blurred, luma": blurred_y, "gain, luma": gained_y - blurred_y})
    write_table("chroma_noise", "PSNR and gain of RGB images and of their luma [dB]", rows)


def blurred_light(photograph: NDArray[np.uint8], kernel: Kernel) -> Noise:
    """Return the blurred light of an image (H, W, 3)."""
    light = decoded(photograph.astype(np.float32) / 255)
    return np.stack([convolve(np.ascontiguousarray(plane), kernel) for plane in np.moveaxis(light, -1, 0)], -1).astype(
        np.float64
    )


def noise_of(light: Noise, seed: int) -> Noise:
    """Draw shot and read noise for each pixel and channel."""
    deviation = np.sqrt(SHOT_NOISE * np.maximum(light, 0) + READ_NOISE**2)
    noise: Noise = deviation * np.random.default_rng(seed).standard_normal(light.shape)
    return noise


def interpolated(noise: Noise) -> Noise:
    """Return the noise of which only the sites of each channel were recorded, interpolated bilinearly between them."""
    channels = []
    for plane, sites, weights in zip(np.moveaxis(noise, -1, 0), SITES, WEIGHTS, strict=True):
        is_site = np.zeros(plane.shape)
        for row, column in sites:
            is_site[row::2, column::2] = 1
        total, weight = (_filtered(values, weights) for values in (plane * is_site, is_site))
        channels.append(total / weight)
    return np.stack(channels, -1)


def developed(light: Noise) -> NDArray[np.uint8]:
    """Return the encoded image of 8 bits."""
    levels: NDArray[np.uint8] = np.rint(255 * encoded(light.clip(0, 1))).astype(np.uint8)
    return levels


def _filtered(values: Noise, weights: Noise) -> Noise:
    return np.asarray(cv2.filter2D(values, cv2.CV_64F, weights, borderType=cv2.BORDER_REFLECT_101), np.float64)


def _mean_square(noise: Sequence[Any]) -> float:
    """Return the mean square of the noise of the luma."""
    return float(np.mean([np.square(each @ np.array(LUMA_WEIGHTS)).mean() for each in noise]))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("Give the folder of a run of a blur with one kernel, then data.root=PHOTOS.")
    main(sys.argv[1], sys.argv[2:])
