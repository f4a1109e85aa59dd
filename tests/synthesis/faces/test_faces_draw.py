"""A face is a function of seed and index alone, and every stage of its drawing is sound."""

import hashlib
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE, IMAGE_SIZE, SEED_LIMIT, happens, pick, random_stream
from deblur.synthesis.faces import draw
from deblur.synthesis.faces.render import Stages, draw_stages

PAIRS = [(0, 0), (0, 1), (1, 0), (1, 1), (7, 1234), (SEED_LIMIT - 1, SEED_LIMIT - 1)]


def digest(seed: int, index: int) -> str:
    return hashlib.sha256(draw(seed, index).tobytes()).hexdigest()


@pytest.fixture(scope="module")
def digests() -> dict[tuple[int, int], str]:
    return {pair: digest(*pair) for pair in PAIRS}


@pytest.fixture(scope="module")
def some_stages() -> list[Stages]:
    return [draw_stages(seed=5, index=index) for index in range(16)]


def test_other_numbers_draw_another_face(digests: dict[tuple[int, int], str]) -> None:
    assert len(set(digests.values())) == len(PAIRS)


def test_order_and_repetition_do_not_matter(digests: dict[tuple[int, int], str]) -> None:
    for pair in [*reversed(PAIRS), PAIRS[0], PAIRS[0]]:
        assert digest(*pair) == digests[pair]


def test_the_global_random_state_does_not_matter(digests: dict[tuple[int, int], str]) -> None:
    before = np.random.get_state(legacy=False)  # noqa: NPY002 # the test is about this very state
    assert digest(0, 0) == digests[0, 0]
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    np.testing.assert_equal(after, before)


def test_another_process_draws_the_same(digests: dict[tuple[int, int], str]) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere = list(pool.map(digest, *zip(*PAIRS, strict=True)))
    assert elsewhere == list(digests.values())


def test_numpy_integers_are_numbers_too() -> None:
    np.testing.assert_array_equal(draw(np.int64(1), np.uint32(2)), draw(1, 2))


@pytest.mark.parametrize("pair", [(-1, 0), (0, -1), (SEED_LIMIT, 0), (0, SEED_LIMIT)])
def test_numbers_out_of_range_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 2\*\*32\)"):
        draw(*pair)


def test_the_result_is_an_array_of_its_own() -> None:
    face = draw(0, 0)
    assert face.dtype == np.uint8
    assert face.shape == (IMAGE_SIZE, IMAGE_SIZE) == (256, 256)
    assert face.flags.c_contiguous
    assert face.flags.writeable
    assert face.flags.owndata
    face[:] = 0
    assert draw(0, 0).any()


def test_mirrored_faces_are_contiguous_too(some_stages: list[Stages]) -> None:
    mirrored = Counter(not np.array_equal(np.rint(stages.light), stages.image) for stages in some_stages)
    assert mirrored[True] > 0
    assert mirrored[False] > 0
    assert all(stages.image.flags.c_contiguous for stages in some_stages)


@pytest.mark.parametrize("name", ["background", "figure"])
def test_canvas_stages_are_whole_gray_levels(some_stages: list[Stages], name: str) -> None:
    for stages in some_stages:
        levels: NDArray[np.uint8] = getattr(stages, name)
        assert levels.dtype == np.uint8
        assert levels.shape == (CANVAS_SIZE, CANVAS_SIZE)


def test_the_light_stays_in_range(some_stages: list[Stages]) -> None:
    for stages in some_stages:
        assert stages.light.dtype == np.float32
        assert stages.light.shape == (IMAGE_SIZE, IMAGE_SIZE)
        assert np.isfinite(stages.light).all()
        assert stages.light.min() >= 0
        assert stages.light.max() <= 255


def test_the_image_is_the_rounded_light(some_stages: list[Stages]) -> None:
    for stages in some_stages:
        rounded = np.rint(stages.light)
        assert np.array_equal(stages.image, rounded) or np.array_equal(stages.image, rounded[:, ::-1])


def test_backgrounds_vary_from_bare_paper_to_scenery(some_stages: list[Stages]) -> None:
    contrasts = [float(stages.background.std()) for stages in some_stages]
    assert min(contrasts) == 0
    assert max(contrasts) > 40


def test_figures_stand_out_from_their_backgrounds(some_stages: list[Stages]) -> None:
    for stages in some_stages:
        assert (stages.figure != stages.background).mean() > 0.25


@pytest.mark.parametrize("name", ["figure", "light", "image"])
def test_there_is_contrast_from_the_figure_on(some_stages: list[Stages], name: str) -> None:
    for stages in some_stages:
        levels = getattr(stages, name)
        assert levels.std() > 15
        assert np.ptp(levels) > 120


def test_stages_and_draw_agree() -> None:
    np.testing.assert_array_equal(draw_stages(3, 4).image, draw(3, 4))


def test_the_random_numbers_are_frozen() -> None:
    rng = random_stream(seed=0, index=0)
    assert rng.uniform() == 0.47932306384132817
    assert rng.normal() == pytest.approx(1.914452921336929, abs=1e-12)
    assert rng.randint(1000) == 808


def test_picks_are_fair() -> None:
    rng = random_stream(0, 0)
    counts = Counter(pick(rng, "a", "b", "c") for _ in range(3000))
    assert set(counts) == {"a", "b", "c"}
    assert all(abs(count - 1000) < 120 for count in counts.values())
    assert abs(sum(happens(rng, 0.3) for _ in range(3000)) - 900) < 120


def test_the_package_loads_no_large_library() -> None:
    code = "import sys, deblur.synthesis.faces.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "cv2" in loaded
    assert not {"torch", "lightning", "albumentations", "scipy", "PIL", "matplotlib"} & set(loaded)
