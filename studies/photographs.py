"""What `restore` makes of photographs of a camera: `python -m studies.photographs`.

Eight free photographs that come with scikit-image (`data=photos`) are blurred in linear light, as if the camera had
moved or had not been focused: with its exposure, saturated highlights, noise, and as JPEG of quality 92. `python -m
deblur.restore` restores them with all defaults. The table has the gain over the blurred photograph, and what the
command says of each is printed. The photographs, and an image of each with a detail of it blurred, restored and sharp,
are written to `outputs/benchmarks/photographs`.
"""

import sys
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image

from benchmarks.results import ROOT, write_table
from deblur import degradation, restore
from deblur.blur import degrade, exposed
from deblur.blur.images import Crop
from deblur.console import say
from deblur.data import PhotosData
from deblur.image_io.decoding import read_rgb_and_gray
from deblur.inference.panels import contact_sheet, detail_around
from deblur.inference.simulation import gain

FOLDER: Final = ROOT / "photographs"
BLURS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("astronaut.png", "disk", {"radius": 3}),
    ("camera.png", "motion", {"length": 9, "angle": 20}),
    ("chelsea.png", "gaussian", {"sigma": 2}),
    ("coffee.png", "trajectory", {"extent": 12, "shake": 0.5}),
    ("coins.png", "disk", {"radius": 5}),
    ("rocket.jpg", "motion", {"length": 25, "angle": 90}),
    ("retina.jpg", "disk", {"radius": 12}),
    ("gravel.png", "varying", {"extent": 11, "kind": "defocus"}),
)
QUALITY: Final = 92
MARGIN: Final = 26  # px, at least half of each kernel


def main() -> int:
    """Blur, restore and compare the photographs.

    Returns:
        The exit code.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    root = PhotosData().root
    sharp, blurred = {}, {}
    for number, (name, family, parameters) in enumerate(BLURS):
        image, _ = read_rgb_and_gray(root / name)
        blur = degradation(family, camera="photo", jpeg_quality=QUALITY, **parameters)
        sampled, crop = blur.sample(np.random.default_rng(number)), Crop("valid", (MARGIN, MARGIN))
        sharp[name] = exposed(crop.cut(image), blur, sampled)
        blurred[name] = degrade(image, blur, sampled, crop)
        Image.fromarray(blurred[name]).save(_place(name, "blurred"))
    rows = []
    for name, family, parameters in BLURS:
        code = restore.main([str(_place(name, "blurred")), f"--output={FOLDER / 'restored'}", "--overwrite"])
        if code:
            return code
        restored, _ = read_rgb_and_gray(FOLDER / "restored" / _place(name, "blurred").name)
        found = gain(blurred[name], restored, sharp[name], of_luma=False)
        shown = " ".join([family, *(f"{key} {value}" for key, value in parameters.items())])
        rows.append({"photograph": name, "blur": shown, "blurred [dB]": found.blurred, "gain [dB]": found.difference})
        _write_panel(name, blurred[name], restored, sharp[name])
    write_table("photographs", f"Photographs of a camera, JPEG {QUALITY}, restored by default", rows)
    say(f"{FOLDER} has the photographs.")
    return 0


def _place(name: str, part: str) -> Path:
    return FOLDER / f"{Path(name).stem}-{part}.png"


def _write_panel(name: str, *images: Any) -> None:
    """Write the detail where the blur and its correction differ most."""
    change = np.abs(images[1].astype(float) - images[0]).mean(axis=2)
    row, column = np.unravel_index(int(cv2.blur(change, (65, 65)).argmax()), change.shape)
    detail = detail_around(int(row), int(column), change.shape)
    parts = dict(zip(("blurred", "restored", "sharp"), (image[detail] for image in images), strict=True))
    Image.fromarray(contact_sheet(parts).pixels).save(_place(name, "detail"))


if __name__ == "__main__":
    sys.exit(main())
