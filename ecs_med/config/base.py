"""What all settings have in common, and how files of settings are read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from ecs_med.errors import SettingsError
from ecs_med.files import regular_file
from ecs_med.registry import nearest

__all__ = ["MACHINE", "PLACE", "Settings", "merge_settings", "read_settings"]

_MAX_DEPTH = 32
"""Levels of a file of settings; libraries fail somewhere beyond."""

_NUM_SHOWN = 200
"""Characters of a wrong value in a message."""

PLACE: dict[str, JsonValue] = {"affects": "place"}
"""Metadata of a field (`json_schema_extra`) that says where things lie or who prepares them; no
result depends on it, to the last bit."""

MACHINE: dict[str, JsonValue] = {"affects": "machine"}
"""Metadata of a field on how it is computed; results differ by rounding at most."""


class Settings(BaseModel):
    """Base of all settings: keyword-only, frozen, unknown keys refused with the nearest known.

    Example:
        >>> class Mine(Settings):
        ...     weight: float = 0.1
        >>> Mine.parse({"weihgt": 1.0})
        Traceback (most recent call last):
        ecs_med.errors.SettingsError: unknown setting 'weihgt'; did you mean 'weight'?
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @classmethod
    def fields_affecting(cls, *what: Literal["result", "place", "machine"]) -> frozenset[str]:
        """Names of the fields that affect the result, the place or the machine.

        A field without metadata affects the result.

        Example:
            >>> from ecs_med.config import TrainConfig
            >>> sorted(TrainConfig.fields_affecting("place"))
            ['cache', 'data', 'run', 'tensorboard', 'workers']
        """
        extras = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
        return frozenset(
            name
            for name, extra in extras.items()
            if (extra.get("affects") if isinstance(extra, dict) else "result") in what
        )

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    hint = nearest(str(key), cls.model_fields)
                    raise ValueError(f"unknown setting '{key}'; {hint}")
        return values

    @classmethod
    def parse(cls, values: Mapping[str, Any], section: str = "") -> Self:
        """Validate `values`.

        Args:
            values: Settings by name.
            section: Where they stand in a file of settings, dotted, for messages.

        Raises:
            SettingsError: One sentence that names the first wrong field and its value.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in (section, *first["loc"]) if part != "")
            message = first["msg"].removeprefix("Value error, ")
            if first["loc"] and not isinstance(first["input"], Mapping):
                message += f" (got {_shown(first['input'])})"
            end = "" if message.endswith((".", "?")) else "."
            raise SettingsError(f"{where + ': ' if where else ''}{message}{end}") from None


def _shown(value: object) -> str:
    """A value in a message, cut where it is a file of its own."""
    text = repr(value)
    return text if len(text) <= _NUM_SHOWN else f"{text[:_NUM_SHOWN]}..."


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a JSON or YAML file, not yet validated.

    Raises:
        SettingsError: If the file cannot be read or holds something else.
    """
    try:
        text = regular_file(path).read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            values = json.loads(text)
        else:
            import yaml

            values = yaml.safe_load(text)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions."
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path}: not readable as settings ({reason}).") from error
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path}: expected a mapping of settings.")
    if _is_deep(values, _MAX_DEPTH):
        raise SettingsError(f"{path}: nested deeper than {_MAX_DEPTH} levels; no setting is.")
    return dict(values)


def _is_deep(value: object, allowed: int) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return False
    parts = value.values() if isinstance(value, Mapping) else value
    return allowed == 0 or any(_is_deep(part, allowed - 1) for part in parts)


def merge_settings(values: Mapping[str, Any], *layers: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with each of `layers` laid over it, sections key by key; `None` is not given.

    Example:
        >>> merge_settings({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": None})
        {'a': {'b': 3, 'c': 2}}
    """
    result = dict(values)
    for key, value in (item for layer in layers for item in layer.items()):
        if isinstance(value, Mapping):
            part = result.get(key)
            section = merge_settings(part if isinstance(part, Mapping) else {}, value)
            if section:
                result[key] = section
        elif value is not None:
            result[key] = value
    return result
