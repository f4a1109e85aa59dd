"""Our program against the original study's, stated again: `python -m studies.srcnn_2022.program`.

Both train on the same images, blurred alike, on the same device, in turn: the study's program
(`studies.srcnn_2022.restated`) in a separate process, ours by its command line. Four tables:

a) An epoch. The study's step is measured over a few images and multiplied by their number; ours is the training part of
   real epochs, with all defaults. The two differ in more than code: our network is narrower and has one channel for
   three, the precision is what suits the machine, and an epoch of ours sees four patches of 64 px of each image, a
   quarter of its pixels. The first epoch of each of our trainings is left out if there are more.
b) A training step of the study's networks on both sides, without reading files: one image of 256x256 px against 16
   patches of 64x64 px, as many pixels. What is left is the three equal channels, the layout and the precision.
c) The mean PSNR of the same validation images after the same time of training. The time of ours contains its
   validation, that of the study does not; of ours the last whole epoch counts. Then, how long ours takes to reach what
   the study reaches in that time. Trained once.
d) With `--grid`: the time until our runs reach the losses that the study published, against the time that its 20 epochs
   of 750 images take on this machine (see `studies.srcnn_2022.losses_reached`).

A ratio is the study's time divided by ours.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from benchmarks.results import Row, median_ratio, write_table
from studies.srcnn_2022.losses_reached import rows_of_losses
from studies.srcnn_2022.ours import Epoch, measure_step, run
from studies.srcnn_2022.restated import BLURS, NETWORKS, prepare


class Comparison:
    """Both programs on one set of images, one network after the other."""

    def __init__(self, folder: Path, counts: Mapping[str, int], options: argparse.Namespace) -> None:
        """Take the images.

        Args:
            folder: of the images that `prepare` wrote; ours writes its runs there as well.
            counts: how many images are for training and validation.
            options: of the command line.
        """
        self._folder = folder
        self._counts = counts
        self._options = options
        self._runs = 0

    def measure(self, network: str) -> tuple[Row, Row, float, float]:
        """Measure a network's epochs and steps on both sides in turn.

        Returns:
            The rows of tables a and b, the seconds of the study's step, and those of our epoch with its validation.
        """
        training, steps = [], []
        theirs_validate, ours_validate, ours_whole = [], [], []
        for _ in range(self._options.repeats):
            study = self._study(network, "--steps", str(self._options.steps))
            steps.append((study["computing"], measure_step(network, self._options.steps)))
            kept = self._ours(network, self._options.epochs)[-max(1, self._options.epochs - 1) :]
            ours = statistics.median(epoch.training for epoch in kept)
            training.append((study["reading"] + study["computing"], ours))
            theirs_validate.append(study["validation"] * self._counts["val"])
            ours_validate.append(statistics.median(epoch.validation for epoch in kept))
            ours_whole.append(statistics.median(epoch.training + epoch.validation for epoch in kept))
        images = self._counts["train"]
        step = statistics.median(theirs for theirs, _ in training)
        epochs: Row = {
            "network": network,
            "theirs, an image [ms]": step * 1e3,
            "images": images,
            "theirs, an epoch [s]": step * images,
            "ours, an epoch [s]": statistics.median(ours for _, ours in training),
            "ratio": median_ratio([(theirs * images, ours) for theirs, ours in training]),
            "theirs, validation [s]": statistics.median(theirs_validate),
            "ours, validation [s]": statistics.median(ours_validate),
        }
        same: Row = {
            "network": network,
            "theirs [ms]": statistics.median(theirs for theirs, _ in steps) * 1e3,
            "ours [ms]": statistics.median(ours for _, ours in steps) * 1e3,
            "ratio": median_ratio(steps),
        }
        return epochs, same, step, statistics.median(ours_whole)

    def reached(self, network: str, our_epoch: float) -> Row:
        """Return a row of table c.

        Args:
            network: its name.
            our_epoch: how long an epoch of ours takes, with validation [s].
        """
        seconds = self._options.minutes * 60
        study = self._study(network, "--seconds", str(seconds))
        epochs = self._ours(network, max(1, int(seconds / our_epoch)))
        ends = list(accumulate(epoch.training + epoch.validation for epoch in epochs))
        in_time = [epoch.psnr for epoch, end in zip(epochs, ends, strict=True) if end <= seconds]
        as_good = next((end for epoch, end in zip(epochs, ends, strict=True) if epoch.psnr >= study["psnr"]), None)
        return {
            "network": network,
            "training [s]": seconds,
            "blurred [dB]": study["input_psnr"],
            "theirs, epochs": study["steps"] / self._counts["train"],
            "theirs [dB]": study["psnr"],
            "ours, epochs": len(in_time),
            "ours [dB]": in_time[-1] if in_time else None,
            "ours above [dB]": in_time[-1] - study["psnr"] if in_time else None,
            "ours as good after [s]": as_good,
            "ratio": seconds / as_good if as_good else None,
        }

    def _study(self, network: str, *overrides: str) -> dict[str, float]:
        command = [sys.executable, "-m", "studies.srcnn_2022.restated", network, str(self._folder), *overrides]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        measured: dict[str, float] = json.loads(output)
        return measured

    def _ours(self, network: str, epochs: int) -> Sequence[Epoch]:
        self._runs += 1
        return run(network, self._folder, self._options.blur, epochs, self._folder / f"run_{self._runs}")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="by default all three")
    parser.add_argument("--blur", choices=BLURS, default="box", help="default box")
    parser.add_argument(
        "--root", type=Path, help="a folder of images of 256x256 px or more; by default faces are drawn"
    )
    parser.add_argument("--images", type=int, default=1000, help="how many, three in four for training (default 1000)")
    parser.add_argument("--steps", type=int, default=12, help="training steps to measure at a time (default 12)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of ours to measure at a time (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="how often both are measured in turn (default 3)")
    parser.add_argument("--minutes", type=float, default=5, help="of training for table c; 0 leaves it out (default 5)")
    parser.add_argument("--grid", type=Path, metavar="DIR", help="a finished experiment=grid, for table d")
    options = parser.parse_args()
    epochs, steps, reached = [], [], []
    step_seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        counts = prepare(folder, options.root, options.images, options.blur)
        comparison = Comparison(folder, counts, options)
        for network in options.networks:
            epoch, step, step_seconds[network], our_epoch = comparison.measure(network)
            epochs.append(epoch)
            steps.append(step)
            if options.minutes:
                reached.append(comparison.reached(network, our_epoch))
    write_table(
        "original_epoch", f"a) An epoch, {options.blur} blur: the study's networks, and ours with our defaults", epochs
    )
    write_table("original_step", "b) A step, the study's network on both sides", steps)
    if reached:
        write_table("original_psnr", f"c) PSNR of {counts['val']} validation images after equal time", reached)
    if options.grid:
        rows, remarks = rows_of_losses(options.grid, step_seconds)
        write_table("original_losses", "d) Time until the study's published losses are reached", rows)
        print("\n".join(remarks))


if __name__ == "__main__":
    main()
