"""Figure 4 of a run: by hand, and of a real run against a slow computation."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ecs_med
from ecs_med.errors import SettingsError
from ecs_med.training.train import train
from ecs_med_benchmarks.certainty import certainty_and_error, measure_certainty
from ecs_med_benchmarks.rank_correlation import spearman
from ecs_med_datasets.phantom import write_phantom

VOID = 255


def test_three_pixels_by_hand() -> None:
    """-H is log 0.9, log 0.6, log 0.2 and right^2 is 0.25, 0.81, 0.01: rho is 0.5."""
    logits = torch.tensor([[0.9, 0.6, 0.8, 0.5], [0.1, 0.4, 0.2, 0.5]]).log()[None, :, None]
    right = torch.tensor([0.5, 0.9, 0.1, 0.7])
    corrected = torch.stack([1 - right, torch.zeros(4), right])[None, :, None]
    reference = torch.tensor([[[0, 0, 1, VOID]]])
    pairs, labels = certainty_and_error(logits, corrected, reference)
    assert labels.tolist() == [0, 0, 1], "void does not count"
    assert pairs[:, 0] == pytest.approx([0.25, 0.81, 0.01])
    assert pairs[:, 1] == pytest.approx([math.log(0.9), math.log(0.6), math.log(0.2)])
    assert spearman(pairs[:, 0], pairs[:, 1]) == pytest.approx(0.5)


def test_confident_pixels_are_told_apart() -> None:
    logits = torch.tensor([[20.0, 21.0, 30.0], [0.0, 0.0, 0.0]])[None, :, None]
    pairs, _ = certainty_and_error(
        logits, torch.ones(1, 3, 1, 3), torch.zeros(1, 1, 3, dtype=torch.long)
    )
    assert np.all(np.diff(pairs[:, 1]) > 0)


def test_nothing_but_void() -> None:
    void = torch.full((1, 1, 3), VOID)
    pairs, labels = certainty_and_error(torch.randn(1, 2, 1, 3), torch.rand(1, 3, 1, 3), void)
    assert pairs.shape == (0, 2)
    assert labels.shape == (0,)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two iterations on 24 frames of 32 pixels, some of them with void."""
    folder = tmp_path_factory.mktemp("certainty")
    data = write_phantom(folder / "data", num_images=24, seed=0, size=32)
    for path in sorted(data.rglob("masks/*.png"))[::3]:
        labels = np.array(Image.open(path))
        labels[:6] = VOID
        Image.fromarray(labels).save(path)
    settings = {
        "data": data,
        "labeled": "50%",
        "run": folder / "run",
        "iterations": 2,
        "batch": 2,
        "crop": 32,
        "min_size": 0,
        "encoder": "test_resnet",
        "encoder_weights": "none",
        "device": "cpu",
        "cache": folder / "cache",
        "reading": {"mask_values": (0, 1, 2), "void_values": (VOID,)},
    }
    return train(settings)


def all_pairs(run: Path, role: str) -> np.ndarray:
    """Right^2, negative cross-entropy, class and error of all pixels but void, `(n, 4)`."""
    model = ecs_med.load_model(run, "cpu")
    data = Path(json.loads((run / "config.json").read_text())["data"])
    cases = json.loads((run / "split.json").read_text())["cases"]
    names = {Path(case["id"]).name for case in cases if case["role"] == role}
    rows = []
    for mask in sorted(data.rglob("masks/*.png")):
        if mask.stem not in names:
            continue
        image = np.array(Image.open(mask.parents[1] / "images" / mask.name))
        slices = torch.tensor(image).movedim(-1, 0)[None]
        logits = model.logits(slices)
        right = model.correct(slices, logits)[0, -1].double().numpy()
        chances = logits[0].double().softmax(0).numpy()
        labels = np.array(Image.open(mask))
        rows += [
            (
                right[y, x] ** 2,
                math.log(chances[labels[y, x], y, x]),
                labels[y, x],
                chances[:, y, x].argmax() != labels[y, x],
            )
            for y, x in np.ndindex(*labels.shape)
            if labels[y, x] != VOID
        ]
    return np.array(rows)


def ranked(pairs: np.ndarray) -> float:
    """Spearman's coefficient from ranks that are counted by sorting, ties halved."""
    ranks = []
    for values in pairs.T:
        ordered = np.sort(values)
        below = np.searchsorted(ordered, values, side="left")
        upto = np.searchsorted(ordered, values, side="right")
        ranks.append((below + upto + 1) / 2)
    return float(np.corrcoef(*ranks)[0, 1])


def test_counts_and_bounds(run: Path) -> None:
    found = measure_certainty(run, max_images=3, pixels_per_image=100, device="cpu")
    assert found.class_names == ("background", "class 1", "class 2")
    assert found.on_unlabeled is not None
    for part in (found.on_labeled, found.on_unlabeled):
        assert part.num_images == 3
        assert part.num_pixels == 300
        assert all(count <= 300 for count in part.num_pixels_per_class)
        assert part.rho is None or -1 <= part.rho <= 1
    assert (found.num_labeled, found.num_unlabeled, found.seed) == (9, 9, 0)
    again = measure_certainty(run, max_images=3, pixels_per_image=100, device="cpu")
    assert again == found, "the draw is fixed"
    assert json.loads(json.dumps(found.to_json()))["on_labeled"]["num_images"] == 3


def test_without_bounds_it_is_the_correlation_of_all_pixels(run: Path) -> None:
    found = measure_certainty(run, max_images=100, pixels_per_image=10**6, device="cpu")
    assert found.on_unlabeled is not None
    for role, part in (("labeled", found.on_labeled), ("unlabeled", found.on_unlabeled)):
        pairs = all_pairs(run, role)
        assert part.num_pixels == len(pairs)
        assert part.rho == pytest.approx(ranked(pairs[:, :2]), abs=1e-9)
        for label in range(3):
            own = pairs[pairs[:, 2] == label, :2]
            assert part.num_pixels_per_class[label] == len(own)
            assert part.rho_per_class[label] == pytest.approx(ranked(own), abs=1e-9)
        front = pairs[pairs[:, 2] > 0]
        assert part.num_pixels_foreground == len(front)
        assert part.rho_foreground == pytest.approx(ranked(front[:, :2]), abs=1e-9)
        assert part.detection is not None
        assert part.detection.foreground.num_pixels == len(front)
        expected = share_of_pairs(binned(front[:, 0]), front[:, 3] > 0)
        assert part.detection.foreground.corrector.auroc == pytest.approx(expected, abs=1e-3)


def binned(right_squared: np.ndarray) -> np.ndarray:
    """As fine as doubts are kept: after two iterations all of P(right) lies within 0.002."""
    log_odds = np.log(right_squared**0.5 / (1 - right_squared**0.5))
    bins: np.ndarray = np.round((log_odds / (8 + abs(log_odds)) + 1) / 2 * 4095)
    return bins


def share_of_pairs(right: np.ndarray, wrong: np.ndarray) -> float:
    """In how many pairs of a wrong and a right pixel the wrong one is called right less."""
    others = right[~wrong]
    less = (right[wrong][:, None] < others).mean()
    equal = (right[wrong][:, None] == others).mean()
    return float(less + equal / 2)


def test_a_method_without_a_corrector_is_refused(run: Path, tmp_path: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    plain = train(config | {"method": "supervised", "run": tmp_path / "plain"})
    with pytest.raises(SettingsError, match="has no corrector to be judged"):
        measure_certainty(plain, device="cpu")
