"""Labelled budgets: what `labeled` means, which cases it gives, and the split file."""

from ecs_med.splits.case_list import read_case_list, read_listed_slices
from ecs_med.splits.document import Role, SplitDocument
from ecs_med.splits.draw import (
    Pick,
    Picked,
    absent_classes,
    absent_classes_warning,
    draw_split,
)
from ecs_med.splits.folds import Fold
from ecs_med.splits.hidden import HiddenReferences
from ecs_med.splits.joining import leak_warnings
from ecs_med.splits.ordering import DRAWS, Content, Draw
from ecs_med.splits.slices import SliceChoice, VolumeSlices, choose_slices, slices_note
from ecs_med.splits.specification import Budget, Count, Share, SplitFile, parse_labeled
from ecs_med.splits.split import Split

__all__ = [
    "DRAWS",
    "Budget",
    "Content",
    "Count",
    "Draw",
    "Fold",
    "HiddenReferences",
    "Pick",
    "Picked",
    "Role",
    "Share",
    "SliceChoice",
    "Split",
    "SplitDocument",
    "SplitFile",
    "VolumeSlices",
    "absent_classes",
    "absent_classes_warning",
    "choose_slices",
    "draw_split",
    "leak_warnings",
    "parse_labeled",
    "read_case_list",
    "read_listed_slices",
    "slices_note",
]
