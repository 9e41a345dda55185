"""Writing packages: what is refused, one pass over the cases for all kinds, and the explanation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ecs_med.acquisition.package.base import PACKAGES, Classes, Package, PackagedCase
from ecs_med.config import ReadingSettings
from ecs_med.data.cases import PreparedCase
from ecs_med.data.readers import read_header, read_scan
from ecs_med.errors import DeviceMemoryError, EcsMedError, SettingsError
from ecs_med.files import told
from ecs_med.inference.model import Model
from ecs_med.inference.one_input import stored_values
from ecs_med.inference.predictor import check_scan, segment_case
from ecs_med.names import file_name
from ecs_med.runs.whole_folders import require_replaceable, written_as_a_whole
from ecs_med.types import Case, DeclaredLabels

__all__ = ["HOW", "Packing", "classes_of"]

HOW = "how.md"


@dataclass(frozen=True, slots=True)
class Packing:
    """The packages that are asked for, before anything is written.

    Attributes:
        kinds: Each once.
        output: Folder in which each kind has one of its name.
        classes: What annotators may draw.
        model: That draws the drafts; `None` without one.
    """

    kinds: tuple[type[Package], ...]
    output: Path
    classes: Classes
    model: Model | None

    @classmethod
    def planned(
        cls,
        names: Sequence[str] | str,
        output: Path,
        model: Model | None,
        cases: Sequence[Case],
        labels: DeclaredLabels | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> Self | None:
        """Refuse what cannot be written, before a long pass over the data.

        Args:
            names: Names of packages, a list or one text with commas; empty: none is asked for.
            output: As of the attribute.
            model: As of the attribute.
            cases: Candidates, of which the first one is looked at.
            labels: What the data set declares, without a model.
            reading: Values for `ReadingSettings`.

        Returns:
            `None` where none is asked for.

        Raises:
            SettingsError: If a name is unknown, no class is known, the data are of another kind,
                or a folder holds what somebody has changed.
        """
        listed = names.split(",") if isinstance(names, str) else names
        asked = dict.fromkeys(part.strip() for text in listed for part in text.split(","))
        kinds = tuple(PACKAGES.get(name) for name in asked if name)
        if not kinds:
            return None
        packing = cls(kinds, output, classes_of(model, labels, reading or {}), model)
        for kind in kinds:
            require_replaceable(output / kind.name)
        packing._require(cases[:1])
        return packing

    def write(self, cases: Sequence[Case]) -> "Packed":
        """Write every package, each whole or not at all.

        Args:
            cases: What was suggested, the first one first.

        Raises:
            SettingsError: If a case is of a kind that a package cannot hold; nothing is written.
            RunFolderError: If a package cannot be written.
        """
        self._require(cases)
        names = _names(cases)
        packed = Packed({kind.name: self.output / kind.name for kind in self.kinds})
        with ExitStack() as stack:
            packages = []
            for kind, folder in zip(self.kinds, packed.folders.values(), strict=True):
                made = stack.enter_context(written_as_a_whole(folder, f"package {kind.name}"))
                packages.append(kind(made, self.classes))
            stack.enter_context(told(self.output))
            for case, name in zip(cases, names, strict=True):
                if (found := self._read(case, name, packed)) is not None:
                    for package in packages:
                        package.add(found)
            for package in packages:
                package.close()
                _explain(package, len(cases) - len(packed.left_out), drafted=self.model is not None)
        return packed

    def _require(self, cases: Sequence[Case]) -> None:
        for case in cases:
            header = read_header(case.images, case.frame)
            for kind in self.kinds:
                kind.require(case, header)

    def _read(self, case: Case, name: str, packed: "Packed") -> PackagedCase | None:
        """A case with its draft; one that can no longer be read is told."""
        try:
            scan = read_scan(case.images, case.frame)
            draft = None
            if self.model is not None:
                check_scan(self.model, scan, case.images[0])
                prepared = PreparedCase.of_scan(scan, self.model.spec.preparation)
                draft = segment_case(self.model, prepared).labels
        except DeviceMemoryError:
            raise
        except EcsMedError as error:
            packed.left_out.append(str(error))
            return None
        return PackagedCase(name, case, scan, draft)


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written.

    Attributes:
        folders: Of each package by its name.
        left_out: Why a case is in none, a sentence each.
    """

    folders: dict[str, Path]
    left_out: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know, one sentence each."""
        return tuple(f"Left out of the packages: {why}" for why in self.left_out)


def classes_of(
    model: Model | None, labels: DeclaredLabels | None, reading: Mapping[str, Any]
) -> Classes:
    """Names and stored values of the classes: the model's, else those that the data set declares.

    Raises:
        SettingsError: If nobody names a class.
    """
    if model is not None:
        return Classes(tuple(model.spec.class_names), tuple(stored_values(model).tolist()))
    settings = ReadingSettings.parse(dict(reading))
    numbers = list(labels or ())
    names = settings.class_names or tuple((labels or {}).values())
    if len(names) < 2:
        raise SettingsError(
            "A package for annotators needs the names of classes, and without a model nothing "
            "tells them; say them by `class_names`, such as `class_names=background,polyp`."
        )
    given = settings.mask_values or tuple(n for n in numbers if isinstance(n, int))
    values = given if len(given) == len(names) else tuple(range(len(names)))
    return Classes(tuple(names), tuple(int(value) for value in values))


def _names(cases: Sequence[Case]) -> list[str]:
    """File names: the last part of each id, or all of it where two would be the same."""
    last = [file_name(case.id.rpartition("/")[2], distinct=True) for case in cases]
    counts = Counter(name.casefold() for name in last)
    return [
        name if counts[name.casefold()] == 1 else file_name(case.id, distinct=True)
        for name, case in zip(last, cases, strict=True)
    ]


def _explain(package: Package, count: int, *, drafted: bool) -> None:
    drafts = ", each with the draft of a model that nobody has checked" if drafted else ""
    lines = [f"# {count} {package.kind}(s) to annotate: {package.title}", ""]
    lines += [f"{place}. {step}" for place, step in enumerate(package.steps(drafted=drafted), 1)]
    lines += ["", f"Written by ecs-med{drafts}. {package.steps_of_data()}", ""]
    (package.folder / HOW).write_text("\n".join(lines), encoding="utf-8")
