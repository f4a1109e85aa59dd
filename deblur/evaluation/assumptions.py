"""What a trained network takes for granted, in sentences, where the images of an evaluation differ from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from deblur.blur.camera import Space
from deblur.blur.images import Crop
from deblur.evaluation.restorers import Restorer
from deblur.runs.conditions import camera_text


def differing_assumptions(restorer: Restorer, crops: Sequence[Crop], space: Space) -> list[str]:
    """Return where the images differ from what a network that takes the kernel assumes of their blur.

    Args:
        restorer: the network.
        crops: in which it is measured.
        space: in which the images are blurred.
    """
    if not restorer.takes_kernel:
        return []
    found = []
    differing = [crop.boundary for crop in crops if (crop.boundary == "circular") != restorer.assumes_circular]
    if differing:
        assumed = "a circular boundary" if restorer.assumes_circular else "that the scene continues beyond the image"
        found.append(
            f"{restorer.name} assumes {assumed}, as in its training, and here the boundary is "
            f"{' and '.join(differing)}: its results suffer from that."
        )
    if restorer.space != space:
        deconvolved = "the light" if restorer.space.linear else "the encoded values"
        found.append(
            f"{restorer.name} deconvolves {deconvolved} of an image, as in its training, and here the blur is in "
            f"{space.words}: its results suffer from that."
        )
    return found


def dropped_camera(trained: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """Return a sentence if a network was trained with a camera, and is measured without one.

    Args:
        trained: the settings of the blur of its training, empty if they are not known.
        measured: those of the evaluation.
    """
    camera = camera_text(trained)
    if not camera or camera_text(measured):
        return []
    return [
        f"The network was trained with a {camera}, and these images are blurred without one: blur/camera=photo or "
        "blur.camera.KEY=VALUE adds one."
    ]
