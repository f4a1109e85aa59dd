"""Make the networks that come with the package: `python -m scripts.pretrained [FACES]`, or `make pretrained`.

Each is trained on drawn faces and dead leaves only, and measured on their test images, on photographs and, if the
folder FACES is given, on the faces in it. Finished trainings are skipped.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from deblur import compose, evaluate, train
from deblur.console import say
from deblur.export.card import model_card
from deblur.export.session import describe
from deblur.files import write_text
from deblur.inference.pretrained import FOLDER, pretrained_file
from deblur.inference.trained import load_trained
from deblur.inference.weights import write_weights
from deblur.metrics import PSNR, infos_of_results
from deblur.runs.states import differing_keys

OUTPUTS: Final = Path("outputs")
_BLIND: Final = ("experiment=pretrained", "data.leaves=0.5")
TRAININGS: Final[Mapping[str, tuple[str, ...]]] = {
    "mixed": (*_BLIND, "blur=mixed", "blur.families.none.weight=1.0"),
    "gaussian": (*_BLIND, "blur=gaussian", "blur.sigma=[0.5,4.0]"),
    "box": (*_BLIND, "blur=box", "blur.size=[3,11]"),
    "motion": (*_BLIND, "blur=motion", "blur.length=[3.0,21.0]", "blur.angle=[0.0,180.0]"),
    "disk": (*_BLIND, "blur=disk", "blur.radius=[1.0,5.0]"),
    "unrolled": (
        *("experiment=unrolled", "model.inner_width=56", "model.kernel_error=0.2"),
        *("data.leaves=1", "data.max_images=2480", "data.max_val_images=40", "data.max_test_images=40"),
        *("trainer.max_epochs=11", "blur.families.trajectory.extent=[3,31]"),
    ),
}
"""The overrides of the training of each network; its sweep is the name of its experiment."""
HALVED: Final = ("unrolled",)  # stored in float16: larger than the others
PHOTOS: Final = ("data=photos", "data.eval_crop=512")


def main(faces: str | None = None) -> int:
    """Train, measure and write all networks.

    Args:
        faces: a folder with real faces.

    Returns:
        The exit code.
    """
    for name, overrides in TRAININGS.items():
        code = train.main(list(overrides))
        if code:
            return code
        run = _run_of(overrides)
        trained = replace(load_trained(run), name=name)
        sets = {"drawn images": (), "photographs": PHOTOS}
        if faces:
            sets["real faces"] = ("data=folder", f"data.root={faces}")
        found = {label: _measured(run, more) for label, more in sets.items()}
        file = pretrained_file(name)
        write_weights(file, trained.network.state_dict(), describe(trained), half=name in HALVED)
        card = model_card(trained, name, ["safetensors"])
        write_text(FOLDER / f"{name}.md", f"{card.rstrip()}\n\n{_measurements(overrides, found)}")
        say(f"{file} holds {file.stat().st_size / 1e3:.0f} kB.")
    return 0


def _run_of(overrides: tuple[str, ...]) -> Path:
    """Return the folder of the run of a command."""
    config = compose("train", list(overrides))
    found = (OUTPUTS / "sweeps" / str(config.sweep)).glob("*/status.json")
    return next(path.parent for path in found if not differing_keys(path.parent, config.plain()))


def _measured(run: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        if evaluate.main([f"run={run}", *overrides, "both_boundaries=false", f"output={folder}"]):
            raise SystemExit(1)
        summary = json.loads((Path(folder) / "metrics.json").read_text())
    (boundary,) = summary["boundaries"].values()
    (means,) = boundary["restorers"].values()
    return dict(means)


def _measurements(overrides: tuple[str, ...], found: Mapping[str, Mapping[str, Any]]) -> str:
    infos = infos_of_results(next(iter(found.values())))
    header = ["images", "how many"]
    rows = {label: [label, str(one["images"])] for label, one in found.items()}
    for info in infos:
        unit = f" \\[{info.unit}\\]" if info.unit else ""
        header += [f"{info.label} blurred{unit}", f"{info.label} restored{unit}"]
        for label, one in found.items():
            rows[label] += [f"{one[name]:{info.digits}}" for name in (f"input_{info.name}", info.name)]
            if info == PSNR.info:
                rows[label].append(f"{one['gain']:+{info.digits}}")
        if info == PSNR.info:
            header.append(f"gain{unit}")
    lines = [
        "## Measured on",
        "",
        f"| {' | '.join(header)} |",
        f"|---|{'---:|' * (len(header) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows.values()),
        "",
        "Means over the images, each blurred as in the training. The drawn images are the test images of the training,",
        "the real faces are of the Kaggle set `scribbless/another-anime-face-dataset`; the",
        "photographs are those of `data=photos`, their middle of 512x512 px. None of these has been trained on. Made",
        "with",
        "",
        f"    python -m deblur.train {' '.join(overrides)}",
        "    python -m deblur.evaluate run=RUN both_boundaries=false",
        f"    python -m deblur.evaluate run=RUN both_boundaries=false {' '.join(PHOTOS)}",
        "    python -m deblur.evaluate run=RUN both_boundaries=false data=folder data.root=FACES",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if not all(Path(given).is_dir() for given in sys.argv[1:]):
        sys.exit("Give a folder with real faces, or nothing.")
    sys.exit(main(*sys.argv[1:2]))
