"""Classes that an image-level classifier does not find are switched off, but the background."""

import pytest
import torch

from ecs_med.networks.classifier import has_background, switch_off_absent


@pytest.mark.parametrize("spatial", [(4, 5), (2, 4, 5)])
def test_absent_classes_are_switched_off_picture_by_picture(spatial: tuple[int, ...]) -> None:
    logits = torch.randn(2, 3, *spatial)
    presence = torch.tensor([[0.0, 0.19, 0.9], [0.9, 0.2, 0.0]])
    before = logits.clone()
    found = switch_off_absent(logits, presence, 0.2)
    assert torch.equal(logits, before)
    for picture, name, is_on in ((0, 1, False), (0, 2, True), (1, 1, True), (1, 2, False)):
        if is_on:
            assert torch.equal(found[picture, name], before[picture, name])
        else:
            assert (found.softmax(dim=1)[picture, name] == 0).all()
    # The background stays, even where the classifier does not find it.
    assert torch.equal(found[:, 0], before[:, 0])


def test_where_everything_is_absent_the_background_remains() -> None:
    found = switch_off_absent(torch.randn(1, 3, 4, 4), torch.zeros(1, 3), 0.2)
    assert (found.argmax(dim=1) == 0).all()


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("background", "cat"), True), (("Background", "cat"), True), (("road", "car"), False)],
)
def test_a_background_is_known_by_its_name(names: tuple[str, ...], expected: bool) -> None:
    assert has_background(names) == expected
