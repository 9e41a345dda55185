"""Miniature data sets: pictures of discs, and the exact formats of the benchmarks."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

__all__ = [
    "add_frame",
    "add_image",
    "add_list",
    "add_mask",
    "add_mat",
    "voc_palette",
    "write_cityscapes",
    "write_discs",
    "write_voc",
]

Labels = npt.NDArray[np.uint8]


def voc_palette() -> list[int]:
    """VOC's colour map: the bits of an index, dealt out to red, green and blue."""
    palette = []
    for index in range(256):
        bits = [index >> shift & 1 for shift in range(9)]
        for channel in range(3):
            palette.append(sum(bits[3 * step + channel] << 7 - step for step in range(3)))
    return palette


def add_image(folder: Path, name: str, size: tuple[int, int]) -> None:
    """A JPEG of noise, `size` as height and width."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(int(name[-3:])).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f"{name}.jpg")


def add_mask(folder: Path, name: str, labels: Labels) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels).convert("P")
    image.putpalette(voc_palette())
    image.putdata(labels.ravel().tolist())
    image.save(folder / f"{name}.png")


def add_mat(folder: Path, name: str, labels: Labels) -> None:
    """A mask of SBD as MATLAB wrote it: a struct with boundaries, map and classes."""
    folder.mkdir(parents=True, exist_ok=True)
    boundaries = np.empty((20, 1), object)
    for index in range(20):
        boundaries[index, 0] = csc_matrix(labels == index + 1, dtype=float)
    present = np.setdiff1d(np.unique(labels), [0, 255])[:, None]
    fields = {"Boundaries": boundaries, "Segmentation": labels, "CategoriesPresent": present}
    savemat(folder / f"{name}.mat", {"GTcls": fields}, do_compression=True)


def add_list(voc: Path, name: str, *names: str) -> None:
    path = voc / "ImageSets" / "Segmentation" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{entry}\n" for entry in names))


def add_frame(
    root: Path, part: str, frame: str, labels: Labels | None, size: tuple[int, int] | None = None
) -> None:
    """One picture of Cityscapes with all the files that gtFine has of it.

    Args:
        root: Folder of `leftImg8bit` and `gtFine`.
        part: `train`, `val` or `test`.
        frame: Such as `aachen_000000_000019`.
        labels: Label ids 0 to 33; `None`: no masks.
        size: Height and width where there are no labels.
    """
    city = frame.split("_")[0]
    images, masks = root / "leftImg8bit" / part / city, root / "gtFine" / part / city
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    height, width = (size or (2, 17)) if labels is None else labels.shape
    pixels = np.zeros((height, width, 3), np.uint8)
    if labels is not None:
        pixels[..., 0] = labels * 7
    Image.fromarray(pixels).save(images / f"{frame}_leftImg8bit.png")
    if labels is None:
        return
    Image.fromarray(labels).save(masks / f"{frame}_gtFine_labelIds.png")
    Image.fromarray(labels.astype(np.uint16) * 1000).save(masks / f"{frame}_gtFine_instanceIds.png")
    color = np.zeros((height, width, 4), np.uint8)
    Image.fromarray(color).save(masks / f"{frame}_gtFine_color.png")
    (masks / f"{frame}_gtFine_polygons.json").write_text("{}")


def write_voc(root: Path, size: tuple[int, int] = (40, 52)) -> Path:
    """VOC with SBD: 8 + 4 training and 3 validation images, every class somewhere."""
    voc, dataset = root / "VOCdevkit" / "VOC2012", root / "benchmark_RELEASE" / "dataset"
    train = [f"2007_{number:06d}" for number in range(8)]
    val = [f"2007_{number:06d}" for number in range(100, 103)]
    extra = [f"2008_{number:06d}" for number in range(200, 204)]
    for place, name in enumerate(train + val):
        add_image(voc / "JPEGImages", name, size)
        add_mask(voc / "SegmentationClass", name, _blocks(size, place, 20, void=255))
    add_list(voc, "train", *train)
    add_list(voc, "val", *val)
    for place, name in enumerate(extra):
        add_image(dataset / "img", name, size)
        add_mat(dataset / "cls", name, _blocks(size, place + 3, 20))
    (dataset / "train.txt").write_text("".join(f"{name}\n" for name in extra))
    (dataset / "val.txt").write_text("")
    return root


def write_cityscapes(root: Path, size: tuple[int, int] = (34, 68)) -> Path:
    """Cityscapes: 8 training and 2 validation images, all 34 label ids."""
    for number in range(8):
        labels = _blocks(size, number, 33)
        add_frame(root, "train", f"aachen_{number:06d}_000019", labels)
    for number in range(2):
        add_frame(root, "val", f"munster_{number:06d}_000019", _blocks(size, number, 33))
    return root


def _blocks(size: tuple[int, int], shift: int, num_classes: int, void: int = 0) -> Labels:
    """Columns of all classes, begun at another one in each image, with a row of void on top."""
    columns = (np.arange(size[1]) * (num_classes + 1) // size[1] + 5 * shift) % (num_classes + 1)
    labels = np.repeat(columns[None].astype(np.uint8), size[0], axis=0)
    labels[: size[0] // 3] = 0
    labels[0] = void
    return labels


def write_discs(folder: Path, count: int) -> None:
    """Pictures of a bright disc in `folder/images`, with its masks beside them in `masks`."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :40]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for index in range(count):
        row, column = generator.integers(12, 28, size=2)
        disc = (rows - row) ** 2 + (columns - column) ** 2 < 64
        picture = generator.integers(0, 60, size=(40, 40, 3)) + 150 * disc[..., None]
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"images/{index:02}.png")
        Image.fromarray((255 * disc).astype(np.uint8)).save(folder / f"masks/{index:02}.png")
