"""The corrector of ECS+: which features it takes, and how N classes become N+1."""

import torch
from tiny_networks import NUM_CLASSES, Halved

from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.correctors import feature_channels
from ecs_med.networks.mask_corrector import MaskCorrector


def corrector() -> MaskCorrector:
    torch.manual_seed(0)
    return MaskCorrector(Halved(1, NUM_CLASSES).eval(), 1, NUM_CLASSES, width=6, narrow=4).eval()


def test_right_has_the_probability_of_the_class_of_the_mask() -> None:
    network, images = corrector(), torch.randn(2, 1, 8, 8)
    scores = torch.rand(2, NUM_CLASSES, 8, 8)
    labels = scores.argmax(dim=1)
    judged = network(torch.cat([images, scores], dim=1)).softmax(dim=1)
    one_hot = torch.stack([labels == c for c in range(NUM_CLASSES)], dim=1)
    classes = network.classify(network.segmenter.encode(images), one_hot).softmax(dim=1)  # type: ignore[operator]
    for y in range(8):
        for x in range(8):
            label = int(labels[0, y, x])
            expected = classes[0, :, y, x].tolist()
            right, expected[label] = expected[label], 0.0
            found = judged[0, :, y, x]
            torch.testing.assert_close(found, torch.tensor([*expected, right]))


def test_probabilities_of_a_mask_do_not_count() -> None:
    network, images = corrector(), torch.randn(1, 1, 8, 8)
    mask = torch.nn.functional.one_hot(torch.randint(0, NUM_CLASSES, (1, 8, 8)), NUM_CLASSES)
    hard = mask.movedim(-1, 1).float()
    soft = 0.4 * hard + 0.2
    first, second = (network(torch.cat([images, m], dim=1)) for m in (hard, soft))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_features_are_those_at_4_8_and_the_deepest() -> None:
    plan = Initialization("test_resnet", "none")
    segmenter = build_segmenter(plan, in_channels=1, num_classes=2).eval()
    numbers, channels = feature_channels(segmenter, 1)
    features = segmenter.encoder(torch.zeros(1, 1, 64, 64))  # type: ignore[operator]
    assert [64 // features[n].shape[-1] for n in numbers] == [4, 8, 16]
    assert channels == [features[n].shape[1] for n in numbers]
