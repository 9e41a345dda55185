"""Layout `dicom`: patients with DICOM series, and masks of them in the same folders."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.intake.collections import with_grids, with_hidden_names
from ecs_med.data.layout import Layout
from ecs_med.data.readers import available_readers, is_image
from ecs_med.data.readers.dicom.files import guarded, is_dicom, open_dataset, quiet_libraries
from ecs_med.data.readers.dicom.frames import burned_in
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.data.readers.dicom.series import FoundSeries, Series, find_series
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.collecting import collect, collection_of, partition_of
from ecs_med_datasets.dicom_pairing import Pairing, pair_masks
from ecs_med_datasets.folder import find_image_folders
from ecs_med_datasets.naming import STRUCTURAL, relative_path
from ecs_med_datasets.scanning import Walk

__all__ = ["DicomLayout"]

FEWEST_SLICES = 3
"""A series of fewer, without a mask, is a localizer or a key image."""

_SAMPLE = 5000
_PER_FOLDER = 20
_FOLDERS = 10


class DicomLayout(Layout):
    """Series of patients in any folders, and masks as DICOM SEG, RTSTRUCT or NIfTI among them.

    Each series is a case, and so is each picture of a single frame. SEG and RTSTRUCT say which
    series they were drawn on; another mask is called as the folder of its series, lies beside it,
    or has its very grid. The patient is that of the headers. A series without a mask is unlabelled.
    """

    name = "dicom"
    priority = 12

    def recognizes(self, root: Path) -> bool:
        """Whether most images in the first folders are DICOM, and no pictures beside masks."""
        if not root.is_dir():
            return False
        first, num_dicom, num_others = _sample(root)
        if first is None or num_dicom < num_others:
            return False
        if not any(folder.masks for folder in find_image_folders(root)):
            return True
        try:
            return read_header(first).kind != "picture"
        except UnreadableFileError:
            return False

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the series below `root`; every DICOM header is read.

        Raises:
            DataError: If there is no series.
        """
        walk = Walk(root)
        paths = [root / f"{prefix}{name}" for prefix, name in walk.files()]
        reader = available_readers()["dicom"]
        dicom = [path for path in paths if reader.recognizes(path)]
        chosen = {*dicom}
        others = [path for path in paths if path not in chosen]
        found = find_series(dicom)
        scans = [s for s in found.series if s.kind != "sequence"]
        if not scans:
            raise DataError(
                f"{root}: no DICOM series or picture among {len(paths)} file(s); expected folders "
                "of patients with their series, and masks as DICOM SEG, RTSTRUCT or NIfTI."
            )
        files = [path for path in others if is_image(path)]
        pairing = pair_masks(scans, found.masks, files, root)
        used = [i for i, s in enumerate(scans) if i in pairing.mask_of or _is_worth(s)]
        cases = [_case(scans[i], pairing.mask_of.get(i), root) for i in used]
        cases = _with_own_ids(cases)
        problems = [
            *walk.problems,
            *_told(found, scans, used, root),
            *pairing.problems,
            *_not_used(others, files, pairing, walk, root),
            *_modality_problems([scans[i] for i in used], cases, root),
            *_text_in_pixels([scans[i] for i in used]),
        ]
        collection = collection_of(root, self.name, cases, problems)
        patients = {case.id: _patient(case, root) for case in cases}
        collection = collect(collection, settings, STRUCTURAL, column=patients, accounted=False)
        identities = {case.id: scans[i].identity for case, i in zip(cases, used, strict=True)}
        if settings.resample:
            collection = with_grids(collection, identities)
        if settings.keep_names:
            return collection
        return with_hidden_names(collection, identities)


def _sample(root: Path) -> tuple[Path | None, int, int]:
    """A DICOM file, and how many of the first files of some folders are DICOM and other images."""
    reader = available_readers()["dicom"]
    seen: Counter[str] = Counter()
    first, num_dicom, num_others = None, 0, 0
    for prefix, name in islice(Walk(root).files(), _SAMPLE):
        seen[prefix] += 1
        if len(seen) > _FOLDERS:
            break
        if seen[prefix] > _PER_FOLDER:
            continue
        path = root / f"{prefix}{name}"
        if reader.recognizes(path) and is_dicom(path):
            first, num_dicom = first or path, num_dicom + 1
        elif is_image(path):
            num_others += 1
    return first, num_dicom, num_others


def _is_worth(series: Series) -> bool:
    """Whether it is a case without a mask."""
    return series.kind == "picture" or series.size[2] >= FEWEST_SLICES


def _case(series: Series, mask: Path | None, root: Path) -> Case:
    first = series.files[0]
    alone = len(series.files) == 1
    where = relative_path(first if alone else first.parent, root)
    if alone:
        where = str(Path(where).with_name(available_readers()["dicom"].stem(first)))
    where = series.modality or "series" if where in (".", str(root)) else where
    return Case(where, series.files, mask, partition=partition_of(where))


def _with_own_ids(cases: Sequence[Case]) -> list[Case]:
    """The same with numbers behind the ids of several series in one folder."""
    counts = Counter(case.id for case in cases)
    met: Counter[str] = Counter()
    found = []
    for case in cases:
        met[case.id] += 1
        number = f"-{met[case.id]}" if counts[case.id] > 1 else ""
        found.append(Case(f"{case.id}{number}", case.images, case.mask, partition=case.partition))
    return found


def _patient(case: Case, root: Path) -> str:
    """Whose it is by its header, else by its outermost folder."""
    dataset = open_dataset(case.images[0], tags=["PatientID"])
    with quiet_libraries():
        try:
            own = str(dataset.get("PatientID") or "").strip()
        except Exception:  # a value that is no text
            own = ""
    folders = relative_path(case.images[0], root).split("/")[:-1]
    outer = next((name for name in folders if name.lower() not in STRUCTURAL), "")
    return own or outer or case.id


def _told(
    found: FoundSeries, scans: Sequence[Series], used: Sequence[int], root: Path
) -> Iterator[Problem]:
    """What is no case."""
    for path, error in found.unreadable:
        yield Problem.from_error(error, [path])
    if found.others:
        message = f"{len(found.others)} DICOM file(s) are no images (reports, plans, doses)"
        yield Problem("note", f"{message} and are not used", path=root)
    num_sequences = sum(series.kind == "sequence" for series in found.series)
    if num_sequences:
        yield Problem(
            "warning",
            f"{num_sequences} DICOM file(s) of several frames without positions are not used",
            "Export the frames to train on as single pictures",
            root,
        )
    num_small = len(scans) - len(used)
    if num_small:
        message = f"{num_small} series of fewer than {FEWEST_SLICES} slices and without a mask"
        yield Problem("note", f"{message} are not used", path=root)


def _not_used(
    others: Sequence[Path], files: Sequence[Path], pairing: Pairing, walk: Walk, root: Path
) -> Iterator[Problem]:
    """Files that are neither part of a series nor masks, counted."""
    num_others = len(others) - len(files)
    if num_others:
        yield Problem("note", f"{num_others} file(s) are no images and are not used", path=root)
    if pairing.unused:
        message = f"{len(pairing.unused)} image(s) lie beside a mask and are not used"
        yield Problem("note", message, path=root)
    if walk.own:
        message = f"{len(walk.own)} file(s) and folder(s) that ecs-med wrote are left out"
        yield Problem("note", message, path=root)


def _modality_problems(
    series: Sequence[Series], cases: Sequence[Case], root: Path
) -> Iterator[Problem]:
    """Unlabelled series of another kind of machine than those with masks."""
    pairs = list(zip(series, cases, strict=True))
    labeled = {s.modality for s, case in pairs if case.mask is not None}
    strange = [s.modality for s, _ in pairs if s.modality not in labeled]
    if labeled and strange:
        found = ", ".join(sorted({modality or "of unknown modality" for modality in strange}))
        yield Problem(
            "warning",
            f"{len(strange)} unlabelled series are {found}, where those with masks are "
            f"{', '.join(sorted(labeled))}",
            "Move away series that are not to be learnt from",
            root,
        )


def _text_in_pixels(series: Sequence[Series]) -> Iterator[Problem]:
    """Scans into whose pixels names may be written, told once with the first of them."""
    first, count = None, 0
    for scan in series:
        path = scan.files[0]
        try:
            header = open_dataset(path, tags=["BurnedInAnnotation", "Modality"])
            with guarded(path):
                found = burned_in(header, path)
        except UnreadableFileError:
            continue
        first, count = first or found, count + (found is not None)
    if first is not None:
        more = f" (so of {count} scans)" if count > 1 else ""
        yield replace(first, message=f"{first.message}{more}")
