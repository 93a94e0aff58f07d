"""Runs a Mask R-CNN over images and keeps what it found small: boxes and M x M masks, never canvases.

The network is followed (:mod:`maskrcnn_core.inference.forward`) up to the point where stock drops what its
thresholds forbid. What is kept there (:class:`~maskrcnn_core.detection.candidates.Candidates`) answers every
later choice of thresholds; a survivor whose mask was not asked for before gets it from the mask head, on
feature maps that stay in a bounded cache.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList

from maskrcnn_core.common.arrays import Ints, Pixels
from maskrcnn_core.common.one_line import is_out_of_memory
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Candidates, Detections, Thresholds
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import InferenceError, InputError
from maskrcnn_core.inference.buckets import padded_size
from maskrcnn_core.inference.closer import Closer, look_closer
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.inference.features import FeatureCache, Features
from maskrcnn_core.inference.forward import (
    MASKS_NOT_FINITE,
    candidates_of,
    make_masks,
    resize_and_normalise,
    run_backbone,
    score_regions,
    why_unusable,
)
from maskrcnn_core.inference.prompts import Prompted, check_boxes, prompt_boxes
from maskrcnn_core.inference.whole.answers import Answer
from maskrcnn_core.inference.whole.batches import Sent, WholeBatches
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.networks.laws import laws_of

__all__ = ["NOT_FINITE", "Failure", "Predictor", "Run", "pick_device"]


MASK_HEAD_CHUNK = 100
"""Instances that go through the mask head at once: bounds its memory; stock's default limit is 100."""

NOT_FINITE = "the network returned NaN or infinity; its weights may be damaged, download them again"

_LOOKS_AT_ONCE = 16
"""Objects looked at together on a GPU. A CPU gains nothing by it; one by one, the mask of none depends
on which others there are."""

_SMALLER = 0.5  # of the network's input size, when memory did not suffice for all of it

_device_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of that name; ``auto`` is CUDA, else Apple's MPS, else the CPU.

    Raises:
        InputError: if the device is unknown or not there, naming those that are there.
    """
    present = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        present.append("mps")
    present.append("cpu")
    if name == "auto":
        return torch.device(present[0])
    # One name for one device: queues and locks go by it.
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        raise InputError(f"device {name!r} is not on this machine; expected one of {', '.join(present)}")
    return torch.device(wanted)


class Predictor:
    """A model on a device, ready to run.

    Runs on one device take turns, across all predictors and threads of the process: two at once would
    only take each other's memory and caches.

    Args:
        model: from the model table or a file.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        batch_size: images of one :meth:`bucket` that go through the network together.
        feature_cache_bytes: bound of the feature maps kept for masks that are asked for later;
            one image of a ResNet-50-FPN takes about 75 MB.
        engine: how the network's dense parts are run, as
            :func:`~maskrcnn_core.inference.engines.choosing.choose_engine` made it for this model and device;
            by default exactly as the model's network runs them. Those who look inside
            (:meth:`at_rest`) get the model's own network whatever the engine.
        looks_closer: whether masks are mended by a closer look (:mod:`maskrcnn_core.inference.closer`)
            before anybody gets them as detections: those of objects above the model's own score threshold, as
            a file for evaluation has many others, which nobody sees. Runs keep those of the first look.
    """

    def __init__(
        self,
        model: LoadedModel,
        device: str = "auto",
        *,
        batch_size: int = 1,
        feature_cache_bytes: int = 400 * 2**20,
        engine: Engine | None = None,
        looks_closer: bool = False,
    ) -> None:
        self.model = model
        self.engine = engine or Engine(EXACT)
        self.device = pick_device(device)
        self.batch_size = batch_size
        self.looks_closer = looks_closer
        self._network = _on_device(model.network, self.device)
        self._fast = self.engine.network or self._network
        self._cache = FeatureCache(feature_cache_bytes)
        self._whole = None
        if self.engine.spec.buckets:
            self._whole = WholeBatches.of(self._fast, self.device, model.mask_size)
        self._closer = Closer.of(self._network.transform, 1 if self.device.type == "cpu" else _LOOKS_AT_ONCE)

    def looking_closer(self, *, looks_closer: bool = True) -> Predictor:
        """Return the same predictor, network and feature maps shared, that looks closer, or does not."""
        if looks_closer == self.looks_closer:
            return self
        other = copy.copy(self)
        other.looks_closer = looks_closer
        return other

    def predict(self, images: Sequence[Pixels], thresholds: Thresholds | None = None) -> list[Detections]:
        """Return detections of each image, as stock torchvision with these thresholds gives them.

        Args:
            images: uint8 ``[H, W, 3]`` RGB, upright.
            thresholds: by default the model's own thresholds for scores and NMS.

        Raises:
            InferenceError: if any image failed, naming it. :meth:`run` gives the others all the same.
        """
        thresholds = thresholds or Thresholds(self.model.score_threshold, self.model.nms_threshold)
        outcomes = self.run(images, thresholds)
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Failure):
                raise InferenceError(f"images[{index}]: {outcome.reason}")
        return [
            self.detections(run, thresholds, image)
            for run, image in zip(outcomes, images, strict=True)
            if isinstance(run, Run)
        ]

    def run(self, images: Sequence[Pixels], thresholds: Thresholds | None = None) -> list[Run | Failure]:
        """Run the network over images; one that fails does not touch the others.

        Args:
            images: uint8 ``[H, W, 3]`` RGB, upright.
            thresholds: masks are made at once for what these keep; all other masks wait until asked
                for. By default for all that stock would show at the lowest score.
        """
        thresholds = thresholds or Thresholds(SCORE_FLOOR, self.model.nms_threshold)
        outcomes: list[Run | Failure | None] = [why_unusable(image, self._network) for image in images]
        usable = [i for i, o in enumerate(outcomes) if o is None]
        ahead: tuple[list[int], Sent] | None = None
        for batch in self._batches(images, usable):
            # The device has the next batch before the processor waits for the one before.
            sent = self._send([images[i] for i in batch], thresholds)
            if ahead is not None:
                _put(outcomes, ahead[0], self._received(ahead[1], [images[i] for i in ahead[0]], thresholds))
            ahead = None if sent is None else (batch, sent)
            if sent is None:
                _put(outcomes, batch, self._run_with_fallbacks([images[i] for i in batch], thresholds))
        if ahead is not None:
            _put(outcomes, ahead[0], self._received(ahead[1], [images[i] for i in ahead[0]], thresholds))
        return [outcome for outcome in outcomes if outcome is not None]

    def bucket(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the key of an image size: images with equal keys may go through the network in one batch.

        Args:
            size: ``(height, width)`` of an image.
        """
        if not self.engine.spec.buckets:
            return size
        return padded_size(self._fast, size) or size

    def detections(
        self, run: Run, thresholds: Thresholds, image: Pixels | Callable[[], Pixels] | None = None
    ) -> Detections:
        """Return what these thresholds leave of a run; the mask head runs for those that have no mask yet.

        Args:
            run: of this predictor.
            thresholds: any; see :meth:`Candidates.select` for what they give.
            image: the run's image, or a way to get it: needed where a mask is wanting and the feature maps
                have left the cache, and for a closer look.

        Raises:
            InferenceError: if the image is needed and not given, or the mask head gives NaN.
        """
        return self.detections_of(run, run.candidates.select(thresholds), image)

    def detections_of(
        self, run: Run, rows: Ints, image: Pixels | Callable[[], Pixels] | None = None
    ) -> Detections:
        """Return some candidate rows of a run as detections; see :meth:`detections` for the rest."""
        # COCO's published heads have eleven outputs that no category ever took: those are no detections.
        known = [label in self.model.label_map for label in run.candidates.labels[rows].tolist()]
        rows = rows[np.array(known, np.bool_)]
        self._complete_masks(run, rows, image)
        found = run.detections(rows)
        if not self.looks_closer:
            return found
        return self.look_closer(found, image, score_threshold=self.model.score_threshold)

    def look_closer(
        self,
        found: Detections,
        image: Pixels | Callable[[], Pixels] | None,
        on_look: Callable[[int, int], object] = lambda _done, _total: None,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        score_threshold: float = 0.0,
    ) -> Detections:
        """Return detections with masks mended by a closer look; see :mod:`maskrcnn_core.inference.closer`.

        Args:
            found: with the first look's masks.
            image: theirs, or a way to get it.
            on_look: called with how many objects were looked at, and of how many.
            cancelled: asked before each look.
            score_threshold: objects whose score is not above it are left alone.

        Raises:
            InferenceError: if the image is needed and not given, or the mask head gives NaN.
            LookStopped: if ``cancelled`` said so.
        """
        if not len(found):
            return found
        if image is None:
            raise InferenceError("expected the image, because a closer look cuts objects out of it; got none")
        pixels = image() if callable(image) else image
        return look_closer(
            self._at_work,
            self.device,
            self._closer,
            pixels,
            found,
            on_look,
            cancelled,
            score_threshold=score_threshold,
        )

    def engine_of(self, run: Run) -> str:
        """Return what an export says of the engine that made a run; empty for the exact one."""
        return self.engine.description if run.device == self.device.type else ""  # else it fell back

    def open(self, image: Pixels) -> Run:
        """Return a run without candidates, only with the image's feature maps, for boxes that people draw.

        Raises:
            InferenceError: if the image cannot go through the network.
        """
        self.check(image)
        with _device_locks[str(self.device)], torch.inference_mode():
            batch = resize_and_normalise(self._fast, [image], self.device)
            maps = run_backbone(self._fast, batch)
        features = Features.of(maps, batch, 0)
        nothing = Candidates(
            np.empty((0, 4), np.float32),
            np.empty(0, np.int64),
            np.empty(0, np.float32),
            features.input_size,
            (image.shape[0], image.shape[1]),
            laws_of(self._network),
        )
        run = Run(nothing, self.model.mask_size, self.device.type)
        self._cache.put(run, features)
        return run

    def prompt(
        self,
        run: Run,
        boxes: npt.ArrayLike,
        image: Pixels | Callable[[], Pixels] | None = None,
        *,
        labels: Sequence[int] | None = None,
        refine: int = 0,
    ) -> Prompted:
        """Turn boxes that a person drew into objects; see :mod:`maskrcnn_core.inference.prompts`.

        Args:
            run: of this predictor over the image.
            boxes: N of x1 y1 x2 y2 in pixels of the image.
            image: the run's image, or a way to get it: needed where the feature maps have left the cache.
            labels: of each box, where the person has decided on them.
            refine: how often the box head moves the boxes before the masks are made: 0 trusts the person.

        Raises:
            InputError: if a box lies outside of the image or is none, or a label is not the model's.
            InferenceError: if the image is needed and not given, or the heads give NaN.
        """
        checked = check_boxes(boxes, run.image_size)
        known = sorted(self.model.label_map.labels)
        for label in labels or ():
            if label not in self.model.label_map:
                raise InputError(f"label {label}: the model has no such category")
        features = self.features_of(run, image)
        with torch.inference_mode():
            return prompt_boxes(
                self.network_for(features),
                features,
                checked,
                run.image_size,
                known,
                labels=None if labels is None else np.asarray(labels, np.int64),
                refine=refine,
            )

    # -- for those who look inside ----------------------------------------------------------------

    def check(self, image: Pixels) -> None:
        """Raise InferenceError, with the reason, if an image cannot go through the network at all."""
        if failure := why_unusable(image, self._network):
            raise InferenceError(failure.reason)

    @contextmanager
    def at_rest(self) -> Iterator[MaskRCNN]:
        """Hold the network on its device, which nothing else uses meanwhile; without gradients."""
        with _device_locks[str(self.device)], torch.inference_mode():
            yield self._network

    @contextmanager
    def _at_work(self) -> Iterator[MaskRCNN]:
        """Hold the network as the engine runs it, which nothing else uses meanwhile; without gradients."""
        with _device_locks[str(self.device)], torch.inference_mode():
            yield self._fast

    def keep(self, run: Run, features: Features) -> None:
        """Take on a run that was made elsewhere with this predictor's network."""
        self._cache.put(run, features)

    def network_for(self, features: Features) -> MaskRCNN:
        """Return the network on the device where these feature maps are."""
        return self._fast if features.device.type == self.device.type else self.model.network

    def features_of(self, run: Run, image: Pixels | Callable[[], Pixels] | None = None) -> Features:
        """Return the feature maps of a run's image; made again where they have left the cache.

        Raises:
            InferenceError: if the image is needed and not given.
        """
        return self._cache.get(run) or self._features_again(run, image)

    # -- one run --------------------------------------------------------------------------------

    def _batches(self, images: Sequence[Pixels], usable: Iterable[int]) -> list[list[int]]:
        """Group images by bucket: more padding would make a result depend on its neighbours."""
        by_bucket: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index in usable:
            by_bucket[self.bucket(_size_of(images[index]))].append(index)
        step = self.batch_size
        return [group[i : i + step] for group in by_bucket.values() for i in range(0, len(group), step)]

    def _send(self, images: list[Pixels], thresholds: Thresholds) -> Sent | None:
        """Start a batch on its whole way through the network; ``None`` where it has to go step by step."""
        if self._whole is None:
            return None
        try:
            with _device_locks[str(self.device)]:
                return self._whole.send(images, thresholds)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                self._free_memory()
            return None  # step by step it comes out what is the matter

    def _received(self, sent: Sent, images: Sequence[Pixels], thresholds: Thresholds) -> list[Run | Failure]:
        """Return what became of a batch; whatever its pass could not end is done step by step."""
        try:
            answers = sent.answers()
        except RuntimeError:
            return self._run_with_fallbacks(list(images), thresholds)
        return [self._run_of(*one, thresholds) for one in zip(answers, sent.input_sizes, images, strict=True)]

    def _run_of(
        self, answer: Answer, input_size: tuple[int, int], image: Pixels, thresholds: Thresholds
    ) -> Run | Failure:
        if not answer.is_finite:
            return Failure(NOT_FINITE)
        if not answer.is_whole:
            return self._run_with_fallbacks([image], thresholds)[0]
        size = _size_of(image)
        candidates = Candidates(answer.boxes, answer.labels, answer.scores, input_size, size)
        note = self._whole.graphs.take_note() if self._whole else ""
        run = Run(candidates, self.model.mask_size, self.device.type, notes=(note,) if note else ())
        if not np.isfinite(answer.mask_probs).all():
            return Failure(MASKS_NOT_FINITE)
        run.keep_masks(answer.rows, answer.mask_probs)
        try:
            self._complete_masks(run, candidates.select(thresholds), image)
        except InferenceError as error:
            return Failure(str(error))
        return run

    def _run_with_fallbacks(self, images: list[Pixels], thresholds: Thresholds) -> list[Run | Failure]:
        """Try again with less, where memory ran out: alone, at half the size, then on the CPU."""
        try:
            return self._run_batch(images, thresholds, self._fast, self.device)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                return [Failure(f"the network stopped: {_first_line(error)}") for _ in images]
        self._free_memory()
        if len(images) > 1:
            return [self._run_with_fallbacks([image], thresholds)[0] for image in images]
        attempts: list[tuple[MaskRCNN, torch.device, float, str]] = [
            (self._fast, self.device, 1.0, ""),
            (
                self._fast,
                self.device,
                _SMALLER,
                "ran at half the input size; it may miss small objects",
            ),
        ]
        if self.device.type != "cpu":
            attempts.append((self.model.network, torch.device("cpu"), 1.0, "ran on the CPU"))
        for network, device, scale, what in attempts:
            try:
                note = f"out of memory on {self.device.type}: {what}" if what else ""
                return self._run_batch(images, thresholds, network, device, scale, note)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    return [Failure(f"the network stopped: {_first_line(error)}")]
                self._free_memory()
        return [
            Failure(
                "out of memory, even at half the input size"
                + (" and on the CPU" if self.device.type != "cpu" else "")
                + "; use a smaller image or model"
            )
        ]

    def _run_batch(
        self,
        images: list[Pixels],
        thresholds: Thresholds,
        network: MaskRCNN,
        device: torch.device,
        scale: float = 1.0,
        note: str = "",
    ) -> list[Run | Failure]:
        with _device_locks[str(device)], torch.inference_mode():
            batch = resize_and_normalise(network, images, device, scale)
            maps = run_backbone(network, batch)
            outcomes: list[Run | Failure] = []
            for index, candidates in enumerate(_candidates(network, batch, maps, images)):
                if isinstance(candidates, Failure):
                    outcomes.append(candidates)
                    continue
                run = Run(
                    candidates, self.model.mask_size, device.type, notes=(note,) if note else (), scale=scale
                )
                features = Features.of(maps, batch, index)
                self._cache.put(run, features)
                try:
                    self._complete_masks(run, run.candidates.select(thresholds), None, features)
                except InferenceError as error:
                    outcomes.append(Failure(str(error)))
                else:
                    outcomes.append(run)
            return outcomes

    def _complete_masks(
        self,
        run: Run,
        rows: Ints,
        image: Pixels | Callable[[], Pixels] | None,
        features: Features | None = None,
    ) -> None:
        wanting = run.without_mask(rows)
        if not len(wanting):
            return
        features = features or self.features_of(run, image)
        network = self.network_for(features)
        device = features.device
        with torch.inference_mode():
            for start in range(0, len(wanting), MASK_HEAD_CHUNK):
                chunk = wanting[start : start + MASK_HEAD_CHUNK]
                run.keep_masks(chunk, make_masks(network, features, run.candidates, chunk, device))

    def _features_again(self, run: Run, image: Pixels | Callable[[], Pixels] | None) -> Features:
        if image is None:
            raise InferenceError(
                "expected the image, because the mask's feature maps are no longer kept; got none"
            )
        pixels = image() if callable(image) else image
        is_here = run.device == self.device.type  # else it fell back to the CPU
        network = self._fast if is_here else self.model.network
        device = self.device if is_here else torch.device("cpu")
        with _device_locks[str(device)], torch.inference_mode():
            batch = resize_and_normalise(network, [pixels], device, run.scale)
            maps = run_backbone(network, batch)
        features = Features.of(maps, batch, 0)
        self._cache.put(run, features)
        return features

    def _free_memory(self) -> None:
        self._cache.clear()
        if self._whole is not None:
            self._whole.graphs.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()


def _candidates(
    network: MaskRCNN, batch: ImageList, maps: OrderedDict[str, Tensor], images: Sequence[Pixels]
) -> list[Candidates | Failure]:
    """Run the second stage up to, but without, score threshold, suppression and limit."""
    proposals, _ = network.rpn(batch, maps)
    results: list[Candidates | Failure] = []
    for index, scored in enumerate(score_regions(network, maps, proposals, batch.image_sizes)):
        if not (scored.is_finite() and all(bool(torch.isfinite(m[index].sum())) for m in maps.values())):
            results.append(Failure(NOT_FINITE))
            continue
        height, width = images[index].shape[:2]
        convention = CONVENTIONS[laws_of(network)]
        results.append(candidates_of(scored, batch.image_sizes[index], (height, width), convention)[0])
    return results


def _put(outcomes: list[Run | Failure | None], places: Sequence[int], found: Sequence[Run | Failure]) -> None:
    for place, outcome in zip(places, found, strict=True):
        outcomes[place] = outcome


def _size_of(image: Pixels) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _on_device(network: MaskRCNN, device: torch.device) -> MaskRCNN:
    # The table's module stays on the CPU, for all who share it and to fall back on.
    return network if device.type == "cpu" else copy.deepcopy(network).to(device)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
