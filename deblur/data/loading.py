"""Loaders of batches."""

from typing import Any

from torch.utils.data import DataLoader

from deblur.data.datasets import Sample


class ImageLoader(DataLoader[Sample]):
    """A loader that begins with its first batch, not when it is asked for an iterator.

    With loader processes, torch draws the order of an epoch and sends for the first batches at once. A trainer asks for
    the iterator long before its first epoch, while a resumed run is still being restored: the sampler would not know
    yet which epoch it is.
    """

    def __iter__(self) -> Any:
        """Yield the batches of one epoch."""
        yield from super().__iter__()
