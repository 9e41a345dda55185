"""`start_from`: a run that begins with the networks of a finished one."""

from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.inference.storing import read_spec
from ecs_med.methods import method_class
from ecs_med.networks.base import network_settings
from ecs_med.runs import Origin, RunFolder
from ecs_med.splits import SplitDocument
from ecs_med.training.data_plan import DataPlan

__all__ = ["check_origin", "networks_from", "open_origin", "settings_from"]


def open_origin(config: TrainConfig) -> Origin | None:
    """The run that `config.start_from` names; `None` where it names none.

    Raises:
        RunFolderError: If it is not a finished run.
        SettingsError: If none is named and the method needs one.
    """
    run = config.start_from
    if run is None:
        if method_class(config.method).needs_origin:
            raise SettingsError(
                f"Method {config.method} needs the segmenter of a finished run; name its folder by "
                "`start_from`."
            )
        return None
    spec = read_spec(run)
    if not RunFolder(run).is_finished:
        raise RunFolderError(
            f"{run}: this run is not finished; go on with it by `ecs-med train --resume --run "
            f"{run}`, or start from another one."
        )
    return Origin(run=run, spec=spec)


def settings_from(origin: Origin, config: TrainConfig) -> TrainConfig:
    """`config` with what it leaves open taken from the run, so that the networks fit.

    Raises:
        SettingsError: If it asks for other networks.
    """
    spec = origin.spec
    networks: dict[str, Any] = {"network": spec.network, "context": spec.context}
    if spec.encoder is not None:
        networks["encoder"] = spec.encoder
    more: dict[str, Any] = {
        "max_size": spec.preparation.max_size,
        "min_size": spec.preparation.min_size,
        "field_of_view": spec.preparation.field_of_view,
    }
    if spec.kind == "volume":
        more |= {
            "orientation": spec.preparation.orientation,
            "plane": spec.preparation.plane,
            "usual_plane": spec.preparation.usual_plane,
            "spacing": spec.preparation.spacing_mm or "none",
            "slice_spacing": spec.preparation.slice_spacing_mm or "none",
        }
    if _has_corrector_for(origin, config.method) and spec.corrector_encoder is not None:
        networks["corrector_encoder"] = spec.corrector_encoder
        more["corrector_output_stride"] = spec.corrector_output_stride
    for name, value in networks.items():
        if not _is_open(config, name) and getattr(config, name) != value:
            raise _other_networks(origin, name, value, getattr(config, name))
    asked = network_settings(spec.network, config.network_settings).model_dump(mode="json")
    for name in config.network_settings:
        if asked[name] != spec.network_settings[name]:
            raise _other_networks(origin, name, spec.network_settings[name], asked[name])
    taken = {name: value for name, value in (networks | more).items() if _is_open(config, name)}
    return config.model_copy(update={**taken, "network_settings": spec.network_settings})


def _other_networks(origin: Origin, name: str, theirs: object, asked: object) -> SettingsError:
    return SettingsError(
        f"{origin.run}: its networks have {name}={theirs}, not {asked}; leave `{name}` out, or "
        "start from another run."
    )


def networks_from(origin: Origin, method: str) -> frozenset[str]:
    """Names of the networks that get their first weights from the run, or need none."""
    if method_class(method).uses_corrector() and not _has_corrector_for(origin, method):
        return frozenset({"segmenter"})
    return frozenset({"segmenter", "corrector"})


def _has_corrector_for(origin: Origin, method: str) -> bool:
    cls = method_class(method)
    return cls.uses_corrector() and origin.spec.corrector == cls.corrector_kind


def check_origin(origin: Origin, config: TrainConfig, plan: DataPlan) -> Origin:
    """Hold the run against the data.

    Returns:
        With warnings of classes that have other names, and of cases that the run was trained
        on and that are to be scored.

    Raises:
        SettingsError: If channels or the number of classes differ.
    """
    names, channels = plan.scheme.class_names, plan.images.channels
    theirs = origin.spec.class_names
    if channels != origin.spec.in_channels:
        raise SettingsError(
            f"{origin.run}: was trained on images of {_channels(origin.spec.in_channels)}, and "
            f"those of {config.data} have {channels}; start from a run on such images."
        )
    if len(names) != len(theirs):
        raise SettingsError(
            f"{origin.run}: has {len(theirs)} classes ({', '.join(theirs)}), and {config.data} has "
            f"{len(names)} ({', '.join(names)}); start from a run with as many."
        )
    warnings = []
    if names != theirs:
        warnings.append(
            f"{origin.run}: calls the classes {', '.join(theirs)}, here they are "
            f"{', '.join(names)}; make sure that they mean the same in this order."
        )
    if plan.images.kind == "volume" and config.orientation != "RAS":
        warnings.append(
            f"{origin.run}: slices volumes along the axes of their files, and so does this run, "
            "which fits scans that are stored alike and no others; train anew, without "
            "`start_from`, to slice all along the axes of the body."
        )
    scored = {case.id for case in (*plan.split.validation, *plan.split.test)}
    num_seen = len(_trained_on(origin, config) & scored)
    if num_seen:
        warnings.append(
            f"{origin.run}: was trained on {num_seen} of the validation and test cases, so that "
            "scores come out too high; use its split by `labeled` "
            f"{RunFolder(origin.run).split_file}."
        )
    return origin.model_copy(update={"warnings": tuple(warnings)})


def _trained_on(origin: Origin, config: TrainConfig) -> frozenset[str]:
    """Ids of the training cases of the run, where it had the same data."""
    folder = RunFolder(origin.run)
    if folder.read_config().data.resolve() != config.data.resolve():
        return frozenset()
    roles = SplitDocument.read(folder.split_file).roles()
    return frozenset(id_ for id_, role in roles.items() if role in ("labeled", "unlabeled"))


def _is_open(config: TrainConfig, name: str) -> bool:
    return name not in config.model_fields_set or getattr(config, name) in ("auto", None)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
