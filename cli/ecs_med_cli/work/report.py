"""What `ecs-med report` does: collect runs, write the report, count."""

import json
from collections.abc import Sequence
from pathlib import Path

from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.reporting.sweep.runs import collect_folders
from ecs_med_cli.console import Terminal

__all__ = ["run_report"]


def run_report(
    runs: Sequence[Path],
    output: Path,
    *,
    allow: Sequence[str],
    minutes_per_label: float | None,
    cost_per_hour: float | None,
    as_json: bool,
) -> None:
    """Write the report of runs that are there already and say how many have a score.

    Args:
        runs: Run folders, or folders above them.
        output: Folder of the report.
        allow: Differences that are accepted.
        minutes_per_label: An expert's minutes for one label.
        cost_per_hour: Price of an expert's hour.
        as_json: Print one JSON object on stdout.
    """
    folders, missing = collect_folders(runs)
    path = write_budget_report(
        output,
        folders,
        failures=missing,
        minutes_per_label=minutes_per_label,
        cost_per_hour=cost_per_hour,
        allow=allow,
    )
    finished, failed = (
        json.loads((output / "tables" / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        for name in ("runs", "failures")
    )
    terminal = Terminal(as_json=as_json)
    if as_json:
        without = [row["run"] for row in failed]
        terminal.print_json(
            {"report": str(path), "finished": len(finished), "without_score": without}
        )
        return
    terminal.say(f"{len(finished)} runs with a score, {len(failed)} without.")
    terminal.say(f"Report: {path}")
