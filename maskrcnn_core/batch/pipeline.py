"""Images through a network that does not wait for them: opened and decoded ahead, finished behind, in order.

Three kinds of threads work at once: some open and decode, one runs the network, some finish what it found.
The caller takes the results in the order in which the images were given, and writes them. Only so many images
and so many pixels are on the way together, counted from before an image is decoded until its result has been
used: whoever is slow keeps all others waiting, and memory is bounded whatever the number of images.

Which images share a batch is decided by their order, their sizes and where groups end, and not by what
happens to be ready first: the same images give the same batches.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from maskrcnn_core.errors import ImageError, InferenceError

__all__ = ["Bounds", "Flow", "Opened", "Stages", "Turn"]

_Given = TypeVar("_Given")
_Decoded = TypeVar("_Decoded")
_Found = TypeVar("_Found")
_Result = TypeVar("_Result")
_Taken = TypeVar("_Taken", contravariant=True)
_Made = TypeVar("_Made", covariant=True)

_OWN_FAILURES = (ImageError, InferenceError)
"""What is the matter of one image; anything else ends the run."""


@dataclass(frozen=True)
class Bounds:
    """How much is on the way at once.

    Args:
        images: from before they are decoded until their results have been used.
        pixels: of all those together; one image that has more by itself is alone.
        batch: images of one bucket that go through the network together.
        decoders: threads that open and decode.
        finishers: threads that finish what the network found.
    """

    images: int = 8
    pixels: int = 64_000_000
    batch: int = 1
    decoders: int = 2
    finishers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= self.images:
            raise ValueError(f"batch: expected 1 to {self.images}, the images on the way, got {self.batch}")


@dataclass(frozen=True, eq=False)
class Opened(Generic[_Decoded]):
    """An image whose size is known and that is not decoded yet.

    Args:
        size: ``(height, width)`` in pixels, by its header.
        decode: decodes it; called once, in the same thread.
    """

    size: tuple[int, int]
    decode: Callable[[], _Decoded]


class Stages(Protocol[_Taken, _Decoded, _Found, _Made]):
    """What is done with images; each method is called from other threads than the caller's.

    An :class:`~maskrcnn_core.errors.ImageError` or an :class:`~maskrcnn_core.errors.InferenceError` is the
    failure of one image alone.
    """

    def open(self, given: _Taken) -> Opened[_Decoded]:
        """Read an image's file as far as its size."""

    def bucket(self, size: tuple[int, int]) -> Hashable:
        """Return the key of a size: images of equal keys may share a batch."""

    def find(self, images: Sequence[_Decoded]) -> Sequence[_Found | InferenceError]:
        """Run the network; called from one thread alone."""

    def finish(self, given: _Taken, image: _Decoded, found: _Found) -> _Made:
        """Make the result of what the network found."""


@runtime_checkable
class _Stops(Protocol):
    """What somebody may be waiting for: the next image, or the end of what is done with one."""

    def stop(self) -> None:
        """Have nobody wait any longer; end what takes long."""


@dataclass(eq=False)
class Turn(Generic[_Given, _Decoded, _Result]):
    """One image's turn, when its result is there.

    Args:
        given: what was given.
        image: decoded; ``None`` if that failed. It is let go once the next turn is taken.
    """

    given: _Given
    image: _Decoded | None = None
    _result: list[_Result] = field(default_factory=list)
    _error: Exception | None = None

    def take(self) -> _Result:
        """Return the result, or raise what this image failed with."""
        if self._error is not None:
            raise self._error
        return self._result[0]


class _Item(Turn[_Given, _Decoded, _Result]):
    """A turn on its way."""

    pixels = 0
    before = 0  # pixels of all that came before it
    number = 0
    is_decoded = False
    is_done = False

    def fail(self, error: Exception) -> None:
        self._error, self.is_decoded, self.is_done = error, True, True

    def end(self, result: _Result) -> None:
        self._result.append(result)
        self.is_done = True


class Flow(Generic[_Given, _Decoded, _Found, _Result]):
    """Images on their way through the stages; :meth:`turns` gives the results.

    Args:
        given: any number of images; it is gone through in other threads, by one at a time. If it has a method
            ``stop``, that is called at the end, and must end what waits for the next one.
        stages: what is done with each.
        bounds: how much is on the way at once.
        ends_group: whether a batch ends with this image of all buckets, given its place from 0 and itself.
    """

    def __init__(
        self,
        given: Iterable[_Given],
        stages: Stages[_Given, _Decoded, _Found, _Result],
        bounds: Bounds,
        *,
        ends_group: Callable[[int, _Given], bool] = lambda _place, _given: False,
    ) -> None:
        self._given, self._stages, self._bounds = iter(given), stages, bounds
        self._ends_group = ends_group
        self._next = threading.Lock()  # of what is given, one at a time
        self._changed = threading.Condition()  # of all below
        self._taken_in = 0
        self._let_in = 0
        self._ordered: deque[_Item[_Given, _Decoded, _Result]] = deque()
        self._open: dict[Hashable, list[_Item[_Given, _Decoded, _Result]]] = {}
        self._batches: deque[list[_Item[_Given, _Decoded, _Result]]] = deque()
        self._images = self._pixels = self._pixels_ever = 0
        self._has_ended = self._is_stopped = False
        self._trouble: BaseException | None = None

    def turns(self) -> Generator[Turn[_Given, _Decoded, _Result], None, None]:
        """Yield each image's turn in the order given; an image counts as used once the next is asked for.

        Closing the iterator stops everything, and waits for what the network has in hand.

        Raises:
            BaseException: whatever a stage raises that is no failure of one image.
        """
        finishers = ThreadPoolExecutor(self._bounds.finishers, "finish")
        threads = [
            threading.Thread(target=self._guarded, args=(self._decode_all,), name=f"decode-{n}")
            for n in range(self._bounds.decoders)
        ]
        threads.append(
            threading.Thread(target=self._guarded, args=(lambda: self._run_all(finishers),), name="network")
        )
        try:
            for thread in threads:
                thread.start()
            while (item := self._next_done()) is not None:
                yield item
                self._let_go(item)
        finally:
            with self._changed:
                self._is_stopped = True
                self._changed.notify_all()
            for one in (self._given, self._stages):
                if isinstance(one, _Stops):
                    one.stop()
            for thread in threads:
                thread.join()
            finishers.shutdown(cancel_futures=True)

    # -- the caller's thread ----------------------------------------------------------------------

    def _next_done(self) -> _Item[_Given, _Decoded, _Result] | None:
        with self._changed:
            while True:
                if self._trouble is not None:
                    raise self._trouble
                if self._ordered and self._ordered[0].is_done:
                    return self._ordered.popleft()
                if self._has_ended and not self._ordered:
                    return None
                self._changed.wait()

    def _let_go(self, item: _Item[_Given, _Decoded, _Result]) -> None:
        with self._changed:
            item.image = None
            self._images -= 1
            self._pixels -= item.pixels
            self._changed.notify_all()

    # -- threads that decode ----------------------------------------------------------------------

    def _decode_all(self) -> None:
        while not self._is_stopped:
            with self._next:
                number = self._taken_in
                self._taken_in += 1
                try:
                    given = next(self._given)
                except StopIteration:
                    self._end(number)
                    return
            self._decode(number, given)

    def _decode(self, number: int, given: _Given) -> None:
        item: _Item[_Given, _Decoded, _Result] = _Item(given)
        item.number = number
        try:
            opened = self._stages.open(given)
        except _OWN_FAILURES as error:
            item.fail(error)
            self._admit(item, None)
            return
        item.pixels = opened.size[0] * opened.size[1]
        if not self._admit(item, self._stages.bucket(opened.size)):
            return
        try:
            item.image = opened.decode()
            item.is_decoded = True
        except _OWN_FAILURES as error:
            item.fail(error)
        with self._changed:
            self._changed.notify_all()

    def _end(self, number: int) -> None:
        with self._changed:
            # Those that were taken before are let in first; of several ends the first one counts.
            self._changed.wait_for(lambda: self._is_stopped or self._has_ended or self._let_in == number)
            self._close_batches()
            self._has_ended = True
            self._changed.notify_all()

    def _admit(self, item: _Item[_Given, _Decoded, _Result], bucket: Hashable) -> bool:
        """Wait for an image's turn and for room; return whether the run goes on."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._let_in == item.number)
            if not self._is_stopped and self._would_be_too_much(item):
                self._close_batches()  # else its images would wait for this one, and this one for them
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_stopped or self._has_room(item))
            if self._is_stopped:
                return False
            item.before = self._pixels_ever
            self._images += 1
            self._pixels += item.pixels
            self._pixels_ever += item.pixels
            self._ordered.append(item)
            if not item.is_done:
                batch = self._open.setdefault(bucket, [])
                batch.append(item)
                if len(batch) == self._bounds.batch:
                    self._batches.append(self._open.pop(bucket))
            if self._ends_group(item.number, item.given):
                self._close_batches()
            self._let_in += 1
            self._changed.notify_all()
            return True

    def _would_be_too_much(self, item: _Item[_Given, _Decoded, _Result]) -> bool:
        """Return whether an image is too far behind the first one that waits for others of its bucket."""
        if not self._open:
            return False
        first = min((batch[0] for batch in self._open.values()), key=lambda one: one.number)
        pixels = self._pixels_ever - first.before + item.pixels
        return item.number - first.number >= self._bounds.images or pixels > self._bounds.pixels

    def _has_room(self, item: _Item[_Given, _Decoded, _Result]) -> bool:
        fits = self._pixels == 0 or self._pixels + item.pixels <= self._bounds.pixels
        return self._images < self._bounds.images and fits

    def _close_batches(self) -> None:
        self._batches += sorted(self._open.values(), key=lambda batch: batch[0].number)
        self._open.clear()

    # -- the thread of the network, and those that finish -------------------------------------------

    def _run_all(self, finishers: ThreadPoolExecutor) -> None:
        while (batch := self._next_batch()) is not None:
            self._run(batch, finishers)

    def _run(self, batch: list[_Item[_Given, _Decoded, _Result]], finishers: ThreadPoolExecutor) -> None:
        good = [(item, item.image) for item in batch if item.image is not None]
        found = self._stages.find([image for _, image in good]) if good else ()
        for (item, image), one in zip(good, found, strict=True):
            if isinstance(one, InferenceError):
                item.fail(one)
            else:
                finishers.submit(self._guarded, self._finishing(item, image, one))
        with self._changed:
            self._changed.notify_all()

    def _next_batch(self) -> list[_Item[_Given, _Decoded, _Result]] | None:
        """Return the next batch, all its images decoded or failed; ``None`` at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._is_stopped
                    or (self._batches and all(item.is_decoded for item in self._batches[0]))
                    or (self._has_ended and not self._batches)
                )
            )
            return None if self._is_stopped or not self._batches else self._batches.popleft()

    def _finishing(
        self, item: _Item[_Given, _Decoded, _Result], image: _Decoded, found: _Found
    ) -> Callable[[], None]:
        def finish() -> None:
            try:
                item.end(self._stages.finish(item.given, image, found))
            except _OWN_FAILURES as error:
                item.fail(error)
            with self._changed:
                self._changed.notify_all()

        return finish

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do a thread's work; what it raises ends the run, and is raised where the results are taken."""
        try:
            work()
        except BaseException as error:
            with self._changed:
                self._trouble = self._trouble or error
                self._changed.notify_all()
