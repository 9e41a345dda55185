"""Scribbles, ignore labels and slices: what is labelled, what is not, and what a step gets."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from ecs_med.config import AugmentationSettings, Preparation, ReadingSettings
from ecs_med.data.batches import Normalization, TrainingBatches, to_device
from ecs_med.data.cases import prepare_case
from ecs_med.data.layout import open_data
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.store import SliceStore
from ecs_med.errors import DataError, MaskValueError, SettingsError
from ecs_med.sparse import SliceSelection, SparseCase
from ecs_med.types import IGNORE_INDEX, UNLABELED_INDEX, Case

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)
SCRIBBLES = ReadingSettings(unlabeled_values=(0,))


def picture(folder: Path, name: str, stored: np.ndarray) -> Case:
    image, mask = folder / f"{name}.png", folder / f"{name}-mask.png"
    Image.fromarray(np.full((*stored.shape, 3), 90, np.uint8)).save(image)
    Image.fromarray(stored.astype(np.uint8)).save(mask)
    return Case(name, (image,), mask)


def scribbled(folder: Path) -> Case:
    stored = np.zeros((40, 48), np.uint8)
    stored[3, 4:30], stored[20, 10:20], stored[30, 30:33] = 1, 2, 255
    return picture(folder, "a", stored)


def scheme_of(case: Case, settings: ReadingSettings, **declared: object) -> LabelScheme:
    assert case.mask is not None
    return understand_masks([case.mask], settings, images=[case.images], **declared)[0]


def test_scribbles_are_read_as_declared(tmp_path: Path) -> None:
    case = scribbled(tmp_path)
    assert case.mask is not None
    scheme, problems = understand_masks([case.mask], SCRIBBLES, images=[case.images])
    assert (scheme.values, scheme.unlabeled_values, scheme.void_values) == ((1, 2), (0,), (255,))
    assert "0 is not annotated (unlabelled), 97.97% of the pixels" in problems[0].message
    stored = np.asarray(Image.open(case.mask))
    labels = read_labels(case.images, case.mask, scheme)
    expected = np.select([stored == 1, stored == 2], [0, 1], IGNORE_INDEX)
    np.testing.assert_array_equal(labels, expected)
    kept = read_labels(case.images, case.mask, scheme, keep_unlabeled=True)
    np.testing.assert_array_equal(kept, np.where(stored == 0, UNLABELED_INDEX, expected))


def test_an_ignore_label_is_unlabelled_unless_it_is_called_void(tmp_path: Path) -> None:
    stored = np.zeros((32, 32), np.uint8)
    stored[:8], stored[20:] = 1, 2
    case, declared = picture(tmp_path, "a", stored), {0: "background", 1: "polyp", 2: "ignore"}
    scheme = scheme_of(case, ReadingSettings(), declared=declared)
    assert scheme.class_names == ("background", "polyp")
    assert (scheme.unlabeled_values, scheme.void_values) == ((2,), ())
    scheme = scheme_of(case, ReadingSettings(void_values=(2,)), declared=declared)
    assert (scheme.unlabeled_values, scheme.void_values) == ((), (2,))


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    lone = np.zeros((32, 32), np.uint8)
    lone[4] = 1
    with pytest.raises(MaskValueError, match="mark some background as well"):
        scheme_of(picture(tmp_path, "a", lone), SCRIBBLES)
    lone[5] = 3
    with pytest.raises(MaskValueError, match="count up from 1"):
        scheme_of(picture(tmp_path, "b", lone), SCRIBBLES)
    jpeg = tmp_path / "c.jpg"
    Image.fromarray(lone * 80).save(jpeg)
    with pytest.raises(SettingsError, match="JPEG have no unlabelled value"):
        understand_masks([jpeg], SCRIBBLES)


def batches(labeled: SliceStore, unlabeled: SliceStore | None = None) -> TrainingBatches:
    return TrainingBatches(
        labeled,
        unlabeled,
        seed=0,
        batch=2,
        crop=48,
        augmentation=AugmentationSettings(flip=False, flip_vertical=False, rotate=False),
        num_batches=40,
    )


def test_a_batch_says_what_nobody_has_annotated(tmp_path: Path) -> None:
    case = scribbled(tmp_path)
    store = SliceStore([case], Preparation(), scheme_of(case, SCRIBBLES), tmp_path / "cache")
    assert store.num_pixels(0) == (36, 40 * 48 - 39)
    other = SliceStore([case.without_mask()], Preparation(), None, tmp_path / "cache")
    raw = batches(store, other)[0]
    device = torch.device("cpu")
    plain = to_device(raw, device, NORMALIZATION)
    own = to_device(raw, device, NORMALIZATION, unlabeled_pixels="own")
    joined = to_device(raw, device, NORMALIZATION, unlabeled_pixels="joined")
    for batch in (plain, own, joined):
        assert set(batch.labels.unique().tolist()) == {0, 1, IGNORE_INDEX}
        assert (batch.labels != IGNORE_INDEX).sum() == 2 * 36
    assert plain.unlabeled_pixels is None
    assert own.unlabeled_pixels is not None
    # Neither void pixels nor padding: 40 rows of 48 are the picture.
    assert own.unlabeled_pixels.sum() == 2 * (40 * 48 - 39)
    assert joined.unlabeled_images is not None
    assert joined.unlabeled_valid is not None
    # One by one: unlabelled, labelled, unlabelled, labelled; their pixels are whole.
    torch.testing.assert_close(joined.unlabeled_images[1::2], joined.images)
    torch.testing.assert_close(joined.unlabeled_images[0::2], plain.unlabeled_images)
    torch.testing.assert_close(joined.unlabeled_valid[1::2], own.unlabeled_pixels)
    torch.testing.assert_close(joined.unlabeled_valid[0::2], plain.unlabeled_valid)


def test_labelled_images_alone_may_be_the_unlabelled_ones(tmp_path: Path) -> None:
    case = scribbled(tmp_path)
    store = SliceStore([case], Preparation(), scheme_of(case, SCRIBBLES), tmp_path / "cache")
    raw = batches(store)[0]
    batch = to_device(raw, torch.device("cpu"), NORMALIZATION, unlabeled_pixels="joined")
    assert batch.unlabeled_images is not None
    torch.testing.assert_close(batch.unlabeled_images, batch.images)


def write_volume(folder: Path) -> tuple[Case, np.ndarray]:
    """A volume of 10 axial slices whose labels tell slice and row, its axes turned (LPS)."""
    labels = np.zeros((16, 18, 10), np.uint8)
    labels[4:9, 5:8, 2:9] = 1
    affine = np.diag([-1.0, -1.0, 3.0, 1.0])
    for name, values in (("v", labels.astype(np.int16) * 50), ("m", labels)):
        nib.save(nib.Nifti1Image(values, affine), folder / f"{name}.nii.gz")
    return Case("v", (folder / "v.nii.gz",), folder / "m.nii.gz"), labels


def test_samplers_draw_labelled_slices_and_the_others_apart(tmp_path: Path) -> None:
    case, _ = write_volume(tmp_path)
    chosen = SliceSelection(2, (0, 4, 9))
    scheme = LabelScheme(class_names=("background", "bright"))
    sparse = SparseCase.of(case, chosen)
    labeled = SliceStore([sparse], Preparation(), scheme, tmp_path / "cache")
    assert labeled.drawn_slices(0).tolist() == [0, 4, 9]
    assert labeled.foreground_slices(0).tolist() == [4]
    assert labeled.num_pixels(0) == (3 * 16 * 18, 0)
    beside = SliceStore(
        [sparse.without_mask()],
        Preparation(),
        None,
        tmp_path / "cache",
        labeled_slices={"v": chosen},
    )
    assert beside.drawn_slices(0).tolist() == [1, 2, 3, 5, 6, 7, 8]
    for number in range(40):
        raw = batches(labeled, beside)[number]
        assert all((labels < 2).any() for labels in raw["labels"])
    # Across another axis every slice has a line of labels, and lines of what nobody labelled.
    other = Preparation(plane="sagittal")
    store = SliceStore([sparse], other, scheme, tmp_path / "cache")
    assert store.drawn_slices(0).tolist() == list(range(16))
    assert store.num_pixels(0) == (3 * 16 * 18, 7 * 16 * 18)


def test_whole_masks_and_other_slices_have_entries_of_their_own(tmp_path: Path) -> None:
    case, labels = write_volume(tmp_path)
    scheme = LabelScheme(class_names=("background", "bright"))
    for layers in ((4,), (5, 6)):
        sparse = SparseCase.of(case, SliceSelection(2, layers))
        store = SliceStore([sparse], Preparation(), scheme, tmp_path / "cache")
        assert tuple(store.drawn_slices(0).tolist()) == layers
        reference = prepare_case(sparse, Preparation(), scheme).reference
        assert reference is not None
        expected = np.full_like(labels, IGNORE_INDEX)
        expected[..., list(layers)] = labels[..., list(layers)]
        np.testing.assert_array_equal(reference, expected)
    assert len(SliceStore([case], Preparation(), scheme, tmp_path / "cache").drawn_slices(0)) == 10


def test_a_mask_of_some_classes_leaves_the_others_unknown(tmp_path: Path) -> None:
    stored = np.zeros((32, 32), np.uint8)
    stored[4:9] = 1
    case = picture(tmp_path, "a", stored)
    assert case.mask is not None
    scheme = LabelScheme(class_names=("background", "liver", "tumor"))

    def read(*annotated: str) -> np.ndarray:
        assert case.mask is not None
        return read_labels(case.images, case.mask, scheme, annotated=annotated)

    np.testing.assert_array_equal(read("Liver"), np.where(stored == 1, 1, IGNORE_INDEX))
    np.testing.assert_array_equal(read("liver", "tumor"), stored)
    with pytest.raises(MaskValueError, match="shows liver, which the column `annotated`"):
        read("tumor")
    with pytest.raises(DataError, match="cover 'spleen', which is none of the classes"):
        read("spleen")
    store = SliceStore(
        [replace(case, annotated=("liver",))], Preparation(), scheme, tmp_path / "cache"
    )
    assert store.num_pixels(0) == (5 * 32, 27 * 32)
    whole = SliceStore([case], Preparation(), scheme, tmp_path / "cache")
    assert whole.num_pixels(0) == (32 * 32, 0)


def test_a_list_says_which_classes_a_mask_covers(tmp_path: Path) -> None:
    stored = np.zeros((32, 32), np.uint8)
    stored[4:9] = 1
    for name in "abc":
        picture(tmp_path, name, stored)
    table = tmp_path / "list.csv"
    table.write_text(
        "image,mask,annotated\na.png,a-mask.png,liver; tumor\nb.png,b-mask.png,\nc.png,,liver\n"
    )
    found = [case.annotated for case in open_data(table, ReadingSettings()).cases]
    assert found == [("liver", "tumor"), None, None]
