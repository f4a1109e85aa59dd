"""Metrics and losses: ours are chosen by name, a user's by the import path of its class."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from deblur.choices import listed_names
from deblur.config.build import build
from deblur.config.keys import nearest, question
from deblur.config.schema import TrainConfig
from deblur.config.sections import Target
from deblur.errors import UserError
from deblur.losses import LOSSES, Loss
from deblur.metrics.registry import METRICS, MOST_DECIMALS, PSNR, Metric, MetricInfo, degradation_columns

_METRIC_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN: Final = re.compile(
    r"(input|without|wiener)_.*|gain|loss|degraded|images|exactly_restored|epoch|name|blur|boundary|restorer"
)
"""Names of other columns and keys next to the metrics."""


def refuse_unknown_names(loss: str | None, metrics: Sequence[str] | None, trusted: Sequence[str]) -> None:
    """Refuse a metric or a loss that does not exist, as far as that is known without importing a user's module.

    Args:
        loss: its name; None if the command has none.
        metrics: their names; None if the command chooses none.
        trusted: modules that the user named on the command line.

    Raises:
        UserError: for the first such name, and for a metric that is named twice.
    """
    if loss is not None:
        _refuse_unknown("loss", loss, LOSSES, trusted)
    names = metrics or []
    for name in names:
        _refuse_unknown("metrics", name, METRICS, trusted)
    if len(set(names)) < len(names):
        raise UserError(f"metrics=[{','.join(names)}] is not allowed: name each metric once.")


def refuse_unmeasured_monitors(config: TrainConfig) -> None:
    """Refuse a scheduler or a callback that follows a validation metric which is not chosen.

    The names of a user's metrics are not known before they are built: with one of them nothing is refused here.

    Args:
        config: a training's configuration.

    Raises:
        UserError: for the first such `monitor`.
    """
    chosen = config.metrics
    if not all(name in METRICS for name in chosen):
        return
    known = [f"val/{name}" for name in dict.fromkeys(("loss", PSNR.info.name, "gain", *chosen))]
    sections: dict[str, Target | None] = {"scheduler": config.scheduler}
    sections |= {f"callbacks.{name}": section for name, section in (config.callbacks or {}).items()}
    for key, section in sections.items():
        monitor = "" if section is None else str(section.arguments().get("monitor"))
        if monitor.startswith("val/") and monitor not in known:
            raise UserError(
                f"{key}.monitor={monitor} is not measured: give {listed_names(known)}, or add the metric to metrics="
                f"[{','.join(chosen)}]."
            )


def _refuse_unknown(key: str, name: str, known: Mapping[str, object], trusted: Sequence[str]) -> None:
    if name in known or any(name.startswith(f"{module}.") for module in trusted):
        return
    module, _, last = name.rpartition(".")
    if module:
        raise UserError(
            f"{key}={name} is not allowed: give {listed_names(known)}. If {last} is a class of your own, trust its "
            f"module with trusted=[{module}]."
        )
    near = nearest(name, [*known])
    raise UserError(
        f"{key}={name} is not allowed: give {listed_names(known)}. A class of your own is given as MODULE.CLASS, with "
        f"trusted=[MODULE].{question([] if near is None else [near])}"
    )


def build_loss(name: str, trusted: Sequence[str] = ()) -> Loss:
    """Return a loss.

    Args:
        name: of one of ours, or the import path of a class of the user's.
        trusted: modules that the user named on the command line.

    Raises:
        UserError: if there is no such loss, or it is not allowed.
    """
    if name in LOSSES:
        return LOSSES[name]
    _refuse_unknown("loss", name, LOSSES, trusted)
    loss = build({"_target_": name}, Loss, trusted=trusted, allowed=(), key="loss")
    if not isinstance(getattr(loss, "name", None), str):
        raise UserError(f"loss={name} lacks a name: give the class an attribute name, such as name = 'edges'.")
    return loss


def build_metrics(names: Sequence[str], trusted: Sequence[str] = ()) -> tuple[Metric, ...]:
    """Return metrics in their order; the PSNR comes first if it is not among them.

    Args:
        names: of ours, or the import paths of classes of the user's.
        trusted: modules that the user named on the command line.

    Raises:
        UserError: if there is no such metric, it is not allowed, or what it says of itself cannot be.
    """
    metrics = [_build_metric(name, trusted) for name in names]
    if all(metric.info != PSNR.info for metric in metrics):
        metrics.insert(0, PSNR)
    labels = [metric.info.name for metric in metrics]
    for name in labels:
        if labels.count(name) > 1:
            raise UserError(f"metrics=[{','.join(names)}] has two metrics of the name {name}: give one another name.")
    return tuple(metrics)


def psnr_note(names: Sequence[str]) -> str | None:
    """Return a sentence if the PSNR is not among the metrics that were chosen: it is measured all the same."""
    if PSNR.info.name in names:
        return None
    return (
        f"metrics=[{','.join(names)}]: psnr is measured as well, since best.ckpt, the gain and the report rely on it."
    )


def _build_metric(name: str, trusted: Sequence[str]) -> Metric:
    if name in METRICS:
        return METRICS[name]
    _refuse_unknown("metrics", name, METRICS, trusted)
    metric = build({"_target_": name}, Metric, trusted=trusted, allowed=(), key="metrics")
    info = getattr(metric, "info", None)
    if not isinstance(info, MetricInfo):
        raise UserError(
            f"metrics={name} lacks an info: give the class one, such as info = MetricInfo('edges', 'Edges')."
        )
    is_taken = _TAKEN.fullmatch(info.name) or info.name in METRICS or info.name in degradation_columns()
    if not _METRIC_NAME.fullmatch(info.name) or is_taken:
        raise UserError(
            f"metrics={name} has the name {info.name!r}, which is not allowed: give it lower-case letters, digits and "
            "underscores that no other column has."
        )
    if not 0 <= info.decimals <= MOST_DECIMALS:
        raise UserError(f"metrics={name} has decimals={info.decimals}: give a whole number from 0 to {MOST_DECIMALS}.")
    return metric
