"""Words with which a training takes a second, in float32 on the CPU whatever the machine has."""

SMALLEST = (
    "data.patch_size=32",
    "data.eval_crop=64",
    "model.kernel_sizes=[5,3]",
    "model.widths=[6]",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
)
