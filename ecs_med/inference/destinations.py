"""Where the outputs of a prediction go: no input overwritten, no two outputs at one place."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.data.readers import available_readers, reader_of, stem
from ecs_med.errors import SettingsError
from ecs_med.inference.scans import PredictionInput

__all__ = ["Destination", "output_folder", "plan_destinations"]

DEFAULT_OUTPUT = Path("predictions")


@dataclass(frozen=True, slots=True)
class Destination:
    """The files that one input gives.

    Attributes:
        labels: The label map.
        overlay: Picture with the labels drawn in, or `None` where it was not asked for.
        certainty: Map of the corrector's certainty, or `None` where it was not asked for.
    """

    labels: Path
    overlay: Path | None = None
    certainty: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that are asked for."""
        return tuple(p for p in (self.labels, self.overlay, self.certainty) if p is not None)


def output_folder(output: Path | None) -> Path:
    """The folder that results are written to; `predictions` if none is named."""
    if output is None:
        return DEFAULT_OUTPUT
    return output.parent if _is_file_name(output) else output


def plan_destinations(
    items: Sequence[PredictionInput],
    output: Path | None,
    *,
    overlay: bool = False,
    certainty: bool = False,
) -> list[Destination]:
    """Name the outputs of every input.

    A picture gives `<stem>.png`, a NIfTI volume `<stem>.nii.gz`. What was found in sub-folders of
    an input folder keeps them. Inputs that would still share a name are told apart by the
    folders they lie in, and then by their suffix (`a_jpg.png`).

    Args:
        items: From `find_inputs`.
        output: Folder; with a single input also a file; `None` for `predictions`.
        overlay: Whether overlays are asked for.
        certainty: Whether certainty maps are asked for.

    Returns:
        One destination per item, in their order.

    Raises:
        SettingsError: If `output` is a file name that does not fit, or an output would overwrite
            an input or another output.
    """
    if output is not None and _is_file_name(output):
        labels = [_single(items, output)]
    else:
        folder = output_folder(output)
        labels = [
            folder / f"{name}{item.suffix}" for name, item in zip(_names(items), items, strict=True)
        ]
    plan = []
    for path in labels:
        name = stem(path)
        suffix = path.name.removeprefix(name)
        plan.append(
            Destination(
                path,
                overlay=path.with_name(f"{name}-overlay.png") if overlay else None,
                certainty=path.with_name(f"{name}-certainty{suffix}") if certainty else None,
            )
        )
    _check(items, plan)
    return plan


def _is_file_name(output: Path) -> bool:
    if output.is_dir():
        return False
    return any(reader.writes(output) for reader in available_readers().values())


def _single(items: Sequence[PredictionInput], output: Path) -> Path:
    if len(items) > 1:
        raise SettingsError(
            f"{output}: names one file, but there are {len(items)} inputs; "
            "let `output` be a folder."
        )
    if items and not reader_of(items[0].images).writes(output):
        raise SettingsError(
            f"{output}: labels of {items[0].path.name} are written as {items[0].suffix}; change "
            "`output`."
        )
    return output


def _names(items: Sequence[PredictionInput]) -> list[str]:
    """Relative names without suffix, unique among the inputs of each suffix."""
    names = [
        str(item.path.parent.relative_to(item.below or item.path.parent) / item.stem)
        for item in items
    ]
    clashing = _clashing(names, items)
    if clashing:
        common = os.path.commonpath([items[index].path.absolute().parent for index in clashing])
        for index in clashing:
            path = items[index].path.absolute()
            names[index] = str((path.parent / items[index].stem).relative_to(common))
    for index in _clashing(names, items):
        path = items[index].path
        names[index] += path.name.removeprefix(stem(path)).replace(".", "_")
    return names


def _clashing(names: Sequence[str], items: Sequence[PredictionInput]) -> list[int]:
    full = [f"{name}{item.suffix}" for name, item in zip(names, items, strict=True)]
    count = Counter(full)
    return [index for index, name in enumerate(full) if count[name] > 1]


def _check(items: Sequence[PredictionInput], plan: Sequence[Destination]) -> None:
    inputs = {image.resolve() for item in items for image in item.images}
    taken: dict[Path, Path] = {}
    for item, destination in zip(items, plan, strict=True):
        for path in destination.files:
            place = path.resolve()
            if place in inputs:
                raise SettingsError(
                    f"{path}: is an input and would be overwritten; let `output` be another folder."
                )
            other = taken.setdefault(place, item.path)
            if other != item.path:
                raise SettingsError(
                    f"{path}: would be written for {other} and for {item.path}; rename one of them "
                    "or segment them into different folders."
                )
