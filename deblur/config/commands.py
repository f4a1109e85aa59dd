"""What the commands beside the training take, and the check of it."""

import contextlib
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig
from pydantic import BeforeValidator, Field, model_validator

from deblur.choices import Accelerator, Color, Precision, listed, listed_names
from deblur.config.check import Config, check_section, resolve
from deblur.config.chosen import refuse_unknown_names
from deblur.config.schema import Paths
from deblur.config.sections import Place, Section, shown
from deblur.metrics.registry import METRICS

Format = Literal["onnx", "safetensors"]


def names_a_file(output: Path, suffix: str) -> bool:
    """Return whether the output of an export is a file; else it is a folder.

    Args:
        output: what was asked for.
        suffix: of the format.

    Raises:
        ValueError: for the ending of another kind of file: a folder of that name is not what was meant.
    """
    # A new folder may be called release-1.0.
    if not re.fullmatch(r"\.[A-Za-z]\w*", output.suffix) or _kind(output) == "folder":
        return False
    if output.suffix != suffix:
        raise ValueError(
            f"output={output} is no name for this format: give one that ends in {suffix}, or a folder that is there or "
            "whose name has no ending."
        )
    return True


def _refuse_file(output: str | None) -> None:
    """Refuse the name of a file where a folder is written, in which several files go.

    Raises:
        ValueError: for such a name.
    """
    kind = None if output is None else _kind(Path(output))
    if output is None or kind == "folder":
        return
    if kind == "file":
        raise ValueError(f"output={output} is no folder: give one, into which several files go.")
    if mimetypes.guess_type(output)[0] is not None:
        raise ValueError(f"output={output} names a file: give a folder, into which several files go.")


def _kind(place: Path) -> Literal["folder", "file"] | None:
    """Return what lies at a place; None for nothing, and for a name that is too long for the file system."""
    with contextlib.suppress(OSError):
        if place.is_dir():
            return "folder"
        return "file" if place.exists() else None
    return None


def sweep_names(value: Any) -> list[str]:
    """Return the names of sweeps: of one, of a list, or of a list in a text such as `[a,b]` or `a,b`.

    Raises:
        ValueError: where there is none.
    """
    if isinstance(value, str):
        listed = value[1:-1] if value.startswith("[") and value.endswith("]") else value
        value = [name.strip() for name in listed.split(",")]
    names = value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("no names")
    return list(dict.fromkeys(names))


class Report(Section):
    """The top level of conf/report.yaml."""

    sweep: Annotated[list[str], BeforeValidator(sweep_names)] = Field(description="the name of a sweep: sweep=NAME")
    listing: bool = Field(alias="list", description="true or false")
    grids: bool = Field(description="true or false")
    output: Place | None = Field(min_length=1, description="a folder, or null")
    paths: dict[str, Any] = Field(description="output_root and cache_root")

    @model_validator(mode="after")
    def _output_is_a_folder(self) -> "Report":
        _refuse_file(self.output)
        return self


class Evaluate(Section):
    """The top level of conf/evaluate.yaml."""

    data: dict[str, Any] = Field(description="a group: data=NAME")
    blur: dict[str, Any] = Field(description="a group: blur=NAME")
    run: Place | None = Field(
        min_length=1, description="a run folder, a checkpoint, an exported file, a network that is pretrained, or null"
    )
    sweep: str | None = Field(min_length=1, description="the name of a sweep, or null")
    baseline: list[Literal["none", "wiener", "richardson_lucy", "dct_wiener"]] = Field(
        description="a list of none, wiener, richardson_lucy, dct_wiener, such as [wiener]"
    )
    matrix: bool = Field(description="true or false")
    optimal_linear: bool = Field(description="true or false")
    compare: list[Place] = Field(description="a list of two run folders: compare=[DIR,DIR]")
    both_boundaries: bool | None = Field(description="true, false or null")
    split: Literal["train", "val", "test", "all"] | None = Field(description="train, val, test, all or null")
    accelerator: Accelerator = Field(description=listed(Accelerator))
    output: Place | None = Field(min_length=1, description="a folder, or null")
    metrics: list[str] | None = Field(
        min_length=1, description=f"a list of {listed_names(METRICS)}, such as [psnr,vif], or null for the run's own"
    )
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")
    paths: dict[str, Any] = Field(description="output_root and cache_root")

    @model_validator(mode="after")
    def _something_to_evaluate(self) -> "Evaluate":
        asked = [self.run is not None, self.sweep is not None, bool(self.compare)]
        if sum(asked) > 1 or not (any(asked) or self.baseline or self.optimal_linear):
            raise ValueError(
                "Give one of run=DIR, sweep=NAME, compare=[DIR,DIR], or baseline=[...] or optimal_linear=true alone."
            )
        if self.matrix and self.sweep is None:
            raise ValueError("matrix=true needs the networks of a sweep: add sweep=NAME.")
        self._refuse_words_without_effect()
        if self.compare and len(self.compare) != 2:
            raise ValueError(f"compare={shown(self.compare)} is not allowed: give two run folders.")
        if len(set(self.baseline)) < len(self.baseline):
            raise ValueError(f"baseline={shown(self.baseline)} is not allowed: name each restorer once.")
        _refuse_file(self.output)
        return self

    def _refuse_words_without_effect(self) -> None:
        unread = {
            "matrix": ("optimal_linear", "baseline", "both_boundaries", "blur", "split", "output", "metrics"),
            "optimal_linear": ("run", "baseline", "both_boundaries", "split", "metrics"),
            "compare": ("optimal_linear", "baseline", "both_boundaries", "data", "blur", "split", "metrics"),
        }
        for kind, keys in unread.items():
            given = [key for key in keys if getattr(self, kind) and getattr(self, key)]
            if given:
                raise ValueError(
                    f"{kind} does not read {', '.join(given)}: leave that out, or give it in a command alone."
                )


class Restore(Section):
    """The top level of conf/restore.yaml."""

    input: Place = Field(min_length=1, description="an image or a folder of images: input=FILE")
    output: Place | None = Field(min_length=1, description="a file or a folder, or null")
    network: str | None = Field(min_length=1, description="the name of a network that is pretrained, list, or null")
    run: Place | None = Field(min_length=1, description="a run folder, a checkpoint or an exported file, or null")
    color: Color = Field(description=listed(Color))
    side_by_side: bool = Field(description="true or false")
    simulate: bool = Field(description="true or false")
    blur: dict[str, Any] = Field(description="a group: blur=NAME")
    overwrite: bool = Field(description="true or false")
    max_megapixels: float = Field(gt=0, allow_inf_nan=False, description="a number above 0")
    accelerator: Accelerator = Field(description=listed(Accelerator))
    precision: Precision = Field(description=listed(Precision))
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")

    @model_validator(mode="after")
    def _no_word_without_effect(self) -> "Restore":
        if self.network is not None and self.run is not None:
            raise ValueError(f"network={self.network} and run={self.run} are two networks: leave out one.")
        if self.blur and not self.simulate and self.run is None:
            raise ValueError("blur is read by simulate=true, and by a run that is told the kernel: leave blur out.")
        if self.side_by_side and (self.simulate or self.network == "list"):
            other = "simulate=true" if self.simulate else "network=list"
            raise ValueError(f"side_by_side=true and {other} do not go together: {other} shows images side by side.")
        if self.simulate and self.network == "list":
            raise ValueError("simulate=true needs one network: network=NAME in place of network=list.")
        return self


class Export(Section):
    """The top level of conf/export.yaml."""

    run: Place = Field(
        min_length=1, description="a run folder, a checkpoint file or a network that is pretrained: run=DIR"
    )
    format: Format = Field(description="onnx or safetensors")
    output: Place | None = Field(min_length=1, description="a file or a folder, or null")
    overwrite: bool = Field(description="true or false")
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")

    @model_validator(mode="after")
    def _output_of_this_format(self) -> "Export":
        if self.output is not None:
            names_a_file(Path(self.output), f".{self.format}")
        return self


class Demo(Section):
    """The top level of conf/demo.yaml."""

    run: Place | None = Field(min_length=1, description="a run folder, a checkpoint or an exported file, or null")
    port: int | None = Field(ge=0, le=65_535, description="a whole number from 0 to 65535, or null for a free one")
    host: str = Field(min_length=1, description="an address of this computer, such as 127.0.0.1 or 0.0.0.0")
    open_browser: bool = Field(description="true or false")
    max_megapixels: float = Field(gt=0, allow_inf_nan=False, description="a number above 0")
    accelerator: Accelerator = Field(description=listed(Accelerator))
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")


def check_command(cfg: DictConfig | Mapping[str, Any], known: type[Section]) -> Config:
    """Resolve and check what Hydra composed for a command; groups that change a run's own are left to that command.

    Args:
        cfg: what was composed.
        known: the schema of its top level.

    Returns:
        The configuration as plain Python values.

    Raises:
        UserError: for the first key that is missing, unknown or out of range.
    """
    config = resolve(cfg)
    check_section("", config, known)
    if "paths" in known.model_fields:
        check_section("paths", config["paths"], Paths)
    if "metrics" in known.model_fields:
        refuse_unknown_names(config)
    return config


def check_report(cfg: DictConfig | Mapping[str, Any]) -> Config:
    """Resolve and check what Hydra composed from conf/report.yaml.

    Returns:
        The configuration as plain Python values; `sweep` is a list of names, which may be empty for `list=true`.

    Raises:
        UserError: as `check_command` does.
    """
    config = resolve(cfg)
    if config.get("sweep") != "???":
        return check_command(config, Report) | {"sweep": sweep_names(config["sweep"])}
    checked = check_command(config | {"sweep": "all"}, Report) | {"sweep": []}
    return checked if checked["list"] else check_command(config, Report)
