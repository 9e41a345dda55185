"""Colours of classes that a data set declares itself, as CVAT's `labelmap.txt` does."""

from collections.abc import Mapping

from ecs_med.config import ReadingSettings
from ecs_med.types import DeclaredLabels

__all__ = ["with_declared_colors"]


def with_declared_colors(
    settings: ReadingSettings, declared: DeclaredLabels | None
) -> tuple[ReadingSettings, Mapping[int, str] | None]:
    """Settings with the colours and names that a data set declares, and what it declares by value.

    What the user says of stored values or colours comes first; then nothing declared is used.
    """
    colors = {key: name for key, name in (declared or {}).items() if isinstance(key, tuple)}
    values = {key: name for key, name in (declared or {}).items() if isinstance(key, int)}
    tables = (settings.mask_values, settings.mask_threshold, settings.mask_colors)
    if colors and all(table is None for table in tables):
        names = settings.class_names or tuple(colors.values())
        update = {"mask_colors": tuple(colors), "class_names": names}
        return settings.model_copy(update=update), None
    return settings, values or None
