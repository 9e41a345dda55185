"""Labelling slices instead of volumes: from a split of cases to one of slices."""

from collections.abc import Sequence

import numpy as np

from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.planes import slice_axis
from ecs_med.data.readers import read_header
from ecs_med.errors import BudgetError
from ecs_med.sparse import SparseCase
from ecs_med.splits import (
    Split,
    SplitFile,
    VolumeSlices,
    choose_slices,
    parse_labeled,
    read_listed_slices,
    slices_note,
)
from ecs_med.training.resolve import Images
from ecs_med.types import Case

__all__ = ["label_slices", "refuse_foreign_slices"]


def label_slices(
    config: TrainConfig,
    split: Split,
    cases: Sequence[Case],
    images: Images,
    scheme: LabelScheme,
) -> Split:
    """Label some slices of the labelled volumes alone, where the budget is counted so.

    The masks of these volumes are read here, to know which slices are void throughout and, for
    the choice by content, which show what; what is not chosen is out of reach from then on.

    Args:
        config: Settings of the run.
        split: Its cases, drawn as ever.
        cases: All of the data set.
        images: What the images have in common.
        scheme: The classes.

    Raises:
        BudgetError: If there are no slices to choose from.
        DataError: If a mask cannot be read.
    """
    listed = _listed(config, cases)
    if config.unit == "case" or split.slices():
        refuse_foreign_slices(split)
        return split
    if images.kind != "volume":
        raise BudgetError(
            "`unit=slice` is for volumes, and these are pictures, of which each is one slice; "
            "leave `unit` out."
        )
    preparation = Preparation(
        orientation=config.orientation,
        plane=config.plane,
        usual_plane=images.usual_plane or "axial",
    )
    volumes = {}
    for case in split.labeled:
        assert isinstance(case, Case)
        axis = slice_axis(read_header(case.images, case.frame), preparation)
        pixels = _class_pixels(case, axis, scheme)
        volumes[case.id] = VolumeSlices(axis, pixels, listed.get(case.id))
    chosen = choose_slices(volumes, config.slice_choice, config.slices_per_volume, config.seed)
    rows = (volumes[id_].pixels[layer] for id_, some in chosen.items() for layer in some.layers)
    if not any(any(row[1:]) for row in rows):
        raise BudgetError(
            "The labelled slices are without any foreground, so there is nothing to learn; use "
            "`slice_choice=content`, raise `slices_per_volume`, or choose another `seed`."
        )
    note = slices_note(chosen, config.slice_choice, config.slices_per_volume)
    short = sum(len(s.layers) < (config.slices_per_volume or 0) for s in chosen.values())
    warnings = []
    if short:
        warnings = [
            f"{short} of {len(chosen)} labelled volumes have fewer than "
            f"{config.slices_per_volume} annotated slices and give all that they have."
        ]
    return split.with_slices(cases, chosen, [note], warnings)


def _listed(config: TrainConfig, cases: Sequence[Case]) -> dict[str, tuple[int, ...]]:
    """Slices that a list of cases names; refused where nothing else says that slices count."""
    budget = parse_labeled(config.labeled)
    listed = read_listed_slices(budget.path, cases) if isinstance(budget, SplitFile) else {}
    if listed and (config.unit, config.slice_choice) != ("slice", "given"):
        assert isinstance(budget, SplitFile)
        raise BudgetError(
            f"{budget.path}: names slices; label them alone with `unit=slice` and "
            "`slice_choice=given`, or take the column out."
        )
    return listed


def _class_pixels(case: Case, axis: int, scheme: LabelScheme) -> list[list[int]]:
    """Voxels of each class in each layer along `axis`."""
    assert case.mask is not None
    labels = read_labels(case.images, case.mask, scheme, case.frame, annotated=case.annotated)
    labels = np.moveaxis(labels, axis, 0)
    counts = (np.bincount(layer.ravel(), minlength=256) for layer in labels)
    return [row[: scheme.num_classes].tolist() for row in counts]


def refuse_foreign_slices(split: Split) -> None:
    """Make sure that the volumes have the slices that a split file labels.

    Raises:
        BudgetError: If one has not.
    """
    for case in split.labeled:
        if not isinstance(case, SparseCase):
            continue
        header, chosen = read_header(case.images, case.frame), case.mask.selection
        number = header.shape[chosen.axis] if len(header.shape) == 3 else 0
        if chosen.layers[-1] >= number:
            raise BudgetError(
                f"{case.images[0]}: the split labels slice {chosen.layers[-1]} along axis "
                f"{chosen.axis}, which it does not have; use a split that was drawn from these "
                "data."
            )
