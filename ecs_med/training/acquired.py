"""`draw` by an acquisition: the labelled cases are those that a rule of `suggest` asks for."""

from collections.abc import Mapping, Sequence
from functools import partial

from ecs_med.acquisition.base import ACQUISITIONS, Acquisition, Pool, choose
from ecs_med.acquisition.look import Look
from ecs_med.acquisition.lookers import looker_for
from ecs_med.config import TrainConfig
from ecs_med.devices import choose_device
from ecs_med.errors import BudgetError, RunFolderError, SettingsError
from ecs_med.inference.model import Model
from ecs_med.inference.storing import load_model
from ecs_med.runs import RunFolder
from ecs_med.splits import DRAWS, Pick, Picked, Role
from ecs_med.types import Case

__all__ = ["acquisition_of", "is_acquired", "pick_for"]


def is_acquired(config: TrainConfig) -> bool:
    """Whether the labelled cases are chosen by an acquisition instead of a draw from names.

    `random` and `foreground` are both; they are acquisitions where there is a run to go on from.
    """
    return config.draw_from is not None or config.draw not in DRAWS


def acquisition_of(config: TrainConfig) -> type[Acquisition]:
    """The rule that `draw` names.

    Raises:
        SettingsError: If there is none of that name.
    """
    if config.draw not in ACQUISITIONS.names():
        known = sorted({*DRAWS, *ACQUISITIONS.names()})
        why = " has no rule for cases beside those of `draw_from`" if config.draw in DRAWS else ""
        raise SettingsError(f"`draw={config.draw}`{why}; choose one of {', '.join(known)}.")
    return ACQUISITIONS.get(config.draw)


def pick_for(config: TrainConfig, before: Mapping[str, Role]) -> Pick:
    """How the labelled cases of a run are picked.

    Args:
        config: With an acquisition as `draw`.
        before: What the run `draw_from` used the cases of these data for, by id.

    Raises:
        SettingsError: If the rule asks for a model or a corrector that is not there.
        RunFolderError: If `draw_from` is no finished run.
    """
    kind, run = acquisition_of(config), config.draw_from
    if run is None:
        return partial(_pick_first, config, kind)
    if not RunFolder(run).is_finished:
        raise RunFolderError(
            f"{run}: not finished, so that there is no model to ask; go on with it by `ecs-med "
            f"train --resume --run {run}`."
        )
    model = load_model(run, config.device) if kind.needs in ("model", "corrector") else None
    if kind.needs == "corrector" and model is not None and not model.has_corrector:
        raise SettingsError(
            f"`draw={config.draw}` needs a corrector, and {run}, trained with "
            f"'{model.spec.method}', has none; use `draw=entropy`."
        )
    return partial(_pick_more, config, kind, model, before)


def _pick_first(
    config: TrainConfig, kind: type[Acquisition], masked: Sequence[Case], target: int
) -> Picked:
    """The first labels: by the rule if it needs no model, else at random."""
    if kind.needs in ("model", "corrector"):
        note = (
            f"Draw {config.draw}: there is no model to ask yet (`draw_from`), so the labelled "
            "cases were drawn at random."
        )
        return Picked(None, note)
    ids = _asked(config, kind, None, masked, 0, target)
    return Picked(frozenset(ids), f"Draw {config.draw}: {kind.rule}")


def _pick_more(
    config: TrainConfig,
    kind: type[Acquisition],
    model: Model | None,
    before: Mapping[str, Role],
    masked: Sequence[Case],
    target: int,
) -> Picked:
    """The labels of the earlier run, and those that the rule asks for."""
    kept = [case.id for case in masked if before.get(case.id) == "labeled"]
    held = [id_ for id_, role in before.items() if role == "labeled" and id_ not in set(kept)]
    if held or not kept:
        which = f"{held[0]} is labelled in {config.draw_from} and held out here" if held else (
            f"{config.draw_from} was trained on none of these cases"
        )  # fmt: skip
        raise BudgetError(f"`draw_from`: {which}; use the data and the `seed` of that run.")
    if target < len(kept):
        raise BudgetError(
            f"`labeled={config.labeled}` is {target} cases, and {config.draw_from} has "
            f"{len(kept)} already; ask for more."
        )
    left = [case for case in masked if case.id not in set(kept)]
    ids = _asked(config, kind, model, left, len(kept), target) if target > len(kept) else []
    note = (
        f"Draw {config.draw}: {len(kept)} labelled cases are those of {config.draw_from}, and "
        f"{len(ids)} were picked for it. {kind.rule}"
    )
    return Picked(frozenset((*kept, *ids)), note)


def _asked(
    config: TrainConfig,
    kind: type[Acquisition],
    model: Model | None,
    cases: Sequence[Case],
    num_labeled: int,
    target: int,
) -> list[str]:
    """Ids that the rule asks for, so that there are `target` labels; it sees images alone."""
    device = model.device if model else choose_device(config.device)
    looker = looker_for(kind.needs, model, device)
    looks = [
        Look(case=case.id, files="") if kind.needs == "nothing" else looker(case.without_mask(), "")
        for case in cases
    ]
    names = model.spec.class_names if model else ()
    pool = Pool(cases, looks, target - num_labeled, config.seed, names, num_labeled)
    return [cases[index].id for index in choose(kind(pool))]
