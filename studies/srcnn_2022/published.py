"""What the 2022 study published, as numbers; read from files of this package."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import NamedTuple

import numpy as np

PUBLISHED_FILE = "published.csv"
SETTING_FILE = "setting.csv"


class Place(NamedTuple):
    """A configuration of the study's grid."""

    blur: str
    network: str
    rate: float


@dataclass(frozen=True)
class Published:
    """The numbers of the study.

    Attributes:
        losses: the MSE of the validation images after the last epoch, read off a plot.
        accuracy: of that reading, to both sides.
        inputs: the MSE of the blurred images of each blur.
        seconds: an epoch took, by network [s].
        epochs: of each training.
    """

    losses: Mapping[Place, float]
    accuracy: float
    inputs: Mapping[str, float]
    seconds: Mapping[str, float]
    epochs: int

    @cached_property
    def blurs(self) -> list[str]:
        """The blurs, in the study's order."""
        return list(dict.fromkeys(place.blur for place in self.losses))

    @cached_property
    def networks(self) -> list[str]:
        """The networks, in the study's order."""
        return list(dict.fromkeys(place.network for place in self.losses))

    @cached_property
    def rates(self) -> list[float]:
        """The learning rates, in the study's order."""
        return list(dict.fromkeys(place.rate for place in self.losses))

    def best(self, blur: str) -> Place:
        """Return the configuration of the lowest loss on a blur."""
        return min((place for place in self.losses if place.blur == blur), key=lambda place: self.losses[place])


class Setting(NamedTuple):
    """One thing that the study decided."""

    key: str
    what: str
    study: str


def rate_text(rate: float) -> str:
    """Return a learning rate as a text: 0.00005 like 0.0001, not 5e-05."""
    return np.format_float_positional(rate, trim="-")


def read_published() -> Published:
    """Read the published numbers."""
    rows = _rows(PUBLISHED_FILE)
    values = {(row["quantity"], row["blur"], row["network"], row["lr"]): float(row["value"]) for row in rows}
    losses = {
        Place(blur, network, float(rate)): value
        for (quantity, blur, network, rate), value in values.items()
        if quantity == "validation_mse"
    }
    return Published(
        losses,
        accuracy=max(float(row["accuracy"]) for row in rows if row["accuracy"]),
        inputs={blur: value for (quantity, blur, _, _), value in values.items() if quantity == "input_mse"},
        seconds={name: value for (quantity, _, name, _), value in values.items() if quantity == "seconds_per_epoch"},
        epochs=int(values["epochs", "", "", ""]),
    )


def read_settings() -> list[Setting]:
    """Read how the study was done."""
    return [Setting(row["key"], row["what"], row["study"]) for row in _rows(SETTING_FILE)]


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
