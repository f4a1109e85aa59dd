"""The mean squared errors of our runs and the published ones of the study, as tables."""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deblur.reporting.configurations import Values
from deblur.reporting.results import Run
from deblur.reporting.tables import NOTHING, TextTable, number
from studies.srcnn_2022.matching import Selection
from studies.srcnn_2022.published import Place, Published, rate_text

INPUT = "blurred input"

Shown = Callable[[float, float], str]  # an MSE, and that of the blurred input, as a text


@dataclass(frozen=True)
class Losses:
    """What the runs of a configuration reached, averaged over their seeds.

    Attributes:
        validation: MSE of the restored validation images, clamped to [0, 1], after the last epoch; None if it is not
            known.
        test: MSE of the restored test images, clamped to [0, 1], after the epoch of the best validation PSNR.
        test_input: MSE of the blurred test images.
        psnr: mean of the PSNR of each restored test image [dB].
        input_psnr: the same of the blurred ones [dB].
        epochs: of the longest training.
        seeds: how many runs there are.
    """

    validation: float | None
    test: float
    test_input: float
    psnr: float
    input_psnr: float
    epochs: int
    seeds: int

    @property
    def test_share(self) -> float:
        """The part of the blurred test images' MSE that is left of the test images."""
        return self.test / self.test_input

    @property
    def validation_share(self) -> float | None:
        """The part of the blurred test images' MSE that is left of the validation images."""
        return None if self.validation is None else self.validation / self.test_input


def losses(runs: Sequence[Run]) -> Losses:
    """Return the losses of finished runs that differ in their seeds."""
    last = [run.history[-1].get("val/mse", math.nan) if run.history else math.nan for run in runs]
    return Losses(
        float(np.mean(last)) if np.isfinite(last).all() else None,
        float(np.mean([_image_mse(run, "psnr") for run in runs])),
        float(np.mean([_image_mse(run, "input_psnr") for run in runs])),
        float(np.mean([_image_psnr(run, "psnr") for run in runs])),
        float(np.mean([_image_psnr(run, "input_psnr") for run in runs])),
        max(len(run.history) for run in runs),
        len(runs),
    )


def psnr_of(mse: float) -> float:
    """Return the PSNR of an MSE of images in [0, 1] [dB]."""
    return -10 * math.log10(mse) if mse > 0 else math.inf


def configurations_of(selection: Selection) -> dict[Place, Losses]:
    """Return the losses of all configurations."""
    return {place: losses(runs) for place, runs in selection.configurations.items()}


def seeds_sentence(ours: Mapping[Place, Losses]) -> str:
    """Return a sentence on which configurations are means of several seeds."""
    counts = sorted({found.seeds for found in ours.values()})
    if counts == [1]:
        return "Each configuration was trained once."
    if len(counts) == 1:
        return f"Each configuration is the mean of {counts[0]} seeds."
    parts = []
    for count in (one for one in counts if one > 1):
        places = [place for place, found in ours.items() if found.seeds == count]
        named = "; ".join(f"{place.network} on {place.blur} blur at {rate_text(place.rate)}" for place in places)
        parts.append(f"Means of {count} seeds: {named}.")
    return " ".join([*parts, *(["Each other configuration was trained once."] if 1 in counts else [])])


def share_table(published: Published, ours: Mapping[Place, Losses], blurs: Container[str] | None = None) -> TextTable:
    """Return the part of the blurred input's MSE that is left [%].

    Args:
        published: the study's numbers.
        ours: the losses of our configurations.
        blurs: which to show; by default all of the study's.
    """
    table = _table(published, ours, lambda mse, of: f"{mse / of:.1%}".replace("%", " %"))
    rows = [row for row in table.rows if blurs is None or row[0] in blurs]
    return TextTable(table.columns, rows, table.texts)


def mse_table(published: Published, ours: Mapping[Place, Losses]) -> TextTable:
    """Return the MSE of all configurations and of their inputs."""
    return _table(published, ours, lambda mse, _: f"{mse:.5f}")


def psnr_table(published: Published, ours: Mapping[Place, Losses]) -> TextTable:
    """Return the PSNR of each MSE, and next to it the mean of the PSNR of each test image [dB]."""
    table = _table(published, ours, lambda mse, _: f"{psnr_of(mse):.2f}")
    rates = _rates(ours)
    columns = [*table.columns, *(f"ours {rate_text(rate)}, PSNR" for rate in rates)]
    rows = []
    for row, (blur, network) in zip(table.rows, _lines(published), strict=True):
        if network is None:
            means = [_input(ours, blur, "input_psnr") for _ in rates]
        else:
            means = [_of(ours, blur, network, rate, "psnr") for rate in rates]
        rows.append((*row, *(number(mean, ".2f") for mean in means)))
    return TextTable(columns, rows, table.texts)


def _table(published: Published, ours: Mapping[Place, Losses], text: Shown) -> TextTable:
    rates = _rates(ours)
    columns = [
        "blur",
        "network",
        *(f"study {rate_text(rate)}" for rate in published.rates),
        *(f"ours {rate_text(rate)}, validation" for rate in rates),
        *(f"ours {rate_text(rate)}, test" for rate in rates),
    ]
    rows = []
    for blur, network in _lines(published):
        study_input, our_input = published.inputs[blur], _input(ours, blur, "test_input")
        if network is None:
            study: list[float | None] = [study_input for _ in published.rates]
            found: list[float | None] = [*(None for _ in rates), *(our_input for _ in rates)]
        else:
            study = [published.losses.get(Place(blur, network, rate)) for rate in published.rates]
            found = [_of(ours, blur, network, rate, key) for key in ("validation", "test") for rate in rates]
        texts = [NOTHING if mse is None else text(mse, study_input) for mse in study]
        texts += [NOTHING if mse is None or our_input is None else text(mse, our_input) for mse in found]
        rows.append((blur, INPUT if network is None else network, *texts))
    return TextTable(columns, rows, texts=2)


def _lines(published: Published) -> list[tuple[str, str | None]]:
    """Return blur and network of each row; None is the blurred input."""
    return [(blur, network) for blur in published.blurs for network in (None, *published.networks)]


def _rates(ours: Mapping[Place, Losses]) -> list[float]:
    return sorted({place.rate for place in ours}, reverse=True)


def _of(ours: Mapping[Place, Losses], blur: str, network: str, rate: float, key: str) -> float | None:
    found = ours.get(Place(blur, network, rate))
    value: float | None = None if found is None else getattr(found, key)
    return value


def _input(ours: Mapping[Place, Losses], blur: str, key: str) -> float | None:
    """Return a number of the blurred test images, which are the same for all runs on a blur."""
    return next((float(getattr(found, key)) for place, found in ours.items() if place.blur == blur), None)


def _image_mse(run: Run, key: str) -> float:
    """Return the MSE of all test images that follows from the PSNR of each.

    An infinite PSNR is an MSE of 0. It is the only one that is not finite here: runs with an undefined one are in no
    configuration.
    """
    psnr = _each_psnr(run, key)
    return float(np.mean(np.where(np.isfinite(psnr), 10 ** (-psnr / 10), 0.0)))


def _image_psnr(run: Run, key: str) -> float:
    """Return the mean of the finite PSNRs of the test images [dB]."""
    psnr = _each_psnr(run, key)
    return float(np.mean(psnr[np.isfinite(psnr)]))


def _each_psnr(run: Run, key: str) -> Values:
    return np.array([values[key] for values in run.images.values()])
