"""Settings that a run would decide for itself, decided once for all runs of a sweep."""

from pathlib import Path

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.sweep.plan import SweepConfig

__all__ = ["decide_open_settings"]

_DECIDED = ("iterations", "resize", "encoder", "corrector_encoder", "encoder_weights")
"""What depends on the machine; runs that differ in one of these cannot be compared."""


def decide_open_settings(sweep: SweepConfig, *, here: bool) -> SweepConfig:
    """Fill in what depends on the machine, so that a sweep goes on alike on another one.

    Unknown encoders, missing weights and absent devices so are found before the first run.

    Args:
        sweep: As asked for.
        here: Whether the runs run on this machine. Where they do not, this machine cannot
            decide for them; steps have to be given and the rest stays open.

    Returns:
        The sweep with `iterations` in its settings.

    Raises:
        SettingsError: If a setting is wrong, or `iterations` is needed and not given.
    """
    settings = dict(sweep.settings)
    config = TrainConfig.parse({**settings, "data": sweep.data})
    if all(settings.get(name) not in (None, "auto") for name in _DECIDED):
        return sweep
    if not here:
        if config.iterations is None:
            raise SettingsError(
                "--iterations has to be given with this executor: its default depends on the "
                "device, and the runs are not on this machine."
            )
        return sweep
    from ecs_med.training.resolve import Images, resolve

    # Only what depends on the machine is kept, so that any kind of image will do.
    resolved, _ = resolve(config, Images("picture", 3, (64, 64)), Path())
    for name in _DECIDED:
        if settings.get(name) in (None, "auto"):
            settings[name] = getattr(resolved, name)
    return sweep.model_copy(update={"settings": settings})
