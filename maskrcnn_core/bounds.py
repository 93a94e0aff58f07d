"""How much of anything that comes from outside is taken: the numbers, and why they are these.

A few bytes can ask for hours or for gigabytes, and some of it inside C code that ends the whole process and
everybody in it. So everything is bounded before it reaches C code or an array. Each number lies far above
what real data have. Images have their own in :mod:`maskrcnn_core.image_guards`, zips theirs in
:mod:`maskrcnn_core.archives`.
"""

from __future__ import annotations

__all__ = [
    "DEEPEST",
    "MAX_CARD_CATEGORIES",
    "MAX_CARD_TEXT",
    "MAX_CATEGORIES",
    "MAX_EDGE",
    "MAX_EDGE_AT_ONCE",
    "MAX_EDGE_FREE",
    "MAX_EDGE_PER_BYTE",
    "MAX_EXTRA_ROW_VALUES",
    "MAX_EXTRA_VALUES",
    "MAX_FEATURE_BYTES",
    "MAX_IMAGES",
    "MAX_IMAGE_PIXELS",
    "MAX_INPUT_PIXELS",
    "MAX_JSON_BYTES",
    "MAX_LISTED",
    "MAX_MEMBERS",
    "MAX_MESSAGE_CORNERS",
    "MAX_MESSAGE_COUNTS",
    "MAX_MESSAGE_EDGE",
    "MAX_NAME",
    "MAX_REFUSALS",
    "MAX_ROWS",
    "MAX_ROW_VALUES",
    "MAX_STRANGE_ROWS",
    "MAX_ZIPPED_JSON_BYTES",
    "MAX_ZIPPED_JSON_FILES",
    "MAX_ZIPPED_JSON_VALUES",
    "extent",
    "is_name",
    "is_storable",
    "name_problem",
]

# -- names ----------------------------------------------------------------------------------------

MAX_NAME = 1024
"""Characters of a name of a file or a category, or of an id that is a text. File systems stop at 255 bytes a
part; a name of megabytes is sent to every browser that shows it."""

# -- polygons -------------------------------------------------------------------------------------

MAX_EDGE = 2**22
"""Pixels along all edges of one annotation's polygons. ``pycocotools`` samples edges five times a pixel,
takes 80 bytes and 0.13 microseconds for each pixel, and does not look whether it got the memory: this is half
a second and 0.3 GB. The outlines of 20,000 separate leaves on 50 megapixels have a million."""

MAX_EDGE_AT_ONCE = 2**20
"""Pixels along the edges of the polygons of one call, which holds Python's lock: 0.1 s for everybody else.
One annotation may have more, by itself."""

MAX_EDGE_FREE = 2**27
"""Pixels along the edges of all polygons of an import, beside those that its bytes pay for: some 15 s."""

MAX_EDGE_PER_BYTE = 16
"""More of them for each byte of the file. COCO's own files have less than 1."""

# -- JSON -----------------------------------------------------------------------------------------

MAX_JSON_BYTES = 2**31
"""Of one file. COCO's largest has 0.5 GB."""

MAX_ZIPPED_JSON_BYTES = 2**28
"""Of all JSON in one zip, unpacked: it is held in memory, and 16 MiB of it pack into 15 kB."""

MAX_ZIPPED_JSON_VALUES = 50_000_000
"""Values in all JSON of one zip: each costs a tenth of a microsecond or more, whatever it is."""

MAX_ZIPPED_JSON_FILES = 1000
"""JSON files that are read of one zip: each is a decision of its own, and is compared with the project."""

MAX_ROWS = 5_000_000
"""Of one list of a file. What is kept of a row until it is read takes 24 bytes; LVIS has 1.3 million."""

MAX_ROW_VALUES = 2_000_000
"""Numbers, texts, lists and objects within one row: it is parsed as a whole, and an empty list takes 64
bytes. A polygon of a million points has so many."""

MAX_IMAGES = 500_000
"""Rows of a file's images, which are kept until the file is read: 1.2 kB each, at the least."""

MAX_CATEGORIES = 100_000
"""Rows of a file's categories, likewise. ImageNet has 22,000."""

MAX_LISTED = 10_000_000
"""Values in a file's images or categories together, for the same reason: 0.6 GB."""

MAX_EXTRA_VALUES = 1_000_000
"""Values of a file beside its images, categories and annotations, which are kept and written again: 64 MB."""

MAX_EXTRA_ROW_VALUES = 200_000
"""Values of one key that is kept with its row: it is read each time that the row is."""

MAX_MEMBERS = 100_000
"""Members of the object that a file is."""

MAX_STRANGE_ROWS = 1000
"""Rows of a list that are nothing like rows: a file with more of them is no data set, and reading ends."""

MAX_REFUSALS = 100_000
"""Refusals of a file that are kept one by one, at some 0.3 kB each; those that follow are counted only."""

DEEPEST = 100
"""Levels of lists and objects in what is kept of a file: what is nested deeper, many programs fail on."""

# -- messages of a browser ------------------------------------------------------------------------

MAX_MESSAGE_COUNTS = 2**24
"""Characters of all run lengths in one message: each becomes 25 bytes while it is read."""

MAX_MESSAGE_CORNERS = 2_000_000
"""Numbers of all polygons in one message."""

MAX_MESSAGE_EDGE = 2**24
"""Pixels along the edges of all polygons in one message, which are drawn to compare them: 2 s."""

# -- images and networks --------------------------------------------------------------------------

MAX_IMAGE_PIXELS = 2**31 - 1
"""At any setting of the limit of pixels: ``pycocotools`` counts them in 32 bits, one of which is a sign."""

MAX_INPUT_PIXELS = 2**21
"""Pixels of a network's input that a model's card may ask for, however small the image is: the most of its
shorter side times the most of its longer one. The slim network takes 0.3 GB for as many, the lite one
0.7."""

MAX_FEATURE_BYTES = 2**26
"""Of one feature map at that size, for the same reason: 128 channels of stride 4 with the most pixels."""

MAX_CARD_CATEGORIES = 2000
"""Of a model: every one is 0.3 MB of mask logits for 100 detections. LVIS has 1,203."""

MAX_CARD_TEXT = 10_000
"""Characters of a card's sentence on what its model knows, or of one of its notes."""


def extent(value: object) -> tuple[int, int]:
    """How many values a JSON value is made of, itself among them, and in how many levels."""
    count, deepest, waiting = 0, 0, [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        count, deepest = count + 1, max(deepest, depth)
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting += [(part, depth + 1) for part in inner]
    return count, deepest


def is_storable(text: str) -> bool:
    """Whether every database and every browser takes a text: no half of a surrogate pair, no NUL."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def name_problem(text: str) -> str:
    """What is wrong with a name that a person gives; empty if nothing is."""
    if not is_name(text):
        return f"expected a name of at most {MAX_NAME:,} characters, got {len(text):,}"
    return "" if is_storable(text) else "expected a name of whole characters, got half of one or a NUL in it"


def is_name(text: str) -> bool:
    """Whether a text is short enough for a name."""
    return len(text) <= MAX_NAME
