"""Times several ways of doing one thing so that they can be compared on a machine with other work.

Seconds on a shared machine mean little; the ratio of medians does, when the ways take turns and so
meet the same load.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["median_seconds"]

_LEAST_PER_ROUND = 0.2  # seconds a quick way is repeated for in each round, so that its median is one of many


def median_seconds(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median duration of each way in seconds; the ways take turns and are expected to be warm."""
    durations: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()  # what the way before left behind is not to be paid by this one
            spent = 0.0
            while spent < _LEAST_PER_ROUND:
                start = time.perf_counter()
                way()
                durations[name].append(time.perf_counter() - start)
                spent += durations[name][-1]
    return {name: statistics.median(taken) for name, taken in durations.items()}
