"""Tables on a narrow terminal."""

import io

from rich.console import Console

from ecs_med_cli.console import plain_table


def test_long_names_keep_their_ends() -> None:
    names = [f"hospital/colonoscopy/2026/{number:03d}" for number in (7, 8)]
    table = plain_table("rank", "case", "score", left=2)
    for rank, name in enumerate(names, start=1):
        table.add_row(str(rank), name, "0.5000")
    output = io.StringIO()
    Console(file=output, width=30, force_terminal=False).print(table)
    lines = output.getvalue().splitlines()
    column = slice(lines[0].index("case"), lines[0].index("score") - 1)
    found = "".join(line[column].strip() for line in lines[1:])
    assert found == "".join(names)
