"""The settings of the study and of our runs, as a table."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from deblur.reporting.results import Run
from deblur.reporting.tables import NOTHING, TextTable
from deblur.runs.conditions import value_text
from studies.srcnn_2022.matching import IN_THE_STUDYS_WAY, OURS, Selection
from studies.srcnn_2022.published import rate_text, read_settings

Describe = Callable[[Sequence[Run]], str]


def setting_table(selections: Mapping[str, Selection]) -> TextTable:
    """Return the settings of the study and of our runs.

    Args:
        selections: runs, by the heading of their column.
    """
    rows = [
        (
            one.what,
            one.study,
            *(_COLUMN[one.key](found.runs) if found.runs else NOTHING for found in selections.values()),
        )
        for one in read_settings()
    ]
    columns = ("what", "study", *selections)
    return TextTable(columns, rows, texts=len(columns))


def _of(key: str, text: str = "{}") -> Describe:
    """Return a function that lists the values of a setting."""

    def describe(runs: Sequence[Run]) -> str:
        values = dict.fromkeys(value_text(run.config[key]) for run in runs if run.config.get(key) is not None)
        return ", ".join(map(text.format, values)) or "none"

    return describe


def _widths(network: str) -> Describe:
    names = [model for known in (OURS, IN_THE_STUDYS_WAY) for model, called in known.items() if called == network]

    def describe(runs: Sequence[Run]) -> str:
        of_network = [run for run in runs if run.config.get("model.name") in names]
        return _of("model.widths")(of_network) if of_network else NOTHING

    return describe


def _images(runs: Sequence[Run]) -> str:
    total = sum(runs[0].number(f"data.counts.{split}") or 0 for split in ("train", "val", "test"))
    fingerprint = f", fingerprint {runs[0].fingerprint[:8]}" if runs[0].fingerprint else ""
    crop = runs[0].config.get("data.eval_crop")
    size = f"; validation and test use at most the middle {crop}x{crop} px" if crop else ""
    return f"{total:,.0f} images{fingerprint}{size}"


def _split(runs: Sequence[Run]) -> str:
    counts = (runs[0].number(f"data.counts.{split}") for split in ("train", "val", "test"))
    shares = " / ".join(NOTHING if count is None else f"{count:,.0f}" for count in counts)
    return f"{shares}, by the seed {value_text(runs[0].config.get('data.seed'))}"


def _blurs(runs: Sequence[Run]) -> str:
    found: dict[str, None] = {}
    for run in runs:
        known = {key.removeprefix("blur."): value for key, value in run.config.items() if key.startswith("blur.")}
        skipped = ("name", "_target_", "noise_sigma", "jpeg_quality")
        sizes = [f"{key} {value_text(value)}" for key, value in known.items() if key not in skipped]
        found[f"{known.get('name')} {' '.join(sizes)}"] = None
    return "; ".join(found)


def _cut(runs: Sequence[Run]) -> str:
    run = runs[0]
    size, many = (value_text(run.config.get(f"data.{key}")) for key in ("patch_size", "patches_per_image"))
    batch, flips = value_text(run.config.get("data.batch_size")), run.config.get("data.flips")
    cut = f"whole, {batch} per step" if size == "none" else f"{many} patches of {size}x{size} px each, {batch} per step"
    return f"{cut}; {'mirrored at random' if flips else 'not mirrored'}"


def _output(runs: Sequence[Run]) -> str:
    return "the correction to its input" if runs[0].config.get("model.residual") else "the sharp image"


def _optimizer(runs: Sequence[Run]) -> str:
    return f"{str(runs[0].config.get('optimizer._target_')).rpartition('.')[2]}, kept over the epochs"


def _scheduler(runs: Sequence[Run]) -> str:
    target = runs[0].config.get("scheduler._target_")
    return "none" if target is None else str(target).rpartition(".")[2]


def _rates(runs: Sequence[Run]) -> str:
    rates = sorted({float(run.config["optimizer.lr"]) for run in runs}, reverse=True)
    return ", ".join(map(rate_text, rates))


def _seeds(runs: Sequence[Run]) -> str:
    configurations = Counter(
        (run.config["model.name"], run.config["blur.name"], run.config["optimizer.lr"]) for run in runs
    )
    return " or ".join(str(count) for count in sorted(set(configurations.values())))


def _fixed(text: str) -> Describe:
    return lambda _: text


_COLUMN: dict[str, Describe] = {
    "images": _images,
    "split": _split,
    "measured_on": _fixed(
        "validation: after the last epoch; test: after the epoch of the best validation PSNR; restored images clamped "
        "to [0, 1] in both"
    ),
    "blurs": _blurs,
    "storage": _fixed("rounded to 8 bits, no JPEG"),
    "9-1-5": _widths("9-1-5"),
    "9-3-1-5": _widths("9-3-1-5"),
    "9-1-1-1-5": _widths("9-1-1-1-5"),
    "channels": _fixed("1 in, 1 out"),
    "boundary": _fixed("the network pads its input once, by mirroring"),
    "output": _output,
    "dropout": _of("model.dropout"),
    "cut": _cut,
    "epochs": _of("trainer.max_epochs"),
    "optimizer": _optimizer,
    "rates": _rates,
    "scheduler": _scheduler,
    "seeds": _seeds,
}
