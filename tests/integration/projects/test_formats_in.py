"""Annotations of other programs, handed in as people have them: folders, zips, single files."""

import io
import json
import zipfile

import numpy as np
import pytest
import tifffile

from maskrcnn_core.formats.packed import brush_of_mask
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.exchange.intake import import_files
from tests.builders.other_formats import (
    CVAT_MASK,
    CVAT_POLYGON,
    SIZE,
    cvat,
    folder,
    label_studio,
    labelme,
    labelme_mask,
    labels,
    old_roi,
    photo,
    png,
    qupath,
    square_mask,
    studio_polygon,
    studio_row,
    supervisely_bitmap,
    via_1,
    via_2,
    voc,
    yolo_line,
)
from tests.builders.other_formats import SQUARE as OUTLINE

SQUARE = Rle.from_mask(square_mask())


@pytest.fixture
def project(store):
    return store.create_project("Cells", "ann").id


def zip_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def rois(**files):
    return zip_of({f"{name}.roi": data for name, data in files.items()})


def tiff(array):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array)
    return buffer.getvalue()


KINDS = {
    "via 1": {"a.png": photo(), "via_region_data.json": via_1()},
    "via 2": {"a.png": photo(), "via_project.json": via_2(type="cell")},
    "via in a part's folder": {"val/a.png": photo(), "val/via_region_data.json": via_2(name_="cell")},
    "labelme": {"a.png": photo(), "a.json": labelme()},
    "labelme from another system": {"images/a.png": photo(), "json/a.json": labelme("..\\images\\a.png")},
    "labelme mask": {"a.png": photo(), "a.json": labelme_mask()},
    "cvat": {"images/default/a.png": photo(), "annotations.xml": cvat(CVAT_POLYGON)},
    "cvat mask": {"images/a.png": photo(), "annotations.xml": cvat(CVAT_MASK)},
    "label studio": {"a.png": photo(), "project-1.json": label_studio([studio_polygon()])},
    "label studio brush": {
        "a.png": photo(),
        "export.json": label_studio(
            [studio_row("brushlabels", {"format": "rle", "rle": brush_of_mask(square_mask())})]
        ),
    },
    "label studio short": {
        "a.png": photo(),
        "min.json": json.dumps(
            [
                {
                    "image": "/data/local-files/?d=photos/a.png",
                    "label": [
                        {**studio_polygon()["value"], "original_width": SIZE[1], "original_height": SIZE[0]}
                    ],
                }
            ]
        ).encode(),
    },
    "yolo": {
        "data.yaml": b"names: [dust, cell]\n",
        "train/images/a.png": photo(),
        "train/labels/a.txt": yolo_line(1).encode(),
    },
    "yolo beside the image": {"classes.txt": b"cell\n", "a.png": photo(), "a.txt": yolo_line().encode()},
    "voc": {
        "Annotations/a.xml": voc(),
        "JPEGImages/a.png": photo(),
        "SegmentationObject/a.png": labels(1),
        "SegmentationClass/a.png": labels(9),
    },
    "penn-fudan": {"PNGImages/a.png": photo(), "PedMasks/a_mask.png": labels(1), "added.txt": b"hello"},
    "cellpose": {"a.png": photo(), "a_cp_masks.png": labels()},
    "stardist": {"images/a.png": photo(), "masks/a.tif": tiff((square_mask() * 300).astype(np.uint16))},
    "label image of 32 bits": {
        "a.png": photo(),
        "a_masks.tif": tiff((square_mask() * 70_000).astype(np.int32)),
    },
    "binary mask": {"images/a.png": photo(), "masks/a.png": labels(255)},
    "imagej": {"a.png": photo(), "RoiSet.zip": rois(one=old_roi())},
    "imagej regions in a folder": {"a.png": photo(), "a/0001.roi": old_roi()},
    "supervisely": {
        "meta.json": b'{"classes": [{"title": "cell", "shape": "bitmap", "color": "#11aa22"}], "tags": []}',
        "ds0/img/a.png": photo(),
        "ds0/ann/a.png.json": supervisely_bitmap(),
    },
}


# A zip within a zip is named and not opened.
@pytest.mark.parametrize(
    ("kind", "in_zip"),
    [
        pytest.param(kind, in_zip, id=f"{kind}-{'zip' if in_zip else 'folder'}")
        for kind, files in KINDS.items()
        for in_zip in (False, True)
        if not (in_zip and any(name.endswith(".zip") for name in files))
    ],
)
def test_a_folder_or_zip_with_pictures_and_annotations_just_works(store, project, kind, in_zip):
    files = KINDS[kind]
    given = [("set.zip", zip_of(files))] if in_zip else folder(files)
    report = import_files(store, project, "ann", given)
    assert report.refused == () and report.missing == ()
    assert report.images == 1, "masks are no images of the data set"
    (instance,) = store.instances(project)
    assert instance.mask == SQUARE and instance.status == "accepted"
    again = import_files(store, project, "ann", given)
    assert (again.images, again.instances) == (0, 0), "nothing comes in twice"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("via 1", ["object"]),
        ("via 2", ["cell"]),
        ("cvat", ["cell", "dust"]),
        ("yolo", ["dust", "cell"]),
        ("voc", ["cell"]),
        ("supervisely", ["cell"]),
        ("cellpose", ["object"]),
    ],
)
def test_names_of_categories_come_along(store, project, kind, names):
    import_files(store, project, "ann", folder(KINDS[kind]))
    assert [row.name for row in store.categories(project)] == names


def test_colours_and_attributes_come_along(store, project):
    import_files(store, project, "ann", folder(KINDS["cvat"]))
    assert [row.color for row in store.categories(project)] == ["#c06060", "#204060"]
    (instance,) = store.instances(project)
    assert instance.extra["attributes"] == {"stage": "late", "occluded": True}
    assert store.images(project)[0].coco_id == 5, "CVAT's own id"


def test_qupaths_holes_and_classes_come_along(store, project):
    files = {"slide.tif": photo(), "slide.geojson": qupath(measurements={"score": 0.5})}
    import_files(store, project, "ann", folder(files))
    (instance,) = store.instances(project)
    mask = square_mask()
    mask[15:20, 15:20] = False
    assert instance.mask == Rle.from_mask(mask)
    assert (instance.score, instance.status) == (0.5, "proposed")
    assert [(row.name, row.color) for row in store.categories(project)] == [("Tumor", "#c80000")]


def coco_of(**changes):
    row = {"id": 1, "width": SIZE[1], "height": SIZE[0], "file_name": "a.png"} | changes
    polygon = [[10, 12, 30, 12, 30, 28, 10, 28]]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": polygon}
    return {
        "images": [{key: value for key, value in row.items() if value is not None}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "cell"}],
    }


def test_livecells_annotations_by_key_are_read(store, project):
    document = coco_of()
    document["annotations"] = {"1": document["annotations"][0]}
    report = import_files(store, project, "ann", folder({"a.png": photo(), "a172.json": as_json(document)}))
    assert report.refused == () and [row.mask for row in store.instances(project)] == [SQUARE]
    assert any("an object with a row under each key" in note for note in report.notes)


def test_lvis_names_its_images_by_their_address(store, project):
    document = coco_of(file_name=None, coco_url="http://images.cocodataset.org/val2017/a.png")
    given = folder({"val2017/a.png": photo(), "lvis_v1_val.json": as_json(document)})
    report = import_files(store, project, "ann", given)
    assert report.refused == () and report.missing == () and report.images == 1
    assert [row.mask for row in store.instances(project)] == [SQUARE]


def as_json(document):
    return json.dumps(document).encode()


@pytest.mark.parametrize("name", ["a_RoiSet.zip", "RoiSet_a.zip", "Rois of a.zip"])
def test_a_roi_set_finds_its_image_by_the_longest_name_in_its_own(store, project, name):
    files = {"a.png": photo(), "a_b.png": photo(2), name: rois(one=old_roi())}
    import_files(store, project, "ann", folder(files))
    (instance,) = store.instances(project)
    assert [row.file_name for row in store.images(project) if row.id == instance.image_id] == ["a.png"]


BOXES = {
    "voc": {"a.png": photo(), "a.xml": voc()},
    "yolo": {"a.png": photo(), "a.txt": b"0 0.222222 0.333333 0.222222 0.266667\n"},
    "cvat": {
        "a.png": photo(),
        "annotations.xml": cvat('<box label="cell" xtl="10" ytl="12" xbr="30" ybr="28" occluded="0"/>'),
    },
    "labelme": {"a.png": photo(), "a.json": labelme(shape_type="rectangle", points=[[30, 28], [10, 12]])},
    "label studio": {
        "a.png": photo(),
        "a.json": label_studio(
            [studio_row("rectanglelabels", {"x": 1000 / 90, "y": 20, "width": 2000 / 90, "height": 80 / 3})]
        ),
    },
}


@pytest.mark.parametrize("kind", BOXES)
def test_boxes_wait_for_the_networks_heads(store, project, kind):
    report = import_files(store, project, "ann", folder(BOXES[kind]))
    (box,) = report.boxes
    assert box.row.value.box == pytest.approx((10, 12, 30, 28), abs=0.01)
    assert report.instances == 0 and report.refused == ()


def test_predictions_are_proposals_and_annotations_are_not(store, project):
    row = studio_polygon() | {"score": 0.6}
    given = folder({"a.png": photo(), "tasks.json": label_studio([], [row])})
    import_files(store, project, "ann", given)
    (instance,) = store.instances(project)
    assert (instance.status, instance.score) == ("proposed", 0.6)


def test_results_are_proposals_for_images_that_are_there(store, project):
    import_files(store, project, "ann", folder(KINDS["cvat"]))
    shifted = np.roll(square_mask(), 30, axis=1)
    rows = [
        {
            "image_id": 5,
            "category_id": 1,
            "segmentation": {"size": list(SIZE), "counts": Rle.from_mask(shifted).counts},
            "bbox": [40, 12, 20, 16],
            "score": 0.8,
        },
        {"image_id": 99, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5},
    ]
    report = import_files(store, project, "ann", [("results.json", json.dumps(rows).encode())])
    assert report.instances == 1 and report.refused_count == 1
    proposed = [row for row in store.instances(project) if row.status == "proposed"]
    assert [(row.score, row.mask) for row in proposed] == [(0.8, Rle.from_mask(shifted))]


def test_results_without_images_are_named(store, project):
    rows = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]
    report = import_files(store, project, "ann", [("results.json", json.dumps(rows).encode())])
    assert report.images == 0 and "needs the images that they are of" in report.refused[0]


def test_what_encloses_nothing_is_named_with_counts(store, project):
    shapes = (
        CVAT_POLYGON + '<points label="cell" points="1,1"/>' * 3 + '<polyline label="cell" points="1,1;2,2"/>'
    )
    report = import_files(store, project, "ann", folder({"a.png": photo(), "annotations.xml": cvat(shapes)}))
    assert report.instances == 1 and report.refused_count == 4
    assert "encloses nothing (4 times, here first)" in report.refused[0]


@pytest.mark.parametrize(
    ("name", "data", "way"),
    [
        (
            "x.json",
            b'{"metadata": {}, "instances": [{"type": "polygon", "className": "a"}]}',
            "SuperAnnotate",
        ),
        ("x.json", b'{"version": "2.0", "schema_ref": "x", "item": {"slots": []}}', "Darwin"),
        ("x.json", b'[{"data_row": {"id": 1}}]', "Labelbox"),
        ("x.json", b'{"labels": [{"readable": "Bird", "instances": true}]}', "Mapillary"),
        ("x.json", b'[{"version": 0, "tags": [], "shapes": [], "tracks": []}]', "CVAT"),
        ("x.json", b'{"project": {"pid": "x", "data_format_version": "3.1.1"}, "metadata": {}}', "VIA 3"),
    ],
)
def test_a_known_kind_that_is_not_read_is_named_with_the_way_out(store, project, name, data, way):
    report = import_files(store, project, "ann", [(name, data)])
    assert way in report.refused[0] and "COCO" in report.refused[0]


@pytest.mark.parametrize(
    "data",
    [
        b"<annotations><version>1.1</version><image",
        b'<!DOCTYPE a [<!ENTITY b "c">]><annotations><version>1.1</version><image name="a"/></annotations>',
        b'{"shapes": [1, {"label": 2}], "imagePath": 5}',
        b'{"shape_attributes": [',
        b'{"a": {"filename": "a.png", "regions": [{"shape_attributes": {"name": "rect"}}], "size": 3}}',
        b'[{"from_name": 1, "to_name": 2, "data": {"image": "a.png"}, "annotations": [{"result": [{}]}]}]',
        b'{"type": "FeatureCollection", "features": [{"geometry": {"type": "Polygon", "coordinates": [1]}}]}',
        b'{"segments_info": 1, "annotations": [{"image_id": 3}]}',
    ],
)
@pytest.mark.parametrize("suffix", [".xml", ".json", ".geojson"])
def test_broken_files_are_named_and_the_pictures_come_in(store, project, data, suffix):
    report = import_files(store, project, "ann", folder({"a.png": photo(), f"broken{suffix}": data}))
    assert report.images == 1 and report.instances == 0
    assert report.refused or report.notes


def test_a_set_of_regions_in_a_zip_is_read_and_other_zips_are_named(store, project):
    inner = {
        "a.png": photo(),
        "a_RoiSet.zip": rois(one=old_roi()),
        "more.zip": zip_of({"b.png": photo(2)}),
    }
    report = import_files(store, project, "ann", [("all.zip", zip_of(inner))])
    assert report.images == 1 and report.instances == 1
    assert report.refused == (
        "all.zip: more.zip: an archive within the archive is not opened; unpack it and add its files",
    )


@pytest.mark.parametrize("bad", ["0 0.1 0.1", "x 0.1 0.1 0.2 0.2", "-1 0.1 0.1 0.4 0.1 0.4 0.4"])
@pytest.mark.parametrize("path", ["labels/a.txt", "a.txt"])
def test_a_bad_line_of_yolo_is_named_and_the_others_come_in(store, project, bad, path):
    image = path.replace("labels", "images").replace(".txt", ".png")
    text = "\ufeff" + yolo_line() + bad + "\n"
    report = import_files(store, project, "ann", folder({image: photo(), path: text.encode()}))
    assert [row.mask for row in store.instances(project)] == [SQUARE]
    assert report.refused_count == 1 and f"{path}: line 2" in report.refused[0]


def test_images_of_one_name_in_two_folders_stay_two_in_label_studio(store, project):
    tasks = [
        task
        for camera in ("cam1", "cam2")
        for task in json.loads(
            label_studio([studio_polygon()], image=f"/data/local-files/?d=set/{camera}/1.png")
        )
    ]
    given = folder({"cam1/1.png": photo(), "cam2/1.png": photo(2), "tasks.json": json.dumps(tasks).encode()})
    report = import_files(store, project, "ann", given)
    assert report.images == 2
    assert len({row.image_id for row in store.instances(project)}) == 2


def test_a_roboflow_outline_in_voc_is_taken_and_not_its_box(store, project):
    points = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(OUTLINE, start=1))
    data = voc().replace(b"<bndbox>", f"<polygon>{points}</polygon><bndbox>".encode())
    report = import_files(store, project, "ann", folder({"a.png": photo(), "a.xml": data}))
    assert report.instances == 1 and [row.mask for row in store.instances(project)] == [SQUARE]


def test_a_box_beside_masks_in_voc_waits_for_the_heads(store, project):
    files = {
        "JPEGImages/a.png": photo(),
        "Annotations/a.xml": voc(objects=("cell", "cell")),
        "SegmentationObject/a.png": png(square_mask().astype(np.uint8)),
    }
    report = import_files(store, project, "ann", folder(files))
    assert report.instances == 1 and len(report.boxes) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_boxes_beside_masks_in_open_images_wait_for_the_heads(store, project, encoding):
    mask = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks\n"
    mask += "a_1.png,a,cell,1,0.1111,0.3333,0.2,0.46667,,\n"
    boxes = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf\n"
    boxes += "a,xclick,cell,1,0.1111,0.3333,0.2,0.46667,0,0,0\na,xclick,dog,1,0.5,0.8,0.5,0.9,0,0,0\n"
    files = {
        "a.png": photo(),
        "masks/a_1.png": png(255 * square_mask().astype(np.uint8)),
        "train-annotations-object-segmentation.csv": mask.encode(encoding),
        "train-annotations-bbox.csv": boxes.encode(encoding),
    }
    report = import_files(store, project, "ann", folder(files))
    assert report.instances == 1 and len(report.boxes) == 1


def test_names_of_voc_with_signs_of_its_label_map_are_one_category(store, project):
    files = {
        "a.png": photo(),
        "Annotations/a.xml": voc(objects=("a:b &amp; c",)),
        "labelmap.txt": b"# label:color_rgb:parts:actions\nbackground:0,0,0::\na b & c:128,0,0::\n",
    }
    import_files(store, project, "ann", folder(files))
    assert [row.name for row in store.categories(project)] == ["a:b & c"]


def test_the_points_of_a_skeleton_are_no_categories(store, project):
    data = cvat(CVAT_POLYGON).replace(
        b"</labels>",
        b"<label><name>1</name><type>points</type><parent>cell</parent></label></labels>",
    )
    assert b"<parent>" in data
    import_files(store, project, "ann", folder({"a.png": photo(), "annotations.xml": data}))
    assert [row.name for row in store.categories(project)] == ["cell", "dust"]
