"""Classes that no reference shows, of which a score tells nothing but false alarms."""

from collections.abc import Iterable, Sequence

__all__ = ["absent_references", "absent_sentence"]


def absent_references(
    num_pixels: Iterable[Sequence[int]], class_names: Sequence[str]
) -> tuple[str, ...]:
    """Names of the foreground classes without a pixel in the references of some cases.

    Args:
        num_pixels: Of each case, pixels of the reference per class.
        class_names: In class order, background first.

    Example:
        >>> absent_references([(9, 0, 1), (9, 0, 0)], ("background", "polyp", "tool"))
        ('polyp',)
    """
    totals = [sum(column) for column in zip(*num_pixels, strict=True)]
    pairs = zip(class_names, totals, strict=False)
    return tuple(name for index, (name, total) in enumerate(pairs) if index and not total)


def absent_sentence(absent: Sequence[str], class_names: Sequence[str], cases: str) -> str | None:
    """What such a score means; `None` if every class is shown.

    Args:
        absent: As `absent_references` gives them.
        class_names: All classes, background first.
        cases: What was scored, such as `the 3 test cases`.
    """
    if not absent:
        return None
    what = "any foreground" if len(absent) == len(class_names) - 1 else ", ".join(absent)
    return (
        f"The references of {cases} do not show {what}: a score of 0 there counts false alarms "
        "alone, and where there is no score there were none."
    )
