"""The model card of an exported network, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from deblur import __version__
from deblur.choices import ExportFormat, ExportPrecision
from deblur.config.identity import config_without_paths, flatten
from deblur.inference.trained import Trained
from deblur.metrics import PSNR, infos_of_results
from deblur.models.protocol import traits_of
from deblur.reporting.page import markdown_environment
from deblur.runs.conditions import camera_text, with_unit
from deblur.text import one_line
from deblur.training.summary import describe_network

_BOUNDARIES: Final = {
    "symmetric": "each image continued by its mirror image, then blurred",
    "valid": "a larger scene blurred, of which the image is a part",
    "circular": "each image continued periodically, then blurred",
}


def model_card(
    trained: Trained,
    stem: str,
    formats: Sequence[ExportFormat],
    precision: ExportPrecision = "float32",
    loss: float | None = None,
) -> str:
    """Return the model card of a network.

    Args:
        trained: the network and what is known of its training.
        stem: the name of the exported files, without their suffix.
        formats: in which it was exported.
        precision: of the files.
        loss: of PSNR on drawn images by arithmetic of 8 bits [dB]; None for other precisions.
    """
    config, metrics = trained.config, trained.metrics
    content = {
        "name": trained.name,
        "stem": stem,
        "formats": formats,
        "precision": precision,
        "loss": _rounded(loss, ".3f"),
        "architecture": _architecture(config["model"]),
        "channels": traits_of(trained.network).channels,
        "network": describe_network(trained.network),
        "blur": _parameters(config["blur"]),
        "blur_name": _label(config["blur"]),
        "data": _data(_section(config, "data"), _section(metrics, "data")),
        "training": _training(config, _section(metrics, "val"), trained.origins),
        "test": _test(_section(metrics, "test"), _section(metrics, "metrics")),
        "takes_kernel": traits_of(trained.network).takes_kernel,
        "version": __version__,
    }
    made = markdown_environment("deblur.export")
    # The name of a file, which a block of code shows as it is.
    made.filters["bare"] = lambda text: Markup(one_line(text))
    return made.get_template("card.md.jinja").render(content) + "\n"


def hub_card(card: str, repository: str) -> str:
    """Return the README.md of a repository of the Hugging Face Hub: a model card, and how to pull the network.

    Args:
        card: what `model_card` returned.
        repository: USER/NAME.
    """
    template = markdown_environment("deblur.export").get_template("hub.md.jinja")
    return template.render(card=Markup(card), repository=Markup(repository))


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a section, or an empty one if the file has none, or something else in its place."""
    section = config.get(key)
    return section if isinstance(section, Mapping) else {}


def _label(section: Mapping[str, Any]) -> str:
    return str(section.get("name") or str(section.get("_target_")).rpartition(".")[2])


def _architecture(model: Mapping[str, Any]) -> dict[str, str]:
    shown = {"Class": str(model.get("_target_"))}
    for key, value in flatten(model).items():
        if key not in ("_target_", "name", "compile", "cpu_ops"):
            text = "-".join(map(str, value)) if isinstance(value, list) else _text(value)
            shown[key.replace("_", " ").capitalize()] = text
    return shown


def _parameters(blur: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a blur with their units, and its camera."""
    shown = {}
    camera = camera_text(blur)
    own = {key: value for key, value in blur.items() if key != "camera"}
    for key, value in flatten(config_without_paths(own)).items():
        if key.rpartition(".")[2] not in ("_target_", "name", "sha256") and value is not None:
            text = " to ".join(map(_text, value)) if isinstance(value, list) else _text(value)
            shown[key.removeprefix("families.")] = with_unit(key, text)
    return shown | ({"camera": camera.removeprefix("camera ")} if camera else {})


def _data(data: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, str]:
    """Return which images the network was trained on, as far as it is known."""
    counts, leaves = _section(seen, "counts"), data.get("leaves")
    is_blurred_here = data.get("name") != "pairs"
    shown = {
        "Source": _label(data) if data else "",
        "Dead leaves": f"{leaves:.0%} of the images" if isinstance(leaves, int | float) and leaves > 0 else "",
        "Boundary": _BOUNDARIES.get(str(data.get("boundary")), "") if is_blurred_here else "",
        "Split": ", ".join(f"{counts[part]} {part}" for part in ("train", "val", "test") if part in counts),
        "Fingerprint": str(seen.get("fingerprint") or ""),
    }
    return {key: text for key, text in shown.items() if text}


def _training(config: Mapping[str, Any], best: Mapping[str, Any], origins: Sequence[str]) -> dict[str, str]:
    optimizer = _section(config, "optimizer")
    shown = {
        "Trained on from": ", then ".join(origins) or None,
        "Loss": config.get("loss"),
        "Optimizer": _label(optimizer) if optimizer else None,
        "Learning rate": optimizer.get("lr"),
        "Seed": config.get("seed"),
        "Epochs until the best": best.get("epoch"),
    }
    return {key: _text(value) for key, value in shown.items() if value is not None}


def _test(test: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers on the test images; none if they are not known."""
    if not test:
        return {}
    degraded = test.get("degraded")
    rows = [
        (
            info.heading,
            _rounded(test.get(f"input_{info.name}"), info.digits),
            _rounded(test.get(info.name), info.digits),
            _rounded(test.get("gain"), info.digits) if info == PSNR.info else "",
        )
        for info in dict.fromkeys([PSNR.info, *infos_of_results(test, own)])
    ]
    return {
        "rows": rows,
        "images": _rounded(test.get("images"), ".0f"),
        "degraded": f"{degraded:.1%} of the images" if isinstance(degraded, int | float) else "",
    }


def _rounded(value: Any, digits: str) -> str:
    return f"{value:{digits}}" if isinstance(value, int | float) else "not known"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
