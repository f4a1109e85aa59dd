"""The colors of one face: of skin, hair and eyes, of clothes, and of what is behind the face.

They are drawn from a stream of their own: a palette without a stream is that of a gray drawing, and draws nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import happens, pick
from deblur.synthesis.colors import COLORLESS, Color, color_of

FULL_CIRCLE = 360.0  # degrees
SKIN_HUE, SKIN_HUE_DEVIATION = 21.0, 5.0  # degrees
SKY_HUE, SKY_HUE_DEVIATION = 208.0, 12.0  # degrees


@dataclass(frozen=True)
class Palette:
    """Colors at full brightness."""

    paper: Color = COLORLESS
    skin: Color = COLORLESS
    skin_shadow: Color = COLORLESS
    blush: Color = COLORLESS
    mouth: Color = COLORLESS
    hair: Color = COLORLESS
    hair_light: Color = COLORLESS  # of its highlights
    iris: Color = COLORLESS
    rng: np.random.RandomState | None = None  # of the other colors; None for a gray drawing

    def cloth(self, level: float) -> Color:
        """Draw the color of cloth and of decorations: one in three hardly has any."""
        if self.rng is None:
            return COLORLESS
        saturation = pick(self.rng, self.rng.uniform(0, 0.15), self.rng.uniform(0.15, 0.9), self.rng.uniform(0.15, 0.9))
        return color_of(self.rng.uniform(0, FULL_CIRCLE), saturation, level)

    def background(self) -> tuple[Color, Color]:
        """Draw the colors of the upper and lower end of the background: sky, any others, or hardly any."""
        if self.rng is None:
            return COLORLESS, COLORLESS
        hue = pick(self.rng, self.rng.normal(SKY_HUE, SKY_HUE_DEVIATION), self.rng.uniform(0, FULL_CIRCLE))
        saturation = pick(self.rng, self.rng.uniform(0, 0.1), self.rng.uniform(0.05, 0.4), self.rng.uniform(0.05, 0.7))
        end_hue = hue + self.rng.normal(0, 30)
        return color_of(hue, saturation), color_of(end_hue, saturation * self.rng.uniform(0, 1))

    def leaves(self, levels: NDArray[np.float64]) -> list[Color]:
        """Draw the colors of many leaves at the given gray levels: most are close to one of two hues."""
        if self.rng is None:
            return [COLORLESS] * len(levels)
        count = len(levels)
        two = self.rng.uniform(0, FULL_CIRCLE, 2)
        hues = two[self.rng.randint(0, 2, count)] + self.rng.normal(0, 20, count)
        others = self.rng.uniform(size=count) < 0.15
        hues[others] = self.rng.uniform(0, FULL_CIRCLE, int(others.sum()))
        saturations = self.rng.uniform(0, 1, 2).max() * self.rng.uniform(0.2, 1, count)
        return [color_of(*each) for each in zip(hues.tolist(), saturations.tolist(), levels.tolist(), strict=True)]


def random_palette(rng: np.random.RandomState, skin: float, hair: float) -> Palette:
    """Draw the colors of a face whose skin and hair have the given gray levels."""
    skin_hue = rng.normal(SKIN_HUE, SKIN_HUE_DEVIATION)
    skin_saturation = rng.uniform(0.12, 0.4) if skin > 205 else rng.uniform(0.25, 0.5)
    hair_hue = pick(rng, rng.normal(30, 10), rng.normal(40, 8), *(rng.uniform(0, FULL_CIRCLE) for _ in range(4)))
    # One in five has black, gray or white hair.
    hair_saturation = pick(rng, rng.uniform(0, 0.15), *(rng.uniform(0.2, 0.85) for _ in range(4)))
    iris_hue = hair_hue if happens(rng, 0.2) else rng.uniform(0, FULL_CIRCLE)
    return Palette(
        paper=color_of(rng.uniform(0, FULL_CIRCLE), pick(rng, 0.0, 0.0, rng.uniform(0, 0.15))),
        skin=color_of(skin_hue, skin_saturation, skin),
        skin_shadow=color_of(skin_hue - 8, skin_saturation + rng.uniform(0, 0.15), skin * 0.9),
        blush=color_of(skin_hue - 20, skin_saturation + 0.25, skin * 0.8),
        mouth=color_of(rng.uniform(-15, 15), rng.uniform(0.4, 0.8)),
        hair=color_of(hair_hue, hair_saturation, hair),
        hair_light=color_of(hair_hue + rng.normal(0, 15), hair_saturation * rng.uniform(0.3, 1), hair),
        iris=color_of(iris_hue, rng.uniform(0.4, 1.0)),
        rng=rng,
    )
