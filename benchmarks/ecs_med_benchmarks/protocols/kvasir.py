"""Kvasir-SEG."""

from ecs_med_benchmarks.protocol import Protocol

__all__ = ["Kvasir"]


class Kvasir(Protocol):
    """Kvasir-SEG: polyps in colonoscopy (Jha et al. 2020).

    Layout: 1,000 images in `images/`, their masks in `masks/` (JPEG, thresholded); or divided into
    train/ (800), validation/ (100) and test/ (100), the split published with EffiSegNet. Without
    test/, half of validation/ chooses the model and the other half is tested on; without any
    division 10 % and 20 % are drawn. Licence: research and education.

    The paper has no figures for it. For orientation (`published.csv`, other networks and splits):
    Dice 89.7 at 15 % and 90.6 at 30 % labels, semi-supervised; Dice 94.8 and mIoU 90.6 with all.
    """

    name: str = "kvasir"
    """Kvasir-SEG."""
    title: str = "Kvasir-SEG"
    """Colonoscopy, one class."""
    is_published: bool = False
    """Only other methods' figures."""
    budgets: tuple[str, ...] = ("10%", "15%", "20%", "30%", "50%")
    """Those of the literature."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Three."""
    crop: int = 352
    """The size that the literature trains at."""
    max_size: int = 352
    """Longer side; scores are taken on the original grid."""
    batch: int = 8
    """As the default of `ecs-med train`."""
    iterations: int = 10_000
    """From here on the optimisers are the paper's."""
