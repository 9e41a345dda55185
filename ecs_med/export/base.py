"""The contract of a target of exports, how targets are found, and exporting to one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ecs_med.errors import SettingsError
from ecs_med.inference.model import Model
from ecs_med.inference.storing import load_model
from ecs_med.records import Record
from ecs_med.registry import Registry
from ecs_med.runs.whole_folders import written_as_a_whole

__all__ = ["EXPORTS", "Export", "ExportReport", "Request", "export"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        model: The trained model.
        uncorrected: Whether it is the segmenter alone of a model that corrects.
        data: Data set, for targets that write one; `None`: where it lay in training.
        ignore_below: Pseudo-labels of a lower probability are written as ignored, 0..1; 0: none.
        name: Of the folder that is written in the end.
    """

    model: Model
    uncorrected: bool = False
    data: Path | None = None
    ignore_below: float = 0.0
    name: str = "export"

    @property
    def corrects(self) -> bool:
        """Whether labels come with what the corrector puts in."""
        return self.model.spec.corrects


class ExportReport(Record):
    """What an export gave."""

    target: str
    """Name of the target."""
    model: Path
    """Run folder of the model."""
    output: Path
    """Folder that was written."""
    files: tuple[str, ...]
    """What lies in it, as paths below it, sorted."""
    facts: tuple[str, ...] = ()
    """What was checked and found, one sentence each."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a target has to say of what it wrote, see `ExportReport`."""

    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Export(ABC):
    """A target: the form in which another tool takes a model or data.

    To add one, derive from this class and name it under the entry-point group `ecs_med.exports`.
    """

    name: ClassVar[str]
    """Value of `to`."""
    title: ClassVar[str]
    """In messages."""
    writes_data: ClassVar[bool] = False
    """Whether it is a data set, to which `data` and `ignore_below` apply; else a model."""

    @abstractmethod
    def write(self, request: Request, folder: Path) -> Told:
        """Write everything into an empty folder, and check it.

        Raises:
            EcsMedError: If the model cannot be written so, or a check fails: what is in the folder
                then is thrown away.
        """


EXPORTS: Registry[Export] = Registry("ecs_med.exports", "export", Export)
"""Every target that is installed or registered."""


def export(
    model: Model | Path | str | None,
    to: str,
    output: Path | str | None = None,
    *,
    uncorrected: bool = False,
    data: Path | str | None = None,
    ignore_below: float = 0.0,
) -> ExportReport:
    """Write a model, or its data with pseudo-labels, in the form of another tool.

    Args:
        model: Trained model, or run folder; `None`: the newest run below `runs/`.
        to: A key of `EXPORTS`: `bundle`, `onnx`, `nnunet`, `msd`.
        output: Folder; `None`: `exports/<run>-<to>`. One that is there must be empty, or hold
            nothing but an export of before, which is replaced when everything is written.
        uncorrected: Of a model that corrects, take the segmenter alone, which is another result.
        data: Data set, for targets that write one; `None`: where it lay in training.
        ignore_below: Pseudo-labels of a lower probability are written as ignored, 0..1.

    Raises:
        EcsMedError: If it cannot be written; nothing is left then, and what was there is as it was.

    Example:
        >>> from ecs_med.export import EXPORTS
        >>> EXPORTS.names()
        ('bundle', 'msd', 'nnunet', 'onnx')
    """
    target = EXPORTS.get(to)()
    _check_settings(target, uncorrected, data, ignore_below)
    loaded = model if isinstance(model, Model) else load_model(model, "cpu")
    folder = (
        Path("exports", f"{loaded.run.resolve().name}-{to}") if output is None else Path(output)
    )
    if uncorrected and not loaded.spec.corrects:
        raise SettingsError(
            f"{loaded.run}: a model trained with '{loaded.spec.method}' corrects nothing; leave "
            "out `uncorrected`."
        )
    if uncorrected:
        loaded = _segmenter_alone(loaded)
    if not target.writes_data:
        _require_whole_frames(loaded, target.title)
    request = Request(
        loaded, uncorrected, None if data is None else Path(data), ignore_below, folder.name
    )
    with written_as_a_whole(folder, to) as temporary:
        told = target.write(request, temporary)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return ExportReport(
        target=to,
        model=loaded.run,
        output=folder,
        files=tuple(name for name in files if (folder / name).is_file() and name[0] != "."),
        facts=told.facts,
        notes=told.notes,
    )


def _require_whole_frames(model: Model, title: str) -> None:
    if model.spec.preparation.field_of_view == "auto":
        raise SettingsError(
            f"{model.run}: was trained with `field_of_view`, which {title} cannot do; train "
            "without it to export the model."
        )


def _segmenter_alone(model: Model) -> Model:
    spec = model.spec.model_copy(
        update={"corrects": False, "corrector": None, "corrector_encoder": None}
    )
    return Model(
        spec,
        model.segmenter,
        None,
        device=model.device,
        run=model.run,
        classifier=model.classifier,
    )


def _check_settings(
    target: Export, uncorrected: bool, data: Path | str | None, ignore_below: float
) -> None:
    if not 0 <= ignore_below < 1:
        raise SettingsError(f"`ignore_below={ignore_below:g}` is no probability; give 0 to 1.")
    if target.writes_data and uncorrected:
        raise SettingsError(
            "`uncorrected` is for models, and a data set is asked for; leave it out."
        )
    if not target.writes_data and (data is not None or ignore_below):
        name = "data" if data is not None else "ignore_below"
        raise SettingsError(
            f"`{name}` is for data sets, and {target.title} holds a model; leave it out, or set "
            "`to` nnunet or msd."
        )
