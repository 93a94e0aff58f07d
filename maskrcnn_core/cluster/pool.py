"""A pool of workers on a cluster: Ray Data's actors, its streaming, and its way of trying again.

A row goes in for each piece of work, and one or more come out as soon as they are made. Where a worker or its
computer dies, Ray gives what it was at to another one; a worker that is asked for the same piece too often
says so instead of dying of it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskrcnn_core.cluster.joining import Joined
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InferenceError, InputError

__all__ = ["MOST_TRIES", "Pool", "Tries", "count_tries", "device_on", "pool_on", "rows_of", "tries_before"]

MOST_TRIES = 4
"""After so many dead workers a piece of work is given up."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pool:
    """How many workers do what.

    Args:
        worker: a class whose objects take a batch of rows and give others.
        given: what its objects are made with.
        first, most: workers, at the beginning and ever.
        device: ``cpu`` or ``cuda``: each worker has one processor, or a GPU to itself.
        at_once: rows of one piece of work, which is done again as a whole.
        reader: a function that is called first, with each batch, on this computer; ``None`` for none.
    """

    worker: type
    given: tuple[Any, ...]
    first: int
    most: int
    device: str
    at_once: int = 1
    reader: Any = None


def device_on(cluster: Joined, device: str) -> str:
    """Return what workers run on: ``cpu`` or ``cuda``.

    Raises:
        InputError: for another device than can be asked for.
    """
    if device == "auto":
        return "cuda" if cluster.gpus else "cpu"
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device: expected auto, cpu or cuda with --cluster, got {device!r}")
    return device


def pool_on(
    cluster: Joined,
    worker: type,
    given: tuple[Any, ...],
    *,
    device: str,
    pieces: int,
    workers: int | None,
    at_once: int = 1,
    reader: Any = None,
) -> Pool:
    """Return a pool for so many pieces of work: all that the cluster has, and what it may get.

    Args:
        cluster: where.
        worker, given, at_once, reader: as of :class:`Pool`.
        device: ``cpu`` or ``cuda``.
        pieces: of work.
        workers: at most so many; ``None`` for no such bound.
    """
    there = cluster.gpus if device == "cuda" else cluster.cpus
    most = min(pieces, pieces if workers is None else workers)
    return Pool(worker, given, max(1, min(most, there)), max(1, most), device, at_once, reader)


def rows_of(cluster: Joined, pool: Pool, rows: Sequence[Row]) -> Generator[dict[str, Any]]:
    """Give rows to a pool, and yield what its workers make of them, in no order.

    Raises:
        InferenceError: if the cluster can no longer do it.
    """
    from ray.exceptions import RayError, RayTaskError

    try:
        yield from _through_client(pool, rows) if cluster.is_client else _stream(pool, rows)
    except RayTaskError:  # an error in the program, which shows as one
        raise
    except (RayError, ConnectionError) as error:
        raise InferenceError(
            f"the cluster stopped: {one_line(str(error))[:500]}; the same run can be resumed"
        ) from error


def _through_client(pool: Pool, rows: Sequence[Row]) -> Generator[dict[str, Any]]:
    import ray

    # Ray Data does not work through Ray's client: an actor on the cluster runs it.
    made: Any = ray.remote(num_cpus=0)(_Elsewhere)
    head = made.remote(pool, rows)
    try:
        while (row := ray.get(head.next.remote())) is not None:
            yield row
    finally:
        ray.kill(head)


class _Elsewhere:
    """Streams a pool's rows for a process that is outside of the cluster."""

    def __init__(self, pool: Pool, rows: Sequence[Row]) -> None:
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        ray.data.DataContext.get_current().execution_no_progress_timeout_s = -1
        self._rows = _stream(pool, rows)

    def next(self) -> dict[str, Any] | None:
        """Return the next row; ``None`` after the last."""
        return next(self._rows, None)


def _stream(pool: Pool, rows: Sequence[Row]) -> Generator[dict[str, Any]]:
    import ray
    import ray.data

    data: Any = ray.data.from_items(list(rows), override_num_blocks=max(1, -(-len(rows) // pool.at_once)))
    if pool.reader is not None:
        here = ray.get_runtime_context().get_node_id()
        data = data.map_batches(
            pool.reader,
            batch_size=pool.at_once,
            compute=ray.data.TaskPoolStrategy(size=2),
            num_cpus=0,
            label_selector={"ray.io/node-id": here},
        )
    made = data.map_batches(
        pool.worker,
        batch_size=pool.at_once,
        fn_constructor_args=pool.given,
        compute=ray.data.ActorPoolStrategy(
            # Not as many at least as there are nodes now: where one is lost for good, what it was at has to
            # find room, and an idle worker gives it.
            min_size=1,
            initial_size=pool.first,
            max_size=pool.most,
            max_tasks_in_flight_per_actor=1,
        ),
        num_cpus=1,
        num_gpus=1 if pool.device == "cuda" else 0,
    )
    yield from made.iter_rows()


class Tries:
    """How often each piece of work was begun: an actor that all workers of a run ask.

    Ray tries again for ever where a worker dies, and says to none of them how often it has.
    """

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, piece: int) -> int:
        """Return how often a piece was begun before."""
        self._begun[piece] += 1
        return self._begun[piece] - 1


def count_tries() -> Any:
    """Return a :class:`Tries` on the cluster."""
    import ray

    counting: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tries)
    return counting.remote()


def tries_before(tries: Any, piece: int) -> int:
    """Return how often a piece of work was begun before, and note that it is begun now."""
    import ray

    return int(ray.get(tries.begin.remote(piece)))
