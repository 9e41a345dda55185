"""What a mask means: read rightly, or refused with the option that really settles it."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.other_sets import scheme_of_other_masks
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.errors import MaskValueError
from ecs_med.types import IGNORE_INDEX

AUTO = ReadingSettings()
SIDE = 48
CLASSES = np.zeros((SIDE, SIDE), np.uint8)
CLASSES[6:20, 8:30] = 1
CLASSES[26:40, 20:44] = 2
DISC = (CLASSES == 1).astype(np.uint8)
NONE = np.zeros_like(DISC)
RED, GREEN, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 0)
BRATS = {0: "background", 1: "NCR", 2: "ED", 3: "ET"}


def saved(pixels: np.ndarray, path: Path, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def palette(indices: np.ndarray, path: Path, *colors: tuple[int, int, int]) -> Path:
    image = Image.new("P", indices.shape[::-1])
    image.putdata(indices.ravel().tolist())
    image.putpalette([value for color in colors for value in color])
    image.save(path)
    return path


def labels_of(mask: Path, scheme: LabelScheme) -> np.ndarray:
    """Labels of a mask beside a picture of its size."""
    with Image.open(mask) as image:
        size = image.size
    picture = mask.with_name("picture.bmp")
    Image.new("RGB", size).save(picture)
    return read_labels([picture], mask, scheme)


def read(paths: list[Path], **settings: object) -> tuple[LabelScheme, list[str]]:
    scheme, problems = understand_masks(paths, ReadingSettings.parse(settings), None)
    return scheme, [p.severity for p in problems]


def remedies(error: pytest.ExceptionInfo[MaskValueError]) -> list[dict[str, object]]:
    """The settings that a sentence names, one dictionary for each meaning that it offers."""
    found: list[dict[str, object]] = []
    for clause in re.split(r", if |, else |, or", str(error.value)):
        settings: dict[str, object] = {}
        for name, text in re.findall(r"`(\w+)=([^`]*)`", clause):
            if name == "mask_threshold":
                settings[name] = int(text)
            elif name == "mask_colors":
                codes = re.findall(r"#(\w{6})", text)
                settings[name] = tuple(tuple(bytes.fromhex(code)) for code in codes)
            else:
                settings[name] = tuple(int(value) for value in text.split(","))
        if settings:
            found.append(settings)
    return found


def refused(paths: list[Path], **settings: object) -> list[dict[str, object]]:
    """The remedies of a refusal, each followed and seen to succeed without an absent class."""
    with pytest.raises(MaskValueError) as caught:
        understand_masks(paths, ReadingSettings.parse(settings), None)
    offered = remedies(caught)
    assert offered, caught.value
    for remedy in offered:
        scheme, severities = read(paths, **{**settings, **remedy})
        assert "warning" not in severities or "mask_values" in remedy
        for path in paths:
            labels_of(path, scheme)
    return offered


def two(pixels: np.ndarray, tmp_path: Path, suffix: str = ".png") -> list[Path]:
    return [saved(pixels, tmp_path / f"a{suffix}"), saved(pixels, tmp_path / f"b{suffix}")]


# palettes


def test_palette_reordered_names_two_files_and_the_colours_that_settle_it(tmp_path: Path) -> None:
    first = palette(DISC, tmp_path / "a.png", BLACK, GREEN)
    second = palette(np.array([0, 2, 1], np.uint8)[CLASSES], tmp_path / "b.png", BLACK, RED, GREEN)
    with pytest.raises(MaskValueError, match=r"a\.png: .*index 1 as #00ff00, but .*b\.png"):
        understand_masks([first, second], AUTO)
    offered = refused([first, second])
    assert offered[0] == {"mask_colors": (BLACK, GREEN, RED)}
    assert offered[1] == {"mask_values": (0, 1, 2)}
    scheme, _ = read([first, second], mask_colors=(BLACK, GREEN, RED))
    np.testing.assert_array_equal(labels_of(first, scheme), DISC)
    np.testing.assert_array_equal(labels_of(second, scheme), CLASSES)
    _, severities = read([first, second], mask_values=(0, 1, 2))
    assert severities == ["note", "warning"]


def test_two_colours_are_read_by_colour_where_palettes_differ(tmp_path: Path) -> None:
    first = palette(DISC, tmp_path / "a.png", BLACK, WHITE)
    second = palette(1 - DISC, tmp_path / "b.png", WHITE, BLACK)
    third = palette(DISC * 2, tmp_path / "c.png", BLACK, RED, WHITE)
    grey = saved(DISC * 255, tmp_path / "d.png")
    for paths in ([first, second], [first, third], [second, third, grey], [first, grey]):
        scheme, severities = read(paths)
        assert severities == ["note"]
        for path in paths:
            np.testing.assert_array_equal(labels_of(path, scheme), DISC)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_equal_and_grey_palettes_stay_indices(tmp_path: Path, suffix: str) -> None:
    ramp = [(value, value, value) for value in range(256)]
    colors = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    paths = [
        palette(CLASSES, tmp_path / f"a{suffix}", *colors),
        palette(DISC, tmp_path / f"b{suffix}", *colors[:2]),
        palette(CLASSES, tmp_path / f"c{suffix}", *ramp),
        saved(CLASSES, tmp_path / f"d{suffix}"),
    ]
    scheme, severities = read(paths)
    assert scheme.values == (0, 1, 2)
    assert severities == ["note"]
    np.testing.assert_array_equal(labels_of(paths[0], scheme), CLASSES)
    np.testing.assert_array_equal(labels_of(paths[2], scheme), CLASSES)


def test_colours_given_read_palettes_beside_rgb(tmp_path: Path) -> None:
    table = np.array([BLACK, GREEN, RED], np.uint8)
    paths = [
        palette(CLASSES, tmp_path / "a.png", *map(tuple, table.tolist())),
        saved(table[CLASSES], tmp_path / "b.png"),
    ]
    scheme, _ = read(paths, mask_colors=(BLACK, GREEN, RED))
    for path in paths:
        np.testing.assert_array_equal(labels_of(path, scheme), CLASSES)


# alpha


def test_alpha_mask_is_read_and_said(tmp_path: Path) -> None:
    opaque, empty = DISC * 255, NONE
    for color in (WHITE, BLACK, RED):
        solid = np.full((SIDE, SIDE, 3), color, np.uint8)
        paths = [
            saved(np.dstack([solid, opaque]), tmp_path / "a.png"),
            saved(np.dstack([solid, empty]), tmp_path / "b.png"),
        ]
        scheme, problems = understand_masks(paths, AUTO)
        [warning] = [p for p in problems if p.severity == "warning"]
        assert "alpha channel varies where the colours do not" in warning.message
        assert "without alpha" in warning.remedy
        np.testing.assert_array_equal(labels_of(paths[0], scheme), DISC)
        assert labels_of(paths[1], scheme).max() == 0


def test_black_drawn_on_transparent_white_is_not_inverted(tmp_path: Path) -> None:
    gray = 255 - DISC * 255
    image = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(DISC * 255)])
    image.save(tmp_path / "a.png")
    scheme, severities = read([tmp_path / "a.png"])
    assert "warning" in severities
    np.testing.assert_array_equal(labels_of(tmp_path / "a.png", scheme), DISC)


def test_alpha_that_agrees_or_says_nothing_is_not_mentioned(tmp_path: Path) -> None:
    rgb = np.repeat((DISC * 255)[..., None], 3, axis=-1)
    for number, alpha in enumerate((DISC * 255, NONE, NONE + 255, NONE + 128)):
        path = saved(np.dstack([rgb, alpha]), tmp_path / f"{number}.png")
        scheme, severities = read([path])
        assert severities == ["note"]
        np.testing.assert_array_equal(labels_of(path, scheme), DISC)


# exchanged black and white


@pytest.mark.parametrize("stored", [DISC.astype(bool), DISC * 255, CLASSES])
def test_boolean_tiff_with_white_as_0(tmp_path: Path, stored: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="miniswhite")
    scheme, problems = understand_masks([path], AUTO)
    [warning] = [p for p in problems if p.severity == "warning"]
    assert warning.path == path
    assert "viewers exchange black and white" in warning.message
    expected = CLASSES if stored is CLASSES else DISC
    np.testing.assert_array_equal(labels_of(path, scheme), expected)
    if "`mask_values=" in warning.remedy:
        values = re.search(r"mask_values=(\d+),(\d+)", warning.remedy)
        scheme, _ = read([path], mask_values=(int(values[1]), int(values[2])))
        np.testing.assert_array_equal(labels_of(path, scheme), 1 - DISC)


def test_fax_tiff_is_read_as_shown(tmp_path: Path) -> None:
    image = Image.fromarray(DISC.astype(bool))
    image.save(tmp_path / "a.tif", compression="group4", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as found:
        shown = np.asarray(found)
    scheme, severities = read([tmp_path / "a.tif"])
    assert severities == ["note"]
    np.testing.assert_array_equal(labels_of(tmp_path / "a.tif", scheme), shown)


# soft edges


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_antialiased_edges_are_two_classes(tmp_path: Path, factor: int) -> None:
    rows, columns = np.mgrid[: SIDE * factor, : SIDE * factor]
    center = SIDE * factor / 2
    large = (np.hypot(rows - center, columns - center) < 14 * factor) * 255.0
    soft = large.reshape(SIDE, factor, SIDE, factor).mean(axis=(1, 3))
    paths = two(np.rint(soft).astype(np.uint8), tmp_path)
    scheme, problems = understand_masks(paths, AUTO)
    assert [p.severity for p in problems] == ["note"]
    assert "soft edges" in problems[0].message or "smoothed" in problems[0].message
    np.testing.assert_array_equal(labels_of(paths[0], scheme), np.rint(soft) >= 128)


def test_254_and_255_are_one_class(tmp_path: Path) -> None:
    mixed = DISC * 255
    mixed[10:14, 10:14] = 254
    scheme, _ = read(two(mixed, tmp_path))
    np.testing.assert_array_equal(labels_of(tmp_path / "a.png", scheme), DISC)


def test_three_grey_values_are_asked_for_with_and_without_255(tmp_path: Path) -> None:
    grey = np.array([0, 128, 255], np.uint8)[CLASSES]
    offered = refused(two(grey, tmp_path))
    assert {"mask_values": (0, 128, 255)} in offered
    assert {"mask_values": (0, 128)} in offered
    assert {"mask_threshold": 128} in offered
    scheme, _ = read([tmp_path / "a.png"], mask_values=(0, 128, 255))
    np.testing.assert_array_equal(labels_of(tmp_path / "a.png", scheme), CLASSES)


def test_numbers_of_many_objects_are_no_noise(tmp_path: Path) -> None:
    objects = np.zeros((400, 400), np.uint8)
    for number in range(200):
        row, column = divmod(number, 20)
        objects[row * 20 : row * 20 + 4, column * 20 : column * 20 + 4] = number + 1
    path = saved(objects, tmp_path / "a.png")
    scheme, _ = read([path])
    assert scheme.num_classes == 201  # and not two classes from 128 on
    gaps = saved(np.where(objects % 2, objects, 0).astype(np.uint8), tmp_path / "b.png")
    with pytest.raises(MaskValueError, match="check that these are masks"):
        read([gaps])


# values


def test_brats_remedy_names_the_values_that_occur(tmp_path: Path) -> None:
    labels = np.zeros((SIDE, SIDE, 4), np.uint8)
    labels[..., 1] = np.array([0, 1, 4])[CLASSES]
    labels[2:5, 2:5, 2] = 2
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    with pytest.raises(MaskValueError, match=r"value 4.*`mask_values=0,1,2,4`\.$"):
        understand_masks([path], AUTO, BRATS)
    scheme, problems = understand_masks([path], ReadingSettings(mask_values=(0, 1, 2, 4)), BRATS)
    assert scheme.class_names == ("background", "NCR", "ED", "ET")
    assert [p.severity for p in problems] == ["note"]
    assert set(np.unique(read_labels([path], path, scheme))) == {0, 1, 2, 3}


def test_names_follow_the_declared_values(tmp_path: Path) -> None:
    path = saved(np.array([0, 2, 1], np.uint8)[CLASSES], tmp_path / "a.png")
    for values, names in (
        ((0, 2, 1), ("background", "ED", "NCR")),
        ((0, 1, 2), ("background", "NCR", "ED")),
    ):
        scheme, _ = understand_masks([path], ReadingSettings(mask_values=values), BRATS)
        assert scheme.class_names == names


@pytest.mark.parametrize(
    ("stored", "settings", "expected"),
    [
        ([0, 50, 100], {}, [{"mask_values": (0, 50, 100)}]),
        ([1, 2, 3], {}, [{"mask_values": (1, 2, 3)}]),
        ([0, 1, 3], {"class_names": ("a", "b", "c")}, [{"mask_values": (0, 1, 3)}]),
        ([0, 2, 7], {"mask_values": (0, 1, 2)}, [{"mask_values": (0, 2, 7)}]),
        ([0, 50, 90], {"mask_values": (50, 0, 7)}, [{"mask_values": (50, 0, 90)}]),
    ],
)
def test_remedies_name_what_occurs(
    tmp_path: Path, stored: list[int], settings: dict[str, object], expected: list[object]
) -> None:
    assert refused(two(np.array(stored, np.uint8)[CLASSES], tmp_path), **settings) == expected


def test_names_that_do_not_fit_the_remedy_are_asked_for_with_it(tmp_path: Path) -> None:
    paths = two(np.array([0, 50, 100], np.uint8)[CLASSES], tmp_path)
    with pytest.raises(MaskValueError, match="`mask_values=0,50,100` and name all 3 with"):
        read(paths, class_names=("a", "b"))


def test_void_of_minus_one_beside_gaps_and_255(tmp_path: Path) -> None:
    labels = np.array([0, 50, 100], np.int16)[CLASSES][..., None]
    labels[0, 0], labels[0, 1] = -1, 255
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    with pytest.raises(MaskValueError) as caught:
        understand_masks([path], AUTO)
    remedy = remedies(caught)[0]
    assert remedy == {"void_values": (-1, 255), "mask_values": (0, 50, 100)}
    scheme, _ = read([path], **remedy)
    found = read_labels([path], path, scheme)
    assert (found[0, :2] == IGNORE_INDEX).all()
    np.testing.assert_array_equal(found[1:, :, 0], CLASSES[1:])


def test_nearly_whole_numbers_and_void_of_minus_one(tmp_path: Path) -> None:
    labels = CLASSES[..., None] * np.float32(0.99995)
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    scheme, _ = read([path])
    np.testing.assert_array_equal(read_labels([path], path, scheme)[..., 0], CLASSES)


def test_full_values_of_8_and_16_bits(tmp_path: Path) -> None:
    paths = [
        saved(DISC.astype(np.uint16) * 65535, tmp_path / "a.png"),
        saved(DISC * 255, tmp_path / "b.png"),
    ]
    assert {"mask_threshold": 128} in refused(paths)
    scheme, _ = read(paths, mask_threshold=128)
    for path in paths:
        np.testing.assert_array_equal(labels_of(path, scheme), DISC)
    scheme, _ = read(paths[:1])
    np.testing.assert_array_equal(labels_of(paths[0], scheme), DISC)


def test_255_under_three_declared_classes(tmp_path: Path) -> None:
    path = saved(DISC * 255, tmp_path / "a.png")
    with pytest.raises(MaskValueError) as caught:
        understand_masks([path], AUTO, BRATS)
    assert remedies(caught) == [{"mask_values": (0, 255)}]
    scheme, _ = understand_masks([path], ReadingSettings(mask_values=(0, 255)), BRATS)
    np.testing.assert_array_equal(labels_of(path, scheme), DISC)


def test_jpeg_of_class_numbers_offers_no_threshold(tmp_path: Path) -> None:
    with pytest.raises(MaskValueError, match=r"; store class numbers as PNG\.$"):
        read([saved(DISC, tmp_path / "a.jpg", quality=95)])
    large = np.kron(np.array([0, 128, 255], np.uint8)[CLASSES], np.ones((4, 4), np.uint8))
    path = saved(large, tmp_path / "b.jpg", quality=90)
    with pytest.raises(MaskValueError, match="`mask_threshold=128`, if there are more give"):
        read([path])
    scheme, _ = read([path], mask_values=(0, 128, 255))
    expected = np.kron(CLASSES, np.ones((4, 4), np.uint8))
    assert (labels_of(path, scheme) == expected).mean() > 0.99


# colours


def test_many_colours_are_all_named_and_edges_are_not(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (20, 3), np.uint8)
    colors[0] = 0
    numbers = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) * 20 // SIDE**2
    [remedy] = refused(two(colors[numbers], tmp_path))
    assert len(remedy["mask_colors"]) == 20
    table = np.array([BLACK, GREEN, RED], np.uint8)
    large = Image.fromarray(table[CLASSES]).resize((192, 192), Image.Resampling.NEAREST)
    soft = large.rotate(10, Image.Resampling.BICUBIC)
    paths = two(np.asarray(soft), tmp_path)
    [remedy] = refused(paths)
    assert set(remedy["mask_colors"]) == {BLACK, GREEN, RED}
    scheme, problems = understand_masks(paths, ReadingSettings.parse(remedy))
    assert "soft edges" in problems[0].message
    green = scheme.colors.index(GREEN)
    assert (labels_of(paths[0], scheme) == green).sum() == pytest.approx(16 * DISC.sum(), rel=0.05)


def test_black_and_one_colour_is_plain(tmp_path: Path) -> None:
    table = np.array([BLACK, RED], np.uint8)
    scheme, severities = read(two(table[DISC], tmp_path))
    assert severities == ["note"]
    np.testing.assert_array_equal(labels_of(tmp_path / "a.png", scheme), DISC)


def test_colours_beside_class_numbers_are_refused_as_such(tmp_path: Path) -> None:
    colored = saved(np.array([BLACK, RED, GREEN], np.uint8)[CLASSES], tmp_path / "a.png")
    numbers = saved(CLASSES, tmp_path / "b.png")
    with pytest.raises(MaskValueError, match=r"a\.png: is colour-coded.*b\.png holds class numb"):
        read([colored, numbers])


@pytest.mark.parametrize("quality", [60, 90])
def test_jpeg_colours_offer_no_class_that_exists_nowhere(tmp_path: Path, quality: int) -> None:
    table = np.array([BLACK, RED, (0, 0, 255)], np.uint8)
    large = np.kron(CLASSES, np.ones((8, 8), np.uint8))
    paths = [saved(table[large], tmp_path / "a.jpg", quality=quality)]
    [remedy] = refused(paths)
    assert len(remedy["mask_colors"]) == 3
    scheme, _ = read(paths, **remedy)
    assert (labels_of(paths[0], scheme) > 0).sum() == pytest.approx((large > 0).sum(), rel=0.02)


def test_profiles_and_gamma_do_not_change_values(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = saved(CLASSES, tmp_path / "a.png", pnginfo=info, icc_profile=profile)
    scheme, _ = read([path])
    np.testing.assert_array_equal(labels_of(path, scheme), CLASSES)


# the masks of another set


def evaluated(paths: list[Path], trained: LabelScheme, **settings: object) -> LabelScheme:
    return scheme_of_other_masks(paths, trained, ReadingSettings.parse(settings))[0]


def test_evaluate_jpeg_masks_with_a_model_of_png_masks(tmp_path: Path) -> None:
    names = ("background", "polyp")
    large = np.kron(DISC, np.ones((4, 4), np.uint8))
    jpeg = saved(large * 255, tmp_path / "a.jpg")
    ones, full = saved(large, tmp_path / "b.png"), saved(large * 255, tmp_path / "c.png")
    models = (
        LabelScheme(class_names=names, values=(0, 255)),
        LabelScheme(class_names=names, values=(0, 1), void_values=(255,)),
        LabelScheme(class_names=names, threshold=128),
        LabelScheme(class_names=names, colors=(BLACK, RED)),
    )
    for trained in models:
        for path in (jpeg, ones, full):
            scheme = evaluated([path], trained)
            assert scheme.class_names == names
            np.testing.assert_array_equal(labels_of(path, scheme), large)


def test_own_masks_are_read_as_in_training(tmp_path: Path) -> None:
    trained = LabelScheme(class_names=("a", "b"), values=(0, 1), void_values=(255,))
    path = saved(DISC * 255, tmp_path / "a.png")
    scheme, _ = scheme_of_other_masks([path], trained, AUTO, own=True)
    assert scheme == trained


def test_values_that_are_no_classes_of_a_model_of_three(tmp_path: Path) -> None:
    trained = LabelScheme(class_names=("a", "b", "c"))
    path = saved(np.array([0, 50, 100], np.uint8)[CLASSES], tmp_path / "a.png")
    with pytest.raises(MaskValueError) as caught:
        evaluated([path], trained)
    assert remedies(caught) == [{"mask_values": (0, 50, 100)}]
    scheme = evaluated([path], trained, mask_values=(0, 50, 100))
    np.testing.assert_array_equal(labels_of(path, scheme), CLASSES)
    part = saved(DISC, tmp_path / "b.png")
    assert evaluated([part], trained) == trained
