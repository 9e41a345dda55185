from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from ecs_med.config import AugmentationSettings, Preparation
from ecs_med.data.augment import training_transform
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.patches import PatchBatches, patch_place
from ecs_med.data.readers import read_header
from ecs_med.data.slicing import mirror_axes, slicing_of
from ecs_med.data.tracking import tracking_metadata
from ecs_med.data.volume_store import VolumeStore
from ecs_med.errors import SettingsError
from ecs_med.types import IGNORE_INDEX, UNLABELED_INDEX, Case

SCHEME = LabelScheme(class_names=("background", "small", "large"), void_values=(255,))
SHAPE = (40, 24, 36)
PLAIN = AugmentationSettings(flip=False, flip_vertical=False, rotate=False)


def store(
    folder: Path, labels: np.ndarray, spacing: float = 1.0, scheme: LabelScheme = SCHEME
) -> VolumeStore:
    """One case whose image tells where each voxel lies."""
    affine = np.diag([1, 1, spacing, 1.0])
    image = np.arange(labels.size, dtype=np.float32).reshape(labels.shape)
    nibabel.save(nibabel.Nifti1Image(image, affine), folder / "a.nii")
    nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "m.nii")
    case = Case("a", (folder / "a.nii",), mask=folder / "m.nii")
    preparation = Preparation(percentiles=(0, 100))
    return VolumeStore([case], preparation, scheme, folder / "cache")


def batches(made: VolumeStore, augmentation: AugmentationSettings = PLAIN, **values: object):
    values = {"seed": 0, "batch": 2, "patch": (16, 32, 32), "num_batches": 200, **values}
    return PatchBatches(made, None, augmentation=augmentation, **values)


def sparse_labels() -> np.ndarray:
    """Void nearly everywhere, class 1 in one voxel, class 2 in many."""
    labels = np.full(SHAPE, 255, np.uint8)
    labels[:, :, :4] = 0
    labels[30:, 10:20, 20:30] = 2
    labels[3, 4, 33] = 1
    return labels


def test_a_third_of_the_patches_is_around_a_voxel_of_a_class(tmp_path: Path) -> None:
    made = store(tmp_path, sparse_labels())
    drawn = [batches(made)[index]["labels"] for index in range(200)]
    shows_one = np.array([(patch == 1).any().item() for labels in drawn for patch in labels])
    # Half of a third is around the one voxel; others meet it by chance.
    rng = np.random.default_rng(1)
    depth, rows, columns = 33, 3, 4  # of the voxel among slices, rows and columns
    shape = made.shape(0)
    chance = np.mean(
        [
            all(
                part.start <= n < part.start + side
                for part, n, side in zip(
                    patch_place(shape, (16, 32, 32), None, rng),
                    (depth, rows, columns),
                    (16, 32, 32),
                    strict=True,
                )
            )
            for _ in range(5000)
        ]
    )
    with_two = 0.0  # patches around class 2 never reach it: too far along the slices
    expected = 1 / 6 + (2 / 3) * chance + (1 / 6) * with_two
    assert abs(shows_one.mean() - expected) < 0.06


def test_void_is_never_taken_for_a_class(tmp_path: Path) -> None:
    made = store(tmp_path, sparse_labels())
    rng = np.random.default_rng(0)
    labels = made[0]["labels"]
    found = {int(labels[tuple(made.voxel_of_class(0, rng))]) for _ in range(100)}
    assert found == {1, 2}


def test_a_case_without_classes_is_sampled_anywhere(tmp_path: Path) -> None:
    made = store(tmp_path, np.zeros(SHAPE, np.uint8))
    assert made.voxel_of_class(0, np.random.default_rng(0)) is None
    assert batches(made)[0]["labels"].shape == (2, 16, 32, 32)


def test_a_batch_is_a_function_of_seed_and_number(tmp_path: Path) -> None:
    made = store(tmp_path, sparse_labels())
    settings = AugmentationSettings(scale=(0.8, 1.3), jitter=0.2, rotate=True, flip_vertical=True)
    first, again = batches(made, settings)[7], batches(made, settings)[7]
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["image"], batches(made, settings, seed=1)[7]["image"])


def test_patches_are_parts_of_the_volume_and_padding_is_void(tmp_path: Path) -> None:
    labels = np.zeros((10, 20, 12), np.uint8)
    labels[2:5, 3:9, 4:8] = 2
    made = store(tmp_path, labels, spacing=3)  # slices along the last axis
    raw = batches(made, patch=(16, 16, 32))[3]
    assert raw["image"].shape == (2, 1, 16, 16, 32)
    whole = made[0]
    for number in range(2):
        valid = raw["valid"][number].bool()
        assert int(valid.sum()) == 12 * 10 * 20
        assert (raw["labels"][number][~valid] == IGNORE_INDEX).all()
        assert (raw["image"][number, 0][~valid] == 0).all()
        inside = raw["labels"][number][valid].view(12, 10, 20)
        assert torch.equal(inside, whole["labels"])
        seen = raw["image"][number, 0][valid].view(12, 10, 20)
        assert torch.equal(seen, whole["image"][:, 0])


def test_a_zoom_leaves_the_size_of_the_patch(tmp_path: Path) -> None:
    made = store(tmp_path, sparse_labels())
    settings = PLAIN.model_copy(update={"scale": (0.5, 2.0)})
    for index in range(6):
        raw = batches(made, settings)[index]
        assert raw["image"].shape == (2, 1, 16, 32, 32)
        assert set(raw["labels"].unique().tolist()) <= {0, 1, 2, 255}


def test_turning_by_quarters_needs_a_square_in_the_plane(tmp_path: Path) -> None:
    made = store(tmp_path, sparse_labels())
    settings = PLAIN.model_copy(update={"rotate": True})
    with pytest.raises(SettingsError, match="16 x 16 x 32 voxels are no squares"):
        batches(made, settings, patch=(16, 16, 32))


def test_of_a_volume_labelled_in_parts_every_patch_holds_labels(tmp_path: Path) -> None:
    labels = np.full(SHAPE, 100, np.uint8)
    labels[:, :, 8] = 0  # One annotated slice of 36, too far from most patches of 4.
    labels[10:20, 10:20, 8] = 2
    scheme = SCHEME.model_copy(update={"unlabeled_values": (100,)})
    made = store(tmp_path, labels, scheme=scheme)
    assert UNLABELED_INDEX in made.classes(0)
    drawn = [batches(made, patch=(4, 16, 16), num_batches=40)[i]["labels"] for i in range(40)]
    assert all((patch < 3).any() for batch in drawn for patch in batch)
    shows_two = np.mean([(patch == 2).any() for batch in drawn for patch in batch])
    assert 1 / 3 <= shows_two < 0.95, "others are around any labelled voxel, not one of a class"


def test_a_wholly_labelled_volume_is_sampled_anywhere(tmp_path: Path) -> None:
    made = store(tmp_path, np.zeros(SHAPE, np.uint8))
    assert made.voxel_with_label(0, np.random.default_rng(0)) is None


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASL", "SRP"])
def test_patches_are_mirrored_left_and_right_of_the_body(tmp_path: Path, codes: str) -> None:
    """Whatever the file's axes are: the halves of a volume that is brighter on the left."""
    grid = np.zeros((16, 20, 24), np.float32)
    grid[:8], grid[:, :10], grid[:, :, :12] = 1, grid[:, :10] + 10, grid[:, :, :12] + 100
    canonical = nibabel.Nifti1Image(grid, np.diag([1, 1, 1, 1.0]))
    wanted = nibabel.orientations.axcodes2ornt(codes)
    turned = canonical.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(canonical.affine), wanted)
    )
    nibabel.save(turned, tmp_path / "a.nii")
    labels = nibabel.Nifti1Image(np.zeros(turned.shape, np.uint8), turned.affine)
    nibabel.save(labels, tmp_path / "m.nii")
    for plane, axis in {"axial": 2, "coronal": 1, "sagittal": 0}.items():
        preparation = Preparation(percentiles=(0, 100), plane=plane)
        case = Case("a", (tmp_path / "a.nii",), mask=tmp_path / "m.nii")
        made = VolumeStore([case], preparation, SCHEME, tmp_path / "cache")
        size = tuple(np.moveaxis(grid, axis, 0).shape)
        mirrored = AugmentationSettings(flip=True, flip_vertical=False, rotate=False)
        drawn = batches(made, mirrored, patch=size, num_batches=12)
        seen = [np.moveaxis(p[0].numpy(), 0, axis) for i in range(12) for p in drawn[i]["image"]]
        right = [bool(image[-1].mean() > image[0].mean()) for image in seen]
        assert {True, False} == set(right), plane
        assert all(i[:, 0].mean() > i[:, -1].mean() for i in seen), "front and back stay"
        assert all(i[..., 0].mean() > i[..., -1].mean() for i in seen), "head and foot stay"


@pytest.mark.parametrize(
    ("plane", "expected"),
    [("axial", (1, 2)), ("coronal", (1, 2)), ("sagittal", (0, 2))],
    ids=["axial", "coronal", "sagittal"],
)
@pytest.mark.parametrize("codes", ["RAS", "PIL", "SAR"])
def test_slices_are_mirrored_left_and_right_of_the_body_where_they_show_both(
    tmp_path: Path, codes: str, plane: str, expected: tuple[int, int]
) -> None:
    affine = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(codes), (8, 9, 10))
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 9, 10), np.float32), affine), tmp_path / "a.nii")
    preparation = Preparation(plane=plane)
    header = read_header([tmp_path / "a.nii"])
    assert mirror_axes(header, preparation) == expected
    as_stored = preparation.model_copy(update={"orientation": "stored"})
    lateral, upright = mirror_axes(header, as_stored)
    order = [slicing_of(header, as_stored).axis]
    order += [axis for axis in range(3) if axis not in order]
    shown = [header.directions[axis] for axis in order]
    assert [shown[lateral], shown[upright]] == [0, 1 if shown[0] == 2 else 2]


def test_a_sagittal_slice_is_not_mirrored() -> None:
    image = torch.arange(16.0).view(1, 4, 4)
    sample = {"image": image, "valid": torch.ones(1, 4, 4)}
    settings = AugmentationSettings(flip=True, flip_vertical=True, rotate=False)
    transform = training_transform(4, settings, mirror_axes=(0, 2))
    found = []
    with tracking_metadata(False):
        for seed in range(20):
            transform.set_random_state(seed=seed)
            found.append(transform(dict(sample))["image"])
    assert {tuple(f.flatten().tolist()) for f in found} == {
        tuple(i.flatten().tolist()) for i in (image, image.flip(-1))
    }
