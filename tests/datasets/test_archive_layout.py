"""Layout `archive`: exports as the zip files that tools hand out."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from annotation_sets import SIZE, add_pictures, coco, square
from odd_series import make_series, write_series
from PIL import Image

from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError
from ecs_med.files import cache_folder
from ecs_med_cli.app import main
from ecs_med_datasets import archive

LABEL_MAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\npolyp:250,50,83::\ntool:1,2,3::\n"


def cvat_export(root: Path) -> Path:
    """What CVAT exports as "Segmentation mask 1.1"; `a` is labelled, `b` is not."""
    add_pictures(root / "JPEGImages", "a.png", "b.png")
    (root / "labelmap.txt").write_text(LABEL_MAP)
    colors = np.zeros((*SIZE, 3), np.uint8)
    colors[2:12, 2:12] = 250, 50, 83
    colors[4:8, 4:8] = 1, 2, 3
    for name in ("SegmentationClass", "SegmentationObject"):
        (root / name).mkdir()
        Image.fromarray(colors).save(root / name / "a.png")
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("a\nb\n")
    return root


def zipped(folder: Path, path: Path, below: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for entry in sorted(folder.rglob("*")):
            if entry.is_file():
                file.write(entry, below + entry.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("below", ["", "task 3/"])
def test_masks_of_cvat_in_colours_with_their_names(tmp_path: Path, below: str) -> None:
    path = zipped(cvat_export(tmp_path / "export"), tmp_path / "task.zip", below)
    counts = {}
    for place in (tmp_path / "export", path):
        collection = open_data(place)
        assert collection.layout == "cvat"
        diagnosis = diagnose(collection)
        assert diagnosis.scheme is not None
        assert diagnosis.scheme.class_names == ("background", "polyp", "tool")
        counts[place] = diagnosis.class_pixels
        assert [case.mask is not None for case in collection.cases] == [True, False]
    assert counts[path] == counts[tmp_path / "export"]
    assert counts[path]["JPEGImages/a"] == (24 * 32 - 100, 84, 16)
    assert open_data(path).name == "task"


def test_a_colour_that_the_label_map_does_not_name(tmp_path: Path) -> None:
    root = cvat_export(tmp_path / "export")
    Image.new("RGB", SIZE[::-1], (9, 9, 9)).save(root / "SegmentationClass/b.png")
    said = [p.sentence() for p in diagnose(open_data(zipped(root, tmp_path / "t.zip"))).problems]
    assert any("b.png" in sentence and "#090909" in sentence for sentence in said)


def test_an_archive_that_changes_is_unpacked_again(tmp_path: Path) -> None:
    path = tmp_path / "coco.zip"
    for name in ("a", "other"):
        root = tmp_path / name
        add_pictures(root / "images", f"{name}.png")
        coco(root / "annotations.json", {f"{name}.png": [("polyp", [square(2, 2, 8)])]})
        zipped(root, path)
        first = open_data(path)
        assert [case.id for case in first.cases] == [f"images/{name}"]
        assert open_data(path).cases == first.cases
    home = first.cases[0].images[0].parents[2]
    assert len(list(home.iterdir())) == 1


def test_dicom_stays_outside_of_the_cache(tmp_path: Path) -> None:
    for number, suffix in enumerate((".dcm", "")):
        series = tmp_path / f"data{number}" / "Doe^Jane"
        for path in write_series(series, make_series()):
            path.rename(path.with_name(f"{path.name}{suffix}"))
        path = zipped(tmp_path / f"data{number}", tmp_path / f"ct{number}.zip")
        with pytest.raises(DataError, match=f"{path}: holds DICOM, whose names may be those of"):
            open_data(path)
        assert not list(cache_folder("archives").rglob("*Doe*"))


def test_archives_that_are_damaged_hostile_or_of_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = zipped(cvat_export(tmp_path / "export"), tmp_path / "task.zip")
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"task\.zip: .*; export it again, or unpack it yourself"):
        open_data(path)
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as file:
        file.writestr("../../evil.png", b"x")
    with pytest.raises(DataError, match=r"up\.zip: .*; export it again, or unpack it yourself"):
        open_data(tmp_path / "up.zip")
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as file:
        file.writestr("notes.txt", b"x")
    with pytest.raises(DataError, match=r"notes\.zip: no known layout"):
        open_data(tmp_path / "notes.zip")
    monkeypatch.setattr(archive, "LIMITS", archive.Limits(total_bytes=100))
    path = zipped(tmp_path / "export", tmp_path / "large.zip")
    with pytest.raises(DataError, match=r"large\.zip: of .* unpacks into more than"):
        open_data(path)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(SystemExit):
        main(["check", str(tmp_path / "text.zip")])
    assert "text.zip: no known layout" in capsys.readouterr().err.replace("\n", " ")
