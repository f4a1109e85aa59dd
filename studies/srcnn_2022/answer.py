"""The answer in a few sentences."""

import math
from collections.abc import Mapping, Sequence

from deblur.text import counted
from studies.srcnn_2022.evidence import Evidence
from studies.srcnn_2022.loss_tables import Losses
from studies.srcnn_2022.published import Place, Published, rate_text


def sentences(
    published: Published,
    ours: Mapping[Place, Losses],
    studys_way: Mapping[Place, Losses],
    found: Sequence[Evidence],
) -> list[str]:
    """Return our networks compared with the published losses on each blur, and the verdict on each claim.

    What is judged is the validation loss after the last epoch: that is what the study published.

    Args:
        published: the study's numbers.
        ours: the losses of our networks.
        studys_way: the losses of the study's networks in its way of training.
        found: what speaks for the claims or against them.
    """
    parts = [_on(published, ours, best) for blur in published.blurs if (best := _best(blur, ours))]
    parts += [
        f"On {blur} blur the study's networks were trained in its way on our images for "
        f"{counted(studys_way[best].epochs, 'epoch')} (the study's: {published.epochs}). "
        f"The best ({_named(best)}) {_judged(published, studys_way, best)}"
        for blur in published.blurs
        if (best := _best(blur, studys_way))
    ]
    return [*parts, *(one.sentence for one in found)]


def _on(published: Published, ours: Mapping[Place, Losses], best: Place) -> str:
    study, of = published.best(best.blur), published.inputs[best.blur]
    return (
        f"On {best.blur} blur the best published network ({_named(study)}) left "
        f"{_percent(published.losses[study] / of)} of the blurred input's mean squared error (MSE), read off a plot to "
        f"within {_percent(published.accuracy / of)}. Ours ({_named(best)}) {_judged(published, ours, best)}"
    )


def _judged(published: Published, configurations: Mapping[Place, Losses], place: Place) -> str:
    """Return what a configuration leaves, against the best published configuration of its blur."""
    of = published.inputs[place.blur]
    left, reading = published.losses[published.best(place.blur)] / of, published.accuracy / of
    found = configurations[place]
    share, test = found.validation_share, _percent(found.test_share)
    if share is None:
        return (
            f"leaves {test} on the test images after its best epoch; its validation loss after the last epoch, which "
            "is what the study published, is not known."
        )
    if abs(share - left) <= reading:
        compared = "as much as the study's best, as far as its plot can be read"
    else:
        compared = f"{'less' if share < left else 'more'} than the study's best"
    return (
        f"leaves {_percent(share)} on the validation images after its last epoch: {compared}. On the test images, "
        f"after its best epoch, it leaves {test}."
    )


def _best(blur: str, configurations: Mapping[Place, Losses]) -> Place | None:
    """Return the configuration of the lowest validation loss on a blur: the test images are to choose nothing."""
    places = [place for place in configurations if place.blur == blur]
    return min(places, key=lambda place: _rank(configurations[place]), default=None)


def _rank(found: Losses) -> tuple[float, float]:
    return math.inf if found.validation is None else found.validation, found.test_share


def _named(place: Place) -> str:
    return f"{place.network} at a learning rate of {rate_text(place.rate)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
