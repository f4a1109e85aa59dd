"""Images to measure with: variants of drawn faces, as many as are wanted, and the blurred ones of a folder."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import deblur
from deblur.blur.kernels import Psf
from deblur.data.cache import ImageCache, open_cache
from deblur.data.datamodule import DeblurDataModule
from deblur.data.sources import SyntheticData
from deblur.wiener.images import ByteImage

FILES_IN_A_FOLDER = 500
JPEG_QUALITY = 90


def open_folder(overrides: Sequence[str]) -> DeblurDataModule:
    """Open a folder of images, split and blurred by the overrides of a training."""
    return deblur.data_module(["data=folder", *overrides])


def blurred_images(data: DeblurDataModule, count: int) -> tuple[list[ByteImage], list[ByteImage], list[Psf]]:
    """Return the first test images, sharp and blurred, and what each was blurred with."""
    dataset = data.evaluation_dataset(data.splits.test[:count])
    samples = [dataset[position] for position in range(len(dataset))]
    sharp, blurred = ([sample[key][0] for sample in samples] for key in ("sharp", "blurred"))
    return sharp, blurred, [sample["kernel"] for sample in samples]


def drawn_faces(count: int, scratch: Path) -> ImageCache:
    """Draw faces of 256x256 px, unless they lie in the scratch folder already."""
    return open_cache(SyntheticData(count, seed=0), scratch / "faces", progress=False)


def write_images(faces: ImageCache, root: Path, count: int) -> int:
    """Write color JPEG files in nested folders, all different, in several processes.

    Args:
        faces: what the images are variants of: shifted, mirrored, tinted, brighter or darker.
        root: the folder, created if it is missing; the first images are the same for any count.
        count: how many.

    Returns:
        Bytes in all files.
    """
    starts = range(0, count, FILES_IN_A_FOLDER)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as executor:
        return sum(executor.map(partial(_write_folder, faces, root, count), starts))


def _write_folder(faces: ImageCache, root: Path, count: int, start: int) -> int:
    cv2.setNumThreads(0)
    folder = root / f"{start // FILES_IN_A_FOLDER // 20:03d}" / f"{start // FILES_IN_A_FOLDER:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for index in range(start, min(start + FILES_IN_A_FOLDER, count)):
        encoded = cv2.imencode(".jpg", variant(faces, index), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (folder / f"{index:06d}.jpg").write_bytes(encoded.tobytes())
        written += encoded.size
    return written


def variant(faces: ImageCache, index: int) -> NDArray[np.uint8]:
    """Return one of any number of different images, (256, 256, 3)."""
    rng = np.random.default_rng(index)
    face = np.roll(faces[index % len(faces)], rng.integers(0, 256, 2), axis=(0, 1))[:, :: rng.choice((-1, 1))]
    return np.stack([cv2.convertScaleAbs(face, alpha=gain) for gain in rng.uniform(0.8, 1.2, 3)], axis=-1)
