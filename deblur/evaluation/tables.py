"""What an evaluation shows on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from deblur.console import table
from deblur.metrics import SSIM_SIDE
from deblur.reporting.tables import number
from deblur.runs import OF_IMAGES, in_sentences
from deblur.text import Lines, counted, lines


def restorer_table(summary: Mapping[str, Any]) -> Lines:
    """Return the means of each restorer for each boundary, the blurred images first."""
    boundaries = summary["boundaries"]
    first = [next(iter(boundary["restorers"].values())) for boundary in boundaries.values()]
    rows = [["blurred input", *_side_by_side(first, "input_psnr", None, "input_ssim")]]
    names = list(next(iter(boundaries.values()))["restorers"])
    is_compared = any(
        "network_above" in each for boundary in boundaries.values() for each in boundary["restorers"].values()
    )
    for name in names:
        means = [boundary["restorers"][name] for boundary in boundaries.values()]
        rows.append([name, *_side_by_side(means, "psnr", "gain", "ssim")])
        rows[-1].append(" / ".join(number(one["degraded"], ".1%") for one in means))
        if is_compared:
            rows[-1].append(" / ".join(f"{one['network_above']:.0%}" for one in means if "network_above" in one))
    is_both = len(boundaries) > 1
    columns = [
        column
        for boundary in boundaries
        for column in (f"{boundary}: PSNR, dB" if is_both else "PSNR, dB", "gain, dB", "SSIM")
    ]
    columns.append("degraded")
    rows[0].append("")
    if is_compared:
        columns.append("network above it on")
        rows[0].append("")
    images = f"{counted(first[0]['images'], 'image')} ({summary['split']})"
    if summary["seen_left_out"]:
        images += f", without {summary['seen_left_out']} that the network was trained or validated on"
    if summary["small_left_out"]:
        images += f", without {summary['small_left_out']} that are too small for a valid boundary"
    if first[0]["without_ssim"]:
        images += f", {first[0]['without_ssim']} of them without an SSIM, which needs {SSIM_SIDE}x{SSIM_SIDE} px"
    if summary["split"] in ("all", "train") and any(boundaries[next(iter(boundaries))]["baselines"].values()):
        images += ", some of which the baselines were tuned on"
    if is_both:
        top, left = boundaries["valid"]["margin"]
        images += f", without the outer {top} px above and below and {left} px left and right"
    title = lines(f"Means over {images}", *in_sentences([summary["measured_on"]]))
    return table(title, ["", *columns], rows)


def _side_by_side(means: Sequence[Mapping[str, Any]], psnr: str, gain: str | None, ssim: str) -> list[str]:
    return [
        text
        for one in means
        for text in (
            number(one[psnr], ".2f"),
            "" if gain is None else number(one[gain], "+.2f"),
            number(one[ssim], ".4f"),
        )
    ]


def matrix_figure_table(rows: Sequence[Mapping[str, Any]]) -> Lines:
    """Return the gain of each network under each condition, and the fraction of degraded images."""
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    told: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        line = told.setdefault((row["family"], row["condition"]), [row["family"], row["condition"]])
        line.append(f"{number(row['gain'], '+.2f')}  {number(row['degraded'], '.0%')}")
    for blur in trained:
        part = [row for row in rows if row["trained_on"] == blur]
        gain, degraded = (_mean([row[key] for row in part]) for key in ("gain", "degraded"))
        told.setdefault(("all", ""), ["all", "means of these"]).append(
            f"{number(gain, '+.2f')}  {number(degraded, '.1%')}"
        )
    columns = ["tested on", "", *(f"trained on {blur}" for blur in trained)]
    items = [item for item in OF_IMAGES if item != "images"]  # of those a row has the number
    tests = in_sentences([{item: row[item] for item in items if item in row} for row in rows])
    images = {row["images"] for row in rows if "images" in row}
    tests += [f"{counted(count, 'test image')}, none of which a network was trained on." for count in images]
    title = lines("Gain [dB], and the share of images that are degraded", *tests)
    return table(title, columns, list(told.values()))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def filter_table(
    rows: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], blur: str, tests: Sequence[str]
) -> Lines:
    """Return the best linear filters, each with the networks that see as far.

    Args:
        rows: of the filters.
        networks: with their names, sizes and PSNR.
        blur: its name.
        tests: in sentences, on what all of it was measured.
    """
    told = []
    has_real = "valid_psnr" in rows[0]
    for row in rows:
        beside = ", ".join(f"{one['name']} {one['psnr']:.2f}" for one in networks if one["size"] == row["size"])
        real = [number(row["valid_psnr"], ".2f"), number(row["valid_gain"], "+.2f")] if has_real else []
        numbers = [number(row["psnr"], ".2f"), number(row["gain"], "+.2f")]
        told.append([f"{row['size']} px", *numbers, *real, beside])
    columns = ["", "PSNR, dB", "gain, dB", *(["valid boundary: PSNR, dB", "gain, dB"] if has_real else [])]
    title = lines(f"{blur}: the best linear filter of each size", *tests)
    return table(title, [*columns, "networks that see as far"], told)
