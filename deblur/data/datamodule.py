"""The LightningDataModule: an image source -> cached images -> splits -> batches."""

import inspect
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as L
import numpy as np
import platformdirs
import torch
from torch.utils.data import DataLoader

from deblur.blur import Degradation
from deblur.blur.camera import Space
from deblur.blur.images import AnyImage, Crop, image_of
from deblur.blur.kernels import Psf
from deblur.config.schema import Data, DataSettings
from deblur.data.cache import ImageCache
from deblur.data.datasets import (
    EvaluationDataset,
    Sample,
    as_float,
    batches_of_one_shape,
    collate_images,
)
from deblur.data.device_blur import WINDOWS, WindowDataset, degraded
from deblur.data.loading import ImageLoader, single_thread_opencv, start_loader_process
from deblur.data.pairs import open_images
from deblur.data.patches import EpochSampler, TrainingDataset, collate_patches
from deblur.data.sizes import fitting, large_enough, nothing_left
from deblur.data.sources import ImageSource, source_of
from deblur.data.splits import Kind, Splits, split, split_fold
from deblur.errors import UserError
from deblur.text import counted

_GIB: Final = 1024**3  # bytes
_IMAGES: Final[dict[Kind, str]] = {"train": "training images", "val": "validation images", "test": "test images"}


class DeblurDataModule(L.LightningDataModule):
    """Batches {blurred, sharp} for training and {blurred, sharp, name, degradation} for evaluation.

    The loaders give uint8, which is cheap to move; on the device the images become float32 in [0, 1], (N, 1, H, W), or
    (N, 3, H, W) with `data.color=rgb`. With `data.degrade_on=device`, training images are blurred there as well.

    Which images there are and which split each of them belongs to depends on the files and the seed alone. Images too
    small for one training, its patches or what its blur leaves within a valid boundary, are left out of that training.

    Attributes:
        source: The sharp images.
        images: The cached sharp images, after `open_images` or `setup`.
        inputs: What is degraded, likewise: the sharp images, or the given blurred ones.
        splits: What this training uses of each split, after `setup`.
        too_small: How many images of each split it does not use, after `setup`.
    """

    images: ImageCache
    inputs: ImageCache
    splits: Splits
    too_small: dict[str, int]

    def __init__(
        self,
        source: ImageSource,
        degradation: Degradation,
        settings: DataSettings,
        *,
        training_seed: int = 0,
        cache_root: str | None = None,
        context: int = 0,
    ) -> None:
        """Describe the data.

        Args:
            source: The sharp images.
            degradation: What blurs the images.
            settings: What all data sets share; conf/train.yaml explains it.
            training_seed: Of the order, flips, drawn blurs and patches of training.
            cache_root: The folder for decoded images; None is the user's cache folder.
            context: Further blurred pixels on each side of a training patch, for a network that does not pad.

        Raises:
            UserError: The degradation is of a custom class that cannot blur with a circular boundary.
        """
        super().__init__()
        if settings.boundary == "circular" and "boundary" not in inspect.signature(degradation.apply).parameters:
            raise UserError(
                f"data.boundary=circular needs a blur that knows of it, and {type(degradation).__name__}.apply has no "
                "argument boundary: take data.boundary=symmetric or valid."
            )
        self.source = source
        self._left_out: frozenset[int] = frozenset()
        self.known_kernels = False  # whether batches hold `psf` and `noise_sigma`
        self._degradation = degradation
        self._settings = settings
        self._cache_root = Path(cache_root) if cache_root else Path(platformdirs.user_cache_path("deblur"))
        self._memory_limit = int(settings.cache_memory * _GIB)
        self._training_seed = training_seed
        self._context = context

    def open_images(self) -> None:
        """Open the cache, after decoding or drawing the images that are not in it.

        Raises:
            UserError: Too many images are unreadable, or blurred images have another size than the sharp ones.
        """
        if not hasattr(self, "images"):
            single_thread_opencv()
            self.images, self.inputs = open_images(
                self.source,
                self._cache_root,
                color=self._settings.color,
                max_bad_fraction=self._settings.max_bad_fraction,
                memory_limit=self._memory_limit,
            )

    def share_images(self, other: "DeblurDataModule") -> None:
        """Take the open images and the division of another data module; only its blur and boundary may differ."""
        self.images, self.inputs = other.images, other.inputs
        self.__dict__["division"] = other.division

    @cached_property
    def division(self) -> Splits:
        """The split that each image belongs to, whatever its size, after `open_images`.

        Raises:
            UserError: There are too few images.
        """
        settings, digests = self._settings, self.images.digests
        max_val, max_test = settings.max_val_images, settings.max_test_images
        groups = self.source.groups(self.images.names)
        if settings.fold is None or settings.folds is None:
            return split(digests, settings.seed, max_val=max_val, max_test=max_test, groups=groups)
        return split_fold(
            digests,
            settings.seed,
            settings.fold,
            settings.folds,
            max_val=max_val,
            max_test=max_test,
            groups=groups,
        )

    @property
    def can_be_divided(self) -> bool:
        """Whether there are enough images for a training, a validation and a test split, after `open_images`."""
        try:
            return bool(self.division)
        except UserError:
            return False

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002 # all stages share the images
        """Open the images, divide them, and take what this training can use; warn of what it cannot.

        Raises:
            UserError: As `open_images`; there are too few images or none that is large enough, or whole images of
                several sizes in one batch.
        """
        if hasattr(self, "splits"):
            return
        self.open_images()
        patch_size, batch_size = self._settings.patch_size, self._settings.batch_size
        crops = {"train": replace(self.crop(), crop=None), "val": self.crop(), "test": self.crop()}
        used = {
            kind: large_enough(
                self.images.shapes,
                getattr(self.division, kind),
                crops[kind],
                images,
                patch_size or 1 if kind == "train" else None,
            )
            for kind, images in _IMAGES.items()
        }
        self.splits = Splits(**used)
        self.too_small = {kind: len(getattr(self.division, kind)) - len(indices) for kind, indices in used.items()}
        sizes = {self.images.shapes[index] for index in self.splits.train}
        if patch_size is None and batch_size > 1 and len(sizes) > 1:
            raise UserError(
                f"data.patch_size=null with data.batch_size={batch_size} needs images of one size, but there are "
                f"{len(sizes)} sizes: set data.batch_size=1 or a data.patch_size."
            )

    def leave_out_of_test(self, images: Collection[int]) -> None:
        """Test on the other test images alone, after `setup`.

        Args:
            images: indices of test images that would flatter the result.
        """
        self._left_out = frozenset(images)
        tested = tuple(index for index in self.splits.test if index not in self._left_out)
        self.splits = replace(self.splits, test=tested)

    @property
    def left_out(self) -> int:
        """How many test images `leave_out_of_test` has left out."""
        return len(self._left_out)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return batches of training patches; an epoch's order is that of the sampler's epoch at its first batch."""
        patch_size, patches_per_image = self._settings.patch_size, self._settings.patches_per_image
        kind = WindowDataset if self._settings.degrade_on == "device" else TrainingDataset
        dataset = kind(
            self.images,
            self.inputs,
            self.splits.train,
            self._degradation,
            seed=self._training_seed,
            crop=replace(self.crop(), crop=None),
            context=self._context,
            patch_size=patch_size,
            patches_per_image=patches_per_image,
            flips=self._settings.flips,
            memory_limit=self._memory_limit - self.images.held_bytes,
            known_kernels=self.known_kernels,
            fresh=self._fresh_image if self.source.is_fresh else None,
        )
        sampler = EpochSampler(self.splits.train, self._training_seed, *self._place(), announce=self._announce)
        images = self._settings.batch_size // (1 if patch_size is None else patches_per_image)
        return ImageLoader(dataset, images, sampler=sampler, collate_fn=collate_patches, **self._loading())

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return batches of validation images."""
        return self.evaluation_dataloader(self.measurable("val", self.crop()), self.crop())

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return batches of test images."""
        measurable = self.measurable("test", self.crop())
        tested = tuple(index for index in measurable if index not in self._left_out)
        return self.evaluation_dataloader(tested, self.crop())

    def evaluation_dataloader(self, indices: tuple[int, ...], crop: Crop) -> DataLoader[Sample]:
        """Return batches of crops of some of the images, degraded as in validation and test.

        Raises:
            UserError: There are fewer batches than processes.
        """
        shapes = [crop.shape(self.images.shapes[index]) for index in indices]
        batches = batches_of_one_shape(shapes, self._settings.eval_batch_size)
        rank, processes = self._place()
        if len(batches) < processes:
            made = f"{counted(len(indices), 'image makes', 'images make')} {counted(len(batches), 'batch', 'batches')}"
            raise UserError(
                f"{made} for {processes} processes, and each needs one: "
                "take more images, fewer trainer.devices or a smaller data.eval_batch_size."
            )
        dataset = self.evaluation_dataset(indices, crop)
        mine = batches[rank::processes]
        return ImageLoader(dataset, batch_sampler=mine, collate_fn=collate_images, **self._loading())

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:  # noqa: ARG002
        """Turn uint8 images into float32 in [0, 1], on the device, after blurring them there if that is set."""
        if WINDOWS in batch:
            batch = degraded(batch, linear=self.space.linear)
        return {key: as_float(value) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}

    @property
    def num_workers(self) -> int:
        """How many loader processes each loader has."""
        return self._settings.num_workers

    @property
    def varies_over_image(self) -> bool:
        """Whether images can have a field of kernels, so that no single kernel is known."""
        return self._degradation.varies_over_image

    def require_one_kernel(self, needed_by: str, *instead: str) -> None:
        """Refuse a kernel that varies over the image, as `Degradation.require_one_kernel` does."""
        self._degradation.require_one_kernel(needed_by, *instead)

    def make_kernels_known(self, needed_by: str) -> None:
        """Let batches hold the kernel and the noise of each image, `psf` and `noise_sigma`; the images are open.

        Args:
            needed_by: What needs them, to begin a sentence.

        Raises:
            UserError: The kernel of an image is not known, or varies over it.
        """
        self.require_one_kernel(needed_by)
        if self.inputs is not self.images:
            raise UserError(
                f"{needed_by} needs the kernel of each image, and of given blurred images it is not known: take "
                "another network, or data=folder data.root=DIR with the sharp images."
            )
        self.known_kernels = True

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows and columns beyond a crop blur into it at most [px]."""
        return self._degradation.reach

    @property
    def space(self) -> Space:
        """The values that are blurred: linear light, or those of the images."""
        return self._degradation.space

    def crop(self) -> Crop:
        """Return the crop that validation and test measure."""
        boundary = self._settings.boundary
        return Crop(boundary, self.reach if boundary == "valid" else (0, 0), self._settings.eval_crop)

    def crops_of_both_boundaries(self) -> tuple[Crop, Crop]:
        """Return the same part of each image, once with a symmetric and once with a valid boundary."""
        valid = Crop("valid", self.reach, self._settings.eval_crop)
        return replace(valid, boundary="symmetric"), valid

    def fitting(self, indices: Iterable[int], crop: Crop) -> tuple[int, ...]:
        """Return those of some images of which a crop leaves anything."""
        return fitting(self.images.shapes, indices, crop)

    def measurable(self, kind: Kind, crop: Crop) -> tuple[int, ...]:
        """Return the images of one split of which a crop leaves anything.

        Raises:
            UserError: It leaves nothing of any, or there are too few images for a division.
        """
        every: tuple[int, ...] = getattr(self.division, kind)
        found = self.fitting(every, crop)
        if not found:
            raise nothing_left([self.images.shapes[index] for index in every], _IMAGES[kind], crop.margin)
        return found

    def evaluation_dataset(self, indices: Iterable[int], crop: Crop | None = None) -> EvaluationDataset:
        """Return some of the images, degraded as in validation and test, or another crop of them."""
        return EvaluationDataset(
            self.images,
            tuple(indices),
            self._degradation,
            seed=self._settings.seed,
            crop=crop or self.crop(),
            inputs=self.inputs,
            known_kernels=self.known_kernels,
        )

    def fitting_images(self, count: int, crop: Crop) -> tuple[list[AnyImage], list[AnyImage], list[Psf]]:
        """Return training images to fit a restorer on, degraded as in validation and test.

        Which ones does not depend on the size of a patch.

        Args:
            count: How many at most.
            crop: What is measured of each; images of which it leaves nothing are left out.

        Returns:
            Sharp and blurred images (H, W) or (H, W, 3) in uint8, and the kernel of each.

        Raises:
            UserError: As `measurable`; the kernel varies over the image.
        """
        self.require_one_kernel("What is fitted on kernels")
        dataset = self.evaluation_dataset(self.measurable("train", crop)[:count], crop)
        samples = [dataset[position] for position in range(len(dataset))]
        sharp, blurred = ([image_of(sample[key]) for sample in samples] for key in ("sharp", "blurred"))
        return sharp, blurred, [sample["kernel"] for sample in samples]

    def _fresh_image(self, epoch: int, index: int) -> AnyImage:
        """Return what is trained on in an epoch in place of an image.

        Raises:
            UserError: It has another shape than the image, as it can have of a custom class.
        """
        made = self.source.fresh_image(epoch, index, self._settings.color)
        expected = (*self.images.shapes[index], *([3] if self._settings.color == "rgb" else []))
        if not isinstance(made, np.ndarray) or made.dtype != np.uint8 or made.shape != expected:
            found = f"{made.dtype} of shape {made.shape}" if isinstance(made, np.ndarray) else type(made).__name__
            raise UserError(
                f"data: fresh_image of {type(self.source).__name__} returns {found} in place of "
                f"{self.images.names[index]}: it must be uint8 of shape {expected}."
            )
        return made

    def _announce(self, indices: Sequence[int]) -> None:
        self.images.announce(indices)
        if self.inputs is not self.images:
            self.inputs.announce(indices)

    def _place(self) -> tuple[int, int]:
        """Return which process this is, of how many that share the training."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _loading(self) -> dict[str, Any]:
        return {
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "worker_init_fn": start_loader_process,
            # Only pinned memory is copied to a GPU without blocking.
            "pin_memory": self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            # A loader draws a seed for its processes; drawn from torch's own generator it would change the dropout.
            "generator": torch.Generator(),
        }


def build_data_module(
    section: Data, degradation: Degradation, *, trusted: Sequence[str] = (), **arguments: Any
) -> DeblurDataModule:
    """Build the data module that a group of the configuration describes.

    Args:
        section: The checked group `data`: the settings that all data sets share, and the arguments of the class that
            `_target_` names, an `ImageSource`.
        degradation: What blurs the images.
        trusted: Modules that the user named on the command line.
        **arguments: `training_seed`, `cache_root` and `context` of `DeblurDataModule`.

    Raises:
        UserError: As `source_of`.
    """
    return DeblurDataModule(source_of(section, trusted), degradation, section, **arguments)
