"""What ``train`` reports while it runs: sentences above the bar, and the bar itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import tell
from maskrcnn_core.evaluation.ground_truth import GroundTruth
from maskrcnn_core.evaluation.of_models import Result
from maskrcnn_core.evaluation.unlearned import Reading, Reason
from maskrcnn_core.training.loading import TrainingImages
from maskrcnn_core.training.run_records import Outcome, Progress
from maskrcnn_core.training.starting import Beginning

__all__ = [
    "show_progress",
    "tell_crops",
    "tell_crowded",
    "tell_outcome",
    "tell_unknown",
    "tell_unlearned",
]

_LARGE = 96**2
_ENOUGH = 0.9


def tell_crowded(truths: Sequence[GroundTruth], limit: int) -> None:
    """Warn of images with more instances than the model will keep."""
    for truth in truths:
        most = max(Counter(i.image_id for i in truth.dataset.instances if not i.is_crowd).values(), default=0)
        if most > limit:
            tell(
                f"{truth.name}: up to {most} instances per image, but the model keeps at most {limit}; "
                f"--max-detections {most} keeps them all"
            )


_WORDS: dict[Reason, tuple[str, str]] = {
    "crowd": ("crowd (iscrowd 1)", "crowds (iscrowd 1)"),
    "proposal": ("open proposal", "open proposals"),
    "refused": ("row that cannot be read", "rows that cannot be read"),
    "empty": ("empty mask", "empty masks"),
    "box": ("box without a mask", "boxes without a mask"),
}


def tell_unlearned(truth: GroundTruth, reading: Reading) -> None:
    """Say what in a file is not ground truth, with counts, and the options that change it."""
    counts = Counter(one.reason for one in truth.unlearned)
    if counts:
        listed = ", ".join(
            counted(counts[reason], *words) for reason, words in _WORDS.items() if counts[reason]
        )
        tell(f"{truth.name}: {listed}: not learned, and not learned as background either")
    if counts["crowd"]:
        whole = "every instance is a crowd, as in CVAT's mask exports; " if _only_crowds(truth) else ""
        tell(f"{truth.name}: {whole}--crowds objects treats each as one object")
    if counts["proposal"]:
        tell(f"{truth.name}: --with-proposals learns proposals as well")
    if truth.rejected:
        tell(
            f"{truth.name}: {counted(truth.rejected, 'rejected instance is', 'rejected instances are')} "
            "left out; their places count as background"
        )
    if truth.undecided and not reading.with_proposals:
        score = "with a model's score"
        what = counted(
            truth.undecided,
            f"instance {score} is learned as it is",
            f"instances {score} are learned as they are",
        )
        tell(f"{truth.name}: {what}")


def _only_crowds(truth: GroundTruth) -> bool:
    return all(instance.is_crowd for instance in truth.dataset.instances)


def tell_crops(images: TrainingImages) -> None:
    """Warn if crops cut many objects to pieces."""
    crop = images.augmentation.crop
    if crop is None:
        return
    every, large = images.share_left_whole(), images.share_left_whole(above=_LARGE)
    if every < _ENOUGH or large < _ENOUGH:
        of_large = "" if math.isnan(large) else f", {large:.0%} of the large ones"
        tell(
            f"crops of {crop} pixels leave {every:.0%} of the objects in them whole{of_large}; without "
            "--crop the network sees whole images"
        )


def tell_unknown(validation: Sequence[GroundTruth], beginning: Beginning) -> None:
    """Warn of validation categories that the training data lacks."""
    known = {category.name for category in beginning.model.label_map}
    for truth in validation:
        unknown = [c.name for c in truth.dataset.categories if c.name not in known]
        if unknown:
            tell(
                f"{truth.name}: {', '.join(unknown[:8])}: not in the training data, so these count as missed"
            )


def show_progress(bar: tqdm[Any], progress: Progress) -> None:
    """Move the bar, and report results as they come."""
    if progress.losses is not None:
        if bar.n == 0 and progress.step > 1:
            bar.initial = progress.step - 1  # steps of an earlier session took no time in this one
            bar.n = progress.step - 1
        losses = {name.removeprefix("loss_"): f"{value:.2f}" for name, value in progress.losses.items()}
        total = sum(progress.losses.values())
        bar.set_postfix(
            {"epoch": progress.epoch, "rate": f"{progress.rate:.1e}", "loss": f"{total:.2f}"} | losses,
            refresh=False,
        )
        bar.update(1)
    if progress.evaluating is not None:
        bar.set_postfix_str(f"evaluating {progress.evaluating[0]} of {progress.evaluating[1]} images")
    when = f"epoch {progress.epoch}" if progress.epoch else "before the first step"
    for result in progress.results:
        tell(f"{when}: {_sentence(result)}")


def _sentence(result: Result) -> str:
    mask, box = result.evaluation.mask, result.evaluation.box
    return (
        f"{one_line(result.name)}: mask AP {mask.AP:.3f} (AP50 {mask.AP50:.3f}, AP75 {mask.AP75:.3f}), "
        f"box AP {box.AP:.3f}, up to {result.max_detections} detections per image"
    )


def tell_outcome(outcome: Outcome) -> None:
    """Say which weights were kept, and what the training achieved."""
    if outcome.ap is None:
        return
    if outcome.best_epoch:
        start = "" if outcome.start_ap is None else f"; started at {outcome.start_ap:.3f}"
        tell(f"kept the weights of epoch {outcome.best_epoch}: mask AP {outcome.ap:.3f}{start}")
    else:
        trained = "" if outcome.trained_ap is None else f", the best of the epochs {outcome.trained_ap:.3f}"
        tell(
            f"no epoch beat the start (mask AP {outcome.ap:.3f}{trained}), so its weights are kept; a lower "
            "--rate may help"
        )
