import numpy as np
import pytest

from ecs_med.data.masks.reading import LabelScheme
from ecs_med.errors import DataError, SettingsError
from ecs_med.inference.evaluate import evaluate_cases
from ecs_med.types import Case

LABELS = LabelScheme(class_names=("background", "bright"), void_values=(255,))


def grey(values):
    return np.repeat(np.asarray(values, np.uint8)[..., None] * 255, 3, axis=-1)


@pytest.fixture
def cases(tmp_path, write_picture):
    """Two pictures: the first found right but for 2 pixels, the second without foreground."""
    first = np.zeros((8, 8), int)
    first[2:6, 2:6] = 1
    reference = first.copy()
    reference[2, 2:4] = 0
    reference[0, 0] = 255
    empty = np.zeros((8, 8), int)
    found = []
    for name, image, mask in (("a", first, reference), ("b", empty, empty)):
        write_picture(tmp_path / f"{name}.png", grey(image))
        write_picture(tmp_path / f"{name}-mask.png", mask, "L")
        found.append(Case(name, (tmp_path / f"{name}.png",), tmp_path / f"{name}-mask.png"))
    return found


def test_scores_from_one_matrix(make_model, cases):
    evaluation = evaluate_cases(make_model(labels=LABELS), cases)
    scores = evaluation.scores
    assert scores.num_cases == 2
    assert scores.iou_per_class == pytest.approx((111 / 113, 14 / 16))
    assert scores.dice_per_class[1] == pytest.approx(28 / 30)
    assert scores.dice_per_case == pytest.approx(28 / 30)
    assert scores.pixel_accuracy == pytest.approx(125 / 127)
    assert scores.hd95_mm_per_class is None


def test_rows_of_cases(make_model, cases):
    first, second = evaluate_cases(make_model(labels=LABELS), cases).rows()
    assert first == pytest.approx(
        {
            "case": "a",
            "foreground_dice": 28 / 30,
            "foreground_iou": 14 / 16,
            "dice_bright": 28 / 30,
            "iou_bright": 14 / 16,
            "pixels_bright": 14,
            "pixels": 63,
        }
    )
    assert second["foreground_dice"] is None
    assert second["dice_bright"] is None


def test_batch_makes_no_difference(make_model, cases):
    model = make_model(labels=LABELS)
    one, two = (evaluate_cases(model, cases * 3, batch=batch) for batch in (1, 4))
    assert one == two


def test_surface_distance_of_volumes(make_model, tmp_path, write_volume):
    # Found one plane beside where it is: 2 mm. In the second volume the class is not found.
    image, mask, void = np.zeros((3, 6, 6, 6), np.float32)
    image[:, :, 2], mask[:, :, 3] = 1, 1
    paths = {
        name: write_volume(tmp_path / f"{name}.nii.gz", values, (1.0, 1.0, 2.0))
        for name, values in {"image": image, "mask": mask, "void": void}.items()
    }
    cases = [
        Case("a", (paths["image"],), paths["mask"]),
        Case("b", (paths["void"],), paths["mask"]),
    ]
    seen = []
    evaluation = evaluate_cases(make_model("volume"), cases, surface=True, on_case=seen.append)
    assert evaluation.scores.hd95_mm_per_class == pytest.approx((None, 2.0))
    assert evaluation.scores.hd95_num_missing_per_class == (0, 1)
    assert [row["hd95_mm_bright"] for row in evaluation.rows()] == pytest.approx([2.0, None])
    assert tuple(seen) == evaluation.per_case


def test_no_case(make_model):
    scores = evaluate_cases(make_model(), []).scores
    assert scores.num_cases == 0
    assert scores.miou is None
    assert scores.dice_per_case is None


def test_case_without_a_mask(make_model, cases):
    with pytest.raises(DataError, match="has no mask"):
        evaluate_cases(make_model(), [Case("a", cases[0].images)])


def test_case_of_another_kind_is_named(make_model, cases):
    with pytest.raises(SettingsError, match=r"a\.png: is a picture, but"):
        evaluate_cases(make_model("volume"), cases)
