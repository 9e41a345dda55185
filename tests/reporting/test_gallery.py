import json

import numpy as np
import pytest
from PIL import Image

from ecs_med.errors import RunFolderError
from ecs_med.reporting.run.gallery import GalleryItem, _draw, choose_cases, write_gallery
from ecs_med.runs.outputs import MARKER, own_outputs

CLASS_NAMES = ("background", "polyp", "instrument")


def read(run):
    return json.loads((run / "gallery" / "gallery.json").read_text(encoding="utf-8"))


def dice_of(values):
    return [(f"case{i}", {"foreground_dice": value}) for i, value in enumerate(values)]


def test_worst_median_and_best_are_chosen():
    chosen = choose_cases(dice_of([0.5, 0.9, 0.1, 0.7, 0.3]), num_each=1)
    assert chosen == {"case2": "worst", "case0": "median", "case1": "best"}


def test_groups_do_not_overlap_and_go_from_worst_to_best():
    values = np.random.default_rng(0).permutation(20) / 20
    chosen = choose_cases(dice_of(values), num_each=3)
    assert list(chosen.values()) == ["worst"] * 3 + ["median"] * 3 + ["best"] * 3
    scores = [values[int(case_id[4:])] for case_id in chosen]
    assert scores == sorted(scores)
    np.testing.assert_allclose(scores[3:6], [0.4, 0.45, 0.5])


@pytest.mark.parametrize(
    ("values", "groups"),
    [([], []), ([0.5], ["median"]), ([0.5, 0.2], ["worst", "best"]), ([float("nan")], [])],
)
def test_few_cases(values, groups):
    assert list(choose_cases(dice_of(values)).values()) == groups


def test_panels_and_index_are_written(tmp_path, gallery_items):
    write_gallery(tmp_path, gallery_items(12), CLASS_NAMES)
    index = read(tmp_path)
    assert [item["rank"] for item in index["items"]] == ["worst"] * 3 + ["median"] * 3 + [
        "best"
    ] * 3
    assert index["class_names"] == list(CLASS_NAMES)
    assert index["num_candidates"] == 12
    for item in index["items"]:
        assert list(item["panels"]) == ["image", "reference", "prediction", "corrector"]
        for name in item["panels"].values():
            with Image.open(tmp_path / "gallery" / name) as panel:
                assert max(panel.size) <= 512


def test_corrections_that_the_prediction_has_are_shown(tmp_path):
    image, labels = np.full((40, 40, 3), 90, np.uint8), np.zeros((40, 40), np.uint8)
    labels[10:20] = 1
    correction = np.where(labels == 1, 1, 3).astype(np.uint8)
    panels = [
        _draw(GalleryItem("a", image, labels, labels, correction, corrects=corrects), 3)
        for corrects in (False, True)
    ]
    hidden, shown = (panel["corrector"].astype(int) for panel in panels)
    changed = (hidden != shown).any(axis=-1)
    scale = len(changed) // 40
    assert changed[10 * scale : 20 * scale].all()
    assert not changed[: 10 * scale].any()
    assert not changed[20 * scale :].any()


def test_naming_the_class_that_is_there_counts_as_no_change(tmp_path):
    image = np.full((64, 64, 3), 90, np.uint8)
    labels = np.ones((64, 64), np.uint8)
    for folder, correction in (("same", labels), ("right", np.full_like(labels, 3))):
        item = GalleryItem("a", image, labels, labels, correction)
        write_gallery(tmp_path / folder, [item], CLASS_NAMES)
    same, right = (
        (tmp_path / folder / "gallery" / "000-corrector.png").read_bytes()
        for folder in ("same", "right")
    )
    assert same == right


def test_without_corrector_the_errors_are_shown(tmp_path, gallery_items):
    write_gallery(tmp_path, gallery_items(3, corrector=False), CLASS_NAMES)
    assert "errors" in read(tmp_path)["items"][0]["panels"]


def test_without_reference_and_scores_there_are_image_and_prediction(tmp_path):
    image = np.zeros((8, 8, 3), np.uint8)
    labels = np.ones((8, 8), np.uint8)
    item = GalleryItem("a", image, None, labels, scores={"foreground_dice": float("nan")})
    write_gallery(tmp_path, [item], CLASS_NAMES)
    (entry,) = read(tmp_path)["items"]
    assert list(entry["panels"]) == ["image", "prediction"]
    assert entry["scores"] == {"foreground_dice": None}


def test_a_choice_made_on_all_cases_is_kept(tmp_path, gallery_items):
    items = list(gallery_items(2))
    ranks = {items[1].case_id: "worst", items[0].case_id: "best"}
    write_gallery(tmp_path, items, CLASS_NAMES, ranks=ranks)
    index = read(tmp_path)
    assert [item["case_id"] for item in index["items"]] == list(ranks)
    assert index["ranked_over_all"] is True


def test_a_later_gallery_replaces_the_earlier_and_nothing_else(tmp_path, gallery_items):
    write_gallery(tmp_path, gallery_items(12), CLASS_NAMES)
    (tmp_path / "gallery" / "mine.png").write_bytes(b"")
    write_gallery(tmp_path, gallery_items(1), CLASS_NAMES)
    names = {path.name for path in (tmp_path / "gallery").iterdir()}
    panels = {f"000-{name}.png" for name in ("image", "reference", "prediction", "corrector")}
    assert names == {*panels, "gallery.json", "mine.png", MARKER}
    assert not own_outputs(tmp_path / "gallery").holds("mine.png")


def test_case_ids_never_become_paths(tmp_path):
    image, labels = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    item = GalleryItem("../../outside", image, labels, labels)
    write_gallery(tmp_path / "run", [item], CLASS_NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="prediction"):
        GalleryItem("a", np.zeros((8, 8, 3), np.uint8), None, np.zeros((8, 9), np.uint8))
    with pytest.raises(ValueError, match="image"):
        GalleryItem("a", np.zeros((8, 8), np.uint8), None, np.zeros((8, 8), np.uint8))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "gallery").write_text("a file", encoding="utf-8")
    with pytest.raises(RunFolderError, match="gallery"):
        write_gallery(tmp_path, [], CLASS_NAMES)
