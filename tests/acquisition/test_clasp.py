"""ClaSP PE against a slow version, and its noise against the odds that it stands for."""

import hashlib
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ecs_med.acquisition import choose
from ecs_med.acquisition.clasp import Clasp


def noise(seed, label, name):
    raw = hashlib.sha256(f"{seed}:suggest:clasp:{label}:{name}".encode()).digest()[:8]
    uniform = int.from_bytes(raw, "big") / 2**64
    return -math.log(-math.log(uniform))


def slow_clasp(names, entropies, seed, beta):
    """Two of three by the two classes in turn, one by the sum of all."""
    left, chosen, turn = list(names), [], 0
    while left:
        label = 0
        if len(chosen) % 3 < 2:
            label, turn = 1 + turn % 2, turn + 1
        scores = {
            name: math.log(entropies[name][label] if label else sum(entropies[name]))
            + noise(seed, label, name) / beta
            for name in left
        }
        chosen.append(max(left, key=scores.__getitem__))
        left.remove(chosen[-1])
    return chosen


@pytest.mark.parametrize(("num_labeled", "beta"), [(0, 1), (12, 1), (36, 10), (600, 100)])
def test_as_the_slow_version(make_pool, num_labeled, beta):
    rng = np.random.default_rng(num_labeled)
    rows = [tuple(float(value) for value in row) for row in rng.random((12, 3)) / 3]
    pool = make_pool(12, class_entropies=rows, entropy=[sum(row) for row in rows], seed=4)
    pool = replace(pool, num_labeled=num_labeled)
    names = [case.id for case in pool.cases]
    chosen = [pool.cases[index].id for index in choose(Clasp(pool))]
    assert chosen == slow_clasp(names, dict(zip(names, rows, strict=True)), 4, beta)


def test_first_picks_come_in_proportion_to_the_uncertainty(make_pool):
    shares, seeds = [0.1, 0.3, 0.6], 2000
    first = Counter()
    for seed in range(seeds):
        rows = [(0.0, share, 0.2) for share in shares]
        pool = make_pool(1, class_entropies=rows, entropy=[0.5] * 3, seed=seed)
        first[choose(Clasp(pool))[0]] += 1
    for index, share in enumerate(shares):
        # Four standard deviations of a count.
        off = 4 * math.sqrt(share * (1 - share) / seeds)
        assert first[index] / seeds == pytest.approx(share, abs=off)


def test_what_is_not_uncertain_at_all_comes_last(make_pool):
    rows = [(0.2, 0.0, 0.1), (0.1, 0.0001, 0.1), (0.1, 0.0, 0.1)]
    for seed in range(20):
        pool = make_pool(3, class_entropies=rows, entropy=[0.3, 0.2, 0.2], seed=seed)
        assert choose(Clasp(pool))[0] == 1


def test_a_reason_names_the_class(make_pool):
    rows = [(0.1, 0.1, 0.0), (0.1, 0.3, 0.0), (0.1, 0.2, 0.0)]
    pool = make_pool(3, class_entropies=rows, entropy=[0.2, 0.4, 0.3], pixels=[(9, 1, 0)] * 3)
    rule = Clasp(replace(pool, num_labeled=1000))
    assert choose(rule)[0] == 1
    assert rule.score(1) == 0.3
    assert rule.reason(1) == (
        "Number 1 of 3 candidates by the model's entropy for polyp, drawn with chance; the model "
        "draws polyp on 10.0 % of it."
    )
    assert Clasp(pool).score(0) == 0.2
