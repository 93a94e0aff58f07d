"""Stacks from outside: what is claimed and not there, and what was changed at random."""

import random

import pytest

from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.measuring.values import values_of
from maskrcnn_core.microscopy.seeing import bytes_as_seen, pixel_size_of, see_image
from maskrcnn_core.microscopy.stacks import open_stack
from maskrcnn_core.microscopy.views import view_of
from tests.builders.stacks import fiji, numbered, ome, tiff

VALUES = numbered(2, 2, 2)
PIXELS = """<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="24" {sizes}>
<TiffData IFD="0" PlaneCount="{count}"/></Pixels></Image></OME>"""


def described(text):
    return tiff(VALUES[0, :, 0], photometric="minisblack", metadata=None, description=text)


@pytest.mark.parametrize(
    "text",
    [
        PIXELS.format(sizes='SizeZ="90000000" SizeC="1" SizeT="1"', count=2),
        PIXELS.format(sizes='SizeZ="1" SizeC="&#57;0000000" SizeT="1"', count=2),
        PIXELS.format(sizes='SizeZ="30000" SizeC="30000" SizeT="30000"', count=2),
        PIXELS.format(sizes='SizeZ="2" SizeC="1" SizeT="1"', count=90_000_000),
        PIXELS.format(sizes='SizeZ="many" SizeC="1" SizeT="1"', count=2),
        '{"shape": [90000000, 24, 32]}',
        '{"shape": [1e400, 24, 32]}',
        "[" * 100_000,
        "ImageJ=1.11a\nimages=90000000\nslices=90000000\n",
        "ImageJ=1.11a\nimages=2\nchannels=90000000\nhyperstack=true\n",
    ],
)
def test_planes_that_are_only_claimed_cost_nothing(text):
    stack = open_stack(described(text), "a.tif")
    assert (stack.pages, stack.slices, len(stack.channels)) in ((2, 1, 1), (1, 2, 1))
    assert (stack.plane(stack.pages, stack.slices, 1) == VALUES[0, 1, 0]).all()


def test_what_is_believable_is_believed():
    text = PIXELS.format(sizes='SizeZ="2" SizeC="1" SizeT="1"', count=2)
    assert open_stack(described(text), "a.tif").slices == 2
    shaped = tiff(VALUES[0], photometric="minisblack", metadata={"axes": "ZCYX"})
    stack = open_stack(shaped, "a.tif")
    assert (stack.slices, len(stack.channels)) == (2, 2)
    too_many = PIXELS.format(sizes='SizeZ="1" SizeC="2000" SizeT="1"', count=2)
    with pytest.raises(ImageError, match="expected 1 to 64 channels, got 2,000"):
        open_stack(described(too_many), "a.tif")


def mutated(chance, data):
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        at = chance.randrange(len(changed) if chance.random() < 0.4 else min(len(changed), 1500))
        match chance.randrange(10):
            case 7:
                del changed[at : at + chance.randrange(1, 50)]
            case 8:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 9:
                changed = changed[: max(8, at)]
            case _:
                changed[at] = chance.choice([0, 1, 2, 255, chance.randrange(256)])
    return bytes(changed)


@pytest.mark.parametrize("seed", range(8))
def test_files_that_were_changed_at_random_are_read_or_refused(seed, capfd):
    chance = random.Random(seed)
    whole = [
        ome(VALUES, names=("a", "b"), pixel=0.5),
        fiji(VALUES, pixel=0.3),
        fiji(VALUES, truncate=True),
        ome(VALUES, compression="lzw"),
        ome(VALUES, tile=(16, 16), compression="zlib", predictor=True),
    ]
    whole.append(bytes_as_seen(whole[0], "a.tif", "page=1;z=max"))
    for _ in range(60):
        data = mutated(chance, chance.choice(whole))
        for read in (
            lambda data: see_image(data, "a.tif", view_of("max", "max")),
            lambda data: see_image(data, "a.tif"),
            lambda data: values_of(data, "a.tif"),
            lambda data: pixel_size_of(data, "a.tif"),
        ):
            try:
                read(data)
            except InputError as error:
                assert str(error).startswith("a.tif: "), error
    capfd.readouterr()  # libtiff's own words
