"""What an evaluation shows on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from deblur.console import table
from deblur.reporting.tables import number


def restorer_table(summary: Mapping[str, Any]) -> str:
    """Return the means of each restorer, the blurred images first."""
    restorers = summary["restorers"]
    first = next(iter(restorers.values()))
    rows = [["blurred input", number(first["input_psnr"], ".2f"), "", number(first["input_ssim"], ".4f")]]
    rows += [
        [name, number(means["psnr"], ".2f"), number(means["gain"], "+.2f"), number(means["ssim"], ".4f")]
        for name, means in restorers.items()
    ]
    title = f"Means over {first['images']} images ({summary['split']})"
    return table(title, ["", "PSNR, dB", "gain, dB", "SSIM"], rows)


def crossing_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the gain of each network under each condition, and the share of images that it harms."""
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    lines: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        line = lines.setdefault((row["family"], row["condition"]), [row["family"], row["condition"]])
        line.append(f"{row['gain']:+.2f}  {row['harmed']:.0%}")
    columns = ["tested on", "", *(f"trained on {blur}" for blur in trained)]
    return table("Gain [dB], and the share of images that are harmed", columns, list(lines.values()))


def filter_table(rows: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]]) -> str:
    """Return the best linear filters, each with the networks that see as far."""
    lines = []
    for row in rows:
        beside = ", ".join(f"{one['name']} {one['psnr']:.2f}" for one in networks if one["size"] == row["size"])
        lines.append([f"{row['size']} px", f"{row['psnr']:.2f}", f"{row['gain']:+.2f}", beside])
    return table("The best linear filter of each size", ["", "PSNR, dB", "gain, dB", "networks that see as far"], lines)
