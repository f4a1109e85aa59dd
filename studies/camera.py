"""What each stage of the camera costs: `python -m studies.camera outputs/sweeps/NAME data.root=PHOTOS`.

The networks of a sweep were trained with and without the camera. Each is measured on photographs with the blur of its
training: first on encoded values, then with one more stage of the camera at a time. Classical baselines, tuned on the
training split of the same photographs with the same stages, stand beside them on the test split. With `split=all`, the
networks alone are measured on all photographs, which none of them has seen.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import deblur
from benchmarks.results import Row, write_table
from deblur.evaluation.opening import finished_runs
from deblur.runs.records import read_config

BASELINES: Final = ("wiener", "dct_wiener", "richardson_lucy")
STAGES: Final[dict[str, dict[str, str]]] = {
    "encoded": {
        "blur.camera.linear": "false",
        "blur.camera.exposure": "1",
        "blur.camera.highlights": "1",
        "blur.camera.shot_noise": "0",
        "blur.camera.read_noise": "0",
        "blur.jpeg_quality": "null",
    },
    "linear light": {"blur.camera.linear": "true"},
    "saturation": {"blur.camera.exposure": "[0.7,1.4]", "blur.camera.highlights": "[1,4]"},
    "noise": {"blur.camera.shot_noise": "[0.0001,0.001]", "blur.camera.read_noise": "[0,0.002]"},
    "JPEG": {"blur.jpeg_quality": "[75,95]"},
}
"""The stages, in the order in which the tables add them: what each switches on."""


def main(sweep: str, overrides: Sequence[str]) -> None:
    """Measure each run with each number of stages, and the baselines once for each blur."""
    found: dict[tuple[str, str], Row] = {}
    for run in finished_runs(Path(sweep))[0]:
        blur = read_config(run)["blur"]
        trained = "network, encoded" if blur.get("camera") is None else "network, camera"
        is_first = all(name != blur["name"] for name, _ in found)
        wanted = BASELINES if is_first and "split=all" not in overrides else ()
        given: dict[str, str] = {}
        for stage, switches in STAGES.items():
            given |= switches
            stages = [f"{key}={value}" for key, value in given.items()]
            split = [] if "split=all" in overrides else ["split=test"]
            chosen = ["data=folder", "both_boundaries=false", f"baseline=[{','.join(wanted)}]", "blur/camera=photo"]
            (means,) = deblur.measure(run, [*chosen, *split, *stages, *overrides]).values()
            for name, mean in means.items():
                restorer = trained if name == "network" else name
                row = found.setdefault((blur["name"], restorer), {"blur": blur["name"], "restorer": restorer})
                row |= {stage: mean["psnr"], f"{stage}, gain": _gain(mean)}
    write_table("camera", "PSNR and gain [dB] with one more stage of the camera at a time", list(found.values()))


def _gain(mean: Any) -> float:
    return float(mean["psnr"] - mean["input_psnr"])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(
            "Give the folder of a sweep with runs that were trained with and without the camera, then data.root=PHOTOS."
        )
    main(sys.argv[1], sys.argv[2:])
