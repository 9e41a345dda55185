"""What is written of a table and of a figure: to JSON, to other files and onto the page."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from ecs_med.records import Record
from ecs_med.reporting.table import Value
from ecs_med.runs import Manifest
from ecs_med_benchmarks.comparison import Line, Outcome, RowOutcome, compare
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.tables import ECS, TableSpec

__all__ = ["Document", "FigureDocument", "TableDocument", "table_document", "trial_mark"]


class Document(Record):
    """What a table and a figure have in common."""

    remedy: ClassVar[str] = "remove the file, and start the benchmark again"

    number: str
    """In the paper."""
    title: str
    """Its heading."""
    dataset: str
    """The data set as people call it."""
    trial: str | None
    """What every output of a trial says on top; `None` for a full run."""
    deviations: tuple[str, ...]
    """Where the user's settings left the protocol."""
    remarks: tuple[str, ...]
    """What a reader should know, one sentence each."""

    @property
    def name(self) -> str:
        """Name of its files, without suffix."""
        return f"{type(self).__name__.removesuffix('Document').lower()}-{self.number}"


class TableDocument(Document):
    """Everything about one table."""

    has_published: bool
    """Whether the paper's figures stand beside ours."""
    lines: tuple[Line, ...]
    """Its rows."""
    own: str
    """Name of the method that it is about."""
    missing: tuple[tuple[str, str], ...]
    """Runs without a score, and why."""
    warnings: tuple[str, ...]
    """What the runs warned of."""
    facts: tuple[tuple[str, str], ...]
    """Name and value of what a reader needs to judge the figures."""


class FigureDocument(Document):
    """Everything about one figure."""

    caption: str
    """What it shows and how."""
    picture: str
    """SVG that fits into a page."""
    rows: tuple[dict[str, Value], ...]
    """The numbers behind it."""


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
) -> TableDocument:
    """Everything about one table.

    Args:
        spec: The table.
        protocol: As it was run, that is already scaled.
        rows: Outcomes of its rows.
        scale: Of the trial, 1 for a full run.
        deviations: Where the user's settings left the protocol.
    """
    lines = compare(spec, protocol.name, rows)
    outcomes = [outcome for row in rows for outcome in row.outcomes]
    return TableDocument(
        number=spec.number,
        title=f"Table {spec.number}: {spec.title}",
        dataset=protocol.title,
        trial=trial_mark(scale),
        deviations=tuple(deviations),
        remarks=tuple(_remarks(lines)),
        has_published=protocol.is_published,
        lines=tuple(lines),
        own=ECS.label,
        missing=tuple({name: (name, why) for row in rows for name, why in row.missing}.values()),
        warnings=tuple(sorted({text for o in outcomes for text in o.manifest.warnings})),
        facts=tuple(_run_facts(protocol, outcomes)),
    )


def _remarks(lines: Iterable[Line]) -> list[str]:
    remarks = list(dict.fromkeys(f"{line.label}: {line.remark}" for line in lines if line.remark))
    for line in lines:
        if line.selected_share == 0:
            remarks.append(
                f"{line.label} at {line.budget}: selected nothing of the unlabelled images at the "
                "end of training, so it learned from the labelled ones alone."
            )
    return remarks


def _run_facts(protocol: Protocol, outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    manifests = [outcome.manifest for outcome in outcomes]
    chosen = "the last" if protocol.keep == "last" else "the best on validation"
    facts = [
        ("Data", protocol.title),
        ("Iterations, batch", f"{protocol.iterations:,}, {protocol.batch} + {protocol.batch}"),
        ("Crop, longer side", f"{protocol.crop}, {protocol.max_size or 'as it is'} pixels"),
        ("Model", f"{chosen}; tested once"),
        ("Test cases", _all(f"{o.metrics.test.num_cases:,}" for o in outcomes)),
        ("Seeds", _all(str(outcome.seed) for outcome in outcomes)),
        ("First weights", _all(m.initialization.segmenter for m in manifests)),
        ("Device", _all(_device(m) for m in manifests)),
        ("Versions", _all(_versions(m) for m in manifests)),
        (
            "Commit",
            _all(m.git_commit[:12] if m.git_commit else "installed copy" for m in manifests),
        ),
        ("Dates", _all(m.finished[:10] for m in manifests)),
    ]
    return [(name, value) for name, value in facts if value]


def _all(values: Iterable[str]) -> str:
    return "; ".join(sorted({value for value in values if value}))


def _device(manifest: Manifest) -> str:
    device = manifest.device
    told = [str(device.get("name") or device.get("type", ""))]
    if "threads" in device:
        told.append(f"{device['threads']} threads")
    return ", ".join(part for part in (*told, manifest.precision) if part)


def _versions(manifest: Manifest) -> str:
    wanted = ("python", "torch", "monai", "segmentation-models-pytorch", "ecs-med")
    found = manifest.versions
    return ", ".join(f"{name} {found[name]}" for name in wanted if name in found)
