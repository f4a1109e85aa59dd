"""Claims on GPUs. The GPUs need not be there: the claims are on their names."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deblur.errors import UserError
from deblur.gpus import claimed

NAMES = ["GPU-a", "GPU-b", "GPU-c"]
CLAIM = """
    import sys
    from pathlib import Path
    from deblur.gpus import claimed
    with claimed(sys.argv[2:], Path(sys.argv[1])) as index:
        print(index, flush=True)
        sys.stdin.read()
"""


class Claim:
    """Another process that holds a GPU."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        overrides = [sys.executable, "-c", textwrap.dedent(CLAIM), str(folder), *names]
        self._process = subprocess.Popen(overrides, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.index = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def claim(tmp_path: Path) -> Iterator[Callable[..., Claim]]:
    with ExitStack() as stack:

        def start(names: list[str] = NAMES) -> Claim:
            made = Claim(tmp_path / "claims", names)
            stack.callback(made.kill)
            return made

        yield start


def test_each_process_takes_a_free_gpu_and_more_processes_share(claim: Callable[..., Claim]) -> None:
    assert [claim().index for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_a_gpu_whose_process_was_killed_is_free(claim: Callable[..., Claim]) -> None:
    claims = [claim() for _ in range(3)]
    claims[1].kill()
    assert claim().index == 1


def test_runs_that_end_in_any_order_leave_the_others_even(claim: Callable[..., Claim]) -> None:
    claims = [claim(NAMES[:2]) for _ in range(6)]
    claims[1].kill()
    claims[3].kill()
    claims[0].kill()  # two are left on the first, one on the second
    assert [claim(NAMES[:2]).index for _ in range(3)] == [1, 0, 1]


def test_the_name_counts_whatever_the_place_in_the_list(claim: Callable[..., Claim]) -> None:
    claim(["GPU-b"])  # a process that sees one of the GPUs only
    assert [claim().index, claim().index] == [0, 2]


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(NAMES, tmp_path) as first, claimed(NAMES, tmp_path) as second:
            assert (first, second) == (0, 1)
    with pytest.raises(RuntimeError, match="boom"), claimed(NAMES, tmp_path):
        raise RuntimeError("boom")
    with claimed(NAMES, tmp_path) as again:
        assert again == 0


@pytest.mark.parametrize("name", ["", "choosing"])
def test_a_place_that_cannot_be_used_is_a_sentence(tmp_path: Path, name: str) -> None:
    place = tmp_path / "claims"
    if name:
        (place / name).mkdir(parents=True)
    else:
        place.touch()
    with pytest.raises(UserError, match="cannot be used to share the GPUs among runs"), claimed(["a", "b"], place):
        pass
