"""`python -m scripts.browser [NETWORK] [--output FOLDER]`: write the page into a folder, outputs/browser by default."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

from deblur.choices import DEFAULT_NETWORK, ExportPrecision
from deblur.console import say
from deblur.errors import UserError
from deblur.estimation import visible_spread
from deblur.estimation.network import KINDS, LAYERS, Floats, pretrained_weights
from deblur.export.gate import gate_as_onnx
from deblur.export.onnx import INPUT
from deblur.export.session import export
from deblur.files import write_json, write_output
from deblur.inference.onnx_network import OnnxNetwork, open_onnx
from deblur.inference.restorer import is_gated
from deblur.models.gate import CELL, Gate

SOURCES: Final = Path(__file__).parent
PACKAGES: Final = SOURCES / "node_modules/onnxruntime-web/dist"
RUNTIME: Final = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
NETWORK: Final = "network.onnx"
GATE: Final = "gate.onnx"
ESTIMATOR: Final = "estimator.bin"
MANIFEST: Final = "network.json"
MOST_MEGAPIXELS: Final = 24
"""Largest photo: the page holds it three times with 4 bytes per pixel, beside the canvases of the browser."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page; return 2 if that is impossible."""
    parser = argparse.ArgumentParser(prog="python -m scripts.browser", description=__doc__)
    parser.add_argument(
        "network", nargs="?", default=DEFAULT_NETWORK, help="as of python -m deblur.export (default %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/browser"), help="folder (default %(default)s)")
    parser.add_argument(
        "--precision", choices=get_args(ExportPrecision), default="float16", help="of the network (default %(default)s)"
    )
    options = parser.parse_args(argv)
    try:
        build(options.network, options.output, options.precision)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = sum(file.stat().st_size for file in options.output.iterdir()) / 1e6
    say(f"The page is in {options.output} ({size:.0f} MB): python -m http.server --directory {options.output}")
    return 0


def build(network: str, output: Path, precision: ExportPrecision) -> None:
    """Write the page of a network into a folder; files of an earlier page are replaced.

    Args:
        network: a run's folder, a checkpoint, an exported .safetensors file, or the name of a pretrained network.
        output: the folder.
        precision: of the exported network.

    Raises:
        UserError: if onnxruntime-web is not installed, or the network cannot be exported or restore tiles.
    """
    if not all((PACKAGES / name).is_file() for name in RUNTIME):
        raise UserError(
            f"The page needs onnxruntime-web from npm: make browser, or npm ci --ignore-scripts --prefix {SOURCES}."
        )
    output.mkdir(parents=True, exist_ok=True)
    export(network, "onnx", output=output / NETWORK, precision=precision, overwrite=True)
    description, opened = open_onnx(output / NETWORK)
    manifest = manifest_of(description, opened)
    for path in (*(SOURCES / "page").iterdir(), *(PACKAGES / name for name in RUNTIME)):
        shutil.copyfile(path, output / path.name)
    if manifest["gate"]:
        write_output(output / GATE, gate_as_onnx())
    if manifest["visibility"]:
        write_output(output / ESTIMATOR, b"".join(one.tobytes() for one in estimator()))
    write_json(output / MANIFEST, manifest)


def manifest_of(description: dict[str, Any], network: OnnxNetwork) -> dict[str, Any]:
    """Return what the page has to know of an exported network.

    Raises:
        UserError: if its halo is not known: the page restores tiles.
    """
    if network.halo is None:
        raise UserError(
            "The page restores tiles, and the halo of this network is not known: give it the attributes of "
            "deblur.models.Network."
        )
    loss = description.get("precision_loss")
    lost = "" if loss is None else f"; its PSNR on drawn images is {loss:.2f} dB lower than in float32"
    kind = "color" if network.channels == 3 else "gray"
    settings = description["settings"]
    is_weighed = is_gated(settings, needs_kernel=False)
    spread = visible_spread(settings.get("blur", {})) if is_weighed else None
    sizes = [estimator()[0].shape[1], *(len(biases) for biases in estimator()[1::2])]
    return {
        "about": f"Network: {description.get('name')}, for {kind} images, {description.get('precision')}{lost}.",
        "file": NETWORK,
        "input": INPUT,
        "channels": network.channels,
        "halo": network.halo,
        "sizeDivisor": network.size_divisor,
        "maxMegapixels": MOST_MEGAPIXELS,
        "gate": {"file": GATE, "cell": CELL, "halo": Gate.halo} if is_weighed else None,
        "visibility": None if spread is None else {"file": ESTIMATOR, "sizes": sizes, "spread": spread},
    }


def estimator() -> list[Floats]:
    """Return the part of the network of `deblur.estimation` that estimates the spread in the widest direction.

    Returns:
        The weights of each layer, (outputs, inputs), each followed by its biases, in float32 of little-endian order.
    """
    weights = pretrained_weights()
    layers = [weights[f"layer{number}.{kind}"] for number in range(LAYERS) for kind in ("weight", "bias")]
    widest = slice(len(KINDS), len(KINDS) + 1)  # of the outputs
    return [one.astype("<f4") for one in (*layers[:-2], layers[-2][widest], layers[-1][widest])]


if __name__ == "__main__":
    sys.exit(main())
