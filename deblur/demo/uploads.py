"""Files that are dropped on the page."""

from pathlib import Path

import gradio as gr

from deblur.demo.visitors import Visitor
from deblur.demo.work import read_upload
from deblur.errors import UserError
from deblur.image_io.images import DecodedImage


def image_file(kind: str, max_megapixels: float, *, visible: bool = True) -> gr.File:
    """Add a place to drop an image of some kind at, such as a photo."""
    # No gr.Image: it would rotate, convert and reduce the image, and remove its metadata, before it is read here.
    return gr.File(label=f"{kind}, up to {max_megapixels:g} megapixels", height=180, visible=visible)


def owned(upload: str, visitor: Visitor) -> Path:
    """Return the path of a file that was dropped on the page.

    Raises:
        UserError: if it is not the visitor's, or was removed.
    """
    if not visitor.owns(upload):
        raise UserError("This file is here no longer: drop it again.")
    return Path(upload)


def uploaded(upload: str | None, visitor: Visitor, max_megapixels: float) -> DecodedImage:
    """Return an image that was dropped on the page.

    Raises:
        UserError: if there is none, or it cannot be read.
    """
    if upload is None:
        raise UserError("There is no image yet: drop one.")
    return read_upload(owned(upload, visitor), max_megapixels)
