"""In which formats results are written, and whether an input can have them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from ecs_med.data.readers import Reader, available_readers, reader_of
from ecs_med.errors import EcsMedError, MissingExtraError, SettingsError, UnreadableFileError
from ecs_med.files import regular_file
from ecs_med.inference.scans import PredictionInput

__all__ = ["available_formats", "formats_of", "is_on_source", "known", "read_codes", "settled"]

_MAX_BYTES = 2**20


def available_formats() -> dict[str, Reader]:
    """What writes each format, by its name, such as `nifti` or `dicom-seg`."""
    return {reader.output_format or name: reader for name, reader in available_readers().items()}


def known(to: Sequence[str] | str | None) -> tuple[str, ...]:
    """Names of formats, each once.

    Args:
        to: Names, or one text with commas; `None`: those that suit each input.

    Raises:
        SettingsError: If one is not known.
    """
    parts = to.split(",") if isinstance(to, str) else to or ()
    names = tuple(dict.fromkeys(part.strip() for part in parts))
    there = available_formats()
    for name in names:
        if name not in there:
            raise SettingsError(
                f"There is no format '{name}' for results; `to` takes {', '.join(sorted(there))}."
            )
    return names


def default_format(item: PredictionInput) -> str:
    """The format of the results of an input where none is asked for."""
    reader = reader_of(item.images)
    if reader.result_format and not _is_volume(item):
        return "png"
    return reader.result_format or reader.output_format or reader.name


def formats_of(
    item: PredictionInput, to: Sequence[str], output: Path | None = None
) -> tuple[str, ...]:
    """The formats in which the results of an input are written.

    Args:
        item: The input.
        to: What is asked for; empty: what suits it, or what `output` is called like.
        output: The file that is asked for, if one is.

    Raises:
        UnreadableFileError: If an input cannot have results of a format.
        MissingExtraError: If what writes a format is not installed.
    """
    names = tuple(to)
    there = available_formats()
    if not names:
        names = (default_format(item),)
        if output is not None and not there[names[0]].writes(output):
            names = tuple(n for n, reader in there.items() if reader.writes(output))[:1] or names
    own = reader_of(item.images)
    for name in names:
        if is_on_source(item, name):
            there[name].require_writable(item.source)
        elif to or there[name] is not own:
            there[name].require_writable(item.images, item.frame)
    return names


def is_on_source(item: PredictionInput, name: str) -> bool:
    """Whether results of a format lie on the slices that the scan was resampled from."""
    return bool(item.source) and name == "dicom-seg"


def settled(
    items: Sequence[PredictionInput], to: Sequence[str], output: Path | None
) -> tuple[list[PredictionInput], list[tuple[str, ...]]]:
    """Inputs that cannot have the results that are asked for told apart, before a model runs.

    Args:
        items: From `find_inputs`.
        to: As of `formats_of`.
        output: Folder or file, if one was named.

    Returns:
        The items, those with their `problem`, and the formats of those without one.

    Raises:
        MissingExtraError: If none can, for want of what is not installed.
    """
    file = None if output is None or output.is_dir() else output
    found, formats = [], []
    for item in items:
        problem: EcsMedError | None = item.problem
        try:
            if problem is None:
                formats.append(formats_of(item, to, file))
        except EcsMedError as error:
            problem = error
        except OSError as error:
            problem = UnreadableFileError(item.path, error.strerror or "unreadable", "check it")
        found.append(replace(item, problem=problem))
    missing = [item.problem for item in found if isinstance(item.problem, MissingExtraError)]
    if missing and len(missing) == len(found):
        raise missing[0]  # no fault of any input, which one sentence says
    return found, formats


def _is_volume(item: PredictionInput) -> bool:
    return item.frame is None and reader_of(item.images).header(item.images).is_volume


# As long as elements of DICOM hold them; a backslash would part two values.
_Short = Annotated[str, StringConstraints(pattern=r"^[!-\[\]-~]{1,16}$")]
_Long = Annotated[str, StringConstraints(pattern=r"^[^\\\x00-\x1f]{1,64}$")]


class _Code(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    value: _Short
    meaning: _Long
    scheme: _Short = "SCT"


class _Codes(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    category: _Code
    type: _Code


def read_codes(path: Path, class_names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """Codes of classes from a JSON or YAML file.

    Args:
        path: `{class: {category: {value, meaning}, type: {value, meaning}}}`; the scheme is `SCT`
            (SNOMED CT) where none is named.
        class_names: Of the model.

    Raises:
        SettingsError: If it cannot be read, says something else, or names another class.
    """
    try:
        if regular_file(path).stat().st_size > _MAX_BYTES:
            raise ValueError("more than 1 MiB")
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
        found = TypeAdapter(dict[str, _Codes]).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SettingsError(
            f"{path}: {place or 'it'}: {first['msg']}; write a class, and below it category and "
            "type, each with value and meaning."
        ) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path}: no codes can be read ({reason}); check the file.") from error
    strange = [name for name in found if name not in class_names]
    if strange:
        raise SettingsError(
            f"{path}: '{strange[0]}' is no class of the model; it has {', '.join(class_names)}."
        )
    return {name: codes.model_dump() for name, codes in found.items()}
