"""What is refused of the jobs of a command, a sweep or a search, before the first of them starts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deblur.config.chosen import build_loss, build_metrics
from deblur.config.extras import refuse_absent_loggers
from deblur.config.signatures import refuse_unfit_arguments
from deblur.config.sweeps import SweepRefused
from deblur.data.sizes import refuse_too_large_patch
from deblur.errors import UserError
from deblur.runs.paths import refuse_unwritable
from deblur.sweeps.sweep import Job, Sweep
from deblur.training.starting import refuse_unfit_weights


def refuse_untrainable(folder: Path, jobs: Sequence[Job]) -> None:
    """Refuse jobs that cannot be trained, or not in this folder, as far as that is known without torch.

    Args:
        folder: of the sweep or search.
        jobs: with checked configurations.

    Raises:
        SweepRefused: for the first job that is refused, or for the folder.
    """
    for job in jobs:
        with _refused(job):
            refuse_absent_loggers(job.config)
            refuse_too_large_patch(job.config)
            build_loss(job.config.loss, job.config.trusted)
            build_metrics(job.config.metrics, job.config.trusted)
    try:
        refuse_unwritable(folder)
    except (OSError, UserError) as error:
        raise SweepRefused("", error) from error
    conflict = Sweep(folder, tuple(jobs)).first_conflict()
    if conflict is not None:
        raise conflict[0].refused(conflict[1])
    fitting: set[str] = set()
    for job in jobs:
        with _refused(job):
            refuse_unfit_weights(job.config, job.folder, fitting)


def refuse_unfit_classes(jobs: Sequence[Job]) -> None:
    """Refuse arguments that a class does not take; this imports the classes, and with them torch.

    Args:
        jobs: as above.

    Raises:
        SweepRefused: for the first job that is refused.
    """
    known: set[str] = set()
    for job in jobs:
        with _refused(job):
            refuse_unfit_arguments(job.config, known)


@contextmanager
def _refused(job: Job) -> Iterator[None]:
    """Raise the SweepRefused of a job for a UserError."""
    try:
        yield
    except UserError as error:
        raise job.refused(error) from error
