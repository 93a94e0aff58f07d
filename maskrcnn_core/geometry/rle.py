"""Binary masks as run lengths: the stored form of every mask, and what can be said of it.

A mask is kept as COCO keeps it (``pycocotools``, *maskApi.c*): lengths of alternating runs of
background and foreground, read down the columns, the first run being background (possibly 0 long).
The compressed text form writes those lengths as differences in groups of five bits, one printable
character each. Everything here works on the runs or on the mask's own tight box; no function but
:meth:`Rle.to_mask` ever makes an array of the image's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.errors import DatasetError

__all__ = ["BoolMask", "Rle", "mask_iou"]

BoolMask = npt.NDArray[np.bool_]
Runs = npt.NDArray[np.uint32]

_TURNED_AT_ONCE = 64
"""Rows and columns of a mask that are turned together: what they touch stays in the processor's cache."""


class Rle:
    """One binary mask of an image; it never changes.

    Args:
        size: ``(height, width)`` of the image in pixels.
        runs: uint32 ``[R]``, lengths of alternating runs in column-major order, background first.
            They add up to ``height * width``, and only the first may be 0, so that equal masks have
            equal runs.

    Raises:
        ValueError: if ``runs`` is not of that form.
    """

    size: tuple[int, int]

    def __init__(self, size: tuple[int, int], runs: Runs) -> None:
        height, width = size
        if runs.dtype != np.uint32 or runs.ndim != 1:
            raise ValueError(f"runs: expected uint32 [R], got {runs.dtype} {list(runs.shape)}")
        total = int(runs.sum(dtype=np.uint64))
        if total != height * width:
            raise ValueError(f"runs: expected a sum of {height} x {width} = {height * width}, got {total}")
        if runs.size > 1 and not runs[1:].all():
            raise ValueError("runs: expected lengths above 0 after the first run, got 0")
        runs.flags.writeable = False
        self.__dict__.update(size=size, runs=runs)

    # -- making one -------------------------------------------------------------------------

    @classmethod
    def from_mask(cls, mask: BoolMask) -> Rle:
        """Return the runs of a bool ``[H, W]`` mask."""
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise ValueError(f"mask: expected bool [H, W], got {mask.dtype} {list(mask.shape)}")
        height, width = mask.shape
        return cls((height, width), _encode_crop(mask, 0, 0, height, width))

    @classmethod
    def from_crop(cls, crop: BoolMask, top_left: tuple[int, int], size: tuple[int, int]) -> Rle:
        """Return the runs of a mask given by a part of it; all else is background.

        Args:
            crop: bool ``[h, w]``.
            top_left: ``(y, x)`` of the crop's first pixel in the image.
            size: ``(height, width)`` of the image, which holds the crop wholly.
        """
        top, left = top_left
        inside = top >= 0 and left >= 0
        if not inside or top + crop.shape[0] > size[0] or left + crop.shape[1] > size[1]:
            raise ValueError(f"crop {crop.shape} at {top_left}: expected it inside the image of {size}")
        return cls(size, _encode_crop(crop, top, left, *size))

    @classmethod
    def from_counts(cls, counts: str | bytes | Sequence[int], size: tuple[int, int]) -> Rle:
        """Read COCO's ``counts``, compressed (text) or not (a list), distrusting every number.

        Zero runs inside, which other writers make, are merged away.

        Raises:
            DatasetError: saying what is wrong; nothing unchecked ever reaches ``pycocotools``, which
                segfaults on some malformed counts.
        """
        height, width = size
        if height < 0 or width < 0 or height * width >= 2**32:
            raise DatasetError(f"size: expected [height, width] of an image, got {list(size)}")
        if isinstance(counts, str | bytes):
            data = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
            runs, problem = _decompress(np.frombuffer(data, np.uint8))
            if problem >= 0:
                raise DatasetError(f"counts: character {problem} is not part of a compressed run-length code")
        else:
            runs = np.asarray(counts, np.int64)
        if runs.ndim != 1 or not _add_up(runs, height * width):
            _refuse(runs, size)
        return cls._of_checked(size, _merge_zero_runs(runs))

    @classmethod
    def of_pycocotools(cls, counts: bytes, size: tuple[int, int]) -> Rle:
        """Return a mask just made by ``pycocotools``, whose text is already that of :attr:`counts`.

        Raises:
            DatasetError: as :meth:`from_counts`.
        """
        rle = cls.from_counts(counts, size)
        rle.__dict__["counts"] = counts.decode("ascii")
        return rle

    @classmethod
    def of_measured(
        cls, counts: str, size: tuple[int, int], area: int, box_xywh: tuple[int, int, int, int]
    ) -> Rle:
        """Return a mask of which :func:`maskrcnn_core.geometry.rle_codes.measure` gave all but the runs.

        They are unpacked when somebody asks for them: most of a data set's masks are only passed on.
        """
        rle = object.__new__(cls)
        rle.__dict__.update(size=size, counts=counts, area=area, box_xywh=box_xywh)
        return rle

    @classmethod
    def _of_checked(cls, size: tuple[int, int], runs: Runs) -> Rle:
        """Return a mask whose runs are known to be right: a data set reads a million, several times each."""
        rle = object.__new__(cls)
        runs.flags.writeable = False
        rle.__dict__.update(size=size, runs=runs)
        return rle

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name}: a mask never changes")

    # -- what is known of it ----------------------------------------------------------------

    @cached_property
    def runs(self) -> Runs:
        """Uint32 ``[R]``, lengths of alternating runs, as the class tells; not writeable."""
        return Rle.from_counts(self.counts, self.size).runs

    @cached_property
    def counts(self) -> str:
        """COCO's compressed text form, character for character what ``pycocotools`` writes."""
        return bytes(_compress(self.runs)).decode("ascii")

    @cached_property
    def area(self) -> int:
        """Number of foreground pixels."""
        return int(_area(self.runs))

    @cached_property
    def box_xywh(self) -> tuple[int, int, int, int]:
        """The tight box ``(x, y, width, height)`` in whole pixels; all 0 for an empty mask."""
        x_first, y_first, x_last, y_last = _bounds(self.runs, self.size[0])
        if x_last < 0:
            return (0, 0, 0, 0)
        return (int(x_first), int(y_first), int(x_last - x_first + 1), int(y_last - y_first + 1))

    def crop(self) -> BoolMask:
        """Return the mask on its own tight box: bool ``[h, w]`` of :attr:`box_xywh`'s height and width."""
        x, y, width, height = self.box_xywh
        return _decode_crop(self.runs, self.size[0], y, x, height, width)

    def folded(self) -> tuple[BoolMask, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the mask on its box, with equal neighbouring rows and columns folded into one.

        A mask of few runs is small in this form, however many pixels it covers.

        Returns:
            Cells, bool ``[r, c]``; the edges of their rows, int64 ``[r + 1]``, and of their columns, int64
            ``[c + 1]``, in pixel corners of the image. An empty mask has no cells.
        """
        x, y, width, height = self.box_xywh
        return _decode_folded(self.runs, self.size[0], y, x, height, width)

    def window(self, top: int, left: int, height: int, width: int) -> BoolMask:
        """Return a part of the mask: bool ``[height, width]`` from row ``top`` and column ``left`` on."""
        return _decode_crop(self.runs, self.size[0], top, left, height, width)

    def to_mask(self) -> BoolMask:
        """Return the mask at the image's size: bool ``[H, W]``."""
        height, width = self.size
        return _decode_crop(self.runs, height, 0, 0, height, width)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rle):
            return NotImplemented
        return self.size == other.size and np.array_equal(self.runs, other.runs)

    def __hash__(self) -> int:
        return hash((self.size, self.runs.tobytes()))

    def __repr__(self) -> str:
        return f"Rle(size={self.size}, counts={self.counts!r})"


def _refuse(runs: npt.NDArray[np.int64], size: tuple[int, int]) -> NoReturn:
    """Say what is wrong with run lengths."""
    height, width = size
    if runs.ndim != 1 or (runs.size and int(runs.min()) < 0):
        raise DatasetError(f"counts: expected run lengths of 0 or more, got {int(runs.min())}")
    # Each is bounded before they are added up: a sum of huge numbers wraps around.
    if runs.size and int(runs.max()) > height * width:
        raise DatasetError(f"counts: a run of {int(runs.max())} is longer than {height} x {width}")
    raise DatasetError(
        f"counts: run lengths add up to {int(runs.sum())}, "
        f"expected height x width = {height} x {width} = {height * width}"
    )


def mask_iou(a: Rle, b: Rle) -> float:
    """Return the exact intersection over union of two masks of one image, in [0, 1]; 1 for two empty ones.

    Raises:
        ValueError: for masks of images of different sizes.
    """
    if a.size != b.size:
        raise ValueError(f"mask_iou: masks of {a.size} and {b.size} belong to different images")
    both = int(_overlap(a.runs, b.runs))
    either = a.area + b.area - both
    return both / either if either else 1.0


def mask_containment(a: Rle, b: Rle) -> float:
    """Return the share of the smaller of two masks that lies within the other, in [0, 1]; 0 for an empty one.

    Raises:
        ValueError: for masks of images of different sizes.
    """
    if a.size != b.size:
        raise ValueError(f"mask_containment: masks of {a.size} and {b.size} belong to different images")
    smaller = min(a.area, b.area)
    return int(_overlap(a.runs, b.runs)) / smaller if smaller else 0.0


def _encode_crop(crop: BoolMask, top: int, left: int, height: int, width: int) -> Runs:
    rows, columns = crop.shape
    # A pixel of background under each column ends its runs, unless the crop is as high as the image:
    # then a run goes on from the foot of a column to the head of the next.
    stride = rows if rows == height else rows + 1
    pixels = np.zeros((columns, stride), np.bool_)
    pixels[:, :rows] = crop.T
    flat = pixels.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat.size and flat[0]:
        changes = np.concatenate([[0], changes])
    x, y = np.divmod(changes, max(stride, 1))
    positions = (left + x) * height + top + y
    if flat.size and flat[-1]:  # only with stride == rows: the last column's foot
        positions = np.append(positions, (left + columns) * height)
    runs = np.diff(positions, prepend=0, append=height * width)
    if runs.size > 1 and runs[-1] == 0:
        runs = runs[:-1]
    return runs.astype(np.uint32)


@compiled
def _decode_crop(runs: Runs, image_height: int, top: int, left: int, height: int, width: int) -> BoolMask:
    # Runs go down columns and arrays go along rows: filled in the way of the runs and turned piece by piece,
    # 49 megapixels take a tenth of the time.
    columns = np.zeros((width, height), np.bool_)
    position = 0
    for i in range(runs.size):
        if i % 2:
            start, end = position, position + runs[i]
            while start < end:
                x = start // image_height
                column_end = min(end, (x + 1) * image_height)
                first = max(start - x * image_height, top)
                last = min(column_end - x * image_height, top + height)
                if left <= x < left + width and first < last:
                    columns[x - left, first - top : last - top] = True
                start = column_end
        position += runs[i]
    crop = np.empty((height, width), np.bool_)
    for y_first in range(0, height, _TURNED_AT_ONCE):
        for x_first in range(0, width, _TURNED_AT_ONCE):
            for y in range(y_first, min(y_first + _TURNED_AT_ONCE, height)):
                for x in range(x_first, min(x_first + _TURNED_AT_ONCE, width)):
                    crop[y, x] = columns[x, y]
    return crop


@compiled
def _decode_folded(
    runs: Runs, image_height: int, top: int, left: int, height: int, width: int
) -> tuple[BoolMask, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    rows, columns = np.zeros(height + 1, np.int64), np.zeros(width + 1, np.int64)  # 1 where one begins
    rows[0] = rows[height] = columns[0] = columns[width] = 1
    position = 0
    for i in range(runs.size):
        if i % 2:
            first, last = position, position + runs[i] - 1
            for x in (first // image_height - left, last // image_height - left):
                columns[x] = columns[x + 1] = 1
            rows[first % image_height - top] = rows[last % image_height - top + 1] = 1
        position += runs[i]
    y_edges, x_edges = np.flatnonzero(rows), np.flatnonzero(columns)
    row_of, column_of = np.cumsum(rows) - 1, np.cumsum(columns) - 1
    cells = np.zeros((y_edges.size - 1, x_edges.size - 1), np.bool_)
    position = 0
    for i in range(runs.size):
        if i % 2:
            first, last = position, position + runs[i] - 1
            first_column = column_of[first // image_height - left]
            last_column = column_of[last // image_height - left]
            for column in range(first_column, last_column + 1):
                start = row_of[first % image_height - top] if column == first_column else 0
                end = row_of[last % image_height - top + 1] if column == last_column else len(cells)
                cells[start:end, column] = True
        position += runs[i]
    return cells, y_edges + top, x_edges + left


@compiled
def _bounds(runs: Runs, height: int) -> tuple[int, int, int, int]:
    x_first, y_first, x_last, y_last = 2**62, 2**62, -1, -1
    position = 0
    for i in range(runs.size):
        if i % 2:
            first, last = position, position + runs[i] - 1
            x_a, x_b = first // height, last // height
            # A run over the foot of a column takes in that foot and the head of the next.
            y_a = first % height if x_a == x_b else 0
            y_b = last % height if x_a == x_b else height - 1
            x_first, x_last = min(x_first, x_a), max(x_last, x_b)
            y_first, y_last = min(y_first, y_a), max(y_last, y_b)
        position += runs[i]
    return x_first, y_first, x_last, y_last


@compiled
def _overlap(a: Runs, b: Runs) -> int:
    both = 0
    i, j = 0, 0
    rest_a, rest_b = a[0], b[0]
    while True:
        step = min(rest_a, rest_b)
        if i % 2 and j % 2:
            both += step
        rest_a -= step
        rest_b -= step
        if rest_a == 0:
            i += 1
            if i == a.size:
                return both
            rest_a = a[i]
        if rest_b == 0:
            j += 1
            if j == b.size:
                return both
            rest_b = b[j]


@compiled
def _area(runs: Runs) -> int:
    area = 0
    for i in range(1, runs.size, 2):
        area += runs[i]
    return area


@compiled
def _add_up(runs: npt.NDArray[np.int64], total: int) -> bool:
    """Return whether run lengths are of 0 or more and make up the whole image."""
    left = total
    for run in runs:
        if run < 0 or run > left:
            return False
        left -= run
    return left == 0


@compiled
def _merge_zero_runs(runs: npt.NDArray[np.int64]) -> Runs:
    merged = np.zeros(runs.size + 1, np.uint32)
    last = 0  # index of the run being added to; its parity is its value
    for i in range(runs.size):
        if runs[i] == 0:
            continue
        if i % 2 != last % 2:
            last += 1
        merged[last] += np.uint32(runs[i])
    return merged[: last + 1].copy()


@compiled
def _compress(runs: Runs) -> npt.NDArray[np.uint8]:
    # A number of 34 bits at most takes 7 groups of 5.
    text = np.empty(7 * runs.size, np.uint8)
    signed = runs.astype(np.int64)
    length = 0
    for i in range(runs.size):
        value = signed[i]
        if i > 2:  # from the fourth on, the difference to the run of the same colour before
            value -= signed[i - 2]
        more = True
        while more:
            group = value & 0x1F
            value >>= 5  # arithmetic: -1 stays -1
            # Done when what is left is only the sign, and the group's top bit already shows it.
            more = value != -1 if group & 0x10 else value != 0
            text[length] = (group | 0x20 if more else group) + 48
            length += 1
    return text[:length].copy()


@compiled
def _decompress(text: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], int]:
    """Return the run lengths, and the index of the first character that cannot be right, or -1."""
    codes = text.astype(np.int64) - 48
    runs = np.zeros(codes.size, np.int64)
    count, at = 0, 0
    while at < codes.size:
        value, shift, more = np.int64(0), 0, True
        while more:
            if at == codes.size or shift > 35 or codes[at] < 0 or codes[at] > 63:
                return runs[:count].copy(), min(at, codes.size - 1)
            group = codes[at]
            value |= (group & 0x1F) << shift
            more = (group & 0x20) != 0
            shift += 5
            if not more and group & 0x10:
                value |= -1 << shift
            at += 1
        if count > 2:
            value += runs[count - 2]
        runs[count] = value
        count += 1
    return runs[:count].copy(), -1
