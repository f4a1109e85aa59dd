"""Show in the browser how a network restores a blurred image: `python -m deblur.demo`."""

from functools import partial
from typing import Annotated, Final

import typer

from deblur.choices import DEFAULT_MAX_MEGAPIXELS
from deblur.cli import AcceleratorOption, PlainCommand, Trusted, above_zero, command_app, not_empty, run_app

EXAMPLES = """\b
Examples:
  python -m deblur.demo                             then open http://127.0.0.1:7860; Ctrl-C ends it
  python -m deblur.demo -n outputs/sweeps/NAME/RUN  with a network of your own, chosen first
  python -m deblur.demo --port 0 --open-browser     on a free port, opened at once

Needs gradio: pip install "deblur-lab[demo]\""""

app = command_app()


@app.command("demo", cls=PlainCommand, epilog=EXAMPLES)
def demo(
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            "-n",
            parser=not_empty,
            metavar="NETWORK",
            help="A network of your own besides the pretrained ones: a run's folder, a checkpoint, an exported "
            ".safetensors or .onnx file, weights of another program (.pth, .safetensors; with "
            "deblur-lab[spandrel]), or hf://USER/NAME (with deblur-lab[hub]).",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the page, 0 to 65535; 0 takes a free one.", metavar="N")
    ] = 7860,
    host: Annotated[
        str,
        typer.Option(
            parser=not_empty,
            metavar="ADDRESS",
            help="Address of this computer. 127.0.0.1: it alone can open the page; 0.0.0.0 lets everybody on the "
            "network use it.",
        ),
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open-browser", help="Open the page in the browser.")] = False,
    max_megapixels: Annotated[
        float,
        typer.Option(
            parser=above_zero,
            metavar="X",
            help="Refuse larger images [megapixels]; a number above 0.",
        ),
    ] = DEFAULT_MAX_MEGAPIXELS,
    accelerator: AcceleratorOption = "auto",
    trusted: Trusted = None,
) -> None:
    """Show a page in the browser that restores photos, and simulates blurs on sharp images."""
    from deblur.announcing import announce  # rich takes a while to import

    announce(f"Starting the page with the pretrained networks{f' and {network}' if network else ''}")
    from deblur.demo.server import serve

    serve(
        network,
        host=host,
        port=port,
        open_browser=open_browser,
        max_megapixels=max_megapixels,
        accelerator=accelerator,
        trusted=trusted or (),
    )


main: Final = partial(run_app, app, program="python -m deblur.demo")
"""Run the command line, by default that of this process, and return its exit code."""
