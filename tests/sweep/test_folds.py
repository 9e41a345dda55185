"""Cross-validation over a sweep: a run a fold, and one report in which they are one run."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.reporting.sweep.pooling import pool_folds
from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.reporting.sweep.runs import read_runs
from ecs_med.runs import RunFolder, TestCases
from ecs_med.sweep.budget import budget
from ecs_med.sweep.plan import SweepConfig, plan_cells
from ecs_med.sweep.sweep import merge_request, read_plan

Build = Callable[..., SweepConfig]


def test_every_fold_is_a_cell(build: Build) -> None:
    cells = plan_cells(build(folds=3, methods=("supervised",)))
    assert [cell.name for cell in cells] == [
        f"supervised-1-{part}-s0-f{fold}" for part in (4, 2) for fold in range(3)
    ]
    assert {(cell.config.fold, cell.config.folds) for cell in cells} == {(k, 3) for k in range(3)}
    assert cells[1].label == "supervised, 1/4, seed 0, fold 1"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_folds_are_scored_as_one_run(build: Build) -> None:
    sweep = build(methods=("supervised",))
    found = budget(
        sweep.data,
        budgets=["1/2"],
        methods=["supervised"],
        seeds=[0],
        folds=3,
        settings=sweep.settings,
        output=sweep.out,
    )
    assert found.failures == ()
    runs, _ = read_runs(found.runs)
    (pooled,), left_out = pool_folds(runs)
    assert left_out == []
    rows = [
        row for run in found.runs for row in TestCases.read(RunFolder(run).test_cases_file).cases
    ]
    assert len({row.case for row in rows}) == len(rows) == 24
    total = np.sum([row.confusion for row in rows], axis=0)
    hits = np.diag(total)
    union = total.sum(0) + total.sum(1) - hits
    assert pooled.miou == pytest.approx((hits[union > 0] / union[union > 0]).mean(), abs=1e-12)
    cases = [_dice(np.array(row.confusion)) for row in rows]
    known = [value for value in cases if value is not None]
    assert pooled.metrics.test.dice_per_case == pytest.approx(np.mean(known), abs=1e-12)
    assert (pooled.split.num_test, pooled.metrics.test.num_cases) == (24, 24)
    assert pooled.manifest.seconds == pytest.approx(sum(run.manifest.seconds for run in runs))
    assert "3 folds: every case with a mask is tested on once" in found.path.read_text()
    # What a single fold scores is scored alike.
    part = runs[0]
    alone = [_dice(np.array(row.confusion)) for row in rows[: part.split.num_test]]
    assert part.metrics.test.dice_per_case == pytest.approx(
        np.mean([value for value in alone if value is not None]), abs=1e-9
    )
    stored = read_plan(sweep.out)
    assert stored is not None
    assert stored.folds == 3
    with pytest.raises(SettingsError, match="`folds=3`, not 5"):
        merge_request(stored, {"out": sweep.out, "folds": 5})
    _folds_that_lack_something(found.runs, sweep)


def _folds_that_lack_something(folders, sweep: SweepConfig) -> None:  # type: ignore[no-untyped-def]
    """A missing fold, the same one twice, and counts that are damaged."""
    pooled, left_out = pool_folds(read_runs(folders[:2])[0])
    assert pooled == []
    assert [name for name, _ in left_out] == [folder.name for folder in folders[:2]]
    assert "Of its 3 folds 2 is not finished" in left_out[0][1]
    with pytest.raises(RunFolderError, match="are both fold 0 of supervised"):
        pool_folds(read_runs([folders[0], folders[0]])[0])
    file = RunFolder(folders[1]).test_cases_file
    content = json.loads(file.read_text())
    content["cases"][0]["case"] = json.loads(RunFolder(folders[0]).test_cases_file.read_text())[
        "cases"
    ][0]["case"]
    file.write_text(json.dumps(content))
    pooled, left_out = pool_folds(read_runs(folders)[0])
    assert pooled == []
    assert "is tested on in two of them" in left_out[0][1]
    file.unlink()
    with pytest.raises(RunFolderError, match=r"no run has a score yet"):
        write_budget_report(sweep.out / "again", folders)


def _dice(confusion: np.ndarray) -> float | None:
    """Mean Dice over the foreground classes that occur in a case."""
    values = [
        2 * confusion[k, k] / size
        for k in range(1, len(confusion))
        if (size := confusion[k].sum() + confusion[:, k].sum())
    ]
    return float(np.mean(values)) if values else None
