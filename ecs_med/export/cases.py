"""The cases of a run as another tool gets them: names, parts, and labels of experts or networks."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.config import ReadingSettings
from ecs_med.data.cases import PreparedCase
from ecs_med.data.depth import native_slices
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.prepare import to_native
from ecs_med.data.readers import Scan, read_scan, reader_of
from ecs_med.errors import DataError, RunFolderError
from ecs_med.export.base import Request
from ecs_med.export.model_scores import model_scores
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import check_scan, segment_case
from ecs_med.inference.trained_data import TrainedData
from ecs_med.splits import Role
from ecs_med.types import IGNORE_INDEX, Case

__all__ = ["ExportedCase", "PlannedCase", "exported", "plan_cases"]

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A case, and what becomes of it.

    Attributes:
        name: Of its files: letters, digits, `-` and `_`, unique.
        case: Where its image lies.
        role: Of the run's split; never `unused`.
    """

    name: str
    case: Case
    role: Role

    @property
    def is_test(self) -> bool:
        """Whether it is kept out of training."""
        return self.role == "test"


@dataclass(frozen=True, slots=True)
class ExportedCase:
    """A case that was read.

    Attributes:
        planned: What it is.
        scan: Its pixels.
        labels: Class indices on its grid, `IGNORE_INDEX` where nobody says what is there.
        ignored: Share of pixels whose pseudo-label was not sure enough; `None` for experts' labels.
    """

    planned: PlannedCase
    scan: Scan
    labels: Labels
    ignored: float | None


def plan_cases(request: Request) -> tuple[list[PlannedCase], tuple[str, ...]]:
    """The cases of the run's split, those of test apart by their role.

    Returns:
        The cases by id, and what a person should know, one sentence each.

    Raises:
        RunFolderError: If the run kept no split.
        DataError: If the data are gone, or a case of the split is.
    """
    run = request.model.run
    trained = TrainedData.of(run)
    if not trained.has_split:
        raise RunFolderError(
            f"{run}: no split.json, which says what each case is for; name a run folder as "
            "`ecs-med train` wrote it."
        )
    data = request.data or trained.place
    if data is None or not data.exists():
        raise DataError(
            f"{data or run}: the data of the training are not there; say by `data` where they are."
        )
    cases = open_data(data, ReadingSettings.parse(dict(trained.reading))).cases
    in_place = trained.lies_in(data)
    roles = trained.recognized(cases, by_place=in_place)
    _require_all(trained, roles, data)
    used = [case for case in cases if roles.get(case.id, "unused") != "unused"]
    names = _names(used)
    left_out = len(cases) - len(used)
    notes = (f"{left_out} cases that the run has not used are left out",) if left_out else ()
    plan = [PlannedCase(name, case, roles[case.id]) for name, case in zip(names, used, strict=True)]
    return plan, notes


def exported(request: Request, plan: Sequence[PlannedCase]) -> Iterator[ExportedCase]:
    """Read case after case; unlabelled ones are segmented, and their masks stay unread.

    Raises:
        DataError: If a file cannot be read, or a mask is gone.
    """
    model = request.model
    for one in plan:
        case = one.case
        scan = read_scan(case.images, case.frame)
        check_scan(model, scan, case.images[0])
        if one.role == "unlabeled":
            labels, ignored = _pseudo_labels(model, scan, request.ignore_below)
            yield ExportedCase(one, scan, labels, ignored)
            continue
        if case.mask is None:
            raise DataError(
                f"{case.images[0]}: had a mask in training, and none is there now; restore it."
            )
        labels = read_labels(case.images, case.mask, model.spec.labels, case.frame)
        yield ExportedCase(one, scan, labels, None)


def _require_all(trained: TrainedData, roles: dict[str, Role], data: Path) -> None:
    wanted = Counter(role for role in trained.roles.values() if role != "unused")
    there = Counter(role for role in roles.values() if role != "unused")
    for role, number in wanted.items():
        if there[role] != number:
            raise DataError(
                f"{data}: holds {there[role]} of the {number} {role} cases of the run's split, by "
                f"{trained.known_by}; put the others back, or name the right folder by `data`."
            )


def _names(cases: Sequence[Case]) -> list[str]:
    """File names; of DICOM numbers, for what its files are called may name patients."""
    plain = [_plain(case.id.rpartition("/")[2]) for case in cases]
    if len({name.casefold() for name in plain}) < len(plain):
        plain = [_plain(case.id) for case in cases]
    taken: set[str] = set()
    names = []
    for number, (name, case) in enumerate(zip(plain, cases, strict=True)):
        if reader_of(case.images).name == "dicom":
            name = f"case_{number:05d}"
        while not name or name.casefold() in taken:
            name = f"{name or 'case'}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _plain(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z-]+", "_", text).strip("_")[:100]


def _pseudo_labels(model: Model, scan: Scan, below: float) -> tuple[Labels, float]:
    case = PreparedCase.of_scan(scan, model.spec.preparation)
    labels = segment_case(model, case).labels
    if not below:
        return labels, 0.0
    unsure = _probability(model, case) < below
    return np.where(unsure, np.uint8(IGNORE_INDEX), labels), float(unsure.mean())


def _probability(model: Model, case: PreparedCase) -> npt.NDArray[np.float32]:
    """The largest probability of each pixel, on the grid of the file."""
    slicing, shape = case.slicing, case.header.shape
    found = np.empty(shape, np.float32)
    turned = slicing.turned(found)
    with torch.inference_mode():
        scores = model_scores(model, case.slices)
        # Corrected ones are probabilities already.
        parts = scores if model.spec.corrects else (part.softmax(dim=1) for part in scores)
        for start, maps in native_slices(parts, len(case.slices), slicing.num_slices):
            place = (*[slice(None)] * slicing.along, slice(start, start + len(maps)))
            target = turned[place] if len(shape) == 3 else turned
            native = to_native(maps, target.shape, slicing.along)
            target[...] = native.amax(0).cpu().numpy()
    return found
