"""The event file of a run, which TensorBoard reads.

A run has one event file, and the file belongs to the run's checkpoints: before a checkpoint is written, the events are
on the disk, and the checkpoint holds how long the file is. A resumed run copies that much into a new file and continues
there, so nothing is missing and nothing stands in it twice, whichever program reads it. TensorBoard's own way, an event
that has its reader forget later steps, is not enough: the first such event in a folder is ignored, files of the same
second are read in any order, and one of its two readers does not know such events.
"""

import logging
import os
import re
import socket
import struct
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tensorboard.compat.proto.event_pb2 import Event, SessionLog, SourceMetadata
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.writer import FileWriter, SummaryWriter

from deblur.files import write_bytes

PATTERN: Final = "events.out.tfevents.*"
_VERSION: Final = "brain.Event:2"
_HEADER, _FOOTER = 12, 4  # bytes around a record: its length with a checksum, and the checksum of its content

log = logging.getLogger(__name__)


class Record(NamedTuple):
    """An event in a file.

    Attributes:
        event: the content.
        stored: its bytes in the file, with length and checksums.
        end: where it ends in the file.
    """

    event: Event
    stored: bytes
    end: int


@dataclass(frozen=True)
class KeptEvents:
    """The events that a resumed run has behind it.

    Attributes:
        path: the file to continue.
        tags: what is in it: tags and steps.
    """

    path: Path
    tags: set[tuple[str, int]] = field(default_factory=set)


class EventWriter(SummaryWriter):
    """Appends events to one file, in this thread.

    Torch's own begins a file of its own and writes in a thread, which prints a traceback when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it.

        Raises:
            OSError: if it cannot be written; so do the methods that write.
        """
        self._path = path
        super().__init__(str(path.parent))

    def _get_file_writer(self) -> FileWriter:
        """Return what writes; after `close` the same file is continued."""
        writer: FileWriter | None = self.file_writer
        if writer is None:
            writer = _FileWriter(self._path)
            self.file_writer = writer  # type: ignore[assignment] # torch says that these two are None
            self.all_writers = {str(self._path.parent): writer}  # type: ignore[assignment] # as above
        return writer

    def sync(self) -> int:
        """Wait until all events are on the disk.

        Returns:
            How long the file is [bytes].
        """
        self.flush()
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)


class _FileWriter(FileWriter):
    """Torch's writer on a file that is appended to."""

    def __init__(self, path: Path) -> None:
        self.event_writer = _EventFile(path)


class _EventFile:
    """What torch's writer expects of TensorBoard's, without a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reopen()

    def get_logdir(self) -> str:
        return str(self._path.parent)

    def add_event(self, event: Event) -> None:
        with _named(self._path):
            self._records.write(event.SerializeToString())

    def flush(self) -> None:
        with _named(self._path):
            self._records.flush()

    def close(self) -> None:
        with _named(self._path):
            self._records.close()

    def reopen(self) -> None:
        is_new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._records = RecordWriter(self._path.open("ab"))
        if is_new:
            for event in _beginning():
                self.add_event(event)
            self.flush()


def new_event_file(folder: Path) -> Path:
    """Return the name for an event file that is read after those in the folder; TensorBoard goes by the alphabet."""
    latest = max((_second(path) for path in folder.glob(PATTERN)), default=0)
    second = max(int(time.time()), latest + 1)
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    return folder / f"{PATTERN[:-1]}{second:010d}.{host}.{os.getpid()}.0"


def _second(path: Path) -> int:
    found = re.match(r"\d+", path.name.removeprefix(PATTERN[:-1]))
    return int(found[0]) if found else 0


def keep_events(folder: Path, size: int | None, steps: int, left_out: Set[str] = frozenset()) -> KeptEvents:
    """Go back to the events of a checkpoint: keep them in a file of their own, and empty all others.

    What was written after the checkpoint is kept if its step comes before: what callbacks have measured at the end of
    an epoch is logged after that.

    Args:
        folder: of the run.
        size: how long the file was when the checkpoint was written [bytes]; None if that is not known.
        steps: how many steps were taken then.
        left_out: tags of events that are not kept.

    Raises:
        OSError: if the file cannot be written; the old ones are still there then.
    """
    files = {path: read_records(path) for path in sorted(folder.glob(PATTERN)) if path.stat().st_size}
    whole = [path for path, records in files.items() if any(record.end == size for record in records)]
    if whole:
        found = files[whole[-1]]
        kept = [record for record in found if record.end <= (size or 0) or record.event.step < steps]
    else:
        if size is not None:
            log.warning(
                f"The TensorBoard events in {folder} are damaged or missing: their curves are taken from the "
                "checkpoint, the images of earlier epochs are lost."
            )
        kept = _before(steps, [record for records in files.values() for record in records])
    kept = [record for record in kept if not any(value.tag in left_out for value in record.event.summary.value)]
    tags = {(value.tag, record.event.step) for record in kept for value in record.event.summary.value}
    if not left_out and len(files) == len(whole) == 1 and kept[-1].end == whole[0].stat().st_size:
        return KeptEvents(whole[0], tags)
    beginning = [] if whole else [_stored(event.SerializeToString()) for event in _beginning()]
    path = new_event_file(folder)
    write_bytes(path, b"".join([*beginning, *(record.stored for record in kept)]))
    # A TensorBoard that is open would wait for ever for an old file that is gone, and never look at the new one.
    for old in files:
        os.truncate(old, 0)
    return KeptEvents(path, tags)


def remove_other_event_files(path: Path) -> None:
    """Remove the emptied files next to the event file of a run that is done."""
    for other in path.parent.glob(PATTERN):
        if other != path:
            other.unlink(missing_ok=True)


def _before(steps: int, records: Sequence[Record]) -> list[Record]:
    """Return the summaries of earlier steps, each once: of those that several files hold, the last one."""
    found = {
        (record.event.step, tuple(value.tag for value in record.event.summary.value)): record
        for record in records
        if record.event.HasField("summary") and record.event.step < steps
    }
    return list(found.values())


def read_records(path: Path) -> list[Record]:
    """Read an event file up to its end or to the first record that is damaged."""
    records: list[Record] = []
    content, start = path.read_bytes(), 0
    while True:
        header = content[start : start + _HEADER]
        if len(header) < _HEADER or header[8:] != _checksum(header[:8]):
            return records
        end = start + _HEADER + struct.unpack("<Q", header[:8])[0] + _FOOTER
        serialized = content[start + _HEADER : end - _FOOTER]
        if len(content) < end or content[end - _FOOTER : end] != _checksum(serialized):
            return records
        try:
            event = Event.FromString(serialized)
        except Exception:  # protobuf's own kinds, of which there are several
            return records
        records.append(Record(event, content[start:end], end))
        start = end


def _beginning() -> Iterator[Event]:
    """Yield what stands first in a file; the second has a reader that has read an older one forget all of it."""
    writer = SourceMetadata(writer="deblur")
    yield Event(wall_time=time.time(), file_version=_VERSION, source_metadata=writer)
    yield Event(wall_time=time.time(), step=0, session_log=SessionLog(status=SessionLog.START))


def _stored(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _checksum(content: bytes) -> bytes:
    checksum: Any = masked_crc32c(content)
    return struct.pack("<I", checksum)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in errors of the operating system, which knows it by a number."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise
