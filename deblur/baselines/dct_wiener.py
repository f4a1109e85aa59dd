"""The optimal linear filter for an image that is mirrored at its boundary."""

from collections.abc import Mapping, Sequence

from deblur.baselines.base import Baseline, fitted
from deblur.blur.kernels import Psf
from deblur.wiener.filters import Method, WienerFilter, method
from deblur.wiener.images import GRAY_LEVELS, ByteImage, UnitImage


class DctWiener(Baseline):
    """`WienerFilter`, measured on training images: in the domain of the DCT-II where the kernel allows it.

    The filter is global and its strength rests on the exactly symmetric boundary. Of a photograph, whose scene goes on
    past its frame, it leaves much less. On crops of 64 px of real faces with a context of 64 px, box 7 falls from 29.2
    dB (mirrored) to 23.1 dB (real), and motion 15 from 32.1 to 20.2 dB; with noise of sigma 2, from 25.3 to 25.2 and
    from 25.9 to 22.1 dB. Fitted on pairs with a valid boundary, the noise includes what the boundary does.
    """

    name = "dct_wiener"
    images_to_fit = 200

    def __init__(self) -> None:
        """Begin without images."""
        self._filter: WienerFilter | None = None
        self._methods: frozenset[Method] = frozenset()

    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
        """Measure spectrum and noise."""
        self._filter = WienerFilter.measured(sharp, blurred, kernels)
        self._methods = frozenset(map(method, kernels))

    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image by the filter that its kernel allows."""
        restored: UnitImage = fitted(self._filter)(blurred, kernel)[0]
        return restored

    @property
    def settings(self) -> Mapping[str, float | int | str]:
        """Noise found in training images [gray levels], ways of working and, where one is `fft`, its noise scale."""
        found: dict[str, float | int | str] = {
            "method": " and ".join(sorted(self._methods)),
            "noise_sigma": float(f"{GRAY_LEVELS * fitted(self._filter).noise.mean ** 0.5:.4g}"),
        }
        if "fft" in self._methods:
            found["noise_scale"] = float(f"{fitted(self._filter).fft_noise_scale:.4g}")
        return found
