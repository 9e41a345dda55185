"""`ecs-med suggest`: which unlabelled images to annotate next."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.console import Terminal, plain_table
from ecs_med_cli.declaration import Given, with_options
from ecs_med_cli.lean import sparing_imports

if TYPE_CHECKING:
    from ecs_med.acquisition.report import SuggestionReport

__all__ = ["suggest"]

_SHOWN = 10


@with_options(settings=options.READING)
def suggest(
    *,
    data: Annotated[Path, options.DATA.info()],
    model: Annotated[
        Path | None, options.MODEL.info("Run folder; without one, a first choice.")
    ] = None,
    count: Annotated[int, options.COUNT.info()] = 20,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="<str>",
            help="foreground, doubt, entropy, clasp, coldstart or random; else foreground with a "
            "model, coldstart without.",
        ),
    ] = None,
    seed: Annotated[int, options.SEED.info("Of what is drawn at random.")] = 0,
    output: Annotated[
        Path, options.OUTPUT.info("Folder for suggest.csv, suggest.html and scores.jsonl.")
    ] = Path("suggestions"),
    package: Annotated[
        list[str] | None,
        typer.Option(
            "--package",
            metavar="<str>",
            help="Also write images and drafts for an annotator: labelme, coco, coco-rle, cvat, "
            "label-studio, nifti or dicom-seg; several with commas.",
        ),
    ] = None,
    settings: Given,
    device: Annotated[str, options.DEVICE.info()] = "auto",
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Suggest which unlabelled images to annotate next.

    Cases of validation and test are never suggested, and no patient twice before every other one.
    Started again, it goes on where it was. If a candidate cannot be read, the others are looked
    at, failures.json says why, and the exit code is 3.
    """
    with sparing_imports():
        from ecs_med.acquisition.suggest import suggest as suggest_cases
        from ecs_med.inference.storing import load_model
        from ecs_med.runs.newest import unfinished

    terminal = Terminal(as_json=as_json)
    with terminal.only_json():
        loaded = None if model is None else load_model(model, device)
        if loaded is not None:
            terminal.say(f"model: {loaded.run}")
            if (sentence := unfinished(loaded.run)) is not None:
                terminal.complain(sentence)
        with terminal.bar("looking") as moved:
            report = suggest_cases(
                data,
                loaded,
                count=count,
                by=by,
                seed=seed,
                output=output,
                package=package or (),
                reading=settings.get("reading", {}),
                device=device,
                on_case=moved,
                on_failure=lambda told: terminal.complain(f"failed: {told}"),
            )
    if as_json:
        terminal.print_json(report.to_json())
    else:
        _tell(terminal, report)
    report.raise_failures()


def _tell(terminal: Terminal, report: "SuggestionReport") -> None:
    of_patients = "" if report.num_patients is None else f" of {report.num_patients} patients"
    terminal.say(f"{report.num_candidates} candidates{of_patients}, chosen by {report.by}")
    table = plain_table("rank", "case", "score", left=2)
    for one in report.suggestions[:_SHOWN]:
        table.add_row(str(one.rank), one.case, "" if one.score is None else f"{one.score:.4f}")
    terminal.show(table)
    if len(report.suggestions) > _SHOWN:
        terminal.say(f"and {len(report.suggestions) - _SHOWN} more")
    for note in report.notes:
        terminal.say(note)
    terminal.say(f"written: {report.output / 'suggest.csv'}, {report.output / 'suggest.html'}")
    for folder in report.packages.values():
        terminal.say(f"written: {folder} for the annotator; {folder / 'how.md'} says how")
    terminal.say(
        "next: look at suggest.html, annotate these images, add them with their masks to the data "
        "that you train on, and train again"
    )
