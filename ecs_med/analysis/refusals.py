"""When the scores of a sweep carry no forecast."""

from dataclasses import dataclass

import numpy as np

from ecs_med.analysis.points import ScoreTable, draw_mean_scores

__all__ = ["Refusal", "refuse_before_fitting"]

MIN_BUDGETS = 4
MIN_SEEDS = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no forecast.

    Attributes:
        sentence: The reason, one sentence with its full stop.
    """

    sentence: str


def refuse_before_fitting(table: ScoreTable, seed: int) -> Refusal | None:
    """Why no curve should be fitted to these scores; `None` where one may be.

    Args:
        table: Scores, without numbers of labels that have a single run.
        seed: Seed of the draws over seeds.
    """
    if table.num_labeled.size < MIN_BUDGETS:
        return Refusal(
            f"A forecast needs at least {MIN_BUDGETS} numbers of labels with two or more runs "
            f"each, as learning curves have three parameters; here are {table.num_labeled.size}."
        )
    if len(table.seeds) < MIN_SEEDS:
        return Refusal(
            f"A forecast needs at least {MIN_SEEDS} seeds to tell a trend from chance; "
            f"there are {len(table.seeds)}."
        )
    if not _rises(table, seed):
        return Refusal(
            "The scores do not rise with the labels beyond what chance over seeds gives."
        )
    return None


def _rises(table: ScoreTable, seed: int) -> bool:
    """Whether the slope over log(labels) is above 0 in all but 2.5 % of the draws over seeds."""
    drawn = draw_mean_scores([table], 500, seed)[0]
    logs = np.log(table.num_labeled)
    slopes = drawn @ (table.num_runs * (logs - np.average(logs, weights=table.num_runs)))
    return bool(np.mean(slopes <= 1e-9) < 0.025)
