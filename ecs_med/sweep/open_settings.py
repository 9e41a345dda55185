"""Settings that a run would decide for itself, decided once for all runs of a sweep."""

from pathlib import Path

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.methods.settings import shared_optimizers
from ecs_med.sweep.plan import CELL_SETTINGS, SweepConfig

__all__ = ["decide_open_settings"]

_DECIDED = (
    "batch",
    "corrector_encoder",
    "encoder",
    "encoder_weights",
    "iterations",
    "max_size",
)
"""What depends on the machine or on other settings; runs that differ here cannot be compared."""


def decide_open_settings(sweep: SweepConfig, *, here: bool) -> SweepConfig:
    """Fill in what depends on the machine, so that a sweep goes on alike on another one.

    Unknown encoders, missing weights and absent devices so are found before the first run.

    Args:
        sweep: As asked for.
        here: Whether the runs run on this machine. Where they do not, this machine cannot
            decide for them; steps have to be given and the rest stays open.

    Returns:
        The sweep with every setting in `settings`, `iterations` decided.

    Raises:
        SettingsError: If a setting is wrong, or `iterations` is needed and not given.
    """
    config = TrainConfig.parse({**sweep.settings, "data": sweep.data})
    # Defaults too: a later version of this program may have others.
    settings = config.model_dump(mode="json", exclude=set(CELL_SETTINGS))
    missing = [name for name in _DECIDED if settings[name] in (None, "auto")]
    if here and missing:
        from ecs_med.training.resolve import Images, resolve

        # Only what depends on the machine is kept, so that any kind of image will do.
        resolved, _ = resolve(config, Images("picture", 3, (64, 64)), Path())
        values = resolved.model_dump(mode="json")
        settings |= {name: values[name] for name in missing}
    if settings["iterations"] is None:
        raise SettingsError(
            "--iterations has to be given with this executor: its default depends on the "
            "device, and the runs are not on this machine."
        )
    decided = TrainConfig.parse({**settings, "data": sweep.data})
    optimizers = shared_optimizers(decided, sweep.methods)
    settings["optimizers"] = {n: o.model_dump(mode="json") for n, o in optimizers.items()}
    return sweep.model_copy(update={"settings": settings})
