"""Networks compared with classical restorers, which know the kernel, by evaluations with baselines."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from deblur.config.identity import flatten
from deblur.errors import UserError
from deblur.reading import read_json
from deblur.reporting.answers import Answer
from deblur.reporting.labels import blur_settings, image_settings, plain, shortened, varying
from deblur.reporting.results import Run, Sweep, name_of
from deblur.reporting.tables import NOTHING, TextTable, number
from deblur.runs.records import METRICS_FILE
from studies.srcnn_2022.loss_tables import INPUT
from studies.srcnn_2022.matching import PLACES, in_order
from studies.srcnn_2022.published import rate_text

COMMAND = 'python -m deblur.evaluate run=DIR "baseline=[wiener,richardson_lucy,dct_wiener]"'
BOUNDARIES = ("symmetric", "valid")

_NAMES = {"wiener": "Wiener", "richardson_lucy": "Richardson-Lucy", "dct_wiener": "DCT-Wiener"}
_SHOWN = (("psnr", ".2f"), ("gain", "+.2f"))
_DOES_NOTHING = "none"  # the baseline that returns the blurred input, which has its own row

Means = Mapping[str, float | None]  # input_psnr, psnr and gain; None if all images are restored exactly


@dataclass(frozen=True)
class Compared:
    """What one evaluation measured on the test images of a test setting.

    Attributes:
        blur: the label of the test setting.
        networks: the means of each network, for each boundary.
        baselines: the same of each classical restorer.
    """

    blur: str
    networks: Mapping[str, Mapping[str, Means]]
    baselines: Mapping[str, Mapping[str, Means]]


def classical_evaluations(sweeps: Sequence[Sweep], answers: Sequence[Answer], order: Sequence[str]) -> list[Compared]:
    """Return the newest evaluation with both boundaries and classical restorers on each test setting's test images.

    Args:
        sweeps: with the same output root as the evaluations.
        answers: the test settings, with their configurations.
        order: of the blurs; others come last.

    Raises:
        UserError: for a damaged file.
    """
    known = [(path, read_json(path)) for path in _newest_first(sweeps)]
    found: list[Compared] = []
    for answer in in_order(answers, order):
        runs = [run for configuration in answer.test_setting.done for run in configuration.done]
        fits = ((path, content) for path, content in known if _has_both(path, content) and _is_of(runs[0], content))
        found += [_read(path, content, answer.test_setting.label, runs) for path, content in islice(fits, 1)]
    return found


def classical_table(found: Sequence[Compared]) -> TextTable:
    """Return PSNR and gain of the blurred input, the networks and the classical restorers for both boundaries."""
    columns = ["blur", "restorer"]
    for boundary in BOUNDARIES:
        columns += [f"{boundary} boundary, PSNR [dB]", f"{boundary} boundary, gain [dB]"]
    rows = []
    for one in found:
        restorers = {**one.networks, **one.baselines}
        inputs = next(iter(restorers.values()))
        shown = [text for boundary in BOUNDARIES for text in (number(inputs[boundary]["input_psnr"], ".2f"), NOTHING)]
        rows.append((one.blur, INPUT, *shown))
        for name, means in restorers.items():
            numbers = [number(means[boundary][key], digits) for boundary in BOUNDARIES for key, digits in _SHOWN]
            rows.append((one.blur, name, *numbers))
    return TextTable(columns, rows, texts=2)


def _newest_first(sweeps: Sequence[Sweep]) -> list[Path]:
    roots = dict.fromkeys(sweep.folder.parent.parent / "evaluations" for sweep in sweeps)
    paths = [path for root in roots for path in root.glob(f"*/{METRICS_FILE}")]
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path), reverse=True)


def _has_both(path: Path, content: Mapping[str, Any]) -> bool:
    """Return whether an evaluation has both boundaries and classical restorers; older ones have one boundary."""
    with _named_if_damaged(path):
        boundaries = content.get("boundaries") or {}
        return content.get("split") == "test" and all(
            boundary in boundaries and _classical(boundaries[boundary]) for boundary in BOUNDARIES
        )


def _classical(measured: Mapping[str, Any]) -> list[str]:
    return [name for name in measured["baselines"] if name != _DOES_NOTHING]


def _is_of(run: Run, content: Mapping[str, Any]) -> bool:
    """Return whether an evaluation has the test images of a run, blurred in the same way."""
    flat = flatten({key: content.get(key) for key in ("blur", "data")})
    blur = {key: plain(value) for key, value in flat.items() if key.startswith("blur.")}
    own = blur_settings(run)
    # Both boundaries were measured, whatever the settings are, and paths of images do not matter.
    left_out = (*PLACES, "data.boundary", "data._target_")
    images = {key: value for key, value in image_settings(run).items() if key not in left_out}
    settings = {key: plain(flat[of]) for key in images if (of := key.replace("data.", "data.settings.", 1)) in flat}
    is_same = bool(run.fingerprint) and flat.get("data.fingerprint") == run.fingerprint
    return is_same and not varying([own, blur]) and not varying([images, settings])


def _read(path: Path, content: Mapping[str, Any], blur: str, runs: Sequence[Run]) -> Compared:
    named = Path(str(content.get("run") or ""))
    run = next((run for run in runs if (run.sweep, run.name) == (named.parent.name, named.name)), None)
    with _named_if_damaged(path):
        boundaries = {boundary: content["boundaries"][boundary] for boundary in BOUNDARIES}
        first = boundaries[BOUNDARIES[0]]
        means = {
            name: {boundary: _means(measured["restorers"][name]) for boundary, measured in boundaries.items()}
            for name in [*first["restorers"], *_classical(first)]
        }
        networks = {
            shortened(name) if run is None else _named(run): each
            for name, each in means.items()
            if name not in first["baselines"]
        }
        return Compared(blur, networks, {_NAMES.get(name, name): means[name] for name in _classical(first)})


def _means(values: Mapping[str, Any]) -> Means:
    return {key: None if values[key] is None else float(values[key]) for key in ("input_psnr", "psnr", "gain")}


def _named(run: Run) -> str:
    return f"{name_of(run, 'model')} at {rate_text(float(run.config['optimizer.lr']))}"


@contextmanager
def _named_if_damaged(path: Path) -> Iterator[None]:
    """Turn what a value of another kind, or none, leads to into a sentence that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged: each of its boundaries needs baselines, and restorers with input_psnr, psnr and gain."
        ) from error
