"""One volume stored in other orders and directions of its axes, and a network that can tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import torch
from tiny_networks import pixelwise

from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.runs import ModelSpec

__all__ = ["ORDERS", "Order", "noise", "random_model", "rotated", "write_nifti"]

Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Order:
    """Which axis of the original each axis of a copy is, and whether it runs the other way."""

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def copy(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The values as the copy stores them, index by index."""
        shape = tuple(values.shape[axis] for axis in self.axes)
        stored = np.empty(shape, values.dtype)
        for index in np.ndindex(shape):
            stored[index] = values[self.place(index, values.shape)]
        return stored

    def place(self, index: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
        """Where the original has the voxel that the copy has at `index`."""
        found = [0, 0, 0]
        for number, axis, flipped in zip(index, self.axes, self.flips, strict=True):
            found[axis] = shape[axis] - 1 - number if flipped else number
        return tuple(found)

    def affine(self, affine: Affine, shape: Sequence[int]) -> Affine:
        """By which every voxel of the copy lies where that of the original does."""
        corner = np.array([*self.place((0, 0, 0), shape), 1.0])
        turned = np.eye(4)
        turned[:, 3] = affine @ corner
        for number, (axis, flipped) in enumerate(zip(self.axes, self.flips, strict=True)):
            turned[:, number] = -affine[:, axis] if flipped else affine[:, axis]
        return turned


def _orders() -> Iterator[Order]:
    for axes in permutations(range(3)):
        for flips in product((False, True), repeat=3):
            yield Order(axes, flips)  # type: ignore[arg-type]


ORDERS = tuple(_orders())
"""All 48; the first is the original."""


def noise(shape: Sequence[int], seed: int = 0) -> npt.NDArray[np.int16]:
    """Values without any symmetry."""
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.int16)


def rotated(sides: Sequence[float], degrees: float = 0.0) -> Affine:
    """An affine with these voxel sides, turned about two axes of the body and moved."""
    turn = np.radians(degrees)
    cos, sin = np.cos(turn), np.sin(turn)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(sides)
    affine[:3, 3] = (-31, 12, 55)
    return affine


def write_nifti(path: Path, values: npt.NDArray[Any], affine: Affine) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def random_model(run: Path, **preparation: Any) -> Model:
    """Three classes by random weights of 3 x 3 pixels, so that no turn leaves the result alone."""
    torch.manual_seed(1)
    names = ("background", "one", "two")
    run.mkdir(parents=True, exist_ok=True)
    spec = ModelSpec(
        method="ecs",
        labels=LabelScheme(class_names=names),
        preparation=Preparation.parse({"percentiles": (0, 100), **preparation}),
        kind="volume",
        in_channels=1,
        mean=(0.5,),
        std=(0.2,),
        encoder=None,
        corrector_encoder="none",
        crop=32,
        initialization="none",
    )
    networks = pixelwise(1, 3), pixelwise(4, 4)
    return Model(spec, *(n.eval() for n in networks), device=torch.device("cpu"), run=run)
