"""What every worker of a cluster does first: it takes the model that was sent, and makes the same engine."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from maskrcnn_core.batch.sharing import THREADS, batch_for
from maskrcnn_core.cluster.shipping import Task, checked_model
from maskrcnn_core.errors import InputError
from maskrcnn_core.synthetic.samples import pixels_for

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["in_cell", "predictor_of"]


def in_cell(said: object) -> npt.NDArray[np.object_]:
    """Return a column of one cell that holds any object, for Ray to carry."""
    column = np.empty(1, object)
    column[0] = said
    return column


def predictor_of(task: Task, sent: Any) -> Predictor:
    """Return the model of a run, ready on this node.

    Args:
        task: what was sent with it.
        sent: the model, as an object that Ray keeps.

    Raises:
        InputError: if this node cannot run it as the others do.
        WeightsError: if it came damaged.
    """
    import ray
    import torch

    from maskrcnn_core.inference.engines.choosing import choose_engine
    from maskrcnn_core.inference.predictor import Predictor

    if task.device == "cpu":
        torch.set_num_threads(THREADS)  # as everywhere: the last bits of sums depend on it
    model = checked_model(ray.get(sent), task)
    engine = choose_engine(
        model, task.device, task.engine, images=lambda: pixels_for(model.domains), count=task.count
    )
    if engine.spec.key != task.engine:
        raise InputError(f"{platform.node()}: {'; '.join(engine.notes)}; name another --engine for all nodes")
    # All masks are made with the run: no feature maps are asked for afterwards.
    batch = batch_for(None, task.device)
    return Predictor(
        model,
        task.device,
        batch_size=batch,
        feature_cache_bytes=0,
        engine=engine,
        looks_closer=task.looks_closer,
    )
