"""A table with everything that has to be said of it, as written to JSON and drawn on the page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ecs_med_benchmarks.comparison import Line, compare
from ecs_med_benchmarks.outcomes import Outcome, RowOutcome
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.tables import TableSpec

__all__ = ["run_facts", "table_document", "trial_mark"]


def trial_mark(scale: float) -> str | None:
    """What every output of a trial says on top; `None` for a full run."""
    if scale == 1:
        return None
    return (
        f"TRIAL at scale {scale:g}: fewer iterations, smaller crops and images. "
        "These figures cannot be compared with published ones."
    )


def table_document(
    spec: TableSpec,
    protocol: Protocol,
    rows: Sequence[RowOutcome],
    *,
    scale: float,
    deviations: Sequence[str],
) -> dict[str, Any]:
    """Everything about one table, JSON-able.

    Args:
        spec: The table.
        protocol: As it was run, that is already scaled.
        rows: Outcomes of its rows.
        scale: Of the trial, 1 for a full run.
        deviations: Where the user's settings left the protocol.
    """
    lines = compare(spec, protocol.name, rows)
    outcomes = [outcome for row in rows for outcome in row.outcomes]
    return {
        "kind": "table",
        "number": spec.number,
        "title": f"Table {spec.number}: {spec.title}",
        "dataset": protocol.title,
        "trial": trial_mark(scale),
        "deviations": list(deviations),
        "has_published": protocol.is_published,
        "lines": [{**asdict(line), "difference": line.difference} for line in lines],
        "remarks": _remarks(lines),
        "missing": list({name: [name, why] for row in rows for name, why in row.missing}.values()),
        "warnings": sorted({sentence for o in outcomes for sentence in o.warnings}),
        "facts": run_facts(protocol, outcomes),
    }


def _remarks(lines: Iterable[Line]) -> list[str]:
    remarks = list(dict.fromkeys(f"{line.label}: {line.remark}" for line in lines if line.remark))
    for line in lines:
        if line.selected_share == 0:
            remarks.append(
                f"{line.label} at {line.budget}: selected nothing of the unlabelled images at the "
                "end of training, so it learned from the labelled ones alone."
            )
    return remarks


def run_facts(protocol: Protocol, outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Name and value of what a reader needs to judge the figures."""
    manifests = [outcome.manifest for outcome in outcomes]
    facts = [
        ["Data", protocol.title],
        ["Iterations, batch", f"{protocol.iterations:,}, {protocol.batch} + {protocol.batch}"],
        ["Crop, longer side", f"{protocol.crop}, {protocol.max_size or 'as it is'} pixels"],
        ["Model", f"{_chosen(protocol)}; tested once"],
        ["Test cases", _all({f"{outcome.num_test:,}" for outcome in outcomes})],
        ["Seeds", _all({str(outcome.seed) for outcome in outcomes})],
        ["First weights", _all({outcome.initialization for outcome in outcomes})],
        ["Device", _all({_device(manifest) for manifest in manifests})],
        ["Versions", _all({_versions(manifest) for manifest in manifests})],
        ["Commit", _all({str(m.get("git_commit") or "installed copy")[:12] for m in manifests})],
        ["Dates", _all({str(m.get("finished", ""))[:10] for m in manifests})],
    ]
    return [[name, value] for name, value in facts if value]


def _chosen(protocol: Protocol) -> str:
    return "the last" if protocol.keep == "last" else "the best on validation"


def _all(values: Iterable[str]) -> str:
    return "; ".join(sorted(value for value in values if value))


def _device(manifest: Mapping[str, Any]) -> str:
    device = manifest.get("device", {})
    told = [str(device.get("name") or device.get("type", ""))]
    if device.get("threads"):
        told.append(f"{device['threads']} threads")
    return ", ".join(part for part in [*told, str(manifest.get("precision", ""))] if part)


def _versions(manifest: Mapping[str, Any]) -> str:
    versions = manifest.get("versions", {})
    wanted = ("python", "torch", "monai", "segmentation-models-pytorch", "ecs-med")
    return ", ".join(f"{name} {versions[name]}" for name in wanted if name in versions)
