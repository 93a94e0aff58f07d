"""Looks at the first samples of a run as its first steps would take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.errors import CoreError, InferenceError, InputError
from maskrcnn_core.evaluation.ground_truth import GroundTruth
from maskrcnn_core.inference.forward import resize_and_normalise
from maskrcnn_core.inference.predictor import Predictor, pick_device
from maskrcnn_core.networks.laws import image_corner
from maskrcnn_core.training.augmentation import Sample, Target
from maskrcnn_core.training.inspection.counting import SampleCount, count_sample
from maskrcnn_core.training.inspection.recall import Recall, reached_by_proposals, recall_of
from maskrcnn_core.training.inspection.watching import SeenSample, watch_step
from maskrcnn_core.training.loading import Batches, Key, TrainingImages
from maskrcnn_core.training.optimising import precision_on
from maskrcnn_core.training.settings import TrainingSettings
from maskrcnn_core.training.starting import Beginning
from maskrcnn_core.training.steps import made_ready, put_into_training, steps_of_epoch

__all__ = ["DataCount", "InspectedSample", "Inspection", "Rules", "UsedInput", "inspect_training"]

_AGAIN = 3
"""How often an inspected sample is shown as later epochs will see it."""

OnProgress = Callable[[int, int], object]


@dataclass(frozen=True)
class Rules:
    """By what the network sorts anchors and regions. All IoUs are of boxes, in [0, 1].

    Args:
        anchor_object: an anchor that overlaps an object by this stands for it,
        anchor_background: and one that overlaps all by less than this is background.
        roi_object: a region that overlaps an object by this stands for it.
        anchors_per_image: whose objectness is learned in a step, at most half of them objects.
        rois_per_image: from which the heads learn in a step,
        object_share: and at most this share of them are objects.
        anchor_sizes: ``(height, width)`` of all kinds of anchors in pixels of the network's input.
    """

    anchor_object: float
    anchor_background: float
    roi_object: float
    anchors_per_image: int
    rois_per_image: int
    object_share: float
    anchor_sizes: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class DataCount:
    """What the ground truths hold, as training takes them.

    Args:
        images: in all.
        instances: of each category by its name; also of those that have none.
        twice: instances with the very mask of another one in their image.
    """

    images: int
    instances: dict[str, int]
    twice: int


@dataclass(frozen=True, eq=False)
class UsedInput:
    """A network's input in use.

    Args:
        values: float32 ``[3, H, W]``, normalised and padded.
        size: ``(height, width)`` of the image in it.
        corner: row and column of the image's first pixel.
    """

    values: Tensor
    size: tuple[int, int]
    corner: tuple[int, int]


@dataclass(frozen=True, eq=False)
class InspectedSample:
    """A sample to look at.

    Args:
        record: of its image.
        pixels: of the whole image, uint8 ``[H, W, 3]`` RGB.
        truth: what is known of it.
        used: the whole image as it is in use; None if the network cannot take it.
        seen: as the network sees it in the run's first epoch.
        again: pictures and targets of the same image in the epochs after that.
    """

    record: ImageRecord
    pixels: Pixels
    truth: Sample
    used: UsedInput | None
    seen: SeenSample
    again: tuple[tuple[Tensor, Target], ...]


@dataclass(frozen=True, eq=False)
class Inspection:
    """What training sees.

    Args:
        title: of the model that it begins with.
        knows: whether that is a trained one.
        label_map: of the network.
        settings: of the run.
        rules: of the network.
        data: what the ground truths hold.
        epoch: number of samples in an epoch.
        counts: the samples of the first steps in numbers, in their order.
        losses: of each of these steps, by name.
        samples: the first few of them, to look at.
        recall: what the network's proposals reach; None for one that knows nothing.
        passed_over: sentences on what could not be read.
    """

    title: str
    knows: bool
    label_map: LabelMap
    settings: TrainingSettings
    rules: Rules
    data: DataCount
    epoch: int
    counts: tuple[SampleCount, ...]
    losses: tuple[dict[str, float], ...]
    samples: tuple[InspectedSample, ...]
    recall: Recall | None
    passed_over: tuple[str, ...]


def inspect_training(
    beginning: Beginning,
    truths: Sequence[GroundTruth],
    images: TrainingImages,
    settings: TrainingSettings,
    *,
    over: int = 40,
    samples: int = 4,
    title: str = "",
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> Inspection:
    """Look at what the first steps of a run would learn from. No weight changes.

    Args:
        beginning: the network, which belongs to the inspection from now on.
        truths: what ``images`` are made of.
        images: the run's samples.
        settings: of the run.
        over: how many samples are counted, of the first epoch in its order and in whole batches.
        samples: how many of these are kept to be looked at.
        title: of the model that it begins with, for people.
        device: see :func:`maskrcnn_core.inference.predictor.pick_device`.
        on_progress: called with ``(done, total)`` after each image whose proposals were compared, then after
            each step, then after each sample that is kept.

    Raises:
        InputError: if there is less than one batch of samples, or none of those can be read.
    """
    picked, tell = pick_device(device), on_progress or (lambda *_: None)
    batches = Batches(images, settings.batch_size, settings.workers)
    steps = min(-(-max(over, samples) // settings.batch_size), steps_of_epoch(images, settings))
    keys = batches.keys_of(0)[:steps]
    passed_over: list[str] = []
    of_recall = _one_of_each(keys) if beginning.knows else []
    counted = steps * settings.batch_size
    total = len(of_recall) + counted + min(samples, counted)
    # In use comes first: batch norms that learn change with what they see.
    recall = None
    if beginning.knows:
        recall = _recall(beginning, images, of_recall, picked, passed_over, lambda done: tell(done, total))
    network = made_ready(beginning.model.network, settings, picked)
    put_into_training(network, settings)
    counts: list[SampleCount] = []
    losses: list[dict[str, float]] = []
    looked_at: list[tuple[Key, SeenSample]] = []
    for step, batch in _readable(batches, steps, passed_over):
        seen, of_step = watch_step(
            network, batch, settings, step, device=picked, precision=precision_on(picked)
        )
        losses.append(of_step)
        for key, one in zip(keys[step], seen, strict=True):
            record, truth = images.bare(key)
            is_whole = settings.augmentation.crop is None
            counts.append(count_sample(record.file_name, one, len(truth.masks) if is_whole else None))
            if len(looked_at) < samples:
                looked_at.append((key, one))
        tell(len(of_recall) + (step + 1) * settings.batch_size, total)
    if not counts:
        raise InputError(f"training data: none of the samples can be read; {passed_over[0]}")
    network.eval()
    predictor = Predictor(beginning.model, str(picked))
    shown = []
    for done, (key, one) in enumerate(looked_at, start=1):
        try:
            shown.append(_look_at(images, key, one, predictor))
        except CoreError as error:
            passed_over.append(f"{images.bare(key)[0].file_name}: it is not shown: {error}")
        tell(len(of_recall) + counted + done, total)
    return Inspection(
        title,
        beginning.knows,
        beginning.model.label_map,
        settings,
        _rules_of(network),
        _count_data(truths, beginning.model.label_map),
        images.count(),
        tuple(counts),
        tuple(losses),
        tuple(shown),
        recall,
        tuple(passed_over),
    )


def _one_of_each(keys: Sequence[Sequence[Key]]) -> list[Key]:
    """Return a key for each image, in their order: large images give several samples where they are cut."""
    return list({key[2]: key for batch in keys for key in reversed(batch)}.values())


def _readable(
    batches: Batches, steps: int, passed_over: list[str]
) -> Iterator[tuple[int, tuple[list[Tensor], list[Target]]]]:
    """Yield steps with their batches; one with an image that cannot be read any more is passed over."""
    step = 0
    while step < steps:
        try:
            for batch in batches.of(0, step):
                yield step, batch
                step += 1
                if step == steps:
                    return
        except CoreError as error:
            passed_over.append(f"step {step + 1} is left out: {error}")
            step += 1


def _recall(
    beginning: Beginning,
    images: TrainingImages,
    keys: Sequence[Key],
    device: torch.device,
    passed_over: list[str],
    tell: Callable[[int], object],
) -> Recall:
    beginning.model.network.eval()
    predictor = Predictor(beginning.model, str(device))
    found = []
    for done, key in enumerate(keys, start=1):
        record, truth = images.bare(key)
        try:
            pixels = images.pixels(key)
            predictor.check(pixels)
        except CoreError as error:
            passed_over.append(f"{record.file_name}: its proposals are left out: {error}")
        else:
            with predictor.at_rest() as network:
                reached, proposals = reached_by_proposals(network, pixels, truth.masks, device)
            found.append(([mask.area for mask in truth.masks], reached, proposals))
        tell(done)
    return recall_of(found)


def _look_at(images: TrainingImages, key: Key, seen: SeenSample, predictor: Predictor) -> InspectedSample:
    record, truth = images.bare(key)
    pixels = images.pixels(key)
    later = [next(k for k in images.order(epoch) if k[2] == key[2]) for epoch in range(1, _AGAIN + 1)]
    return InspectedSample(
        record,
        pixels,
        replace(truth, pixels=pixels),
        _used(pixels, predictor),
        seen,
        tuple(images[other] for other in later),
    )


def _used(pixels: Pixels, predictor: Predictor) -> UsedInput | None:
    try:
        predictor.check(pixels)
    except InferenceError:
        return None
    with predictor.at_rest() as network:
        batch = resize_and_normalise(network, [pixels], predictor.device)
    size = batch.image_sizes[0]
    values = batch.tensors[0].float().cpu()
    return UsedInput(values, size, image_corner(network, (values.shape[1], values.shape[2]), size))


def _rules_of(network: MaskRCNN) -> Rules:
    rpn, heads = network.rpn, network.roi_heads
    cells = torch.cat([cells.cpu() for cells in rpn.anchor_generator.cell_anchors])
    sizes = sorted(set(map(tuple, (cells[:, 2:] - cells[:, :2]).flip(1).tolist())))
    return Rules(
        float(rpn.proposal_matcher.high_threshold),
        float(rpn.proposal_matcher.low_threshold),
        float(heads.proposal_matcher.high_threshold),
        int(rpn.fg_bg_sampler.batch_size_per_image),
        int(heads.fg_bg_sampler.batch_size_per_image),
        float(heads.fg_bg_sampler.positive_fraction),
        tuple((float(height), float(width)) for height, width in sizes),
    )


def _count_data(truths: Sequence[GroundTruth], label_map: LabelMap) -> DataCount:
    instances = dict.fromkeys((category.name for category in label_map), 0)
    twice = 0
    for truth in truths:
        names = {category.id: category.name for category in truth.dataset.categories}
        learned = [i for i in truth.dataset.instances if not i.is_crowd and i.area]
        for instance in learned:
            instances[names[instance.category_id]] += 1
        twice += sum(n - 1 for n in Counter((i.image_id, i.mask) for i in learned).values())
    return DataCount(sum(len(truth.dataset.images) for truth in truths), instances, twice)
