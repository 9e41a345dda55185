"""The same masks in every form that annotation tools write train to the same losses."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from label_maps import LABEL_MAPS
from more_annotation_sets import bitmap, supervisely, via, via_csv, via_region
from PIL import Image

import ecs_med
from ecs_med.acquisition.package import PACKAGES, Classes, PackagedCase, pieces
from ecs_med.acquisition.package.pieces import pieces_of
from ecs_med.data.layout import open_data
from ecs_med.data.readers import read_scan
from ecs_med.runs import RunFolder, read_history
from ecs_med.types import Case

NAMES = ("background", "polyp")
COLORS = np.array([[0, 0, 0], [250, 50, 83]], np.uint8)
PACKAGED = {"coco": "annotations.json", "coco-rle": "annotations.json", "cvat": "drafts.xml"}
FORMS = ("coco", "coco-rle", "cvat", "label-studio", "labelme", "via", "via-csv", "supervisely",
         "colors", "colors-zip")  # fmt: skip
TINY = {"iterations": 3, "batch": 2, "crop": 32, "max_size": 48, "device": "cpu", "labeled": "all"}
TINY |= {"encoder": "test_resnet", "encoder_weights": "none", "method": "supervised"}


def masks_of(source: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(source.glob("masks/*.png"))}


def arranged(source: Path, root: Path, folder: str) -> None:
    """Copies of the pictures, and a list of them with their masks as PNG."""
    (root / folder).mkdir(parents=True)
    with (root / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "mask"])
        for path in sorted((source / "images").iterdir()):
            shutil.copy(path, root / folder / path.name)
            rows.writerow([f"{folder}/{path.name}", source / "masks" / f"{path.stem}.png"])


def write_packaged(source: Path, root: Path, form: str) -> None:
    """By our own packages, as if somebody had said that every draft is right."""
    package = PACKAGES.get(form)(root / "made", Classes(NAMES, (0, 1)))
    for name, mask in masks_of(source).items():
        path = next((source / "images").glob(f"{name}.*"))
        package.add(PackagedCase(name, Case(name, (path,)), read_scan([path]), mask))
    package.close()
    if form == "labelme":
        for path in (root / "made").glob("*.json"):
            content = json.loads(path.read_text()) | {"flags": {"checked": True}}
            (root / "images" / path.name).write_text(json.dumps(content))
    elif form == "label-studio":
        tasks = json.loads((root / "made/tasks.json").read_text())
        for task in tasks:
            task["annotations"] = task.pop("predictions")
        (root / "tasks.json").write_text(json.dumps(tasks))
    else:
        text = (root / "made" / PACKAGED[form]).read_text().replace("ecs_med_draft", "x")
        (root / PACKAGED[form]).write_text(text)
    shutil.rmtree(root / "made")


def write_drawn(source: Path, root: Path, form: str) -> None:
    regions = {
        next((source / "images").glob(f"{name}.*")).name: [
            via_region(NAMES[piece.number], **points_of(piece)) for piece in pieces_of(mask)
        ]
        for name, mask in masks_of(source).items()
    }
    if form == "via":
        via(root / "via.json", regions, project=True)
    else:
        via_csv(root / "via.csv", regions)


def points_of(piece: pieces.Piece) -> dict[str, list[float]]:
    across, down = zip(*piece.outline(), strict=True)
    return {"all_points_x": list(across), "all_points_y": list(down)}


def write_form(source: Path, root: Path, form: str) -> Path:
    """The data set in that form below `root`; what to train on."""
    folder = {"supervisely": "set/img", "colors": "JPEGImages", "colors-zip": "JPEGImages"}
    arranged(source, root, folder.get(form, "images"))
    if form in PACKAGES.names():
        (root / "made").mkdir()
        write_packaged(source, root, form)
    elif form.startswith("via"):
        write_drawn(source, root, form)
    elif form == "supervisely":
        objects = {}
        for name, mask in masks_of(source).items():
            picture = next((source / "images").glob(f"{name}.*")).name
            entry = {"classTitle": "polyp", "geometryType": "bitmap", "bitmap": bitmap(mask == 1)}
            objects[f"set/{picture}"] = [entry] if mask.any() else []
        height, width = next(iter(masks_of(source).values())).shape
        supervisely(root, objects, classes=("polyp",), size=(height, width), tags=[{"name": "ok"}])
        for path in (root / "set/ann").iterdir():  # pictures have sizes of their own
            content = json.loads(path.read_text())
            with Image.open(root / "set/img" / path.stem) as picture:
                content["size"] = {"height": picture.height, "width": picture.width}
            path.write_text(json.dumps(content))
    else:
        (root / "SegmentationClass").mkdir()
        (root / "labelmap.txt").write_text("background:0,0,0::\npolyp:250,50,83::\n")
        for name, mask in masks_of(source).items():
            Image.fromarray(COLORS[mask]).save(root / f"SegmentationClass/{name}.png")
    if form == "colors-zip":
        return Path(shutil.make_archive(str(root / "export"), "zip", root))
    return root


def losses(data: Path, run: Path, **settings: object) -> list[float]:
    ecs_med.train({**TINY, "data": data, "run": run, **settings})
    rows = read_history(RunFolder(run).history_file).train
    return [value for row in rows for value in row.losses.values()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of two classes, with holes and thin lines."""
    root = tmp_path_factory.mktemp("source")
    for name in ("images", "masks"):
        (root / name).mkdir()
    chosen = [mask for mask in LABEL_MAPS.values() if min(mask.shape) >= 20 and mask.any()]
    for number, mask in enumerate(chosen[:8]):
        pixels = np.random.default_rng(number).integers(0, 256, (*mask.shape, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"images/p{number}.png")
        Image.fromarray((mask == 1).astype(np.uint8)).save(root / f"masks/p{number}.png")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_losses_are_those_of_png(
    source: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form.startswith("via"):  # polygons alone, without holes
        source = without_holes(source, tmp_path / "whole")
    # Outlines that are not simplified hold masks exactly.
    monkeypatch.setattr(pieces, "TOLERANCES", ())
    data = write_form(source, tmp_path / "data", form)
    wanted = losses(tmp_path / "data/list.csv", tmp_path / "png")
    if form not in ("colors", "colors-zip"):
        (tmp_path / "data/list.csv").unlink()
    assert open_data(data).layout != "listing"
    assert losses(data, tmp_path / "run") == wanted
    assert len(wanted) >= 1
    assert all(np.isfinite(wanted))


def without_holes(source: Path, to: Path) -> Path:
    shutil.copytree(source, to)
    for name, mask in masks_of(source).items():
        filled = np.zeros_like(mask)
        for piece in pieces_of(mask):
            left, top, width, height = piece.box
            filled[top : top + height, left : left + width] |= piece.filled
        Image.fromarray(filled).save(to / f"masks/{name}.png")
    return to
