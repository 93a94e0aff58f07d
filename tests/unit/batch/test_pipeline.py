"""The pipeline: in order whatever takes how long, no more on the way than allowed, and every end is clean."""

import queue
import random
import threading
import time
from collections import Counter
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.batch.pipeline import Bounds, Flow, Opened
from maskrcnn_core.errors import ImageError, InferenceError


class Picture:
    """A simulated image: how large it is, how long each stage takes, and where it fails."""

    def __init__(self, number, size=(10, 10), delays=(0, 0, 0, 0), fails=None):
        self.number, self.size, self.delays, self.fails = number, size, delays, fails

    @property
    def pixels(self):
        return self.size[0] * self.size[1]

    def pass_stage(self, at, error):
        time.sleep(self.delays[at] / 1000)
        if self.fails == at:
            raise error(f"{self.number} failed in stage {at}")


class Simulated:
    """Stages that count which images are alive, and remember what shared a batch."""

    def __init__(self):
        self.lock = threading.Lock()
        self.live, self.most, self.most_pixels = set(), 0, 0
        self.batches = []
        self.network_threads = set()

    def open(self, picture):
        picture.pass_stage(0, ImageError)
        return Opened(picture.size, lambda: self.decode(picture))

    def decode(self, picture):
        with self.lock:
            self.live.add(picture)
            self.most = max(self.most, len(self.live))
            self.most_pixels = max(self.most_pixels, sum(one.pixels for one in self.live))
        picture.pass_stage(1, ImageError)
        return picture

    def bucket(self, size):
        return size

    def find(self, pictures):
        self.network_threads.add(threading.get_ident())
        self.batches.append([picture.number for picture in pictures])
        return [self.found(picture) for picture in pictures]

    def found(self, picture):
        try:
            picture.pass_stage(2, InferenceError)
        except InferenceError as error:
            return error
        return picture.number * 10

    def finish(self, picture, image, found):
        assert image is picture
        picture.pass_stage(3, InferenceError)
        return found + 1

    def release(self, picture):
        with self.lock:
            self.live.discard(picture)


def run(pictures, stages=None, bounds=None, **options):
    """Results and failures in the order in which they come."""
    stages, told = stages or Simulated(), []
    with closing(Flow(pictures, stages, bounds or Bounds(), **options).turns()) as turns:
        for turn in turns:
            try:
                told.append((turn.given.number, turn.take()))
            except (ImageError, InferenceError) as error:
                told.append((turn.given.number, str(error)))
            stages.release(turn.given)
    return told


def expected(pictures):
    return [
        (p.number, p.number * 10 + 1 if p.fails is None else f"{p.number} failed in stage {p.fails}")
        for p in pictures
    ]


pictures_drawn = st.lists(
    st.builds(
        lambda size, delays, fails: (size, delays, fails),
        st.sampled_from([(1, 1), (10, 10), (10, 20), (40, 50)]),
        st.tuples(*[st.sampled_from([0, 0, 0, 1, 3])] * 4),
        st.sampled_from([None, None, None, None, 0, 1, 2, 3]),
    ),
    max_size=14,
)
bounds_drawn = st.builds(
    lambda images, batch, pixels, decoders, finishers: Bounds(
        images, pixels, min(batch, images), decoders, finishers
    ),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from([1, 150, 1000, 10**6]),
    st.integers(1, 3),
    st.integers(1, 3),
)


@given(pictures_drawn, bounds_drawn, st.integers(1, 7))
def test_order_failures_and_bounds_hold_whatever_takes_how_long(drawn, bounds, group):
    pictures = [Picture(n, *one) for n, one in enumerate(drawn)]
    stages = Simulated()
    told = run(pictures, stages, bounds, ends_group=lambda place, _: (place + 1) % group == 0)
    assert told == expected(pictures)
    assert stages.most <= bounds.images
    assert stages.most_pixels <= max([bounds.pixels, *(p.pixels for p in pictures)])
    assert len(stages.network_threads) <= 1
    reached = [p.number for p in pictures if p.fails not in (0, 1)]
    assert sorted(n for batch in stages.batches for n in batch) == reached
    for batch in stages.batches:
        assert len(batch) <= bounds.batch
        assert len({pictures[n].size for n in batch}) == 1
        assert len({n // group for n in batch}) == 1


@given(pictures_drawn, st.integers(2, 4), st.integers(0, 2**20))
def test_batches_depend_on_the_images_and_not_on_time(drawn, batch, seed):
    def batches(delays):
        stages = Simulated()
        run(
            [Picture(n, size, delays()) for n, (size, _, _) in enumerate(drawn)],
            stages,
            Bounds(5, 900, batch),
        )
        return stages.batches

    chance = random.Random(seed)
    assert batches(lambda: (0, 0, 0, 0)) == batches(lambda: [chance.choice((0, 0, 2)) for _ in range(4)])


def test_batches_are_full_where_buckets_alternate():
    stages = Simulated()
    run([Picture(n, (10, 10 + n % 3)) for n in range(36)], stages, Bounds(16, 10**6, 4))
    assert Counter(len(batch) for batch in stages.batches) == {4: 9}


def test_an_image_that_nobody_shares_a_bucket_with_waits_for_so_many_and_no_more():
    stages = Simulated()
    run([Picture(0, (7, 7)), *(Picture(n) for n in range(1, 20))], stages, Bounds(6, 10**6, 3))
    assert stages.batches.index([0]) == 1, "after the first whole batch, not at the end"


def test_a_very_large_image_is_alone():
    together = []

    class Stages(Simulated):
        def decode(self, picture):
            decoded = super().decode(picture)
            with self.lock:
                together.append((picture.number, sorted(one.number for one in self.live)))
            return decoded

    pictures = [Picture(n, (1000, 1000) if n == 4 else (10, 10)) for n in range(9)]
    assert run(pictures, Stages(), Bounds(8, 5_000)) == expected(pictures)
    assert (4, [4]) in together
    assert all(4 not in live for number, live in together if number != 4)


def test_a_slow_writer_keeps_all_others_waiting():
    opened = []

    class Stages(Simulated):
        def open(self, picture):
            opened.append(picture.number)
            return super().open(picture)

    bounds, stages = Bounds(4, 10**6, decoders=2), Stages()
    with closing(Flow((Picture(n) for n in range(100)), stages, bounds).turns()) as turns:
        for _ in range(3):
            turn = next(turns)
        deadline = time.monotonic() + 10
        while len(stages.live) < 6 and time.monotonic() < deadline:  # two that are used, four on the way
            time.sleep(0.001)
        assert turn.given.number == 2
        assert len(stages.live) == 6
        # Each thread that decodes may have one more in hand, opened and without room.
        assert max(opened) <= 2 + bounds.images - 1 + bounds.decoders
    assert len(stages.batches) <= 6


def test_images_are_decoded_while_the_network_runs():
    decoded_two = threading.Event()

    class Stages(Simulated):
        def decode(self, picture):
            if picture.number == 2:
                decoded_two.set()
            return super().decode(picture)

        def find(self, pictures):
            assert decoded_two.wait(10), "nothing was decoded meanwhile"
            return super().find(pictures)

    assert len(run([Picture(n) for n in range(3)], Stages())) == 3


def test_the_network_runs_while_a_result_is_used():
    ran = threading.Event()

    class Stages(Simulated):
        def found(self, picture):
            if picture.number == 1:
                ran.set()
            return super().found(picture)

    with closing(Flow([Picture(0), Picture(1)], Stages(), Bounds()).turns()) as turns:
        assert next(turns).given.number == 0
        assert ran.wait(10)


@pytest.mark.parametrize("stage", ["open", "decode", "find", "finish", "bucket"])
def test_what_is_no_failure_of_one_image_ends_the_run_and_arrives(stage):
    class Stages(Simulated):
        pass

    def broken(*_):
        raise ZeroDivisionError(stage)

    setattr(Stages, stage, broken)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match=stage):
        run([Picture(n) for n in range(30)], Stages())
    assert threading.active_count() == before


def test_what_is_given_may_fail_too():
    def pictures():
        yield Picture(0)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        run(pictures())


def test_an_error_of_whoever_uses_the_results_leaves_no_thread():
    before, stages = threading.active_count(), Simulated()
    with (
        pytest.raises(KeyboardInterrupt),
        closing(Flow((Picture(n) for n in range(10**6)), stages, Bounds()).turns()) as turns,
    ):
        next(turns)
        raise KeyboardInterrupt
    assert threading.active_count() == before
    assert len(stages.batches) <= 1 + Bounds().images


def test_nobody_waits_for_images_that_come_no_more():
    class Awaited:
        def __init__(self):
            self.pictures = queue.SimpleQueue()
            self.pictures.put(Picture(0))

        def __iter__(self):
            return self

        def __next__(self):
            picture = self.pictures.get()
            if picture is None:
                self.stop()
                raise StopIteration
            return picture

        def stop(self):
            self.pictures.put(None)

    before = threading.active_count()
    with closing(Flow(Awaited(), Simulated(), Bounds()).turns()) as turns:
        assert next(turns).take() == 1
    assert threading.active_count() == before


def test_nothing_given_gives_nothing():
    assert run([]) == []


def test_a_batch_cannot_be_more_than_what_is_on_the_way():
    with pytest.raises(ValueError, match="batch: expected 1 to 4, the images on the way, got 5"):
        Bounds(4, batch=5)
