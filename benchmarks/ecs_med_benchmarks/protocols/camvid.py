"""CamVid."""

from ecs_med_benchmarks.protocol import Protocol

__all__ = ["CamVid"]


class CamVid(Protocol):
    """CamVid as prepared for SegNet (Badrinarayanan et al. 2017).

    Layout: `train/` beside `trainannot/`, and so `val` and `test`: 367, 101 and 233 frames of 480
    x 360 from four videos; 11 classes, void (11) ignored. Its authors state no licence; it was
    published for research. Frames of one video are alike, so the parts are not independent.

    The paper has no figures for it. The model is chosen on val and tested once on test.
    """

    name: str = "camvid"
    """CamVid."""
    title: str = "CamVid"
    """Of SegNet's tutorial."""
    is_published: bool = False
    """No published table."""
    budgets: tuple[str, ...] = ("1/8", "1/4", "1/2")
    """As the paper's for the other street scenes."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Three."""
    crop: int = 352
    """The largest multiple of 32 within the height of 360."""
    batch: int = 8
    """As the default of `ecs-med train`."""
    iterations: int = 10_000
    """From here on the optimisers are the paper's."""
