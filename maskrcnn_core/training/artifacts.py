"""What a run leaves behind: weights with their card, a log as CSV, and the curves as a picture.

``nuclei.safetensors`` gets ``nuclei.json`` (the card), ``nuclei.last.safetensors`` (where training is now,
against the best so far), ``nuclei.csv`` and ``nuclei.png`` beside it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import platform
import statistics
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import save
from torch import Tensor
from torchvision.models.detection.transform import GeneralizedRCNNTransform

import maskrcnn_core
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.evaluation.ground_truth import GroundTruth
from maskrcnn_core.evaluation.of_models import Result
from maskrcnn_core.inference.buckets import input_size
from maskrcnn_core.models.cards import ModelCard, card_file, write_card_bytes
from maskrcnn_core.training.run_records import LOSSES, Snapshot
from maskrcnn_core.training.settings import TrainingSettings
from maskrcnn_core.training.starting import Beginning

__all__ = [
    "Keeper",
    "Words",
    "curves_file",
    "last_file",
    "log_file",
    "numbers_of",
    "object_pixels_of",
    "serialise",
    "written_files",
]


@dataclass(frozen=True)
class Words:
    """What only the person who trains can say of a model.

    Args:
        title: for menus.
        knows: one sentence on what it finds; empty for one that is made from the categories.
        licence: of the weights.
        half: store matrices as float16, half the size; norms and biases stay float32.
    """

    title: str
    knows: str = ""
    licence: str = ""
    half: bool = False


def last_file(out: Path) -> Path:
    """Return the file of the weights after the last epoch."""
    return out.with_suffix(".last.safetensors")


def log_file(out: Path) -> Path:
    """Return the file of the log, which has a row for each epoch."""
    return out.with_suffix(".csv")


def curves_file(out: Path) -> Path:
    """Return the file of the log's picture."""
    return out.with_suffix(".png")


def written_files(out: Path) -> tuple[Path, ...]:
    """Return all that a run writes which writes ``out``, but for its checkpoint."""
    last = last_file(out)
    return out, card_file(out), last, card_file(last), log_file(out), curves_file(out)


@dataclass(frozen=True, eq=False)
class Keeper:
    """The writer of what is worth keeping, which the run calls with each snapshot."""

    settings: TrainingSettings
    beginning: Beginning
    training: tuple[GroundTruth, ...]
    validation: tuple[GroundTruth, ...]
    words: Words

    def __call__(self, snapshot: Snapshot) -> None:
        """Write the snapshot's files, each as a whole or not at all.

        Raises:
            OSError: as the system says.
        """
        out = self.settings.out
        file = out if snapshot.kind == "best" else last_file(out)
        weights = serialise(snapshot.state, half=self.words.half)
        # The weights first: a card that has no weights yet is worse than weights whose card is the old one.
        replace_file(file, weights)
        replace_file(card_file(file), write_card_bytes(self._card(snapshot, weights)))
        replace_file(log_file(out), _csv(snapshot.rows))
        replace_file(curves_file(out), _draw_curves(snapshot.rows, self.words.title))

    def _card(self, snapshot: Snapshot, weights: bytes) -> ModelCard:
        label_map = self.beginning.model.label_map
        settings = {k: v for k, v in asdict(self.settings).items() if k not in ("out", "workers")}
        return ModelCard(
            title=self.words.title,
            knows=self.words.knows or f"Finds {_listed([c.name for c in label_map])}.",
            architecture=self.beginning.architecture,
            categories=label_map.categories,
            sha256=hashlib.sha256(weights).hexdigest(),
            size_bytes=len(weights),
            nms_threshold=self.beginning.model.nms_threshold,
            max_detections=self.settings.max_detections,
            score_threshold=self.beginning.model.score_threshold,
            rois_per_image=self.settings.rois,
            object_pixels=object_pixels_of(self.training, self.beginning.model.network.transform),
            licence=self.words.licence,
            data={
                "training": [_facts(truth) for truth in self.training],
                "validation": [_facts(truth) for truth in self.validation],
            },
            settings=settings | {"begins from": self.beginning.origin, "steps": snapshot.step},
            results=tuple(numbers_of(result) for result in snapshot.results),
            notes=self.beginning.notes,
            run=_run_facts(snapshot),
        )


def object_pixels_of(truths: Sequence[GroundTruth], transform: GeneralizedRCNNTransform) -> float | None:
    """Return how large objects of images are to a network that sees them whole; ``None`` without objects.

    The median of the square roots of their areas, in pixels of the network's input.
    """
    sizes = []
    for truth in truths:
        scale = {
            record.id: min(input_size(transform, record.size)) / min(record.size)
            for record in truth.dataset.images
        }
        sizes += [
            scale[one.image_id] * math.sqrt(one.mask.area)
            for one in truth.dataset.instances
            if not one.is_crowd
        ]
    return round(statistics.median(sizes), 1) if sizes else None


def _run_facts(snapshot: Snapshot) -> dict[str, Any]:
    """Return how the weights came about; all but the date and the seconds are the same for the same run."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "maskdesk": maskrcnn_core.__version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "python": platform.python_version(),
        },
        "device": snapshot.device,
        "seconds": round(sum(row["seconds"] for row in snapshot.rows), 1),
        "epochs": round(snapshot.rows[-1]["epoch"]),
        "best_epoch": snapshot.best_epoch,
        "extended_after": list(snapshot.stages),
    }


def serialise(state: dict[str, Tensor], *, half: bool) -> bytes:
    """Return a ``.safetensors`` file; with ``half`` its matrices are float16."""
    tensors = {}
    for name, tensor in state.items():
        kept = tensor.detach().to("cpu").contiguous()
        # Variances of batch norm may be too small for float16; they and the biases take next to nothing.
        tensors[name] = kept.half() if half and kept.ndim > 1 and kept.is_floating_point() else kept
    return save(tensors)


def _facts(truth: GroundTruth) -> dict[str, Any]:
    instances = [i for i in truth.dataset.instances if not i.is_crowd]
    return {
        "file": truth.name,
        "sha256": truth.digest,
        "images": len(truth.dataset.images),
        "instances": len(instances),
        "not learned": dict(Counter(one.reason for one in truth.unlearned)),
        "categories": [c.name for c in truth.dataset.categories],
        "licences": list(truth.licences),
    }


def numbers_of(result: Result) -> dict[str, Any]:
    """Return a row of a card's results."""
    evaluation = result.evaluation
    return {
        "name": result.name,
        "images": evaluation.images,
        "instances": evaluation.ground_truths,
        "max_detections": result.max_detections,
        **{f"mask {name}": round(value, 4) for name, value in asdict(evaluation.mask).items()},
        **{f"box {name}": round(value, 4) for name, value in asdict(evaluation.box).items()},
    }


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:6])
    if len(names) > 6:
        return f"{', '.join(shown)} and {len(names) - 6} more categories"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _csv(rows: Sequence[dict[str, float]]) -> bytes:
    first = ("epoch", "step", "rate", *LOSSES, "seconds")
    columns = list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    return stream.getvalue().encode()


def _draw_curves(rows: Sequence[dict[str, float]], title: str) -> bytes:
    """Draw losses and APs over the epochs, as PNG."""
    # Its object form draws without a screen and without the state that pyplot shares between threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    trained = [row for row in rows if row["epoch"]]  # a start that was measured has no losses
    for name in LOSSES:
        points = [row["epoch"] for row in trained], [row[name] for row in trained]
        losses.plot(*points, marker=".", label=name.removeprefix("loss_"))
    losses.set(xlabel="epoch", ylabel="mean loss", title="Training")
    losses.legend()
    for name in dict.fromkeys(n for row in rows for n in row if n.endswith(" AP")):
        known = [(row["epoch"], row[name]) for row in rows if row.get(name, -1) >= 0]
        scores.plot([e for e, _ in known], [v for _, v in known], marker=".", label=name)
    scores.set(xlabel="epoch", ylabel="AP (IoU .50 to .95)", ylim=(0, 1), title="Validation")
    if scores.lines:
        scores.legend()
    else:
        middle = {"ha": "center", "va": "center", "transform": scores.transAxes}
        scores.text(0.5, 0.5, "nothing was measured: no --val-ground-truth was given", **middle)
    for axes in (losses, scores):
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title.replace("$", r"\$"))
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # titles in any script
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
