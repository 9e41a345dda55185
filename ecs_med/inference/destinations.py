"""Where the outputs of a prediction go: no input overwritten, no two outputs at one place."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.data.readers import available_readers, stem
from ecs_med.errors import SettingsError
from ecs_med.inference.formats import available_formats, default_format
from ecs_med.inference.scans import PredictionInput

__all__ = ["Destination", "output_folder", "plan_destinations"]

DEFAULT_OUTPUT = Path("predictions")


@dataclass(frozen=True, slots=True)
class Destination:
    """The files that one input gives.

    Attributes:
        labels: The label map.
        formats: Name of its format, then of those of `further`.
        further: The label map in other formats.
        overlay: Picture with the labels drawn in, or `None` where it was not asked for.
        certainty: Map of the corrector's certainty, or `None` where it was not asked for.
    """

    labels: Path
    formats: tuple[str, ...] = ()
    further: tuple[Path, ...] = ()
    overlay: Path | None = None
    certainty: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that are asked for."""
        maps = (self.overlay, self.certainty)
        return (self.labels, *self.further, *(path for path in maps if path is not None))


def output_folder(output: Path | None) -> Path:
    """The folder that results are written to; `predictions` if none is named."""
    if output is None:
        return DEFAULT_OUTPUT
    return output.parent if _is_file_name(output) else output


def plan_destinations(
    items: Sequence[PredictionInput],
    output: Path | None,
    *,
    formats: Sequence[tuple[str, ...]] | None = None,
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
        formats: Of each item, see `formats_of`; `None`: those that suit them.
        overlay: Whether overlays are asked for.
        certainty: Whether certainty maps are asked for.

    Returns:
        One destination per item, in their order.

    Raises:
        SettingsError: If `output` is a file name that does not fit, or an output would overwrite
            an input or another output.
    """
    if not items:
        return []
    wanted = formats or [(default_format(item),) for item in items]
    if output is not None and _is_file_name(output):
        _require_single(items, output, wanted)
        known = stem(output)
        bases = [output.with_name(known)]
        first = [output]
    else:
        folder = output_folder(output)
        bases = [folder / name for name in _names(items, wanted)]
        first = [_named(base, own[0]) for base, own in zip(bases, wanted, strict=True)]
    plan = [
        Destination(
            labels,
            own,
            tuple(_named(base, name) for name in own[1:]),
            overlay=base.with_name(f"{base.name}-overlay.png") if overlay else None,
            certainty=_named(base.with_name(f"{base.name}-certainty"), _of_maps(item, own))
            if certainty
            else None,
        )
        for item, base, labels, own in zip(items, bases, first, wanted, strict=True)
    ]
    _check(items, plan)
    return plan


def _named(base: Path, format_name: str) -> Path:
    return base.with_name(f"{base.name}{available_formats()[format_name].output_suffix}")


def _of_maps(item: PredictionInput, formats: Sequence[str]) -> str:
    """The format of maps of real numbers, which DICOM SEG cannot hold."""
    return next((name for name in formats if name != "dicom-seg"), default_format(item))


def _is_file_name(output: Path) -> bool:
    if output.is_dir():
        return False
    return any(reader.writes(output) for reader in available_readers().values())


def _require_single(
    items: Sequence[PredictionInput], output: Path, formats: Sequence[tuple[str, ...]]
) -> None:
    if len(items) > 1:
        raise SettingsError(
            f"{output}: names one file, but there are {len(items)} inputs; "
            "let `output` be a folder."
        )
    for item, own in zip(items, formats, strict=True):
        if len(own) > 1:
            raise SettingsError(
                f"{output}: names one file, but there are {len(own)} formats; let `output` be a "
                "folder."
            )
        writer = available_formats()[own[0]]
        if not writer.writes(output):
            raise SettingsError(
                f"{output}: labels of {item.path.name} are written as {writer.output_suffix}; "
                "change `output`."
            )


def _names(items: Sequence[PredictionInput], formats: Sequence[tuple[str, ...]]) -> list[str]:
    """Relative names without suffix, unique among the inputs of each format."""
    names = [str(item.folder / item.stem) for item in items]
    clashing = _clashing(names, formats)
    if clashing:
        common = os.path.commonpath([items[index].path.absolute().parent for index in clashing])
        for index in clashing:
            path = items[index].path.absolute()
            names[index] = str((path.parent / items[index].stem).relative_to(common))
    for index in _clashing(names, formats):
        path = items[index].path
        names[index] += path.name.removeprefix(stem(path)).replace(".", "_")
    return names


def _clashing(names: Sequence[str], formats: Sequence[tuple[str, ...]]) -> list[int]:
    full = [
        f"{name}{available_formats()[own[0]].output_suffix}"
        for name, own in zip(names, formats, strict=True)
    ]
    count = Counter(full)
    return [index for index, name in enumerate(full) if count[name] > 1]


def _check(items: Sequence[PredictionInput], plan: Sequence[Destination]) -> None:
    inputs = {image.resolve() for item in items for image in item.images}
    taken: dict[Path, Path] = {}
    for item, destination in zip(items, plan, strict=True):
        own: set[Path] = set()
        for path in destination.files:
            place = path.resolve()
            if place in own:
                raise SettingsError(
                    f"{path}: two results of {item.shown} would have this name; ask for one "
                    "of them."
                )
            own.add(place)
            if place in inputs:
                raise SettingsError(
                    f"{path}: is an input and would be overwritten; let `output` be another folder."
                )
            other = taken.setdefault(place, item.shown)
            if other != item.shown:
                raise SettingsError(
                    f"{path}: would be written for {other} and for {item.shown}; rename one "
                    "of them or segment them into different folders."
                )
