"""Statistics of a sweep: intervals, comparisons, learning curves; NumPy and SciPy only."""

from ecs_med.analysis.bootstrap import bootstrap_case_difference, bootstrap_cases
from ecs_med.analysis.forecast import Forecast, ForecastRangeError, forecast
from ecs_med.analysis.intervals import (
    Interval,
    PairedComparison,
    Summary,
    compare_paired,
    correct_p_values,
    summarize,
)
from ecs_med.analysis.points import ScorePoint
from ecs_med.analysis.refusals import Refusal
from ecs_med.analysis.resolution import Resolution, resolvable_difference
from ecs_med.analysis.savings import LabelsSaved, labels_saved
from ecs_med.analysis.seeds_and_cases import compare_over_seeds_and_cases
from ecs_med.analysis.wording import LabelsNeeded, describe_savings

__all__ = [
    "Forecast",
    "ForecastRangeError",
    "Interval",
    "LabelsNeeded",
    "LabelsSaved",
    "PairedComparison",
    "Refusal",
    "Resolution",
    "ScorePoint",
    "Summary",
    "bootstrap_case_difference",
    "bootstrap_cases",
    "compare_over_seeds_and_cases",
    "compare_paired",
    "correct_p_values",
    "describe_savings",
    "forecast",
    "labels_saved",
    "resolvable_difference",
    "summarize",
]
