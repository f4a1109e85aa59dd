"""What an evaluation shows on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from deblur.console import table
from deblur.metrics import SSIM_SIDE
from deblur.reporting.tables import number


def restorer_table(summary: Mapping[str, Any]) -> str:
    """Return the means of each restorer for each border, the blurred images first."""
    borders = summary["borders"]
    first = [next(iter(border["restorers"].values())) for border in borders.values()]
    rows = [["blurred input", *_side_by_side(first, "input_psnr", None, "input_ssim")]]
    names = list(next(iter(borders.values()))["restorers"])
    is_compared = any("network_above" in each for border in borders.values() for each in border["restorers"].values())
    for name in names:
        means = [border["restorers"][name] for border in borders.values()]
        rows.append([name, *_side_by_side(means, "psnr", "gain", "ssim")])
        rows[-1].append(" / ".join(f"{one['harmed']:.1%}" for one in means))
        if is_compared:
            rows[-1].append(" / ".join(f"{one['network_above']:.0%}" for one in means if "network_above" in one))
    is_both = len(borders) > 1
    columns = [
        column
        for border in borders
        for column in (f"{border}: PSNR, dB" if is_both else "PSNR, dB", "gain, dB", "SSIM")
    ]
    columns.append("harmed")
    rows[0].append("")
    if is_compared:
        columns.append("network above it on")
        rows[0].append("")
    count = first[0]["images"]
    images = f"{count} {'image' if count == 1 else 'images'} ({summary['split']})"
    if summary["seen_left_out"]:
        images += f", without {summary['seen_left_out']} that the network was trained or validated on"
    if summary["small_left_out"]:
        images += f", without {summary['small_left_out']} that are too small for a real border"
    if first[0]["without_ssim"]:
        images += f", {first[0]['without_ssim']} of them without an SSIM, which needs {SSIM_SIDE}x{SSIM_SIDE} px"
    if summary["split"] in ("all", "train") and any(borders[next(iter(borders))]["baselines"].values()):
        images += ", some of which the baselines were tuned on"
    if is_both:
        top, left = borders["real"]["margin"]
        images += f", without the outer {top} px above and below and {left} px left and right"
    return table(f"Means over {images}", ["", *columns], rows)


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


def crossing_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the gain of each network under each condition, and the share of images that it harms."""
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    lines: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        line = lines.setdefault((row["family"], row["condition"]), [row["family"], row["condition"]])
        line.append(f"{row['gain']:+.2f}  {row['harmed']:.0%}")
    for blur in trained:
        part = [row for row in rows if row["trained_on"] == blur]
        gain, harmed = (sum(row[key] for row in part) / len(part) for key in ("gain", "harmed"))
        lines.setdefault(("all", ""), ["all", "means of these"]).append(f"{gain:+.2f}  {harmed:.1%}")
    columns = ["tested on", "", *(f"trained on {blur}" for blur in trained)]
    return table("Gain [dB], and the share of images that are harmed", columns, list(lines.values()))


def filter_table(rows: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], blur: str) -> str:
    """Return the best linear filters, each with the networks that see as far."""
    lines = []
    has_real = "real_psnr" in rows[0]
    for row in rows:
        beside = ", ".join(f"{one['name']} {one['psnr']:.2f}" for one in networks if one["size"] == row["size"])
        real = [f"{row['real_psnr']:.2f}", f"{row['real_gain']:+.2f}"] if has_real else []
        lines.append([f"{row['size']} px", f"{row['psnr']:.2f}", f"{row['gain']:+.2f}", *real, beside])
    columns = ["", "PSNR, dB", "gain, dB", *(["real border: PSNR, dB", "gain, dB"] if has_real else [])]
    return table(f"{blur}: the best linear filter of each size", [*columns, "networks that see as far"], lines)
