"""Image files -> batches. The classes that need torch are imported when they are first asked for."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from deblur.data.datamodule import DeblurDataModule
    from deblur.data.pairs import PairsData
    from deblur.data.sources import AnimeFacesData, FilesSource, FolderData, ImageSource, PhotosData, SyntheticData
    from deblur.image_io.decoding import BadImageError

__all__ = [
    "AnimeFacesData",
    "BadImageError",
    "DeblurDataModule",
    "FilesSource",
    "FolderData",
    "ImageSource",
    "PairsData",
    "PhotosData",
    "SyntheticData",
]
_MODULES: Final = {  # of the other names: deblur.data.sources
    "BadImageError": "deblur.image_io.decoding",
    "DeblurDataModule": "deblur.data.datamodule",
    "PairsData": "deblur.data.pairs",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES.get(name, "deblur.data.sources")), name)
