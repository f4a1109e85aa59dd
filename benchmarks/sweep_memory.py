"""Does a sweep's process grow from run to run? `python -m benchmarks.sweep_memory`."""

import tempfile
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from deblur.train import main

RUNS = 6
MIB = 2**20  # bytes
PAGE = 4096  # bytes


class Memory(Callback):
    """Prints the memory of the process at the end of each run."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Read it where Linux tells it."""
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
        print(f"memory at the end of the run: {resident / MIB:.0f} MiB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(
            [
                "-m",
                f"seed=range({RUNS})",
                "data.max_images=200",
                "trainer.max_epochs=2",
                "+callbacks.memory._target_=benchmarks.sweep_memory.Memory",
                "trusted=[benchmarks.sweep_memory]",
                f"paths.output_root={folder}",
            ]
        )
