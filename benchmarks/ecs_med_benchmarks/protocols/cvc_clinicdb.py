"""CVC-ClinicDB."""

from ecs_med_benchmarks.protocol import Protocol

__all__ = ["CvcClinicDb"]


class CvcClinicDb(Protocol):
    """CVC-ClinicDB: polyps in colonoscopy (Bernal et al. 2015).

    Layout: 612 images of 384 x 288 in `Original/`, masks of the same names in `Ground Truth/` (or
    `images/` and `masks/`). They are frames of 31 sequences whose numbers the files do not tell; a
    list with a patient column (`patient=column`) keeps sequences together, without one the score
    is too good. 70/10/20 % are drawn by the seed. Research use, terms on its page.

    The paper has no figures for it.
    """

    name: str = "cvc-clinicdb"
    """CVC-ClinicDB."""
    title: str = "CVC-ClinicDB"
    """Colonoscopy, one class."""
    is_published: bool = False
    """No published table."""
    budgets: tuple[str, ...] = ("10%", "15%", "20%", "30%", "50%")
    """Those of the literature on polyps."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Three."""
    crop: int = 288
    """The height of the frames."""
    batch: int = 8
    """As the default of `ecs-med train`."""
    iterations: int = 10_000
    """From here on the optimisers are the paper's."""
