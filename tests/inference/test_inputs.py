from pathlib import Path

import pytest

from ecs_med.errors import DataError
from ecs_med.inference.inputs import find_inputs


@pytest.fixture
def folder(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def found(*inputs, **options):
    return [item.path for item in find_inputs(inputs, **options).items]


def test_folders_are_searched_in_order(folder):
    root = folder("b.png", "a.NII.GZ", "sub/c.JPG", "notes.txt", ".hidden.png", ".cache/d.png")
    assert found(root) == [root / "a.NII.GZ", root / "b.png", root / "sub/c.JPG"]


def test_every_file_once(folder):
    root = folder("a.png", "b.png")
    assert found(root / "b.png", root, root / "sub" / ".." / "a.png") == [
        root / "b.png",
        root / "a.png",
    ]


def test_earlier_results_are_not_inputs(folder):
    root = folder("a.png", "predictions/a.png")
    assert found(root, leave_out=root / "predictions") == [root / "a.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.png", "no such file"),
        (
            "notes.txt",
            "of unknown kind; give PNG, JPEG, TIFF, BMP, NIfTI, NRRD, MetaImage or DICOM",
        ),
    ],
)
def test_problems_are_kept_for_later(folder, name, message):
    root = folder("a.png", "notes.txt", "slice.dcm")
    items = find_inputs([root / name, root / "a.png"]).items
    assert message in str(items[0].problem)
    assert items[1].problem is None


def test_folder_of_dicom_without_suffix(folder):
    root = folder("series/1.2.3")
    (root / "series" / "IM0001").write_bytes(bytes(128) + b"DICM")
    (item,) = find_inputs([root]).items
    assert "IM0001" not in str(item.path)
    assert item.path.resolve() == (root / "series" / "IM0001").resolve()
    assert "does not say what it is; copy or export it again" in str(item.problem)


def test_folder_without_anything(folder):
    (item,) = find_inputs([folder("notes.txt")]).items
    assert "no picture or volume to segment in this folder" in str(item.problem)


def test_nothing_given():
    with pytest.raises(DataError, match="Nothing to segment"):
        find_inputs([])


def test_channel_files_are_one_scan(folder):
    root = folder("a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "c.nii.gz")
    items = find_inputs([root], num_channels=2).items
    assert [[path.name for path in item.images] for item in items] == [
        ["a_0000.nii.gz", "a_0001.nii.gz"],
        ["b_0000.nii.gz"],
        ["c.nii.gz"],
    ]


def test_missing_channel_file_is_named(folder):
    root = folder("a_0000.nii.gz", "a_0002.nii.gz")
    (item,) = find_inputs([root], num_channels=3).items
    assert "a_0001.nii.gz: no such file, though the model takes 3 channels" in str(item.problem)


def test_one_channel_models_take_each_file(folder):
    root = folder("a_0000.nii.gz", "a_0001.nii.gz")
    assert found(root) == [Path(root, "a_0000.nii.gz"), Path(root, "a_0001.nii.gz")]
