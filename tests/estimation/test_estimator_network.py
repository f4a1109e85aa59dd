"""The network that NumPy computes is the one that torch trains."""

import numpy as np
import torch
from safetensors.numpy import load_file

from deblur.blur import kernels
from deblur.estimation.network import (
    FIELD,
    KINDS,
    OUTPUTS,
    STEP,
    TEMPERATURE,
    WEIGHTS,
    outputs_of,
    pretrained_weights,
    split,
)
from scripts.estimator import Estimator, moments_of, targets_of


def test_numpy_and_torch_agree() -> None:
    weights = {name: torch.from_numpy(array) for name, array in load_file(WEIGHTS).items() if name != TEMPERATURE}
    network = Estimator()
    network.load_state_dict(weights)
    plane = np.random.default_rng(0).random((117, 94), np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(plane[:116, :92].copy())[None, None])[0].numpy()
    np.testing.assert_allclose(outputs_of(pretrained_weights(), plane), expected, rtol=1e-3, atol=1e-3)


def test_a_place_depends_on_its_receptive_field_alone() -> None:
    rng = np.random.default_rng(0)
    plane = rng.random((FIELD + 3 * STEP, FIELD + 2 * STEP), np.float32)
    outputs = outputs_of(pretrained_weights(), plane)
    assert outputs.shape == (OUTPUTS, 4, 3)
    alone = outputs_of(pretrained_weights(), plane[2 * STEP : 2 * STEP + FIELD, STEP : STEP + FIELD])
    np.testing.assert_allclose(outputs[:, 2, 1], alone[:, 0, 0], rtol=1e-3, atol=1e-3)


def test_outputs_are_split_by_their_meaning() -> None:
    places = split(np.arange(3 * OUTPUTS, dtype=np.float32).reshape(OUTPUTS, 3))
    assert [part.shape for part in places] == [(3, len(KINDS)), (3, 2), (3, 2), (3,)]
    np.testing.assert_array_equal(np.column_stack(places).T.ravel(), np.arange(3 * OUTPUTS))


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 300_000


def test_the_targets_of_a_kernel() -> None:
    psfs = [kernels.identity(), kernels.disk(6), kernels.motion(12, 30), kernels.motion(12, 120)]
    targets = targets_of(np.array([0, 1, 2, 3]), np.array([moments_of(psf) for psf in psfs], np.float32))
    assert targets.kinds.tolist() == [0, 1, 2, 2]  # a straight path of a shaken camera is motion
    np.testing.assert_allclose(np.exp(targets.spreads[1:, 0]), [3, 12 / np.sqrt(12), 12 / np.sqrt(12)], rtol=0.02)
    angles = np.degrees(np.arctan2(targets.directions[2:, 1], targets.directions[2:, 0])) / 2 % 180
    np.testing.assert_allclose(angles, [30, 120], atol=0.5)
