"""What names of files and folders mean: which hold masks, and when two names mean one case."""

import re
import unicodedata
from pathlib import Path

from ecs_med.data.names import IMAGE_NAMES, MASK_NAMES
from ecs_med.types import Partition

__all__ = [
    "EXPECTED",
    "IMAGE_NAMES",
    "MASK_NAMES",
    "PARTITION_NAMES",
    "STRUCTURAL",
    "UNLABELED_NAMES",
    "in_mask_folder",
    "is_mask_folder",
    "looks_like_mask",
    "mask_base",
    "normal",
    "numbered_mask_base",
    "plain",
    "relative_path",
    "same_case",
]

PARTITION_NAMES: dict[str, Partition] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
UNLABELED_NAMES = ("unlabeled", "unlabelled", "unannotated")
EXPECTED = (
    "expected images/ beside masks/ (or labels/, annotations/), optionally inside train/,"
    " validation/, test/"
)
STRUCTURAL = frozenset({*IMAGE_NAMES, *UNLABELED_NAMES, *PARTITION_NAMES})

_GAP = r"[ _.-]"
_MASK_WORD = (
    r"(?:masks?|msk|seg|segs|segmentations?|labels?|labelmaps?|gts?|ground_?truths?|truth"
    r"|annotations?|annot|manual\d?|\d(?:st|nd)ho|\d(?:st|nd)_manual)"
)
_SUFFIX = re.compile(rf"(?P<base>.+?){_GAP}+{_MASK_WORD}", re.IGNORECASE)
_ONE_OF_SEVERAL = rf"(?:{_GAP}*(?:\(\d+\)|\d+)|{_GAP}+[a-z])"
_NUMBERED = re.compile(rf"(?P<base>.+?){_GAP}+{_MASK_WORD}{_ONE_OF_SEVERAL}", re.IGNORECASE)
_AT_END = re.compile(rf"(?:.*{_GAP})?{_MASK_WORD}{_ONE_OF_SEVERAL}?", re.IGNORECASE)
_AT_START = re.compile(rf"{_MASK_WORD}(?:{_GAP}+.+|\d+)", re.IGNORECASE)
_IMAGE_WORD = (
    r"(?:images?|imgs?|im|pictures?|photos?|frames?|scans?|imaging|volumes?|vol|orig|original|raw"
    r"|training|train|test|ct|mri|mr|us)"
)
_ROLES = {
    "image": (
        re.compile(rf"{_IMAGE_WORD}(?:{_GAP}+|(?=\d))", re.IGNORECASE),
        re.compile(rf"{_GAP}+{_IMAGE_WORD}", re.IGNORECASE),
    ),
    "mask": (
        re.compile(rf"{_MASK_WORD}(?:{_GAP}+|(?=\d))", re.IGNORECASE),
        re.compile(rf"{_GAP}+{_MASK_WORD}", re.IGNORECASE),
    ),
}


def normal(key: str) -> str:
    r"""A path as it is compared: composed (NFC), without blanks around its parts.

    Example:
        >>> normal("p1/La\u0308sion_1 ") == "p1/L\u00e4sion_1"
        True
    """
    if key.isascii() and " " not in key:
        return key
    return "/".join(part.strip() for part in unicodedata.normalize("NFC", key).split("/"))


def mask_base(key: str) -> str | None:
    """The image key that a mask key with a usual suffix stands for: `p1/12` of `p1/12_mask`."""
    return _base(key, _SUFFIX)


def numbered_mask_base(key: str) -> str | None:
    """The image key of one of several masks: `p6` of `p6_mask_1`, `12` of `12_manual1`."""
    return _base(key, _NUMBERED)


def looks_like_mask(key: str) -> bool:
    """Whether a file is called a mask, whatever it is the mask of.

    Example:
        >>> [looks_like_mask(name) for name in ("segmentation-1", "p6_mask_1", "case_12", "masked")]
        [True, True, False, False]
    """
    stem = key.rpartition("/")[2].strip()
    return bool(_AT_END.fullmatch(stem) or _AT_START.fullmatch(stem))


def is_mask_folder(name: str) -> bool:
    """Whether a folder is called one of masks: by a usual name, or by a mask word in its name.

    Example:
        >>> [is_mask_folder(name) for name in ("GT", "1st_manual", "masks_png", "bbox")]
        [True, True, True, False]
    """
    lower = name.lower()
    if lower in MASK_NAMES:
        return True
    words = re.split(r"[ _.-]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return any(re.fullmatch(_MASK_WORD, word) for word in words)


def in_mask_folder(relative: str) -> bool:
    """Whether any folder above a file, as a path below the data, is called one of masks."""
    folders = relative.split("/")[:-1]
    return any(is_mask_folder(name) for name in folders)


def relative_path(path: Path, root: Path) -> str:
    """`path` below `root` with `/` between parts; the whole path if it lies elsewhere.

    Works on the text: nothing is resolved, so a link keeps the name that the user gave it.

    Example:
        >>> relative_path(Path("data/images/1.png"), Path("data"))
        'images/1.png'
    """
    text, base = path.as_posix(), root.as_posix().rstrip("/") + "/"
    return text.removeprefix(base)


def same_case(key: str, role: str) -> str:
    """What remains of a key without words for its role, case and padding of numbers.

    `role` is `image` or `mask`. An image and a mask of which the same remains mean one case.

    Example:
        >>> same_case("07_training", "image"), same_case("7_manual1", "mask")
        ('7', '7')
        >>> same_case("volume-03", "image"), same_case("segmentation-3", "mask")
        ('3', '3')
    """
    folder, slash, stem = normal(key).rpartition("/")
    start, end = _ROLES[role]
    found = start.match(stem)
    if found and found.end() < len(stem):
        stem = stem[found.end() :]
    else:
        ends = [match for match in end.finditer(stem) if match.end() == len(stem)]
        stem = stem[: ends[0].start()] if ends and ends[0].start() else stem
    return plain(f"{folder}{slash}{stem}")


def plain(key: str) -> str:
    """A key whatever its case and the padding of its numbers.

    Example:
        >>> plain("P1/IMG_007")
        'p1/img_7'
    """
    return re.sub(r"(?<!\d)0+(?=\d)", "", normal(key).casefold())


def _base(key: str, pattern: re.Pattern[str]) -> str | None:
    folder, slash, stem = key.rpartition("/")
    match = pattern.fullmatch(stem.strip())
    return folder + slash + match["base"] if match else None
