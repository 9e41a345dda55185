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
        unlabeled: Values of pixels that nobody has annotated, from settings or the data set.
    """

    names: tuple[str, ...] | None
    declared: Mapping[int, str] | None
    void: tuple[int, ...] | None
    unlabeled: tuple[int, ...] = ()

    @classmethod
    def gathered(cls, settings: ReadingSettings, declared: Mapping[int, str] | None) -> "Hints":
        """From settings and from what a layout declares.

        A class named `void` is void; one named `ignore` is unlabelled, as nnU-Net means it, unless
        settings call it void.
        """
        void, unlabeled = settings.void_values, settings.unlabeled_values or ()
        if not declared:
            return cls(settings.class_names, None, void, unlabeled)
        ignored = tuple(v for v, name in declared.items() if name.lower() == "ignore")
        if void is None:
            declared_void = tuple(v for v, name in declared.items() if name.lower() == "void")
            void = declared_void or (() if ignored else None)
        unlabeled = tuple(
            dict.fromkeys((*unlabeled, *(v for v in ignored if v not in (void or ()))))
        )
        none = {*(void or ()), *unlabeled}
        classes = {v: name for v, name in sorted(declared.items()) if v not in none}
        if 0 not in declared and 0 not in none:
            classes = {0: "background", **classes}
        return cls(settings.class_names, classes, void, unlabeled)

    @property
    def no_classes(self) -> frozenset[int]:
        """Stored values that are known to be no class."""
        return frozenset((*(self.void or ()), *self.unlabeled))

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
        void = [v for v in fields.pop("void_values", ()) if v not in self.unlabeled]
        none = {"void_values": tuple(void), "unlabeled_values": self.unlabeled}
        return LabelScheme.parse({"class_names": names, **none, **fields})
