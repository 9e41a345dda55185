"""Opening annotation files: what kind a file is, and what it holds, parsed once."""

import json
import mmap
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from ecs_med.data.readers.annotations.base import AnnotationFile
from ecs_med.data.readers.annotations.coco import CocoFile, is_coco
from ecs_med.data.readers.annotations.cvat_xml import CvatXmlFile
from ecs_med.data.readers.annotations.label_studio import LabelStudioFile, is_label_studio
from ecs_med.data.readers.annotations.labelme import LabelMeFile, is_labelme
from ecs_med.data.readers.annotations.supervisely import SuperviselyFile, is_supervisely
from ecs_med.data.readers.annotations.via import ViaFile, is_via, rows_of_via
from ecs_med.errors import UnreadableFileError
from ecs_med.files import regular_file
from ecs_med.memory import free_memory

__all__ = ["SUFFIXES", "AnnotationKind", "holds_word", "looks_like", "open_annotations"]

SUFFIXES = (".json", ".xml", ".csv")
AnnotationKind = Literal["coco", "labelme", "cvat-xml", "label-studio", "via", "supervisely"]

_WORDS: Mapping[AnnotationKind, tuple[bytes, ...]] = {
    "coco": (b'"images"', b'"annotations"', b'"categories"'),
    "labelme": (b'"shapes"', b'"imagePath"'),
    "label-studio": (b'"annotations"', b'"result"', b'"data"', b'"original_width"'),
    "cvat-xml": (b"<annotations", b"<image "),
    "via": (b"shape_attributes", b"region_attributes", b"filename"),
    "supervisely": (b'"objects"', b'"size"', b'"tags"'),
}
"""What every file of a kind holds somewhere."""

_SUFFIXES_OF: Mapping[AnnotationKind, tuple[str, ...]] = {
    "cvat-xml": (".xml",),
    "via": (".json", ".csv"),
}
"""Where they are not `.json` alone."""

_MAX_BYTES = 2**31
_LARGE = 2**26
_TIMES = 12
"""Memory that parsed JSON takes, in sizes of its file."""
_KEPT = 4
_ONE_AT_A_TIME = threading.Lock()


def looks_like(path: Path, kind: AnnotationKind) -> bool:
    """Whether a file may be of that kind: by its name and a few words, without parsing it."""
    if path.suffix.lower() not in _SUFFIXES_OF.get(kind, (".json",)):
        return False
    return _holds(path, _WORDS[kind])


def holds_word(path: Path, word: str) -> bool:
    """Whether a file has a word in double quotes, without parsing it."""
    return _holds(path, (f'"{word}"'.encode(),))


def _holds(path: Path, words: tuple[bytes, ...]) -> bool:
    try:
        if not 0 < regular_file(path).stat().st_size <= _MAX_BYTES:
            return False
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return all(content.find(word) >= 0 for word in words)
    except (OSError, ValueError):
        return False


def open_annotations(path: Path) -> AnnotationFile:
    """What an annotation file holds; parsed once as long as size and time stay the same.

    Raises:
        UnreadableFileError: If it is missing, too large, damaged, or of no known kind.
    """
    try:
        state = regular_file(path).stat()
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from None
    free = free_memory() if state.st_size > _LARGE else None
    if state.st_size > _MAX_BYTES or (free is not None and state.st_size * _TIMES > free):
        raise UnreadableFileError(
            path, f"is too large to be read ({state.st_size / 1e9:.1f} GB)", "divide it into parts"
        )
    with _ONE_AT_A_TIME:
        return _parsed(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=_KEPT)
def _parsed(path: Path, size: int, mtime_ns: int) -> AnnotationFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from None
    if path.suffix.lower() == ".xml":
        return _of_xml(path, content)
    if path.suffix.lower() == ".csv":
        return ViaFile(path, rows_of_via(path, _text(path, content)))
    return _of_json(path, _json(path, content))


def _of_json(path: Path, parsed: Any) -> AnnotationFile:
    if is_coco(parsed):
        return CocoFile(path, parsed)
    if is_labelme(parsed):
        return LabelMeFile(path, parsed)
    if is_label_studio(parsed):
        return LabelStudioFile(path, parsed)
    if is_supervisely(parsed):
        return SuperviselyFile(path, parsed)
    if is_via(parsed):
        return ViaFile(path, parsed)
    raise UnreadableFileError(
        path,
        "is no annotation file of COCO, LabelMe, Label Studio, VIA or Supervisely",
        "export it as one of these",
    )


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except ValueError:
        raise UnreadableFileError(path, "is no text in UTF-8", "export it again") from None


def _json(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(path, f"is no JSON ({error})", "export it again") from None


def _of_xml(path: Path, content: bytes) -> AnnotationFile:
    # Entities can make gigabytes of a few bytes, or fetch other files; CVAT writes none. Without
    # zero bytes the text is no UTF-16, in which the words would look otherwise.
    if b"\0" in content or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnreadableFileError(path, "declares entities, or is no UTF-8", "export it again")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise UnreadableFileError(path, f"is no XML ({error})", "export it again") from None
    if root.tag != "annotations" or root.find("image") is None:
        raise UnreadableFileError(
            path, "has no images, as CVAT writes them", "export as 'CVAT for images 1.1'"
        )
    return CvatXmlFile(path, root)
