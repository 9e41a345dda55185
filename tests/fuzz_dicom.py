"""Whole DICOM files of many kinds, what reads each, and a program that tries wrong ones."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dicom_mask_files
import numpy as np
from dicom_pictures import packaged
from fuzz_mutations import Attempt, attempts, try_one
from fuzz_samples import Kind

from ecs_med.config import Preparation, ReadingSettings
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.prepare import prepare_scan
from ecs_med.data.readers import read_header, read_scan
from ecs_med.data.readers.dicom.files import open_dataset
from ecs_med.data.readers.dicom.frames import burned_in, num_frames, read
from ecs_med.errors import DataError

__all__ = ["DICOM_KINDS", "main", "write_dicom_samples"]

MAX_SECONDS = 20
"""Of one attempt, on a machine that does other things as well."""

_SINGLE = {
    "MR_small.dcm": "slice",
    "MR_small_bigendian.dcm": "big endian",
    "MR_small_implicit.dcm": "implicit VR",
    "MR_small_RLE.dcm": "run length",
    "MR_small_jp2klossless.dcm": "JPEG 2000",
    "MR_small_jpeg_ls_lossless.dcm": "JPEG-LS",
    "JPGLosslessP14SV1_1s_1f_8b.dcm": "JPEG lossless",
    "SC_rgb_jpeg_dcmtk.dcm": "JPEG, colours",
    "SC_rgb_rle_2frame.dcm": "run length, colours, frames",
    "SC_ybr_full_422_uncompressed.dcm": "YBR",
    "examples_palette.dcm": "palette",
    "examples_jpeg2k.dcm": "JPEG 2000, colours",
    "gdcm-US-ALOKA-16.dcm": "segmented palette",
    "examples_ybr_color.dcm": "cine",
    "image_dfl.dcm": "deflated",
    "vlut_04.dcm": "table of values",
    "emri_small_RLE.dcm": "enhanced without place",
    "eCT_Supplemental.dcm": "enhanced",
}
_LARGE = ("examples_palette.dcm", "examples_ybr_color.dcm", "eCT_Supplemental.dcm")


def write_dicom_samples(root: Path) -> None:
    """Write one whole file of each kind, in a folder of its own with what belongs to it."""
    for name in _SINGLE:
        folder = root / Path(name).stem
        folder.mkdir(parents=True)
        (folder / name).write_bytes(packaged(name).read_bytes())
    voxels = np.random.default_rng(0).integers(-900, 900, (12, 10, 5)).astype(np.int16)
    files = dicom_mask_files.series(root / "series", voxels)
    masks = np.zeros((12, 10, 5, 2), np.uint8)
    masks[2:6, 3:8, 1:3, 0] = masks[7:9, 2:5, 2:4, 1] = 1
    dicom_mask_files.seg(root / "series" / "mask.seg", masks, files, ["a", "b"])
    square = np.array([[2.0, 3, 2], [6, 3, 2], [6, 8, 2], [2, 8, 2]])
    dicom_mask_files.structures(root / "series" / "mask.rt", files, {"a": [square]})


def _alone(name: str) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        path = folder / name
        frame = 0 if read_header([path]).kind == "sequence" else None
        read_scan(path)
        prepare_scan(read_scan(path, frame), Preparation(max_size=64))
        num_frames(path)
        return burned_in(open_dataset(path), path), read(path, 0)

    return use


def _series(folder: Path) -> object:
    files = sorted(folder.glob("*.dcm"))
    read_header(files)
    return prepare_scan(read_scan(files), Preparation(max_size=64))


def _mask(name: str) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        files, mask = sorted(folder.glob("I*.dcm")), folder / "mask.dcm"
        (folder / name).rename(mask)
        scheme, problems = understand_masks([mask], ReadingSettings(), images=[files])
        for problem in problems:
            if problem.severity == "error":
                raise DataError(f"{problem.path}: {problem.message}")
        return read_labels(files, mask, scheme)

    return use


DICOM_KINDS: tuple[Kind, ...] = (
    *(
        Kind(
            f"DICOM {what}", f"{Path(name).stem}/{name}", "dicom", _alone(name),
            1 if name in _LARGE else 3,
        )
        for name, what in _SINGLE.items()
    ),
    Kind("DICOM series", "series/I0014.dcm", "dicom", _series, 8),
    Kind("DICOM SEG", "series/mask.seg", "dicom", _mask("mask.seg"), 5),
    Kind("DICOM RTSTRUCT", "series/mask.rt", "dicom", _mask("mask.rt"), 5),
)  # fmt: skip


def _most_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def main(samples: Path, scratch: Path, number: int, seed: int) -> None:
    """Try `number` wrong files, each in a process of its own, and print a line for each.

    A line says what became of it, seconds, and by how many KB memory rose. A process that breaks,
    or takes longer than `MAX_SECONDS`, leaves a line of its own.
    """
    for kind in DICOM_KINDS:  # everything is imported once before memory counts
        try_one(next(iter(attempts(1, 0, [kind]))), samples, scratch)
    for index, attempt in enumerate(attempts(number, seed, DICOM_KINDS)):
        sys.stdout.flush()
        child = os.fork()
        if not child:
            signal.alarm(MAX_SECONDS)
            before, start = _most_kb(), time.perf_counter()
            result = try_one(attempt, samples, scratch / str(index))
            seconds, rise = time.perf_counter() - start, _most_kb() - before
            _tell(index, result.outcome, seconds, rise, attempt, result.mutation, result.said)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            _tell(index, "bug", MAX_SECONDS, 0, attempt, "?", f"ended with status {status}")


def _tell(
    index: int, outcome: str, seconds: float, rise: int, attempt: Attempt, *words: str
) -> None:
    line = (index, outcome, f"{seconds:.2f}", rise, attempt.kind.name, *words)
    sys.stdout.write("\t".join(map(str, line)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
