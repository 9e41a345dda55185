"""Packages as `suggest` writes them: pictures, refusals, drafts that come back, what is kept."""

import json
import shutil

import numpy as np
import pytest
from dicom_pictures import write_picture
from label_maps import along_a_boundary
from PIL import Image

import ecs_med
from ecs_med.acquisition.package import PACKAGES, Classes, Package, PackagedCase, Packing, writing
from ecs_med.acquisition.suggest import suggest
from ecs_med.config import ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.readers import read_scan, reader_of
from ecs_med.errors import SettingsError
from ecs_med.inference.canvas import Segmentation
from ecs_med.types import Case
from ecs_med_datasets.phantom import PATIENT_PATTERN, write_phantom

READING = {"patient": PATIENT_PATTERN}
TINY = {"iterations": 2, "batch": 2, "crop": 32, "device": "cpu", "encoder_weights": "none"}
PICTURE_KINDS = ("labelme", "coco", "coco-rle", "cvat", "label-studio")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "data", 40, size=32, labeled=12)


@pytest.fixture(scope="module")
def run(phantom):
    settings = {"data": phantom, "labeled": "all", "reading": READING, "method": "supervised"}
    more = {"max_size": 32, "encoder": "test_resnet", "run": phantom.parent / "run"}
    return ecs_med.train({**TINY, **settings, **more})


def labeled(folder):
    return sorted(case.id for case in open_data(folder).cases if case.mask is not None)


def one_package(tmp_path, kind, path, draft, name="a"):
    folder = tmp_path / kind
    folder.mkdir()
    package = PACKAGES.get(kind)(folder, Classes(("background", "polyp"), (0, 1)))
    package.add(PackagedCase(name, Case(name, (path,)), read_scan([path]), draft))
    package.close()
    return folder


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("kind", ["labelme", "coco-rle"])
def test_pictures_lie_as_they_are_read_whatever_their_tag(tmp_path, kind, tag):
    exif = Image.Exif()
    exif[274] = tag
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)).save(
        path, exif=exif
    )
    scan = read_scan([path])
    draft = np.zeros(scan.spatial_shape, np.uint8)
    draft[1:4, 2:10] = 1
    folder = one_package(tmp_path, kind, path, draft)
    (picture,) = [p for p in folder.rglob("a.*") if p.suffix in (".jpg", ".png")]
    assert picture.suffix == (".jpg" if tag == 1 else ".png")
    assert np.array_equal(read_scan([picture]).array, scan.array)
    with Image.open(picture) as shown:
        assert shown.size == draft.shape[::-1]
    file = folder / ("a.json" if kind == "labelme" else "annotations.json")
    found = reader_of([file]).read_stored_labels(file, [picture]).values
    wrong = found != draft
    assert not (wrong & ~along_a_boundary(draft)).any()
    assert kind == "labelme" or not wrong.any()


def test_what_tools_do_not_open_becomes_png(tmp_path):
    deep = np.linspace(0, 65535, 48, dtype=np.uint16).reshape(6, 8)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    dicom = write_picture(
        tmp_path / "Doe.dcm", np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    )
    for number, path in enumerate((tmp_path / "deep.png", dicom)):
        place = tmp_path / str(number)
        place.mkdir()
        folder = one_package(place, "labelme", path, None)
        with Image.open(folder / "a.png") as shown:
            assert shown.mode == "RGB"
        assert np.array_equal(read_scan([folder / "a.png"]).array, read_scan([path]).array)
        assert not list(folder.glob("*.json"))


@pytest.mark.parametrize("kind", PICTURE_KINDS)
def test_drafts_label_nothing_until_somebody_has_worked_on_them(
    phantom, run, tmp_path, kind, monkeypatch
):
    # Networks of two steps draw all pixels as one class.
    drawn = np.zeros((32, 32), np.uint8)
    drawn[4:12, 6:20] = 1
    monkeypatch.setattr(writing, "segment_case", lambda model, case: Segmentation(drawn))
    report = suggest(phantom, run, count=3, output=tmp_path / "out", package=kind)
    folder = tmp_path / "out" / kind
    assert report.packages == {kind: folder}
    assert labeled(folder) == []
    assert len(open_data(folder).cases) == 3
    assert (folder / "how.md").read_text().startswith("# 3 picture(s) to annotate: ")
    # As the tool writes it: nothing says any more that it is a draft.
    if kind == "labelme":
        for path in folder.glob("*.json"):
            content = json.loads(path.read_text())
            path.write_text(json.dumps(content | {"flags": {"checked": True}}))
    elif kind == "label-studio":
        tasks = json.loads((folder / "tasks.json").read_text())
        for task in tasks:
            task["annotations"] = task["predictions"]
        (folder / "project-1.json").write_text(json.dumps(tasks))
    elif kind == "cvat":
        text = (folder / "drafts.xml").read_text().replace("ecs_med_draft", "owner")
        (folder / "annotations.xml").write_text(text)
    else:
        content = json.loads((folder / "annotations.json").read_text())
        del content["ecs_med_draft"]
        (folder / "instances_default.json").write_text(json.dumps(content))
    assert len(labeled(folder)) == 3
    diagnosis = diagnose(open_data(folder))
    assert not [p.sentence() for p in diagnosis.problems if p.severity == "error"]
    wanted = (32 * 32 - 8 * 14, 8 * 14)
    for counts in diagnosis.class_pixels.values():
        assert abs(counts[1] - wanted[1]) <= (0 if kind in ("coco-rle", "label-studio") else 1)


def test_work_of_an_annotator_is_never_replaced(phantom, run, tmp_path):
    settings = {"count": 2, "output": tmp_path / "out", "package": ["labelme"]}
    suggest(phantom, run, **settings)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out/labelme").iterdir()}
    suggest(phantom, run, **settings)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out/labelme").iterdir()} == before
    changed = next((tmp_path / "out/labelme").glob("*.json"))
    changed.write_text(changed.read_text().replace("false", "true"))
    with pytest.raises(SettingsError, match=f"holds {changed.name}, which was changed since"):
        suggest(phantom, run, **settings)
    shutil.rmtree(tmp_path / "out/labelme")
    suggest(phantom, run, **settings)
    (tmp_path / "out/labelme/mine.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"holds mine\.json, which ecs-med has not written"):
        suggest(phantom, run, **settings)


def test_a_death_leaves_no_half_of_a_package(phantom, run, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def close(self):
        raise Killed

    monkeypatch.setattr(PACKAGES.get("coco"), "close", close)
    with pytest.raises(Killed):
        suggest(phantom, run, count=2, output=tmp_path / "out", package="labelme,coco")
    assert not (tmp_path / "out/labelme").exists()
    assert not (tmp_path / "out/coco").exists()
    monkeypatch.undo()
    report = suggest(phantom, run, count=2, output=tmp_path / "out", package="labelme,coco")
    assert [*report.packages] == ["labelme", "coco"]


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ("labelmee", r"Unknown package 'labelmee'; did you mean 'labelme'\?"),
        (["coco", "nifti"], "is a picture, and NIfTI takes volumes; choose labelme, coco"),
        ("dicom-seg", "is no DICOM, to which a DICOM SEG belongs; choose labelme or coco"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_looked_at(
    phantom, run, tmp_path, kinds, words
):
    with pytest.raises(SettingsError, match=words):
        suggest(phantom, run, count=2, output=tmp_path / "out", package=kinds)
    assert not (tmp_path / "out").exists()


def test_without_a_model_classes_have_to_be_named(phantom, tmp_path):
    settings = {"count": 2, "by": "random", "output": tmp_path / "out", "package": PICTURE_KINDS}
    with pytest.raises(SettingsError, match="such as `class_names=background,polyp`"):
        suggest(phantom, reading=READING, **settings)
    names = {"class_names": ("background", "polyp", "tool")}
    suggest(phantom, reading=READING | names, **settings)
    out = tmp_path / "out"
    assert (out / "labelme/labels.txt").read_text().split() == [
        "__ignore__",
        "_background_",
        "polyp",
        "tool",
    ]
    assert json.loads((out / "coco/annotations.json").read_text())["annotations"] == []
    assert [one["name"] for one in json.loads((out / "cvat/labels.json").read_text())] == [
        "polyp",
        "tool",
    ]
    assert not (out / "cvat/drafts.xml").exists()
    assert 'value="tool"' in (out / "label-studio/interface.xml").read_text()
    for kind in PICTURE_KINDS:
        assert labeled(out / kind) == []
        assert "draft" not in (out / kind / "how.md").read_text()


def test_names_that_two_cases_would_share(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 6)).save(tmp_path / folder / "a.png")
    cases = [Case(f"{folder}/a", (tmp_path / folder / "a.png",)) for folder in ("x", "y")]
    settings = {"reading": {"class_names": ("background", "polyp")}}
    packing = Packing.planned("coco", tmp_path / "out", None, cases, **settings)
    packing.write(cases)
    names = sorted(path.name for path in (tmp_path / "out/coco/images").iterdir())
    assert len(names) == 2
    assert all(name.startswith(("x-a", "y-a")) for name in names)


def test_a_case_that_can_no_longer_be_read_is_told(tmp_path):
    for name in ("a", "b"):
        pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    cases = [Case(name, (tmp_path / f"{name}.png",)) for name in ("a", "b")]
    settings = {"reading": {"class_names": ("background", "polyp")}}
    packing = Packing.planned("labelme", tmp_path / "out", None, cases, **settings)
    content = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[:400])
    packed = packing.write(cases)
    assert len(packed.notes) == 1
    assert f"Left out of the packages: {tmp_path}/b.png: " in packed.notes[0]
    assert (tmp_path / "out/labelme/how.md").read_text().startswith("# 1 picture(s)")


def test_volumes_by_a_model_and_back(tmp_path):
    from volume_folders import write_volumes

    data = write_volumes(tmp_path / "data")
    for name in ("v6", "v7"):
        (data / f"labelsTr/{name}.nii.gz").unlink()
    settings = {"data": data, "labeled": "all", "dims": "2", "encoder": "test_resnet"}
    run = ecs_med.train({**TINY, **settings, "method": "supervised", "run": tmp_path / "run"})
    suggest(data, run, count=2, output=tmp_path / "out", package="nifti")
    folder = tmp_path / "out/nifti"
    assert labeled(folder) == []
    predicted = ecs_med.segment(ecs_med.load_model(run, "cpu"), data / "imagesTr/v6.nii.gz").labels
    draft = folder / "masks/v6.nii.gz"
    assert np.array_equal(reader_of([draft]).read_stored_labels(draft).values, predicted)
    with pytest.raises(SettingsError, match="is a volume, and LabelMe takes pictures"):
        suggest(data, run, count=2, output=tmp_path / "other", package="labelme")
    # Saved again, as ITK-SNAP does it: another compression, the same voxels.
    import nibabel

    image = nibabel.load(draft)
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj) * 1, image.affine), draft)
    assert labeled(folder) == ["images/v6"]
    assert open_data(folder, ReadingSettings()).layout == "folder"


def test_a_package_of_another_distribution(tmp_path):
    class Plain(Package):
        name, title = "plain", "a list"

        def add(self, case):
            (self.folder / f"{case.name}.txt").write_text("here")

        def steps(self, *, drafted):
            return ("Read it.",)

    PACKAGES.register(Plain)
    try:
        Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
        cases = [Case("a", (tmp_path / "a.png",))]
        settings = {"reading": {"class_names": ("background", "polyp")}}
        Packing.planned("plain", tmp_path / "out", None, cases, **settings).write(cases)
    finally:
        del PACKAGES._registered["plain"]
    assert (tmp_path / "out/plain/a.txt").read_text() == "here"
