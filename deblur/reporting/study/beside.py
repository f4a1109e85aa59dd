"""The cells of the study's grid beside those of our runs, as tables."""

from collections.abc import Callable, Container, Mapping

from deblur.reporting.study.losses import Losses, losses, psnr_of
from deblur.reporting.study.matching import Selection
from deblur.reporting.study.published import Place, Published, rate_text
from deblur.reporting.tables import NOTHING, TextTable, number

INPUT = "blurred input"

Shown = Callable[[float, float], str]  # an MSE, and that of the blurred input, as a text


def cells_of(selection: Selection) -> dict[Place, Losses]:
    """Return the losses of all cells."""
    return {place: losses(runs) for place, runs in selection.cells.items()}


def share_table(published: Published, ours: Mapping[Place, Losses], blurs: Container[str] | None = None) -> TextTable:
    """Return the part of the blurred input's MSE that is left [%].

    Args:
        published: the study's numbers.
        ours: the losses of our cells.
        blurs: which to show; by default all of the study's.
    """
    table = _table(published, ours, lambda mse, of: f"{mse / of:.1%}".replace("%", " %"))
    rows = [row for row in table.rows if blurs is None or row[0] in blurs]
    return TextTable(table.columns, rows, table.texts)


def mse_table(published: Published, ours: Mapping[Place, Losses]) -> TextTable:
    """Return the MSE of all cells and of their inputs."""
    return _table(published, ours, lambda mse, _: f"{mse:.5f}")


def psnr_table(published: Published, ours: Mapping[Place, Losses]) -> TextTable:
    """Return the PSNR of each MSE, and beside it the mean of the PSNR of each test image [dB]."""
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
