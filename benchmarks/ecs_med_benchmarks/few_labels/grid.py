"""What the table holds: data sets, methods, budgets, seeds, and in which order they are run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

from ecs_med.config import BASELINE_METHOD, merge_settings
from ecs_med_benchmarks.protocols import protocol_named

__all__ = ["EQUALS", "Equal", "FewLabels", "Row", "settings_of"]

Equal = Literal["steps", "seconds"]
"""What methods of a table have as much of as each other."""

EQUALS: tuple[Equal, ...] = ("steps", "seconds")

_SHARED: dict[str, Any] = {
    "iterations": 400,
    "batch": 4,
    "crop": 96,
    # Equal for all, and packaged, so that a table can be had again where there is no network.
    "encoder": "tf_efficientnet_lite0",
    "corrector_encoder": "tf_efficientnet_lite0",
    "encoder_weights": "imagenet",
    "keep": "best",
    "score_last": True,
}
"""What sets the table apart from the protocols of its data sets: it is to end on two cores."""

_CROPS = {"hippocampus": 64}
"""Slices of the hippocampus crops have at most 59 pixels a side: more would be enlarged."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: runs that differ in the seed alone.

    Attributes:
        dataset: Name of a protocol.
        equal: Of what its methods have equally much.
        budget: Labelled budget.
        method: Name of the method.
        steps: Training steps of each run.
    """

    dataset: str
    equal: Equal
    budget: str
    method: str
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FewLabels:
    """Which rows there are.

    Attributes:
        sets: Names of protocols.
        methods: At few labels; the first is held against all others, `reference` too.
        reference: Whose steps and seconds the others get.
        everywhere: Methods that are tried at more labels, too.
        few: Budgets of every method.
        more: Budgets of the methods `everywhere` and of the best rival.
        seeds: Of every row.
        more_seeds: Of the methods `most_seeds`, too.
        most_seeds: Methods between which the difference is looked for.
        equals: Tables.
    """

    sets: tuple[str, ...] = ("kvasir", "hippocampus")
    methods: tuple[str, ...] = (
        *(BASELINE_METHOD, "ecs", "ecs-plus", "mean-teacher", "fixmatch", "unimatch"),
        *("cps", "bcp", "ecmt", "advsemiseg"),
    )
    reference: str = "ecs-plus"
    everywhere: tuple[str, ...] = (BASELINE_METHOD, "ecs", "ecs-plus")
    few: tuple[str, ...] = ("1/16", "1/8")
    more: tuple[str, ...] = ("1/4", "1/2", "all")
    seeds: tuple[int, ...] = (0, 1, 2)
    more_seeds: tuple[int, ...] = (3, 4)
    most_seeds: tuple[str, ...] = (BASELINE_METHOD, "ecs", "ecs-plus")
    equals: tuple[Equal, ...] = EQUALS

    def restricted(
        self,
        *,
        sets: Sequence[str] | None = None,
        methods: Sequence[str] | None = None,
        budgets: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        equals: Sequence[Equal] | None = None,
    ) -> "FewLabels":
        """The part that a user asks for; `None`: as it is.

        Methods that are named are tried at every budget, and every method at budgets that are
        named; seeds that are named are those of every row.
        """
        found = replace(self, sets=tuple(sets or self.sets), equals=tuple(equals or self.equals))
        if methods:
            found = replace(found, methods=tuple(methods), everywhere=tuple(methods))
        if budgets:
            found = replace(found, few=tuple(budgets), more=())
        if seeds:
            found = replace(found, seeds=tuple(seeds), more_seeds=())
        return found

    def with_installed(self, names: Sequence[str]) -> tuple["FewLabels", tuple[str, ...]]:
        """The table of those methods that are installed, and the others."""
        known = tuple(method for method in self.methods if method in names)
        missing = tuple(method for method in self.methods if method not in names)
        return replace(self, methods=known), missing

    @property
    def rivals(self) -> tuple[str, ...]:
        """Methods of which the best one is tried at more labels, too."""
        return tuple(method for method in self.methods if method not in self.everywhere)

    def cells(
        self, steps: Mapping[tuple[str, Equal, str], int], rival: str | None = None
    ) -> list[tuple[Row, int]]:
        """Every row with each of its seeds, what tells most first.

        Budgets are the outermost loop, then seeds, so that a table that is stopped early holds all
        methods on both data sets.

        Args:
            steps: By data set, table and method; rows without are left out.
            rival: Tried at more labels, too.
        """
        seeds = sorted({*self.seeds, *self.more_seeds})
        order = product((*self.few, *self.more), seeds, self.equals, self.sets, self.methods)
        return [
            (Row(dataset, equal, budget, method, steps[dataset, equal, method]), seed)
            for budget, seed, equal, dataset, method in order
            if (dataset, equal, method) in steps and self._has(method, budget, seed, rival)
        ]

    def _has(self, method: str, budget: str, seed: int, rival: str | None) -> bool:
        if budget not in self.few and method not in (*self.everywhere, rival):
            return False
        return seed in self.seeds or (seed in self.more_seeds and method in self.most_seeds)


def settings_of(dataset: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `TrainConfig` that all runs on a data set share, `iterations` of the reference.

    Images are brought to the size of the crop, and small slices up to it.

    Args:
        dataset: Name of a protocol, whose augmentation holds.
        overrides: Those that the user gave.

    Raises:
        SettingsError: If there is no such protocol.
    """
    protocol = protocol_named(dataset).train_settings()
    own = {"crop": _CROPS.get(dataset, _SHARED["crop"])}
    settings = merge_settings(protocol, _SHARED, own, overrides)
    sizes = dict.fromkeys(("max_size", "min_size"), settings["crop"])
    return merge_settings(settings, sizes, overrides)
