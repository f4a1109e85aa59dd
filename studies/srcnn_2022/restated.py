"""The original study's program, stated again for `studies.srcnn_2022.program`, which calls it in a separate process.

Alone in its process it has none of our settings: the memory that it frees goes back to the system, and no algorithm is
made deterministic.

What is known of the program is in docs/original_study.md: three channels, the gray image three times; each layer pads
by itself; dropout after each hidden layer; images read from JPEG files in each step, one a step, in float32; MSE; Adam
and ReduceLROnPlateau made again in every epoch; validation after each. With these paddings, an image of 256x256 px is
252, then 256, then 256 px wide in 9-1-5, then 252, 254, 258, 256 in 9-3-1-5 and 252, 254, 256, 258, 256 in 9-1-1-1-5:
nothing has to be cut before input and output are compared. Assumed is what is not known: the images are neither resized
nor mirrored, a DataLoader without processes shuffles them, and JPEG has OpenCV's quality of 95.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset

from deblur.blur import Box, Degradation, Gaussian, Motion
from deblur.data.sources import FolderData, ImageSource, SyntheticData
from deblur.data.splits import split
from deblur.image_io.decoding import BadImageError, digest, read_gray
from deblur.metrics.images import psnr

SIDE = 256  # px, of the study's images
RATE = 1e-4
WARM_UP = 2  # steps that are not measured
SHARP, BLURRED, UNCOMPRESSED = "sharp", "blurred", "uncompressed"  # folders
SPLITS = "splits.json"
BLURS: dict[str, Degradation] = {"box": Box(7), "gaussian": Gaussian(3.0), "motion": Motion(15, 0)}


class Layers(NamedTuple):
    """The settings in which the study's networks differ."""

    kernel_sizes: tuple[int, ...]
    widths: tuple[int, ...]
    paddings: tuple[int, ...]


NETWORKS = {
    "9-1-5": Layers((9, 1, 5), (128, 64), (2, 2, 2)),
    "9-3-1-5": Layers((9, 3, 1, 5), (128, 64, 32), (2, 2, 2, 1)),
    "9-1-1-1-5": Layers((9, 1, 1, 1, 5), (128, 64, 32, 16), (2, 1, 1, 1, 1)),
}


class Step(NamedTuple):
    """How long one training step took: its files to be read, the rest to be computed [s]."""

    reading: float
    computing: float


class Files(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of a blurred and a sharp image, (3, H, W) in [0, 1], read from their files each time."""

    def __init__(self, folder: Path, names: Sequence[str], blurred: str = BLURRED) -> None:
        """Name the files; `blurred` is the folder of the blurred ones."""
        self._folder = folder
        self._names = names
        self._blurred = blurred

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Read one pair."""
        name = self._names[index]
        blurred = (self._folder / self._blurred / name).with_suffix(".png" if self._blurred == UNCOMPRESSED else ".jpg")
        return _read(blurred), _read(self._folder / SHARP / name)


class Study:
    """One training of the study, on the images that `prepare` wrote."""

    def __init__(self, network: str, folder: Path) -> None:
        """Build a network.

        Args:
            network: its name, such as 9-1-5.
            folder: with the images.
        """
        names = json.loads((folder / SPLITS).read_text(encoding="utf-8"))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._training = DataLoader(Files(folder, names["train"]), batch_size=1, shuffle=True)
        self._validation = DataLoader(Files(folder, names["val"]), batch_size=1)
        self._uncompressed = DataLoader(Files(folder, names["val"], UNCOMPRESSED), batch_size=1)
        self._network = _build(NETWORKS[network]).to(self._device)
        self._loss = nn.MSELoss()

    @property
    def images(self) -> int:
        """The number of training images, and of steps in an epoch."""
        return len(self._training)

    def steps(self) -> Iterator[Step]:
        """Train without end; yield after each step."""
        while True:
            optimizer = torch.optim.Adam(self._network.parameters(), lr=RATE)
            scheduler = ReduceLROnPlateau(optimizer, patience=5, factor=0.1)
            self._network.train()
            start = time.perf_counter()
            for blurred, sharp in self._training:
                read = time.perf_counter()
                optimizer.zero_grad()
                loss = self._loss(self._network(blurred.to(self._device)), sharp.to(self._device))
                loss.backward()
                optimizer.step()
                loss.item()  # it summed the losses up; a GPU is waited for here
                yield Step(read - start, time.perf_counter() - read)
                start = time.perf_counter()
            scheduler.step(self.validate(len(self._validation)))

    @torch.no_grad()
    def validate(self, images: int) -> float:
        """Return the mean loss of some of the validation images."""
        self._network.eval()
        pairs = islice(self._validation, images)
        losses = [
            self._loss(self._network(one.to(self._device)), other.to(self._device)).item() for one, other in pairs
        ]
        return statistics.fmean(losses)

    def psnr(self) -> tuple[float, float]:
        """Return the mean PSNR of the validation images, restored and blurred [dB]."""
        pairs = [
            (psnr(restored, sharp).item(), psnr(blurred, sharp).item()) for restored, blurred, sharp in self._whole()
        ]
        restored, given = (statistics.fmean(values) for values in zip(*pairs, strict=True))
        return restored, given

    def quality(self) -> tuple[float, float]:
        """Return the mean PSNR [dB] and the mean MSE of the restored validation images; the training can continue."""
        was_training = self._network.training
        pairs = [
            (psnr(restored, sharp).item(), self._loss(restored, sharp).item()) for restored, _, sharp in self._whole()
        ]
        self._network.train(was_training)
        decibels, losses = (statistics.fmean(values) for values in zip(*pairs, strict=True))
        return decibels, losses

    def given_quality(self) -> tuple[float, float]:
        """Return the mean PSNR [dB] and the mean MSE of the blurred validation images."""
        pairs = [
            (psnr(one[:, :1], other[:, :1]).item(), self._loss(one, other).item()) for one, other in self._uncompressed
        ]
        decibels, losses = (statistics.fmean(values) for values in zip(*pairs, strict=True))
        return decibels, losses

    @torch.no_grad()
    def _whole(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the validation images, restored, blurred and sharp, (1, 1, H, W).

        What is restored was not compressed and is clamped, and its three channels are averaged: all can only help the
        study.
        """
        self._network.eval()
        for blurred, sharp in self._uncompressed:
            gray = self._network(blurred.to(self._device)).clamp(0, 1).mean(dim=1, keepdim=True).cpu()
            yield gray, blurred[:, :1], sharp[:, :1]


def prepare(folder: Path, root: Path | None, count: int, blur: str, *, lossless: bool = False) -> dict[str, int]:
    """Write the images as the study had them: gray JPEG files, the blurred ones made of the decoded sharp ones.

    Larger images are cut to their middle, smaller ones are left out. The division is that of our program, which reads
    the sharp files.

    Args:
        folder: for the output.
        root: a folder of images; None draws faces.
        count: how many images at most.
        blur: box, gaussian or motion, of the study's strength.
        lossless: write the sharp images as PNG files.

    Returns:
        How many images there are for training and validation.
    """
    source: ImageSource = SyntheticData(count, seed=0) if root is None else FolderData(root, count, 0)
    for kind in (SHARP, BLURRED, UNCOMPRESSED):
        (folder / kind).mkdir(parents=True)
    degradation, rng = BLURS[blur], np.random.default_rng(0)
    names, digests = [], []
    for index in range(len(source.names)):
        try:
            image = source.decode(index)
        except BadImageError:
            continue
        if min(image.shape) < SIDE:
            continue
        top, left = ((size - SIDE) // 2 for size in image.shape)
        name = f"{index:06d}.{'png' if lossless else 'jpg'}"
        cv2.imwrite(str(folder / SHARP / name), image[top : top + SIDE, left : left + SIDE])
        sharp = read_gray(folder / SHARP / name)
        blurred = degradation.apply(sharp, degradation.sample(rng))
        cv2.imwrite(str((folder / BLURRED / name).with_suffix(".jpg")), blurred)
        cv2.imwrite(str((folder / UNCOMPRESSED / name).with_suffix(".png")), blurred)
        names.append(name)
        digests.append(digest(sharp))
    splits = split(digests, 0)
    sets = {kind: [names[index] for index in getattr(splits, kind)] for kind in ("train", "val")}
    (folder / SPLITS).write_text(json.dumps(sets), encoding="utf-8")
    return {kind: len(members) for kind, members in sets.items()}


def measure_steps(network: str, folder: Path, steps: int) -> dict[str, float]:
    """Return the seconds of a step, `reading` and `computing`, and of an image in `validation`: medians and a mean."""
    study = Study(network, folder)
    taken = list(islice(study.steps(), WARM_UP + steps))[WARM_UP:]
    start = time.perf_counter()
    study.validate(steps)
    images = min(steps, len(json.loads((folder / SPLITS).read_text(encoding="utf-8"))["val"]))
    return {
        "reading": statistics.median(step.reading for step in taken),
        "computing": statistics.median(step.computing for step in taken),
        "validation": (time.perf_counter() - start) / images,
    }


def train_for(network: str, folder: Path, seconds: float) -> dict[str, float]:
    """Train for some time, validation apart; return the `steps` taken, the `psnr` reached and the `input_psnr`."""
    study = Study(network, folder)
    taken, count = 0.0, 0
    for step in study.steps():
        taken += sum(step)
        count += 1
        if taken >= seconds:
            break
    restored, given = study.psnr()
    return {"steps": count, "psnr": restored, "input_psnr": given}


def main() -> None:
    """Do one measurement in this process, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("folder", type=Path, help="with the images that `prepare` wrote")
    parser.add_argument("--steps", type=int, default=12, help="training steps to measure (default 12)")
    parser.add_argument("--seconds", type=float, help="train for so long instead, and print the PSNR")
    options = parser.parse_args()
    if options.seconds is None:
        print(json.dumps(measure_steps(options.network, options.folder, options.steps)))
    else:
        print(json.dumps(train_for(options.network, options.folder, options.seconds)))


def _build(layers: Layers) -> nn.Sequential:
    channels = [3, *layers.widths, 3]
    parts: list[nn.Module] = []
    for (before, after), size, padding in zip(pairwise(channels), layers.kernel_sizes, layers.paddings, strict=True):
        parts += [nn.Conv2d(before, after, size, padding=padding), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*parts[:-2])


def _read(path: Path) -> Tensor:
    levels = cv2.imread(str(path))  # (H, W, 3)
    if levels is None:
        raise FileNotFoundError(path)
    return torch.from_numpy(levels.transpose(2, 0, 1).copy()).float() / 255


if __name__ == "__main__":
    main()
