"""The study's three claims, and what is compared to judge each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studies.srcnn_2022.matching import SHAPE
from studies.srcnn_2022.published import Place, Published
from studies.srcnn_2022.verdicts import Comparison, Verdict, existence_verdict, general_verdict

COMMAND = "python -m deblur.train experiment=claims"

Step = Callable[[Place, Published], Place | None]  # from a published configuration to the one that it was compared with


@dataclass(frozen=True)
class Claim:
    """One claim: what the study said, and what is compared to judge it.

    Attributes:
        number: its place among the claims.
        title: short.
        said: by the study.
        compared: by the study.
        ours: what is compared here.
        key: the setting in which the two sides of a comparison differ.
        better: the value of that setting which is claimed to be better.
        than: the value that it is compared with.
        may_differ: further keys in which the sides differ, since they belong to the first.
        rule: from comparisons to a verdict.
        published_side: what is claimed to be better, among what the study trained.
        step: from the published configuration that is claimed to be better to the one that it was compared with.
    """

    number: int
    title: str
    said: str
    compared: str
    ours: str
    key: str
    better: str | float
    than: str | float
    may_differ: tuple[str, ...]
    rule: Callable[[Sequence[Comparison]], Verdict]
    published_side: str
    step: Step


def _smaller_rate(place: Place, published: Published) -> Place | None:
    lowest, highest = min(published.rates), max(published.rates)
    return place._replace(rate=highest) if place.rate == lowest else None


def _instead_of_915(network: str) -> Step:
    return lambda place, _: place._replace(network="9-1-5") if place.network == network else None


CLAIMS = (
    Claim(
        1,
        "a smaller learning rate in the last layer helps",
        "A smaller learning rate in the last layer matters for convergence.",
        "It trained every network at two learning rates, each the same for all layers.",
        "Every network with the last layer at 0.1 of the learning rate against the same network with one learning rate "
        "for all layers.",
        "optimizer.last_layer_lr_scale",
        0.1,
        1.0,
        (),
        general_verdict,
        "the smaller learning rate",
        _smaller_rate,
    ),
    Claim(
        2,
        "deeper is not always better",
        "Deeper networks are not always better.",
        "9-1-1-1-5 and 9-3-1-5 with 9-1-5, which changes depth, parameters and, for 9-3-1-5, the receptive "
        "field at once.",
        "9-1-1-1-5 against 9-1-5, with about as many parameters and the same receptive field: depth alone is left.",
        "model.name",
        "deeper_91115",
        "srcnn_915",
        SHAPE,
        existence_verdict,
        "the deeper 9-1-1-1-5",
        _instead_of_915("9-1-1-1-5"),
    ),
    Claim(
        3,
        "larger filters are better",
        "Larger filters are better.",
        "9-3-1-5 with 9-1-5, which adds a layer and many parameters as well.",
        "9-3-5 against 9-1-5, with about as many parameters; a larger receptive field is what larger filters "
        "are for, so it stays part of the comparison.",
        "model.name",
        "larger_935",
        "srcnn_915",
        SHAPE,
        general_verdict,
        "9-3-1-5",
        _instead_of_915("9-3-1-5"),
    ),
)
