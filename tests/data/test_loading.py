from pathlib import Path

import pytest
import torch
from small_faces import drawn

from deblur.blur import Box


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_is_chosen_until_its_first_batch(cache_root: Path, workers: int) -> None:
    data = drawn(cache_root, Box(5), num_workers=workers)
    orders = []
    for asked_early in (False, True):
        loader = data.train_dataloader()
        early = iter(loader) if asked_early else None
        loader.sampler.set_epoch(3)
        batches = list(early or loader)
        loader.sampler.set_epoch(4)
        orders.append([batch["sharp"] for batch in (*batches, *loader)])
    first, second = orders
    assert len(first) == len(second) == 2 * len(loader)
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
