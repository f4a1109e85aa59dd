"""Metrics of single images: the registry, and what a metric of the user's own derives from."""

from deblur.metrics.registry import (
    DEFAULT_METRICS,
    METRICS,
    MOST_DECIMALS,
    PSNR,
    Metric,
    MetricInfo,
    info_of,
    infos_of_results,
    measured_columns,
)

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "MOST_DECIMALS",
    "PSNR",
    "Metric",
    "MetricInfo",
    "info_of",
    "infos_of_results",
    "measured_columns",
]
