"""What each group of the configuration may hold: types, ranges and choices.

A field's description says what is allowed; error messages quote it. A group is checked by the schema of the class that
its `_target_` names; the schema of a blur is made from what its class declares (`deblur.config.degradations`). Another
class of the user's own has no schema and is checked by its signature when it is built.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from deblur.choices import HUB, PRETRAINED, DataColor, listed_names
from deblur.config.search import Search
from deblur.config.sections import CHECKED_APART, Number, OpenTarget, Place, Section, Target, allowed, shown
from deblur.losses import LOSSES
from deblur.metrics.registry import METRICS


def _odd(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value % 2 == 0:
        raise ValueError("not odd")
    return value


def _whole(value: Any) -> Any:
    """Refuse true and 1.0, which equal 1."""
    if value is not None and type(value) is not int:
        raise ValueError("no whole number")
    return value


LONGEST_SWEEP = 100  # characters of a name; file systems allow 255 bytes, and a report joins several names
_DEVICES = r"con|prn|aux|nul|com[0-9]|lpt[0-9]"
_FOLDER_NAME = r"^[^/]+$"

GroupBy = Literal["folder"] | None
Channels = Annotated[
    Literal[1, 3] | None,
    BeforeValidator(_whole),
    Field(description="1 with data.color=gray, 3 with data.color=rgb, or null for what fits"),
]
Compile = Annotated[bool | Literal["reduce-overhead"], Field(description="true, false or reduce-overhead")]
PositiveInt = Annotated[int, Field(ge=1)]
Odd = Annotated[int, BeforeValidator(_odd)]


class _Chain(Target):
    kernel_sizes: list[Odd] = Field(
        min_length=2, description="a list of at least two odd whole numbers, such as [9,1,5]"
    )
    widths: list[PositiveInt] = Field(
        description="a list of positive whole numbers, one fewer than model.kernel_sizes, such as [64,32]"
    )
    dilations: list[PositiveInt] | None = Field(
        None, description="a list of positive whole numbers, one for each of model.kernel_sizes, or null for 1"
    )
    dropout: Number = Field(ge=0, lt=1)
    compile: Compile = False
    cpu_ops: Literal["auto", "torch"] = "auto"
    channels: Channels = None

    @model_validator(mode="after")
    def _lists_fit_each_other(self) -> "_Chain":
        if len(self.widths) != len(self.kernel_sizes) - 1:
            raise ValueError(
                f"model.widths={shown(self.widths)} does not fit model.kernel_sizes={shown(self.kernel_sizes)}: "
                f"give {len(self.kernel_sizes) - 1}, one between each two layers."
            )
        if self.dilations is not None and len(self.dilations) != len(self.kernel_sizes):
            raise ValueError(
                f"model.dilations={shown(self.dilations)} does not fit model.kernel_sizes={shown(self.kernel_sizes)}: "
                f"give {len(self.kernel_sizes)}, one for each layer."
            )
        return self


class SRCNN(_Chain):
    """Schema of `deblur.models.SRCNN`."""

    residual: bool


class ResNet(Target):
    """Schema of `deblur.models.ResNet`."""

    blocks: int = Field(ge=0)
    width: int = Field(ge=1)
    unshuffle: int = Field(ge=1)
    end_kernel_size: Odd = Field(description="an odd whole number from 1 up")
    compile: Compile = False
    cpu_ops: Literal["auto", "torch"] = "auto"
    channels: Channels = None


class Unrolled(Target):
    """Schema of `deblur.models.Unrolled`."""

    stages: int = Field(ge=1)
    width: int = Field(ge=1)
    inner_width: int = Field(ge=1)
    kernel_error: Number = Field(0.0, ge=0, le=1)
    boundary: Literal["unknown", "circular"] | None = None
    linear_light: bool | None = None
    compile: Compile = False
    channels: Channels = None


class Optimizer(OpenTarget):
    """Schema of every optimizer: what all of them share."""

    target: str = Field(alias="_target_", description="the import path of a torch.optim class")
    lr: Number = Field(gt=0, allow_inf_nan=False)
    weight_decay: Number = Field(0.0, ge=0, allow_inf_nan=False)
    last_layer_lr_scale: Number = Field(1.0, gt=0, allow_inf_nan=False)


class Scheduler(OpenTarget):
    """Schema of every scheduler."""

    target: str = Field(alias="_target_", description="the import path of a torch.optim.lr_scheduler class")


class DataSettings(Section):
    """The settings that all data sets share; conf/train.yaml explains them."""

    seed: int = Field(ge=0, lt=2**32)
    folds: int | None = Field(None, ge=2, description="a whole number from 2 up, or null for one division")
    fold: int | None = Field(None, ge=0, description="a whole number from 0 to data.folds - 1, or null")
    max_bad_fraction: Number = Field(ge=0, le=1)
    patch_size: int | None = Field(ge=1, description="a whole number from 1 up [px], or null for whole images")
    patches_per_image: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    flips: bool
    eval_crop: int | None = Field(ge=1, description="a whole number from 1 up [px], or null for whole images")
    max_val_images: int | None = Field(None, ge=1, description="a whole number from 1 up, or null for all")
    max_test_images: int | None = Field(None, ge=1, description="a whole number from 1 up, or null for all")
    eval_batch_size: int = Field(ge=1)
    num_workers: int = Field(ge=0)
    color: DataColor = "gray"
    boundary: Literal["symmetric", "valid", "circular"] = "symmetric"
    degrade_on: Literal["cpu", "device"] = "cpu"
    cache_memory: Number = Field(1.0, ge=0, allow_inf_nan=False, description="a number from 0 up [GiB]")

    @property
    def channels(self) -> int:
        """The channels of an image: 1 for gray, 3 for RGB."""
        return 3 if self.color == "rgb" else 1

    @model_validator(mode="after")
    def _whole_images_in_a_batch(self) -> "DataSettings":
        if self.patch_size is not None and self.batch_size % self.patches_per_image:
            raise ValueError(
                f"data.batch_size={self.batch_size} is no multiple of data.patches_per_image={self.patches_per_image}: "
                "a batch holds all patches of its images. Change one of the two."
            )
        return self

    @model_validator(mode="after")
    def _fold_of_folds(self) -> "DataSettings":
        if self.folds is None and self.fold is not None:
            raise ValueError(
                f"data.fold={self.fold} needs the number of folds: add data.folds=5, for one, or leave out data.fold."
            )
        if self.folds is not None and self.fold is None:
            every = ",".join(map(str, range(self.folds)))
            raise ValueError(
                f"data.folds={self.folds} needs the fold to test on: data.fold=0 takes one, and -m data.fold={every} "
                "trains one run for each."
            )
        if self.folds is not None and self.fold is not None and self.fold >= self.folds:
            raise ValueError(
                f"data.fold={self.fold} is not allowed with data.folds={self.folds}: give a whole number from 0 to "
                f"{self.folds - 1}."
            )
        return self


class Data(DataSettings, Target):
    """Schema of every data group: further keys are arguments of the class of its image source."""


FEWEST_TO_DIVIDE = 3  # images: one for each of the three sets. An evaluation divides none, and takes any number of them
SHARED_DATA_KEYS = frozenset(DataSettings.model_fields)  # that every data group has


class OwnData(Data):
    """Schema of a data set of the user's, which takes further keys."""

    model_config = ConfigDict(extra="allow", strict=True)


class SyntheticData(Data):
    """Schema of `deblur.data.SyntheticData`."""

    max_images: int = Field(ge=1, description="a whole number from 3 up: how many images are drawn")
    leaves: Number = Field(0.0, ge=0, le=1, description="a number from 0 to 1: the share of dead leaves among them")
    fresh: bool = False


class FolderData(Data):
    """Schema of `deblur.data.FolderData`."""

    root: Place = Field(min_length=1, description="a folder with images: data.root=DIR")
    max_images: int | None = Field(ge=1, description="a whole number from 3 up, or null for all images")
    group_by: GroupBy = Field(None, description="folder, or null for images one by one")

    @model_validator(mode="after")
    def _root_is_a_folder(self) -> "FolderData":
        _refuse_no_folder("data.root", self.root)
        self.root = os.path.realpath(self.root)
        return self


class PairsData(Data):
    """Schema of `deblur.data.PairsData`."""

    sharp: Place | None = Field(None, min_length=1, description="a folder with sharp images: data.sharp=DIR")
    blurred: Place | None = Field(
        None, min_length=1, description="a folder with the same images, blurred: data.blurred=DIR"
    )
    root: Place | None = Field(None, min_length=1, description="a folder with folders of both: data.root=DIR, or null")
    sharp_folder: str = Field("sharp", pattern=_FOLDER_NAME, description="the name of folders in data.root")
    blurred_folder: str = Field("blur", pattern=_FOLDER_NAME, description="the name of folders in data.root")
    max_images: int | None = Field(ge=1, description="a whole number from 3 up, or null for all pairs")
    group_by: GroupBy = Field(None, description="folder, or null for images one by one")

    @model_validator(mode="after")
    def _one_tree(self) -> "PairsData":
        if self.root is None:
            return self
        _refuse_no_folder("data.root", self.root)
        self.root = os.path.realpath(self.root)
        for key, value in (("sharp", self.sharp), ("blurred", self.blurred)):
            if value is not None:
                raise ValueError(
                    f"data.root={self.root} is one folder that holds both kinds of images: leave out data.{key}, or "
                    "data.root."
                )
        if self.sharp_folder == self.blurred_folder:
            raise ValueError(f"data.blurred_folder={self.blurred_folder} is data.sharp_folder as well: give two names.")
        return self

    @model_validator(mode="after")
    def _two_folders(self) -> "PairsData":
        if self.root is not None:
            return self
        if self.sharp is None or self.blurred is None:
            key = "sharp" if self.sharp is None else "blurred"
            raise ValueError(
                f"data.{key} is missing: give {allowed(type(self).model_fields[key])}, or data.root=DIR for one "
                "folder that holds both, as in SEQUENCE/sharp and SEQUENCE/blur."
            )
        _refuse_no_folder("data.sharp", self.sharp)
        _refuse_no_folder("data.blurred", self.blurred)
        if Path(self.sharp).samefile(self.blurred):
            raise ValueError(f"data.blurred={self.blurred} is data.sharp as well: give two folders.")
        self.sharp, self.blurred = os.path.realpath(self.sharp), os.path.realpath(self.blurred)
        return self


class PhotosData(Data):
    """Schema of `deblur.data.PhotosData`."""

    max_images: int | None = Field(ge=1, description="a whole number from 3 up, or null for all images")


class AnimeFacesData(Data):
    """Schema of `deblur.data.AnimeFacesData`."""

    max_images: int | None = Field(ge=1, description="a whole number from 3 up, or null for all images")


def _refuse_no_folder(key: str, place: str) -> None:
    state = "does not exist"
    with contextlib.suppress(OSError):  # such as a name that is too long
        if Path(place).is_dir():
            return
        state = "is a file" if Path(place).is_file() else state
    raise ValueError(f"{key}={place} {state}: give a folder with images.")


class Trainer(OpenTarget):
    """Schema of the trainer: the keys that this project reads itself; the others are Lightning's."""

    target: str = Field(alias="_target_", description="lightning.pytorch.Trainer")
    max_epochs: int = Field(ge=1)
    check_val_every_n_epoch: int = Field(1, ge=1, title="epochs from one validation to the next")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    deterministic: Literal["auto"] | bool = "auto"

    @model_validator(mode="after")
    def _keys_of_others(self) -> "Trainer":
        instead = {
            "callbacks": "the group callbacks",
            "logger": "the group logger",
            "default_root_dir": "paths.output_root",
            "fast_dev_run": "debug=fast_dev_run",
            "overfit_batches": "debug=overfit",
        }
        for key in instead.keys() & (self.model_extra or {}).keys():
            raise ValueError(f"trainer.{key} is not allowed: use {instead[key]}.")
        return self

    @model_validator(mode="after")
    def _last_epoch_is_validated(self) -> "Trainer":
        every = self.check_val_every_n_epoch
        if self.max_epochs % every:
            raise ValueError(
                f"trainer.max_epochs={self.max_epochs} is no multiple of trainer.check_val_every_n_epoch={every}: the "
                f"last epoch would not be validated. Give {-(-self.max_epochs // every) * every} epochs."
            )
        return self


class ComparisonGrids(Target):
    """Schema of `deblur.training.callbacks.ComparisonGrids`."""

    images: int = Field(ge=1)
    every_n_epochs: int = Field(ge=1)


class MLflow(Target):
    """Schema of `deblur.training.loggers.MLflow`."""

    tracking_uri: str | None = Field(
        None, min_length=1, description="the address of a server or store, or null for a file in paths.output_root"
    )


class WandB(Target):
    """Schema of `deblur.training.loggers.WandB`."""

    project: str = Field("deblur", min_length=1, description="the name of a project of W&B")
    entity: str | None = Field(
        None, min_length=1, description="a user or team of W&B, or null for the default of the account"
    )
    mode: Literal["offline", "online"] = "offline"


def _folder_name(name: str | None) -> str | None:
    """Refuse the names that Windows gives to no folder: a sweep may be copied there."""
    if name is not None and (name.endswith(".") or re.fullmatch(_DEVICES, name.partition(".")[0], re.IGNORECASE)):
        raise ValueError("no folder on Windows")
    return name


class Paths(Section):
    """Where files go."""

    output_root: Place = Field(min_length=1, description="a folder")
    cache_root: Place | None = Field(description="a folder, or null for the user's cache folder")


class TrainConfig(Section):
    """The top level of conf/train.yaml."""

    model: Annotated[Target, CHECKED_APART] = Field(description="a group: model=NAME")
    blur: Annotated[Target, CHECKED_APART] = Field(description="a group: blur=NAME")
    optimizer: Annotated[Optimizer, CHECKED_APART] = Field(description="a group: optimizer=NAME")
    scheduler: Annotated[Scheduler, CHECKED_APART] | None = Field(description="a group: scheduler=NAME")
    data: Annotated[Data, CHECKED_APART] = Field(description="a group: data=NAME")
    trainer: Annotated[Trainer, CHECKED_APART] = Field(description="a group: trainer=NAME")
    callbacks: Annotated[dict[str, Target | None], CHECKED_APART] | None = Field(description="a group: callbacks=NAME")
    logger: Annotated[dict[str, Target | None], CHECKED_APART] | None = Field(description="a group: logger=NAME")
    paths: Paths = Field(description="output_root and cache_root")
    loss: str = Field(description=listed_names(LOSSES))
    metrics: list[str] = Field(min_length=1, description=f"a list of {listed_names(METRICS)}, such as [psnr,ssim]")
    seed: int = Field(ge=0, lt=2**32)
    sweep: Annotated[str | None, AfterValidator(_folder_name)] = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=LONGEST_SWEEP,
        description="a name of letters, digits, dots, underscores and hyphens, at most "
        f"{LONGEST_SWEEP}, that starts with a letter or digit, does not end with a dot and is no device of Windows "
        "(con, nul, com1 and the like), or null",
    )
    weights: Place | None = Field(
        None,
        min_length=1,
        description=f"{', '.join(PRETRAINED)}, a run folder, a checkpoint, an exported .safetensors file, "
        f"{HUB}USER/NAME, or null",
    )
    search: Annotated[Search, CHECKED_APART] | None = Field(
        None, description="a search over ranges of keys: experiment=search, or null"
    )
    resume: Place | None = Field(min_length=1, description="a run folder, or null")
    overwrite: bool = False
    fail_fast: bool = False
    dry_run: bool = False
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the plain values: the class of a blur's group is made when it is checked."""
        return _checked_again, (self.plain(),)


def _checked_again(config: dict[str, Any]) -> TrainConfig:
    from deblur.config.check import check

    return check(config, for_training=False, stored=True)


BY_TARGET: dict[str, type[Target]] = {
    "deblur.models.ResNet": ResNet,
    "deblur.models.SRCNN": SRCNN,
    "deblur.models.Unrolled": Unrolled,
    "deblur.data.SyntheticData": SyntheticData,
    "deblur.data.FolderData": FolderData,
    "deblur.data.PairsData": PairsData,
    "deblur.data.PhotosData": PhotosData,
    "deblur.data.AnimeFacesData": AnimeFacesData,
    "deblur.training.callbacks.ComparisonGrids": ComparisonGrids,
    "deblur.training.loggers.MLflow": MLflow,
    "deblur.training.loggers.WandB": WandB,
}

BY_GROUP: dict[str, type[Target]] = {
    "data": OwnData,
    "optimizer": Optimizer,
    "scheduler": Scheduler,
    "trainer": Trainer,
}
