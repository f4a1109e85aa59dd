"""What the command line of an export may hold."""

from typing import Literal

from pydantic import Field

from deblur.config.sections import Section

Format = Literal["onnx", "safetensors"]


class Export(Section):
    """The top level of conf/export.yaml."""

    run: str = Field(min_length=1, description="a run folder, a checkpoint file or a network that ships: run=DIR")
    format: Format = Field(description="onnx or safetensors")
    output: str | None = Field(min_length=1, description="a file or a folder, or null")
    overwrite: bool = Field(description="true or false")
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")
