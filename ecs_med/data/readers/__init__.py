"""Formats of images: one module a format, how the reader of a file is found, and reading a scan.

A format of one's own is a class that derives from `Reader`, in any package, named under the
entry-point group `ecs_med.readers`.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from ecs_med.data.readers.annotations.reader import AnnotationReader
from ecs_med.data.readers.base import Reader
from ecs_med.data.readers.scans import ResultMeaning, Scan, ScanHeader, StoredMask
from ecs_med.data.readers.videos import VideoReader
from ecs_med.data.video import is_video
from ecs_med.errors import UnreadableFileError
from ecs_med.registry import Registry

__all__ = [
    "READERS",
    "Reader",
    "ResultMeaning",
    "Scan",
    "ScanHeader",
    "StoredMask",
    "available_readers",
    "companions",
    "fingerprint",
    "image_suffixes",
    "is_image",
    "known_formats",
    "read_header",
    "read_scan",
    "reader_of",
    "stem",
]


class _Readers(Registry[Reader]):
    def register(self, member: type[Reader]) -> type[Reader]:
        _instances.cache_clear()
        return super().register(member)


READERS = _Readers("ecs_med.readers", "reader", Reader)
"""Every reader that is installed or registered."""


_VIDEOS = VideoReader()
"""Of frames that a layout names; a video by itself is no image."""

_ANNOTATIONS = AnnotationReader()
"""Of masks that a layout names; an annotation file is no image."""


def available_readers() -> dict[str, Reader]:
    """All readers by name, those of highest priority first.

    Raises:
        SettingsError: If a package offers one that cannot be used.
    """
    return _instances(tuple(sys.path))


@lru_cache(maxsize=1)
def _instances(path: tuple[str, ...]) -> dict[str, Reader]:
    """One of each; asked for every file, so looked up once for each `sys.path`."""
    readers = [reader() for reader in READERS.all().values()]
    readers.sort(key=lambda reader: -reader.priority)
    return {reader.name: reader for reader in readers}


def reader_of(files: Sequence[Path]) -> Reader:
    """The reader of a case.

    Raises:
        UnreadableFileError: If no reader recognizes a file, or they need different ones.
    """
    found = [_reader_of_file(path) for path in files]
    if not found:
        raise ValueError("a case has at least one image")
    for path, reader in zip(files, found, strict=True):
        if reader is not found[0]:
            raise UnreadableFileError(
                path, f"is no channel of {files[0]}: one is {_listed(reader.formats)}, the other "
                f"{_listed(found[0].formats)}", "keep them in cases of their own",
            )  # fmt: skip
    return found[0]


def _reader_of_file(path: Path) -> Reader:
    for reader in available_readers().values():
        if reader.recognizes(path):
            return reader
    if is_video(path):
        return _VIDEOS
    if _ANNOTATIONS.recognizes(path):
        return _ANNOTATIONS
    raise UnreadableFileError(path, "of unknown kind", f"expected {known_formats()}")


def read_scan(files: Sequence[Path | str] | Path | str, frame: int | None = None) -> Scan:
    """Read the image of a case.

    Args:
        files: One file, one a channel in channel order, or those of a series.
        frame: A single frame of the file; `None`: all of it.

    Raises:
        UnreadableFileError: If a file cannot be read, or the files do not belong together.

    Example:
        >>> import ecs_med
        >>> scan = ecs_med.read_scan(folder / "test" / "images" / "p006_0.png")
        >>> scan.kind, scan.array.shape
        ('picture', (3, 32, 32))
    """
    paths = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
    return reader_of(paths).read(paths, frame)


def read_header(files: Sequence[Path], frame: int | None = None) -> ScanHeader:
    """What a case is, without decoding pixels; arguments and errors as of `read_scan`."""
    return reader_of(files).header(files, frame)


def fingerprint(files: Sequence[Path], frame: int | None = None) -> str:
    """Text that changes whenever `read_scan` may give something else."""
    reader = reader_of(files)
    return f"{reader.name}:{frame}:{reader.fingerprint(files)}"


def companions(files: Iterable[Path]) -> Iterator[Path]:
    """Files beside these that belong to them, such as the voxels of a header.

    Only files of formats that may need another one are opened.
    """
    readers = available_readers().values()
    pairing = [reader for reader in readers if type(reader).companions is not Reader.companions]
    for path in files:
        for reader in pairing:
            if reader.recognizes(path):
                yield from reader.companions([path])


def image_suffixes() -> tuple[str, ...]:
    """Suffixes of all readable files in lower case, longest first, so that `.nii.gz` is whole."""
    found = {suffix for reader in available_readers().values() for suffix in reader.suffixes}
    return tuple(sorted(found, key=lambda suffix: (-len(suffix), suffix)))


def is_image(path: Path) -> bool:
    """Whether any reader recognizes a file."""
    return any(reader.recognizes(path) for reader in available_readers().values())


def stem(path: Path) -> str:
    """File name without its suffix, where `.nii.gz` is one suffix.

    Example:
        >>> stem(Path("scans/liver_01.v2.nii.gz"))
        'liver_01.v2'
    """
    return reader_of([path]).stem(path) if is_image(path) else path.stem


def known_formats() -> str:
    """What is read, in words, such as `PNG, JPEG or NIfTI`."""
    return _listed([name for reader in available_readers().values() for name in reader.formats])


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
