"""Metrics of single images: the registry, and the base class of custom metrics."""

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
