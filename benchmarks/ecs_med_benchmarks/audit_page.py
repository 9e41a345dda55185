"""What planted faults show of an audit, over seeds: `summary.json` and `summary.md`."""

import json
import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_med.audit.ranking import MEASURES
from ecs_med.files import write_json, write_text
from ecs_med_benchmarks.planted_faults import kinds_for

__all__ = ["write_summary"]

COLUMNS = ("auroc", "auprc", "precision_at_k", "lift_at_10")
ALL = (*MEASURES, "ranks")
"""`ranks`: the mean of the ranks of all of them."""


def write_summary(folder: Path) -> None:
    """Means over seeds and their standard deviations of what lies in a folder: JSON and a page."""
    cells = [json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("share-*.json"))]
    shares = sorted({cell["share"] for cell in cells})
    summary = {
        f"{share:g}": {
            measure: _over_seeds([c["measures"][measure] for c in cells if c["share"] == share])
            for measure in ALL
            if all(measure in c["measures"] for c in cells if c["share"] == share)
        }
        for share in shares
    }
    write_json(folder / "summary.json", {"shares": summary, "guesses": _guesses(cells)})
    write_text(folder / "summary.md", _page(cells, summary))


def _over_seeds(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kinds = sorted({kind for one in found for kind in one["auroc_by_kind"]})
    return {
        **{column: _mean_and_sd([one[column] for one in found]) for column in COLUMNS},
        "auroc_by_kind": {
            kind: _mean_and_sd([one["auroc_by_kind"].get(kind) for one in found]) for kind in kinds
        },
    }


def _mean_and_sd(values: Sequence[float | None]) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "sd": statistics.stdev(known) if len(known) > 1 else None,
        "seeds": len(known),
    }


def _guesses(cells: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How often which kind was guessed, by what was planted."""
    table: dict[str, Counter[str]] = {}
    for cell in cells:
        for planted, looks in cell["in_turn"]["guesses"].items():
            table.setdefault(planted, Counter()).update(looks)
    return {planted: dict(sorted(looks.items())) for planted, looks in sorted(table.items())}


def _page(cells: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    settings = cells[0]["settings"]
    planted = settings.get("kinds") or kinds_for(len(cells[0]["classes"]))
    seconds = [cell["seconds"] for cell in cells]
    dice = [each for cell in cells for each in cell["test_dice"] if each is not None]
    kinds = sorted({k for m in summary.values() for f in m.values() for k in f["auroc_by_kind"]})
    lines = [
        f"# Planted faults in {len(cells[0]['masks'])} masks of {cells[0]['data']}",
        "",
        f"Kinds: {', '.join(planted)}. {settings['folds']} folds of "
        f"{settings['method']}, {settings['iterations']} steps at {settings['side']} px, "
        f"{settings['unlabeled']} images without a mask. Mean ± standard deviation over seeds. "
        "Chance is 0.5 for AUROC, the share for AUPRC and precision, 1 for the lift. ranks is the "
        "mean rank of them all.",
        "",
        *_measures_table(summary),
        "",
        "AUROC of each kind against the masks that were left as they are:",
        "",
        *_kinds_table(summary, kinds),
        "",
        "AUROC of each kind, planted in turn in every mask that a model left out:",
        "",
        *_kinds_table(_in_turn(cells, summary), kinds),
        "",
        "Kind that was guessed (columns) by kind that was planted in turn, all cells:",
        "",
        *_guesses_table(_guesses(cells)),
        "",
        f"Mean Dice of the folds' models on the masks that they left out: "
        f"{statistics.fmean(dice):.3f}. Each audit took {statistics.fmean(seconds) / 60:.1f} "
        f"minutes on {cells[0]['machine']}.",
        "",
        f"    python benchmarks/audit_faults.py DATA -o OUT {_typed(settings)}",
    ]
    return "\n".join(lines) + "\n"


def _measures_table(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "| planted | sorted by | AUROC | AUPRC | precision at k | lift at 10 % | seeds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for share, measures in summary.items():
        for measure, found in measures.items():
            shown = " | ".join(_number(found[column]) for column in COLUMNS)
            yield f"| {_percent(share)} | {measure} | {shown} | {found['auroc']['seeds']} |"


def _kinds_table(summary: Mapping[str, Any], kinds: Sequence[str]) -> Iterator[str]:
    yield f"| planted | sorted by | all | {' | '.join(kinds)} |"
    yield "| --- " * (len(kinds) + 3) + "|"
    for share, measures in summary.items():
        for measure, found in measures.items():
            by_kind = (_number(found["auroc_by_kind"].get(kind)) for kind in kinds)
            shown = " | ".join((_number(found["auroc"]), *by_kind))
            yield f"| {_percent(share)} | {measure} | {shown} |"


def _in_turn(
    cells: Sequence[Mapping[str, Any]], shares: Iterable[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """As the summary, of faults that were planted in turn; by the share in training."""
    found = {}
    for share in shares:
        own = [c["in_turn"]["measures"] for c in cells if c["share"] == float(share)]
        found[share] = {measure: _over_seeds([one[measure] for one in own]) for measure in own[0]}
    return found


def _guesses_table(guesses: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    looks = sorted({look for row in guesses.values() for look in row})
    yield f"| planted | {' | '.join(looks)} |"
    yield "| --- " * (len(looks) + 1) + "|"
    for planted, row in guesses.items():
        yield f"| {planted} | {' | '.join(str(row.get(look, 0)) for look in looks)} |"


def _percent(share: str) -> str:
    return f"{100 * float(share):g} %"


def _typed(settings: Mapping[str, Any]) -> str:
    words = []
    for name, value in settings.items():
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def _number(found: Mapping[str, float | None] | None) -> str:
    if found is None or found["mean"] is None:
        return "-"
    spread = "" if found["sd"] is None else f" ± {found['sd']:.3f}"
    return f"{found['mean']:.3f}{spread}"
