"""Options that say how data are read; every command that opens data takes them from here."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

__all__ = [
    "Axis",
    "ClassNames",
    "LayoutName",
    "MaskColors",
    "MaskThreshold",
    "MaskValues",
    "Patient",
    "VoidValues",
    "Window",
    "given_reading",
    "reading_options",
]

LayoutName = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="folder, msd, nnunet, listing, voc, cityscapes, camvid; else recognised.",
    ),
]
Patient = Annotated[
    str | None,
    typer.Option(
        "--patient",
        help="Whose image it is: none, folder, column (of a list), regex:PATTERN with one group.",
    ),
]
MaskValues = Annotated[
    str | None,
    typer.Option("--mask-values", help="Stored value of each class in order, such as 0,50,100."),
]
MaskThreshold = Annotated[
    int | None,
    typer.Option("--mask-threshold", help="Two classes: stored values from here on are class 1."),
]
MaskColors = Annotated[
    str | None,
    typer.Option(
        "--mask-colors", help="Colour of each class in order, such as '#000000,#ff0000,#00ff00'."
    ),
]
VoidValues = Annotated[
    str | None,
    typer.Option("--void-values", help="Stored values to ignore, such as 255."),
]
ClassNames = Annotated[
    str | None,
    typer.Option("--class-names", help="Names in order, background first: background,polyp."),
]
Axis = Annotated[
    str | None,
    typer.Option("--axis", help="Axis along which volumes are sliced: 0, 1, 2; else the coarsest."),
]
Window = Annotated[
    tuple[float, float] | None,
    typer.Option("--window", help="CT window in HU, lower and upper, such as -160 240."),
]


def reading_options(
    *,
    layout: str | None = None,
    patient: str | None = None,
    mask_values: str | None = None,
    mask_threshold: int | None = None,
    mask_colors: str | None = None,
    void_values: str | None = None,
    class_names: str | None = None,
    axis: str | None = None,
    window: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Turn the options that were given into values for `ReadingSettings`.

    Options that were not given are left out, so that the result can be laid over a
    settings file.

    Raises:
        SettingsError: If a list of numbers or of colours cannot be read.

    Example:
        >>> reading_options(mask_values="0,50", mask_colors="#000000, #ff8000")
        {'mask_values': (0, 50), 'mask_colors': ((0, 0, 0), (255, 128, 0))}
    """
    values: dict[str, Any] = {
        "layout": layout,
        "patient": patient,
        "mask_values": _integers(mask_values, "--mask-values"),
        "mask_threshold": mask_threshold,
        "mask_colors": _colors(mask_colors),
        "void_values": _integers(void_values, "--void-values"),
        "class_names": _parts(class_names),
        "axis": axis,
        "window": window,
    }
    return {name: value for name, value in values.items() if value is not None}


_READING = (
    "layout",
    "patient",
    "mask_values",
    "mask_threshold",
    "mask_colors",
    "void_values",
    "class_names",
    "axis",
    "window",
)


def given_reading(given: Mapping[str, Any]) -> dict[str, Any]:
    """`reading_options` of a command's options by parameter name (`typer.Context.params`)."""
    return reading_options(**{name: given[name] for name in _READING if name in given})


def _parts(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _integers(text: str | None, option: str) -> tuple[int, ...] | None:
    from ecs_med.errors import SettingsError

    parts = _parts(text)
    try:
        return None if parts is None else tuple(int(part) for part in parts)
    except ValueError:
        raise SettingsError(
            f"{option}: '{text}' is no list of whole numbers; write 0,1,2 with commas."
        ) from None


def _colors(text: str | None) -> tuple[tuple[int, int, int], ...] | None:
    from ecs_med.errors import SettingsError

    parts = _parts(text)
    if parts is None:
        return None
    colors = []
    for part in parts:
        digits = part.removeprefix("#")
        try:
            red, green, blue = bytes.fromhex(digits)
        except ValueError:
            raise SettingsError(
                f"--mask-colors: '{part}' is no colour; write six hexadecimal digits, such as"
                " #ff0000, with commas between colours."
            ) from None
        colors.append((red, green, blue))
    return tuple(colors)
