"""How much of anything that comes from outside is accepted: the numbers, and the reason for each.

A few bytes can ask for hours or for gigabytes, in part inside C code that would end the whole process for
everybody. So everything is bounded before it reaches C code or an array. Each number is far above what real
data have. Images have their own in :mod:`maskrcnn_core.images.guards`, zips theirs in
:mod:`maskrcnn_core.images.archives`.
"""

from __future__ import annotations

__all__ = [
    "DEEPEST",
    "MAX_ATTRIBUTES",
    "MAX_ATTRIBUTE_OPTIONS",
    "MAX_CARD_CATEGORIES",
    "MAX_CARD_TEXT",
    "MAX_CATEGORIES",
    "MAX_COORDINATE",
    "MAX_DATA_SETS",
    "MAX_DESCRIPTION",
    "MAX_EDGE",
    "MAX_EDGE_AT_ONCE",
    "MAX_EDGE_FREE",
    "MAX_EDGE_PER_BYTE",
    "MAX_EDITED",
    "MAX_EXTRA_ROW_VALUES",
    "MAX_EXTRA_VALUES",
    "MAX_FEATURE_BYTES",
    "MAX_IMAGES",
    "MAX_IMAGE_PIXELS",
    "MAX_INPUT_PIXELS",
    "MAX_INSTANCES",
    "MAX_INT",
    "MAX_JSON_BYTES",
    "MAX_KINDS",
    "MAX_LISTED",
    "MAX_MASK_CORNERS",
    "MAX_MASK_COUNTS",
    "MAX_MASK_RINGS",
    "MAX_MEMBERS",
    "MAX_MESSAGE_CORNERS",
    "MAX_MESSAGE_COUNTS",
    "MAX_MESSAGE_EDGE",
    "MAX_NAME",
    "MAX_PLACE",
    "MAX_PROPAGATED",
    "MAX_REFUSALS",
    "MAX_ROWS",
    "MAX_ROW_VALUES",
    "MAX_STRANGE_ROWS",
    "MAX_TAG",
    "MAX_TAGS",
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
"""Characters in the name of a file or category, or in a text id. File systems allow 255 bytes per part; a
name of megabytes would be sent to every browser that shows it."""

MAX_DESCRIPTION = 10_000
"""Characters in what a person says of a project: two pages, which every look at the project shows."""

MAX_TAG = 100
"""Characters in an image's tag: it is one word or two, shown in a row with others."""

MAX_TAGS = 100
"""Tags of one image."""

MAX_ATTRIBUTES = 200
"""Attributes that a category declares, and that one operation sets: each is a field of somebody's form."""

MAX_ATTRIBUTE_OPTIONS = 1000
"""Options of one attribute, among which a person has to find theirs."""

# -- polygons -------------------------------------------------------------------------------------

MAX_EDGE = 2**22
"""Pixels along all edges of one annotation's polygons. ``pycocotools`` samples edges five times per pixel,
takes 80 bytes and 0.13 microseconds for each pixel, and does not check that it got the memory: this many take
half a second and 0.3 GB. The outlines of 20,000 separate leaves on 50 megapixels have a million."""

MAX_EDGE_AT_ONCE = 2**20
"""Pixels along the edges of all polygons in one call, which holds Python's lock: everybody else waits 0.1 s.
A single annotation may have more."""

MAX_EDGE_FREE = 2**27
"""Pixels along the edges of all polygons of an import, on top of those that its bytes allow: some 15 s."""

MAX_EDGE_PER_BYTE = 16
"""Further pixels along edges for each byte of the file. COCO's own files have less than 1."""

# -- JSON -----------------------------------------------------------------------------------------

MAX_JSON_BYTES = 2**31
"""Bytes of one file. COCO's largest has 0.5 GB."""

MAX_ZIPPED_JSON_BYTES = 2**28
"""Bytes of all JSON in one zip, unpacked: it is held in memory, and 16 MiB of it pack into 15 kB."""

MAX_ZIPPED_JSON_VALUES = 50_000_000
"""Values in all JSON of one zip: each costs at least a tenth of a microsecond, whatever it is."""

MAX_ZIPPED_JSON_FILES = 20_000
"""Files of annotations that are read from one zip, as many as it has members: some programs write one for
each image."""

MAX_DATA_SETS = 1000
"""Data sets that are taken in at once: each is a separate decision, and is compared with the project."""

MAX_ROWS = 5_000_000
"""Rows of one list in a file. What is kept of a row until it is read takes 24 bytes; LVIS has 1.3 million."""

MAX_ROW_VALUES = 2_000_000
"""Numbers, texts, lists and objects within one row: it is parsed as a whole, and an empty list takes 64
bytes. A polygon of a million points has that many."""

MAX_IMAGES = 500_000
"""Rows of a file's images, which are kept until the file is read: at least 1.2 kB each."""

MAX_CATEGORIES = 100_000
"""Rows of a file's categories, which are kept as well. ImageNet has 22,000."""

MAX_LISTED = 10_000_000
"""Values in a file's images or categories together, for the same reason: 0.6 GB."""

MAX_EXTRA_VALUES = 1_000_000
"""Values in a file outside its images, categories and annotations, which are kept and rewritten: 64 MB."""

MAX_EXTRA_ROW_VALUES = 200_000
"""Values under one key that is kept with its row: it is read each time the row is."""

MAX_MEMBERS = 100_000
"""Members of the outermost object of a file."""

MAX_STRANGE_ROWS = 1000
"""Rows of a list that are not even objects: a file with more of them is no data set, and reading stops."""

MAX_REFUSALS = 100_000
"""Refusals of a file that are kept one by one, at some 0.3 kB each; the rest are only counted."""

MAX_KINDS = 1000
"""Kinds of problems and repairs in a file, each of which is a sentence on somebody's page: they contain names
of keys, of which a file may have any. The rest are counted together."""

MAX_PLACE = 200
"""Characters in a message for a place in a file: keys can be megabytes long."""

DEEPEST = 100
"""Levels of lists and objects in what is kept of a file: many programs fail on deeper nesting."""

# -- messages of a browser ------------------------------------------------------------------------

MAX_INT = 2**53 - 1
"""JavaScript's greatest exact whole number (``Number.MAX_SAFE_INTEGER``)."""

MAX_COORDINATE = 1_000_000
"""Pixels from the origin, in either direction."""

MAX_MASK_COUNTS = 8_000_000
"""Characters of the run lengths of one mask."""

MAX_MASK_RINGS = 1000
"""Polygons of one instance."""

MAX_MASK_CORNERS = 100_000
"""Numbers in the polygons of one instance."""

MAX_INSTANCES = 100_000
"""Instances in one report, in all of its operations together."""

MAX_EDITED = 1000
"""Instances that one edit may change; it may make as many."""

MAX_PROPAGATED = 200
"""Instances that are taken over to another image at once: the heads look at them all together."""

MAX_MESSAGE_COUNTS = 2**24
"""Characters of all run lengths in one message: each becomes 25 bytes while it is read."""

MAX_MESSAGE_CORNERS = 2_000_000
"""Numbers of all polygons in one message."""

MAX_MESSAGE_EDGE = 2**24
"""Pixels along the edges of all polygons in one message, which are drawn to compare them: 2 s."""

# -- images and networks --------------------------------------------------------------------------

MAX_IMAGE_PIXELS = 2**31 - 1
"""Pixels of an image, whatever the setting allows: ``pycocotools`` counts them in 31 bits and a sign."""

MAX_INPUT_PIXELS = 2**21
"""Pixels of the largest network input that a model card may ask for: the maximum of the shorter side times
that of the longer one. At this size the slim network takes 0.3 GB, the lite one 0.7."""

MAX_FEATURE_BYTES = 2**26
"""Bytes of one feature map at that size, for the same reason: 128 channels of stride 4 at the most pixels."""

MAX_CARD_CATEGORIES = 2000
"""Categories of a model: each takes 0.3 MB of mask logits for 100 detections. LVIS has 1,203."""

MAX_CARD_TEXT = 10_000
"""Characters of a card's sentence on what its model knows, or of one of its notes."""


def extent(value: object) -> tuple[int, int]:
    """Return how many values a JSON value consists of, itself included, and on how many levels."""
    count, deepest, waiting = 0, 0, [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        count, deepest = count + 1, max(deepest, depth)
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting += [(part, depth + 1) for part in inner]
    return count, deepest


def is_storable(text: str) -> bool:
    """Return whether every database and browser accepts a text: no half of a surrogate pair, no NUL."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def name_problem(text: str) -> str:
    """Return what is wrong with a name that a person gives; empty if nothing is."""
    if not is_name(text):
        return f"expected a name of at most {MAX_NAME:,} characters, got {len(text):,}"
    return "" if is_storable(text) else "expected a name of whole characters, got half of one or a NUL in it"


def is_name(text: str) -> bool:
    """Return whether a text is short enough for a name."""
    return len(text) <= MAX_NAME
