"""The answer in a few sentences."""

import math
from collections.abc import Mapping, Sequence

from deblur.reporting.study.evidence import Evidence
from deblur.reporting.study.losses import Losses
from deblur.reporting.study.published import Place, Published, rate_text


def sentences(
    published: Published,
    ours: Mapping[Place, Losses],
    studys_way: Mapping[Place, Losses],
    found: Sequence[Evidence],
) -> list[str]:
    """Return how our networks do beside the published losses on each blur, and the verdict on each claim.

    Args:
        published: the study's numbers.
        ours: the losses of our networks.
        studys_way: the losses of the study's networks in its way of training.
        found: what speaks for the claims or against them.
    """
    told = [_on(published, ours, best) for blur in published.blurs if (best := _best(blur, ours))]
    told += [
        f"On {blur} blur the study's networks, trained in its way on our images, leave at best "
        f"{_percent(studys_way[best].share)} ({_named(best)})."
        for blur in published.blurs
        if (best := _best(blur, studys_way))
    ]
    return [*told, *(one.sentence for one in found)]


def _on(published: Published, ours: Mapping[Place, Losses], best: Place) -> str:
    blur = best.blur
    study, of = published.best(blur), published.inputs[blur]
    left, reading = published.losses[study] / of, published.accuracy / of
    share = ours[best].share
    if abs(share - left) <= reading:
        told = "as much as the study's, as far as its plot can be read"
    else:
        told = f"{'less' if share < left else 'more'} than the study's"
    return (
        f"On {blur} blur the best published network ({_named(study)}) left {_percent(left)} of the blurred input's "
        f"mean squared error (MSE), read off a plot to within {_percent(reading)}. Ours ({_named(best)}) leaves "
        f"{_percent(share)} on the test images: {told}."
    )


def _best(blur: str, cells: Mapping[Place, Losses]) -> Place | None:
    """Return the cell of the lowest validation loss on a blur: the test images are to choose nothing."""
    places = [place for place in cells if place.blur == blur]
    return min(places, key=lambda place: _rank(cells[place]), default=None)


def _rank(found: Losses) -> tuple[float, float]:
    return math.inf if found.validation is None else found.validation, found.share


def _named(place: Place) -> str:
    return f"{place.network} at a learning rate of {rate_text(place.rate)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
