import math
from functools import partial

import pytest

from ecs_med import analysis
from ecs_med.analysis import LabelsNeeded, LabelsSaved
from ecs_med.analysis.wording import labels_needed

describe_savings = partial(analysis.describe_savings, method="ECS")


def saved(num_labeled, equal, lower, upper, outside=None, share=0.0, **rest):
    rest.setdefault("measured", (50, 800))
    return LabelsSaved(num_labeled, 0.7, equal, outside, lower, upper, share, **rest)


INSIDE = {
    "saves": (
        saved(100, 219.6, 150.2, 301.4),
        "With 100 labelled images ECS is as good as supervised training with about 220: it saves "
        "about 120 images. The 95 % interval is 50 images saved to 201 images saved.",
    ),
    "saves one": (
        saved(100, 101.2, 100.6, 102.4),
        "With 100 labelled images ECS is as good as supervised training with about 101: it saves "
        "about 1 image. The 95 % interval is 1 image saved to 2 images saved.",
    ),
    "saves, uncertain": (
        saved(100, 219.6, 90, 301.4),
        "With 100 labelled images ECS is as good as supervised training with about 220: it saves "
        "about 120 images. This is not certain: the 95 % interval reaches from 10 images more to "
        "201 images saved.",
    ),
    "interval touches none": (
        saved(100, 150, 100.3, 200),
        "With 100 labelled images ECS is as good as supervised training with about 150: it saves "
        "about 50 images. This is not certain: the 95 % interval reaches from no difference to "
        "100 images saved.",
    ),
    "open on both sides": (
        saved(100, 219.6, None, None, share=0.2),
        "With 100 labelled images ECS is as good as supervised training with about 220: it saves "
        "about 120 images. This is not certain: the 95 % interval reaches from more than 50 "
        "images more to more than 700 images saved.",
    ),
    "certain, open above": (
        saved(100, 700, 300, None, share=0.3),
        "With 100 labelled images ECS is as good as supervised training with about 700: it saves "
        "about 600 images. The 95 % interval is 200 images saved to more than 700 images saved.",
    ),
    "saves nothing": (
        saved(100, 100.4, 80, 130),
        "With 100 labelled images ECS is as good as supervised training with the same number: it "
        "saves no labels. This is not certain: the 95 % interval reaches from 20 images more to "
        "30 images saved.",
    ),
    "costs": (
        saved(400, 300, 200, 380),
        "With 400 labelled images ECS is only as good as supervised training with about 300: it "
        "costs about 100 images more. The 95 % interval is 200 images more to 20 images more.",
    ),
    "no interval": (
        saved(100, 200, None, None, has_interval=False),
        "With 100 labelled images ECS is as good as supervised training with about 200: it saves "
        "about 100 images. With so few seeds there is no interval, and this may be chance.",
    ),
    "at the ends of the range": (
        saved(50, 60, None, 90),
        "With 50 labelled images ECS is as good as supervised training with about 60: it saves "
        "about 10 images. This is not certain: the 95 % interval reaches from a loss that the "
        "measured range does not show to 40 images saved.",
    ),
}

OUTSIDE = {
    "above": (
        saved(100, None, 500, None, "above", 0.8),
        "With 100 labelled images ECS is better than supervised training with the most labels "
        "measured (800): it saves more than 700 images. The 95 % interval begins at 400 images "
        "saved.",
    ),
    "above, uncertain": (
        saved(100, None, 90, None, "above", 0.6),
        "it saves more than 700 images. This is not certain: the 95 % interval begins at 10 images "
        "more.",
    ),
    "above, wholly": (
        saved(100, None, None, None, "above", 0.99),
        "it saves more than 700 images. The 95 % interval lies wholly on that side.",
    ),
    "above, anything": (
        saved(100, None, None, None, "above", 0.6),
        "This is not certain: the 95 % interval takes in all that was measured.",
    ),
    "above, at the most": (
        saved(800, None, 700, None, "above", 0.8),
        "(800); how many labels it saves cannot be read off. This is not certain: the 95 % "
        "interval begins at 100 images more.",
    ),
    "above, few seeds": (
        saved(100, None, None, None, "above", 1.0, has_interval=False),
        "it saves more than 700 images. With so few seeds there is no interval, and this may be "
        "chance.",
    ),
    "below": (
        saved(100, None, None, 80, "below"),
        "With 100 labelled images ECS is worse than supervised training with the fewest labels "
        "measured (50): it costs more than 50 images. The 95 % interval ends at 20 images more.",
    ),
    "below, uncertain": (
        saved(100, None, None, 180, "below"),
        "This is not certain: the 95 % interval ends at 80 images saved.",
    ),
    "below, wholly": (
        saved(100, None, None, None, "below"),
        "The 95 % interval lies wholly on that side.",
    ),
    "below, anything": (
        saved(100, None, None, None, "below", 0.1),
        "the 95 % interval takes in all that was measured.",
    ),
    "below, at the fewest": (
        saved(50, None, None, 60, "below", measured=(50, 800)),
        "(50); how many labels that costs cannot be read off.",
    ),
    "range not known": (
        saved(50, None, None, None, "above", 1.0, measured=None),
        "with the most labels measured; how many labels it saves cannot be read off.",
    ),
}


@pytest.mark.parametrize("name", INSIDE)
def test_inside_the_measured_range(name):
    found, words = INSIDE[name]
    assert describe_savings(found) == words


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_the_measured_range_only_bounds_are_stated(name):
    found, words = OUTSIDE[name]
    assert words in describe_savings(found)


@pytest.mark.parametrize(
    ("equal", "minutes", "cost", "words"),
    [
        (220, 6, None, "about 120 images (12 hours)."),
        (220, 7.5, 100, "about 120 images (15 hours, 1,500 EUR)."),
        (220, 5.25, 99.5, "about 120 images (10.5 hours, 1,044.75 EUR)."),
        (110, 6, 100, "about 10 images (1 hour, 100 EUR)."),
        (103, 5, 100, "about 3 images (15 minutes, 25 EUR)."),
        (5100, 10, 80, "about 5,000 images (833.3 hours, 66,666.67 EUR)."),
    ],
)
def test_hours_are_labels_times_minutes_and_money_hours_times_cost(equal, minutes, cost, words):
    found = saved(100, equal, 101, 9000)
    said = describe_savings(found, minutes_per_label=minutes, cost_per_hour=cost, currency="EUR")
    assert words in said


def test_a_cost_is_counted_like_a_saving():
    said = describe_savings(
        saved(400, 300, 200, 380), "volume", 30, 100, currency="EUR", method="Mean teacher"
    )
    assert said.startswith("With 400 labelled volumes Mean teacher is only as good as")
    assert "it costs about 100 volumes (50 hours, 5,000 EUR) more." in said


@pytest.mark.parametrize(
    ("minutes", "cost", "words"),
    [(0, None, "minutes_per_label"), (-5, None, "minutes_per_label"), (5, 0, "cost_per_hour")],
)
def test_refuses_what_is_not_positive(minutes, cost, words):
    with pytest.raises(ValueError, match=words):
        describe_savings(saved(100, 200, 150, 300), "image", minutes, cost)


def test_refuses_money_without_time():
    with pytest.raises(ValueError, match="needs minutes_per_label"):
        describe_savings(saved(100, 200, 150, 300), cost_per_hour=100)


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
