"""What a network said of an image, as bytes: all candidates and the masks that were made of them.

NumPy's archive (``.npz``) of plain arrays, compressed and without pickles. Floats are kept bit for bit, so
whatever thresholds are chosen later give what a fresh run would.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from maskrcnn_core.detection.candidates import Candidates
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.errors import StoreError

__all__ = ["pack_run", "unpack_run"]

_VERSION = 1


def pack_run(run: Run) -> bytes:
    """Return a run as bytes."""
    rows = np.arange(len(run.candidates), dtype=np.int64)
    rows = rows[~np.isin(rows, run.without_mask(rows))]
    facts = {
        "version": _VERSION,
        "input_size": run.candidates.input_size,
        "image_size": run.candidates.image_size,
        "mask_size": run.mask_size,
        "device": run.device,
        "notes": run.notes,
        "scale": run.scale,
        "convention": run.candidates.convention,
    }
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
        boxes=run.candidates.boxes,
        labels=run.candidates.labels,
        scores=run.candidates.scores,
        mask_rows=rows,
        mask_probs=run.detections(rows).mask_probs,
    )
    return stream.getvalue()


def unpack_run(data: bytes) -> Run:
    """Return the run that :func:`pack_run` packed.

    Raises:
        StoreError: if the bytes are none, or of another version.
    """
    try:
        with np.load(io.BytesIO(data)) as arrays:
            facts: dict[str, Any] = json.loads(arrays["facts"].tobytes())
            if facts["version"] != _VERSION:
                raise StoreError(f"candidates: expected version {_VERSION}, got {facts['version']!r}")
            height, width = facts["image_size"]
            candidates = Candidates(
                arrays["boxes"],
                arrays["labels"],
                arrays["scores"],
                (facts["input_size"][0], facts["input_size"][1]),
                (height, width),
                # Runs from before there were others do not say it.
                CONVENTIONS[facts.get("convention", "torchvision")].key,
            )
            run = Run(candidates, facts["mask_size"], facts["device"], tuple(facts["notes"]), facts["scale"])
            run.keep_masks(arrays["mask_rows"], arrays["mask_probs"])
            return run
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise StoreError(f"candidates: not what MaskDesk wrote ({error})") from error
