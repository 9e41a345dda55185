import numpy as np
import pytest
import torch
from PIL import Image

from ecs_med.config import AugmentationSettings, Preparation
from ecs_med.data.batches import Normalization, TrainingBatches, to_device
from ecs_med.data.cases import PreparedCase
from ecs_med.data.field_of_view import find_field
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.readers import Scan
from ecs_med.data.store import SliceStore
from ecs_med.types import Case

ROWS, COLUMNS = np.mgrid[:120, :160]
DISC = (ROWS - 60) ** 2 + (COLUMNS - 95) ** 2 < 50**2


def picture(field, *, writing=False):
    values = np.where(field, 150, 3).astype(np.uint8)
    if writing:
        values[20:60:8, 4:30:3] = 255
    return np.repeat(values[None], 3, axis=0)


def test_a_disc_with_writing_beside_it():
    field = find_field(picture(DISC, writing=True))
    assert field[DISC].all()
    # Two pixels around the disc are the margin; the writing is outside.
    assert not field[(ROWS - 60) ** 2 + (COLUMNS - 95) ** 2 > 54**2].any()


def test_a_dark_lumen_at_the_edge_belongs_to_it():
    lumen = (ROWS - 60) ** 2 + (COLUMNS - 125) ** 2 < 12**2
    assert find_field(picture(DISC & ~lumen))[lumen & DISC].all()


@pytest.mark.parametrize("level", [0, 10, 200])
def test_frames_without_a_border_count_as_a_whole(level):
    assert find_field(np.full((3, 90, 120), level, np.uint8)) is None


def test_a_bright_spot_in_a_dark_frame_is_no_field():
    assert find_field(picture((ROWS - 60) ** 2 + (COLUMNS - 80) ** 2 < 15**2)) is None


def test_outside_is_void_and_black_only_where_asked():
    reference = np.ones((120, 160), np.uint8)
    scan = Scan(picture(DISC, writing=True), affine=None, kind="picture")
    off = PreparedCase.of_scan(scan, Preparation(), reference)
    assert off.field is None
    assert np.array_equal(off.slices[0].numpy(), scan.array)
    assert np.array_equal(off.reference, reference)
    case = PreparedCase.of_scan(scan, Preparation(field_of_view="auto"), reference)
    assert np.array_equal(case.reference == 255, ~case.field)
    assert not case.slices[0].numpy()[:, ~case.field].any()
    assert np.array_equal(case.slices[0].numpy()[:, case.field], scan.array[:, case.field])


def test_unlabelled_pixels_outside_count_in_no_loss(tmp_path):
    """They are image and no padding, whatever crop and mirroring do to them."""
    path = tmp_path / "a.png"
    Image.fromarray(np.moveaxis(picture(DISC), 0, -1)).save(path)
    case = Case("a", (path,)).without_mask()
    stores = {
        setting: SliceStore([case], Preparation(field_of_view=setting), None, tmp_path / "cache")
        for setting in ("off", "auto")
    }
    assert stores["off"].slice(0, 0).seen is None
    field = PreparedCase.of_scan(
        Scan(picture(DISC), affine=None, kind="picture"), Preparation(field_of_view="auto")
    ).field
    assert np.array_equal(stores["auto"].slice(0, 0).seen.numpy().astype(bool), field)

    def batch(setting):
        mask = tmp_path / "m.png"
        Image.fromarray(np.zeros((120, 160), np.uint8)).save(mask)
        scheme = LabelScheme(class_names=("background", "polyp"))
        labeled = SliceStore(
            [Case("a", (path,), mask=mask)], Preparation(), scheme, tmp_path / "cache"
        )
        batches = TrainingBatches(
            labeled,
            stores[setting],
            seed=0,
            batch=4,
            crop=192,
            augmentation=AugmentationSettings(flip=True, flip_vertical=True, rotate=True),
            num_batches=1,
        )
        plain = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        return to_device(batches[0], torch.device("cpu"), plain)

    off, auto = batch("off"), batch("auto")
    assert off.unlabeled_valid.sum() == 4 * 120 * 160
    assert auto.unlabeled_valid.sum() == 4 * field.sum()
    bright = off.unlabeled_images.amax(dim=1) > 0.2
    assert (auto.unlabeled_valid | ~bright).all(), "the field moves with its picture"
