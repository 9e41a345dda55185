"""What a model says of a mask against loops over its pixels; void, volumes, pictures in rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import ecs_med
from ecs_med.audit.judges import FoldJudge
from ecs_med.audit.judging import judge_mask
from ecs_med.audit.softmin import softmin
from ecs_med.data.depth import with_context
from ecs_med.data.layout import open_data
from ecs_med.inference import model as model_module
from ecs_med.losses import corrected_probabilities

VOLUME = {"iterations": 2, "batch": 2, "device": "cpu", "encoder_weights": "none"}


def judge_of(run, data):
    return FoldJudge(run, 0, open_data(data).cases, "cpu")


def with_void(found):
    """The prepared case with a corner that nobody has labelled."""
    reference = found.reference.copy()
    reference[:9, :7] = 255
    return replace(found, reference=reference)


def test_scores_are_those_of_the_given_labels(phantom, run):
    judge = judge_of(run, phantom)
    found = with_void(judge.prepare(judge.cases[0]))
    model, given = judge.model, found.labels
    logits = model.logits(found.slices)
    corrected = corrected_probabilities(logits, model.correct(found.slices, logits))
    probabilities = corrected[0].numpy()
    expected = corrected.argmax(dim=1)
    filled = given.where(given < 3, expected.to(given.dtype))
    right = model.judge(found.slices, filled)[0, -1].numpy()
    of_label, of_right = [], []
    rows, columns = given.shape[1:]
    for row in range(rows):
        for column in range(columns):
            if (label := int(given[0, row, column])) < 3:
                of_label.append(probabilities[label, row, column])
                of_right.append(right[row, column])
    assert len(of_label) == rows * columns - 63
    judged = judge_mask(model, found, doubt_of=0)
    assert judged.segmenter.of_case == pytest.approx(softmin(of_label), rel=1e-5)
    assert judged.corrector.of_case == pytest.approx(softmin(of_right), rel=1e-5)
    assert np.array_equal(judged.expected, expected.numpy())
    assert (judged.doubt[:9, :7] == 0).all()
    chosen = int(given[0, 20, 20])
    assert judged.doubt[20, 20] == pytest.approx(1 - probabilities[chosen, 20, 20], abs=1e-6)


def test_the_corrector_of_a_mask_is_asked_about_the_mask(phantom, run):
    """Two masks of one picture get two judgements; P(right) is that of the mask's own class."""
    model = ecs_med.load_model(run, "cpu")
    judge = judge_of(run, phantom)
    slices = judge.prepare(judge.cases[0]).slices
    blank = judge.prepare(judge.cases[0]).labels * 0
    sure = model.judge(slices, blank)
    assert sure.sum(dim=1).numpy() == pytest.approx(1, abs=1e-5)
    assert not np.allclose(sure[:, -1], model.judge(slices, blank + 1)[:, -1])


def test_without_a_corrector(phantom, plain_run):
    judge = judge_of(plain_run, phantom)
    verdict = judge(judge.cases[0], "digest")
    assert verdict.corrector is None
    assert all(one.corrector is None for one in verdict.classes)


def test_a_large_picture_in_rows_is_judged_as_in_one_piece(phantom, run, monkeypatch):
    judge = judge_of(run, phantom)
    judge.model.spec = judge.model.spec.model_copy(update={"tile": 32})
    found = judge.prepare(judge.cases[0])
    large = replace(
        found,
        slices=found.slices.repeat(1, 1, 3, 2),
        reference=np.tile(found.reference, (3, 2)),
        header=replace(found.header, shape=tuple(np.multiply(found.header.shape, (3, 2)))),
        preparation=found.preparation.model_copy(update={"max_size": 0, "min_size": 0}),
    )
    whole = judge_mask(judge.model, large, doubt_of=0)
    monkeypatch.setattr(model_module, "LARGE_VALUES", 1000)
    assert judge.model.goes_in_rows(large.slices.shape[-2:])
    rows = judge_mask(judge.model, large, doubt_of=0)
    assert np.array_equal(rows.expected, whole.expected)
    assert rows.doubt == pytest.approx(whole.doubt, abs=1e-5)
    assert rows.segmenter.of_case == pytest.approx(whole.segmenter.of_case, rel=1e-5)
    assert rows.corrector.of_case == pytest.approx(whole.corrector.of_case, rel=1e-4)


@pytest.mark.parametrize(
    "more",
    [
        {"crop": 32, "max_size": 32, "encoder": "test_resnet"},
        {"crop": 32, "max_size": 32, "encoder": "test_resnet", "context": 1},
        {"crop": 32, "dims": "3", "network": "unet3d", "network_settings": {"channels": [4, 8]}},
    ],
    ids=["slices", "neighbours", "patches"],
)
def test_volumes_by_their_worst_labelled_slice(volumes, tmp_path, more):
    settings = {**VOLUME, **more, "data": volumes, "fold": 0, "folds": 2, "run": tmp_path / "run"}
    judge = judge_of(ecs_med.train(settings), volumes)
    found = judge.prepare(judge.cases[0])
    count = len(found.slices)
    reference = np.moveaxis(found.reference.copy(), found.slicing.axis, 0)
    labelled = [found.slicing.across(index) for index in (2, count // 2)]
    reference[[layer for layer in range(len(reference)) if layer not in labelled]] = 255
    sparse = replace(found, reference=np.moveaxis(reference, 0, found.slicing.axis))
    judged = judge_mask(judge.model, sparse)
    known = [i for i, score in enumerate(judged.segmenter.of_slices) if score is not None]
    assert known == [2, count // 2]
    if judge.model.spec.spatial_dims == 2:
        index = known[0]
        part = with_context(found.slices, [index], judge.model.spec.context)
        logits = judge.model.logits(part)
        probabilities = corrected_probabilities(logits, judge.model.correct(part, logits))[0]
        given = found.labels[index].long()
        chosen = probabilities.gather(0, given[None])[0].numpy()
        assert judged.segmenter.of_slices[index] == pytest.approx(softmin(chosen), rel=1e-4)
        right = judge.model.judge(part, found.labels[index : index + 1])[0, -1].numpy()
        assert judged.corrector.of_slices[index] == pytest.approx(softmin(right), rel=1e-4)
    else:
        filled = np.where(judged.given < 3, judged.given, judged.expected)
        volume, labels = found.slices.movedim(1, 0)[None], torch.tensor(filled)[None]
        right = judge.model.judge(volume, labels)[0, -1, known[0]].numpy()
        assert judged.corrector.of_slices[known[0]] == pytest.approx(softmin(right), rel=1e-4)
    verdict = judge(judge.cases[0], "digest")
    assert verdict.layer is not None
    assert verdict.num_slices == count
    scores = judge_mask(judge.model, found).segmenter.of_slices
    assert scores[verdict.slice_index] == min(scores)
