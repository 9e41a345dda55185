"""Colours of classes in overlays, figures and reports: the same class, the same colour, everywhere.

The colours are those of Okabe and Ito (2008), distinguishable with every common
form of colour blindness. The order begins with the hues that stand out best
against mucosa and skin, and against the greys of MRI and CT.
"""

__all__ = ["CLASS_COLORS", "RIGHT_COLOR", "class_color", "css_color"]

CLASS_COLORS: tuple[tuple[int, int, int], ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
"""RGB, 0..255, of the classes 1, 2, 3, ...; class 0, the background, stays transparent."""

RIGHT_COLOR: tuple[int, int, int] = (128, 128, 128)
"""RGB of pixels where the corrector finds the given segmentation right."""


def class_color(index: int) -> tuple[int, int, int]:
    """RGB of a foreground class; colours repeat after the seventh.

    Args:
        index: Class index, 1 or higher.

    Raises:
        ValueError: For the background, which has no colour.
    """
    if index < 1:
        raise ValueError(f"class {index} is drawn transparent and has no colour")
    return CLASS_COLORS[(index - 1) % len(CLASS_COLORS)]


def css_color(index: int) -> str | None:
    """The colour of a class in CSS; `None` for the background.

    Example:
        >>> css_color(1)
        '#56b4e9'
    """
    return None if index == 0 else "#{:02x}{:02x}{:02x}".format(*class_color(index))
