"""Reading a case's image, whatever its format, and knowing images by their names."""

from collections.abc import Sequence
from pathlib import Path

from ecs_med.data.readers import Scan, ScanHeader, available_readers, known_formats, reader_of

__all__ = [
    "Scan",
    "ScanHeader",
    "fingerprint",
    "image_suffixes",
    "is_image",
    "known_formats",
    "read_header",
    "read_scan",
    "stem",
]


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
