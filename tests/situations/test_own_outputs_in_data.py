"""What ecs-med wrote, and what file servers leave, is never data."""

from pathlib import Path

import pytest
from situations.inputs_pairing import add_picture, masks_of, opened, told, touch

from ecs_med.errors import DataError
from ecs_med.runs.outputs import mark_files, mark_folder


def add_flat(root: Path) -> Path:
    return touch(root, *(f"p{i}{end}.png" for i in range(4) for end in ("", "_mask")))


def test_work_inside_flat_data_is_left_out(tmp_path: Path) -> None:
    add_flat(tmp_path)
    touch(tmp_path, "runs/a/gallery/p1.png", "runs/a/samples/p2.png")
    mark_folder(tmp_path / "runs/a")
    collection = opened(tmp_path)
    assert masks_of(collection) == {f"p{i}": f"p{i}_mask.png" for i in range(4)}
    assert told(collection, "note") == [
        ": 1 file(s) and folder(s) that ecs-med wrote are left out, such as runs/a/"
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"model.json": "{}", "model.safetensors": ""},
        {"split.json": '{"format": "ecs-med split"}', "config.json": "{}"},
        {"sweep.json": '{"version": 1, "budgets": ["1/4"], "methods": ["ecs"]}'},
    ],
)
def test_older_work_is_known_by_its_files(tmp_path: Path, files: dict[str, str]) -> None:
    add_flat(tmp_path)
    touch(tmp_path, "old/gallery/p1.png", "old/images/p9.png")
    for name, text in files.items():
        (tmp_path / "old" / name).write_text(text)
    (tmp_path / "old/images/p9.png").unlink()
    (tmp_path / "old/images").rmdir()
    assert list(masks_of(opened(tmp_path))) == [f"p{i}" for i in range(4)]


def test_a_split_that_was_copied_beside_images_hides_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "split.json").write_text('{"format": "ecs-med split"}')
    assert masks_of(opened(tmp_path)) == {"images/a": "masks/a.png"}


def test_predictions_become_data_only_where_a_person_corrected_them(tmp_path: Path) -> None:
    for i in range(4):
        touch(tmp_path, f"images/{i}.png", f"masks/{i}.png")
        add_picture(tmp_path / f"predictions/images/{i}.png", i, (1,))
    mark_files((tmp_path / "predictions/images").iterdir())
    collection = opened(tmp_path)
    assert list(masks_of(collection)) == [f"images/{i}" for i in range(4)]
    assert not told(collection, "warning")
    assert "4 file(s) and folder(s) that ecs-med wrote" in told(collection, "note")[0]


def test_predictions_beside_pictures_are_left_out_until_corrected(tmp_path: Path) -> None:
    for i in range(4):
        add_picture(tmp_path / f"p{i}.png", i)
        add_picture(tmp_path / f"p{i}_mask.png", i, (1,))
    ours = [tmp_path / "p2_mask.png", tmp_path / "p3_mask.png"]
    mark_files(ours)
    add_picture(ours[1], 9, (1,))
    masks = masks_of(opened(tmp_path))
    assert masks == {"p0": "p0_mask.png", "p1": "p1_mask.png", "p2": None, "p3": "p3_mask.png"}


def test_a_run_is_no_data_set(tmp_path: Path) -> None:
    touch(tmp_path, "gallery/p1.png")
    mark_folder(tmp_path)
    with pytest.raises(DataError, match=r"written by ecs-med|no known layout"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "litter", ["@eaDir", "__MACOSX", "#recycle", "lost+found", "$RECYCLE.BIN", ".AppleDouble"]
)
def test_what_file_servers_leave_is_passed_over(tmp_path: Path, litter: str) -> None:
    add_flat(tmp_path)
    touch(tmp_path, f"{litter}/p1.png/SYNOPHOTO_THUMB_M.png", f"{litter}/p7.png", "._p1.png")
    collection = opened(tmp_path)
    assert len(collection.cases) == 4
    assert collection.problems == ()
