"""Every rule against a slow version of it, and patients by turns."""

import hashlib

import numpy as np
import pytest

from ecs_med.acquisition import ACQUISITIONS, choose
from ecs_med.acquisition.clusters import find_clusters, unit_vectors
from ecs_med.acquisition.rules import ColdStart, Doubt, Entropy, Foreground, Random

RULES = ("clasp", "coldstart", "doubt", "entropy", "foreground", "random")


def by_digest(names, seed):
    def key(name):
        first, second = f"{seed}:suggest:case:{name}", f"{seed}:suggest:{name}"
        return [hashlib.sha256(text.encode()).digest() for text in (first, second)]

    return sorted(names, key=key)


def ids(pool, chosen):
    return [pool.cases[index].id for index in chosen]


def test_every_rule_says_what_it_is():
    assert ACQUISITIONS.names() == RULES
    for rule in ACQUISITIONS.all().values():
        assert all((rule.title, rule.source, rule.rule.endswith(".")))


def test_random_follows_the_seed_and_names_alone(make_pool):
    pool = make_pool(9, entropy=[0.5] * 9, seed=3)
    chosen = ids(pool, choose(Random(pool)))
    assert chosen == by_digest([case.id for case in pool.cases], 3)
    fewer = make_pool(4, entropy=[0.1] * 9, seed=3)
    assert ids(fewer, choose(Random(fewer))) == chosen[:4]
    other = make_pool(9, entropy=[0.5] * 9, seed=4)
    assert ids(other, choose(Random(other))) != chosen


def test_entropy_takes_the_highest_and_of_equal_ones_the_first(make_pool):
    scores = [0.2, 0.9, 0.4, 0.9, 0.1]
    pool = make_pool(4, entropy=scores)
    assert choose(Entropy(pool)) == [1, 3, 2, 0]
    assert choose(Entropy(pool)) == sorted(range(5), key=lambda i: (-scores[i], i))[:4]
    assert Entropy(pool).score(1) == 0.9
    reason = "Number 1 of 5 candidates by the model's entropy; the model draws nothing there."
    assert Entropy(pool).reason(3) == reason
    assert Entropy(pool).reason(2).startswith("Number 3 of 5")


def slow_foreground(names, pixels, count, seed):
    left, turn, chosen = by_digest(names, seed), 0, []
    while left and len(chosen) < count:
        found = None
        if len(chosen) % 3 < 2:
            for step in range(2):
                label = 1 + (turn + step) % 2
                shows = [name for name in left if pixels[name][label] > 0]
                if shows:
                    found, turn = shows[0], turn + step + 1
                    break
        chosen.append(found or left[0])
        left.remove(chosen[-1])
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_foreground_takes_two_of_three_that_show_something(make_pool, seed):
    rng = np.random.default_rng(seed)
    pixels = [(90, *(int(n) for n in rng.integers(0, 2, 2) * 5)) for _ in range(12)]
    pool = make_pool(12, pixels=pixels, seed=seed)
    names = [case.id for case in pool.cases]
    slow = slow_foreground(names, dict(zip(names, pixels, strict=True)), 12, seed)
    assert ids(pool, choose(Foreground(pool))) == slow


def test_foreground_without_any_is_random(make_pool):
    pool = make_pool(5, pixels=[(9, 0, 0)] * 5)
    rule = Foreground(pool)
    assert choose(rule) == choose(Random(pool))
    assert rule.reason(0) == "Drawn at random among all images; the model draws nothing there."


def blobs(seed=0, sizes=(7, 4, 2)):
    """Points around far apart places, shuffled, with the place of each."""
    rng = np.random.default_rng(seed)
    places = np.repeat(np.arange(len(sizes)), sizes)
    rng.shuffle(places)
    points = np.eye(len(sizes))[places] * 9 + rng.normal(0, 0.1, (len(places), len(sizes)))
    return points, places


def slow_nearest(points, labels, label):
    members = [i for i in range(len(points)) if labels[i] == label]
    centre = sum(points[i] for i in members) / len(members)
    return min(members, key=lambda i: (float(((points[i] - centre) ** 2).sum()), i))


def test_cold_start_takes_the_centre_of_each_cluster_the_largest_first(make_pool):
    points, places = blobs()
    pool = make_pool(3, features=[tuple(row) for row in points])
    chosen = choose(ColdStart(pool))
    unit = unit_vectors(points.tolist())
    assert chosen == [slow_nearest(unit, places, place) for place in range(3)]
    rule = ColdStart(pool)
    assert [rule.score(index) for index in chosen] == [7 / 13, 4 / 13, 2 / 13]
    assert rule.reason(chosen[0]) == "Stands for 7 of 13 candidates that look alike."


def test_doubt_takes_the_most_doubted_of_each_cluster(make_pool):
    points, places = blobs(1)
    doubts = np.random.default_rng(1).permutation(13) / 20
    pool = make_pool(4, features=[tuple(row) for row in points], doubt=doubts.tolist())
    # The fourth cluster parts one of the three, so that only the first three are known by hand.
    chosen = choose(Doubt(pool))
    assert chosen[0] == int(np.argmax(doubts))
    three = make_pool(3, features=[tuple(row) for row in points], doubt=doubts.tolist())
    most = np.argsort(-doubts)[: 4 * 3]
    best = {place: max((i for i in most if places[i] == place), key=lambda i: doubts[i])
            for place in set(places[most])}  # fmt: skip
    assert choose(Doubt(three)) == sorted(best.values(), key=lambda i: -doubts[i])


def test_doubt_leaves_out_what_is_not_doubted_much(make_pool):
    doubts = [0.01] * 10 + [0.5, 0.6, 0.7, 0.8]
    features = [(float(i == 0), 1.0 * i) for i in range(14)]
    pool = make_pool(1, features=features, doubt=doubts)
    assert choose(Doubt(pool)) == [13]


@pytest.mark.parametrize("name", RULES)
def test_no_patient_twice_before_every_other_one(make_pool, name):
    rng = np.random.default_rng(5)
    patients = [*"aaaaaabbbcd", None, None]
    size = len(patients)
    pool = make_pool(
        size,
        patients=patients,
        features=[tuple(row) for row in rng.random((size, 3))],
        entropy=rng.random(size).tolist(),
        doubt=rng.random(size).tolist(),
        pixels=[(9, int(n), 0) for n in rng.integers(0, 2, size)],
        class_entropies=[tuple(row) for row in rng.random((size, 3))],
    )
    rule = ACQUISITIONS.get(name)(pool)
    chosen = choose(rule)
    assert sorted(chosen) == list(range(size))
    keys = [patients[i] or f"own {i}" for i in chosen]
    assert len(set(keys[:6])) == 6
    assert sorted(keys[6:8]) == ["a", "b"]
    assert sorted(keys[8:10]) == ["a", "b"]
    assert keys[10:] == ["a"] * 3
    assert all(rule.reason(index).endswith(".") for index in chosen)


@pytest.mark.parametrize("name", RULES)
def test_one_candidate(make_pool, name):
    scores = {"entropy": [0.5], "doubt": [0.5], "class_entropies": [(0.3, 0.1, 0.1)]}
    pool = make_pool(3, features=[(1.0, 2.0)], pixels=[(9, 1, 0)], **scores)
    rule = ACQUISITIONS.get(name)(pool)
    assert choose(rule) == [0]
    assert rule.reason(0)


def slow_clusters(points, count):
    """The same by loops over pairs."""

    def distance(a, b):
        return float(np.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True))))

    middle = points.mean(axis=0)
    first = min(range(len(points)), key=lambda i: (round(distance(points[i], middle), 12), i))
    centres = [points[first]]
    while len(centres) < count:
        far = [min(distance(p, c) for c in centres) for p in points]
        centres.append(points[int(np.argmax(far))])
    labels = None
    while True:
        new = [int(np.argmin([distance(p, c) for c in centres])) for p in points]
        if new == labels:
            return labels
        labels = new
        centres = [np.mean([p for p, k in zip(points, labels, strict=True) if k == j], axis=0)
                   for j in range(count)]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_the_slow_version(seed):
    points = np.random.default_rng(seed).normal(size=(25, 4))
    assert find_clusters(points, 5).labels.tolist() == slow_clusters(points, 5)


def test_equal_points_are_one_cluster():
    found = find_clusters(unit_vectors([(1.0, 2.0)] * 6), 3)
    assert found.labels.tolist() == [0] * 6
    assert not found.distances.any()
