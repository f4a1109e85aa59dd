"""Make the networks that come with the package: `python -m scripts.pretrained [FACES CBSD68]`, or `make pretrained`.

Each is trained on drawn faces and dead leaves only. Then their gate is made (`scripts.gate`), and all are measured: on
other drawn images, on free photographs and, if the folders are given, on real faces and on CBSD68.
Finished trainings are skipped.
"""

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from deblur import compose, measure, train
from deblur.choices import BLIND
from deblur.console import say
from deblur.evaluation.matrix import UNBLURRED_INPUTS
from deblur.export.card import model_card
from deblur.export.session import describe
from deblur.files import write_text
from deblur.inference.pretrained import FOLDER, pretrained_file
from deblur.inference.trained import load_trained
from deblur.inference.weights import write_weights
from deblur.metrics import PSNR, infos_of_results
from deblur.runs.states import differing_keys
from scripts import gate

OUTPUTS: Final = Path("outputs")
_IMAGES: Final = ("data.max_val_images=40", "data.max_test_images=40")
_PHOTO: Final = ("experiment=photo", "data.leaves=0.85", "data.max_images=4080", *_IMAGES)
_FURTHER: Final = (
    *_PHOTO,
    "weights=default",
    "optimizer.lr=2e-3",
    "trainer.max_epochs=2",
    "trainer.check_val_every_n_epoch=2",
)
_NO_SHAKE: Final = ("blur.families.none.weight=0", "blur.families.trajectory.weight=0")
TRAININGS: Final[Mapping[str, tuple[str, ...]]] = {
    "default": _PHOTO,
    "defocus": (*_FURTHER, *_NO_SHAKE, "blur.families.motion.weight=0"),
    "motion": (
        *(*_FURTHER, *_NO_SHAKE),
        *(f"blur.families.{family}.weight=0" for family in ("gaussian", "box", "disk")),
    ),
    "unrolled": (
        *("experiment=unrolled", "model.inner_width=56", "model.kernel_error=0.2"),
        *("data.leaves=1", "data.max_images=2480", *_IMAGES),
        *("trainer.max_epochs=11", "blur.families.trajectory.extent=[3,31]"),
    ),
}
"""The overrides of the training of each network, in this order; its sweep is the name of its experiment."""
UNBLURRED: Final[Mapping[str, tuple[str, ...]]] = {
    label: (f"blur={family}", *(f"blur.{key}={value}" for key, value in settings.items()))
    for label, family, settings in UNBLURRED_INPUTS
}
"""What a blind network should leave alone."""
OWN: Final = "its own blur"
PHOTOS: Final = ("data=photos", "data.eval_crop=512")
FACES: Final = 60  # real faces that are measured
DRAWN: Final = ("data.seed=7", "data.max_images=60")  # others than those of the trainings, on every machine
GATES: Final = {"network alone": "gate=false", "with the gate": "gate=true"}
Sets: TypeAlias = Mapping[str, tuple[str, ...]]  # overrides by the label of the images


def main(faces: str | None = None, photographs: str | None = None) -> int:
    """Train, measure and write all networks, and the gate.

    Args:
        faces: a folder with real faces.
        photographs: a folder with color photographs, CBSD68.

    Returns:
        The exit code.
    """
    for name, overrides in TRAININGS.items():
        code = train.main(list(overrides))
        if code:
            return code
        trained = replace(load_trained(_run_of(overrides)), name=name)
        file = pretrained_file(name)
        write_weights(file, trained.network.state_dict(), describe(trained), half=True)
        say(f"{file} holds {file.stat().st_size / 1e3:.0f} kB.")
    code = gate.main()
    if code:
        return code
    for name in TRAININGS:
        write_card(name, faces, photographs)
    return 0


def write_card(name: str, faces: str | None, photographs: str | None) -> None:
    """Measure a network as it lies in the package, and write its card; see `main`."""
    trained = load_trained(pretrained_file(name))
    sets: dict[str, tuple[str, ...]] = {"drawn images": DRAWN, "photographs": PHOTOS}
    if faces:
        sets["real faces"] = ("data=folder", f"data.root={faces}", f"data.max_images={FACES}")
    if photographs:
        sets["CBSD68"] = ("data=folder", f"data.root={photographs}")
    color = f"data.color={trained.config['data']['color']}"
    sets = {label: (*overrides, color) for label, overrides in sets.items()}
    lines = [model_card(trained, name, ["safetensors"]).rstrip(), "", *_measurements(name, sets)]
    if name in BLIND:
        lines += ["", *_gated(name, sets)]
    write_text(FOLDER / f"{name}.md", "\n".join(lines) + "\n")


def _run_of(overrides: tuple[str, ...]) -> Path:
    """Return the folder of the run of a command."""
    config = compose("train", list(overrides))
    found = (OUTPUTS / "sweeps" / str(config.sweep)).glob("*/status.json")
    return next(path.parent for path in found if not differing_keys(path.parent, config.plain()))


def _measured(name: str, overrides: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the means of a network on images, by the name that results have."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(name, ["both_boundaries=false", f"output={folder}", *overrides])
    (restorers,) = found.values()
    (means,) = restorers.values()
    return means


def _measurements(name: str, sets: Sets) -> list[str]:
    """Return the lines of a card that tell what a network restores of its own blur."""
    found = {label: _measured(name, overrides) for label, overrides in sets.items()}
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
    return [
        "## Measured on",
        "",
        *_table(header, rows.values()),
        "",
        "Means over the images, each blurred as in the training. The drawn images are others than those of the",
        "training, the real faces are of the Kaggle set `scribbless/another-anime-face-dataset`, CBSD68 are 68",
        "photographs; the photographs are those of `data=photos`, their middle of 512x512 px. None of these has been",
        "trained on. Made",
        "with",
        "",
        f"    python -m deblur.train {' '.join(TRAININGS[name])}",
        *(
            f"    python -m deblur.evaluate run={name} both_boundaries=false {_shown(label, sets)}".rstrip()
            for label in sets
        ),
    ]


def _gated(name: str, sets: Sets) -> list[str]:
    """Return the lines of a card that tell what a network does to images without visible blur, and what its gate does.

    Each cell has the mean gain and the fraction of degraded images.
    """
    inputs = {OWN: (), **UNBLURRED}
    header = ["images", *(f"{label}, {applied}" for label in inputs for applied in GATES)]
    given_inputs = [" ".join(overrides) for overrides in UNBLURRED.values()]
    rows = []
    for label, images in sets.items():
        cells = [label]
        for overrides in inputs.values():
            for asked in GATES.values():
                means = _measured(name, (*images, *overrides, asked))
                gain = "" if means["gain"] is None else f"{means['gain']:+.2f} dB, "
                cells.append(f"{gain}{means['degraded']:.1%}")
        rows.append(cells)
    return [
        "## Images that are sharp already",
        "",
        "`restore` applies the correction of the network as far as a [gate](gate.md) finds it fit at each place, and",
        "where a blur is visible.",
        "Gain (sharp images have none) and fraction of images that are degraded:",
        "",
        *_table(header, rows),
        "",
        f"    python -m deblur.evaluate run={name} both_boundaries=false gate=true {_shown('photographs', sets)} INPUT",
        "",
        f"INPUT is nothing for its own blur, or one of {', '.join(f'`{given}`' for given in given_inputs)}.",
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|---|{'---:|' * (len(header) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _shown(label: str, sets: Sets) -> str:
    """Return the overrides of a set of images, with the name of the set for its folder."""
    place = {"real faces": "FACES"}.get(label, label)
    shown = (f"data.root={place}" if one.startswith("data.root=") else one for one in sets[label])
    return " ".join(shown)


if __name__ == "__main__":
    if len(sys.argv) > 3 or not all(Path(given).is_dir() for given in sys.argv[1:]):
        sys.exit("Give a folder with real faces and one with the photographs of CBSD68, or nothing.")
    sys.exit(main(*sys.argv[1:]))
