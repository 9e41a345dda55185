"""Target `msd`: the folders of the Medical Segmentation Decathlon, with pseudo-labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ecs_med.data.readers import Scan
from ecs_med.export.base import Export, Request, Told
from ecs_med.export.cases import PlannedCase, plan_cases
from ecs_med.export.data_files import IGNORE, suffix_of, write_image, write_object
from ecs_med.export.nnunet import channel_names, write_cases

__all__ = ["MsdExport"]


class MsdExport(Export):
    """`imagesTr`, `labelsTr`, the test cases in `imagesTs` and `labelsTs`, and `dataset.json`."""

    name: ClassVar[str] = "msd"
    title: ClassVar[str] = "a Decathlon data set"
    writes_data: ClassVar[bool] = True

    def write(self, request: Request, folder: Path) -> Told:
        """Write images, labels and `dataset.json`; errors as of `Export.write`."""
        plan, notes = plan_cases(request)
        written = write_cases(request, plan, folder, _write_whole)
        write_object(folder / "dataset.json", _description(request, plan, written.has_void))
        validation = [one.name for one in plan if one.role == "validation"]
        told = [*notes, *written.notes(plan)]
        if validation:
            told.append(
                f"{len(validation)} validation cases lie among training, as the format has none; "
                "dataset.json lists them as validation"
            )
        return Told(written.facts(plan), tuple(told))


def _write_whole(stem: Path, suffix: str, scan: Scan) -> None:
    write_image(stem.with_name(f"{stem.name}{suffix}"), scan)


def _description(request: Request, plan: Sequence[PlannedCase], has_void: bool) -> dict[str, Any]:
    spec, suffix = request.model.spec, suffix_of(request)
    training = [one.name for one in plan if not one.is_test]
    test = [one.name for one in plan if one.is_test]
    names = [*spec.class_names, *([IGNORE] if has_void else [])]
    return {
        "name": request.model.run.resolve().name,
        "description": "exported by ecs-med",
        "tensorImageSize": "4D" if spec.kind == "volume" and spec.in_channels > 1 else "3D",
        "modality": channel_names(request),
        "labels": {str(number): name for number, name in enumerate(names)},
        "numTraining": len(training),
        "numTest": len(test),
        "training": [
            {"image": f"./imagesTr/{name}{suffix}", "label": f"./labelsTr/{name}{suffix}"}
            for name in training
        ],
        "test": [f"./imagesTs/{name}{suffix}" for name in test],
        "validation": [one.name for one in plan if one.role == "validation"],
    }
