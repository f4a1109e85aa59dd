from pathlib import Path

import pytest
import torch
from small_faces import drawn

from deblur.blur import Box
from deblur.data.loading import ImageLoader, loader_errors_as_user_errors, start_loader_process
from deblur.errors import UserError


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


class Unsent:
    """A batch that cannot be handed over by the process that made it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __reduce__(self) -> str:
        raise RuntimeError(self.reason)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("unable to allocate shared memory(shm) for file </torch_1_2_3>: No space left on device (28)", "is full"),
        ("unable to open shared memory object </torch_1_2_3>: Too many open files (24)", "^Too many files are open"),
        ("it cannot be pickled", "ended unexpectedly"),
    ],
)
def test_a_batch_that_is_not_handed_over_ends_the_waiting(reason: str, sentence: str) -> None:
    loader = ImageLoader(
        [reason], collate_fn=lambda batch: Unsent(*batch), num_workers=1, worker_init_fn=start_loader_process
    )  # type: ignore[arg-type, misc] # any data set
    with pytest.raises(UserError, match=sentence), loader_errors_as_user_errors(1):
        list(loader)


def test_a_lack_of_memory_is_a_sentence() -> None:
    with pytest.raises(UserError, match="The memory does not suffice"), loader_errors_as_user_errors(0):
        torch.empty(2**60)


def test_a_gpu_without_enough_memory_is_a_sentence() -> None:
    said = r"memory of the GPU does not suffice: take a smaller data\.batch_size"
    with pytest.raises(UserError, match=said), loader_errors_as_user_errors(0):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(OSError, match="No space left"), loader_errors_as_user_errors(2):
        raise OSError(28, "No space left on device")  # such as of the disk that checkpoints are written to
    with pytest.raises(ZeroDivisionError), loader_errors_as_user_errors(2):
        raise ZeroDivisionError


def test_what_hides_a_sentence_is_not_told() -> None:
    def stop_and_clean_up() -> None:
        try:
            raise UserError("The loss became nan.")
        finally:
            raise RuntimeError("Please call `iter(combined_loader)` first.")

    with pytest.raises(UserError, match=r"^The loss became nan\.$"), loader_errors_as_user_errors(0):
        stop_and_clean_up()
