"""CUDA graphs: a batch's hundreds of kernels started by one call, where a batch of that shape came before.

A graph is captured when a shape comes for the second time: the first run is the warm-up that a capture needs,
and a shape that never comes again costs nothing. Graphs share their memory, as one runs after another, and
what one gives is copied away before the next. Where a capture fails, all runs without graphs from then on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from cachetools import LRUCache
from torch import Tensor

from maskrcnn_core.common.one_line import is_out_of_memory

__all__ = ["MOST_GRAPHS", "Graphs"]

MOST_GRAPHS = 12
"""Kept at once: the three or four shapes of photos, each with full and smaller batches."""

Work = Callable[..., Tensor]


@dataclass(frozen=True, eq=False)
class _Captured:
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor


class Graphs:
    """Runs work on tensors of fixed shapes, by a graph where there is one.

    Args:
        device: graphs are of CUDA; elsewhere all runs as it is.
        most: graphs to keep; the one least lately used goes.
    """

    def __init__(self, device: torch.device, most: int = MOST_GRAPHS) -> None:
        self.failure = "" if device.type == "cuda" else f"there are none on {device.type}"
        self._is_told = device.type != "cuda"
        self._kept: LRUCache[Hashable, _Captured] = LRUCache(most)
        self._seen: LRUCache[Hashable, bool] = LRUCache(8 * most)
        self._pool: Any = None

    @property
    def captured(self) -> int:
        """How many graphs are kept."""
        return len(self._kept)

    def take_note(self) -> str:
        """Return, once, that all runs without graphs, and why; empty where there is nothing to say."""
        if self._is_told or not self.failure:
            return ""
        self._is_told = True
        return f"runs without CUDA graphs: {self.failure}"

    def run(self, key: Hashable, work: Work, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return what work gives; the next run with the same key writes over it.

        Args:
            key: of all that decides which kernels run: shapes, and what work itself depends on.
            work: of inputs alone; it reads no value of theirs on the processor.
            inputs: on the device.
        """
        if self.failure:
            return work(*inputs)
        captured = self._kept.get(key)
        if captured is None:
            if key not in self._seen:
                self._seen[key] = True
                with _tuned():
                    return work(*inputs)
            captured = self._captured(key, work, inputs)
            if captured is None:
                return work(*inputs)
        for own, given in zip(captured.inputs, inputs, strict=True):
            own.copy_(given)
        captured.graph.replay()
        return captured.output

    def clear(self) -> None:
        """Give all memory of graphs back."""
        self._kept.clear()
        self._seen.clear()
        self._pool = None

    def _captured(self, key: Hashable, work: Work, inputs: tuple[Tensor, ...]) -> _Captured | None:
        own = tuple(given.clone() for given in inputs)
        try:
            self._warm(work, own)
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the device meanwhile, as those that make late masks.
            with _tuned(), torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                output = work(*own)
        except RuntimeError as error:
            self.clear()
            torch.cuda.synchronize()
            if is_out_of_memory(error):
                raise
            self.failure = str(error).strip().partition("\n")[0] or type(error).__name__
            return None
        self._kept[key] = captured = _Captured(graph, own, output)
        return captured

    @staticmethod
    def _warm(work: Work, inputs: tuple[Tensor, ...]) -> None:
        """Run work beside the device's other work, as a capture will: libraries get their memory there."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), _tuned():
            for _ in range(2):
                work(*inputs)
        torch.cuda.current_stream().wait_stream(stream)


@contextlib.contextmanager
def _tuned() -> Iterator[None]:
    """Let cuDNN try which of its ways is the fastest for a shape: it remembers, also for the capture."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
