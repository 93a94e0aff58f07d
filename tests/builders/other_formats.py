"""Files as other programs write them, drawn by the tests: each kind with what is odd about it."""

import io
import json
import struct
import zlib
from base64 import b64encode

import numpy as np
from PIL import Image

from maskrcnn_core.projects.exchange.intake import HandedIn

SQUARE = [[10, 12], [30, 12], [30, 28], [10, 28]]
"""A polygon of 20 x 16 pixels."""
SIZE = (60, 90)


def square_mask():
    mask = np.zeros(SIZE, np.bool_)
    mask[12:28, 10:30] = True
    return mask


def png(array, palette=None):
    picture = Image.fromarray(array)
    if palette:
        picture.putpalette(palette)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def photo(seed=1):
    return png(np.random.default_rng(seed).integers(60, 255, (*SIZE, 3), np.uint8))


def via_2(name="a.png", **attributes):
    """A project of VIA 2, with regions as a list."""
    shape = {
        "name": "polygon",
        "all_points_x": [x for x, _ in SQUARE],
        "all_points_y": [y for _, y in SQUARE],
    }
    region = {"shape_attributes": shape, "region_attributes": attributes}
    row = {"filename": name, "size": 12, "regions": [region], "file_attributes": {}}
    return json.dumps({"_via_settings": {}, "_via_img_metadata": {f"{name}12": row}}).encode()


def via_1(name="a.png"):
    """What Matterport's balloons are: regions as an object, without attributes."""
    shape = {
        "name": "polygon",
        "all_points_x": [x for x, _ in SQUARE],
        "all_points_y": [y for _, y in SQUARE],
    }
    regions = {"0": {"shape_attributes": shape, "region_attributes": {}}}
    return json.dumps(
        {
            f"{name}12": {
                "fileref": "",
                "size": 12,
                "filename": name,
                "base64_img_data": "",
                "file_attributes": {},
                "regions": regions,
            }
        }
    ).encode()


def labelme(name="a.png", **changes):
    shape = {
        "label": "cell",
        "points": SQUARE,
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    } | changes
    return json.dumps(
        {
            "version": "5.4.1",
            "flags": {},
            "shapes": [shape],
            "imagePath": name,
            "imageData": None,
            "imageHeight": SIZE[0],
            "imageWidth": SIZE[1],
        }
    ).encode()


def labelme_mask():
    """A mask shape: a PNG of its box, whose second corner is the last pixel."""
    data = b64encode(png(np.ones((16, 20), np.bool_))).decode()
    return labelme(shape_type="mask", points=[[10, 12], [29, 27]], mask=data)


def cvat(shapes, name="a.png"):
    return (
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><labels>'
        "<label><name>cell</name><color>#c06060</color><attributes></attributes></label>"
        "<label><name>dust</name><color>#204060</color></label></labels></task></meta>"
        f'<image id="5" name="{name}" width="{SIZE[1]}" height="{SIZE[0]}">{shapes}</image></annotations>'
    ).encode()


CVAT_POLYGON = (
    '<polygon label="cell" source="manual" occluded="1" z_order="0" '
    'points="10.00,12.00;30.00,12.00;30.00,28.00;10.00,28.00">'
    '<attribute name="stage">late</attribute></polygon>'
)
CVAT_MASK = (
    '<mask label="cell" source="manual" occluded="0" rle="0, 320" left="10" top="12" width="20" height="16"/>'
)


def label_studio(results, predictions=(), image="/data/upload/1/0a1b2c3d-a.png"):
    task = {
        "id": 1,
        "data": {"image": image},
        "annotations": [{"id": 2, "result": results, "was_cancelled": False}] if results else [],
        "predictions": [{"result": list(predictions), "score": 0.7}] if predictions else [],
    }
    return json.dumps([task]).encode()


def studio_row(kind, value, **more):
    return {
        "id": "x",
        "type": kind,
        "from_name": "label",
        "to_name": "image",
        "original_width": SIZE[1],
        "original_height": SIZE[0],
        "image_rotation": 0,
        "value": value | {kind: ["cell"]},
    } | more


def studio_polygon():
    points = [[100 * x / SIZE[1], 100 * y / SIZE[0]] for x, y in SQUARE]
    return studio_row("polygonlabels", {"points": points})


def voc(name="a.png", objects=("cell",)):
    rows = "".join(
        f"<object><name>{one}</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>"
        "<bndbox><xmin>11</xmin><ymin>13</ymin><xmax>30</xmax><ymax>28</ymax></bndbox></object>"
        for one in objects
    )
    return (
        f"<annotation><folder>VOC</folder><filename>{name}</filename><size><width>{SIZE[1]}</width>"
        f"<height>{SIZE[0]}</height><depth>3</depth></size><segmented>1</segmented>{rows}</annotation>"
    ).encode()


def qupath(**properties):
    """A feature as QuPath 0.5 writes it: closed rings, a hole, a color of three numbers."""
    hole = [[15, 15], [15, 20], [20, 20], [20, 15]]
    rings = [[*SQUARE, SQUARE[0]], [*hole, hole[0]]]
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "id": "1",
                    "geometry": {"type": "Polygon", "coordinates": rings},
                    "properties": {
                        "objectType": "annotation",
                        "classification": {"name": "Tumor", "color": [200, 0, 0]},
                    }
                    | properties,
                }
            ],
        }
    ).encode()


def old_roi():
    """A polygon as ImageJ 1.4 writes it: integer points relative to its box, no second header."""
    points = SQUARE
    head = struct.pack(">4shBBhhhhH", b"Iout", 217, 0, 0, 12, 10, 28, 30, len(points))
    xs = struct.pack(f">{len(points)}h", *(x - 10 for x, _ in points))
    ys = struct.pack(f">{len(points)}h", *(y - 12 for _, y in points))
    return head.ljust(64, b"\0") + xs + ys


def supervisely_bitmap():
    data = b64encode(zlib.compress(png(np.ones((16, 20), np.bool_)))).decode()
    return json.dumps(
        {
            "description": "",
            "tags": [],
            "size": {"height": SIZE[0], "width": SIZE[1]},
            "objects": [
                {
                    "id": 1,
                    "classTitle": "cell",
                    "geometryType": "bitmap",
                    "bitmap": {"data": data, "origin": [10, 12]},
                }
            ],
        }
    ).encode()


def yolo_line(number=0):
    return f"{number} " + " ".join(f"{x / SIZE[1]:.6f} {y / SIZE[0]:.6f}" for x, y in SQUARE) + "\n"


def folder(files, source="set/"):
    return [HandedIn(path, data, source=source, above=source.rstrip("/")) for path, data in files.items()]


def labels(value=7):
    return png((square_mask() * value).astype(np.uint8))
