"""`ecs-med audit`: which of the given masks look wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.commands.train import build_config
from ecs_med_cli.console import plain_table
from ecs_med_cli.declaration import Given, with_options
from ecs_med_cli.lean import LEAN_TRAINING, sparing_imports

if TYPE_CHECKING:
    from ecs_med.audit.folds import AuditPlan
    from ecs_med.audit.report import AuditReport
    from ecs_med_cli.sweep_console import SweepConsole

__all__ = ["audit"]

_SHOWN = 10

WHAT = (options.DATA, options.METHOD)


@with_options(what=WHAT, place=options.PLACE, settings=options.TRAINING)
def audit(
    *,
    what: Given,
    folds: Annotated[int, options.FOLDS.info("Runs; each leaves out one part.")] = 3,
    seed: Annotated[int, options.SEED.info("Draws the parts, the order, the weights.")] = 0,
    count: Annotated[int, options.COUNT.info("Masks that the page shows.")] = 100,
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", metavar="<file>", help="decisions.json of an earlier audit."),
    ] = None,
    output: Annotated[
        Path, options.OUTPUT.info("Folder for audit.csv, audit.html and the runs.")
    ] = Path("audit"),
    place: Given,
    dry_run: Annotated[bool, options.DRY_RUN.info()] = False,
    settings: Given,
    config: Annotated[Path | None, options.CONFIG.info()] = None,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Find masks that look wrong, by networks that were trained without them.

    One ordinary run a fold. Started again, only what is missing is done. If a run fails or a mask
    cannot be judged, the others are, and the exit code is 3.
    """
    with sparing_imports():
        from ecs_med.audit.audit import claim_audit, refuse_no_masks, report_audit
        from ecs_med.audit.folds import plan_audit
        from ecs_med.runs.decisions import DecisionFile
        from ecs_med.runs.lock import hold_folder
        from ecs_med.sweep.executors import ExecutorOptions
        from ecs_med_cli.sweep_console import SweepConsole

    refuse_no_masks(count)
    console = SweepConsole(as_json=as_json)
    with console.only_json():
        before = None if decisions is None else DecisionFile.read(decisions)
        asked = build_config({**what, **settings, "seed": seed}, config_file=config)
        shared = asked.model_dump(mode="json", exclude_unset=True)
        with console.bar("examining the data") as moved:
            plan = plan_audit(
                asked.data,
                output,
                folds=folds,
                method=asked.method,
                seed=asked.seed,
                settings={k: v for k, v in shared.items() if k not in ("data", "method", "seed")},
                options=ExecutorOptions(**place, preload=LEAN_TRAINING),
                progress=moved,
            )
    for warning in plan.warnings:
        console.say(f"Warning: {warning}")
    if dry_run:
        console.plan(str(output), plan.cells, plan.num_labeled, plan.executor)
        return
    with hold_folder(output):
        whole = claim_audit(output)
        result = console.run(plan.cells, plan.executor)
        console.raise_if_stopped(result, plan.cells, "")
        if not result.done:
            console.raise_if_failed(result, plan.cells)
        with console.only_json(), console.bar("judging") as moved:
            report = report_audit(
                plan,
                before,
                count=count,
                whole=whole,
                on_case=moved,
                on_failure=lambda told: console.complain(f"failed: {told}"),
            )
    _tell(console, plan, report)
    console.raise_if_failed(result, plan.cells)
    report.raise_failures()


def _tell(console: "SweepConsole", plan: "AuditPlan", report: "AuditReport") -> None:
    if console.as_json:
        console.print_json(report.to_json())
        return
    table = plain_table("rank", "case", "looks", "overlap", "Dice", left=3)
    for one in report.findings[:_SHOWN]:
        found, looks = one.verdict, one.decision or one.title.partition(" with")[0]
        scores = f"{found.overlap:.3f}", f"{found.dice:.3f}"
        table.add_row(str(one.rank), found.case, looks, *scores)
    console.show(table)
    if len(report.findings) > _SHOWN:
        console.say(f"and {len(report.findings) - _SHOWN} more")
    for note in report.notes:
        if note not in plan.warnings:
            console.say(note)
    console.say(f"written: {report.output / 'audit.csv'}, {report.output / 'audit.html'}")
    console.say(
        "next: decide in audit.html, save decisions.json there, and train with "
        "--exclude decisions.json"
    )
