"""The runs of an audit: one a fold, each trained on all masks but those of its fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.audit.judges import FoldJudge
from ecs_med.config import DEFAULT_METHOD, TrainConfig
from ecs_med.data.checks.contents import CaseContent
from ecs_med.errors import BudgetError, SettingsError
from ecs_med.files import make_folder
from ecs_med.runs import SweepFolder
from ecs_med.splits import Role, Split
from ecs_med.splits.joining import join_cases
from ecs_med.splits.ordering import digest, shuffled_groups
from ecs_med.sweep.executors import ExecutorOptions, choose_executor
from ecs_med.sweep.executors.base import Executor
from ecs_med.sweep.plan import Cell, SweepConfig, decide_open_settings
from ecs_med.sweep.preflight import open_sweep_data
from ecs_med.sweep.state import read_metrics
from ecs_med.types import Case

__all__ = ["AuditPlan", "plan_audit"]


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """The runs of an audit, decided and ready.

    Attributes:
        data: Folder or list file.
        out: Folder of the audit.
        cells: One run a fold.
        executor: Where they run.
        cases: All cases of the data set.
        contents: What each of them holds, by id.
        num_labeled: Labelled cases of each run, by its budget.
        warnings: What a person should look at in the data, a sentence each.
    """

    data: Path
    out: Path
    cells: tuple[Cell, ...]
    executor: Executor
    cases: tuple[Case, ...]
    contents: Mapping[str, CaseContent]
    num_labeled: Mapping[str, int]
    warnings: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """Training method of the runs."""
        return self.cells[0].method

    @property
    def identity(self) -> str:
        """By which its data are known to a page: a digest of the names of its cases."""
        return digest("\n".join(case.id for case in self.cases)).hex()[:16]

    def judges(self) -> list[FoldJudge]:
        """The model of every fold that is trained, with what it left out."""
        return [
            FoldJudge(cell.folder, fold, self.cases, cell.config.device)
            for fold, cell in enumerate(self.cells)
            if read_metrics(cell.folder) is not None
        ]


def plan_audit(
    data: Path,
    out: Path,
    *,
    folds: int = 3,
    method: str = DEFAULT_METHOD,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    options: ExecutorOptions = ExecutorOptions(),  # noqa: B008 - frozen
    progress: Callable[[int, int], None] | None = None,
) -> AuditPlan:
    """Decide everything about the runs, so that mistakes are found before the first one."""
    if folds < 2:
        raise SettingsError(f"`folds={folds}`: an audit needs at least two.")
    shared = dict(settings or {})
    sweep = SweepConfig.parse(
        {"data": data, "out": out, "budgets": ("all",), "methods": (method,), "settings": shared}
    )
    executor = choose_executor(options, shared.get("device", "auto"), out)
    sweep = decide_open_settings(sweep, here=executor.here)
    config = TrainConfig.parse(
        {**sweep.settings, "data": data, "method": method, "seed": seed, "run": out / "runs/all"}
    )
    whole = open_sweep_data([Cell(method, "all", seed, config)], progress)
    cases = tuple(whole.collection.cases)
    make_folder(out / "folds")
    cells, counts = [], {}
    for fold, split in enumerate(_fold_splits(cases, whole.found.joined, folds, seed)):
        path = out / "folds" / f"fold-{fold}.json"
        split.write(path)
        run = SweepFolder(out).runs / f"{method}-fold-{fold}-s{seed}"
        own = config.model_copy(update={"labeled": str(path), "run": run})
        counts[str(path)] = len(split.labeled)
        cells.append(Cell(method, str(path), seed, own))
    contents = {id_: fact.content for id_, fact in whole.found.facts.items()}
    return AuditPlan(data, out, tuple(cells), executor, cases, contents, counts)


def _fold_splits(
    cases: Sequence[Case], joined: Sequence[Sequence[str]], folds: int, seed: int
) -> list[Split]:
    masked = [case for case in join_cases(cases, joined) if case.mask is not None]
    groups = shuffled_groups(masked, "test", seed)
    if len(groups) < folds + 1:
        raise BudgetError(f"`folds={folds}`: there are only {len(groups)} patients with masks.")
    splits = []
    for fold in range(folds):
        test = {case.id for group in groups[fold::folds] for case in group}
        rest = [group for n, group in enumerate(groups) if n % folds != fold]
        held = {case.id for group in rest[: max(1, len(rest) // 8)] for case in group}
        roles: dict[str, Role] = {
            case.id: "test"
            if case.id in test
            else "validation"
            if case.id in held
            else "labeled"
            if case.mask
            else "unlabeled"
            for case in cases
        }
        splits.append(Split.from_roles(cases, roles, seed=seed, asked="all"))
    return splits
