"""Which methods there are, and what the settings of a run say to its own."""

from collections.abc import Collection, Iterable
from typing import Any

from ecs_med.config import OptimizerSettings, Settings, TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.methods.base import Method
from ecs_med.methods.optimizers import SHORT_RUN
from ecs_med.networks.base import network_class, network_settings
from ecs_med.registry import Registry, nearest

__all__ = [
    "METHODS",
    "available_methods",
    "fixed_settings",
    "method_class",
    "method_settings",
    "optimizer_settings",
    "shared_optimizers",
    "with_own_settings",
]

METHODS: Registry[Method] = Registry("ecs_med.methods", "method", Method)
"""Every training method: those of this package, and those of others."""


def available_methods() -> tuple[str, ...]:
    """Names of the methods that are installed, sorted."""
    return METHODS.names()


def method_class(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        SettingsError: If there is none, with the nearest; or if its package is broken.
    """
    return METHODS.get(name)


def method_settings(config: TrainConfig) -> Settings:
    """The numbers of the run's method: as given, else its own defaults.

    Sections of other methods may stand beside its own, as in a sweep, and are checked, too.

    Raises:
        SettingsError: If a section, or a setting in one, is unknown or wrong.
    """
    settings = method_class(config.method).settings_class()
    for name, values in config.method_settings.items():
        _check_known("method_settings", name, available_methods())
        parsed = method_class(name).settings_class.parse(values, f"method_settings.{name}")
        settings = parsed if name == config.method else settings
    return settings


def optimizer_settings(config: TrainConfig) -> dict[str, OptimizerSettings]:
    """The optimiser of each network that the run trains: as given, else the default.

    The default is the method's, but for segmenters whose architecture has its own.

    Raises:
        SettingsError: If one is given for a network that no method trains.
    """
    cls = method_class(config.method)
    if not config.optimizers.keys() <= set(cls.trained_networks()):
        # Those of other methods may be there, as in a sweep.
        known = {name for method in METHODS.all().values() for name in method.trained_networks()}
        for name in config.optimizers:
            _check_known("optimizers", name, sorted(known))
    defaults = cls.default_optimizers(config.iterations or SHORT_RUN)
    if "segmenter" in defaults and (own := network_class(config.network).segmenter_optimizer):
        defaults["segmenter"] = own
    chosen = {name: config.optimizers.get(name, default) for name, default in defaults.items()}
    alike = {name: chosen[other] for name, other in cls.moved_alike.items()}
    return chosen | {n: same for n, same in alike.items() if n not in config.optimizers}


def shared_optimizers(config: TrainConfig, methods: Iterable[str]) -> dict[str, OptimizerSettings]:
    """Optimisers by network on which all of `methods` agree, to be fixed for all of their runs."""
    chosen: dict[str, OptimizerSettings | None] = {}
    for method in methods:
        one = optimizer_settings(config.model_copy(update={"method": method}))
        for name, settings in one.items():
            chosen[name] = settings if chosen.get(name, settings) == settings else None
    return {name: settings for name, settings in chosen.items() if settings is not None}


def with_own_settings(config: TrainConfig) -> TrainConfig:
    """`config` with the section and the optimisers of its own method, complete, and no others.

    Raises:
        SettingsError: As `method_settings` and `optimizer_settings`.
    """
    section = method_settings(config).model_dump(mode="json")
    own = {"method_settings": {config.method: section}, "optimizers": optimizer_settings(config)}
    return config.model_copy(update=own)


def fixed_settings(config: TrainConfig, *, with_defaults: bool = False) -> dict[str, Any]:
    """What is decided, by dotted name and as JSON has it, to be held against another run.

    Settings that are left open, or mean nothing to the method of the run, are not among them.

    Args:
        config: Settings of a run.
        with_defaults: With what was not given and has a default.

    Example:
        >>> given = {"data": "x", "method": "ecs", "method_settings": {"ecs": {"gamma": 1}}}
        >>> fixed_settings(TrainConfig.parse(given))
        {'data': 'x', 'method': 'ecs', 'method_settings.ecs.gamma': 1.0}
    """

    def decided(settings: Settings) -> dict[str, Any]:
        fields = type(settings).model_fields if with_defaults else settings.model_fields_set
        return settings.model_dump(mode="json", include=set(fields))

    cls, given = method_class(config.method), decided(config)
    section = cls.settings_class.parse(given.pop("method_settings", {}).get(cls.name, {}))
    network = network_settings(config.network, given.pop("network_settings", {}))
    moved = given.pop("optimizers", {})
    for name, value in given.pop("augmentation", {}).items():
        given[f"augmentation.{name}"] = value
    return {
        **{name: value for name, value in given.items() if value not in (None, "auto")},
        **{f"network_settings.{name}": value for name, value in decided(network).items()},
        **{f"method_settings.{cls.name}.{n}": value for n, value in decided(section).items()},
        **{f"optimizers.{name}": moved[name] for name in cls.trained_networks() if name in moved},
    }


def _check_known(section: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise SettingsError(f"{section}: unknown setting '{name}'; {nearest(name, known)}")
