"""The command in this process, on real files."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoded_files import deep_noise, exif, noise, png_16, png_that_claims, smooth
from PIL import Image

from deblur.image_io import reading, writing
from deblur.image_io.formats.png import PngFile
from deblur.inference import restorer, session
from deblur.synthesis.faces import draw

Command = Callable[..., Any]
UNKNOWN = "cannot be measured without the sharp image"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_image_is_restored_beside_itself(command: Command, identity: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(20, 30, 3)).save(tmp_path / "photo.png")
    told = command(f"{tmp_path / 'photo.png'}", f"--network={identity}")
    assert told.code == 0
    assert "1 image is restored by the network identity" in told.out
    assert UNKNOWN in told.out  # no score is invented
    np.testing.assert_array_equal(pixels(tmp_path / "photo-restored.png"), noise(20, 30, 3))


def test_the_network_is_used(command: Command, brighter: Path, tmp_path: Path) -> None:
    levels = np.full((9, 9), 100, np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert command(f"{tmp_path / 'a.png'}", f"--network={brighter}", "--precision=32-true").code == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a-restored.png"), np.full((9, 9), 126))  # 100 + 25.5


def test_sixteen_bits_stay(command: Command, identity: Path, tmp_path: Path) -> None:
    import cv2

    deep = deep_noise(11, 12, 3)
    (tmp_path / "a.png").write_bytes(png_16(deep))
    assert command(f"{tmp_path / 'a.png'}", f"--network={identity}", "--color=channels").code == 0
    stored = cv2.imread(str(tmp_path / "a-restored.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored[..., ::-1], deep)


def test_a_folder_keeps_its_structure(command: Command, identity: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    (root / "deep" / "er").mkdir(parents=True)
    Image.fromarray(noise(5, 6)).save(root / "a.png")
    Image.fromarray(smooth(20, 21)).save(root / "deep" / "b.jpg", exif=exif(6))
    Image.fromarray(noise(1, 1)).save(root / "deep" / "er" / "c.bmp")
    (root / "notes.txt").write_text("no image")
    told = command(f"{root}", f"--output={out}", f"--network={identity}", "--side-by-side")
    assert told.code == 0
    assert "3 images are restored" in told.out
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {
        "a.png", "a-side-by-side.png", "deep/b.jpg", "deep/b-side-by-side.jpg",
        "deep/er/c.bmp", "deep/er/c-side-by-side.bmp",
    }  # fmt: skip
    assert Image.open(out / "deep" / "b.jpg").size == (20, 21)  # upright
    np.testing.assert_array_equal(pixels(out / "a-side-by-side.png"), np.tile(noise(5, 6), (1, 2)))


def test_what_is_there_is_skipped_until_asked(command: Command, brighter: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((4, 4), 10, np.uint8)).save(root / name)
    overrides = (f"{root}", f"--output={out}", f"--network={brighter}")
    assert command(*overrides).code == 0
    (out / "b.png").unlink()
    before = (out / "a.png").stat().st_mtime_ns
    told = command(*overrides)
    assert told.code == 0
    assert "1 image is restored" in told.out
    assert "1 had been there already: --overwrite makes them again." in told.out
    assert (out / "a.png").stat().st_mtime_ns == before
    assert command(*overrides, "--overwrite").code == 0
    assert (out / "a.png").stat().st_mtime_ns > before
    told = command(*overrides)
    assert (told.code, told.out.startswith("Nothing was to be done.")) == (0, True)


def test_one_bad_file_does_not_stop_the_rest(command: Command, identity: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    for name in ("a.png", "c.png", "e.png"):
        Image.fromarray(noise(6, 6)).save(root / name)
    (root / "b.png").write_bytes((root / "a.png").read_bytes()[:40])
    (root / "d.png").write_bytes(b"")
    (root / "f.png").write_bytes(png_that_claims(60_000, 60_000))
    told = command(f"{root}", f"--output={out}", f"--network={identity}")
    assert told.code == 2
    lines = told.err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("error: ") for line in lines)
    assert [any(name in line for line in lines) for name in ("b.png", "d.png", "f.png")] == [True] * 3
    assert "60000x60000 px, 3600.0 megapixels" in told.err
    assert lines[-1] == "error: 3 of 6 images failed, 3 are restored."
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "c.png", "e.png"]


def test_a_simulation_tells_what_is_brought_back(command: Command, identity: Path, tmp_path: Path) -> None:
    sharp = draw(3, 0)[:96, :80]
    Image.fromarray(sharp).save(tmp_path / "face.png")
    told = command(f"{tmp_path / 'face.png'}", f"--network={identity}", "--simulate=training", "--precision=32-true")
    assert told.code == 0
    assert "blurred by box" in told.out  # the network's own
    (line,) = (line for line in told.out.splitlines() if line.strip().startswith("face.png"))
    assert line.split()[-1] == "+0.00"  # an identity gains nothing
    strip = pixels(tmp_path / "face-simulated.png")
    assert strip.shape == (96, 240)
    np.testing.assert_array_equal(strip[:, 160:], sharp)
    np.testing.assert_array_equal(strip[:, :80], strip[:, 80:160])
    error = np.mean((strip[:, :80].astype(float) - sharp) ** 2)
    assert float(line.split()[-3]) == pytest.approx(20 * np.log10(255) - 10 * np.log10(error), abs=0.01)
    assert not (tmp_path / "face-restored.png").exists()
    other = command(
        f"{tmp_path / 'face.png'}", f"--network={identity}", "--simulate=motion length=9", "--overwrite",
    )  # fmt: skip
    assert "blurred by motion" in other.out
    assert not np.array_equal(pixels(tmp_path / "face-simulated.png"), strip)


def test_mistakes_are_sentences_and_leave_nothing(command: Command, identity: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(6, 6)).save(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "in").mkdir()
    Image.fromarray(noise(6, 6)).save(tmp_path / "in" / "a.png")
    Image.fromarray(noise(6, 6, 4)).save(tmp_path / "alpha.png")
    (tmp_path / "text.png").write_text("overrides")
    before = snapshot(tmp_path)
    run, decoded = f"--network={identity}", str(tmp_path / "a.png")
    wrong = {
        (): "Missing argument 'IMAGES'.",
        (f"{tmp_path / 'absent.png'}", run): "does not exist: give an image, or a folder of images.",
        (f"{tmp_path / 'empty'}", run): "there is no image in",
        (f"{tmp_path / 'text.png'}", run): "text.png is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image",
        (decoded, run, f"--output={tmp_path / 'a.png'}"): "is an input: give another --output",
        (decoded, run, f"--output={tmp_path / 'b.gif'}"): "ends in .gif, which names no format",
        (f"{tmp_path / 'alpha.png'}", run, f"--output={tmp_path / 'x.jpg'}"): "JPEG holds no transparency",
        (f"{tmp_path / 'in'}", run, f"--output={tmp_path / 'in' / 'out'}"): "lies in the input's folder",
        (f"{tmp_path / 'in'}", run, f"--output={tmp_path / 'a.png'}"): "is no folder, but ",
        (decoded, run, f"--output={tmp_path / 'a.png' / 'deep'}"): "cannot be written",
        (decoded, f"--network={tmp_path / 'none'}"): "There is no network",
        (decoded, "--network=best"): "There is no network best: give default, defocus, motion, unr",
        (
            decoded,
            run,
            "--known-blur=box",
        ): "--known-blur gives a kernel, and the network identity takes none: leave",
        (decoded, "--known-blur=box"): "--known-blur gives a kernel, and the network default takes none",
        (
            decoded,
            run,
            f"--kernel={tmp_path / 'a.png'}",
        ): "--kernel gives a kernel, and the network identity takes none",
        (decoded, run, "--kernel=k.npy", "--known-blur=box"): "--kernel and --known-blur do not go together",
        (decoded, run, "--kernel=k.npy", "--simulate=box"): "--simulate and --kernel do not go together",
        (decoded, run, "--known-blur=box", "--simulate=box"): "--simulate and --known-blur do not go together",
        (decoded, run, "--side-by-side", "--simulate=box"): "--simulate and --side-by-side do not go together",
        (decoded, "--compare-networks", "--simulate=box"): "--compare-networks and --simulate do not go together",
        (decoded, "--compare-networks", run): "--compare-networks and --network do not go together",
        (decoded, "--compare-networks", "--kernel=k.npy"): "--compare-networks and --kernel do not go together",
        (
            decoded,
            run,
            "--simulate=box siz=3",
        ): "--simulate: siz is unknown: box has the keys camera, jpeg_quality, noise_sig",
        (
            decoded,
            run,
            "--simulate=training siz=3",
        ): "training has the keys camera, jpeg_quality, noise_sigma, size. Did you",
        (
            decoded,
            run,
            "--simulate=box size=4",
        ): "--simulate: size=4 is not allowed: give an odd whole number from",
        (decoded, run, "--simulate=training size=4"): "--simulate: size=4 is not allowed: give an odd whole number",
        (decoded, run, "--simulate=box size=3 size=5"): "--simulate: size is given twice: give it once.",
        (decoded, run, "--simulate=box 3"): "--simulate: 3 is no parameter: write KEY=VALUE",
        (decoded, run, "--simulate=box size.x=3"): "--simulate: size.x is unknown: size has no keys.",
        (decoded, run, "--simulate="): '--simulate "" cannot be read: give a family and its parameters',
        (decoded, run, "--simulate=box 'size=3"): "cannot be read: give a family and its parameters",
        (decoded, run, "--simulate=kernel path=absent.npy"): "--simulate: absent.npy does not exist: give a .npy",
        (decoded, run, "--color=rgb"): "Invalid value for '--color': 'rgb' is not one of 'luma', 'channels'.",
        (decoded, run, "--max-megapixels=0"): "'--max-megapixels': 0 is not allowed",
        (decoded, run, "--max-megapixels=0.00001"): "6x6 px",
        (f"{tmp_path / 'in'}", "--compare-networks", "--side-by-side"): "do not go together",
        (decoded, run, "--tile=3"): "No such option: --tile",
    }
    for overrides, sentence in wrong.items():
        told = command(*overrides)
        assert told.code == 2, overrides
        assert sentence in told.err, told.err
        assert "Traceback" not in told.err
        assert told.err.startswith("error: ")
        assert told.err.count("\n") == 1
        assert snapshot(tmp_path) == before, overrides


def test_a_folder_that_cannot_be_written_is_told_for_each_image(
    command: Command, identity: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(noise(6, 6)).save(tmp_path / "in" / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").mkdir()
    told = command(f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}", f"--network={identity}", "--overwrite")
    assert told.code == 2
    assert "a.png" in told.err
    assert (tmp_path / "out" / "b.png").is_file()


def test_no_result_is_written_over_an_input(command: Command, identity: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for name in ("x-side-by-side.png", "q-simulated.png", "in/deep/a.png"):
        Image.fromarray(noise(8, 8)).save(tmp_path / name)
    (tmp_path / "out" / "deep").symlink_to(tmp_path / "in" / "deep")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "q-simulated.png")
    before = snapshot(tmp_path)
    for overrides in (
        (f"{tmp_path / 'x-side-by-side.png'}", f"--output={tmp_path / 'x.png'}", "--side-by-side"),
        (f"{tmp_path / 'q-simulated.png'}", f"--output={tmp_path / 'q.png'}", "--simulate=training"),
        (f"{tmp_path / 'q-simulated.png'}", f"--output={tmp_path / 'hard.png'}"),
        (f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}"),
    ):
        told = command(*overrides, f"--network={identity}", "--overwrite")
        assert told.code == 2
        assert "is an input: give another --output, so that the image is kept." in told.err
        assert snapshot(tmp_path) == before


def test_images_of_one_stem_keep_their_own_results(command: Command, identity: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for suffix, side in (("png", 20), ("bmp", 30)):
        Image.fromarray(noise(side, side)).save(tmp_path / "in" / f"a.{suffix}")
    overrides = (f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}", f"--network={identity}")
    assert command(*overrides, "--simulate=training").code == 0
    widths = {path.name: Image.open(path).width for path in (tmp_path / "out").iterdir()}
    assert widths == {"a_png-simulated.png": 60, "a_bmp-simulated.png": 90}


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_written_through(command: Command, brighter: Path, tmp_path: Path, there: bool) -> None:
    Image.fromarray(np.full((8, 8), 10, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "far").mkdir()
    for name in ("out.png", "out-side-by-side.png", "a-restored.png"):
        (tmp_path / name).symlink_to(tmp_path / "far" / name)
        if there:
            (tmp_path / "far" / name).write_bytes(b"old")
    overrides = (f"{tmp_path / 'a.png'}", f"--network={brighter}", "--overwrite")
    assert command(*overrides, f"--output={tmp_path / 'out.png'}", "--side-by-side").code == 0
    assert command(*overrides).code == 0
    for name in ("out.png", "out-side-by-side.png", "a-restored.png"):
        assert (tmp_path / name).is_symlink()
        assert pixels(tmp_path / "far" / name).max() > 30
    assert len(list((tmp_path / "far").iterdir())) == 3


def test_a_link_to_an_input_is_not_written_through(command: Command, identity: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(8, 8)).save(tmp_path / "a.png")
    (tmp_path / "out.png").symlink_to("a.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    before = snapshot(tmp_path)
    told = command(f"{tmp_path / 'a.png'}", f"--network={identity}", f"--output={tmp_path / 'circle.png'}")
    assert (told.code, "circle.png cannot be written (Too many levels of symbolic links)" in told.err) == (2, True)
    told = command(f"{tmp_path / 'a.png'}", f"--network={identity}", f"--output={tmp_path / 'out.png'}", "--overwrite")
    assert told.code == 2
    assert "is an input: give another --output, so that the image is kept." in told.err
    assert snapshot(tmp_path) == before


def test_the_folder_of_all_results_is_named(command: Command, identity: Path, tmp_path: Path) -> None:
    for name in ("a/deep/1.png", "b/2.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        Image.fromarray(noise(8, 8)).save(tmp_path / "in" / name)
    told = command(f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}", f"--network={identity}")
    assert f"2 images are restored by the network identity: {tmp_path / 'out'}.\n" in told.out
    told = command(f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}", f"--network={identity}", "--simulate=training")
    assert told.out.rstrip().endswith(f"blurred | restored | sharp: {tmp_path / 'out'}")


def test_two_results_are_not_written_into_one_file(command: Command, identity: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "a-side-by-side.png"):
        Image.fromarray(noise(8, 8)).save(tmp_path / "in" / name)
    told = command(f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}", f"--network={identity}", "--side-by-side")
    assert told.code == 2
    assert "would both be written to" in told.err
    assert not (tmp_path / "out").exists()


def test_what_is_missing_beside_a_restored_image_is_added(command: Command, brighter: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 10, np.uint8)).save(tmp_path / "a.png")
    overrides = (f"{tmp_path / 'a.png'}", f"--network={brighter}")
    assert command(*overrides).code == 0
    restored = tmp_path / "a-restored.png"
    before = restored.stat().st_mtime_ns
    assert command(*overrides, "--side-by-side").code == 0
    assert pixels(tmp_path / "a-side-by-side.png").shape == (8, 16)
    assert restored.stat().st_mtime_ns == before


def test_all_networks_on_one_sheet(command: Command, tmp_path: Path) -> None:
    Image.fromarray(draw(4, 1)).save(tmp_path / "face.png")
    told = command(f"{tmp_path / 'face.png'}", "--compare-networks", "--strength=1")  # the face is sharp
    assert told.code == 0
    assert "--network NAME" in told.out
    sheet = pixels(tmp_path / "face-networks.png")
    assert sheet.shape == (2 * (320 + 28) + 8, 3 * (320 + 8) - 8, 3)
    panels = [sheet[top : top + 320, left : left + 320] for top in (0, 356) for left in (0, 328, 656)]
    assert len({panel.tobytes() for panel in panels[:4]}) == 4  # the image and three networks, all different
    Image.fromarray(noise(8, 8)).save(tmp_path / "other.png")
    assert "compares on one image" in command(f"{tmp_path}", "--compare-networks").err


def test_a_long_name_is_no_mistake(command: Command, identity: Path, tmp_path: Path) -> None:
    name = "x" * 240 + ".png"
    (tmp_path / "in").mkdir()
    Image.fromarray(noise(8, 8)).save(tmp_path / "in" / name)
    assert command(f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}", f"--network={identity}").code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_each_input_is_opened_decoded_and_checked_once(
    command: Command, identity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def counted(*given: Any, **named: Any) -> Any:
            calls[f"{owner.__name__.rpartition('.')[2]}.{name}"] += 1
            return real(*given, **named)

        monkeypatch.setattr(owner, name, counted)

    for owner, name in (
        (reading, "open_image"),
        (PngFile, "decoded"),
        (session, "refuse_unfit"),
        (writing, "refuse_unfit"),
        (restorer, "as_pixels"),
    ):
        count(owner, name)
    (tmp_path / "in").mkdir()
    for index in range(3):
        Image.fromarray(noise(9, 8, 4, seed=index)).save(tmp_path / "in" / f"{index}.png")
    opened: list[str] = []
    watching = True

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if watching and event == "open" and str(given[0]).startswith(str(tmp_path / "in")):
            opened.append(Path(given[0]).name)

    sys.addaudithook(hook)  # which stays
    told = command(tmp_path / "in", "-o", tmp_path / "out", "-n", identity, "--side-by-side")
    watching = False
    assert told.code == 0
    assert sorted(opened) == ["0.png", "1.png", "2.png"]
    assert calls == {"reading.open_image": 3, "PngFile.decoded": 3, "session.refuse_unfit": 6}  # of two files each


def test_every_file_of_an_image_is_checked_before_it_is_restored(
    command: Command, identity: Path, tmp_path: Path
) -> None:
    Image.fromarray(noise(1, 40_000, 3)).save(tmp_path / "wide.png")
    told = command(tmp_path / "wide.png", "-o", tmp_path / "a.jpg", "-n", identity, "--side-by-side")
    assert told.code == 2
    assert "a-side-by-side.jpg: JPEG holds images of up to 65500 px a side, this one has 80000x1" in told.err
    assert not (tmp_path / "a.jpg").exists()
    (tmp_path / "deep.png").write_bytes(png_16(deep_noise(9, 9, 3)))
    told = command(tmp_path / "deep.png", "-o", tmp_path / "b.jpg", "-n", identity, "--simulate=training")
    assert told.code == 0  # what is written is a PNG
    assert pixels(tmp_path / "b-simulated.png").shape == (9, 27, 3)
