"""Make the network that estimates the blur of an image: `python -m scripts.estimator`, or `make estimator`.

It is trained on dead leaves only. Tiles that are blurred by kernels of all kinds are made once and kept in
outputs/estimator; other dead leaves give the temperature of its probabilities.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional

from deblur.blur import Box, Degradation, Disk, Gaussian, Motion, NoBlur, Trajectory
from deblur.console import say
from deblur.estimation.network import (
    FIELD,
    INPUTS,
    KINDS,
    LARGEST_SPREAD,
    LAYERS,
    OUTPUTS,
    SMALLEST_SPREAD,
    TEMPERATURE,
    WEIGHTS,
    spectra,
)
from deblur.synthesis.leaves import Ingredients, draw

FOLDER: Final = Path("outputs/estimator")
TILE: Final = 128  # px
TRAINING_SEED, HELD_OUT_SEED = 2201, 2202  # collections of dead leaves
TRAINING_IMAGES, HELD_OUT_IMAGES = 1600, 300
BLURS_PER_IMAGE: Final = 4
TILES_PER_BLUR: Final = 2
LARGEST_SHIFT: Final = 48  # px, room for a second tile that differs from the first
NONE, DEFOCUS, MOTION, SHAKE = range(len(KINDS))
STRAIGHT: Final = 0.12  # width of a path in relation to its length, up to which it counts as motion
STRAIGHT_WIDTH: Final = 0.35  # px, the standard deviation across a straight line of pixels
WIDTHS: Final = (64, 64)
LEARNING_RATE: Final = 2e-3
BATCH: Final = 256
EPOCHS: Final = 12
WEIGHT_DECAY: Final = 0.02
PARTS_PER_TILE: Final = 1
LOUDNESS: Final = 0.3  # standard deviation of changes of the logarithm of all powers
SMALLEST_DEVIATION: Final = 0.5  # of the logarithm of a power; that of the mean is always the same
JITTER: Final = 0.1  # the same of each power
PHOTO: Final = {
    "linear": True,
    "exposure": (0.7, 1.4),
    "highlights": (1.0, 4.0),
    "saturation": True,
    "shot_noise": (0.0001, 0.001),
    "read_noise": (0.0, 0.002),
}  # conf/blur/camera/photo.yaml
NOISE: Final = (0.0, 5.0)  # standard deviation [gray levels of 255]
QUALITY: Final = (70, 95)  # of JPEG
LARGEST_REDUCTION: Final = 2.0


class Tiles(NamedTuple):
    """Blurred tiles with what blurred them."""

    pixels: NDArray[np.uint8]  # (N, TILE, TILE)
    kinds: NDArray[np.int64]  # (N,), indices of KINDS
    moments: NDArray[np.float32]  # (N, 3): variances of x and y, y upwards, and their covariance [px^2]


def blur(rng: np.random.Generator) -> tuple[int, Degradation]:
    """Draw a kind and a blur of it."""
    after: dict[str, Any] = {
        "noise_sigma": float(rng.uniform(*NOISE)) * float(rng.random() < 0.8),
        "jpeg_quality": int(rng.integers(QUALITY[0], QUALITY[1] + 1)) if rng.random() < 0.7 else None,
        "camera": PHOTO if rng.random() < 0.5 else None,
    }

    def size(low: float, high: float) -> float:
        return math.exp(rng.uniform(math.log(low), math.log(high)))

    drawn = rng.random()
    if drawn < 0.16:
        return NONE, NoBlur(**after)
    if drawn < 0.30:
        return DEFOCUS, Gaussian(size(0.5, 12), **after)
    if drawn < 0.45:
        return DEFOCUS, Disk(size(1, 24), **after)
    if drawn < 0.50:
        return DEFOCUS, Box(1 + 2 * int(size(1, 20)), **after)
    if drawn < 0.75:
        return MOTION, Motion(size(2.5, 50), float(rng.uniform(0, 180)), **after)
    return SHAKE, Trajectory(size(4, 60), float(rng.uniform(0.3, 1)), **after)


def moments_of(psf: NDArray[Any]) -> NDArray[np.float64]:
    """Return the variances of x and y, y upwards, and their covariance, of a kernel [px^2]."""
    height, width = psf.shape
    y, x = np.mgrid[(height - 1) / 2 : -height / 2 : -1, -(width - 1) / 2 : width / 2]
    mean_x, mean_y = (psf * x).sum(), (psf * y).sum()
    return np.array(
        [(psf * x * x).sum() - mean_x**2, (psf * y * y).sum() - mean_y**2, (psf * x * y).sum() - mean_x * mean_y]
    )


def tiles_of(seed: int, index: int) -> Iterator[tuple[NDArray[np.uint8], int, NDArray[np.float64]]]:
    """Yield tiles of one drawn image, each blurred in another way, with its kind and the moments of its kernel."""
    rng = np.random.default_rng([seed, index])
    sharp = draw(seed, index, "gray", Ingredients(depth_of_field=bool(rng.random() < 0.5)))
    for _ in range(BLURS_PER_IMAGE):
        kind, degradation = blur(rng)
        sampled = degradation.sample(rng)
        assert sampled.psf is not None
        reach = max(sampled.psf.shape) // 2
        if sharp.shape[0] - 2 * reach < TILE:
            continue
        blurred = degradation.apply(sharp, sampled)
        valid = blurred[reach : len(blurred) - reach, reach : len(blurred) - reach]
        most = min(LARGEST_REDUCTION, len(valid) / TILE)
        factor = float(rng.uniform(1, most)) if rng.random() < 0.5 else 1.0
        moments = moments_of(sampled.psf) / factor**2
        if factor > 1:
            side = max(TILE, round(len(valid) / factor))
            valid = np.asarray(cv2.resize(valid, (side, side), interpolation=cv2.INTER_AREA))
            if rng.random() < 0.4:
                quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
                _, encoded = cv2.imencode(".jpg", valid, [cv2.IMWRITE_JPEG_QUALITY, quality])
                valid = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
        for _ in range(TILES_PER_BLUR if len(valid) - TILE >= LARGEST_SHIFT else 1):
            top, left = rng.integers(0, len(valid) - TILE + 1, 2)
            yield valid[top : top + TILE, left : left + TILE], kind, moments


def made(seed: int, count: int) -> Tiles:
    """Make the tiles of a number of images, or read those that were made."""
    path = FOLDER / f"tiles_{seed}_{count}.npz"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        pixels, kinds, moments = zip(*(tile for index in range(count) for tile in tiles_of(seed, index)), strict=True)
        np.savez(path, pixels=np.stack(pixels), kinds=np.array(kinds), moments=np.array(moments, np.float32))
        say(f"{len(kinds)} tiles of {count} images: {time.monotonic() - start:.0f} s")
    with np.load(path) as stored:
        return Tiles(stored["pixels"], stored["kinds"], stored["moments"])


class Estimator(nn.Module):
    """The network of `deblur.estimation.network`, to be trained."""

    def __init__(self, inputs: Tensor) -> None:
        """Draw the first weights, such that the first layer normalizes inputs (N, INPUTS)."""
        super().__init__()
        channels = (INPUTS, *WIDTHS, OUTPUTS)
        for number in range(LAYERS):
            self.add_module(f"layer{number}", nn.Linear(channels[number], channels[number + 1]))
        self.mean, self.deviation = inputs.mean(0), inputs.std(0).clamp(min=SMALLEST_DEVIATION)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of mean spectra (N, INPUTS), as (N, OUTPUTS)."""
        values = (inputs - self.mean) / self.deviation
        for number, layer in enumerate(self.children()):
            values = layer(functional.relu(values) if number else values)
        return values

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights to be stored, those of the first layer for inputs that are not normalized."""
        state = dict(self.state_dict())
        state["layer0.weight"] = state["layer0.weight"] / self.deviation
        state["layer0.bias"] = state["layer0.bias"] - state["layer0.weight"] @ self.mean
        return {name: np.ascontiguousarray(weight.numpy()) for name, weight in state.items()}


class Targets(NamedTuple):
    """What the network is to say of tiles."""

    kinds: Tensor  # (N,)
    spreads: Tensor  # (N, 2), logarithms
    directions: Tensor  # (N, 2)
    is_measured: Tensor  # (N,), whether the kernel is not too wide


def targets_of(kinds: NDArray[np.int64], moments: NDArray[np.float32]) -> Targets:
    """Return the targets of tiles; a nearly straight path of a shaken camera counts as motion."""
    across, along, mixed = moments[:, 0], moments[:, 1], moments[:, 2]
    difference = np.hypot(across - along, 2 * mixed)
    total = across + along
    major, minor = np.sqrt((total + difference) / 2), np.sqrt(np.maximum(total - difference, 0) / 2)
    kinds = np.where((kinds == SHAKE) & (minor < STRAIGHT * major + STRAIGHT_WIDTH), MOTION, kinds)
    kinds = np.where(major < SMALLEST_SPREAD, NONE, kinds)
    spreads = np.log(np.clip(np.stack([major, minor], 1), SMALLEST_SPREAD, LARGEST_SPREAD))
    directions = np.stack([across - along, 2 * mixed], 1) / np.maximum(total, 1e-6)[:, None]
    return Targets(
        torch.from_numpy(kinds),
        torch.from_numpy(spreads.astype(np.float32)),
        torch.from_numpy(directions.astype(np.float32)),
        torch.from_numpy(major < LARGEST_SPREAD),
    )


def loss_of(outputs: Tensor, targets: Targets) -> Tensor:
    """Return the loss of each tile from outputs (N, OUTPUTS)."""
    kinds = len(KINDS)
    scores, spreads, directions = outputs[:, :kinds], outputs[:, kinds : kinds + 2], outputs[:, kinds + 2 : kinds + 4]
    of_kind = functional.cross_entropy(scores, targets.kinds, reduction="none")
    distance = (spreads - targets.spreads).abs()
    above = functional.relu(targets.spreads[:, 0] - spreads[:, 0])  # a kernel that is too wide may be taken for wider
    of_direction = (directions - targets.directions).square().sum(1)
    return torch.where(targets.is_measured, of_kind + distance.sum(1) + of_direction, above)


class Samples(NamedTuple):
    """Mean spectra with the kernels behind them."""

    inputs: Tensor  # (N, INPUTS)
    kinds: NDArray[np.int64]  # (N,)
    moments: NDArray[np.float32]  # (N, 3)


def samples_of(tiles: Tiles, parts: int) -> Samples:
    """Return the mean spectra of whole tiles, and of smaller parts of each."""
    rng = np.random.default_rng(0)
    inputs = []
    for pixels in tiles.pixels:
        found = spectra(pixels.astype(np.float32) / 255)
        side = len(found.weights)
        for part in range(1 + parts):
            size = side if part == 0 else int(rng.integers(2, side))
            top, left = rng.integers(0, side - size + 1, 2)
            chosen = slice(top, top + size), slice(left, left + size)
            logs, weights = found.logs[chosen].reshape(-1, INPUTS), found.weights[chosen].ravel()
            inputs.append(weights @ logs / weights.sum())
    repeated = np.repeat(np.arange(len(tiles.kinds)), 1 + parts)
    return Samples(torch.from_numpy(np.array(inputs, np.float32)), tiles.kinds[repeated], tiles.moments[repeated])


def turned(samples: Samples) -> Samples:
    """Return samples as they are, mirrored, transposed and both."""
    rows, columns = np.indices((FIELD, FIELD // 2 + 1))
    moments, (across, along, mixed) = samples.moments, samples.moments.T
    turns = (
        (rows, columns, moments),
        (-rows, columns, np.stack([across, along, -mixed], 1)),
        (columns, rows, np.stack([along, across, mixed], 1)),
        (columns, -rows, np.stack([along, across, -mixed], 1)),
    )
    inputs = []
    for down, right, _ in turns:
        down, right = down % FIELD, right % FIELD
        is_other_half = right > FIELD // 2  # whose power is that of the opposite frequency
        down, right = np.where(is_other_half, -down % FIELD, down), np.where(is_other_half, FIELD - right, right)
        inputs.append(samples.inputs[:, (down * (FIELD // 2 + 1) + right).ravel()])
    return Samples(torch.cat(inputs), np.tile(samples.kinds, len(turns)), np.concatenate([turn[2] for turn in turns]))


def trained(samples: Samples) -> Estimator:
    """Train a network."""
    torch.manual_seed(0)
    samples = turned(samples)
    targets = targets_of(samples.kinds, samples.moments)
    network = Estimator(samples.inputs)
    say(f"{sum(one.numel() for one in network.parameters())} parameters, {len(samples.kinds)} samples")
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * (len(samples.kinds) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps, pct_start=0.1)
    for epoch in range(EPOCHS):
        total, order = 0.0, torch.randperm(len(samples.kinds))
        for chosen in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            inputs = samples.inputs[chosen] + LOUDNESS * torch.randn(BATCH, 1)
            outputs = network(inputs + JITTER * torch.randn_like(inputs))
            loss = loss_of(outputs, Targets(*(one[chosen] for one in targets))).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # of torch
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        say(f"epoch {epoch + 1}: loss {total * BATCH / len(order):.3f}")
    return network


def temperature_of(outputs: Tensor, targets: Targets) -> float:
    """Return the number by which scores are divided so that probabilities are likeliest on tiles."""
    scores, kinds = outputs[targets.is_measured, : len(KINDS)], targets.kinds[targets.is_measured]
    candidates = np.exp(np.linspace(math.log(0.3), math.log(5), 200))
    return float(min(candidates, key=lambda one: float(functional.cross_entropy(scores / float(one), kinds))))


def report(outputs: Tensor, targets: Targets) -> None:
    """Show how well kinds, spreads and directions of tiles are estimated."""
    outputs, targets = outputs[targets.is_measured], Targets(*(one[targets.is_measured] for one in targets))
    guessed = outputs[:, : len(KINDS)].argmax(1)
    for kind, name in enumerate(KINDS):
        own = targets.kinds == kind
        shares = " ".join(
            f"{other} {float((guessed[own] == number).float().mean()):.2f}" for number, other in enumerate(KINDS)
        )
        error = (outputs[own, len(KINDS)] - targets.spreads[own, 0]).abs().exp().median() - 1
        angles = (
            torch.atan2(*outputs[own, len(KINDS) + 2 : len(KINDS) + 4].flip(1).T)
            - torch.atan2(*targets.directions[own].flip(1).T)
        ) / 2
        turned = (angles.rad2deg() + 90).remainder(180) - 90
        angle = float(turned.abs().median())
        say(f"{name} ({int(own.sum())} tiles): {shares}; width {float(error):.1%}; angle {angle:.1f} degrees")


def main() -> None:
    """Make the tiles, train the network and write its weights."""
    network = trained(samples_of(made(TRAINING_SEED, TRAINING_IMAGES), PARTS_PER_TILE))
    held_out = samples_of(made(HELD_OUT_SEED, HELD_OUT_IMAGES), 0)
    with torch.no_grad():
        outputs, targets = network(held_out.inputs), targets_of(held_out.kinds, held_out.moments)
    report(outputs, targets)
    temperature = np.array([temperature_of(outputs, targets)], np.float32)
    save_file({**network.arrays(), TEMPERATURE: temperature}, WEIGHTS)
    say(f"{WEIGHTS} holds {WEIGHTS.stat().st_size / 1e3:.0f} kB; temperature {temperature[0]:.2f}")


if __name__ == "__main__":
    main()
