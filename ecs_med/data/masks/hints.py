"""What the user and the data set say of masks beside a table of values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.label_scheme import LabelScheme, default_class_names
from ecs_med.errors import SettingsError

__all__ = ["Hints"]


@dataclass(frozen=True, slots=True)
class Hints:
    """Class names and void values that are known before any mask is read.

    Attributes:
        names: Class names from settings.
        declared: Class name by stored value from the data set, void taken out.
        void: Void values from settings or the data set; `None` where neither says.
    """

    names: tuple[str, ...] | None
    declared: Mapping[int, str] | None
    void: tuple[int, ...] | None

    @classmethod
    def gathered(cls, settings: ReadingSettings, declared: Mapping[int, str] | None) -> "Hints":
        """From settings and from what a layout declares; a class named `ignore` is void."""
        if not declared:
            return cls(settings.class_names, None, settings.void_values)
        ignored = tuple(v for v, name in declared.items() if name.lower() == "ignore")
        void = settings.void_values if settings.void_values is not None else ignored or None
        classes = {v: name for v, name in sorted(declared.items()) if v not in (void or ())}
        if 0 not in declared:
            classes = {0: "background", **classes}
        return cls(settings.class_names, classes, void)

    @property
    def num_named(self) -> int | None:
        """Number of classes that settings or the data set name; `None` where neither does."""
        named = self.names if self.names is not None else self.declared
        return None if named is None else len(named)

    def names_for(self, num_classes: int, values: Sequence[int] | None = None) -> tuple[str, ...]:
        """Names of exactly this many classes, of these stored values where they are known."""
        if self.names is not None:
            if len(self.names) != num_classes:
                raise SettingsError(
                    f"{len(self.names)} class names were given for {num_classes} classes; "
                    "name every class with `class_names`, background first."
                )
            return self.names
        if self.declared is None:
            return default_class_names(num_classes)
        if values is not None and set(values) <= set(self.declared):
            return tuple(self.declared[value] for value in values)
        if len(self.declared) == num_classes:
            return tuple(self.declared.values())
        if values is None:
            return default_class_names(num_classes)
        return tuple(self.declared.get(value, f"value {value}") for value in values)

    def scheme(self, num_classes: int, **fields: Any) -> LabelScheme:
        """A scheme with these names; `fields` are those of `LabelScheme`."""
        names = self.names_for(num_classes, fields.get("values"))
        return LabelScheme.parse({"class_names": names, **fields})
