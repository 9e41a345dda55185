import numpy as np
import pytest

from ecs_med.palette import CLASS_COLORS, class_color
from ecs_med.reporting.run.panels import (
    change_panel,
    fit_scale,
    overlay_panel,
    scale_image,
    scale_map,
)


def gray(height=300, width=400, value=100):
    return np.full((height, width, 3), value, dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        ((1024, 2048), (256, 512)),
        ((352, 352), (352, 352)),
        ((35, 50), (175, 250)),
        ((1, 1), (240, 240)),
        ((1, 300), (1, 300)),
    ],
)
def test_panels_fit(size, scaled):
    scale = fit_scale(*size)
    assert scale_map(np.zeros(size, np.uint8), scale).shape == scaled
    assert scale_image(np.zeros((*size, 3), np.uint8), scale).shape == (*scaled, 3)


def test_enlarging_labels_repeats_pixels():
    labels = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    np.testing.assert_array_equal(
        scale_map(labels, 3.0), np.kron(labels, np.ones((3, 3), np.uint8))
    )


def test_background_stays_the_image():
    image = gray()
    np.testing.assert_array_equal(overlay_panel(image, np.zeros((300, 400), np.uint8)), image)


def test_a_class_is_outlined_in_its_colour_and_tinted_inside():
    labels = np.zeros((300, 400), np.uint8)
    labels[100:200, 100:200] = 2
    panel = overlay_panel(gray(), labels)
    assert tuple(panel[100, 150]) == class_color(2)
    inside = 100 + 0.36 * (np.array(class_color(2)) - 100)
    np.testing.assert_allclose(panel[150, 150], inside, atol=1)
    assert tuple(panel[50, 50]) == (100, 100, 100)


def test_void_is_hatched_in_grays():
    labels = np.full((300, 400), 255, np.uint8)
    panel = overlay_panel(gray(), labels)
    assert len(np.unique(panel)) == 2
    np.testing.assert_array_equal(panel[..., 0], panel[..., 1])


def test_right_pixels_are_dim_gray_and_certain_changes_stronger():
    changes = np.full((300, 400), 3, np.uint8)
    changes[:, :100] = 1
    certainty = np.ones((300, 400), np.float32)
    certainty[:150] = 0
    panel = change_panel(gray(value=200), changes, 3, certainty).astype(float)
    assert np.ptp(panel[200, 300]) == 0
    assert panel[200, 300, 0] < 150
    color = np.array(class_color(1))
    assert np.abs(panel[200, 50] - color).sum() < np.abs(panel[50, 50] - color).sum()


def test_a_change_to_background_is_white():
    changes = np.zeros((300, 400), np.uint8)
    panel = change_panel(gray(value=0), changes, 2, np.ones((300, 400), np.float32))
    assert panel.min() > 200


def test_certainty_that_is_not_a_number_draws_faintly():
    certainty = np.full((300, 400), np.nan, np.float32)
    faint = change_panel(gray(), np.ones((300, 400), np.uint8), 2, certainty)
    none = change_panel(gray(), np.ones((300, 400), np.uint8), 2, np.zeros_like(certainty))
    np.testing.assert_array_equal(faint, none)


def test_errors_are_outlined_in_black_and_white():
    errors = np.zeros((300, 400), np.bool_)
    errors[100:200, 100:200] = True
    panel = change_panel(gray(), np.full((300, 400), 2, np.uint8), 2, errors=errors)
    border = panel[100, 100:200]
    assert set(border.ravel()) == {0, 255}
    assert len(np.unique(panel[140:160, 140:160])) == 1


def test_colours_repeat_and_the_background_has_none():
    assert class_color(1) == class_color(1 + len(CLASS_COLORS))
    assert len(set(CLASS_COLORS)) == len(CLASS_COLORS)
    with pytest.raises(ValueError, match="transparent"):
        class_color(0)
