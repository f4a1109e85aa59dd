"""Words with which a training takes a second, in float32 on the CPU whatever the machine has."""

SMALLEST_DATA = ("data.patch_size=32", "data.eval_crop=64", "trainer.precision=32-true", "trainer.accelerator=cpu")
SMALLEST = (*SMALLEST_DATA, "model.kernel_sizes=[5,3]", "model.widths=[6]")
# Three epochs learn slowly, and the fourth one forgets: the third of four is the best one for most initial weights,
# which processors draw differently.
STEEP = "scheduler={_target_: torch.optim.lr_scheduler.MultiStepLR, milestones: [3], gamma: 300.0, interval: epoch}"
SEEDS = range(20)  # one of them has it
UNROLLED_MODEL = ("model=unrolled", "model.stages=1", "model.width=4", "model.inner_width=4")
