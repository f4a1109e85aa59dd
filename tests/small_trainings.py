"""Words with which a training takes a second, in float32 on the CPU whatever the machine has."""

from collections.abc import Sequence

SMALLEST_DATA = ("data.patch_size=32", "data.eval_crop=64", "trainer.precision=32-true", "trainer.accelerator=cpu")
SMALLEST = (*SMALLEST_DATA, "model.kernel_sizes=[5,3]", "model.widths=[6]")
# Three epochs learn slowly, and the fourth one forgets: the third of four is the best one for most initial weights,
# which processors draw differently.
STEEP = "scheduler={_target_: torch.optim.lr_scheduler.MultiStepLR, milestones: [3], gamma: 300.0, interval: epoch}"
SEEDS = range(20)  # one of them has it
UNROLLED_MODEL = ("model=unrolled", "model.stages=1", "model.width=4", "model.inner_width=4")


def without(words: Sequence[str], *keys: str) -> tuple[str, ...]:
    """Return the words of a command that do not give these keys, of which each is given once."""
    given = [word.partition("=")[0] for word in words]
    assert all(given.count(key) == 1 for key in keys), (words, keys)
    return tuple(word for word, key in zip(words, given, strict=True) if key not in keys)
