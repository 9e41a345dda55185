"""Looking at one candidate: read it, let networks see it once, and keep a few numbers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from ecs_med.acquisition.base import Need
from ecs_med.acquisition.chunks import doubt_map, model_chunks
from ecs_med.acquisition.features import ENCODER_PREPARATION, PackagedFeatures, watched
from ecs_med.acquisition.look import Look, rounded
from ecs_med.config import Preparation
from ecs_med.data.cases import PreparedCase, prepare_case
from ecs_med.data.checks.contents import files_digest
from ecs_med.data.layers import layer_of
from ecs_med.data.readers import read_header
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import check_scan
from ecs_med.runs import RunFolder
from ecs_med.types import UnlabeledCase

__all__ = ["Looker", "ModelLooker", "apart", "looker_for"]

_MOST_SLICES = 3
"""Of a volume that are named as those that stand out."""


class Looker(ABC):
    """Sees a candidate as the rules of one `Need` want it seen."""

    source: str
    """What the numbers follow from: those of another source are of no use."""

    def __call__(self, case: UnlabeledCase, fingerprint: str) -> Look:
        """Read a case, whose files have this digest, and look at it.

        Raises:
            DataError: If a file cannot be read.
            SettingsError: If the scan is of another kind than the model was trained on.
        """
        return self.see(self.prepare(case), case.id, fingerprint)

    @abstractmethod
    def prepare(self, case: UnlabeledCase) -> PreparedCase:
        """Read a case; errors as of the call."""

    @abstractmethod
    def see(self, case: PreparedCase, case_id: str, fingerprint: str) -> Look:
        """Look at a prepared case."""


class PixelLooker(Looker):
    """Makes sure that a file can be read, which is all that chance asks for."""

    source = "pixels"

    def prepare(self, case: UnlabeledCase) -> PreparedCase:
        """As it is, but for its size."""
        return prepare_case(case, Preparation())

    def see(self, case: PreparedCase, case_id: str, fingerprint: str) -> Look:
        """Number of slices, the middle one."""
        return _plain(case, case_id, fingerprint)


class EncoderLooker(Looker):
    """Features of the packaged encoder; errors as of `PackagedFeatures`."""

    def __init__(self, device: torch.device) -> None:
        self._features = PackagedFeatures(device)
        self.source = f"encoder {self._features.name}"

    def prepare(self, case: UnlabeledCase) -> PreparedCase:
        """At the size that the encoder likes."""
        return prepare_case(case, ENCODER_PREPARATION)

    def see(self, case: PreparedCase, case_id: str, fingerprint: str) -> Look:
        """Features alone."""
        look = _plain(case, case_id, fingerprint)
        return look.model_copy(update={"features": self._features(case)})


class ModelLooker(Looker):
    """Everything that a model says, in one pass: all rules that need a model share it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        files = RunFolder(model.run)
        self.source = f"model {files_digest([files.weights_file, files.spec_file])}"

    def prepare(self, case: UnlabeledCase) -> PreparedCase:
        """As the model sees it."""
        check_scan(self.model, read_header(case.images, case.frame), case.images[0])
        return prepare_case(case, self.model.spec.preparation)

    def see(self, case: PreparedCase, case_id: str, fingerprint: str) -> Look:
        """Means over all pixels, the slice that stands out, features of the segmenter."""
        num_classes = self.model.spec.num_classes
        entropies, doubts = _SliceMeans(case), _SliceMeans(case)
        by_class = [_SliceMeans(case) for _ in range(num_classes)]
        pixels = torch.zeros(num_classes, dtype=torch.int64)
        with watched(self.model.segmenter) as features:
            for chunk in model_chunks(self.model, case):
                entropy_map = _entropy(chunk.probabilities)
                entropies.add(chunk.start, entropy_map)
                for label, means in enumerate(by_class):
                    means.add(chunk.start, entropy_map * chunk.probabilities[:, label])
                if chunk.judged is not None:
                    doubts.add(chunk.start, doubt_map(chunk))
                pixels += torch.bincount(chunk.labels.flatten(), minlength=num_classes).cpu()
        has_doubt = self.model.has_corrector
        entropy, doubt = rounded((entropies.mean, doubts.mean))
        num_slices = len(case.slices)
        indices = apart((doubts if has_doubt else entropies).of_slices)
        return Look(
            case=case_id,
            files=fingerprint,
            entropy=entropy,
            class_entropies=rounded(means.mean for means in by_class),
            doubt=doubt if has_doubt else None,
            pixels=tuple(pixels.tolist()),
            num_slices=num_slices,
            slice_index=indices[0],
            layers=tuple(layer_of(case, i) for i in indices) if num_slices > 1 else (),
            features=features.vector(),
        )


def looker_for(need: Need, model: Model | None, device: torch.device) -> Looker:
    """What looks at candidates for a rule of this need; a model there has to be where it asks."""
    if need in ("model", "corrector"):
        assert model is not None
        return ModelLooker(model)
    return EncoderLooker(device) if need == "features" else PixelLooker()


def _entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """In 0..1: that of equal probabilities is 1."""
    entropy: torch.Tensor = torch.special.entr(probabilities).sum(dim=1)
    return entropy / torch.log(torch.tensor(float(probabilities.shape[1])))


class _SliceMeans:
    """Means of a map over each slice of a case, which comes in pieces."""

    def __init__(self, case: PreparedCase) -> None:
        self._sums = torch.zeros(len(case.slices), dtype=torch.float64)
        self._num_pixels = case.slices.shape[-2] * case.slices.shape[-1]

    def add(self, start: int, maps: torch.Tensor) -> None:
        """Take in the map of slices from `start` on, or of some rows of one, `(n, rows, W)`."""
        self._sums[start : start + len(maps)] += maps.flatten(1).double().sum(dim=1).cpu()

    @property
    def of_slices(self) -> list[float]:
        """One a slice; 0 where a network has diverged."""
        means: list[float] = (self._sums / self._num_pixels).nan_to_num().tolist()
        return means

    @property
    def mean(self) -> float:
        """Over all slices."""
        return sum(self.of_slices) / len(self._sums)


def apart(scores: Sequence[float]) -> list[int]:
    """Places of the highest scores, at most three, an eighth of all away from each other.

    Example:
        >>> apart([0, 0, 9, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0])
        [2, 13, 5]
    """
    distance = max(1, len(scores) // 8)
    chosen: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if len(chosen) < _MOST_SLICES and all(abs(index - i) >= distance for i in chosen):
            chosen.append(index)
    return chosen


def _plain(case: PreparedCase, case_id: str, fingerprint: str) -> Look:
    num_slices = len(case.slices)
    return Look(case=case_id, files=fingerprint, num_slices=num_slices, slice_index=num_slices // 2)
