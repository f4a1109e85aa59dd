"""The options of the data group: what each of them takes its images from."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from deblur.blur import Degradation
from deblur.data.anime_faces import download_anime_faces
from deblur.data.datamodule import DeblurDataModule
from deblur.data.pairs import find_pairs, find_pairs_in_tree, without_folder
from deblur.data.photographs import photographs
from deblur.data.sources import FilesSource, FolderSource, ImageSource, SyntheticSource, choose

GroupBy = Literal["folder"] | None


class SyntheticData(DeblurDataModule):
    """Faces and dead leaves drawn by a program: nothing is downloaded."""

    def __init__(self, degradation: Degradation, *, max_images: int, leaves: float = 0.0, **settings: Any) -> None:
        """Describe the data.

        Args:
            degradation: what blurs the images.
            max_images: how many images are drawn.
            leaves: share of them that are dead leaves, the others are faces.
            settings: as for `DeblurDataModule`.
        """
        super().__init__(degradation, **settings)
        self._max_images = max_images
        self._leaves = leaves

    def source(self) -> ImageSource:
        """Return the drawn images."""
        leaves = round(self._leaves * self._max_images)
        return SyntheticSource(self._max_images - leaves, self._seed, leaves)


class FolderData(DeblurDataModule):
    """A tree of image files."""

    def __init__(
        self,
        degradation: Degradation,
        *,
        root: str,
        max_images: int | None,
        group_by: GroupBy = None,
        **settings: Any,
    ) -> None:
        """Describe the data.

        Args:
            degradation: what blurs the images.
            root: the folder.
            max_images: take this many of the images; None takes all.
            group_by: folder keeps the images of each folder in one set; None divides them singly.
            settings: as for `DeblurDataModule`.
        """
        super().__init__(degradation, **settings)
        self._root = Path(root)
        self._max_images = max_images
        self._group_by = group_by

    def source(self) -> ImageSource:
        """Return the files of the folder."""
        return FolderSource(self._root, self._max_images, self._seed)

    def groups(self) -> Sequence[str] | None:
        """Return the folder of each image, if its images are to stay together."""
        return None if self._group_by is None else [name.rpartition("/")[0] for name in self.images.names]


class PairsData(DeblurDataModule):
    """Sharp image files, and the same images as somebody else blurred them: two trees, or one that holds both."""

    def __init__(
        self,
        degradation: Degradation,
        *,
        sharp: str | None = None,
        blurred: str | None = None,
        root: str | None = None,
        sharp_folder: str = "sharp",
        blurred_folder: str = "blur",
        max_images: int | None,
        group_by: GroupBy = None,
        **settings: Any,
    ) -> None:
        """Describe the data.

        Args:
            degradation: what is done to the blurred images; `NoBlur` leaves them as they are.
            sharp: the folder of the sharp images.
            blurred: the folder of the blurred images, of the same names, suffixes aside.
            root: instead of the two, a folder that holds both.
            sharp_folder: what the folders of the sharp images within it are called.
            blurred_folder: what those of the blurred ones are called.
            max_images: take this many of the pairs; None takes all.
            group_by: folder keeps the pairs of each folder in one set; None divides them singly.
            settings: as for `DeblurDataModule`.

        Raises:
            ValueError: where neither `root` nor the two folders are given.
        """
        super().__init__(degradation, **settings)
        if (root or sharp) is None or (root or blurred) is None:
            raise ValueError("give sharp and blurred, or root")
        self._sharp = Path(root or sharp or "")
        self._blurred = Path(root or blurred or "")
        self._is_one_tree = root is not None
        self._folders = sharp_folder, blurred_folder
        self._max_images = max_images
        self._group_by = group_by

    def source(self) -> ImageSource:
        """Return the sharp files."""
        return FilesSource(self._sharp, self._pairs)

    def blurred_source(self) -> ImageSource:
        """Return the blurred file of each sharp one."""
        return FilesSource(self._blurred, self._pairs.values())

    def groups(self) -> Sequence[str] | None:
        """Return the folder of each pair, without that of its kind, if its pairs are to stay together."""
        if self._group_by is None:
            return None
        kind = self._folders[0] if self._is_one_tree else None
        return [without_folder(name, kind).rpartition("/")[0] for name in self.images.names]

    @cached_property
    def _pairs(self) -> dict[str, str]:
        pairs = (
            find_pairs_in_tree(self._sharp, *self._folders)
            if self._is_one_tree
            else find_pairs(self._sharp, self._blurred)
        )
        return {name: pairs[name] for name in choose(list(pairs), self._max_images, self._seed)}


class PhotosData(DeblurDataModule):
    """The free photographs that come with scikit-image."""

    def __init__(self, degradation: Degradation, *, max_images: int | None, **settings: Any) -> None:
        """Describe the data.

        Args:
            degradation: what blurs the photographs.
            max_images: take this many of them; None takes all.
            settings: as for `DeblurDataModule`.
        """
        super().__init__(degradation, **settings)
        self._max_images = max_images

    def source(self) -> ImageSource:
        """Return the photographs."""
        return photographs(self._max_images, self._seed)


class AnimeFacesData(DeblurDataModule):
    """The anime faces of the original study, downloaded from Kaggle."""

    def __init__(self, degradation: Degradation, *, max_images: int | None, **settings: Any) -> None:
        """Describe the data.

        Args:
            degradation: what blurs the faces.
            max_images: take this many of the faces; None takes all.
            settings: as for `DeblurDataModule`.
        """
        super().__init__(degradation, **settings)
        self._max_images = max_images

    def source(self) -> ImageSource:
        """Download the faces where they are not on this machine; return them."""
        return FolderSource(download_anime_faces(), self._max_images, self._seed)
