import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as ServedEvents

from deblur.training.events import (
    PATTERN,
    EventWriter,
    keep_events,
    new_event_file,
    read_records,
    remove_other_event_files,
)


def told(folder: Path) -> list[tuple[str, int]]:
    """Return tags and steps of all events in a folder, in their order."""
    records = [record for path in sorted(folder.glob(PATTERN)) for record in read_records(path)]
    return [(value.tag, record.event.step) for record in records for value in record.event.summary.value]


def write_epochs(writer: EventWriter, *epochs: int) -> int:
    """Log two tags for each epoch of ten steps; return how long the file is."""
    for epoch in epochs:
        writer.add_scalar("val/psnr", 20.0 + epoch, epoch * 10 + 9)
        writer.add_scalar("train/loss", 1.0 / (epoch + 1), epoch * 10 + 9)
    return writer.sync()


@pytest.fixture
def writer(tmp_path: Path) -> EventWriter:
    return EventWriter(new_event_file(tmp_path))


def test_one_file_is_written_without_a_thread(tmp_path: Path, writer: EventWriter) -> None:
    threads = threading.active_count()
    write_epochs(writer, 0)
    writer.add_image("strip", np.zeros((4, 6), np.uint8), 10, dataformats="HW")
    assert threading.active_count() == threads
    writer.close()
    write_epochs(writer, 1)  # whoever logs after the end continues the file
    writer.close()
    (path,) = tmp_path.iterdir()
    assert path.match(PATTERN)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("val/psnr")] == [(9, 20.0), (19, 21.0)]
    assert events.Images("strip")[0].width == 6
    assert told(tmp_path) == [(tag, step) for tag, step in told(tmp_path) if tag]
    assert len(told(tmp_path)) == 5


def test_the_length_is_that_of_the_file_on_the_disk(tmp_path: Path, writer: EventWriter) -> None:
    for epoch in range(3):
        length = write_epochs(writer, epoch)
        (path,) = tmp_path.iterdir()
        assert length == path.stat().st_size == read_records(path)[-1].end


def test_a_resumed_run_has_the_events_of_its_checkpoint(tmp_path: Path, writer: EventWriter) -> None:
    length = write_epochs(writer, 0, 1)
    before = told(tmp_path)
    writer.add_scalar("of_a_callback", 1.0, 19)  # logged after the checkpoint, before the next epoch
    write_epochs(writer, 2)
    writer.add_scalar("test/psnr", 22.0, 30)
    writer.flush()

    kept = keep_events(tmp_path, length, 20)
    assert told(tmp_path) == [*before, ("of_a_callback", 19)]
    assert kept.tags == set(told(tmp_path))
    assert [path for path in tmp_path.iterdir() if path.stat().st_size] == [kept.path]
    again = EventWriter(kept.path)
    write_epochs(again, 2)
    assert told(tmp_path) == [*before, ("of_a_callback", 19), ("val/psnr", 29), ("train/loss", 29)]
    remove_other_event_files(kept.path)
    assert list(tmp_path.iterdir()) == [kept.path]


def test_what_is_whole_is_continued_as_it_is(tmp_path: Path, writer: EventWriter) -> None:
    length = write_epochs(writer, 0)
    (path,) = tmp_path.iterdir()
    assert keep_events(tmp_path, length, 10).path == path
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_within_a_resume_loses_nothing(tmp_path: Path, writer: EventWriter) -> None:
    length = write_epochs(writer, 0)
    write_epochs(writer, 1)
    (old,) = tmp_path.iterdir()
    content = old.read_bytes()
    kept = keep_events(tmp_path, length, 10)
    old.write_bytes(content)  # as if the process had been killed before it emptied the old file
    write_epochs(EventWriter(kept.path), 1, 2)
    assert keep_events(tmp_path, length, 10).path > kept.path
    assert told(tmp_path) == [("val/psnr", 9), ("train/loss", 9)]


def test_a_reader_that_has_read_the_old_file_forgets_it(tmp_path: Path, writer: EventWriter) -> None:
    length = write_epochs(writer, 0)
    write_epochs(writer, 1)
    served = ServedEvents(str(tmp_path)).Reload()
    assert len(served.Tensors("val/psnr")) == 2
    kept = keep_events(tmp_path, length, 10)
    write_epochs(EventWriter(kept.path), 1, 2)
    assert [event.step for event in served.Reload().Tensors("val/psnr")] == [9, 19, 29]


def test_files_are_read_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    names = []
    for _ in range(3):  # in the same second
        path = new_event_file(tmp_path)
        path.touch()
        names.append(path.name)
    (tmp_path / f"{PATTERN[:-1]}9999999998.host.1.0").touch()  # by a clock that was wrong
    names.append(new_event_file(tmp_path).name)
    assert sorted(names) == names
    assert max(path.name for path in tmp_path.iterdir()) < new_event_file(tmp_path).name


@pytest.mark.parametrize("damage", ["cut", "flipped", "zeros", "empty", "text", "gone"])
def test_damaged_events_are_told_and_the_whole_ones_kept(
    tmp_path: Path, writer: EventWriter, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = write_epochs(writer, 0)
    length = write_epochs(writer, 1, 2)
    writer.add_scalar("test/psnr", 22.0, 30)
    writer.close()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[first + 7 :]
    elif damage == "flipped":
        content[first + 20] ^= 1
    elif damage == "zeros":
        content[first:] = bytes(len(content) - first)
    else:
        content = bytearray(b"no events" if damage == "text" else b"")
    path.write_bytes(content)
    if damage == "gone":
        path.unlink()
    kept = keep_events(tmp_path, length, 30)
    assert "events" in caplog.text
    assert "damaged or missing" in caplog.text
    whole = [("val/psnr", 9), ("train/loss", 9)] if damage in ("cut", "flipped", "zeros") else []
    assert told(tmp_path) == whole
    write_epochs(EventWriter(kept.path), 3)
    scalars = EventAccumulator(str(tmp_path)).Reload().Scalars("val/psnr")
    assert [event.step for event in scalars] == [*(step for tag, step in whole if tag == "val/psnr"), 39]


def test_events_of_an_older_version_are_gathered_in_one_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(2):  # two processes, the second of which was resumed after the first epoch
        writer = EventWriter(tmp_path / f"{PATTERN[:-1]}100000000{number}.host.{number}.0")
        write_epochs(writer, 0, number)
    writer.add_scalar("test/psnr", 22.0, 20)
    writer.close()
    kept = keep_events(tmp_path, None, 20)
    assert sorted(told(tmp_path)) == [("train/loss", 9), ("train/loss", 19), ("val/psnr", 9), ("val/psnr", 19)]
    assert [path for path in tmp_path.iterdir() if path.stat().st_size] == [kept.path]
    assert not caplog.text


def test_a_length_beyond_all_bounds_is_no_memory_error(tmp_path: Path, writer: EventWriter) -> None:
    write_epochs(writer, 0)
    (path,) = tmp_path.iterdir()
    whole = read_records(path)
    with path.open("ab") as file:
        file.write(struct.pack("<Q", 2**62) + bytes(20))
    assert read_records(path) == whole


LIMITED = """
import resource, sys
from pathlib import Path
from deblur.training.events import EventWriter

writer = EventWriter(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    for step in range(100):
        writer.add_scalar("loss", 0.0, step)
        writer.flush()
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_what_does_not_fit_is_an_error_where_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / PATTERN.replace("*", "1")
    limited = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True)
    assert (limited.stdout, limited.stderr) == (f"[Errno 27] File too large: {str(path)!r}\n", "")
    assert read_records(path)
