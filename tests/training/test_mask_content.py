"""Draws guided by masks, from real files."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from ecs_med.config import TrainConfig
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.training.data_plan import plan_data

Build = Callable[..., TrainConfig]


def test_counts_are_those_of_the_files(settings: Build) -> None:
    config = settings()
    collection = open_data(config.data, config.reading)
    counts = diagnose(collection, config.reading).class_pixels
    masked = [case for case in collection.cases if case.mask is not None]
    assert set(counts) == {case.id for case in masked}
    for case in masked:
        assert case.mask is not None
        with Image.open(case.mask) as file:
            values, numbers = np.unique(np.asarray(file), return_counts=True)
        assert [n for n in counts[case.id] if n] == numbers.tolist(), values


@pytest.mark.parametrize("draw", ["foreground", "stratified"])
def test_a_guided_draw_is_noted_in_the_split(settings: Build, draw: str) -> None:
    plan = plan_data(settings(draw=draw))
    assert any(note.startswith(f"Draw {draw}") for note in plan.split.notes)
    assert plan.split.labeled
    assert {c.id for c in plan.split.test} == {c.id for c in plan_data(settings()).split.test}
