"""Classes that the labelled cases do not show."""

from collections.abc import Collection, Mapping, Sequence

__all__ = ["absent_classes", "absent_classes_warning"]


def absent_classes(
    present: Mapping[str, Collection[int]], class_names: Sequence[str]
) -> tuple[str, ...]:
    """Names of the classes without one labelled pixel.

    Args:
        present: Class indices that occur in each labelled case, by case id; void and
            other indices outside the classes are passed over.
        class_names: In class order, background first.

    Example:
        >>> absent_classes({"a": {0, 1}, "b": {0, 255}}, ("background", "polyp", "tool"))
        ('tool',)
    """
    seen: set[int] = set().union(*present.values())
    return tuple(name for index, name in enumerate(class_names) if index not in seen)


def absent_classes_warning(
    present: Mapping[str, Collection[int]], class_names: Sequence[str]
) -> str | None:
    """One sentence that names the classes without a labelled pixel; `None` if there are none.

    Args:
        present: As in `absent_classes`.
        class_names: As in `absent_classes`.
    """
    absent = absent_classes(present, class_names)
    if not absent:
        return None
    noun = "class" if len(absent) == 1 else "classes"
    verb = "has" if len(absent) == 1 else "have"
    return (
        f"The {noun} {', '.join(absent)} {verb} not one labelled pixel in the "
        f"{len(present)} labelled case{'' if len(present) == 1 else 's'} and cannot be learned; "
        "raise --labeled or draw another subset with --seed."
    )
