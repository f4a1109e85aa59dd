"""The network that NumPy computes is the one that torch trains."""

from pathlib import Path

import numpy as np
import pytest
import torch

from deblur.blur import kernels
from deblur.errors import UserError
from deblur.estimation import network
from deblur.estimation.network import (
    FIELD,
    INPUTS,
    MOST_WINDOWS,
    OUTPUTS,
    STEP,
    WEIGHTS,
    outputs_of,
    pretrained_weights,
    spectra,
)
from scripts.estimator import Estimator, Samples, moments_of, targets_of, turned


def test_numpy_and_torch_agree() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(-7, 3, (20, INPUTS)).astype(np.float32)
    torch.manual_seed(0)
    trained = Estimator(torch.from_numpy(inputs))
    with torch.no_grad():
        expected = trained(torch.from_numpy(inputs)).numpy()
    assert expected.shape == (20, OUTPUTS)
    found = np.concatenate(outputs_of(trained.arrays(), inputs), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_the_power_of_white_noise_is_its_variance() -> None:
    noise = np.random.default_rng(0).normal(0.5, 0.1, (400, 400)).astype(np.float32)
    found = spectra(noise)
    rows = (400 - FIELD) // STEP + 1
    assert found.logs.shape == (rows, rows, INPUTS)
    power = np.exp(found.logs).reshape(rows, rows, FIELD, -1)[:, :, 4:-4, 4:-4].mean()
    assert power == np.float32(power)
    np.testing.assert_allclose(power, 0.01, rtol=0.05)


def test_windows_are_independent_of_their_surroundings() -> None:
    plane = np.random.default_rng(0).random((100, 120), np.float32)
    alone = spectra(plane[2 * STEP : 2 * STEP + FIELD, STEP : STEP + FIELD])
    np.testing.assert_allclose(spectra(plane).logs[2, 1], alone.logs[0, 0], rtol=1e-4, atol=1e-4)


def test_brightness_changes_nothing() -> None:
    plane = np.random.default_rng(0).random((64, 64), np.float32) / 2
    np.testing.assert_allclose(spectra(plane).logs, spectra(plane + np.float32(0.4)).logs, atol=1e-2)


def test_windows_of_a_large_plane_lie_further_apart() -> None:
    found = spectra(np.zeros((3000, 2500), np.float32))
    assert found.step == 2 * STEP
    assert found.weights.size <= MOST_WINDOWS


def test_turned_samples_are_those_of_turned_images() -> None:
    image = np.random.default_rng(0).random((FIELD, FIELD), np.float32)
    moments = np.array([[5, 2, 1]], np.float32)
    inputs = torch.from_numpy(spectra(image).logs.reshape(1, INPUTS))
    found = turned(Samples(inputs, np.array([2]), moments))
    images = (image, image[::-1], image.T, image.T[:, ::-1])
    for number, (one, change) in enumerate(zip(images, ([5, 2, 1], [5, 2, -1], [2, 5, 1], [2, 5, -1]), strict=True)):
        np.testing.assert_array_equal(found.moments[number], change)
        # The periodic Hann window is not symmetric, so that single powers differ a little.
        logs = spectra(np.ascontiguousarray(one)).logs.ravel()
        assert np.corrcoef(found.inputs[number], logs)[0, 1] > 0.8
        others = [np.corrcoef(other, logs)[0, 1] for place, other in enumerate(found.inputs) if place != number]
        assert max(others) < 0.6


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 300_000


def test_the_targets_of_a_kernel() -> None:
    psfs = [kernels.identity(), kernels.disk(6), kernels.motion(12, 30), kernels.motion(12, 120)]
    targets = targets_of(np.array([0, 1, 2, 3]), np.array([moments_of(psf) for psf in psfs], np.float32))
    assert targets.kinds.tolist() == [0, 1, 2, 2]  # a straight path of a shaken camera is motion
    np.testing.assert_allclose(targets.spreads[1:, 0].exp().numpy(), [3, 12 / np.sqrt(12), 12 / np.sqrt(12)], rtol=0.02)
    directions = targets.directions[2:].numpy()
    angles = np.degrees(np.arctan2(directions[:, 1], directions[:, 0])) / 2 % 180
    np.testing.assert_allclose(angles, [30, 120], atol=0.5)


def test_a_missing_file_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WEIGHTS", tmp_path / "estimator.safetensors")
    pretrained_weights.cache_clear()
    try:
        with pytest.raises(UserError, match=r"lacks the file .*estimator\.safetensors: install the package again"):
            pretrained_weights()
    finally:
        pretrained_weights.cache_clear()
