"""The registry of metrics; torch is imported when one is computed."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from deblur.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

_INFO_KEYS: Final = ("label", "unit", "higher_is_better", "decimals")  # of the description of a metric in a file


@dataclass(frozen=True)
class MetricInfo:
    """The description of a metric for tables, files and figures."""

    name: str  # of its columns and keys: lower-case letters, digits and underscores
    label: str  # in tables
    unit: str = ""  # such as dB; empty for none
    higher_is_better: bool = True
    needs_reference: bool = True  # whether it compares with the sharp image; otherwise it needs only the restored image
    decimals: int = 4  # in tables
    min_side: int = 1  # of the smallest image that it can be computed on [px]; smaller ones have no value

    @property
    def quantity(self) -> str:
        """The label with the unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    @property
    def heading(self) -> str:
        """The label with the unit, and the direction if lower is better."""
        return self.quantity if self.higher_is_better else f"{self.quantity} (lower is better)"

    @property
    def digits(self) -> str:
        """The format of a value."""
        return f".{self.decimals}f"


class Metric(ABC):
    """One number per image. A subclass has an `info` and computes it; it is built without arguments."""

    info: ClassVar[MetricInfo]

    @abstractmethod
    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        """Return the value of each image, (N,).

        Args:
            restored: (N, C, H, W), float32 in [0, 1], gray (C = 1) or RGB (C = 3).
            sharp: the same images; not passed to a metric whose `info.needs_reference` is false.
        """

    def __call__(self, images: "Tensor", sharp: "Tensor") -> "Tensor":
        """Return the value of each image in float32, on the device of the images.

        Args:
            images: (N, C, H, W) restored or blurred images, gray or RGB; clamped to [0, 1] first.
            sharp: (N, C, H, W) in [0, 1].

        Returns:
            (N,); not a number for images smaller than `info.min_side`.

        Raises:
            UserError: if the metric does not return one number per image.
        """
        if min(images.shape[-2:]) < self.info.min_side:
            return images.new_full((images.shape[0],), float("nan")).float()
        given: list[Any] = [images.float().clamp(0, 1), *([sharp.float()] if self.info.needs_reference else [])]
        values = self.compute(*given)
        if tuple(values.shape) != (images.shape[0],):
            raise UserError(
                f"The metric {self.info.name} returned a tensor of the shape {tuple(values.shape)} for "
                f"{images.shape[0]} images: return one number per image, ({images.shape[0]},)."
            )
        return values.detach().float()


class _PSNR(Metric):
    """Of the mean squared error over all channels."""

    info = MetricInfo("psnr", "PSNR", "dB", decimals=2)

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        from deblur.metrics.images import psnr

        return psnr(restored, sharp)


class _SSIM(Metric):
    """The mean of the channels."""

    info = MetricInfo("ssim", "SSIM", min_side=11)  # the window

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        from deblur.metrics.images import ssim

        return ssim(restored, sharp)


class _LumaPSNR(Metric):
    """PSNR of the full-range luma; for gray images the PSNR itself. `rgb2ycbcr` of MATLAB gives other numbers."""

    info = MetricInfo("psnr_y", "PSNR-Y", "dB", decimals=2)

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        from deblur.metrics.images import luma, psnr

        return psnr(luma(restored), luma(sharp))


class _LumaSSIM(Metric):
    """SSIM of the full-range luma; for gray images the SSIM itself."""

    info = MetricInfo("ssim_y", "SSIM-Y", min_side=_SSIM.info.min_side)

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        from deblur.metrics.images import luma, ssim

        return ssim(luma(restored), luma(sharp))


class _MultiscaleSSIM(Metric):
    """The mean of the channels."""

    info = MetricInfo("ms_ssim", "MS-SSIM", min_side=176)  # of which the fifth scale holds the window of 11 px

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        from deblur.metrics.multiscale import multiscale_ssim

        return multiscale_ssim(restored, sharp)


class _VIF(Metric):
    """The mean of the channels."""

    info = MetricInfo("vif", "VIF", min_side=41)

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        from deblur.metrics.multiscale import vif

        return vif(restored, sharp)


class _MSE(Metric):
    info = MetricInfo("mse", "MSE", higher_is_better=False, decimals=5)

    def compute(self, restored: "Tensor", sharp: "Tensor") -> "Tensor":
        return (restored - sharp).square().mean(dim=(1, 2, 3))


METRICS: Final[dict[str, Metric]] = {
    metric.info.name: metric
    for metric in (_PSNR(), _SSIM(), _LumaPSNR(), _LumaSSIM(), _MultiscaleSSIM(), _VIF(), _MSE())
}
PSNR: Final = METRICS["psnr"]  # measured in every run: the best checkpoint, the gain and the report rely on it
MOST_DECIMALS: Final = 12
DEFAULT_METRICS: Final = ("psnr", "ssim", "mse")


def measured_columns(infos: Iterable[MetricInfo]) -> list[str]:
    """Return the columns of metrics: each of the blurred input and of the restored image, and the gain."""
    columns: list[str] = []
    for info in infos:
        columns += [f"input_{info.name}", info.name, *(["gain"] if info.name == PSNR.info.name else [])]
    return columns


def degradation_columns() -> set[str]:
    """Return the columns of tables that describe a degradation: no metric may replace one."""
    from deblur.blur.degradation import SHARED_PARAMETERS  # OpenCV
    from deblur.blur.families import FAMILIES

    own = (key for one in FAMILIES.values() for key in (*one.parameters, *one.texts))
    return {*SHARED_PARAMETERS, "kernel", *own}


def info_of(name: str, own: Mapping[str, Any] | None = None) -> MetricInfo:
    """Return the description of a metric in a file: of the registry, of the file, or only its name."""
    if name in METRICS:
        return METRICS[name].info
    return MetricInfo(name, **({"label": name} | {key: own[key] for key in _INFO_KEYS if own and key in own}))


def infos_of_results(
    names: Iterable[str], own: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[MetricInfo, ...]:
    """Return the metrics that a file has results of, without importing a user's module.

    Args:
        names: of the file's numbers; a metric has a counterpart `input_<metric>`.
        own: the file's descriptions of custom metrics, by name.
    """
    given = dict.fromkeys(names)
    return tuple(info_of(name, (own or {}).get(name)) for name in given if f"input_{name}" in given)
