"""Textures: colored noise, waves, stripes and grids."""

import math
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE, OVERSAMPLING, happens
from deblur.synthesis.leaves.ingredients import Ingredients

Plane = NDArray[np.float32]

MICRO_TEXTURES: Final = 5
WAVES: Final = 2
TILE_SIZE: Final = CANVAS_SIZE // 2  # period of the colored noise [canvas px]
TEXTURE_ROWS: Final = CANVAS_SIZE + TILE_SIZE  # of a plane, so that noise can start at any place of its tile
CORNER: Final = (0.004, 0.1)  # frequency below which the amplitude is constant [cycles / canvas px]
EXPONENT: Final = (0.3, 1.8)  # by which the amplitude of the noise falls with the frequency
PERIOD: Final = (2.5, 40.0)  # of waves [image px]

_COLUMNS = np.fft.fftfreq(TILE_SIZE).astype(np.float32)[None, :]
_ROWS = _COLUMNS.T
_ACROSS = np.linspace(-1, 1, CANVAS_SIZE, dtype=np.float32)[None, :]
_DOWN = _ACROSS.T


def textures(
    of_noise: np.random.RandomState, of_waves: np.random.RandomState, used: Container[int], parts: Ingredients
) -> Plane:
    """Draw the textures of an image, with means of 0 and standard deviations of 1.

    Args:
        of_noise: stream of the colored noise.
        of_waves: stream of the waves.
        used: numbers of the textures that shapes have; the others stay 0, which saves time.
        parts: what is drawn; textures that are switched off are 0.

    Returns:
        The colored noise and after it the waves, (MICRO_TEXTURES + WAVES, TEXTURE_ROWS, CANVAS_SIZE). The noise has a
        period of TILE_SIZE along rows and columns; waves fill the first CANVAS_SIZE rows.
    """
    drawn = np.zeros((MICRO_TEXTURES + WAVES, TEXTURE_ROWS, CANVAS_SIZE), np.float32)
    noises = [_random_noise(of_noise) for _ in range(MICRO_TEXTURES)]
    waves = [_random_waves(of_waves) for _ in range(WAVES)]
    if parts.micro_textures:
        spectrum = _spectrum(white_noise(of_noise, TILE_SIZE))
        for number, noise in enumerate(noises):
            if number in used:
                cv2.repeat(_colored(noise, spectrum), TEXTURE_ROWS // TILE_SIZE, 2, dst=drawn[number])
    if parts.waves:
        for number, kind in enumerate(waves, MICRO_TEXTURES):
            if number in used:
                drawn[number, :CANVAS_SIZE] = _wavy(kind)
    return drawn


def white_noise(rng: np.random.RandomState, side: int) -> Plane:
    """Draw independent numbers with a mean of 0 and a standard deviation of 1, nearly normal, (side, side).

    Each is the sum of four bytes, which takes a third of the time of normal numbers.
    """
    drawn = np.frombuffer(rng.bytes(4 * side * side), np.uint8).reshape(4, side, side)
    total = drawn.sum(axis=0, dtype=np.float32)
    noise: Plane = (total - np.float32(2 * 255)) * np.float32(1 / math.sqrt((256**2 - 1) / 3))
    return noise


@dataclass(frozen=True)
class _Noise:
    """Noise whose amplitude is a power of the frequency above a corner."""

    angle: float  # of the longest correlation [radians]
    anisotropy: float  # square root of the ratio of the correlation lengths
    corner: float  # [cycles / canvas px]
    exponent: float
    skew: float  # of the histogram, as the weight of the square
    tails: float  # of the histogram, as the weight of the cube: 0 for a normal distribution, more for longer tails
    is_binary: bool  # whether the histogram has two peaks instead


def _random_noise(rng: np.random.RandomState) -> _Noise:
    return _Noise(
        angle=rng.uniform(0, math.pi),
        anisotropy=math.exp(abs(rng.normal(0, 0.6))),
        corner=math.exp(rng.uniform(*np.log(CORNER))),
        exponent=rng.uniform(*EXPONENT),
        skew=rng.normal(0, 0.4),
        tails=rng.uniform(0, 0.3),
        is_binary=happens(rng, 0.35),
    )


def _spectrum(plane: Plane) -> Plane:
    """Return the discrete Fourier transform, (H, W, 2): real and imaginary parts."""
    return np.asarray(cv2.dft(plane, flags=cv2.DFT_COMPLEX_OUTPUT), np.float32)


def _colored(kind: _Noise, spectrum: Plane) -> Plane:
    """Return the noise, made from the spectrum of white noise, (TILE_SIZE, TILE_SIZE)."""
    cosine, sine = math.cos(kind.angle), math.sin(kind.angle)
    along = (cosine * _COLUMNS + sine * _ROWS) * kind.anisotropy
    across = (cosine * _ROWS - sine * _COLUMNS) / kind.anisotropy
    amplitude = cv2.pow(along * along + across * across + np.float32(kind.corner**2), -kind.exponent / 2)
    amplitude[0, 0] = 0
    colored = cv2.merge([spectrum[..., part] * amplitude for part in (0, 1)])
    noise = _standardized(np.asarray(cv2.idft(colored, flags=cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE), np.float32))
    skew, tails = np.float32(kind.skew), np.float32(kind.tails)
    if kind.is_binary:
        return _standardized(np.tanh(2 * (noise + skew)))
    return _standardized(noise * (1 + noise * (skew + tails * noise)))


@dataclass(frozen=True)
class _Waves:
    """Waves of one direction in perspective, or a grid of two, with a phase that wanders."""

    turns: float  # per half of the canvas [radians]
    angle: float  # [radians]
    other_angle: float | None  # of the second direction of a grid
    vanishing: tuple[float, float]  # relative change of the period over half the canvas, to the right and downward
    sharpness: float  # of the edges: 1 for nearly a sine, more for stripes
    duty: float  # of the stripes: 0 if dark and light ones are equally wide
    wander: Plane  # of the phase, coarse [radians]


def _random_waves(rng: np.random.RandomState) -> _Waves:
    period = OVERSAMPLING * math.exp(rng.uniform(*np.log(PERIOD)))
    angle, turn = rng.uniform(0, math.pi), rng.normal(math.pi / 2, 0.2)
    across, down = rng.normal(0, 0.25, 2).clip(-0.45, 0.45)
    return _Waves(
        turns=math.pi * CANVAS_SIZE / period,
        angle=angle,
        other_angle=angle + turn if happens(rng, 0.35) else None,
        vanishing=(across, down),
        sharpness=math.exp(rng.uniform(-1, 2)),
        duty=rng.normal(0, 0.4),
        wander=rng.normal(0, rng.uniform(0, 1.2), (12, 12)).astype(np.float32),
    )


def _wavy(kind: _Waves) -> Plane:
    """Return the waves, (CANVAS_SIZE, CANVAS_SIZE)."""
    depth = 1 / (1 + np.float32(kind.vanishing[0]) * _ACROSS + np.float32(kind.vanishing[1]) * _DOWN)
    phase = cv2.resize(kind.wander, (CANVAS_SIZE, CANVAS_SIZE), interpolation=cv2.INTER_LINEAR)

    def profile(direction: float) -> Plane:
        across, down = (np.float32(kind.turns * part) for part in (math.cos(direction), math.sin(direction)))
        waves: Plane = np.sin((across * _ACROSS + down * _DOWN) * depth + phase)
        stripes: Plane = np.tanh(np.float32(kind.sharpness) * (waves + np.float32(kind.duty)))
        return stripes

    waves = profile(kind.angle)
    return _standardized(waves if kind.other_angle is None else np.maximum(waves, profile(kind.other_angle)))


def _standardized(plane: Plane) -> Plane:
    mean, deviation = cv2.meanStdDev(plane)
    scaled: Plane = (plane - np.float32(mean[0, 0])) * np.float32(1 / max(deviation[0, 0], 1e-6))
    return np.clip(scaled, -4, 4, out=scaled)
