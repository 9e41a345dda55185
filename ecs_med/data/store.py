"""Prepared scans on disk: decoded, sliced and resized once, read slice by slice ever after.

A cache entry is keyed on reader, path, size and modification time of its files and on the
settings that made it, so a changed file is prepared anew. A damaged entry is prepared
anew as well. Where the cache folder cannot be written, scans are prepared on each access.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.data import PersistentDataset
from monai.transforms import Transform
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.prepare import Preparation, prepare_labels, prepare_scan
from ecs_med.data.scans import fingerprint, read_scan
from ecs_med.errors import EcsMedError
from ecs_med.types import Case, UnlabeledCase

__all__ = ["PreparedSlice", "SliceStore", "default_cache_folder"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PreparedSlice:
    """One slice as the random transforms take it.

    Attributes:
        image: `(C, H, W)`, uint8 in 0..255 or float16 in 0..1.
        labels: `(H, W)`, uint8, or `None` without a mask.
    """

    image: torch.Tensor
    labels: torch.Tensor | None


class SliceStore(PersistentDataset):  # type: ignore[misc]
    """A sequence of prepared cases.

    `store[i]` is a mapping with `image` `(D, C, H, W)` and, where the case has a mask,
    `labels` `(D, H, W)`, `foreground` (indices of the slices that show a class other
    than 0) and `classes` (labels that occur). `store.slice(i, d)` reads one slice without the rest.

    Args:
        cases: Cases with masks, or `UnlabeledCase`s, whose masks cannot be reached from here.
        preparation: How scans are prepared.
        scheme: How stored mask values become classes; needed where there are masks.
        folder: Where entries are kept; made if missing.
    """

    def __init__(
        self,
        cases: Sequence[Case] | Sequence[UnlabeledCase],
        preparation: Preparation,
        scheme: LabelScheme | None,
        folder: Path,
    ) -> None:
        self._settings = json.dumps(
            {
                "format": _FORMAT,
                "preparation": preparation.model_dump(mode="json"),
                "scheme": scheme.model_dump(mode="json") if scheme else None,
            },
            sort_keys=True,
        )
        self._writable = _make_folder(folder)
        super().__init__(
            data=list(cases),
            transform=_Prepare(preparation, scheme),
            cache_dir=folder if self._writable else None,
        )

    def num_slices(self, index: int) -> int:
        """Number of slices of a case; 1 for a picture."""
        with self._entry(index) as entry:
            return int(entry.get_slice("image").get_shape()[0])

    def foreground_slices(self, index: int) -> torch.Tensor:
        """Indices of a labelled case's slices that show a class other than 0."""
        with self._entry(index) as entry:
            tensor: torch.Tensor = entry.get_tensor("foreground")
            return tensor

    def classes(self, index: int) -> frozenset[int]:
        """Class indices that occur in a case, void included; empty without a mask."""
        with self._entry(index) as entry:
            if "classes" not in entry.keys():  # noqa: SIM118
                return frozenset()
            return frozenset(entry.get_tensor("classes").tolist())

    def slice(self, index: int, number: int) -> PreparedSlice:
        """One slice of one case."""
        with self._entry(index) as entry:
            labels = entry.get_slice("labels")[number] if "labels" in entry.keys() else None  # noqa: SIM118
            return PreparedSlice(image=entry.get_slice("image")[number], labels=labels)

    def _entry(self, index: int) -> Any:
        """An open entry, prepared first where it is missing or damaged."""
        if not self._writable:
            return _InMemory(self._prepared(self.data[index]))
        path = self._path(self.data[index])
        try:
            return safe_open(path, framework="pt")
        except (OSError, SafetensorError):
            content = self._prepared(self.data[index])
        if self._write(path, content):
            return safe_open(path, framework="pt")
        return _InMemory(content)

    def _prepared(self, case: Case | UnlabeledCase) -> Mapping[str, torch.Tensor]:
        try:
            content: Mapping[str, torch.Tensor] = self._pre_transform(case)
        except RuntimeError as error:
            # MONAI wraps what a transform raises; the user needs the sentence inside.
            if isinstance(error.__cause__, EcsMedError):
                raise error.__cause__ from None
            raise
        return content

    def _cachecheck(self, item: Case | UnlabeledCase) -> Mapping[str, torch.Tensor]:
        with self._entry(self.data.index(item)) as entry:
            return {key: entry.get_tensor(key) for key in entry.keys()}  # noqa: SIM118

    def _path(self, case: Case | UnlabeledCase) -> Path:
        mask = case.mask if isinstance(case, Case) else None
        states = [fingerprint(case.images, case.frame), fingerprint([mask]) if mask else None]
        digest = hashlib.sha256(json.dumps([states, self._settings]).encode()).hexdigest()
        assert self.cache_dir is not None
        return Path(self.cache_dir) / digest[:2] / f"{digest[2:34]}.safetensors"

    def _write(self, path: Path, content: Mapping[str, torch.Tensor]) -> bool:
        """Write an entry so that no reader ever sees half of it; whether that worked."""
        try:
            path.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
            os.close(handle)
            try:
                save_file(dict(content), name)
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)
        except (OSError, SafetensorError) as error:
            self._writable = False
            warnings.warn(
                f"{path.parent}: prepared images cannot be kept ({error}); "
                "training goes on without the cache, more slowly.",
                stacklevel=2,
            )
        return self._writable


class _Prepare(Transform):  # type: ignore[misc]
    """The deterministic transform: a case becomes tensors."""

    def __init__(self, preparation: Preparation, scheme: LabelScheme | None) -> None:
        self.preparation = preparation
        self.scheme = scheme

    def __call__(self, case: Case | UnlabeledCase) -> dict[str, torch.Tensor]:
        scan = read_scan(case.images, case.frame)
        content = {"image": torch.from_numpy(prepare_scan(scan, self.preparation)).contiguous()}
        if isinstance(case, Case) and case.mask is not None and self.scheme is not None:
            raw = read_labels(case.images, case.mask, self.scheme, case.frame)
            labels = torch.from_numpy(prepare_labels(raw, scan, self.preparation)).contiguous()
            shown = ((labels > 0) & (labels < self.scheme.num_classes)).flatten(1).any(dim=1)
            content |= {
                "labels": labels,
                "foreground": shown.nonzero()[:, 0],
                "classes": labels.unique(),
            }
        return content


class _InMemory:
    """Content with the reading interface of `safe_open`."""

    def __init__(self, content: Mapping[str, torch.Tensor]) -> None:
        self._content = content

    def __enter__(self) -> "_InMemory":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def keys(self) -> list[str]:
        return list(self._content)

    def get_tensor(self, name: str) -> torch.Tensor:
        return self._content[name]

    def get_slice(self, name: str) -> "_Sliced":
        return _Sliced(self._content[name])


class _Sliced:
    """A tensor with the interface of safetensors' slices."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def get_shape(self) -> list[int]:
        return list(self._tensor.shape)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._tensor[index]


def default_cache_folder() -> Path:
    """The user's cache folder for prepared scans (`XDG_CACHE_HOME` is respected)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ecs-med" / "prepared"


def _make_folder(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False
