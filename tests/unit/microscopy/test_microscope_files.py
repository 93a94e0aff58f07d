"""CZI, LIF and ND2 files as stacks, held against what was written and what others read of the same files."""

import hashlib
import random
import struct
import sys
import tracemalloc
import zlib
from io import BytesIO

import czifile
import imagecodecs
import liffile
import nd2 as other_nd2
import numpy as np
import pytest

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.formats import IMAGE_SUFFIXES
from maskrcnn_core.images.microscopes.nd2 import _values
from maskrcnn_core.images.microscopes.table import MICROSCOPES
from maskrcnn_core.images.reading import HEAD_BYTES, decode_image, image_format, image_size
from maskrcnn_core.measuring.values import values_of
from maskrcnn_core.microscopy.compositing import render
from maskrcnn_core.microscopy.seeing import bytes_as_seen, pixel_size_of, see_image
from maskrcnn_core.microscopy.seen_files import seen_of
from maskrcnn_core.microscopy.stacks import open_stack
from maskrcnn_core.microscopy.views import view_of
from maskrcnn_core.slides.opening import is_for_windows
from tests.builders import microscopes
from tests.builders.microscopes import PIXEL, STEP, czi, lif, nd2
from tests.builders.stacks import numbered

WRITERS = {"CZI": czi, "LIF": lif, "ND2": nd2}
VALUES = numbered()
EACH = pytest.mark.parametrize("format", WRITERS)


def planes_of(stack):
    """All values of a stack, ``[T, Z, C, H, W]``."""
    numbers = range(1, len(stack.channels) + 1)
    places = [(page, z) for page in range(1, stack.pages + 1) for z in range(1, stack.slices + 1)]
    planes = [[stack.plane(page, z, n) for n in numbers] for page, z in places]
    return np.array(planes).reshape(stack.pages, stack.slices, len(stack.channels), *stack.size)


def colored(bits=8):
    chance = np.random.default_rng(1)
    return chance.integers(0, 2**bits, (1, 2, 1, 20, 30, 3)).astype(f"u{bits // 8}")


def test_every_row_has_a_writer_here_and_is_known_by_its_content():
    assert [row.format for row in MICROSCOPES] == list(WRITERS)
    for row in MICROSCOPES:
        data = WRITERS[row.format](VALUES)
        assert row.suffix in IMAGE_SUFFIXES
        assert image_format(data[:HEAD_BYTES], "a.jpg") == row.format
        assert image_size(data, "a.jpg") == (24, 32)


@EACH
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("count", [(3, 4, 2), (1, 5, 1), (2, 1, 2), (1, 1, 1)])
def test_a_stack_holds_what_was_written(format, dtype, count):
    values = numbered(*count).astype(dtype)
    stack = open_stack(WRITERS[format](values), "a.x")
    assert (stack.pages, stack.slices, len(stack.channels), stack.bits) == (*count, 8 * values.itemsize)
    assert stack.is_float == (dtype == "f4")
    assert np.array_equal(planes_of(stack), values)
    assert [one.name for one in stack.channels] == list(microscopes.NAMES)[: count[2]]
    assert [one.color for one in stack.channels] == ["#0000ff", "#00ff00"][: count[2]]
    assert stack.pixel is not None
    assert (stack.pixel.x, stack.pixel.y) == pytest.approx((PIXEL, PIXEL))
    assert stack.slice_step == (pytest.approx(STEP) if stack.slices > 1 or format != "LIF" else None)
    assert stack.notes == ()


def test_other_readers_take_the_same_from_these_files():
    with czifile.CziFile(BytesIO(czi(VALUES))) as file:
        assert np.array_equal(file.asarray(max_workers=1).reshape(VALUES.shape), VALUES)
        assert file.metadata().count("<Channel ") == 2
    with liffile.LifFile(BytesIO(lif(VALUES))) as file:
        assert file.images[0].sizes == {"T": 3, "Z": 4, "C": 2, "Y": 24, "X": 32}
        assert np.array_equal(file.images[0].asarray(), VALUES)
    with other_nd2.ND2File(BytesIO(nd2(VALUES, positions=2, pack=zlib.compress))) as file:
        assert dict(file.sizes) == {"T": 3, "P": 2, "Z": 4, "C": 2, "Y": 24, "X": 32}
        assert np.array_equal(file.asarray()[:, 0], VALUES)
        assert tuple(file.voxel_size()) == (PIXEL, PIXEL, STEP)
        assert [one.channel.name for one in file.metadata.channels] == ["DAPI", "GFP"]
    with liffile.LifFile(BytesIO(lif(colored()))) as file:
        assert np.array_equal(file.images[0].asarray(), colored()[0, :, 0])


@EACH
@pytest.mark.parametrize("bits", [8, 16])
def test_colour_stays_colour(format, bits):
    values = colored(bits)
    stack = open_stack(WRITERS[format](values), "a.x")
    assert [one.name for one in stack.channels] == ["red", "green", "blue"]
    for z in (1, 2):
        planes = [stack.plane(1, z, n) for n in (1, 2, 3)]
        assert np.array_equal(np.stack(planes, axis=-1), values[0, z - 1, 0])
    if bits == 8:
        assert np.array_equal(decode_image(WRITERS[format](values), "a.x").pixels, values[0, 0, 0])


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (czi(VALUES, scenes=3), "first of 3 scenes"),
        (lif(VALUES, pictures=3), "first of 3 pictures in the file"),
        (nd2(VALUES, positions=3), "first of 3 positions"),
    ],
)
def test_the_first_of_several_is_read_and_that_is_said(data, note):
    stack = open_stack(data, "a.x")
    assert stack.notes == (note,) and np.array_equal(planes_of(stack), VALUES)
    assert note in decode_image(data, "a.x").notes
    assert note in see_image(data, "a.x", view_of("2", "max")).notes


@EACH
def test_a_view_is_that_of_the_file_that_people_have(format):
    data = WRITERS[format](VALUES)
    digest = hashlib.sha256(data).hexdigest()
    view = view_of("2", "max", "GFP:grey")
    image = see_image(data, "a.x", view)
    assert image.digest == digest == decode_image(data, "a.x").digest
    assert np.array_equal(image.pixels, render(open_stack(data, "a.x"), view))
    file = bytes_as_seen(data, "a.x", view)
    seen = seen_of(file, "a.tif")
    assert seen is not None and seen.source_digest == digest
    assert np.array_equal(decode_image(file, "a.tif").pixels, image.pixels)
    assert seen_of(data, "a.x") is None
    assert pixel_size_of(data, "a.x") == open_stack(data, "a.x").pixel
    values = values_of(data, "a.x", "page=2;z=3")
    assert np.array_equal(np.stack([plane for _, plane in values.channels]), VALUES[1, 2])


def test_the_first_version_of_lif_and_packed_frames_of_nd2_are_read():
    assert np.array_equal(planes_of(open_stack(lif(VALUES, version=1), "a.lif")), VALUES)
    assert np.array_equal(planes_of(open_stack(nd2(VALUES, pack=zlib.compress), "a.nd2")), VALUES)


# -- tiles and packings of CZI ----------------------------------------------------------------------


def test_tiles_are_joined_and_copies_at_lower_resolution_passed_over():
    assert np.array_equal(planes_of(open_stack(czi(VALUES, split=True), "a.czi")), VALUES)


def split_bytes(tile):
    """Low bytes first, then high ones."""
    return np.frombuffer(tile.tobytes(), np.uint8).reshape(-1, 2).T.tobytes()


PACKERS = {
    "JPEG XR": lambda tile: (4, imagecodecs.jpegxr_encode(tile, level=1.0)),
    "zstd": lambda tile: (5, imagecodecs.zstd_encode(tile.tobytes())),
    "zstd with a head": lambda tile: (6, b"\1" + imagecodecs.zstd_encode(tile.tobytes())),
    "zstd of bytes apart": lambda tile: (6, b"\3\1\1" + imagecodecs.zstd_encode(split_bytes(tile))),
}


@pytest.mark.parametrize("packing", PACKERS)
def test_packed_tiles_are_read(packing):
    stack = open_stack(czi(VALUES, pack=PACKERS[packing]), "a.czi")
    assert np.array_equal(planes_of(stack), VALUES)


def test_packed_tiles_say_what_to_install(monkeypatch):
    data = czi(numbered(1, 1, 1), names=("absent",), pack=PACKERS["zstd"])
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(
        ImageError, match=r"^a\.czi: .*a Zeiss CZI file packed by zstd.*'maskdesk\[microscopes\]'"
    ):
        decode_image(data, "a.czi")
    assert open_stack(czi(VALUES), "a.czi").pages == 3  # nothing is needed for those that are not packed


def test_a_tile_that_unpacks_to_more_than_it_says_is_refused():
    bomb = imagecodecs.zstd_encode(bytes(50_000_000))
    with pytest.raises(ImageError, match=r"^a\.czi: expected a whole CZI image"):
        open_stack(czi(numbered(1, 1, 1), pack=lambda _tile: (5, bomb)), "a.czi")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (czi(VALUES, pixel_type=10), "expected pixels of 8, 16 or 32 bits, got kind 10"),
        (
            czi(VALUES, pack=lambda tile: (2, b"")),
            "expected values plain, or packed by zstd or JPEG XR, got packing 2",
        ),
        (nd2(VALUES, version=b"Ver2.1"), "expected an ND2 file of version 3, got '2.1'"),
        (nd2(VALUES, claims=(("eCompression", 1),)), "got packed with loss"),
        (lif(VALUES).replace('Version="2"'.encode("utf-16-le"), 'Version="7"'.encode("utf-16-le")), "got 7"),
    ],
)
def test_what_is_not_read_is_said(data, message):
    for read in (open_stack, decode_image):
        with pytest.raises(ImageError) as refused:
            read(data, "a.x")
        assert str(refused.value).startswith("a.x: ") and message in str(refused.value)


# -- what nobody should believe ---------------------------------------------------------------------


@EACH
def test_a_file_that_is_cut_short_is_refused_and_named(format):
    data = WRITERS[format](VALUES)
    places = [40, 200, 1000, len(data) // 2, len(data) - 3000, len(data) - 41]
    for length in places:
        for read in (open_stack, decode_image):
            with pytest.raises(ImageError, match=rf"^a\.x: expected a whole {format} image"):
                read(data[:length], "a.x")


@EACH
def test_a_file_with_any_bytes_changed_is_read_or_refused(format):
    data = WRITERS[format](numbered(1, 2, 2, (12, 10)))
    chance = random.Random(4)
    for _ in range(150):
        hurt = bytearray(data)
        for _ in range(chance.choice((1, 3, 40))):
            hurt[chance.randrange(8, len(hurt))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        try:
            planes_of(open_stack(bytes(hurt), "a.x"))
        except ImageError as error:
            assert str(error).startswith("a.x: ")


def claimed(format, width, height):
    """A file that says it is of another size than it is."""
    values = numbered(1, 1, 1)
    if format == "ND2":
        return nd2(values, claims=(("uiWidth", width), ("uiHeight", height), ("uiWidthBytes", 2 * width)))
    if format == "CZI":
        old = [
            struct.pack("<4siifi", axis, start, size, 0.0, size)
            for axis, start, size in ((b"X", 10, 32), (b"Y", -4, 24))
        ]
        new = [
            struct.pack("<4siifi", axis, 0, size, 0.0, size) for axis, size in ((b"X", width), (b"Y", height))
        ]
        return czi(values).replace(old[0], new[0]).replace(old[1], new[1])
    text = lif(values)
    begin, length = 13, 2 * struct.unpack_from("<I", text, 9)[0]
    xml = text[begin : begin + length].decode("utf-16-le")
    xml = xml.replace('NumberOfElements="32"', f'NumberOfElements="{width}"')
    xml = xml.replace('NumberOfElements="24"', f'NumberOfElements="{height}"')
    coded = xml.encode("utf-16-le")
    return struct.pack("<IIBI", 0x70, len(coded) + 5, 0x2A, len(coded) // 2) + coded + text[begin + length :]


@EACH
@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (2_000_000, 1_000, "expected planes of at most 50 megapixels, got 2,000,000 x 1,000 pixels"),
        (7_000, 7_000, "expected "),
    ],
)
def test_room_is_not_made_for_what_a_file_claims(format, width, height, message):
    data = claimed(format, width, height)
    tracemalloc.start()
    try:
        for read in (open_stack, decode_image):
            with pytest.raises(ImageError, match=r"^a\.x: ") as refused:
                read(data, "a.x")
            assert message in str(refused.value)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_xml_that_defines_what_is_to_be_expanded_is_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><ImageDocument>&c;</ImageDocument>'
    data = czi(VALUES)
    begin = data.index(b"<ImageDocument>")
    hurt = data[:begin] + bomb + data[begin + len(bomb) :]
    with pytest.raises(ImageError, match=r"^a\.x: expected XML of usual length without definitions"):
        open_stack(hurt, "a.x")
    text = bomb.decode().encode("utf-16-le")
    hurt = struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(text) // 2) + text
    with pytest.raises(ImageError, match=r"^a\.x: expected XML of usual length without definitions"):
        open_stack(hurt, "a.x")


def test_packed_values_of_nd2_are_bounded():
    packed = zlib.compress(bytes(100 * 2**20))
    with pytest.raises(ValueError, match="cut short or too many"):
        _values(b"\x4c\0" + bytes(10) + packed)


def test_a_czi_file_of_a_microscope_is_no_slide(tmp_path):
    path = tmp_path / "a.czi"
    path.write_bytes(czi(VALUES))
    assert not is_for_windows(path)


def test_names_of_any_script_are_read():
    names = ("AĀB", "核")
    for write in (czi, lif, nd2):
        assert [one.name for one in open_stack(write(VALUES, names=names), "a.x").channels] == list(names)
    with other_nd2.ND2File(BytesIO(nd2(VALUES, names=names))) as file:
        assert [one.channel.name for one in file.metadata.channels] == list(names)
