"""The contract of a reader."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.scans import ResultMeaning, Scan, ScanHeader, StoredMask
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Problem

__all__ = ["ReadOnly", "Reader"]


class Reader(ABC):
    """Reads scans and masks of one family of formats, and writes results like them.

    A case is one file, several files (one a channel, or the slices of a series), or one frame of
    a file. What cannot be read is refused with an `UnreadableFileError` that names the file and
    the remedy. Readers hold no state: several threads and processes share them.

    To add one, derive from this class and name it under the entry-point group `ecs_med.readers`;
    the engine needs no change.

    Example:
        >>> from ecs_med.data.readers import available_readers
        >>> available_readers()["nifti"].stem(Path("scans/liver.nii.gz"))
        'liver'
    """

    name: ClassVar[str]
    """Unique; part of the key of prepared scans."""

    formats: ClassVar[tuple[str, ...]]
    """What it reads, in the words of messages, such as `PNG`."""

    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of its files, lower case. Folders are listed by these alone: nothing is opened."""

    output_format: ClassVar[str] = ""
    """Name by which results of its format are asked for; empty: the name of the reader."""

    output_suffix: ClassVar[str]
    """Suffix of the results that it writes."""

    result_format: ClassVar[str] = ""
    """Format of results where none is asked for; empty: the one that it writes itself."""

    priority: ClassVar[int] = 0
    """Readers with a higher number are asked first."""

    holds_colors: ClassVar[bool] = False
    """Whether one file holds three colours, as pictures do; where not, each channel of a case may
    have a file of its own (`case_0000`, `case_0001`)."""

    shares_masks: ClassVar[bool] = False
    """Whether one file may hold the masks of several cases, each on its own frames."""

    def recognizes(self, path: Path) -> bool:
        """Whether it reads this file; cheap, without errors, by name unless it is overridden."""
        return path.name.lower().endswith(self.suffixes)

    def writes(self, path: Path) -> bool:
        """Whether a result can have this name."""
        return path.name.lower().endswith(self.output_suffix)

    def stem(self, path: Path) -> str:
        """Name of the case that a file stands for: its own name without the suffix."""
        ends = [suffix for suffix in self.suffixes if path.name.lower().endswith(suffix)]
        return path.name[: -len(max(ends, key=len))] if ends else path.stem

    def fingerprint(self, files: Sequence[Path]) -> str:
        """Text that changes when the content of files does: their paths, sizes and times."""
        states = [(path, path.stat()) for path in files]
        return json.dumps([(str(p.absolute()), s.st_size, s.st_mtime_ns) for p, s in states])

    def companions(self, files: Sequence[Path]) -> tuple[Path, ...]:
        """Files beside these that belong to them, such as the voxels of a header."""
        return ()

    def orientation(self, path: Path) -> int:
        """The orientation tag that `header` and `read` apply, 1 to 8; 1: upright, or there is none.

        A mask without a tag may have been drawn on the pixels as they are stored; it is turned
        with its picture where sizes show that.
        """
        return 1

    def header_problems(self, files: Sequence[Path]) -> tuple[Problem, ...]:
        """What is odd about headers that can be read all the same, and what is believed instead.

        Args:
            files: Those of a case, or a mask.
        """
        return ()

    @abstractmethod
    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """What a case is, without decoding pixels.

        Args:
            files: The files of one case.
            frame: A single frame of it, which then is a picture; `None`: all there is.
        """

    @abstractmethod
    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """The pixels of a case; arguments as for `header`."""

    def mask_header(self, path: Path, images: Sequence[Path] = ()) -> ScanHeader:
        """What a mask is; `images`: the files that it is drawn on, where it has no grid itself."""
        return self.header([path])

    def mask_problems(self, path: Path, images: Sequence[Path] = ()) -> tuple[Problem, ...]:
        """As `header_problems` of a mask; arguments as of `read_stored_labels`."""
        return self.header_problems([path])

    @abstractmethod
    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """A mask as it is stored, axes as of a scan; whole numbers may come as floats.

        Args:
            path: The mask.
            images: The files that it is drawn on, for formats that have no grid of their own.
        """

    def require_writable(self, like: Sequence[Path], frame: int | None = None) -> None:
        """Refuse a case whose results this reader cannot write, before anything is computed.

        Args:
            like: The files of the case, of any format.
            frame: As in `Case`.

        Raises:
            UnreadableFileError: Here, if they are not of the reader's own format.
        """
        if not all(self.recognizes(path) for path in like):
            raise UnreadableFileError(
                like[0], f"cannot have results as {self.formats[0]}", "choose another format"
            )

    @abstractmethod
    def write_labels(
        self,
        path: Path,
        labels: npt.NDArray[np.integer],
        like: Sequence[Path],
        meaning: ResultMeaning | None = None,
    ) -> None:
        """Write a label map, all of it or nothing (`ecs_med.files.write_atomically`).

        Args:
            path: Where to; an existing file is replaced.
            labels: On the grid of the case; 0 to 255 for pictures, 0 to 32767 for volumes.
            like: The files of the case, of any format, whose shape and place in space the result
                has.
            meaning: What the values mean.

        Raises:
            EcsMedError: If the file cannot be written.
        """

    @abstractmethod
    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Write a map of real numbers in 0..1, such as certainty; otherwise as `write_labels`."""


class ReadOnly(Reader):
    """A reader of files that hold no results; what is predicted for their cases is `result_format`.

    It is not registered, as layouts would take its files for images; `reader_of` knows it.
    """

    def write_labels(
        self,
        path: Path,
        labels: npt.NDArray[np.integer],
        like: Sequence[Path],
        meaning: ResultMeaning | None = None,
    ) -> None:
        """Refused."""
        raise UnreadableFileError(
            path, f"cannot be written as {self.formats[0]}", "choose another format"
        )

    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Refused."""
        self.write_labels(path, np.zeros(0, np.uint8), like)
