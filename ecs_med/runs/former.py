"""Files of runs by former versions of ecs-med, as this version writes them.

Until format 2 of `model.json`, volumes were sliced along the axes of their files. Such a model goes
on slicing so: its networks know nothing else. And all correctors were networks with an encoder.

Before there was `flip_vertical`, pictures were mirrored left and right alone.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["config_of_former", "spec_of_former"]

_PLANES = {"auto": "auto", "0": "sagittal", "1": "coronal", "2": "axial"}
"""By the axis of the file that was named."""


def spec_of_former(values: Any) -> Any:
    """The content of a `model.json`, that of format 1 as format 2 says it; others as they are."""
    if not isinstance(values, Mapping):
        return values
    if values.get("corrector_encoder") is not None and "corrector" not in values:
        values = {**values, "corrector": "network"}
    if values.get("format") != 1:
        return values
    preparation = values.get("preparation")
    if not isinstance(preparation, Mapping):
        return values
    now = dict(preparation)
    now["usual_plane"] = now.pop("plane", "axial")
    now["plane"] = _plane(now.pop("axis", "auto"))
    return {**values, "format": 2, "preparation": {"orientation": "stored", **now}}


def config_of_former(values: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a `config.json`, that of former versions as this one says it."""
    now, reading = dict(values), values.get("reading")
    augmentation = values.get("augmentation")
    # Runs write all settings, so that those without the new ones are of a former version.
    if (
        isinstance(augmentation, Mapping)
        and "flip" in augmentation
        and "flip_vertical" not in augmentation
    ):
        now["augmentation"] = {**augmentation, "flip_vertical": False, "rotate": False}
    if not isinstance(reading, Mapping) or "axis" not in reading:
        return now
    now["reading"] = {name: value for name, value in reading.items() if name != "axis"}
    usual = now.pop("plane", None)
    now |= {"usual_plane": usual, "plane": _plane(reading["axis"]), "spacing": "none"}
    # Runs on pictures have no plane, and mean the same in both versions.
    return now | ({} if usual is None else {"orientation": "stored"})


def _plane(axis: object) -> object:
    return _PLANES.get(axis, axis) if isinstance(axis, str) else axis
