"""Batches on their way through the device: one is sent off before the answers of the last one are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.inference.buckets import padded_size
from maskrcnn_core.inference.forward import WHOLE_PIXELS
from maskrcnn_core.inference.whole.answers import Answer, Layout, read
from maskrcnn_core.inference.whole.graphs import Graphs
from maskrcnn_core.inference.whole.inputs import Inputs, to_device
from maskrcnn_core.inference.whole.network_pass import NetworkPass

__all__ = ["Sent", "WholeBatches"]

_MOST_MASKS = 512
"""Masks of an image that are made at once."""


@dataclass(frozen=True, eq=False)
class Sent:
    """A batch that the device works on.

    Args:
        input_sizes: ``(height, width)`` of each image in the input.
        packed: answers, on their way to the processor.
        layout: of them.
        wait: returns when they have arrived.
    """

    input_sizes: list[tuple[int, int]]
    packed: Tensor
    layout: Layout
    wait: Callable[[], object]

    def answers(self) -> list[Answer]:
        """Wait for the device, and return what it says of each image."""
        self.wait()
        rows = self.packed.numpy()
        return [read(row, self.layout) for row, _ in zip(rows, self.input_sizes, strict=False)]


class WholeBatches:
    """Sends batches of one bucket through a network.

    Args:
        network_pass: of a network on its device.
        device: where it is.
        mask_size: side of its masks.
    """

    def __init__(self, network_pass: NetworkPass, device: torch.device, mask_size: int) -> None:
        self._pass, self._device, self._mask_size = network_pass, device, mask_size
        self._inputs = Inputs(network_pass.network.transform, device)
        self.graphs = Graphs(device)

    @classmethod
    def of(cls, network: MaskRCNN, device: torch.device, mask_size: int) -> WholeBatches | None:
        """Return it, or ``None`` for a network that only goes step by step."""
        network_pass = NetworkPass.of(network, device)
        return None if network_pass is None else cls(network_pass, device, mask_size)

    def send(self, images: Sequence[Pixels], thresholds: Thresholds) -> Sent | None:
        """Start a batch and return at once; ``None`` for images that are too large to go together.

        Args:
            images: uint8 ``[H, W, 3]`` RGB of one bucket.
            thresholds: masks are made for what these keep.
        """
        first = images[0].shape
        padded = padded_size(self._pass.network, (first[0], first[1]))
        if padded is None or max(image.shape[0] * image.shape[1] for image in images) > WHOLE_PIXELS:
            return None
        # A bucket's last batch goes as one of a size that comes again: each count would want its own graph.
        rows = 1 << (len(images) - 1).bit_length()
        layout = self._pass.layout(min(thresholds.max_detections, _MOST_MASKS), self._mask_size)
        with torch.inference_mode():
            batch, sizes = self._inputs.batch(images, padded, rows)
            filled = [*sizes, *[padded] * (rows - len(sizes))]
            inputs = (
                batch,
                to_device(torch.tensor(filled, dtype=torch.float32), self._device),
                to_device(torch.tensor([thresholds.score_threshold, thresholds.nms_threshold]), self._device),
            )
            work = partial(self._pass.run, layout=layout)
            packed = self.graphs.run((batch.shape, layout), work, inputs)
            return Sent(sizes, *self._fetched(packed, layout))

    def _fetched(self, packed: Tensor, layout: Layout) -> tuple[Tensor, Layout, Callable[[], object]]:
        if self._device.type != "cuda":
            return packed, layout, lambda: None
        host = torch.empty(packed.shape, pin_memory=True)
        host.copy_(packed, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        return host, layout, arrived.synchronize
