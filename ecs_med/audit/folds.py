"""The runs of an audit: one a fold, each trained on all masks but those of its fold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.audit.judges import FoldJudge
from ecs_med.config import DEFAULT_METHOD
from ecs_med.data.checks.contents import CaseContent
from ecs_med.errors import SettingsError
from ecs_med.splits.ordering import digest
from ecs_med.sweep.axes import ALL_LABELS
from ecs_med.sweep.executors import ExecutorOptions, choose_executor
from ecs_med.sweep.executors.base import Executor
from ecs_med.sweep.plan import Cell, SweepConfig, decide_open_settings, plan_cells
from ecs_med.sweep.preflight import open_sweep_data
from ecs_med.sweep.state import read_metrics
from ecs_med.types import Case

__all__ = ["NUM_AUDIT_FOLDS", "AuditPlan", "plan_audit"]

NUM_AUDIT_FOLDS = 3
"""Where nothing else is said: each run learns from two of three masks."""

_INLINE = ExecutorOptions(name="inline")


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
        num_labeled: Labelled cases of the first run, by its budget.
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
    folds: int = NUM_AUDIT_FOLDS,
    method: str = DEFAULT_METHOD,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    options: ExecutorOptions = _INLINE,
    progress: Callable[[int, int], None] | None = None,
) -> AuditPlan:
    """Decide everything about the runs, so that mistakes are found before the first one.

    Args:
        data: Folder or list file.
        out: Folder of the audit.
        folds: How many runs there are.
        method: Training method of all of them.
        seed: Of all of them.
        settings: Fields of `TrainConfig` that they share.
        options: Where they run.
        progress: Told how many of how many cases are decoded, where that is not known yet.

    Raises:
        EcsMedError: If something that is asked for cannot be, or the data are not fit for it.
    """
    if folds < 2:
        raise SettingsError(f"`folds={folds}`: a mask is judged by runs without it; ask for two.")
    shared = dict(settings or {})
    for name in ("fold", "labeled"):
        if shared.pop(name, None) is not None:
            raise SettingsError(f"`{name}` is decided by the audit; leave it out.")
    executor = choose_executor(options, shared.get("device", "auto"), out)
    axes = {"budgets": (ALL_LABELS,), "methods": (method,), "seeds": (seed,), "folds": folds}
    sweep = SweepConfig.parse({"data": data, "out": out, "settings": shared, **axes})
    cells = plan_cells(decide_open_settings(sweep, here=executor.here))
    opened = open_sweep_data(cells, progress)
    warnings = opened.refuse_faults()
    opened.refuse_other_data()
    return AuditPlan(
        data=data,
        out=out,
        cells=tuple(cells),
        executor=executor,
        cases=tuple(opened.collection.cases),
        contents={id_: fact.content for id_, fact in opened.found.facts.items()},
        num_labeled=opened.num_labeled(),
        warnings=tuple(warnings),
    )
