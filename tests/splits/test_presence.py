"""Classes that no labelled case shows."""

from ecs_med.splits import absent_classes, absent_classes_warning

NAMES = ("background", "polyp", "instrument")


def test_absent_classes_are_named() -> None:
    assert absent_classes({"a": {0}, "b": [0, 255]}, NAMES) == ("polyp", "instrument")
    assert absent_classes({"a": {0, 1}, "b": (2,)}, NAMES) == ()
    assert absent_classes({"all void": set()}, NAMES) == NAMES
    assert absent_classes({}, NAMES) == NAMES


def test_one_sentence() -> None:
    assert absent_classes_warning({"a": {0, 1}, "b": {2}}, NAMES) is None
    assert absent_classes_warning({"a": {0, 1}}, NAMES) == (
        "The class instrument has not one labelled pixel in the 1 labelled case and cannot be "
        "learned; raise --labeled or draw another subset with --seed."
    )
    assert absent_classes_warning({"a": {0}, "b": {0}}, NAMES) == (
        "The classes polyp, instrument have not one labelled pixel in the 2 labelled cases and "
        "cannot be learned; raise --labeled or draw another subset with --seed."
    )
