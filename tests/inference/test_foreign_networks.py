"""Weights of other programs: opened by spandrel where it is installed, and refused with a sentence otherwise."""

import importlib.util
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_weights import SPANDREL, nafnet, randomized, saved
from safetensors.torch import save_file
from torch import Tensor, nn

import deblur
from deblur import restore
from deblur.errors import UserError
from deblur.inference import foreign
from deblur.inference.building import no_more_parameters_than
from deblur.inference.foreign import ForeignNetwork, load_network
from deblur.inference.memory import UNKNOWN, free_memory, highest_use
from deblur.inference.overlapping import restored_in_tiles, tiles_of

SIZES = [(1, 1), (3, 5), (17, 23), (40, 33)]
WEIGHTS = {"layer.weight": torch.ones(2, 1, 3, 3), "layer.bias": torch.zeros(2)}


class Caller:
    """A pickle of it would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch should_not_be_there",)


@pytest.fixture
def without_spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra."""
    monkeypatch.setitem(sys.modules, "spandrel", None)  # which importlib takes for missing


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load_network(path)
    return str(error.value)


@pytest.mark.usefixtures("without_spandrel")
def test_the_extra_is_named_for_weights_of_another_program(tmp_path: Path) -> None:
    pth, tensors = tmp_path / "net.pth", tmp_path / "net.safetensors"
    torch.save(WEIGHTS, pth)
    save_file(WEIGHTS, tensors)
    cure = " If these are the weights of a network such as NAFNet, spandrel opens it: pip install deblur-lab[spandrel]."
    assert refused(pth) == f"{pth} is no checkpoint of a training.{cure}"
    assert refused(tensors) == (
        f"{tensors} was not exported by this program: it lacks the settings of its network.{cure}"
    )


def test_a_pickle_with_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.pth"
    torch.save({"params": WEIGHTS, "more": Caller()}, path)
    assert f"is damaged (it calls {os.system.__module__}.system, which no weights need)" in refused(path)
    assert [each.name for each in tmp_path.iterdir()] == ["net.pth"]


def test_weights_of_an_old_torch_are_refused_with_what_makes_them_new(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)
    assert "torch.save(torch.load(OLD, weights_only=True), NEW) makes it new" in refused(path)


def test_tiles_cover_an_image_and_overlap() -> None:
    for height, width in ((1, 1), (512, 700), (513, 1100), (2000, 64)):
        covered = np.zeros((height, width), int)
        tiles = tiles_of(height, width, 512, 64)
        for rows, columns in tiles:
            assert rows.stop - rows.start == min(height, 512)
            assert columns.stop - columns.start == min(width, 512)
            covered[rows, columns] += 1
        assert covered.min() == 1
        starts = sorted({columns.start for _, columns in tiles})
        assert all(later - earlier <= 512 - 64 for earlier, later in itertools.pairwise(starts))


def test_blended_tiles_of_a_local_network_are_the_whole_and_edges_between_others_are_ramps() -> None:
    image = torch.rand(1, 3, 40, 100)
    assert torch.allclose(restored_in_tiles(image, lambda tile: 1 - tile, 32, 8, None), 1 - image, atol=1e-6)
    levels: Iterator[int] = iter((0, 1))
    steps = restored_in_tiles(torch.zeros(1, 1, 8, 24), lambda tile: tile + next(levels), 16, 8, None)
    assert torch.equal(steps[0, 0, 0, :8], torch.zeros(8))
    assert torch.equal(steps[0, 0, 0, 16:], torch.ones(8))
    assert torch.allclose(steps[0, 0, 0, 8:16], (torch.arange(8) + 0.5) / 8)


def test_memory_is_the_most_at_once() -> None:
    def compute() -> None:
        first = torch.ones(1000)
        second = first + 1  # both are there
        del first
        second.view(10, 100).mul_(2)  # shares the memory
        del second
        torch.ones(500)

    assert highest_use(compute) == 2 * 4000
    assert 0 < free_memory(torch.device("cpu")) != UNKNOWN or not Path("/proc/meminfo").exists()


class Attention(nn.Module):
    """Each pixel attends to some of the image, or to none; besides, there are some planes of its size."""

    def __init__(self, *, attends: bool) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 16, 1)
        self.attends = attends

    def forward(self, image: Tensor) -> Tensor:
        planes = self.layer(image)
        if self.attends:
            image.flatten() * image.flatten()[::4096, None]  # to a few of them
        return planes[:, :1]


class Descriptor:
    """What `ForeignNetwork` needs of spandrel's."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.input_channels = model, 1

    def __call__(self, image: Tensor) -> Tensor:
        return self.model(image)


@pytest.mark.parametrize("attends", [False, True])
def test_the_memory_of_a_large_image_is_extrapolated(attends: bool) -> None:
    model = Attention(attends=attends)
    network = ForeignNetwork(Descriptor(model), "net")
    side = 512
    with torch.inference_mode():
        measured = highest_use(lambda: model(torch.zeros(1, 1, side, side)))
    assert network._use_of(side**2, torch.device("cpu")) == pytest.approx(measured, rel=0.05)


def test_buffers_of_gigabytes_are_refused() -> None:
    class Tables(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number in range(4):
                self.register_buffer(f"table_{number}", torch.zeros(2**18), persistent=False)

    with no_more_parameters_than(0, 0, 4 * 2**20):
        Tables()
    with pytest.raises(ValueError, match="its buffers take more than 3 MiB"), no_more_parameters_than(0, 0, 3 * 2**20):
        Tables()
    Tables()


# From here on with spandrel.


def restormer() -> nn.Module:
    pytest.importorskip("spandrel_extra_arches", reason="spandrel_extra_arches, which has Restormer, is not installed")
    from spandrel_extra_arches.architectures.Restormer import Restormer

    small = {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1, "heads": [1, 1, 1, 1]}
    return randomized(Restormer(**small))


def fftformer() -> nn.Module:
    pytest.importorskip("spandrel", reason=SPANDREL)
    from spandrel.architectures.FFTformer import FFTformer

    return randomized(FFTformer(dim=8, num_blocks=[1, 1, 1], num_refinement_blocks=1))


def drunet() -> nn.Module:
    pytest.importorskip("spandrel", reason=SPANDREL)
    from spandrel.architectures.DRUNet import DRUNet

    return randomized(DRUNet(in_nc=4, out_nc=3, nc=[8, 8, 8, 8], nb=2))


def direct(path: Path, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what spandrel itself makes of an image (H, W, C) in [0, 1]."""
    import spandrel

    if importlib.util.find_spec("spandrel_extra_arches") is not None:
        import spandrel_extra_arches

        spandrel.MAIN_REGISTRY.add(*spandrel_extra_arches.EXTRA_REGISTRY, ignore_duplicates=True)
    model: Any = spandrel.ModelLoader().load_from_file(path)
    planes: Tensor = model.eval()(torch.from_numpy(np.moveaxis(image, 2, 0).copy())[None])
    return np.moveaxis(planes[0].numpy(), 0, 2)


@pytest.mark.parametrize("network", [nafnet, restormer, fftformer, drunet])
def test_a_network_gives_what_spandrel_gives(network: Callable[[], nn.Module], tmp_path: Path) -> None:
    """Images of any size, which spandrel continues to what the network can take; and no gate weighs the result."""
    path = saved(network(), tmp_path / "Some Weights.pth")
    restorer = deblur.load(path, accelerator="cpu")
    assert restorer.name == f"{type(network()).__name__} Some Weights.pth"
    assert not restorer.is_gated
    for height, width in SIZES:
        image = np.random.default_rng(height).random((height, width, 3), np.float32)
        expected = direct(path, image)
        assert np.allclose(restorer(image), expected, atol=1e-6)
        assert not np.allclose(expected, image, atol=0.01)
        levels = (255 * image).round().astype(np.uint8)
        of_levels = np.clip(direct(path, levels.astype(np.float32) / np.float32(255)), 0, 1)
        assert np.abs(restorer(levels).astype(int) - np.rint(255 * of_levels)).max() <= 1  # a rounded half


def test_safetensors_hold_the_same_network(tmp_path: Path) -> None:
    network = nafnet()
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    image = np.random.default_rng(0).random((9, 12, 3), np.float32)
    first = deblur.load(saved(network, tmp_path / "net.pth"), accelerator="cpu")(image)
    assert np.array_equal(deblur.load(tmp_path / "net.safetensors", accelerator="cpu")(image), first)


def test_gray_and_rgb_follow_the_rules_of_color(tmp_path: Path) -> None:
    path = saved(nafnet(channels=1), tmp_path / "gray.pth")
    gray, color = (np.random.default_rng(0).random(shape, np.float32) for shape in ((9, 12), (9, 12, 3)))
    restorer = deblur.load(path, accelerator="cpu")
    assert np.allclose(restorer(gray), direct(path, gray[..., None])[..., 0], atol=1e-6)
    by_channels = np.dstack([direct(path, color[..., [channel]]) for channel in range(3)])
    assert np.allclose(restorer(color, color="channels"), by_channels, atol=1e-6)
    path = saved(nafnet(), tmp_path / "rgb.pth")
    restorer = deblur.load(path, accelerator="cpu")
    luma = direct(path, np.dstack([gray] * 3)) @ np.array([0.299, 0.587, 0.114], np.float32)
    assert np.allclose(restorer(gray), luma, atol=1e-6)
    with pytest.raises(ValueError, match="color=luma is for a network of gray images"):
        restorer(color, color="luma")


def test_a_large_image_is_whole_if_memory_permits_and_in_stated_tiles_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(nafnet(), tmp_path / "net.pth")
    image = np.random.default_rng(0).random((20, 600, 3), np.float32)
    monkeypatch.setattr(foreign, "free_memory", lambda _: 10**12)
    restorer = deblur.load(path, accelerator="cpu")
    assert restorer.count(image) == 1
    whole = restorer(image)
    assert np.allclose(whole, direct(path, image), atol=1e-6)
    assert not caplog.records
    monkeypatch.setattr(foreign, "free_memory", lambda _: 10**6)
    restorer, calls = deblur.load(path, accelerator="cpu"), []
    with caplog.at_level(logging.WARNING):
        tiled = restorer(image, advance=lambda: calls.append(1))
        restorer(image)
    assert len(calls) == restorer.count(image) == 2
    assert not np.allclose(tiled, whole, atol=1e-6)  # each tile has means of its own
    left, right = direct(path, image[:, :512]), direct(path, image[:, 88:])
    assert np.allclose(tiled[:, :88], left[:, :88], atol=1e-6)
    assert np.allclose(tiled[:, 512:], right[:, -88:], atol=1e-6)
    (said,) = (record.getMessage() for record in caplog.records)  # once for a size
    assert said.startswith("NAFNet net.pth would take about ")
    assert "it is restored in 2 tiles of at most 512 px that overlap by at least 64 px" in said


def test_a_batch_is_restored_image_by_image(tmp_path: Path) -> None:
    network = load_network(saved(nafnet(), tmp_path / "net.pth")).network
    assert isinstance(network, ForeignNetwork)
    images = torch.rand(2, 3, 9, 12)
    assert torch.equal(network.to(memory_format=torch.channels_last)(images)[1:], network(images[1:]))


def test_what_cannot_be_taken_is_refused_with_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("spandrel", reason=SPANDREL)
    from spandrel.architectures.Compact import Compact

    path = saved(Compact(num_feat=4, num_conv=1, upscale=2), tmp_path / "larger.pth")
    assert refused(path) == (
        f"{path} is a network RealESRGAN Compact that enlarges images 2 times: give one that keeps their size (scale "
        "1)."
    )
    path = saved(nafnet(channels=4), tmp_path / "four.pth")
    assert "is a network NAFNet from images of 4 channels to images of 4: give one from gray to gray" in refused(path)
    torch.save(WEIGHTS, tmp_path / "unknown.pth")
    said = refused(tmp_path / "unknown.pth")
    assert "holds the weights of no network that this program or spandrel" in said
    assert "NAFNet" in said
    torch.save([1, 2], tmp_path / "list.pth")
    assert "holds no weights by name" in refused(tmp_path / "list.pth")
    weights = nafnet().state_dict()
    torch.save(weights | {"ending.weight": torch.zeros(1, 2, 3, 3)}, tmp_path / "damaged.pth")
    assert "does not fit its network, NAFNet (RuntimeError: " in refused(tmp_path / "damaged.pth")
    with pytest.raises(UserError, match=r"precision=bf16-mixed is for networks of this program"):
        deblur.load(saved(nafnet(), tmp_path / "net.pth"), accelerator="cpu", precision="bf16-mixed")


def test_a_small_file_makes_no_network_of_gigabytes(tmp_path: Path) -> None:
    """Of 12 levels, each of which has twice the channels of the one above it: terabytes of weights."""
    weights = nafnet().state_dict()
    weights["intro.weight"] = torch.zeros(1000, 3, 1, 1)
    weights |= {f"{part}.{level}.0.beta": torch.zeros(1) for part in ("encoders", "decoders") for level in range(12)}
    torch.save(weights, tmp_path / "hostile.pth")
    assert "does not fit its network, NAFNet (ValueError: it has more parameters than the file holds)" in refused(
        tmp_path / "hostile.pth"
    )


@pytest.mark.slow
def test_a_small_file_makes_no_tables_of_gigabytes(tmp_path: Path) -> None:
    """Attention within windows of 64 px: each layer has a table of all pairs of their pixels, of 128 MiB."""
    pytest.importorskip("spandrel", reason=SPANDREL)
    from spandrel.architectures.SwinIR import SwinIR

    network = SwinIR(embed_dim=8, depths=[6], num_heads=[2], window_size=2, img_size=2, upscale=1, upsampler="")
    weights = network.state_dict()
    for name in [name for name in weights if name.endswith("relative_position_bias_table")]:
        weights[name] = torch.zeros(127**2, 2)
        weights[name.replace("bias_table", "index")] = torch.zeros(64**2, 1).long()
    torch.save(weights, tmp_path / "hostile.pth")
    said = refused(tmp_path / "hostile.pth")
    assert "does not fit its network, SwinIR (ValueError: its buffers take more than" in said


def test_a_simulation_of_an_unknown_training_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    path = saved(nafnet(), tmp_path / "net.pth")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "sharp.png")
    words = [str(tmp_path / "sharp.png"), "--network", str(path), "--accelerator=cpu"]
    assert restore.main([*words, "--simulate", "training"]) == 2
    assert "that of NAFNet net.pth is not known: name a blur" in " ".join(capsys.readouterr().err.split())
    assert restore.main([*words, "--simulate", "gaussian sigma=1"]) == 0
    assert restore.main(words) == 0
    assert "restored by the network NAFNet net.pth" in capsys.readouterr().out
    assert (tmp_path / "sharp-restored.png").exists()
