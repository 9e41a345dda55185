"""The multi-label mean teacher: against the literal one, its average, its classes."""

import copy

import pytest
import torch
from tiny_networks import NUM_CLASSES, Judge, Pooled, pixelwise, ragged_batch, weights
from torch import nn

from ecs_med.config import OptimizerSettings
from ecs_med.methods.base import StepResult
from ecs_med.methods.s4gan_mlmt import S4GanMlmt, S4GanMlmtSettings, shown_classes
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import Batch
from literal_rivals import LiteralMlmt, LiteralS4Gan

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


def build(**settings: object) -> S4GanMlmt:
    torch.manual_seed(0)
    classifier = Pooled(1, NUM_CLASSES)
    parsed = S4GanMlmtSettings.parse(settings)
    networks = {
        "segmenter": pixelwise(1, NUM_CLASSES),
        "discriminator": Judge(1 + NUM_CLASSES),
        "classifier": classifier,
        "teacher": MeanTeacher(classifier, parsed.ema),
    }
    return S4GanMlmt(networks, parsed, dict.fromkeys(networks, SGD), num_classes=NUM_CLASSES)


@pytest.mark.parametrize("ema", [0.999, 0.6])
def test_steps_equal_the_literal_ones(ema: float) -> None:
    method = build(ema=ema)
    pair = copy.deepcopy(method.networks)
    pair.pop("teacher")
    first, second, third = (
        torch.optim.SGD(n.parameters(), SGD.lr, momentum=0.9) for n in pair.values()
    )
    gan = LiteralS4Gan(pair["segmenter"], pair["discriminator"], NUM_CLASSES, first, second)
    literal = LiteralMlmt(pair["classifier"], NUM_CLASSES, third, ema=ema)
    for number in range(4):
        sample = ragged_batch(number)
        assert sample.unlabeled_images is not None
        assert sample.unlabeled_valid is not None
        images, labels, unlabeled = sample.images, sample.labels, sample.unlabeled_images
        torch.manual_seed(number)
        expected = gan.step(images, labels, unlabeled, sample.unlabeled_valid)
        expected |= literal.step(images, labels, unlabeled)
        torch.manual_seed(number)
        method.train_mode()
        found = {k: v.item() for k, v in method.step(sample).losses.items()}
        assert found == pytest.approx(expected, abs=1e-5)
    pair["teacher"] = literal.teacher
    for name, module in method.networks.items():
        torch.testing.assert_close(weights(module), weights(pair[name]), rtol=0, atol=1e-5)
    teacher = method.networks["teacher"].network
    assert isinstance(teacher, nn.Module)
    for ours, theirs in zip(teacher.buffers(), literal.teacher.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_average_against_numbers_by_hand() -> None:
    student = nn.Linear(1, 1, bias=False)
    nn.init.constant_(student.weight, 8.0)
    teacher = MeanTeacher(student, decay=0.6)
    seen = []
    for value in (1.0, 3.0, 5.0, 10.0):
        nn.init.constant_(student.weight, value)
        teacher.follow(student)
        seen.append(next(teacher.parameters()).item())
    # 1; (1 + 3) / 2; 0.6 * 2 + 0.4 * 5, as 1 - 1/3 is more than 0.6; 0.6 * 3.2 + 0.4 * 10.
    assert seen == pytest.approx([1.0, 2.0, 3.2, 5.92])
    assert teacher.num_updates.item() == 4


def test_the_teacher_has_no_optimiser_no_gradients_and_stays_in_evaluation_mode() -> None:
    method = build()
    method.train_mode()
    teacher = method.networks["teacher"]
    assert set(method.optimizers) == {"segmenter", "discriminator", "classifier"}
    assert not any(module.training for module in teacher.modules())
    before = weights(method.networks["classifier"])
    method.step(ragged_batch())
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert not torch.equal(weights(method.networks["classifier"]), before)
    assert "num_updates" in teacher.state_dict()


def test_the_classifier_leaves_the_segmenter_and_the_discriminator() -> None:
    method, sample = build(), ragged_batch()
    before = [weights(method.networks[name]) for name in ("segmenter", "discriminator")]
    method.update("classifier", method._classifier_terms(sample, StepResult({})))
    after = [weights(method.networks[name]) for name in ("segmenter", "discriminator")]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_void_pictures_and_absent_classes() -> None:
    sample = ragged_batch()
    shown = shown_classes(sample.labels, NUM_CLASSES)
    assert shown.tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 0]]
    method = build()
    result = StepResult({})
    list(method._classifier_terms(sample, result))
    logits = method.networks["classifier"](sample.images)[[0, 2]]
    expected = nn.BCEWithLogitsLoss()(logits, shown[[0, 2]])
    assert result.losses["presence"].item() == pytest.approx(expected.item())


def test_it_works_without_unlabeled_images() -> None:
    sample = ragged_batch()
    result = build().step(Batch(sample.images, sample.labels))
    assert set(result.losses) == {"segmentation", "presence"}
