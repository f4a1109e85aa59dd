"""Published results of the protocols, in published.csv beside this file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deblur.reading import read_csv

FILE: Final = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class PublishedRow:
    """One published number.

    Attributes:
        protocol: by which it was measured.
        noise_sigma: that was added [gray levels of 255].
        method: as the source calls it.
        psnr: [dB].
        data: the images and kernels.
        remark: what the source leaves open, or else to keep in mind; empty for nothing.
        source: authors, title, year and table.
    """

    protocol: str
    noise_sigma: float
    method: str
    psnr: float
    data: str
    remark: str
    source: str


def published_rows(protocol: str, noise_sigma: float | None = None) -> list[PublishedRow]:
    """Return the published results of a protocol, of one level of added noise or of all.

    Raises:
        UserError: if the file of the package is damaged.
    """
    rows = [
        PublishedRow(**{**row, "noise_sigma": float(row["noise_sigma"]), "psnr": float(row["psnr"])})  # type: ignore[arg-type] # of texts and numbers
        for row in read_csv(FILE, needed=list(PublishedRow.__annotations__))
    ]
    return [row for row in rows if row.protocol == protocol and noise_sigma in (None, row.noise_sigma)]
