"""The pairs of runs that speak for a claim or against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deblur.reporting.answers import paired
from deblur.reporting.configurations import Configuration, Values, have_same_images
from deblur.reporting.labels import describe, labels_with_names, other_settings, varying
from deblur.reporting.results import Run, name_of
from deblur.reporting.tables import NOTHING, TextTable, interval, number
from deblur.text import counted
from studies.srcnn_2022.claims import Claim
from studies.srcnn_2022.matching import alike, distinct
from studies.srcnn_2022.published import Published
from studies.srcnn_2022.verdicts import Comparison, Outcome, Verdict


@dataclass(frozen=True)
class Evidence:
    """What runs and published losses say on a claim."""

    claim: Claim
    comparisons: list[Comparison]
    networks: str  # parameters and receptive fields of the networks that are compared
    published: str

    @property
    def verdict(self) -> Verdict:
        """The verdict by the claim's rule."""
        return self.claim.rule(self.comparisons)

    @property
    def judged(self) -> list[Comparison]:
        """The comparisons of enough seeds and test images."""
        return [one for one in self.comparisons if one.judged[0] is not Outcome.UNKNOWN]

    @property
    def sentence(self) -> str:
        """The verdict as a sentence, with its outcomes."""
        verdict = f'Claim {self.claim.number}, "{self.claim.title}": {self.verdict}.'
        judged = self.judged
        means = [one.mean for one in judged if one.mean is not None]
        if not means:
            return verdict
        outcomes = [one.judged[0] for one in judged]
        counts = ", ".join(f"{outcome} in {outcomes.count(outcome)}" for outcome in Outcome if outcome in outcomes)
        total = counted(len(judged), "comparison")
        left = len(self.comparisons) - len(judged)
        more = f" {left} more cannot be judged yet." if left else ""
        reach = f"from {min(means):+.2f} to {max(means):+.2f} dB" if len(means) > 1 else f"of {means[0]:+.2f} dB"
        return f"{verdict} In {total}: {counts}, with mean differences {reach}.{more}"


def evidence(claim: Claim, runs: Sequence[Run], published: Published) -> Evidence:
    """Return what speaks for a claim or against it."""
    pairs = _pairs(claim, runs)
    groups: list[list[tuple[Run, Run]]] = []
    for pair in pairs:
        group = next((one for one in groups if _differ_in_seed(one[0], pair)), None)
        if group is None:
            groups.append([pair])
        else:
            group.append(pair)
    firsts = [group[0][0] for group in groups]
    settings = [_setting(claim, run) for run in firsts]
    differing = varying(settings)
    blurs = labels_with_names(firsts, "blur")
    comparisons = [
        _comparison(group, blurs[run], _description(claim, run, describe(setting, differing)))
        for group, run, setting in zip(groups, firsts, settings, strict=True)
    ]
    return Evidence(claim, comparisons, _sizes(pairs), _published(claim, published))


def evidence_table(found: Evidence) -> TextTable:
    """Return the comparisons of a claim."""
    columns = ("blur", "with", "seeds", "each seed [dB]", "difference [dB]", "95 % interval", "images better", "shows")
    rows = []
    for one in found.comparisons:
        outcome, why = one.judged
        seeds = ", ".join(f"{value:+.3f}" for value in one.seeds.values())
        share = number(one.share_better, ".0%").replace("%", " %")
        shows = f"{outcome} ({why})" if why else str(outcome)
        across = interval(one.interval, "+.3f")
        rows.append((one.blur, one.setting, str(len(one.seeds)), seeds, number(one.mean, "+.3f"), across, share, shows))
    return TextTable(columns, rows, texts=2)


def _pairs(claim: Claim, runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Return the pairs of runs that differ only in what is claimed; both of one sweep if there is a choice."""
    known = [run for run in runs if run.images]
    without = (claim.key, *claim.may_differ)
    found: list[tuple[Run, Run]] = []
    for first in (run for run in known if run.config.get(claim.key) == claim.better):
        competitors = [
            run
            for run in known
            if run.config.get(claim.key) == claim.than and alike(first, run, *without) and have_same_images(first, run)
        ]
        if competitors:
            found.append((first, next((run for run in competitors if run.sweep == first.sweep), competitors[0])))
    kept = distinct([first for first, _ in found])
    return [pair for pair in found if any(pair[0] is run for run in kept)]


def _differ_in_seed(one: tuple[Run, Run], other: tuple[Run, Run]) -> bool:
    return alike(one[0], other[0], "seed") and have_same_images(one[0], other[0])


def _comparison(pairs: Sequence[tuple[Run, Run]], blur: str, setting: str) -> Comparison:
    seeds = {int(first.config["seed"]): _differences([(first, second)]) for first, second in pairs}
    return Comparison(
        blur,
        setting,
        {seed: float(np.mean(values)) for seed, values in sorted(seeds.items()) if values.size},
        _differences(pairs),
    )


def _differences(pairs: Sequence[tuple[Run, Run]]) -> Values:
    """Return the difference of each test image, averaged over the pairs [dB]."""
    return paired(
        Configuration("", "", [first for first, _ in pairs]), Configuration("", "", [second for _, second in pairs])
    )


def _setting(claim: Claim, run: Run) -> Mapping[str, Any]:
    return {key: value for key, value in other_settings(run).items() if key != claim.key}


def _description(claim: Claim, run: Run, setting: str) -> str:
    network = "" if claim.key == "model.name" else name_of(run, "model")
    return ", ".join(filter(None, (network, setting))) or NOTHING


def _sizes(pairs: Sequence[tuple[Run, Run]]) -> str:
    """Return a sentence on parameters and receptive fields of the networks."""
    runs = {name_of(run, "model"): run for pair in pairs for run in pair}
    parts = []
    for name, run in runs.items():
        parameters, field = run.number("model.parameters"), run.number("model.receptive_field")
        if parameters is not None and field is not None:
            parts.append(f"{name} has {parameters:,.0f} parameters and a receptive field of {field:.0f} px")
    return f"{'; '.join(parts)}." if parts else ""


def _published(claim: Claim, published: Published) -> str:
    """Return a sentence on the published losses of what the study compared."""
    apart = [
        published.losses[other] - loss
        for place, loss in published.losses.items()
        if (other := claim.step(place, published)) is not None
    ]
    reading = 2 * published.accuracy
    lower = sum(difference > reading for difference in apart)
    higher = sum(difference < -reading for difference in apart)
    return (
        f"Of {len(apart)} pairs of published losses, {claim.published_side} has the lower in {lower} and the higher in "
        f"{higher}; {len(apart) - lower - higher} differ by less than can be read off the plot ({reading:.4f})."
    )
