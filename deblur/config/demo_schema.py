"""What conf/demo.yaml may hold."""

from collections.abc import Mapping
from typing import Any, Literal

from omegaconf import DictConfig
from pydantic import Field

from deblur.config.check import Config, _check_section, _resolve
from deblur.config.sections import Section


class Demo(Section):
    """The top level of conf/demo.yaml."""

    run: str | None = Field(min_length=1, description="a run folder, a checkpoint or an exported file, or null")
    port: int | None = Field(ge=0, le=65_535, description="a whole number from 0 to 65535, or null for a free one")
    host: str = Field(min_length=1, description="an address of this computer, such as 127.0.0.1 or 0.0.0.0")
    open_browser: bool = Field(description="true or false")
    max_megapixels: float = Field(gt=0, allow_inf_nan=False, description="a number above 0")
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(description="auto, cpu, gpu or mps")
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")


def check_demo(cfg: DictConfig | Mapping[str, Any]) -> Config:
    """Resolve and check what Hydra composed from conf/demo.yaml.

    Raises:
        UserError: as `check` does.
    """
    config = _resolve(cfg)
    _check_section("", config, Demo)
    return config
