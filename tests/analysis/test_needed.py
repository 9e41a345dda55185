import math

import pytest

from ecs_med.analysis import LabelsNeeded
from ecs_med.analysis.needed import labels_needed


@pytest.mark.parametrize(
    ("numbers", "kept", "words"),
    [
        ((90, 120, 200), (90, 120, 200), "needs about 120 labels (95 % interval 90 to 200)"),
        ((20, 120, 200), (None, 120, 200), "(95 % interval 50 or fewer to 200)"),
        ((90, 120, math.inf), (90, 120, None), "(95 % interval 90 to more than 800)"),
        ((90, 900, math.inf), (90, None, None), "probably needs more than 800 labels"),
        ((900, math.inf, math.inf), (None, None, None), "is not within reach of 800 labels"),
        ((10, 20, 70), (None, None, 70), "with 50 labels, the fewest measured; the upper end"),
        ((0, 0, 30), (None, None, None), "is expected with 50 labels, the fewest measured."),
    ],
)
def test_numbers_outside_the_range_are_left_to_the_words(numbers, kept, words):
    found = labels_needed(0.8, numbers, smallest=50, horizon=800)
    assert (found.estimate, found.lower, found.upper) == (kept[1], kept[0], kept[2])
    assert isinstance(found, LabelsNeeded)
    assert found.sentence.startswith("A score of 0.80 ")
    assert words in found.sentence
    assert found.sentence.endswith(".")


def test_a_score_keeps_its_digits():
    found = labels_needed(0.805, (90, 120, 200), smallest=50, horizon=800)
    assert found.sentence.startswith("A score of 0.805 ")
