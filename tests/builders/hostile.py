"""Files that ask for much: each is drawn here, so that a test needs nothing but this."""

import io
import json
import zipfile

SIZE = (120, 160)


def document(**changes):
    """A COCO file of one image, one category and one good annotation, as a dictionary."""
    height, width = SIZE
    return {
        "images": [{"id": 1, "file_name": "photo.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [annotation()],
    } | changes


def annotation(**changes):
    ring = [1, 1, 50, 1, 50, 50, 1, 50]
    return {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [ring], "iscrowd": 0} | changes


def zigzag(points, size=SIZE):
    """A ring whose every edge goes from as far outside of the image as a point may lie to the other side."""
    far = 16 * max(size) - 10
    return [(far if (at // 2 + at) % 2 else -far) + at % 7 for at in range(2 * points)]


def as_bytes(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def zipped(**members):
    """A zip of members by name, whose dots are written as two underscores."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return file.getvalue()
