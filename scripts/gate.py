"""Make the gate that comes with the package: `python -m scripts.gate`, or `make gate`.

It is trained on drawn images, dead leaves and some faces, that the pretrained networks in turn have restored: a third
of them sharp, a third nearly sharp, a third blurred. It is calibrated on other ones. All of them are drawn from their
numbers alone. What is drawn is kept in `outputs/gate` (1 GB): an interrupted command resumes, and one that only trains
otherwise is fast.
"""

import io
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from deblur import degradation
from deblur.blur import Degradation, degrade, exposed
from deblur.blur.images import Crop
from deblur.choices import BLIND
from deblur.config import build
from deblur.console import say
from deblur.files import write_output, write_text
from deblur.image_io.decoding import luma
from deblur.inference.gating import FILE, KEY, MOST, stretched
from deblur.inference.restorer import load
from deblur.metrics.measuring import DEGRADED_BELOW
from deblur.models.gate import CELL, Gate, features
from deblur.synthesis import faces, leaves

SEED: Final = 20  # of the collection of drawn images
FACES: Final = 0.15  # fraction of faces among them
TRAINED_ON: Final = range(1600)  # numbers of its images
CALIBRATED_ON: Final = range(1_000_000, 1_000_400)
PARTS: Final = Path("outputs/gate")
PART: Final = 200  # numbers, whose images are kept in one file
MARGIN: Final = 16  # px that are cut off, into which the mirrored boundary is blurred
KINDS: Final = ("sharp", "nearly sharp", "blurred")
OWN: Final = 0.6  # fraction of the blurred images with a blur of the network's own training
SHARE: Final = 0.99  # of the sharp images of the calibration, that are to change by less than a gray level (RMS)
NOT_DEGRADED: Final = 0.98  # of its other images, that are to lose no more than 0.1 dB
BATCH: Final = 32
STEPS: Final = 4000
LEARNING_RATE: Final = 3e-3
WEIGHT_DECAY: Final = 1e-2
NEIGHBORS: Final = 3  # cells, side of the squares over which the best weight is found
LEAST_CORRECTION: Final = 0.05  # gray levels squared: the best weight of less is 0


class Examples(NamedTuple):
    """Restored images, of which only the means over cells are kept.

    Attributes:
        kinds: one of `KINDS` for each image.
        are_own: which images (N,) have a blur of the training of the network that restored them.
        features: (N, FEATURES, h, w); see `deblur.models.gate.features`.
        moments: (N, 3, h, w) [gray levels squared]: with the correction c that the network proposes and the needed one
            e, c * c, c * e and e * e. A weight w leaves an error of w * w * c * c - 2 * w * c * e + e * e.
    """

    kinds: Sequence[str]
    are_own: Tensor
    features: Tensor
    moments: Tensor

    def errors(self, weights: Tensor) -> Tensor:
        """Return the mean squared errors (N,) of weights (N, 1, h, w) [gray levels squared]."""
        square, product, needed = self.moments.chunk(3, dim=1)
        return (weights * weights * square - 2 * weights * product + needed).mean(dim=(1, 2, 3))

    def changes(self, weights: Tensor) -> Tensor:
        """Return the mean squared changes (N,) of weights (N, 1, h, w) [gray levels squared]."""
        return (weights * weights * self.moments[:, :1]).mean(dim=(1, 2, 3))

    def of(self, kind: str) -> Tensor:
        """Return which images (N,) are of a kind."""
        return torch.tensor([one == kind for one in self.kinds])


def main() -> int:
    """Train, calibrate and write the gate.

    Returns:
        The exit code.
    """
    torch.set_num_threads(1)  # the same numbers on every machine, as far as its processor computes the same
    gate = trained(examples_of(TRAINED_ON))
    examples = examples_of(CALIBRATED_ON)
    with torch.inference_mode():
        weights = torch.cat([gate.weigh(part) for part in torch.split(examples.features, BATCH)])
    limits = calibrated(weights, examples)
    if limits is None:
        say(f"No limits leave {SHARE:.0%} of the sharp images and {NOT_DEGRADED:.0%} of the others as they should be.")
        return 1
    low, high = limits
    calibration = {"share": SHARE, "low": low, "high": high}
    write_output(FILE, save(gate.state_dict(), {KEY: json.dumps(calibration)}))
    write_text(FILE.with_suffix(".md"), _card(stretched(weights, low, high), low, high, examples))
    say(f"{FILE} holds {FILE.stat().st_size / 1e3:.0f} kB.")
    return 0


class Pairs(NamedTuple):
    """Restored images as they are.

    Attributes:
        kinds: one of `KINDS` for each image.
        are_own: which images (N,) have a blur of the training of the network that restored them.
        planes: (N, 3, H, W) uint8: the luma of the sharp image, of what a network is given, and of what it restores.
    """

    kinds: Sequence[str]
    are_own: NDArray[np.bool_]
    planes: NDArray[np.uint8]


class Source:
    """Draws images and restores an example of each kind of each, by another network each time."""

    def __init__(self) -> None:
        """Load the pretrained networks."""
        self._restorers = {name: load(name, accelerator="cpu", precision="32-true") for name in BLIND}
        self._own = {name: build(one.settings["blur"], Degradation) for name, one in self._restorers.items()}

    def drawn(self, numbers: Sequence[int]) -> Pairs:
        """Return the examples of the images of some numbers."""
        kinds, are_own, planes = [], [], []
        for number in numbers:
            rng = np.random.default_rng([SEED, number])
            draw = faces.draw if rng.random() < FACES else leaves.draw
            image = draw(SEED, number, "rgb")
            for place, kind in enumerate(KINDS):
                name = BLIND[(number + place) % len(BLIND)]
                is_own = kind == "blurred" and rng.random() < OWN
                chosen = self._own[name] if is_own else _one_of(_CHOICES[kind], rng)
                sharp, given = _pair(image, kind, chosen, rng)
                kinds.append(kind)
                are_own.append(is_own)
                restored = self._restorers[name](given, strength=1)
                planes.append(np.stack([luma(colors) for colors in (sharp, given, restored)]))
        return Pairs(kinds, np.array(are_own), np.stack(planes))

    def kept(self, numbers: Sequence[int]) -> Pairs:
        """Return the examples from their file, which is written if it is missing or its first images are others now."""
        file = PARTS / f"{numbers[0]}-{numbers[-1]}.npz"
        if file.is_file():
            with np.load(file) as content:
                found = Pairs(content["kinds"].tolist(), content["are_own"], content["planes"])
            first = self.drawn(numbers[: len(BLIND)])  # of each network and kind
            if np.array_equal(first.planes, found.planes[: len(first.planes)]):
                return found
        drawn = self.drawn(numbers)
        content = io.BytesIO()
        np.savez(content, **drawn._asdict())
        write_output(file, content.getvalue())
        return drawn


def examples_of(numbers: Sequence[int]) -> Examples:
    """Return the described examples of the images of some numbers."""
    source = Source()
    parts = [_described(source.kept(numbers[start : start + PART])) for start in range(0, len(numbers), PART)]
    return Examples(
        [kind for part in parts for kind in part.kinds],
        torch.cat([part.are_own for part in parts]),
        torch.cat([part.features for part in parts]),
        torch.cat([part.moments for part in parts]),
    )


def _described(pairs: Pairs) -> Examples:
    described, moments = [], []
    for planes in torch.split(torch.from_numpy(pairs.planes), BATCH):
        sharp, given, restored = planes.float().chunk(3, dim=1)
        correction, needed = restored - given, sharp - given
        described.append(features(given / 255, correction / 255))
        products = (correction * correction, correction * needed, needed * needed)
        moments.append(F.avg_pool2d(torch.cat(products, dim=1), CELL))
    return Examples(pairs.kinds, torch.from_numpy(pairs.are_own), torch.cat(described), torch.cat(moments))


def _choices() -> dict[str, list[Degradation]]:
    files: dict[str, Any] = {"jpeg_quality": [60, 95]}
    better: dict[str, Any] = {"jpeg_quality": [70, 100]}
    noisy: dict[str, Any] = {"noise_sigma": [0.0, 3.0]}
    return {
        "sharp": [degradation("none"), degradation("none", camera="photo")],
        "nearly sharp": [
            degradation("gaussian", sigma=[0.3, 0.7]),
            degradation("gaussian", sigma=[0.3, 0.7], noise_sigma=[0.0, 2.0], **files),
            degradation("none", **files),
            degradation("none", **files),
            degradation("none", noise_sigma=[0.5, 5.0]),
            degradation("none", camera="photo", **files),
        ],
        "blurred": [
            degradation("mixed", **noisy),
            degradation("mixed", **noisy, **better),
            degradation("mixed", camera="photo", **noisy),
            degradation("mixed", camera="photo", **noisy, **better),
            degradation("varying", **noisy, **better),
        ],
    }


_CHOICES: Final = _choices()


def _one_of(choices: Sequence[Degradation], rng: np.random.Generator) -> Degradation:
    return choices[int(rng.integers(len(choices)))]


def _pair(
    image: NDArray[np.uint8], kind: str, chosen: Degradation, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the sharp image and what a network is given; the two are the same for a sharp one."""
    crop, sampled = Crop("valid", (MARGIN, MARGIN)), chosen.sample(rng)
    sharp = np.ascontiguousarray(exposed(crop.cut(image), chosen, sampled))
    return sharp, sharp if kind == "sharp" else np.ascontiguousarray(degrade(image, chosen, sampled, crop))


def trained(examples: Examples) -> Gate:
    """Train a gate on the weights that would leave the least error, as far as a neighborhood decides them.

    Each image counts the same, and each cell of it by its squared correction. A loss of the error itself would count a
    sharp image, of which nothing may be lost, far above a blurred one, which gains a decibel: the threshold of the
    calibration makes the gate careful instead.
    """
    torch.manual_seed(0)
    gate = Gate()
    optimizer = torch.optim.AdamW(gate.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    smooth = F.avg_pool2d(examples.moments, NEIGHBORS, stride=1, padding=NEIGHBORS // 2, count_include_pad=False)
    square, product, _ = smooth.chunk(3, dim=1)
    best = (product / (square + LEAST_CORRECTION)).clamp(0, 1)
    importance = square / (square.mean(dim=(1, 2, 3), keepdim=True) + LEAST_CORRECTION)
    for _ in range(STEPS):
        chosen = torch.randint(len(examples.kinds), (BATCH,))
        found = gate.weigh(examples.features[chosen])
        loss = F.binary_cross_entropy(found, best[chosen], importance[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # of torch
        torch.nn.utils.clip_grad_norm_(gate.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    return gate.eval()


def calibrated(weights: Tensor, examples: Examples) -> tuple[float, float] | None:
    """Return the limits of `stretched` with the largest gain on blurred images of those that degrade few images.

    Args:
        weights: what the gate gives, (N, 1, h, w).
        examples: the images.

    Returns:
        Two multiples of 0.02; None if there are none.
    """
    is_blurred = examples.of("blurred")
    found: dict[tuple[float, float], float] = {}
    for low, high in itertools.combinations([step / 50 for step in range(51)], 2):
        limited = stretched(weights, low, high)
        unchanged, not_degraded = _kept_shares(limited, examples)
        if unchanged >= SHARE and not_degraded >= NOT_DEGRADED:
            found[low, high] = float(_gains(limited, examples)[is_blurred].mean())
    return max(found, key=lambda limits: found[limits], default=None)


def _kept_shares(weights: Tensor, examples: Examples) -> tuple[float, float]:
    """Return the share of sharp images that hardly change, and that of the others that are not degraded."""
    is_sharp = examples.of("sharp")
    unchanged = (examples.changes(weights)[is_sharp] < 1).float().mean()
    degraded = (_gains(weights, examples)[~is_sharp] < DEGRADED_BELOW).float().mean()
    return float(unchanged), 1 - float(degraded)


def _gains(weights: Tensor, examples: Examples) -> Tensor:
    """Return the gains (N,) [dB], not a number or infinite for inputs that are exact."""
    return 10 * torch.log10(examples.errors(torch.zeros(1)) / examples.errors(weights))


def _card(gated: Tensor, low: float, high: float, examples: Examples) -> str:
    """Return the text beside the weights: what was measured on the images of the calibration."""
    ungated = torch.ones(1)
    is_sharp = examples.of("sharp")
    rows = []
    is_blurred = examples.of("blurred")
    groups = {
        "nearly sharp": examples.of("nearly sharp"),
        "blurred as in the training of the network": is_blurred & examples.are_own,
        "blurred otherwise": is_blurred & ~examples.are_own,
    }
    for kind, chosen in groups.items():
        before, after = (_gains(each, examples)[chosen] for each in (ungated, gated))
        finite = before.isfinite() & after.isfinite()
        shares = [f"{float((each < DEGRADED_BELOW).float().mean()):.1%}" for each in (before, after)]
        means = [f"{float(each[finite].mean()):+.2f}" for each in (before, after)]
        rows.append(f"| {kind} | {int(chosen.sum())} | {means[0]} | {means[1]} | {shares[0]} | {shares[1]} |")
    shares = [f"{float((examples.changes(each)[is_sharp] < 1).float().mean()):.1%}" for each in (ungated, gated)]
    header = (
        "images | how many | gain without gate \\[dB\\] | gain with gate \\[dB\\] | degraded without | degraded with"
    )
    lines = [
        "# gate",
        "",
        "A small network that decides at each place how much of a blind network's correction is applied. Its input is",
        "the luma of the image and of the correction. It was trained and calibrated on drawn images (dead leaves and",
        "some faces), sharp, nearly sharp and blurred, which the pretrained networks",
        f"({', '.join(BLIND)}) in turn had restored.",
        "",
        f"`restore` multiplies all weights by {MOST:g}; the figures here are of the weights before that.",
        "",
        f"Weights up to {low:.2f} become 0, those from {high:.2f} on 1: the limits with the largest gain on blurred",
        f"images at which {SHARE:.0%} of the sharp images of the calibration change by less than 1 gray level of 255",
        f"(root mean square), and {NOT_DEGRADED:.0%} of its other images lose at most {-DEGRADED_BELOW:g} dB. It was",
        "not trained on these images.",
        "",
        f"Of the {int(is_sharp.sum())} sharp images, {shares[1]} change by less than 1 gray level with the gate, and",
        f"{shares[0]} without it. The others:",
        "",
        f"| {header} |",
        "|---|---:|---:|---:|---:|---:|",
        *rows,
        "",
        "Made with",
        "",
        "    python -m scripts.gate",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
