"""What names of files and folders say before anything is opened: litter, masks, foreign formats."""

import re

__all__ = [
    "FOREIGN_SUFFIXES",
    "IMAGE_NAMES",
    "LITTER",
    "MASK_NAMES",
    "MASK_SUFFIX",
    "holds_images",
    "holds_masks",
    "is_foreign",
    "is_litter",
]

FOREIGN_SUFFIXES = (
    *(".npy", ".npz", ".svs", ".hdr", ".mgz"),
    *(".gif", ".webp", ".heic", ".heif", ".avif", ".jfif", ".jp2", ".ppm", ".pgm", ".tga", ".psd"),
    *(".img", ".mgh", ".mnc", ".head", ".brik", ".par", ".rec", ".pbm"),
    *(".mat", ".h5", ".hdf5", ".ndpi", ".czi", ".mrxs", ".mp4", ".avi", ".mov", ".mkv", ".wmv"),
)
"""Suffixes of pictures, volumes and videos that no reader here reads, lower case."""

LITTER = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "#snapshot", "lost+found"}
    | {"$recycle.bin", "system volume information", "network trash folder", "__pycache__"}
)
"""What operating systems and file servers leave behind, lower case."""

IMAGE_NAMES = (
    *("images", "image", "imgs", "img", "scans", "frames", "pictures", "original"),
    *("jpegimages", "imgs_png", "images_png"),
)
"""Names of folders of images, lower case."""

MASK_NAMES = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "segmentations"),
    *("segmentation", "segs", "seg", "ground_truth", "ground_truths", "groundtruth"),
    *("ground-truth", "ground truth", "gt", "gts", "manual", "labelmaps", "annotated_masks"),
)
"""Names of folders of masks, lower case, by preference."""

MASK_SUFFIX = re.compile(
    r"(?P<base>.+?)[ _.-]+(masks?|seg|segs|segmentations?|labels?|gt|groundtruth|annotations?)$",
    re.IGNORECASE,
)
"""A stem that stands for the mask of the image `base` in the same folder."""

# Those of nnU-Net and Decathlon (imagesTr beside labelsTr), VOC, Cityscapes and CamVid.
_MORE_IMAGES = re.compile(r"images(tr|ts|val|test)|jpegimages|leftimg8bit|train|val|test")
_MORE_MASKS = re.compile(
    r"labels(tr|ts|val|test)|segmentation(class|object)|gtfine|gtcoarse|(train|val|test)annot"
)


def is_litter(name: str) -> bool:
    """Whether `name` is a hidden file or what an operating system leaves behind."""
    return name.startswith(".") or name.lower() in LITTER


def is_foreign(name: str) -> bool:
    """Whether `name` is that of an image in a format that is not read.

    Example:
        >>> is_foreign("b.WEBP"), is_foreign("notes.txt"), is_foreign("a.png")
        (True, False, False)
    """
    return name.lower().endswith(FOREIGN_SUFFIXES)


def holds_images(folder_name: str) -> bool:
    """Whether a folder is called like one of images."""
    name = folder_name.lower()
    return name in IMAGE_NAMES or bool(_MORE_IMAGES.fullmatch(name))


def holds_masks(folder_name: str) -> bool:
    """Whether a folder is called like one of masks.

    Example:
        >>> holds_masks("labelsTr"), holds_masks("imagesTr")
        (True, False)
    """
    name = folder_name.lower()
    return name in MASK_NAMES or bool(_MORE_MASKS.fullmatch(name))
