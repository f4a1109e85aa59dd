"""What a protocol fixes, and the protocols of the field. Nothing here imports torch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from deblur.choices import DataColor
from deblur.errors import UserError

Origin = Literal["given", "valid", "circular"]
"""Boundary of the blur: of given blurred images, whose scenes continue beyond them, or of a convolution."""

Rounding = Literal["given", "after_noise", "before_noise"]
"""Where a blurred image gets its 8 bits: it is given; noise is added, then the sum is clipped and rounded; or the
convolution is cut to 8 bits (floor, as SciPy does it with a uint8 image), then noise is added, and nothing clipped."""

Averaging = Literal["mean_of_psnrs", "psnr_of_mean_mse"]


@dataclass(frozen=True)
class Unaligned:
    """Pixels are compared as they are."""

    @property
    def text(self) -> str:
        """The alignment in words."""
        return "none"


@dataclass(frozen=True)
class ShiftAlignment:
    """The result is shifted by the one shift that minimizes its squared error, with bilinear interpolation.

    Levin et al. 2009, `comp_upto_shift.m` of their evaluation code.

    Attributes:
        max_shift: largest shift in each direction [px]; at most the cut.
        steps: of a pixel.
    """

    max_shift: int = 5
    steps: int = 4

    @property
    def text(self) -> str:
        """The alignment in words."""
        return f"best shift of up to {self.max_shift} px in steps of 1/{self.steps} px, bilinear"


@dataclass(frozen=True)
class EccAlignment:
    """The result is scaled in brightness and registered by a homography; pixels from outside it are left out.

    Rim et al. 2020, the evaluation code of RealBlur, which follows that of Koehler et al. 2012.

    Attributes:
        iterations: of the maximization of the enhanced correlation coefficient (ECC).
        smoothing: size of the gaussian filter before it [px].
    """

    iterations: int = 100
    smoothing: int = 5

    @property
    def text(self) -> str:
        """The alignment in words."""
        return (
            f"brightness scaled, homography by ECC ({self.iterations} iterations, smoothing {self.smoothing} px), "
            "bicubic, "
            "on the pixels that it covers"
        )


@dataclass(frozen=True)
class Protocol:
    """All that two numbers have to share to be comparable.

    Attributes:
        name: as in `protocol=NAME`.
        title: the data set, in a few words.
        boundary: of the blur.
        cut: pixels cut off each side of the blurred image's area before comparing.
        rounding: where the blurred image gets its 8 bits.
        rounds_result: whether a result is rounded to 8 bits before it is measured; it is always clipped to [0, 1].
        alignment: of a result with the sharp image.
        averaging: of the PSNR over all cases.
        color: of the images.
        metrics: names of `deblur.metrics.METRICS`, PSNR among them.
        source: who defined the protocol.
        published_at: where the data are published.
        layout: how the folder data.root has to lie, a sentence.
        has_kernels: whether the kernel of each image is known; without, the protocol is for blind networks.
        noise_sigma: of the blurred images as they are given [gray levels of 255].
        cases: how many blurred images the whole data set has; None if it is a choice of the user.
        remark: what else two numbers have to share; empty for nothing.
    """

    name: str
    title: str
    boundary: Origin
    cut: int
    rounding: Rounding
    rounds_result: bool
    alignment: Unaligned | ShiftAlignment | EccAlignment
    color: DataColor
    source: str
    published_at: str
    layout: str
    has_kernels: bool
    averaging: Averaging = "mean_of_psnrs"
    metrics: tuple[str, ...] = ("psnr", "ssim")
    noise_sigma: float = 0.0
    cases: int | None = None
    remark: str = ""

    def facts(self) -> dict[str, str]:
        """Return what is fixed, in words, to print with every result."""
        noise = f"; their noise is about {self.noise_sigma:g} gray levels" if self.noise_sigma else ""
        facts = {
            "data": self.title,
            "boundary": _BOUNDARY_TEXTS[self.boundary],
            "rounding": f"{_ROUNDING_TEXTS[self.rounding]}{noise}; "
            f"results {'clipped and rounded to 8 bits' if self.rounds_result else 'clipped, not rounded'}",
            "cut": f"{self.cut} px on every side",
            "alignment": self.alignment.text,
            "averaging": _AVERAGING_TEXTS[self.averaging],
            "color": _COLOR_TEXTS[self.color],
            "metrics": ", ".join(self.metrics),
            "kernels": "known" if self.has_kernels else "unknown: a protocol for blind networks",
            "source": self.source,
            "published at": self.published_at,
        }
        return facts | ({"remark": self.remark} if self.remark else {})

    def missing(self, what: str) -> UserError:
        """Return the error of data that are not there.

        Args:
            what: is missing, the start of a sentence, such as `data.root=DIR does not exist`.
        """
        return UserError(
            f"{what}: protocol={self.name} needs {self.title}, published at {self.published_at}. {self.layout}"
        )

    def root(self, data: Mapping[str, Any]) -> Path:
        """Return the folder of the images.

        Args:
            data: the section `data` of an evaluation, checked.

        Raises:
            UserError: if it is not given or does not exist.
        """
        if data.get("root") is None:
            raise self.missing("data.root is missing")
        root = Path(os.path.realpath(data["root"]))
        try:
            is_folder = root.is_dir()
        except OSError:  # such as a name that is too long
            is_folder = False
        if not is_folder:
            raise self.missing(f"data.root={data['root']} is no folder")
        return root


_BOUNDARY_TEXTS: Final[Mapping[Origin, str]] = {
    "given": "blurred images as they are given, whose scenes continue beyond them",
    "valid": "valid convolution: the blurred image is smaller than the sharp one by the kernel, less one",
    "circular": "circular: the image continues periodically (wrap)",
}
_ROUNDING_TEXTS: Final[Mapping[Rounding, str]] = {
    "given": "blurred images as they are given; with added noise clipped and rounded to 8 bits",
    "after_noise": "blurred image plus noise, clipped and rounded to 8 bits",
    "before_noise": "blurred image cut to 8 bits, then noise; neither clipped nor rounded",
}
_AVERAGING_TEXTS: Final[Mapping[Averaging, str]] = {
    "mean_of_psnrs": "mean of the PSNRs of all cases",
    "psnr_of_mean_mse": "PSNR of the mean squared error of all cases",
}
_COLOR_TEXTS: Final[Mapping[DataColor, str]] = {
    "gray": "gray (luma of BT.601)",
    "rgb": "RGB: squared error over all channels, SSIM as the mean of the channels",
}

_LEVIN: Final = "Levin, Weiss, Durand, Freeman: Understanding and evaluating blind deconvolution algorithms, CVPR 2009"
_RIM: Final = (
    "Rim, Lee, Won, Cho: Real-world blur dataset for learning and benchmarking deblurring algorithms, ECCV 2020"
)
_SSIM_REMARK: Final = (
    "SSIM is the mean of the channels on the valid region (gaussian window, sigma 1.5 px); the MATLAB code of some "
    "papers "
    "treats the channels as a third dimension"
)


def _realblur(kind: str, folder: str, what: str) -> Protocol:
    return Protocol(
        name=f"realblur_{kind.lower()}",
        title=f"the test set of RealBlur-{kind}, 980 pairs of photographs ({what})",
        boundary="given",
        cut=0,
        rounding="given",
        rounds_result=True,
        alignment=EccAlignment(),
        color="rgb",
        source=_RIM,
        published_at="https://github.com/rimchang/RealBlur",
        layout=f"data.root has to hold RealBlur_{kind}_test_list.txt, whose lines name a sharp and a blurred image "
        "relative "
        f"to data.root, such as {folder}/scene001/gt/gt_1.png and {folder}/scene001/blur/blur_1.png.",
        has_kernels=False,
        cases=980,
        remark="the blurred input is registered like a result",
    )


_ALL: Final = (
    Protocol(
        name="levin2009",
        title="the 32 photographs of Levin et al. 2009 (4 sharp images x 8 measured kernels, 255x255 px)",
        boundary="given",
        cut=15,
        rounding="given",
        rounds_result=False,
        alignment=ShiftAlignment(),
        color="gray",
        source=_LEVIN,
        published_at="https://webee.technion.ac.il/people/anat.levin/ (LevinEtalCVPR09Data)",
        layout="data.root has to hold im1.png to im4.png (sharp), im1_kernel1_img.png to im4_kernel8_img.png "
        "(blurred) and "
        "kernel1.npy to kernel8.npy, turned so that a blurred image is the convolution of the sharp one with the "
        "kernel.",
        has_kernels=True,
        noise_sigma=1.5,
        cases=32,
    ),
    Protocol(
        name="levin_kernels",
        title="sharp images x kernels x noise levels; the published rows are of Set12 and the 8 kernels of Levin et "
        "al.",
        boundary="valid",
        cut=30,
        rounding="after_noise",
        rounds_result=False,
        alignment=Unaligned(),
        color="gray",
        source="Nan, Quan, Ji: Variational-EM-based deep learning for noise-blind image deblurring, CVPR 2020; "
        "kernels of " + _LEVIN,
        published_at="https://github.com/cszn/DnCNN (Set12) and https://webee.technion.ac.il/people/anat.levin/ "
        "(kernels)",
        layout="data.root has to be a folder of sharp images, and protocol.kernels one of kernels (.npy arrays or "
        "images).",
        has_kernels=True,
        remark="the cut is of the blurred image; a method that knows a mirrored border would gain up to 6 dB without "
        "it",
    ),
    Protocol(
        name="circular",
        title="sharp RGB images x kernels x noise levels, as in papers on plug-and-play restoration",
        boundary="circular",
        cut=0,
        rounding="before_noise",
        rounds_result=True,
        alignment=Unaligned(),
        color="rgb",
        source="Zhang, Li, Zuo, Zhang, Van Gool, Timofte: Plug-and-play image restoration with deep denoiser prior "
        "(DPIR), "
        "TPAMI 2022, and its code",
        published_at="https://github.com/cszn/DPIR (images and kernels)",
        layout="data.root has to be a folder of sharp images, and protocol.kernels one of kernels (.npy arrays or "
        "images).",
        has_kernels=True,
        remark="not comparable with a valid convolution: no scene continues periodically",
    ),
    Protocol(
        name="gopro",
        title="the test set of GoPro (GOPRO_Large, 1111 pairs of frames, 1280x720 px)",
        boundary="given",
        cut=0,
        rounding="given",
        rounds_result=True,
        alignment=Unaligned(),
        color="rgb",
        source="Nah, Kim, Lee: Deep multi-scale convolutional neural network for dynamic scene deblurring, CVPR 2017",
        published_at="https://seungjunnah.github.io/Datasets/gopro",
        layout="data.root has to hold test/<scene>/blur/*.png and test/<scene>/sharp/*.png of the same names; "
        "blur_gamma is "
        "not read.",
        has_kernels=False,
        cases=1111,
        remark=_SSIM_REMARK,
    ),
    Protocol(
        name="hide",
        title="the test set of HIDE (2025 pairs of frames, 1280x720 px)",
        boundary="given",
        cut=0,
        rounding="given",
        rounds_result=True,
        alignment=Unaligned(),
        color="rgb",
        source="Shen, Wang, Lu, Shen, Ling, Xu, Shao: Human-aware motion deblurring, ICCV 2019",
        published_at="https://github.com/joanshen0508/HA_deblur",
        layout="data.root has to hold test/test-close-ups/*.png and test/test-long-shot/*.png (blurred) and GT/*.png "
        "(sharp) "
        "of the same names.",
        has_kernels=False,
        cases=2025,
        remark=_SSIM_REMARK,
    ),
    Protocol(
        name="reds",
        title="the validation set of REDS (30 sequences of 100 frames, 1280x720 px)",
        boundary="given",
        cut=0,
        rounding="given",
        rounds_result=True,
        alignment=Unaligned(),
        color="rgb",
        source="Nah, Baik, Hong, Moon, Son, Timofte, Lee: NTIRE 2019 challenge on video deblurring and "
        "super-resolution: "
        "dataset and study, CVPR Workshops 2019",
        published_at="https://seungjunnah.github.io/Datasets/reds",
        layout="data.root has to hold val_blur/<sequence>/*.png and val_sharp/<sequence>/*.png of the same names, "
        "itself or "
        "in a folder val.",
        has_kernels=False,
        cases=3000,
        remark="papers on single images often take 300 of the frames (REDS-val-300), which max_images does not choose",
    ),
    _realblur("J", "RealBlur-J_ECC_IMCORR_centroid_itensity_ref", "JPEG of the camera"),
    _realblur("R", "RealBlur-R_BM3D_ECC_IMCORR_centroid_itensity_ref", "from raw files"),
)

PROTOCOLS: Final[Mapping[str, Protocol]] = {protocol.name: protocol for protocol in _ALL}
"""All protocols, by name; `deblur.config.protocols.BY_PROTOCOL` has what each takes."""
