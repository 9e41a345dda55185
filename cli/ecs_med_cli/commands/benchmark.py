"""`ecs-med benchmark`: published protocols, tables and figures."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ecs_med_cli import options
from ecs_med_cli.console import Terminal
from ecs_med_cli.declaration import Given, Option, with_options

__all__ = ["benchmark"]


ASKED = (
    options.DATA.but("Folder of the data set; else ECS_MED_DATA."),
    Option("--download", bool, "Fetch the data into --data first (voc only)."),
    Option("--table", list[str], "Table of the paper, 1 to 4; repeatable; else 1.", "tables"),
    Option("--figure", list[str], "Figure of the paper, 3 or 4; repeatable.", "figures"),
    options.BUDGETS.but("Other budgets, such as 1/8,1/4; 1 is all."),
    options.SEEDS.but("0..9 or 0,1,2; else the protocol's."),
    Option("--scale", float, "Trial: this share of iterations and pixels."),
    options.OUTPUT.but("Folder of the benchmark; else benchmark-<name>.", options.OUT),
    Option("--splits", Path, "Folder of files that name the labelled images."),
)
SETTINGS = (
    options.ITERATIONS.but("Training steps; else the protocol's."),
    *options.STEPS,
    *options.ENCODERS,
    *options.MACHINE,
)


@with_options(asked=ASKED, place=options.PLACE, settings=SETTINGS)
def benchmark(
    *,
    name: Annotated[
        str,
        typer.Argument(help="voc, cityscapes, camvid, kvasir, cvc-clinicdb, hippocampus, or list."),
    ],
    asked: Given,
    write_splits: Annotated[
        Path | None,
        typer.Option("--write-splits", help="Write such files to this folder and end."),
    ] = None,
    place: Given,
    dry_run: Annotated[bool, options.DRY_RUN.info()] = False,
    settings: Given,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Reproduce the tables and figures of the paper, or compare methods by its protocol.

    Prints our figures beside the published ones and writes benchmark.html, with all tables as
    Markdown, LaTeX, CSV and JSON. Started again, it does only what is missing. Options that
    leave the protocol are named in every output. `list` shows what there is.
    """
    if name == "list":
        _list(as_json=as_json)
        return

    from ecs_med_cli.benchmark_session import BenchmarkRequest, BenchmarkSession

    session = BenchmarkSession(
        BenchmarkRequest(name=name, **asked),
        settings,
        place=place,
        dry_run=dry_run or write_splits is not None,
        as_json=as_json,
    )
    if write_splits is not None:
        session.write_splits(write_splits)
    elif dry_run:
        session.plan()
    else:
        session.run()


def _list(*, as_json: bool) -> None:
    """Print every protocol: what it trains on and for how long."""
    from ecs_med_benchmarks.figures import FIGURES
    from ecs_med_benchmarks.protocols import PROTOCOLS
    from ecs_med_benchmarks.tables import TABLES

    console = Terminal(as_json=as_json)
    if as_json:
        content = [p.model_dump(mode="json") for p in PROTOCOLS.values()]
        console.print_json({"benchmarks": content})
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "data", "paper", "crop", "batch", "iterations", "budgets"):
        table.add_column(heading, no_wrap=heading != "data")
    for protocol in PROTOCOLS.values():
        table.add_row(
            protocol.name,
            protocol.title,
            "tables 1-4" if protocol.is_published else "-",
            str(protocol.crop),
            str(protocol.batch),
            f"{protocol.iterations:,}",
            " ".join(protocol.budgets),
        )
    console.show(table)
    for kind, specs in (("Tables", TABLES), ("Figures", FIGURES)):
        console.say(f"{kind}: " + "; ".join(f"{n} {spec.title}" for n, spec in specs.items()) + ".")
