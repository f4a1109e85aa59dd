"""What evaluate takes, and the check of it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from omegaconf import DictConfig
from pydantic import Field, model_validator

from deblur.choices import Accelerator, Color, listed, listed_names
from deblur.config.check import checked_section, resolve
from deblur.config.chosen import refuse_unknown_names
from deblur.config.protocols import ProtocolSettings, checked_protocol
from deblur.config.schema import Paths
from deblur.config.sections import CHECKED_APART, Number, Place, Section, shown
from deblur.files import no_folder
from deblur.metrics.registry import METRICS

_NON_BLIND: Final = ("noise_sigma", "kernel_error", "self_ensemble")  # of a network that takes the kernel
_NOT_GIVEN: Final[tuple[Any, ...]] = (None, False, [], {})


class EvaluateConfig(Section):
    """The top level of conf/evaluate.yaml."""

    data: dict[str, Any] = Field(description="a group: data=NAME")
    blur: dict[str, Any] = Field(description="a group: blur=NAME")
    protocol: Annotated[ProtocolSettings, CHECKED_APART] | None = Field(None, description="a group: protocol=NAME")
    run: Place | None = Field(
        min_length=1,
        description="a run folder, a checkpoint, an exported file, a network that is pretrained, one of another "
        "program (.pth, .safetensors), hf://USER/NAME, or null",
    )
    sweep: str | None = Field(min_length=1, description="the name of a sweep, or null")
    baseline: list[Literal["none", "wiener", "richardson_lucy", "dct_wiener"]] = Field(
        description="a list of none, wiener, richardson_lucy, dct_wiener, such as [wiener]"
    )
    matrix: bool
    optimal_linear: bool
    compare: list[Place] = Field(description="a list of two run folders: compare=[DIR,DIR]")
    both_boundaries: bool | None = Field()
    split: Literal["train", "val", "test", "all"] | None = Field()
    noise_sigma: Number | None = Field(
        None, ge=0, le=255, description="a number from 0 to 255 [gray levels of 255], or null for an estimate"
    )
    kernel_error: Number = Field(0.0, ge=0, le=1)
    self_ensemble: bool = False
    gate: bool = False
    color: Color | None = Field(None, description=listed_names([*get_args(Color), "null"]))
    accelerator: Accelerator = Field(description=listed(Accelerator))
    output: Place | None = Field(min_length=1, description="a folder, or null")
    metrics: list[str] | None = Field(
        min_length=1, description=f"a list of {listed_names(METRICS)}, such as [psnr,vif], or null for the run's own"
    )
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")
    paths: Paths = Field(description="output_root and cache_root")

    @property
    def runs(self) -> list[str]:
        """The networks of `run`: one, or several as `run=[DIR,DIR]`, which a protocol or a matrix puts into a table."""
        if self.run is None:
            return []
        if not (self.protocol is not None or self.matrix) or not self._is_list(self.run):
            return [self.run]
        names = (each.strip() for each in self.run[1:-1].split(","))
        return [os.path.expanduser(name) for name in names]  # noqa: PTH111 # Path.expanduser raises for a user that does not exist

    @staticmethod
    def _is_list(run: str) -> bool:
        return run.startswith("[") and run.endswith("]")

    @model_validator(mode="after")
    def _something_to_evaluate(self) -> "EvaluateConfig":
        asked = [self.run is not None, self.sweep is not None, bool(self.compare)]
        if self.protocol is not None and not (any(asked) or self.baseline):
            raise ValueError(
                "A protocol needs methods to measure: give run=DIR, run=[DIR,DIR], sweep=NAME or baseline=[...]."
            )
        is_beside = self.matrix and asked == [True, True, False]  # networks beside those of the sweep
        if (sum(asked) > 1 and not is_beside) or not (any(asked) or self.baseline or self.optimal_linear):
            raise ValueError(
                "Give one of run=DIR, sweep=NAME, compare=[DIR,DIR], or baseline=[...] or optimal_linear=true alone."
            )
        if self.gate and self.run is None and self.sweep is None:
            raise ValueError("gate=true decides about the correction of a network: add run=DIR, or leave it out.")
        if self.matrix and self.sweep is None and self.run is None:
            raise ValueError("matrix=true needs networks: add sweep=NAME, run=DIR or run=[DIR,DIR].")
        self._refuse_no_list_of_runs()
        self._refuse_words_without_effect()
        if self.compare and len(self.compare) != 2:
            raise ValueError(f"compare={shown(self.compare)} is not allowed: give two run folders.")
        if len(set(self.baseline)) < len(self.baseline):
            raise ValueError(f"baseline={shown(self.baseline)} is not allowed: name each restorer once.")
        refused = None if self.output is None else no_folder(Path(self.output))
        if refused:
            raise ValueError(f"output={self.output} {refused}")
        return self

    def _refuse_no_list_of_runs(self) -> None:
        if self.run is None or not self._is_list(self.run) or Path(self.run).exists():
            return
        if self.protocol is None and not self.matrix:
            raise ValueError(
                f"run={self.run} is a list, and only a protocol or a matrix puts several networks into one table: give "
                "one run=DIR, or add protocol=NAME or matrix=true."
            )
        if not all(self.runs):
            raise ValueError(f"run={self.run} names a run by nothing: give run=DIR or run=[DIR,DIR].")

    def _refuse_words_without_effect(self) -> None:
        unread = {
            "matrix": (
                "optimal_linear",
                "baseline",
                "both_boundaries",
                "blur",
                "output",
                "metrics",
                *_NON_BLIND,
            ),
            "optimal_linear": ("run", "baseline", "both_boundaries", "split", "color", "metrics", "gate", *_NON_BLIND),
            "protocol": (
                *("matrix", "optimal_linear", "compare", "both_boundaries", "blur", "split", "metrics"),
                *("kernel_error", "gate"),
            ),
            "compare": (
                *("optimal_linear", "baseline", "both_boundaries", "data", "blur", "split", "color", "metrics"),
                *("gate", *_NON_BLIND),
            ),
            "sweep": _NON_BLIND,
        }
        for kind, keys in unread.items():
            given = [key for key in keys if getattr(self, kind) and getattr(self, key) not in _NOT_GIVEN]
            if given:
                raise ValueError(
                    f"{kind} does not read {', '.join(given)}: leave that out, or give it in a command alone."
                )


def check_evaluate(cfg: DictConfig | Mapping[str, Any]) -> EvaluateConfig:
    """Resolve and check what Hydra composed from conf/evaluate.yaml; groups that change a run's own are left to it.

    Args:
        cfg: what was composed.

    Returns:
        The configuration; `data` and `blur` are changes to those of a run, which are checked together with it.

    Raises:
        UserError: for the first key that is missing, unknown or out of range.
    """
    evaluate = checked_section("", resolve(cfg), EvaluateConfig)
    refuse_unknown_names(None, evaluate.metrics, evaluate.trusted)
    if evaluate.protocol is not None:
        section: Any = evaluate.protocol  # not checked yet: its schema is that of the protocol it names
        evaluate.protocol = checked_protocol(section, evaluate.data)
    return evaluate
