from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.errors import DataError, MaskValueError, SettingsError, UnreadableFileError
from ecs_med.types import IGNORE_INDEX

DATA = Path("../shared/data").resolve()
AUTO = ReadingSettings()
CLASSES = np.zeros((24, 32), np.uint8)
CLASSES[4:14, 5:20] = 1
CLASSES[15:22, 8:30] = 2
DISC = (CLASSES == 1).astype(np.uint8)
TABLE = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
COLORS = tuple(tuple(int(v) for v in color) for color in TABLE)


def saved(pixels: np.ndarray, path: Path, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def labels_of(mask: Path, scheme: LabelScheme) -> np.ndarray:
    """Labels of a mask, beside a picture of its size."""
    with Image.open(mask) as image:
        size = image.size
    picture = mask.with_name("picture.bmp")
    Image.new("RGB", size).save(picture)
    return read_labels([picture], mask, scheme)


def volume(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def severities(problems: list) -> list[str]:
    return [problem.severity for problem in problems]


@pytest.mark.parametrize("foreground", [1, 255])
def test_two_values(tmp_path: Path, foreground: int) -> None:
    paths = [saved(DISC * foreground, tmp_path / "a.png"), saved(DISC * 0, tmp_path / "b.png")]
    scheme, problems = understand_masks(paths, AUTO, None)
    assert scheme.class_names == ("background", "foreground")
    assert severities(problems) == ["note"]
    np.testing.assert_array_equal(labels_of(paths[0], scheme), DISC)
    assert labels_of(paths[1], scheme).max() == 0


def test_sixteen_bit_masks(tmp_path: Path) -> None:
    full = saved(DISC.astype(np.uint16) * 65535, tmp_path / "a.png")
    scheme, _ = understand_masks([full], AUTO, None)
    np.testing.assert_array_equal(labels_of(full, scheme), DISC)
    numbers = saved(CLASSES.astype(np.uint16), tmp_path / "b.png")
    scheme, _ = understand_masks([numbers], AUTO, None)
    np.testing.assert_array_equal(labels_of(numbers, scheme), CLASSES)


def test_bilevel_pictures(tmp_path: Path) -> None:
    path = saved(DISC.astype(bool), tmp_path / "a.png")
    scheme, _ = understand_masks([path], AUTO, None)
    np.testing.assert_array_equal(labels_of(path, scheme), DISC)


def test_class_numbers_with_void(tmp_path: Path) -> None:
    stored = CLASSES.copy()
    stored[0] = 255
    path = saved(stored, tmp_path / "a.png")
    scheme, problems = understand_masks([path], AUTO, None)
    assert scheme.class_names == ("background", "class 1", "class 2")
    assert "255 is ignored" in problems[0].message
    labels = labels_of(path, scheme)
    assert (labels[0] == IGNORE_INDEX).all()
    np.testing.assert_array_equal(labels[1:], CLASSES[1:])


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_jpeg_masks_are_thresholded(tmp_path: Path, quality: int) -> None:
    path = saved(DISC * 255, tmp_path / "a.jpg", quality=quality)
    clean = saved(DISC * 255, tmp_path / "b.png")
    scheme, problems = understand_masks([path, clean], AUTO, None)
    assert scheme.threshold == 128
    assert "JPEG" in problems[0].message
    assert "128" in problems[0].message
    np.testing.assert_array_equal(labels_of(path, scheme), DISC)
    np.testing.assert_array_equal(labels_of(clean, scheme), DISC)


def test_masks_that_were_jpeg_once(tmp_path: Path) -> None:
    # Ringing as JPEG leaves it, around a large structure, so that few pixels lie at its edge.
    noise = np.random.default_rng(0).integers(0, 30, (64, 64))
    large = np.zeros((64, 64), int)
    large[16:48, 16:48] = 255
    path = saved(np.abs(large - noise).astype(np.uint8), tmp_path / "a.png")
    scheme, problems = understand_masks([path], AUTO, None)
    assert scheme.threshold == 128
    assert "JPEG once" in problems[0].message
    np.testing.assert_array_equal(labels_of(path, scheme), large > 0)


def test_palette_gives_indices(tmp_path: Path) -> None:
    image = Image.new("P", (32, 24))
    image.putdata(CLASSES.ravel().tolist())
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(tmp_path / "a.png")
    scheme, _ = understand_masks([tmp_path / "a.png"], AUTO, None)
    np.testing.assert_array_equal(labels_of(tmp_path / "a.png", scheme), CLASSES)


def test_a_palette_with_white_first_is_not_inverted(tmp_path: Path) -> None:
    image = Image.new("P", (32, 24))
    image.putdata((1 - DISC).ravel().tolist())
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "a.png")
    scheme, _ = understand_masks([tmp_path / "a.png"], AUTO, None)
    np.testing.assert_array_equal(labels_of(tmp_path / "a.png", scheme), DISC)


def test_equal_channels_are_grey_with_and_without_alpha(tmp_path: Path) -> None:
    rgb = np.stack([DISC * 255] * 3, axis=-1)
    alpha = np.full((24, 32, 1), 255, np.uint8)
    paths = [
        saved(rgb, tmp_path / "a.png"),
        saved(np.dstack([rgb, alpha]), tmp_path / "b.png"),
        saved(rgb, tmp_path / "c.bmp"),
    ]
    scheme, _ = understand_masks(paths, AUTO, None)
    for path in paths:
        np.testing.assert_array_equal(labels_of(path, scheme), DISC)
    jpeg = saved(rgb, tmp_path / "d.jpg", quality=90)
    assert understand_masks([jpeg], AUTO, None)[0].threshold == 128


def test_colours_with_a_table(tmp_path: Path) -> None:
    path = saved(TABLE[CLASSES], tmp_path / "a.png")
    black = saved(TABLE[CLASSES * 0], tmp_path / "b.png")
    settings = ReadingSettings(mask_colors=COLORS)
    scheme, problems = understand_masks([path, black], settings, None)
    assert severities(problems) == ["note"]
    np.testing.assert_array_equal(labels_of(path, scheme), CLASSES)
    assert labels_of(black, scheme).max() == 0
    pixels = TABLE[CLASSES].copy()
    pixels[0, 0] = (0, 255, 0)
    strange = saved(pixels, tmp_path / "c.png")
    with pytest.raises(MaskValueError, match="#00ff00"):
        labels_of(strange, scheme)


def test_jpeg_colours_take_the_nearest(tmp_path: Path) -> None:
    large = np.kron(CLASSES, np.ones((8, 8), np.uint8))
    path = saved(TABLE[large], tmp_path / "a.jpg", quality=95, subsampling=0)
    scheme, problems = understand_masks([path], ReadingSettings(mask_colors=COLORS), None)
    assert "nearest" in problems[0].message
    assert (labels_of(path, scheme) == large).mean() > 0.995
    wrong = ReadingSettings(mask_colors=((0, 0, 0), (0, 255, 0), (255, 255, 0)))
    with pytest.raises(MaskValueError, match="are close to a class"):
        understand_masks([path], wrong, None)


def test_gaps_with_the_values_given(tmp_path: Path) -> None:
    path = saved(CLASSES * 50, tmp_path / "a.png")
    scheme, _ = understand_masks([path], ReadingSettings(mask_values=(0, 50, 100)), None)
    np.testing.assert_array_equal(labels_of(path, scheme), CLASSES)
    declared, _ = understand_masks([path], AUTO, {0: "none", 50: "left", 100: "right"})
    assert declared.class_names == ("none", "left", "right")
    np.testing.assert_array_equal(labels_of(path, declared), CLASSES)


def test_jpeg_of_several_values_takes_the_nearest(tmp_path: Path) -> None:
    large = np.kron(CLASSES, np.ones((8, 8), np.uint8))
    path = saved(large * 100, tmp_path / "a.jpg", quality=95)
    settings = ReadingSettings(mask_values=(0, 100, 200))
    scheme, _ = understand_masks([path], settings, None)
    assert scheme.nearest
    assert (labels_of(path, scheme) == large).mean() > 0.99


def test_declared_classes_name_masks_of_0_and_255(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        path = saved(DISC * 255, tmp_path / name)
        scheme, _ = understand_masks([path], AUTO, {0: "background", 1: "polyp"})
        assert scheme.class_names == ("background", "polyp")
        np.testing.assert_array_equal(labels_of(path, scheme), DISC)


def test_a_declared_class_named_ignore_is_void(tmp_path: Path) -> None:
    path = saved(CLASSES, tmp_path / "a.png")
    scheme, _ = understand_masks([path], AUTO, {0: "background", 1: "liver", 2: "ignore"})
    assert scheme.class_names == ("background", "liver")
    np.testing.assert_array_equal(labels_of(path, scheme) == IGNORE_INDEX, CLASSES == 2)


def test_absent_classes_are_warned_of(tmp_path: Path) -> None:
    path = saved(DISC, tmp_path / "a.png")
    for settings, declared in (
        (ReadingSettings(class_names=("background", "liver", "tumour")), None),
        (AUTO, {0: "background", 1: "liver", 2: "tumour"}),
    ):
        scheme, problems = understand_masks([path], settings, declared)
        assert scheme.num_classes == 3
        assert severities(problems) == ["note", "warning"]
        assert "'tumour'" in problems[1].message


def test_float_volumes_of_whole_numbers(tmp_path: Path) -> None:
    labels = np.stack([CLASSES] * 3, axis=-1)
    image = volume(tmp_path / "image.nii.gz", np.zeros(labels.shape, np.int16))
    path = volume(tmp_path / "mask.nii.gz", labels.astype(np.float32))
    scheme, _ = understand_masks([path], AUTO, None)
    np.testing.assert_array_equal(read_labels([image], path, scheme), labels)
    half = volume(tmp_path / "half.nii.gz", labels * 0.5)
    with pytest.raises(MaskValueError, match=r"not whole numbers, such as 0\.5"):
        understand_masks([half], AUTO, None)


def test_unreadable_masks_are_listed_beside_the_rest(tmp_path: Path) -> None:
    good = saved(DISC, tmp_path / "a.png")
    bad = tmp_path / "b.png"
    bad.write_bytes(b"")
    _, problems = understand_masks([bad, good], AUTO, None)
    assert severities(problems) == ["error", "note"]
    assert problems[0].path == bad
    assert problems[0].sentence() == f"{bad}: empty file; export it again as PNG."
    with pytest.raises(UnreadableFileError):
        understand_masks([bad], AUTO, None)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (CLASSES * 50, r"50: 150 pixels, 100: 154 pixels.*give `mask_values=0,50,100`\.$"),
        (np.where(CLASSES == 2, 3, CLASSES), r"`mask_values=0,1,3`.*`class_names`"),
        (CLASSES + 1, r"holds the value 1, which leaves a gap.*`mask_values=1,2,3`"),
        (DISC * 38, r"`mask_values=0,38`"),
        (DISC * 0, r"holds the single value 0 only, and so do all 1 masks"),
        (DISC * 0 + 255, r"single value 255"),
    ],
)
def test_values_that_would_have_to_be_guessed(
    tmp_path: Path, stored: np.ndarray, said: str
) -> None:
    path = saved(stored.astype(np.uint8), tmp_path / "a.png")
    with pytest.raises(MaskValueError, match=said) as caught:
        understand_masks([path], AUTO, None)
    assert str(path) in str(caught.value)


def test_negative_values(tmp_path: Path) -> None:
    stored = CLASSES.astype(np.int16)
    stored[0, 0] = -1
    path = volume(tmp_path / "a.nii.gz", stored[..., None])
    with pytest.raises(MaskValueError, match=r"-1, which is negative.*`void_values=-1`"):
        understand_masks([path], AUTO, None)
    scheme, _ = understand_masks([path], ReadingSettings(void_values=(-1,)), None)
    image = volume(tmp_path / "i.nii.gz", np.zeros((24, 32, 1), np.int16))
    assert read_labels([image], path, scheme)[0, 0, 0] == IGNORE_INDEX


def test_colours_without_a_table(tmp_path: Path) -> None:
    path = saved(TABLE[CLASSES], tmp_path / "a.png")
    with pytest.raises(
        MaskValueError, match=r"#ff0000: 150 pixels.*`mask_colors='#000000,#0000ff,#ff0000'"
    ):
        understand_masks([path], AUTO, None)
    large = np.kron(CLASSES, np.ones((8, 8), np.uint8))
    jpeg = saved(TABLE[large], tmp_path / "a.jpg", quality=80)
    with pytest.raises(MaskValueError, match="`mask_colors='#000000,"):
        understand_masks([jpeg], AUTO, None)


def test_masks_of_two_conventions(tmp_path: Path) -> None:
    ones = saved(DISC, tmp_path / "ones.png")
    full = saved(DISC * 255, tmp_path / "full.png")
    with pytest.raises(MaskValueError, match=r"full\.png: holds 0 and 255, but .*ones\.png"):
        understand_masks([ones, full], AUTO, None)
    scheme, _ = understand_masks([ones, full], ReadingSettings(mask_threshold=1), None)
    np.testing.assert_array_equal(labels_of(full, scheme), labels_of(ones, scheme))
    scheme, _ = understand_masks([ones, full], ReadingSettings(void_values=(255,)), None)
    np.testing.assert_array_equal(labels_of(full, scheme) == IGNORE_INDEX, DISC == 1)
    jpeg = saved(DISC * 255, tmp_path / "noisy.jpg", quality=60)
    with pytest.raises(MaskValueError, match=r"ones\.png: holds 0 and 1"):
        understand_masks([ones, jpeg], AUTO, None)


def test_photographs_are_no_masks(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (24, 32)).astype(np.uint8)
    path = saved(photo, tmp_path / "a.jpg")
    with pytest.raises(MaskValueError, match="not near 0 and 255"):
        understand_masks([path], AUTO, None)
    with pytest.raises(MaskValueError, match="check that these are masks"):
        understand_masks([saved(photo, tmp_path / "a.png")], AUTO, None)
    masks = [saved(np.kron(DISC, np.ones((9, 9), np.uint8)) * 255, tmp_path / "m.jpg")] * 50
    with pytest.raises(MaskValueError, match=r"a\.jpg: is a JPEG mask"):
        understand_masks([*masks, path], AUTO, None)


def test_class_numbers_in_jpeg(tmp_path: Path) -> None:
    path = saved(CLASSES * 10, tmp_path / "a.jpg", quality=90)
    with pytest.raises(MaskValueError, match="as PNG"):
        understand_masks([path], AUTO, None)
    noisy = saved(DISC * 255, tmp_path / "b.jpg", quality=60)
    with pytest.raises(MaskValueError, match="declares 3 classes"):
        understand_masks([noisy], AUTO, {0: "background", 1: "liver", 2: "tumour"})


def test_values_that_are_not_declared(tmp_path: Path) -> None:
    path = saved(CLASSES, tmp_path / "a.png")
    with pytest.raises(MaskValueError, match=r"a\.png: holds the value 2, which is none of 0,1"):
        understand_masks([path], AUTO, {0: "background", 1: "liver"})
    with pytest.raises(MaskValueError, match=r"none of 0,1"):
        understand_masks([path], ReadingSettings(mask_values=(0, 1)), None)


def test_names_must_fit(tmp_path: Path) -> None:
    path = saved(CLASSES, tmp_path / "a.png")
    with pytest.raises(MaskValueError, match="only 2 classes are named"):
        understand_masks([path], ReadingSettings(class_names=("a", "b")), None)
    with pytest.raises(SettingsError, match="3 class names were given for 2"):
        understand_masks(
            [saved(DISC * 255, tmp_path / "b.png")],
            ReadingSettings(class_names=("a", "b", "c")),
            None,
        )


def test_tables_exclude_each_other(tmp_path: Path) -> None:
    settings = ReadingSettings(mask_values=(0, 1), mask_threshold=3)
    with pytest.raises(SettingsError, match="`mask_values` and `mask_threshold`"):
        understand_masks([saved(DISC, tmp_path / "a.png")], settings, None)


def test_no_masks() -> None:
    with pytest.raises(DataError, match="No masks"):
        understand_masks([], AUTO, None)


def test_sizes_that_differ_name_both_files(tmp_path: Path) -> None:
    scheme = LabelScheme(class_names=("a", "b"))
    mask = saved(DISC, tmp_path / "mask.png")
    picture = saved(np.zeros((24, 31, 3), np.uint8), tmp_path / "picture.png")
    with pytest.raises(DataError, match=r"mask\.png is 24 x 32.*picture\.png is 24 x 31"):
        read_labels([picture], mask, scheme)
    scan = volume(tmp_path / "scan.nii.gz", np.zeros((2, 2, 2), np.int16))
    with pytest.raises(DataError, match="one is a picture and one a volume"):
        read_labels([scan], mask, scheme)


def test_volumes_are_aligned_by_affine(tmp_path: Path) -> None:
    scheme = LabelScheme(class_names=("a", "b", "c"))
    labels = np.random.default_rng(0).integers(0, 3, (5, 6, 7)).astype(np.uint8)
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    image = volume(tmp_path / "image.nii.gz", np.zeros((5, 6, 7), np.int16), affine)
    flipped = affine.copy()
    flipped[0] = [-1.0, 0, 0, 4.0]
    mask = volume(tmp_path / "flipped.nii.gz", labels[::-1], flipped)
    np.testing.assert_array_equal(read_labels([image], mask, scheme), labels)
    cropped = affine.copy()
    cropped[2, 3] = 4.0
    part = volume(tmp_path / "part.nii.gz", labels[:, :, 2:5], cropped)
    with pytest.raises(DataError, match=r"part\.nii\.gz .*covers 42\.9 % of .*outside_mask"):
        read_labels([image], part, scheme)
    for outside, fill in (("void", IGNORE_INDEX), ("background", 0)):
        settled = scheme.model_copy(update={"outside": outside})
        moved = read_labels([image], part, settled)
        np.testing.assert_array_equal(moved[:, :, 2:5], labels[:, :, 2:5])
        assert (moved[:, :, [0, 1, 5, 6]] == fill).all()


def test_a_lost_affine_is_noticed(tmp_path: Path) -> None:
    scheme = LabelScheme(class_names=("a", "b"))
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-200, 0, 90)
    array = np.ones((5, 6, 7), np.uint8)
    image = volume(tmp_path / "image.nii.gz", array, affine)
    mask = volume(tmp_path / "mask.nii.gz", array)
    with pytest.raises(DataError, match=r"covers 0% of .*image\.nii\.gz.*wrong affine"):
        read_labels([image], mask, scheme)
    bare = nibabel.Nifti1Image(array, None)
    bare.header.set_sform(None, 0)
    bare.header.set_qform(None, 0)
    nibabel.save(bare, tmp_path / "bare.nii.gz")
    with pytest.raises(DataError, match=r"bare\.nii\.gz has no position in space"):
        read_labels([image], tmp_path / "bare.nii.gz", scheme)


@pytest.mark.skipif(not DATA.exists(), reason="no ../shared/data")
def test_real_colonoscopy_masks() -> None:
    folder = DATA / "kvasir-seg" / "validation"
    masks = sorted((folder / "masks").iterdir())[:20]
    scheme, problems = understand_masks(masks, AUTO, None)
    assert scheme.threshold == 128
    assert severities(problems) == ["note"]
    labels = read_labels([folder / "images" / masks[0].name], masks[0], scheme)
    with Image.open(masks[0]) as image:
        np.testing.assert_array_equal(labels, np.asarray(image.convert("L")) >= 128)


@pytest.mark.skipif(not DATA.exists(), reason="no ../shared/data")
def test_real_hippocampus_masks() -> None:
    masks = sorted((DATA / "hippocampus" / "labelsTr").glob("*.nii.gz"))[:10]
    scheme, _ = understand_masks(masks, AUTO, None)
    assert scheme.values == (0, 1, 2)
    labels = read_labels([DATA / "hippocampus" / "imagesTr" / masks[0].name], masks[0], scheme)
    np.testing.assert_array_equal(labels, np.asarray(nibabel.load(masks[0]).dataobj))
