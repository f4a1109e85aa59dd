"""The pretrained gate as an ONNX file, for programs that restore images with onnxruntime alone."""

from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deblur.errors import UserError
from deblur.export.onnx import LARGEST_DIFFERENCE, OPSET, quiet, remove_sources
from deblur.export.samples import SEED
from deblur.inference.gating import CalibratedGate, pretrained_gate
from deblur.inference.levels import as_unit
from deblur.models.gate import CELL
from deblur.synthesis.leaves import draw

INPUTS: Final = ("image", "correction")
OUTPUT: Final = "weights"
_TRACED: Final = (4, 6)  # cells; unequal, so that neither is taken for the other
_CHECKED: Final = ((1, 1), (3, 7), (16, 16))  # cells, at most those of a drawn image
_MOST_CELLS: Final = 4096  # along a side
_SMOOTHED: Final = 3  # px


def gate_as_onnx() -> bytes:
    """Convert the pretrained gate, and check that onnxruntime computes with it what torch does.

    Returns:
        The content of a file with the inputs `image` and `correction`, the luma of an image and of its correction, both
        (1, 1, H, W) of sides that are multiples of `CELL`, and the output `weights` of the cells,
        (1, 1, H / CELL, W / CELL), stretched as `CalibratedGate.of_cells` does.

    Raises:
        UserError: if a library is missing, or onnxruntime gives something else.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 # for torch's exporter
    except ImportError as error:
        raise UserError(
            f"The gate needs onnx, onnxscript and onnxruntime: pip install deblur-lab[onnx] ({error})."
        ) from error
    weights = _Weights(pretrained_gate()).eval()
    sides = {
        axis + 2: CELL * torch.export.Dim(name, min=1, max=_MOST_CELLS) for axis, name in enumerate(("rows", "columns"))
    }
    with quiet():
        program: Any = torch.onnx.export(
            weights,
            _planes(_TRACED),
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=(sides, sides),
            verbose=False,
        )
    model = program.model_proto  # a new one each time
    remove_sources(model)
    content = bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for cells in _CHECKED:
        given = _planes(cells)
        (found,) = session.run([OUTPUT], {name: plane.numpy() for name, plane in zip(INPUTS, given, strict=True)})
        with torch.inference_mode():
            difference = float(np.abs(found - weights(*given).numpy()).max())
        if difference > LARGEST_DIFFERENCE:
            raise UserError(f"onnxruntime and torch differ by {difference:.2g} in the weights of the gate.")
    return content


class _Weights(nn.Module):
    """The gate with its calibration."""

    def __init__(self, calibrated: CalibratedGate) -> None:
        super().__init__()
        self.gate, self.calibrated = calibrated.gate, calibrated

    def forward(self, image: Tensor, correction: Tensor) -> Tensor:
        return self.calibrated.of_padded(image, correction)


def _planes(cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return a drawn image of a number of cells, smoothed, and half of what that has removed.

    Of random values, the weights would all be 0.
    """
    drawn = torch.from_numpy(as_unit(draw(SEED, 0)))[None, None, : cells[0] * CELL, : cells[1] * CELL]
    smoothed = F.avg_pool2d(drawn, _SMOOTHED, stride=1, padding=_SMOOTHED // 2, count_include_pad=False)
    return smoothed, (drawn - smoothed) / 2
