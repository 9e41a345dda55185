"""Prepared cases on disk: decoded, sliced and resized once, read slice by slice ever after.

A cache entry is keyed on reader, path, size and modification time of its files and on the
settings that made it, so a changed file is prepared anew. A damaged entry is prepared
anew as well. Where the cache folder cannot be written, cases are prepared on each access.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.utils.data import Dataset

from ecs_med.config import Preparation
from ecs_med.data.cases import PreparedCase, prepare_case
from ecs_med.data.depth import neighbors
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.readers import fingerprint, read_header
from ecs_med.data.slicing import mirror_axes, slicing_of
from ecs_med.errors import DataError
from ecs_med.litter import clear_litter, temporary_file
from ecs_med.sparse import LabeledCase, SliceSelection, SparseCase
from ecs_med.types import UNLABELED_INDEX, Case, UnlabeledCase

__all__ = ["PreparedSlice", "SliceStore", "Tensors"]

_FORMAT = 6

Tensors = Mapping[str, torch.Tensor]
Part = int | tuple[slice, ...]
"""Of a tensor: one slice, or a block."""


@dataclass(frozen=True, slots=True)
class PreparedSlice:
    """One slice as the random transforms take it.

    Attributes:
        image: `(C, H, W)`, uint8 in 0..255 or float16 in 0..1.
        labels: `(H, W)`, uint8, `UNLABELED_INDEX` where nobody has annotated; `None` without a
            mask.
        seen: `(H, W)`, uint8, 0 outside the field of view of an endoscope, 1 inside; `None` with
            a mask, which is void outside, and where no such field is looked for.
    """

    image: torch.Tensor
    labels: torch.Tensor | None
    seen: torch.Tensor | None = None


class SliceStore(Dataset[Tensors]):
    """A sequence of prepared cases.

    `store[i]` is a mapping with `image` `(D, C, H, W)`, `num_slices`, `mirror_axes` (see
    `ecs_med.data.slicing`) and, where the case has a mask, `labels` `(D, H, W)`, `foreground`
    (indices of the slices that show a class other than 0), `annotated` (indices of those with a
    labelled pixel) and `classes` (labels that occur, `UNLABELED_INDEX` among them).
    Without one, pictures whose field of view is looked for have `seen` `(D, H, W)` instead.
    `store.slice(i, d)` reads one slice without the rest.

    Args:
        cases: Cases with masks, or `UnlabeledCase`s, whose masks cannot be reached from here; of a
            `SparseCase`, the labels of its labelled slices alone can.
        preparation: How scans are prepared.
        scheme: How stored mask values become classes; needed where there are masks.
        folder: Where entries are kept; made if missing.
        references: `prepared` or `native`: the grid of the masks. With `native`, that of the scan
            itself, an entry holds `reference` instead of what is said above of masks, and
            `prepared_case` gives what scores are taken on.
        labeled_slices: By id, slices that are not to be drawn, since they are labelled and the
            volume is here as an unlabelled one.
    """

    _kind: ClassVar[str | None] = None
    """Of what entries hold, where that is more than is said above."""

    def __init__(
        self,
        cases: Sequence[LabeledCase] | Sequence[UnlabeledCase],
        preparation: Preparation,
        scheme: LabelScheme | None,
        folder: Path,
        *,
        references: Literal["prepared", "native"] = "prepared",
        labeled_slices: Mapping[str, SliceSelection] | None = None,
    ) -> None:
        self.cases: tuple[LabeledCase | UnlabeledCase, ...] = tuple(cases)
        self._labeled_slices = dict(labeled_slices or {})
        self._unlabeled: dict[int, torch.Tensor] = {}
        self._facts: dict[int, tuple[int, tuple[int, int]]] = {}
        self._preparation = preparation
        self._scheme = scheme
        self._native = references == "native"
        self._folder = folder
        self._writable = _make_folder(folder)
        clear_litter(folder)
        self._settings = json.dumps(
            {
                "format": _FORMAT,
                "preparation": preparation.model_dump(mode="json"),
                "scheme": scheme.model_dump(mode="json") if scheme else None,
                "references": references,
                **({"kind": self._kind} if self._kind else {}),
            },
            sort_keys=True,
        )

    def __len__(self) -> int:
        return len(self.cases)

    def of(self, cases: Sequence[LabeledCase]) -> Self:
        """The same store with fewer cases."""
        assert self._scheme is not None
        return type(self)(cases, self._preparation, self._scheme, self._folder)

    def __getitem__(self, index: int) -> Tensors:
        return self._read(self.cases[index])

    def num_slices(self, index: int) -> int:
        """Number of slices of a case; 1 for a picture."""
        return self._facts_of(index)[0]

    def mirror_axes(self, index: int) -> tuple[int, int]:
        """Axes of a case's `(D, H, W)` along which left and right, top and bottom lie."""
        return self._facts_of(index)[1]

    def _facts_of(self, index: int) -> tuple[int, tuple[int, int]]:
        # Every batch asks for these, and to look for the entry takes as long as to read a picture.
        if index not in self._facts:
            found = self._read(self.cases[index], ("num_slices", "mirror_axes"))
            across, upright = found["mirror_axes"].tolist()
            self._facts[index] = int(found["num_slices"]), (across, upright)
        return self._facts[index]

    def foreground_slices(self, index: int) -> torch.Tensor:
        """Indices of a labelled case's slices that show a class other than 0."""
        return self._read(self.cases[index], ("foreground",))["foreground"]

    def drawn_slices(self, index: int) -> torch.Tensor:
        """Indices of the slices that training may draw of a case, ascending; one at least.

        Of a case with a mask those with a labelled pixel, of an unlabelled one those that are not
        labelled; all, where there are none of these.
        """
        if isinstance(self.cases[index], UnlabeledCase):
            drawn = self._unlabeled_slices(index)
        else:
            drawn = self._read(self.cases[index], ("annotated",))["annotated"]
        return drawn if len(drawn) else torch.arange(self.num_slices(index))

    def _unlabeled_slices(self, index: int) -> torch.Tensor:
        if index not in self._unlabeled:
            case, count = self.cases[index], self.num_slices(index)
            is_drawn = torch.ones(count, dtype=torch.bool)
            labeled = self._labeled_slices.get(case.id)
            if labeled is not None:
                slicing = slicing_of(read_header(case.images, case.frame), self._preparation)
                # Across another axis every slice holds a line of each labelled one.
                if slicing.axis == labeled.axis:
                    is_drawn[[slicing.across(layer) for layer in labeled.layers]] = False
            self._unlabeled[index] = is_drawn.nonzero()[:, 0]
        return self._unlabeled[index]

    def num_pixels(self, index: int) -> tuple[int, int]:
        """Pixels of the slices that training draws of a labelled case: labelled, and not annotated.

        Void ones are neither.
        """
        labeled, unlabeled = self._read(self.cases[index], ("num_pixels",))["num_pixels"].tolist()
        return labeled, unlabeled

    def classes(self, index: int) -> frozenset[int]:
        """Class indices that occur in a case, void included; empty without a mask."""
        found = self._read(self.cases[index], ("classes",))
        return frozenset(found["classes"].tolist()) if found else frozenset()

    def slice(self, index: int, number: int, context: int = 0) -> PreparedSlice:
        """One slice of one case, with as many neighbours on either side as further channels."""
        case = self.cases[index]
        found = self._read(case, ("image", "labels", "seen"), number)
        image = found["image"]
        if context:
            around = neighbors(number, self.num_slices(index), context)
            image = torch.cat([self._read(case, ("image",), place)["image"] for place in around])
        return PreparedSlice(image, found.get("labels"), found.get("seen"))

    def shape_of(self, index: int, name: str) -> tuple[int, ...]:
        """The shape of one tensor of a case, which is not read where the entry lies on disk."""
        case = self.cases[index]
        path = self._path(case) if self._writable else None
        if path is not None:
            try:
                with safe_open(path, framework="pt") as entry:
                    return tuple(entry.get_slice(name).get_shape())
            except (OSError, SafetensorError):
                pass
        return tuple(self._read(case, (name,))[name].shape)

    def prepared_case(self, case: LabeledCase | UnlabeledCase) -> PreparedCase:
        """A case as models are applied to it, with its reference where entries hold one.

        Args:
            case: Any case, one of `cases` or not.

        Raises:
            DataError: If a file cannot be read.
        """
        found = self._read(case, ("image", "reference"))
        reference = found.get("reference")
        return PreparedCase(
            header=read_header(case.images, case.frame),
            slices=found["image"],
            preparation=self._preparation,
            reference=None if reference is None else reference.numpy(),
        )

    def _read(
        self,
        case: LabeledCase | UnlabeledCase,
        names: Sequence[str] | None = None,
        number: Part | None = None,
    ) -> Tensors:
        """Those tensors of an entry that it has, of one slice or block alone if `number` is given.

        The entry is prepared first where it is missing or damaged.
        """
        path = self._path(case) if self._writable else None
        if path is not None:
            try:
                with safe_open(path, framework="pt") as entry:
                    wanted = [n for n in entry.keys() if names is None or n in names]  # noqa: SIM118
                    if number is None:
                        return {name: entry.get_tensor(name) for name in wanted}
                    return {name: entry.get_slice(name)[number] for name in wanted}
            except (OSError, SafetensorError):
                pass
        content = self._prepare(case)
        if path is not None:
            self._write(path, content)
        wanted = [name for name in content if names is None or name in names]
        return {name: content[name] if number is None else content[name][number] for name in wanted}

    def _prepare(self, case: LabeledCase | UnlabeledCase) -> Tensors:
        found = prepare_case(case, self._preparation, self._scheme, keep_unlabeled=not self._native)
        content = {
            "image": found.slices.contiguous(),
            "num_slices": torch.tensor(len(found.slices)),
            "mirror_axes": torch.tensor(mirror_axes(found.header, self._preparation)),
        }
        if found.reference is None or self._scheme is None:
            looked_for = self._preparation.field_of_view == "auto" and not found.header.is_volume
            return content | {"seen": found.seen} if looked_for else content
        if self._native:
            return content | {"reference": torch.tensor(found.reference).contiguous()}
        labels = found.labels
        assert labels is not None
        annotated = labels < self._scheme.num_classes
        is_unlabeled = labels == UNLABELED_INDEX
        is_annotated = annotated.flatten(1).any(dim=1)
        shown = (annotated & (labels > 0)).flatten(1).any(dim=1)
        return content | {
            "labels": labels.contiguous(),
            "foreground": shown.nonzero()[:, 0],
            "annotated": is_annotated.nonzero()[:, 0],
            "num_pixels": torch.stack([annotated.sum(), is_unlabeled[is_annotated].sum()]),
            "classes": labels.unique(),
        }

    def _path(self, case: LabeledCase | UnlabeledCase) -> Path | None:
        """Where the entry lies; `None` where a file is gone, as preparing it will say."""
        try:
            states = [fingerprint(case.images, case.frame), _state_of_mask(case)]
        except (OSError, DataError):
            return None
        digest = hashlib.sha256(json.dumps([states, self._settings]).encode()).hexdigest()
        return self._folder / digest[:2] / f"{digest[2:34]}.safetensors"

    def _write(self, path: Path, content: Tensors) -> None:
        """Write an entry so that no reader ever sees half of it, or go on without a cache."""
        try:
            path.parent.mkdir(exist_ok=True)
            with temporary_file(self._folder, path.name) as temporary:
                save_file(dict(content), temporary)
                temporary.replace(path)
        except (OSError, SafetensorError) as error:
            self._writable = False
            warnings.warn(
                f"{path.parent}: prepared images cannot be kept ({error}); "
                "training goes on without the cache, more slowly.",
                stacklevel=2,
            )


def _state_of_mask(case: LabeledCase | UnlabeledCase) -> object:
    if isinstance(case, SparseCase):
        chosen = case.mask.selection
        return [case.mask.state(fingerprint), chosen.axis, chosen.layers, case.annotated]
    if not isinstance(case, Case) or case.mask is None:
        return None
    state = fingerprint([case.mask])
    return state if case.annotated is None else [state, case.annotated]


def _make_folder(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False
