"""What restoring the colors can bring: `python -m studies.color data.root=FOLDER`.

A network for gray images restores the luma of a color image and leaves the color differences blurred. Here the luma is
that of the sharp image, so that only the blurred color differences are left as an error. The last column is what a
network that restores the luma to 26 dB, as 9-3-1-5 does on faces, could gain at most by restoring the colors as well.

The second table compares the luma, which a camera decodes of a gray image, with the encoded luminance of the scene.
"""

import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import open_folder
from benchmarks.results import Row, write_table
from deblur.blur.images import as_float, image_of
from deblur.luma import LUMA_WEIGHTS
from deblur.srgb import decoded, encoded

BLURS: Final = {
    "box": ["blur=box"],
    "gaussian": ["blur=gaussian", "blur.sigma=2"],
    "motion": ["blur=motion"],
    "camera shake": ["blur=trajectory"],
}
RESTORED: Final = 26.0  # [dB]
LUMINANCE_WEIGHTS: Final = (0.2126, 0.7152, 0.0722)  # of linear red, green and blue (ITU-R BT.709, as sRGB)


def main(overrides: Sequence[str]) -> None:
    """Measure all images of a folder with each blur."""
    rows: list[Row] = []
    for blur, chosen in BLURS.items():
        data = open_folder(["data.color=rgb", *chosen, *overrides])
        samples = data.evaluation_dataset(range(len(data.images)))
        pairs = [
            (as_float(image_of(sample["sharp"])), as_float(image_of(sample["blurred"])))
            for sample in (samples[position] for position in range(len(samples)))
        ]
        blurred = float(np.mean([_psnr(image, sharp) for sharp, image in pairs]))
        exact = float(np.mean([_psnr(_with_luma(image, sharp), sharp) for sharp, image in pairs]))
        most = 10 * np.log10(1 + 10 ** ((RESTORED - exact) / 10))
        rows.append({"blur": blur, "blurred": blurred, "sharp luma, blurred colors": exact, "most gain": float(most)})
    write_table("color", "PSNR of RGB images [dB]", rows)
    sharp = open_folder(["data.color=rgb", "blur=none", *overrides])
    shown = sharp.evaluation_dataset(range(len(sharp.images)))
    differences = [
        _luminance_difference(as_float(image_of(shown[position]["sharp"]))) for position in range(len(shown))
    ]
    row: Row = {"mean": float(np.mean(differences)), "least": min(differences), "most": max(differences)}
    write_table("luminance", "Encoded luminance and luma: root mean square difference of an image [gray levels]", [row])


def _with_luma(image: NDArray[Any], sharp: NDArray[Any]) -> NDArray[Any]:
    """Return an image with the luma of a sharp one, added to all channels as a network for gray images does."""
    change = (sharp - image) @ np.array(LUMA_WEIGHTS, np.float32)
    restored: NDArray[Any] = np.clip(image + change[..., None], 0, 1)
    return restored


def _luminance_difference(image: NDArray[Any]) -> float:
    luminance = encoded(decoded(image) @ np.array(LUMINANCE_WEIGHTS, np.float32))
    difference = 255 * (luminance - image @ np.array(LUMA_WEIGHTS, np.float32))
    return float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))


def _psnr(image: NDArray[Any], sharp: NDArray[Any]) -> float:
    return float(-10 * np.log10(np.mean(np.square(image - sharp, dtype=np.float64))))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Give a folder of color images: data.root=FOLDER.")
    main(sys.argv[1:])
