"""Words with which a training takes a second and gives the same figures on every machine."""

SMALLEST = (
    "data.patch_size=32",
    "data.eval_crop=64",
    "model.kernel_sizes=[5,3]",
    "model.widths=[6]",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
)
