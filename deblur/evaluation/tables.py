"""What an evaluation shows on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from deblur.blur.camera import Space
from deblur.console import table
from deblur.metrics import PSNR, MetricInfo
from deblur.metrics.measuring import unmeasured
from deblur.reporting.tables import number
from deblur.runs.conditions import IMAGE_ITEMS, condition_sentences
from deblur.text import Lines, counted, lines


def restorer_table(summary: Mapping[str, Any], infos: Sequence[MetricInfo]) -> Lines:
    """Return the means of each restorer for each boundary, the blurred images first."""
    boundaries = summary["boundaries"]
    first = [next(iter(boundary["restorers"].values())) for boundary in boundaries.values()]
    rows = [["blurred input", *_side_by_side(first, infos, "input_")]]
    names = list(next(iter(boundaries.values()))["restorers"])
    is_compared = any(
        "network_above" in each for boundary in boundaries.values() for each in boundary["restorers"].values()
    )
    for name in names:
        means = [boundary["restorers"][name] for boundary in boundaries.values()]
        rows.append([f"{name}{_space(next(iter(boundaries.values())), name)}", *_side_by_side(means, infos)])
        rows[-1].append(" / ".join(number(one["degraded"], ".1%") for one in means))
        if is_compared:
            rows[-1].append(" / ".join(f"{one['network_above']:.0%}" for one in means if "network_above" in one))
    is_both = len(boundaries) > 1
    columns = [
        f"{boundary}: {heading}" if is_both and place == 0 else heading
        for boundary in boundaries
        for place, heading in enumerate(_headings(infos))
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
    images = ", ".join([images, *unmeasured(first[0], infos)])
    if summary["split"] in ("all", "train") and any(boundaries[next(iter(boundaries))]["baselines"].values()):
        images += ", some of which the baselines were tuned on"
    if is_both:
        top, left = boundaries["valid"]["margin"]
        images += f", without the outer {top} px above and below and {left} px left and right"
    title = lines(f"Means over {images}", *condition_sentences([summary["measured_on"]]))
    return table(title, ["", *columns], rows)


def _space(boundary: Mapping[str, Any], name: str) -> str:
    """Return in which space a restorer works, if it is not that of the encoded values."""
    of_baseline = boundary["baselines"].get(name, {}).get("space")
    space = Space(name in boundary.get("linear_light", [])).settings.get("space", of_baseline)
    return f", in {space}" if space else ""


def _headings(infos: Sequence[MetricInfo]) -> list[str]:
    return [text for info in infos for text in (info.heading, *(["gain [dB]"] if info == PSNR.info else []))]


def _side_by_side(means: Sequence[Mapping[str, Any]], infos: Sequence[MetricInfo], prefix: str = "") -> list[str]:
    """Return the numbers of each boundary; with the prefix `input_` those of the blurred images, without a gain."""
    texts = []
    for one in means:
        for info in infos:
            texts.append(number(one[f"{prefix}{info.name}"], info.digits))
            if info == PSNR.info:
                texts.append("" if prefix else number(one["gain"], f"+{info.digits}"))
    return texts


def matrix_figure_table(rows: Sequence[Mapping[str, Any]]) -> Lines:
    """Return the gain of each network under each condition, and the fraction of degraded images."""
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    rows_by_condition: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        line = rows_by_condition.setdefault((row["family"], row["condition"]), [row["family"], row["condition"]])
        line.append(f"{number(row['gain'], '+.2f')}  {number(row['degraded'], '.0%')}")
    for blur in trained:
        part = [row for row in rows if row["trained_on"] == blur]
        gain, degraded = (_mean([row[key] for row in part]) for key in ("gain", "degraded"))
        rows_by_condition.setdefault(("all", ""), ["all", "means of these"]).append(
            f"{number(gain, '+.2f')}  {number(degraded, '.1%')}"
        )
    columns = ["tested on", "", *(f"trained on {blur}" for blur in trained)]
    items = [item for item in IMAGE_ITEMS if item != "images"]  # of those a row has the number
    tests = condition_sentences([{item: row[item] for item in items if item in row} for row in rows])
    images = {row["images"] for row in rows if "images" in row}
    tests += [f"{counted(count, 'test image')}, none of which a network is known to be trained on." for count in images]
    title = lines("Gain [dB], and the share of images that are degraded", *tests)
    return table(title, columns, list(rows_by_condition.values()))


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
    shown = []
    has_real = "valid_psnr" in rows[0]
    for row in rows:
        networks_there = ", ".join(f"{one['name']} {one['psnr']:.2f}" for one in networks if one["size"] == row["size"])
        real = [number(row["valid_psnr"], ".2f"), number(row["valid_gain"], "+.2f")] if has_real else []
        numbers = [number(row["psnr"], ".2f"), number(row["gain"], "+.2f")]
        shown.append([f"{row['size']} px", *numbers, *real, networks_there])
    columns = ["", "PSNR, dB", "gain, dB", *(["valid boundary: PSNR, dB", "gain, dB"] if has_real else [])]
    title = lines(f"{blur}: the best linear filter of each size", *tests)
    return table(title, [*columns, "networks with this receptive field"], shown)
