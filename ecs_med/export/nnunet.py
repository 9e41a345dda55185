"""Target `nnunet`: raw data of nnU-Net v2, with the run's split and the model's pseudo-labels."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ecs_med.export.base import Export, Request, Told
from ecs_med.export.cases import ExportedCase, PlannedCase, exported, plan_cases
from ecs_med.export.data_files import (
    IGNORE,
    PSEUDO_LABELS,
    as_stored,
    suffix_of,
    write_image,
    write_labels,
    write_object,
    write_pseudo_labels,
)
from ecs_med.types import IGNORE_INDEX

__all__ = ["NnUNetExport", "dataset_folder"]

_NUMBER = 500
"""Of the data set; nnU-Net leaves numbers from 500 on to its users' own conversions."""
_DATASET = re.compile(r"Dataset\d{3}_\w+")


class NnUNetExport(Export):
    """`DatasetXXX_Name` with `imagesTr`, `labelsTr`, and the test cases in `imagesTs`."""

    name: ClassVar[str] = "nnunet"
    title: ClassVar[str] = "an nnU-Net data set"
    writes_data: ClassVar[bool] = True

    def write(self, request: Request, folder: Path) -> Told:
        """Write images, labels, `dataset.json` and the split; errors as of `Export.write`."""
        plan, notes = plan_cases(request)
        root = dataset_folder(request, folder)
        written = write_cases(request, plan, root, _write_channels)
        write_object(root / "dataset.json", _description(request, plan, written.has_void))
        write_object(root / "splits_final.json", [_fold(plan)])
        told = [*notes, *written.notes(plan)]
        if not any(one.role == "validation" for one in plan):
            told.append("the split has no validation cases, so that fold 0 of nnU-Net has none")
        told.append(
            "splits_final.json goes into the folder of this data set below nnUNet_preprocessed; "
            "its one fold is the run's split"
        )
        return Told(written.facts(plan), tuple(told))


class Written:
    """What is known of cases after they were written."""

    def __init__(self) -> None:
        self.has_void = False
        self.pseudo: list[tuple[str, float]] = []

    def add(self, case: ExportedCase) -> None:
        """Count one."""
        self.has_void = self.has_void or bool((case.labels == IGNORE_INDEX).any())
        if case.ignored is not None:
            self.pseudo.append((case.planned.name, case.ignored))

    def facts(self, plan: Sequence[PlannedCase]) -> tuple[str, ...]:
        """How many cases are for what."""
        counts = [(sum(one.role == role for one in plan), role) for role in
                  ("labeled", "unlabeled", "validation", "test")]  # fmt: skip
        return (", ".join(f"{number} {role}" for number, role in counts if number) + " cases",)

    def notes(self, plan: Sequence[PlannedCase]) -> list[str]:
        """Which labels are a network's."""
        if not self.pseudo:
            return []
        share = sum(share for _, share in self.pseudo) / len(self.pseudo)
        ignored = f"; {share:.1%} of their pixels are ignored" if share else ""
        return [
            f"{len(self.pseudo)} label maps are the model's own, listed in {PSEUDO_LABELS}{ignored}"
        ]


def write_cases(request: Request, plan: Sequence[PlannedCase], root: Path, write: Any) -> Written:
    """Write images by `write(stem, suffix, scan)` and labels, test cases apart.

    Returns:
        What they held.
    """
    for part in ("Tr", "Ts"):
        for kind in ("images", "labels"):
            (root / f"{kind}{part}").mkdir(parents=True, exist_ok=True)
    found, suffix = Written(), suffix_of(request)
    for case in exported(request, plan):
        part = "Ts" if case.planned.is_test else "Tr"
        name = case.planned.name
        write(root / f"images{part}" / name, suffix, case.scan)
        labels = as_stored(case.labels, request.model.spec.num_classes)
        write_labels(root / f"labels{part}" / f"{name}{suffix}", labels, case.scan)
        found.add(case)
    if found.pseudo:
        write_pseudo_labels(root / PSEUDO_LABELS, request, found.pseudo)
    return found


def dataset_folder(request: Request, folder: Path) -> Path:
    """The folder itself where it is called `DatasetXXX_Name`, else one of such a name in it."""
    if _DATASET.fullmatch(request.name):
        return folder
    words = re.findall(r"[0-9A-Za-z]+", request.model.run.resolve().name)
    name = "".join(word[:1].upper() + word[1:] for word in words) or "Data"
    return folder / f"Dataset{_NUMBER}_{name[:60]}"


def _write_channels(stem: Path, suffix: str, scan: Any) -> None:
    if not scan.is_volume:
        write_image(stem.with_name(f"{stem.name}_0000{suffix}"), scan)
        return
    for number in range(len(scan.array)):
        path = stem.with_name(f"{stem.name}_{number:04d}{suffix}")
        write_image(path, scan, slice(number, number + 1))


def _description(request: Request, plan: Sequence[PlannedCase], has_void: bool) -> dict[str, Any]:
    spec = request.model.spec
    names = list(spec.class_names)
    labels = {name: number for number, name in enumerate([*names, *([IGNORE] if has_void else [])])}
    content: dict[str, Any] = {
        "name": request.model.run.resolve().name,
        "channel_names": channel_names(request),
        "labels": labels,
        "numTraining": sum(not one.is_test for one in plan),
        "file_ending": suffix_of(request),
    }
    if spec.kind == "picture":
        content["overwrite_image_reader_writer"] = "NaturalImage2DIO"
    return content


def channel_names(request: Request) -> dict[str, str]:
    """By channel; nnU-Net normalises what is called CT by the whole data set."""
    spec = request.model.spec
    if spec.kind == "picture":
        return {"0": "R", "1": "G", "2": "B"}
    name = "CT" if spec.preparation.window else "intensity"
    if spec.in_channels == 1:
        return {"0": name}
    return {str(number): f"{name} {number}" for number in range(spec.in_channels)}


def _fold(plan: Sequence[PlannedCase]) -> dict[str, list[str]]:
    return {
        "train": [one.name for one in plan if one.role in ("labeled", "unlabeled")],
        "val": [one.name for one in plan if one.role == "validation"],
    }
