"""What is written for a tool, read again: by our readers, and by the tool's own library."""

import importlib.util
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from label_maps import LABEL_MAPS, along_a_boundary

from ecs_med.acquisition.package.pieces import pieces_of
from ecs_med.data.readers import reader_of
from ecs_med.data.readers.annotations.opening import open_annotations
from ecs_med.data.readers.annotations.regions import fill, outline_of

NAMES = ("background", "polyp", "a tool", "Öffnung")
MAPS = {name.replace(" ", "-"): labels for name, labels in LABEL_MAPS.items()}
FILES = {"coco": "annotations.json", "coco-rle": "annotations.json", "cvat": "drafts.xml"}
EXACT = ("coco-rle", "label-studio")


def read(path, image):
    """The mask by our reader, with the numbers of `NAMES`."""
    stored = reader_of([path]).read_stored_labels(path, [image])
    number_of = {name: number for number, name in enumerate(NAMES)}
    labels = np.zeros_like(stored.values)
    for value, name in stored.names.items():
        labels[stored.values == value] = number_of[name]
    return labels


def accepted(path):
    """Tasks of Label Studio whose predictions somebody has taken over as they are."""
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for task in tasks:
        task["annotations"] = task.pop("predictions")
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def written(pack, kind):
    """Folder of the images, and the annotation file of each of `MAPS`."""
    folder = pack(kind, MAPS)
    if kind == "labelme":
        return folder, {name: folder / f"{name}.json" for name in MAPS}
    file = accepted(folder / "tasks.json") if kind == "label-studio" else folder / FILES[kind]
    return folder / "images", dict.fromkeys(MAPS, file)


@pytest.mark.parametrize("kind", ["labelme", "coco", "coco-rle", "cvat", "label-studio"])
def test_our_readers_give_the_masks_back(pack, kind):
    images, file_of = written(pack, kind)
    for name, labels in MAPS.items():
        found = read(file_of[name], images / f"{name}.png")
        wrong = found != labels
        if kind in EXACT:
            assert not wrong.any(), name
        assert not (wrong & ~along_a_boundary(labels)).any(), name
        assert set(np.unique(found)) >= set(np.unique(labels)) - {0}, name


@pytest.mark.parametrize("name", list(MAPS))
def test_pieces_with_their_holes_filled_give_the_label_map(name):
    labels = MAPS[name]
    for background in (True, False):
        drawn = np.zeros_like(labels)
        for piece in pieces_of(labels, background=background):
            left, top, width, height = piece.box
            shown = piece.filled if background else piece.mask
            drawn[top : top + height, left : left + width][shown] = piece.number
        assert np.array_equal(drawn, labels)


def test_outlines_have_few_points_and_stay_near():
    labels = MAPS["ellipses-that-touch"]
    for piece in pieces_of(labels):
        outline = piece.outline()
        boundary = int(np.count_nonzero(along_a_boundary(labels) & (labels == piece.number)))
        assert 8 <= len(outline) <= boundary / 2
        drawn = fill([outline_of(outline)], labels.shape)
        overlap = np.count_nonzero(drawn & (labels == piece.number))
        assert overlap / np.count_nonzero(drawn | (labels == piece.number)) > 0.96


def test_a_draft_is_none_of_a_persons_until_something_is_drawn_otherwise(pack):
    folder = pack("labelme", {"a": MAPS["a-hole"]})
    path = folder / "a.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert open_annotations(path).is_draft
    # As LabelMe writes it: other keys, other order, numbers as floats.
    again = dict(reversed(content.items())) | {"version": "6.3.1", "imageData": "AAAA"}
    again["shapes"] = [
        {**one, "points": [[float(x), float(y)] for x, y in one["points"]], "description": None}
        for one in content["shapes"]
    ]
    path.write_text(json.dumps(again))
    assert open_annotations(path).is_draft
    for changed in ("flags", "points", "label"):
        other = json.loads(json.dumps(again))
        if changed == "flags":
            other["flags"] = {"checked": True}
        elif changed == "points":
            other["shapes"][0]["points"][0][0] += 0.5
        else:
            other["shapes"][0]["label"] = "a tool"
        path.write_text(json.dumps(other))
        assert not open_annotations(path).is_draft


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pycocotools and NumPy
@pytest.mark.parametrize("kind", ["coco", "coco-rle"])
def test_coco_by_pycocotools(pack, kind):
    pytest.importorskip("pycocotools", reason="compared where it is installed")
    from pycocotools.coco import COCO

    _, file_of = written(pack, kind)
    data = COCO(str(next(iter(file_of.values()))))
    names = {entry["id"]: NAMES.index(entry["name"]) for entry in data.cats.values()}
    for image in data.imgs.values():
        labels = MAPS[image["file_name"].removesuffix(".png")]
        found = np.zeros_like(labels)
        entries = sorted(
            data.loadAnns(data.getAnnIds(imgIds=image["id"])), key=lambda one: -one["area"]
        )
        for entry in entries:
            found[data.annToMask(entry) > 0] = names[entry["category_id"]]
            if isinstance(entry["segmentation"], dict):
                assert np.count_nonzero(data.annToMask(entry)) == entry["area"]
        wrong = found != labels
        assert not (wrong & ~along_a_boundary(labels)).any()
        assert kind == "coco" or not wrong.any()


def test_label_studio_by_its_own_brush(pack):
    brush = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="compared where it is installed"
    )
    folder = pack("label-studio", MAPS)
    for task in json.loads((folder / "tasks.json").read_text(encoding="utf-8")):
        labels = MAPS[task["data"]["image"].rpartition("/")[2].removesuffix(".png")]
        found = np.zeros_like(labels)
        for result in task["predictions"][0]["result"]:
            values = brush.decode_rle(result["value"]["rle"])
            mask = np.reshape(values, (*labels.shape, 4))[..., 3] > 0
            found[mask] = NAMES.index(result["value"]["brushlabels"][0])
        assert np.array_equal(found, labels)


def test_labelme_by_its_own_drawing(pack):
    label_file = pytest.importorskip("labelme._label_file", reason="compared where it is installed")
    from labelme.utils import shapes_to_label

    folder = pack("labelme", MAPS)
    values = {"_background_": 0} | {name: number for number, name in enumerate(NAMES)}
    for name, labels in MAPS.items():
        shapes = label_file.LabelFile(str(folder / f"{name}.json")).shapes
        found, _ = shapes_to_label(labels.shape, shapes, values)
        # It paints the pixels under the outline, too, so that thin parts grow by one pixel.
        assert not ((found != labels) & ~along_a_boundary(labels)).any(), name


def test_masks_of_cvat_by_its_own_library(pack):
    found = importlib.util.find_spec("cvat_sdk")
    if found is None or found.origin is None:
        pytest.skip("compared where cvat_sdk is installed")
    # The package itself would import its client.
    place = found.origin.replace("__init__.py", "masks.py")
    spec = importlib.util.spec_from_file_location("masks_of_cvat", place)
    masks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(masks)
    folder = pack("cvat", MAPS)
    compared = 0
    for image in ElementTree.parse(folder / "drafts.xml").getroot().iterfind("image"):
        labels = MAPS[image.get("name").removesuffix(".png")]
        for shape in image.iterfind("mask"):
            left, top, width, height = (
                int(shape.get(key)) for key in ("left", "top", "width", "height")
            )
            runs = [int(run) for run in shape.get("rle").split(",")]
            points = [*runs, left, top, left + width - 1, top + height - 1]
            size = {"image_width": labels.shape[1], "image_height": labels.shape[0]}
            mask = masks.decode_mask(points, **size)
            number = NAMES.index(shape.get("label"))
            assert (labels[mask] == number).all()
            assert masks.encode_mask(mask) == points
            compared += 1
    assert compared >= 5
