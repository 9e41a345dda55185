"""`ecs-med compare`: training methods at few labels, at equal steps and at equal seconds."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.declaration import Given, Option, with_options

__all__ = ["SETTINGS", "compare"]


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


ASKED = (
    options.DATA.but("Folder of the data set, or of several; else ECS_MED_DATA."),
    Option("--sets", str, "Data sets; else kvasir,hippocampus.", read=_parts),
    options.METHODS.but("Methods ({methods}); else those of the table."),
    options.BUDGETS.but("Budgets of every method; else 1/16,1/8, and of some 1/4,1/2,1."),
    options.SEEDS.but("0..4 or 0,1,7; else 0..2, and of some 0..4."),
    Option("--equal", str, "steps, seconds, or both: steps,seconds; else both.", read=_parts),
    Option("--reference", str, "Whose seconds the others get; else ecs-plus."),
    Option("--rival", str, "Method for more labels, too; else the best on validation."),
    options.OUTPUT.but("Folder of the runs; else compare.", options.OUT),
    Option("--results", Path, "Folder of small result files and the page; else below --output."),
)
SETTINGS = (
    options.ITERATIONS.but("Training steps of the reference; else 400."),
    *options.STEPS,
    *options.ENCODERS,
    *options.MACHINE,
)


@with_options(asked=ASKED, place=options.PLACE, settings=SETTINGS)
def compare(
    *,
    asked: Given,
    place: Given,
    dry_run: Annotated[bool, options.DRY_RUN.info("Print what would be run.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the seconds of steps anew.")
    ] = False,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Run nothing; draw the page from the results.")
    ] = False,
    settings: Given,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Compare training methods at few labels, at equal steps and at equal seconds.

    Every method starts from the same weights on the same labelled images; the model is chosen on
    validation and tested once, the last one beside it. Results are kept in small files: started
    again, only what they lack is done.
    """
    from ecs_med_cli.compare_session import CompareRequest, CompareSession

    request = CompareRequest(**asked, page_only=page_only)
    session = CompareSession(request, settings, place=place, as_json=as_json)
    if page_only:
        session.write_page()
    elif dry_run:
        session.plan()
    else:
        session.run(measure=measure)
