"""Write a trained network into one portable file: `python -m deblur.export RUN --format onnx`."""

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from deblur.choices import DEFAULT_NETWORK, HUB, PRETRAINED, ExportFormat, ExportPrecision
from deblur.cli import PlainCommand, Trusted, command_app, not_empty, place, run_app
from deblur.errors import UserError
from deblur.files import kind_of

EXAMPLES = f"""\b
Examples:
  python -m deblur.export outputs/runs/RUN/TIME --format onnx           runs without torch, in onnxruntime
  python -m deblur.export outputs/runs/RUN/TIME --format safetensors    weights and settings, for torch
  python -m deblur.export {DEFAULT_NETWORK} --format onnx --precision float16     half the size
  python -m deblur.export NETWORK.safetensors --format onnx -o networks/
  python -m deblur.export outputs/runs/RUN/TIME --format safetensors --push USER/NAME     to the Hugging Face Hub"""

LARGE_LOSS: Final = 0.1  # dB, of PSNR by layers of 8 bits, from which on another precision is advised

app = command_app()


@app.command("export", cls=PlainCommand, epilog=EXAMPLES)
def export(
    network: Annotated[
        str,
        typer.Argument(
            parser=not_empty,
            metavar="NETWORK",
            help="A run's folder, a checkpoint, an exported .safetensors file, a pretrained network "
            f"({', '.join(PRETRAINED)}), or {HUB}USER/NAME (with deblur-lab[hub]).",
            show_default=False,
        ),
    ],
    file_format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="onnx runs without torch, in onnxruntime, and needs deblur-lab[onnx] to be made; safetensors holds "
            "the weights and settings for torch.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=place,
            metavar="PATH",
            help="A file or a folder. [default: export/ in the run's folder; of a file, its folder; of a pretrained "
            "network or one of the Hub, the working folder]",
        ),
    ] = None,
    precision: Annotated[
        ExportPrecision,
        typer.Option(
            "--precision",
            help="float16 rounds the weights: half the size, the same speed. int8 computes the layers with 8 bits: "
            "about a third of the size, faster on CPUs, with a loss that the file states; for onnx alone.",
        ),
    ] = "float32",
    push: Annotated[
        str | None,
        typer.Option(
            parser=not_empty,
            metavar="USER/NAME",
            help="Also write the file into this repository of the Hugging Face Hub, with its model card as README.md. "
            "A repository that is not there is made, a private one. Needs deblur-lab[hub] and a token "
            "(hf auth login, or HF_TOKEN).",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    trusted: Trusted = None,
) -> None:
    """Write a trained network into one portable file, and a model card next to it."""
    from deblur.announcing import announce  # rich takes a while to import
    from deblur.console import say
    from deblur.text import lines

    if output is not None:
        names_a_file(output, file_format)
    if push is not None:
        from deblur.inference.hub import refuse_no_push

        refuse_no_push(push)
    announce(f"Exporting {network} as {file_format}")
    from deblur.inference.hub import refuse_no_network

    refuse_no_network(network)
    from deblur.export.session import export as write  # seconds of imports
    from deblur.export.session import publish

    exported = write(
        network, file_format, output=output, precision=precision, overwrite=overwrite, trusted=trusted or ()
    )
    if exported.difference is not None:
        say(f"onnxruntime and torch differ by at most {exported.difference:.1e} on three sizes of images")
    if exported.loss is not None:
        advice = ", which float16 does not lose: see --precision" if exported.loss > LARGE_LOSS else ""
        say(f"With 8 bits, the PSNR of restored drawn images is {exported.loss:.3f} dB lower than in float32{advice}")
    say(lines(f"The network is {exported.file}", f"Its model card is {exported.card}"))
    if push is not None:
        say(f"It is pushed to {publish(exported, push)}, and pulled with --network {HUB}{push}")


def names_a_file(output: Path, file_format: ExportFormat) -> bool:
    """Return whether the output of an export is a file, else a folder.

    Raises:
        UserError: for the suffix of another kind of file, which no folder is meant to have.
    """
    # A new folder may be called release-1.0.
    if not re.fullmatch(r"\.[A-Za-z]\w*", output.suffix) or kind_of(output) == "folder":
        return False
    if output.suffix != f".{file_format}":
        raise UserError(
            f"--output {output} is no name for --format {file_format}: give one that ends in .{file_format}, or a "
            "folder that is there or whose name has no ending."
        )
    return True


main: Final = partial(run_app, app, program="python -m deblur.export")
"""Run the command line, by default that of this process, and return its exit code."""
