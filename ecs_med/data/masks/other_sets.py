"""Masks of another data set than the one that a model was trained on."""

from collections.abc import Sequence
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.census import MaskCensus, describe_values, joined, take_census
from ecs_med.data.masks.label_scheme import MAX_CLASSES, LabelScheme
from ecs_med.data.masks.reading import classes_present
from ecs_med.data.masks.rules import scheme_from_census
from ecs_med.data.masks.structure_census import with_structures_of
from ecs_med.errors import MaskValueError, SettingsError
from ecs_med.types import IGNORE_INDEX

__all__ = ["scheme_of_other_masks"]

_TABLES = ("mask_values", "mask_threshold", "mask_colors", "void_values")


def scheme_of_other_masks(
    masks: Sequence[Path],
    trained: LabelScheme,
    settings: ReadingSettings,
    *,
    images: Sequence[Sequence[Path]] = (),
    own: bool = False,
) -> tuple[LabelScheme, str]:
    """How masks are read that may be stored in another way than those of training.

    What settings say comes first. Else they are read as those of training where that reads them
    all; else by their own values where there are two classes, since then there is one way only to
    match them. What lies outside of a mask is as asked for, else as in training.

    Args:
        masks: Every mask that is scored; one at least.
        trained: How the masks of training are read.
        settings: What the user says of mask values.
        images: What each mask is drawn on, for formats that have no grid of their own.
        own: Whether they are masks of the data set that the model was trained on; if nothing else
            is asked for they are read as they were then.

    Returns:
        The scheme, with the class names of training, and how it was found; the sentence is empty
        where masks are read as those of training.

    Raises:
        MaskValueError: If values cannot be mapped onto the classes of the model.
        SettingsError: If settings give another number of classes than the model has.
    """
    if "outside_mask" in settings.model_fields_set:
        trained = trained.model_copy(update={"outside": settings.outside_mask})
    scheme, note = _scheme_of_values(masks, trained, settings, images, own)
    return scheme.model_copy(update={"outside": trained.outside}), note


def _scheme_of_values(
    masks: Sequence[Path],
    trained: LabelScheme,
    settings: ReadingSettings,
    images: Sequence[Sequence[Path]],
    own: bool,
) -> tuple[LabelScheme, str]:
    asked = any(getattr(settings, name) is not None for name in _TABLES)
    if own and not asked:
        return trained, ""
    census = take_census(masks, images)
    if len(census.unreadable) == len(masks):
        raise census.unreadable[0][1]
    trained = with_structures_of(trained, census)
    names = trained.class_names
    if asked:
        return _as_asked(census, names, settings)
    if _reads(trained, census):
        return trained, ""
    colored = census.colored.num_masks > 0 or census.palettes.clash is not None
    if len(names) == 2 or colored:
        try:
            scheme, note = scheme_from_census(census, settings, None)
        except MaskValueError:
            if colored:
                raise
        else:
            if scheme.num_classes == len(names) == 2:
                return scheme.model_copy(update={"class_names": names}), note
    raise _refused(census, trained)


def _as_asked(
    census: MaskCensus, names: tuple[str, ...], settings: ReadingSettings
) -> tuple[LabelScheme, str]:
    table = settings.mask_values or settings.mask_colors
    num_classes = 2 if settings.mask_threshold is not None else len(names)
    if table is not None:
        num_classes = len(table)
    if num_classes != len(names):
        raise SettingsError(
            f"The model has {len(names)} classes ({', '.join(names)}), but the mask options give "
            f"{num_classes}; name one stored value for each class."
        )
    return scheme_from_census(census, settings.model_copy(update={"class_names": names}), None)


def _reads(scheme: LabelScheme, census: MaskCensus) -> bool:
    """Whether a scheme reads every value, and tells two classes apart where there are two values.

    Masks of 0 and 255 have a value for each class by a scheme of 0 and 1 whose void is 255, but
    all that is drawn would be void.
    """
    if census.palettes.clash is not None and scheme.colors is None:
        return False
    if census.lossy.num_masks and scheme.values is not None and not scheme.nearest:
        return False
    try:
        present = classes_present(scheme, census)
    except MaskValueError:
        return False
    if scheme.num_classes > 2:
        return True
    values = census.exact.pixels.keys() | census.lossy.pixels.keys()
    return len(present - {IGNORE_INDEX}) > 1 or len(values) + len(census.colored.pixels) < 2


def _refused(census: MaskCensus, trained: LabelScheme) -> MaskValueError:
    """Values that are no classes of the model, with the option that makes them so."""
    group = census.exact if census.exact.num_masks else census.lossy
    void = set(trained.void_values)
    values = sorted(group.pixels.keys() - void)
    known = set(trained.values or ())
    strange = next((v for v in values if v not in known), (values or [*void])[0])
    each = f"each of its {trained.num_classes} classes, background first"
    if census.lossy.num_masks or len(values) > MAX_CLASSES:
        remedy = "store class numbers as PNG"
    elif len(values) == trained.num_classes:
        remedy = f"give the stored value of {each}, such as `mask_values={joined(values)}`"
    elif len(values) > trained.num_classes:
        remedy = f"store the value of {each}, alone"
        if trained.num_classes == 2 and values[0] == 0 and values[1] <= 255:
            merged = f"if all but 0 is its class {trained.class_names[1]} give "
            remedy = f"{merged}`mask_threshold={values[1]}`, else {remedy}"
    else:
        remedy = f"give the stored value of {each}, with `mask_values`"
    return MaskValueError(
        f"{group.example[strange]}: holds the value {strange}, which is no class of the model (in "
        f"all masks {describe_values(group.pixels)}); {remedy}."
    )
