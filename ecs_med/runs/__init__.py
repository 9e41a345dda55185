"""Folders of runs and of sweeps: the names of their files, and what each of them holds."""

from ecs_med.runs.contents import Changes, DataContents
from ecs_med.runs.folder import RunFolder, SweepFolder
from ecs_med.runs.history import (
    CorrectorScores,
    History,
    PseudoLabelHealth,
    TrainRow,
    ValidationRow,
    read_history,
)
from ecs_med.runs.records import (
    CaseCounts,
    CorrectorMetrics,
    DataFacts,
    Failure,
    Gallery,
    GalleryEntry,
    InitialWeights,
    LastModel,
    Manifest,
    MethodFacts,
    Metrics,
    TestCases,
)
from ecs_med.runs.spec import ModelSpec, Origin, PlannedRun, SweepPlan

__all__ = [
    "CaseCounts",
    "Changes",
    "CorrectorMetrics",
    "CorrectorScores",
    "DataContents",
    "DataFacts",
    "Failure",
    "Gallery",
    "GalleryEntry",
    "History",
    "InitialWeights",
    "LastModel",
    "Manifest",
    "MethodFacts",
    "Metrics",
    "ModelSpec",
    "Origin",
    "PlannedRun",
    "PseudoLabelHealth",
    "RunFolder",
    "SweepFolder",
    "SweepPlan",
    "TestCases",
    "TrainRow",
    "ValidationRow",
    "read_history",
]
