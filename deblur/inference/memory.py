"""Memory that a network takes for an image, and memory that is free."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

UNKNOWN: Final = 4 * 2**30  # bytes that count as free on a system that does not say
_MEMORY: Final = Path("/proc/meminfo")
_GROUP: Final = Path("/sys/fs/cgroup")  # of a container, as it sees itself


def highest_use(compute: Callable[[], object]) -> int:
    """Return the most memory that tensors take at once while something is computed [bytes].

    Tensors that are there before count only while something is a view of them. What an operator takes for itself until
    it returns does not count.
    """
    use = _Use()
    with torch.inference_mode(), use:
        compute()
    return use.highest


class _Use(TorchFunctionMode):
    """Follows the memory of the tensors that functions of torch return, of which views share theirs.

    A `TorchDispatchMode` would also see those within a function, but loads torch's compiler for seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.highest = 0
        self._now = 0
        self._tensors: dict[int, int] = {}  # how many there are of each piece of memory

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],  # torch's
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._add(tensor)
        return made

    def _add(self, tensor: Tensor) -> None:
        place, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
        if not self._tensors.get(place):
            self._now += size
            self.highest = max(self.highest, self._now)
        self._tensors[place] = self._tensors.get(place, 0) + 1
        weakref.finalize(tensor, self._remove, place, size)

    def _remove(self, place: int, size: int) -> None:
        self._tensors[place] -= 1
        if not self._tensors[place]:
            self._now -= size


def free_memory(device: torch.device) -> int:
    """Return how much memory is free on a device [bytes]; of a system that does not say, an assumption."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return UNKNOWN
    try:
        limit, used = (int((_GROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        parts = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, max(limit - used + int(parts.get("inactive_file", 0)), 0))  # copies of files give way
