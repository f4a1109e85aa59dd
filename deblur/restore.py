"""Restore images with a trained network: `python -m deblur.restore photo.jpg`."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from deblur.choices import (
    DEFAULT_COLOR,
    DEFAULT_MAX_MEGAPIXELS,
    DEFAULT_NETWORK,
    NON_BLIND,
    PRETRAINED,
    Color,
    Precision,
)
from deblur.cli import (
    AcceleratorOption,
    PlainCommand,
    Trusted,
    above_zero,
    command_app,
    fraction,
    fraction_above_zero,
    not_empty,
    place,
    run_app,
)
from deblur.errors import UserError

EXAMPLES = """\b
Examples:
  python -m deblur.restore photo.jpg                          writes photo-restored.jpg
  python -m deblur.restore images/ -o restored/ -n motion     a folder, with the network for motion blur
  python -m deblur.restore a.png b.png -o restored/ -n outputs/sweeps/NAME/RUN
  python -m deblur.restore photo.jpg -n NAFNet.pth            a network of another program
  python -m deblur.restore photo.jpg --compare-networks       every blind pretrained network on one detail
  python -m deblur.restore photo.jpg --scale 0.5              restored at half its size, for a wide blur
  python -m deblur.restore photo.jpg --blind                  the kernel is estimated from the image itself
  python -m deblur.restore photo.jpg -n RUN --kernel psf.png  a non-blind network, with the kernel in a file
  python -m deblur.restore sharp.png --simulate "gaussian sigma=2 noise_sigma=1"
  python -m deblur.restore -- -o.png                          an image whose name begins with a hyphen

\b
Blurs of --simulate and --known-blur, each as FAMILY key=value key=value:
  gaussian sigma=2 | box size=9 | motion length=9 angle=30 | disk radius=3 | trajectory extent=15 shake=0.5 |
  kernel path=psf.png | mixed | motion_random | none
  Lengths in px, angles in degrees, counter-clockwise. noise_sigma=1 adds noise [gray levels of 255] and
  jpeg_quality=80 compresses; camera=photo blurs linear light, with exposure, saturation and noise of a camera. A
  pair such as sigma=[1,3] (without blanks) is drawn per image; what is not given is as in conf/blur/FAMILY.yaml."""

KERNEL_SUFFIXES: Final = (".png", ".tif", ".tiff")  # of formats that hold gray images of 16 bits

app = command_app()


@app.command("restore", cls=PlainCommand, epilog=EXAMPLES)
def restore(
    images: Annotated[
        list[Path],
        typer.Argument(parser=place, metavar="IMAGES", help="Image files, and folders of images.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=place,
            metavar="PATH",
            help="A folder; for a single image also a file, whose suffix names the format. "
            "[default: NAME-restored next to each of IMAGES]",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            "-n",
            parser=not_empty,
            metavar="NAME_OR_PATH",
            help=f"A pretrained network ({', '.join(PRETRAINED)}), a run's folder, a checkpoint, an exported "
            ".safetensors or .onnx file, the weights of another program's network (.pth or .safetensors, with "
            "deblur-lab[spandrel]), or a repository hf://USER/NAME (with deblur-lab[hub]). "
            f"[default: {DEFAULT_NETWORK}; {NON_BLIND} with --blind]",
        ),
    ] = None,
    compare_networks: Annotated[
        bool,
        typer.Option(
            "--compare-networks",
            help="Restore a detail of one image with every blind pretrained network, side by side in "
            "NAME-networks.png.",
        ),
    ] = False,
    detail: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="Center of the detail of --compare-networks, column and row [px]. [default: the most blurred detail]",
        ),
    ] = None,
    color: Annotated[
        Color | None,
        typer.Option(
            help="How a network of gray images restores color images: luma restores the brightness and keeps the "
            "colors; channels restores red, green and blue one by one. A network of RGB images restores all three at "
            f"once, without this option. [default: {DEFAULT_COLOR}]"
        ),
    ] = None,
    kernel: Annotated[
        Path | None,
        typer.Option(
            parser=place,
            metavar="PATH",
            help="The kernel that blurred the images, for a non-blind network: a .npy array or a gray image with odd "
            "sides of at most 501 px.",
        ),
    ] = None,
    known_blur: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help='In place of --kernel, a blur of one kernel: "motion length=9 angle=30". See below.',
        ),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option(
            "--blind",
            help=f"Estimate the kernel of each image, or several if its blur varies, restore it by a non-blind network "
            f"[{NON_BLIND}], and write the kernel to NAME-kernel.png. An image that this does not improve is left as "
            "it is, with the reason.",
        ),
    ] = False,
    save_kernel: Annotated[
        Path | None,
        typer.Option(
            "--save-kernel",
            parser=place,
            metavar="PATH",
            help="With --blind and one image, the file of the kernel: a gray image of 16 bits, .png or .tif, which "
            "--kernel reads. Of blur that varies, it shows the kernels side by side, and --kernel refuses it.",
        ),
    ] = None,
    noise_sigma: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=255,
            metavar="X",
            help="Standard deviation of the noise, for a network that takes it, such as unrolled [gray levels of 255]. "
            "With --color luma that of the luma, 0.67 of white noise in red, green and blue. "
            "[default: estimated from each image]",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            parser=fraction_above_zero,
            metavar="X",
            help="Restore at this fraction of the size, and add the enlarged correction to the image: for blur wider "
            "than that of the network's training. Above 0, at most 1. "
            "[default: chosen from the blur that is seen; 1 with --simulate]",
        ),
    ] = None,
    self_ensemble: Annotated[
        bool,
        typer.Option(
            "--self-ensemble",
            help="With a non-blind network, the mean of its restorations of the image's eight orientations: somewhat "
            "better, at eight times the cost.",
        ),
    ] = False,
    strength: Annotated[
        float | None,
        typer.Option(
            parser=fraction,
            metavar="X",
            help="The fraction of the network's correction that is applied: 1 is the network alone, 0 the image as it "
            "is. [default: chosen at each place, so that sharp images hardly change; 1 for networks with known "
            "kernel, and for those of other programs]",
        ),
    ] = None,
    simulate: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help='Blur sharp images first, and measure the gain: "gaussian sigma=2 noise_sigma=1", see below. '
            '"training" blurs as the network\'s own training did, "training sigma=3" with a parameter changed. Writes '
            "blurred | restored | sharp to NAME-simulated.png.",
        ),
    ] = None,
    side_by_side: Annotated[
        bool,
        typer.Option(
            "--side-by-side",
            help="Write before | after as well, to NAME-side-by-side; with --blind, the enlarged kernel is in the "
            "corner.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that exist; without it they are skipped.")
    ] = False,
    max_megapixels: Annotated[
        float, typer.Option(parser=above_zero, metavar="X", help="Refuse larger images [megapixels]; a number above 0.")
    ] = DEFAULT_MAX_MEGAPIXELS,
    accelerator: AcceleratorOption = "auto",
    precision: Annotated[
        Precision,
        typer.Option(help="auto computes 8-bit images in bfloat16 if the hardware multiplies it, others in float32."),
    ] = "auto",
    trusted: Trusted = None,
) -> None:
    """Make blurred images sharper with a trained network."""
    _refuse_without_effect(
        {
            "--compare-networks": compare_networks,
            "--network": network is not None,
            "--kernel": kernel is not None,
            "--known-blur": known_blur is not None,
            "--blind": blind,
            "--noise-sigma": noise_sigma is not None,
            "--scale": scale is not None,
            "--self-ensemble": self_ensemble,
            "--simulate": simulate is not None,
            "--side-by-side": side_by_side,
        }
    )
    if detail is not None and not compare_networks:
        raise UserError("--detail is of --compare-networks: give both, or leave out --detail.")
    if save_kernel is not None and not blind:
        raise UserError("--save-kernel is of --blind: give both, or leave out --save-kernel.")
    if save_kernel is not None and save_kernel.suffix.lower() not in KERNEL_SUFFIXES:
        raise UserError(f"--save-kernel {save_kernel} is not allowed: name a file of 16 bits, .png or .tif.")
    network = network or (NON_BLIND if blind else DEFAULT_NETWORK)
    _announce(images, None if compare_networks else network)
    from deblur.config.blur_text import kernel_file, read_blur

    known = None if kernel is None else kernel_file(kernel, "--kernel")
    if known_blur is not None:
        known = read_blur(known_blur, "--known-blur")
    simulated = None if simulate is None else read_blur(simulate, "--simulate", allows_training=True)

    from deblur.console import say  # rich and OpenCV take a while to import
    from deblur.inference import session
    from deblur.inference.places import plan

    tasks = plan(images, output)
    asked = session.RestoreOptions(
        network=network,
        color=color,
        known_blur=known,
        blind=blind,
        save_kernel=save_kernel,
        noise_sigma=noise_sigma,
        strength=strength,
        scale=scale,
        detail=None if detail is None else _middle(detail),
        simulate=simulated,
        side_by_side=side_by_side,
        overwrite=overwrite,
        max_megapixels=max_megapixels,
        accelerator=accelerator,
        precision=precision,
        self_ensemble=self_ensemble,
        trusted=tuple(trusted or ()),
    )
    say(session.compare_networks(tasks, asked) if compare_networks else session.restore_images(tasks, asked))


def _announce(images: list[Path], network: str | None) -> None:
    from deblur.announcing import announce  # rich takes a while to import

    named = str(images[0]) if len(images) == 1 else f"{images[0]} and {len(images) - 1} more"
    announce(f"Restoring {named} with {'every blind pretrained network' if network is None else network}")


def _middle(detail: str) -> tuple[int, int]:
    """Return the column and row of the center of a detail.

    Raises:
        UserError: for anything else than two whole numbers.
    """
    parts = detail.split(",")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() for part in parts):
        raise UserError(f"--detail {detail} is not allowed: give a column and a row [px], such as --detail 640,480.")
    column, row = map(int, parts)
    return column, row


_NOT_TOGETHER = (
    ("--compare-networks", "--network", "every blind pretrained network is compared"),
    ("--compare-networks", "--kernel", "the networks compared take no kernel"),
    ("--compare-networks", "--known-blur", "the networks compared take no kernel"),
    ("--compare-networks", "--noise-sigma", "the networks compared take no noise"),
    ("--compare-networks", "--scale", "the networks are compared at the size of the image"),
    ("--compare-networks", "--self-ensemble", "the networks compared are blind"),
    ("--compare-networks", "--simulate", "a simulation is of one network"),
    ("--compare-networks", "--side-by-side", "the comparison shows images side by side"),
    ("--simulate", "--side-by-side", "a simulation shows images side by side"),
    ("--simulate", "--kernel", 'to blur by a file, give --simulate "kernel path=FILE"'),
    ("--simulate", "--known-blur", "give the blur to --simulate alone"),
    ("--kernel", "--known-blur", "each gives the kernel"),
    ("--blind", "--compare-networks", "the networks compared take no kernel"),
    ("--blind", "--kernel", "the kernel is either estimated or given"),
    ("--blind", "--known-blur", "the kernel is either estimated or given"),
    ("--blind", "--simulate", "a simulation knows its kernel"),
    ("--blind", "--scale", "the kernel is that of the full size"),
    ("--scale", "--kernel", "the kernel is that of the full size"),
    ("--scale", "--known-blur", "the kernel is that of the full size"),
)


def _refuse_without_effect(given: dict[str, bool]) -> None:
    """Refuse an option that another one leaves without effect."""
    for one, other, reason in _NOT_TOGETHER:
        if given[one] and given[other]:
            raise UserError(f"{one} and {other} do not go together ({reason}): leave out one of them.")


main: Final = partial(run_app, app, program="python -m deblur.restore")
"""Run the command line, by default that of this process, and return its exit code."""


if __name__ == "__main__":
    sys.exit(main())
