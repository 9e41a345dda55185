from pathlib import Path

import numpy as np
import pytest

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.errors import MaskValueError, SettingsError
from ecs_med.types import IGNORE_INDEX

PNG, NIFTI = Path("a.png"), Path("a.nii.gz")
THREE = ("background", "liver", "tumour")


def test_without_a_table_values_are_class_indices() -> None:
    scheme = LabelScheme(class_names=THREE)
    assert scheme.values == (0, 1, 2)
    assert scheme.num_classes == 3
    raw = np.array([[0, 1], [2, 2]], np.int16)
    np.testing.assert_array_equal(scheme.encode(raw, PNG), raw)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32])
def test_encode_and_decode_are_inverse(dtype: type) -> None:
    scheme = LabelScheme(class_names=THREE, values=(0, 100, 50), void_values=(7,))
    raw = np.array([[0, 50, 7], [100, 100, 0]], dtype)
    labels = scheme.encode(raw, PNG)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 2, IGNORE_INDEX], [1, 1, 0]]
    np.testing.assert_array_equal(scheme.decode(labels), raw)


def test_large_and_negative_values() -> None:
    scheme = LabelScheme(class_names=THREE, values=(-1, 0, 14175))
    raw = np.array([[[-1, 14175, 0]]])
    labels = scheme.encode(raw, NIFTI)
    assert labels.tolist() == [[[0, 2, 1]]]
    np.testing.assert_array_equal(scheme.decode(labels), raw)
    with pytest.raises(MaskValueError, match="no class numbers"):
        scheme.encode(np.array([[0, 2**30]]), PNG)


def test_unknown_values_are_told_with_counts_and_remedy() -> None:
    scheme = LabelScheme(class_names=THREE)
    with pytest.raises(
        MaskValueError,
        match=r"^a\.png: holds the values 3, 9, .*0: 2 pixels, 3: 1 pixels, 9: 3.*"
        r"`mask_values=0,1,2,3,9`\.$",
    ):
        scheme.encode(np.array([[0, 0, 3], [9, 9, 9]]), PNG)
    with pytest.raises(MaskValueError, match="whole numbers"):
        scheme.encode(np.array([[0.5]]), PNG)
    with pytest.raises(MaskValueError, match=r"colour-coded.*#ff0000: 1 pixels"):
        scheme.encode(np.array([[[255, 0, 0]]], np.uint8), PNG, colored=True)


def test_a_volume_three_slices_thick_is_not_a_colour_picture() -> None:
    scheme = LabelScheme(class_names=THREE)
    assert scheme.encode(np.zeros((4, 4, 3), np.uint8), NIFTI).shape == (4, 4, 3)


def test_predictions_of_two_class_masks_keep_indices() -> None:
    labels = np.array([[0, 1]])
    for scheme in (
        LabelScheme(class_names=("a", "b"), values=(0, 255)),
        LabelScheme(class_names=("a", "b"), threshold=128),
        LabelScheme(class_names=("a", "b"), colors=((0, 0, 0), (9, 9, 9))),
    ):
        assert scheme.decode(labels).tolist() == [[0, 1]]
        assert scheme.decode(labels).dtype == np.uint8


def test_threshold_and_class_numbers_are_not_mixed_up() -> None:
    scheme = LabelScheme(class_names=("a", "b"), threshold=128)
    assert scheme.encode(np.array([[0, 127, 128, 255]]), PNG).tolist() == [[0, 0, 1, 1]]
    with pytest.raises(MaskValueError, match="holds the values 0 and 1"):
        scheme.encode(np.array([[0, 1]]), PNG)
    assert scheme.encode(np.array([[0, 1]]), PNG, lossy=True).max() == 0


def test_nearest_value_or_void() -> None:
    scheme = LabelScheme(class_names=THREE, values=(0, 90, 180), void_values=(255,), nearest=True)
    raw = np.array([[3, 44, 46, 200, 250]])
    assert scheme.encode(raw, PNG).tolist() == [[0, 0, 1, 2, IGNORE_INDEX]]


def test_the_same_after_json() -> None:
    scheme = LabelScheme(class_names=THREE, colors=((0, 0, 0), (1, 2, 3), (4, 5, 6)))
    assert LabelScheme.model_validate_json(scheme.model_dump_json()) == scheme


@pytest.mark.parametrize(
    "fields",
    [
        {"class_names": ("a",)},
        {"class_names": THREE, "values": (0, 1)},
        {"class_names": THREE, "values": (0, 1, 1)},
        {"class_names": THREE, "threshold": 5},
        {"class_names": ("a", "b"), "threshold": 5, "values": (0, 1)},
        {"class_names": ("a", "b"), "values": (0, 255), "void_values": (255,)},
    ],
)
def test_contradictions_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        LabelScheme.parse(fields)
