"""What each group of the configuration may hold: types, ranges and choices.

A field's description says what is allowed; error messages quote it. A group is checked by the schema of the class that
its `_target_` names; a class of the user's own has no schema here and is checked by its signature when it is built.
"""

import contextlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from deblur.config.blurs import Box, Disk, Gaussian, KernelFile, Mixed, Motion, NoBlur
from deblur.config.sections import OpenSection, Section, Target, shown


def _odd(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value % 2 == 0:
        raise ValueError("not odd")
    return value


PositiveInt = Annotated[int, Field(ge=1)]
Odd = Annotated[int, BeforeValidator(_odd)]


class SRCNN(Target):
    """Schema of `deblur.models.SRCNN`."""

    kernel_sizes: list[Odd] = Field(
        min_length=2, description="a list of at least two odd whole numbers, such as [9,1,5]"
    )
    widths: list[PositiveInt] = Field(
        description="a list of positive whole numbers, one fewer than model.kernel_sizes, such as [64,32]"
    )
    residual: bool = Field(description="true or false")
    dropout: float = Field(ge=0, lt=1, description="a number from 0 to below 1")
    compile: bool = Field(False, description="true or false")

    @model_validator(mode="after")
    def _one_width_between_two_layers(self) -> "SRCNN":
        if len(self.widths) != len(self.kernel_sizes) - 1:
            raise ValueError(
                f"model.widths={shown(self.widths)} does not fit model.kernel_sizes={shown(self.kernel_sizes)}: "
                f"give {len(self.kernel_sizes) - 1}, one between each two layers."
            )
        return self


class Optimizer(OpenSection):
    """Schema of every optimizer: what all of them share."""

    target: str = Field(alias="_target_", description="the import path of a torch.optim class")
    lr: float = Field(gt=0, allow_inf_nan=False, description="a number above 0")
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False, description="a number from 0 up")
    last_layer_lr_scale: float = Field(1.0, gt=0, allow_inf_nan=False, description="a number above 0")


class Scheduler(OpenSection):
    """Schema of every scheduler."""

    target: str = Field(alias="_target_", description="the import path of a torch.optim.lr_scheduler class")


class _Data(Target):
    seed: int = Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")
    max_bad_fraction: float = Field(ge=0, le=1, description="a number from 0 to 1")
    patch_size: int | None = Field(ge=1, description="a whole number from 1 up [px], or null for whole images")
    patches_per_image: int = Field(ge=1, description="a whole number from 1 up")
    batch_size: int = Field(ge=1, description="a whole number from 1 up")
    flips: bool = Field(description="true or false")
    eval_crop: int | None = Field(ge=1, description="a whole number from 1 up [px], or null for whole images")
    eval_batch_size: int = Field(ge=1, description="a whole number from 1 up")
    num_workers: int = Field(ge=0, description="a whole number from 0 up")
    border: Literal["symmetric", "real"] = Field("symmetric", description="symmetric or real")
    cache_memory: float = Field(1.0, ge=0, allow_inf_nan=False, description="a number from 0 up [GiB]")

    @model_validator(mode="after")
    def _whole_images_in_a_batch(self) -> "_Data":
        if self.patch_size is not None and self.batch_size % self.patches_per_image:
            raise ValueError(
                f"data.batch_size={self.batch_size} is no multiple of data.patches_per_image={self.patches_per_image}: "
                "a batch holds all patches of its images. Change one of the two."
            )
        return self


SHARED_DATA_KEYS = frozenset(_Data.model_fields) - frozenset(Target.model_fields)  # that every data group has


class SyntheticData(_Data):
    """Schema of `deblur.data.SyntheticData`."""

    max_images: int = Field(ge=3, description="a whole number from 3 up: how many faces are drawn")


class FolderData(_Data):
    """Schema of `deblur.data.FolderData`."""

    root: str = Field(min_length=1, description="a folder with images: data.root=DIR")
    max_images: int | None = Field(ge=3, description="a whole number from 3 up, or null for all images")

    @model_validator(mode="after")
    def _root_is_a_folder(self) -> "FolderData":
        _refuse_no_folder("data.root", self.root)
        return self


class PairsData(_Data):
    """Schema of `deblur.data.PairsData`."""

    sharp: str = Field(min_length=1, description="a folder with sharp images: data.sharp=DIR")
    blurred: str = Field(min_length=1, description="a folder with the same images, blurred: data.blurred=DIR")
    max_images: int | None = Field(ge=3, description="a whole number from 3 up, or null for all pairs")

    @model_validator(mode="after")
    def _two_folders(self) -> "PairsData":
        _refuse_no_folder("data.sharp", self.sharp)
        _refuse_no_folder("data.blurred", self.blurred)
        if Path(self.sharp).samefile(self.blurred):
            raise ValueError(f"data.blurred={self.blurred} is data.sharp as well: give two folders.")
        return self


class PhotosData(_Data):
    """Schema of `deblur.data.PhotosData`."""

    max_images: int | None = Field(ge=3, description="a whole number from 3 up, or null for all images")


class AnimeFacesData(_Data):
    """Schema of `deblur.data.AnimeFacesData`."""

    max_images: int | None = Field(ge=3, description="a whole number from 3 up, or null for all images")


def _refuse_no_folder(key: str, place: str) -> None:
    state = "does not exist"
    with contextlib.suppress(OSError):  # such as a name that is too long
        if Path(place).is_dir():
            return
        state = "is a file" if Path(place).is_file() else state
    raise ValueError(f"{key}={place} {state}: give a folder with images.")


class Trainer(OpenSection):
    """Schema of the trainer: the keys that this project reads itself; the others are Lightning's."""

    target: str = Field(alias="_target_", description="lightning.pytorch.Trainer")
    max_epochs: int = Field(ge=1, description="a whole number from 1 up")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        description="auto, 32-true, bf16-mixed or 16-mixed"
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(description="auto, cpu, gpu or mps")
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(1, description="a whole number from 1 up, or auto")
    deterministic: Literal["auto"] | bool = Field("auto", description="auto, true or false")

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


class ImageStrips(Target):
    """Schema of `deblur.training.callbacks.ImageStrips`."""

    images: int = Field(ge=1, description="a whole number from 1 up")
    every_n_epochs: int = Field(ge=1, description="a whole number from 1 up")


class Paths(Section):
    """Where files go."""

    output_root: str = Field(min_length=1, description="a folder")
    cache_root: str | None = Field(description="a folder, or null for the user's cache folder")


class Train(Section):
    """The top level of conf/train.yaml; its groups are checked one by one."""

    model: dict[str, Any] = Field(description="a group: model=NAME")
    blur: dict[str, Any] = Field(description="a group: blur=NAME")
    optimizer: dict[str, Any] = Field(description="a group: optimizer=NAME")
    scheduler: dict[str, Any] | None = Field(description="a group: scheduler=NAME")
    data: dict[str, Any] = Field(description="a group: data=NAME")
    trainer: dict[str, Any] = Field(description="a group: trainer=NAME")
    callbacks: dict[str, Any] | None = Field(description="a group: callbacks=NAME")
    logger: dict[str, Any] | None = Field(description="a group: logger=NAME")
    paths: dict[str, Any] = Field(description="output_root and cache_root")
    loss: Literal["mse", "l1", "charbonnier"] = Field(description="mse, l1 or charbonnier")
    seed: int = Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")
    sweep: str | None = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="a name of letters, digits, dots, underscores and hyphens that does not start with a dot, or null",
    )
    resume: str | None = Field(description="a run folder, or null")
    overwrite: bool = Field(False, description="true or false")
    fail_fast: bool = Field(False, description="true or false")
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")


def sweep_names(value: Any) -> list[str]:
    """Return the names of sweeps: of one, of a list, or of a list in a text such as `[a,b]`.

    Raises:
        ValueError: where there is none.
    """
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = [name.strip() for name in value[1:-1].split(",")]
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("no names")
    return list(dict.fromkeys(names))


class Report(Section):
    """The top level of conf/report.yaml."""

    sweep: Annotated[list[str], BeforeValidator(sweep_names)] = Field(description="the name of a sweep: sweep=NAME")
    listing: bool = Field(alias="list", description="true or false")
    study: bool = Field(description="true or false")
    strips: bool = Field(description="true or false")
    output: str | None = Field(min_length=1, description="a folder, or null")
    paths: dict[str, Any] = Field(description="output_root and cache_root")

    @model_validator(mode="after")
    def _one_thing_at_a_time(self) -> "Report":
        if self.study and self.listing:
            raise ValueError("study=true writes a page and list=true a list: give one of them.")
        if self.study and not self.strips:
            raise ValueError("study does not read strips: its page has no pictures of test images. Leave strips out.")
        return self


class Evaluate(Section):
    """The top level of conf/evaluate.yaml."""

    data: dict[str, Any] = Field(description="a group: data=NAME")
    blur: dict[str, Any] = Field(description="a group: blur=NAME")
    run: str | None = Field(description="a run folder, a checkpoint file, or null")
    sweep: str | None = Field(description="the name of a sweep, or null")
    baseline: list[Literal["none", "wiener", "richardson_lucy", "dct_wiener"]] = Field(
        description="a list of none, wiener, richardson_lucy, dct_wiener"
    )
    cross: bool = Field(description="true or false")
    fir: bool = Field(description="true or false")
    compare: list[str] = Field(description="a list of two run folders: compare=[DIR,DIR]")
    both_borders: bool | None = Field(description="true, false or null")
    split: Literal["train", "val", "test", "all"] | None = Field(description="train, val, test, all or null")
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(description="auto, cpu, gpu or mps")
    output: str | None = Field(min_length=1, description="a folder, or null")
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")
    paths: dict[str, Any] = Field(description="output_root and cache_root")

    @model_validator(mode="after")
    def _something_to_evaluate(self) -> "Evaluate":
        asked = [self.run is not None, self.sweep is not None, bool(self.compare)]
        if sum(asked) > 1 or not (any(asked) or self.baseline or self.fir):
            raise ValueError("Give one of run=DIR, sweep=NAME, compare=[DIR,DIR], or baseline=[...] or fir=true alone.")
        if self.cross and self.sweep is None:
            raise ValueError("cross=true needs the networks of a sweep: add sweep=NAME.")
        self._refuse_words_without_effect()
        if self.compare and len(self.compare) != 2:
            raise ValueError(f"compare={shown(self.compare)} is not allowed: give two run folders.")
        if len(set(self.baseline)) < len(self.baseline):
            raise ValueError(f"baseline={shown(self.baseline)} is not allowed: name each restorer once.")
        return self

    def _refuse_words_without_effect(self) -> None:
        unread = {
            "cross": ("fir", "baseline", "both_borders", "data", "blur", "split", "output"),
            "fir": ("run", "baseline", "both_borders", "split"),
            "compare": ("fir", "baseline", "both_borders", "data", "blur", "split"),
        }
        for kind, keys in unread.items():
            given = [key for key in keys if getattr(self, kind) and getattr(self, key)]
            if given:
                raise ValueError(
                    f"{kind} does not read {', '.join(given)}: leave that out, or give it in a command alone."
                )


class Restore(Section):
    """The top level of conf/restore.yaml."""

    input: str = Field(min_length=1, description="a picture or a folder of pictures: input=FILE")
    output: str | None = Field(min_length=1, description="a file or a folder, or null")
    network: str | None = Field(min_length=1, description="the name of a network that ships, list, or null")
    run: str | None = Field(min_length=1, description="a run folder, a checkpoint or an exported file, or null")
    color: Literal["luma", "channels"] = Field(description="luma or channels")
    side_by_side: bool = Field(description="true or false")
    simulate: bool = Field(description="true or false")
    blur: dict[str, Any] = Field(description="a group: blur=NAME")
    overwrite: bool = Field(description="true or false")
    max_megapixels: float = Field(gt=0, allow_inf_nan=False, description="a number above 0")
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(description="auto, cpu, gpu or mps")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(description="auto, 32-true or bf16-mixed")
    trusted: list[str] = Field(description="a list of module names, such as [my_nets]")

    @model_validator(mode="after")
    def _no_word_without_effect(self) -> "Restore":
        if self.network is not None and self.run is not None:
            raise ValueError(f"network={self.network} and run={self.run} are two networks: leave out one.")
        if self.blur and not self.simulate:
            raise ValueError("blur is read by simulate=true alone: add that, or leave blur out.")
        if self.side_by_side and (self.simulate or self.network == "list"):
            other = "simulate=true" if self.simulate else "network=list"
            raise ValueError(f"side_by_side=true and {other} do not go together: {other} shows pictures side by side.")
        if self.simulate and self.network == "list":
            raise ValueError("simulate=true needs one network: network=NAME in place of network=list.")
        return self


BY_TARGET: dict[str, type[Section]] = {
    "deblur.models.SRCNN": SRCNN,
    "deblur.blur.Gaussian": Gaussian,
    "deblur.blur.Box": Box,
    "deblur.blur.Motion": Motion,
    "deblur.blur.NoBlur": NoBlur,
    "deblur.blur.Disk": Disk,
    "deblur.blur.Mixed": Mixed,
    "deblur.blur.KernelFile": KernelFile,
    "deblur.data.SyntheticData": SyntheticData,
    "deblur.data.FolderData": FolderData,
    "deblur.data.PairsData": PairsData,
    "deblur.data.PhotosData": PhotosData,
    "deblur.data.AnimeFacesData": AnimeFacesData,
    "deblur.training.callbacks.ImageStrips": ImageStrips,
}

BY_GROUP: dict[str, type[Section]] = {
    "optimizer": Optimizer,
    "scheduler": Scheduler,
    "trainer": Trainer,
    "paths": Paths,
}
