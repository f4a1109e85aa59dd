"""Image files -> batches. The classes that need torch are imported when they are first asked for."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deblur.data.datamodule import DeblurDataModule
    from deblur.data.options import AnimeFacesData, FolderData, PairsData, PhotosData, SyntheticData

__all__ = ["AnimeFacesData", "DeblurDataModule", "FolderData", "PairsData", "PhotosData", "SyntheticData"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deblur.data import datamodule, options

    return getattr(datamodule if name == "DeblurDataModule" else options, name)
