"""The one definition of which share of the test images is degraded, or better with one restorer than with another."""

from collections.abc import Sequence

DEGRADED_BELOW = -0.1  # [dB] a gain below this is a degradation; a smaller loss is not visible


def degraded_fraction(gains: Sequence[float]) -> float | None:
    """Return the share of images whose restored PSNR is more than 0.1 dB below that of the input.

    An exact input that is not restored exactly is degraded, by an infinite loss; one that is, is not. An image whose
    gain is not defined counts as one that is not degraded: nobody knows by how much.

    Args:
        gains: PSNR of the restored image minus that of the input for each test image [dB]; not a number where both are
            exact, or where the restored image is not a number anywhere.

    Returns:
        From 0 to 1 of all images; None without any.
    """
    return sum(gain < DEGRADED_BELOW for gain in gains) / len(gains) if gains else None


def share_above(ones: Sequence[float], others: Sequence[float]) -> float | None:
    """Return the share of images on which one PSNR is above another; a tie is not above, neither of two exact ones.

    Args:
        ones: PSNR of each image [dB], infinite where it is exact.
        others: the same of another restorer, in the same order.

    Returns:
        From 0 to 1 of all images; None without any.
    """
    return sum(one > other for one, other in zip(ones, others, strict=True)) / len(ones) if ones else None
