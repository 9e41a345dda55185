"""`start_from`: a run that begins with the networks of a finished one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import write_json
from ecs_med.inference.model import load_model, read_spec
from ecs_med.methods import method_class
from ecs_med.runs.spec import ModelSpec
from ecs_med.splits import SplitDocument
from ecs_med.training.data_plan import DataPlan
from ecs_med.types import Case

__all__ = ["Start", "fill_networks", "open_start", "reopen_start", "write_start"]

START_FILE = "start.json"

_OPTIONS = {"encoder": "--encoder", "corrector_encoder": "--corrector-encoder"}
"""Where a setting can be given; the others are given in a file, by `--config`."""


@dataclass(frozen=True, slots=True)
class Start:
    """The finished run that a run begins with.

    Attributes:
        run: Its folder.
        spec: What its networks are.
        warnings: Sentences for the user.
    """

    run: Path
    spec: ModelSpec
    warnings: tuple[str, ...] = ()

    def settings(self, config: TrainConfig) -> TrainConfig:
        """`config` with what it leaves open taken from the run, so that the networks fit.

        Raises:
            SettingsError: If it asks for other networks.
        """
        with_corrector = "corrector" in method_class(config.method).companion_names
        theirs: dict[str, Any] = {"encoder": self.spec.encoder, "network": self.spec.network}
        if self.spec.network == "deeplabv2":
            theirs["aspp_rates"] = self.spec.aspp_rates
        if with_corrector and self.spec.corrector_encoder is not None:
            theirs["corrector_encoder"] = self.spec.corrector_encoder
        for name, value in theirs.items():
            if not _is_open(config, name) and getattr(config, name) != value:
                raise SettingsError(
                    f"{self.run}: its networks have {name}={value}, not {getattr(config, name)}; "
                    f"leave {_OPTIONS.get(name, f'the setting {name}')} out, or start from another "
                    "run."
                )
        preparation = self.spec.preparation
        theirs |= {"max_size": preparation.max_size, "min_size": preparation.min_size}
        theirs["output_stride"] = self.spec.output_stride
        if with_corrector and self.spec.corrector_encoder is not None:
            theirs["corrector_output_stride"] = self.spec.corrector_output_stride
        taken = {name: value for name, value in theirs.items() if _is_open(config, name)}
        return config.model_copy(update=taken)

    def networks(self, method: str) -> frozenset[str]:
        """Names of the networks that get their first weights from the run, or need none."""
        needs_corrector = "corrector" in method_class(method).companion_names
        if needs_corrector and self.spec.corrector_encoder is None:
            return frozenset({"segmenter"})
        return frozenset({"segmenter", "corrector"})

    def checked(self, config: TrainConfig, plan: DataPlan) -> Self:
        """Hold the run against the data.

        Returns:
            With warnings of classes that have other names, and of cases that the run was trained
            on and that are to be scored.

        Raises:
            SettingsError: If channels or the number of classes differ.
        """
        names, channels = plan.scheme.class_names, plan.images.channels
        if channels != self.spec.in_channels:
            raise SettingsError(
                f"{self.run}: was trained on images of {_channels(self.spec.in_channels)}, and "
                f"those of {config.data} have {channels}; start from a run on such images."
            )
        if len(names) != self.spec.num_classes:
            raise SettingsError(
                f"{self.run}: has {self.spec.num_classes} classes "
                f"({', '.join(self.spec.class_names)}), and {config.data} has {len(names)} "
                f"({', '.join(names)}); start from a run with as many."
            )
        warnings = []
        if names != self.spec.class_names:
            warnings.append(
                f"{self.run}: calls the classes {', '.join(self.spec.class_names)}, here they are "
                f"{', '.join(names)}; make sure that they mean the same in this order."
            )
        num_seen = len(self._trained_on(config) & {c.id for c in _scored(plan)})
        if num_seen:
            warnings.append(
                f"{self.run}: was trained on {num_seen} of the validation and test cases, so that "
                f"scores come out too high; use its split by --labeled {self.run / 'split.json'}."
            )
        return replace(self, warnings=tuple(warnings))

    def _trained_on(self, config: TrainConfig) -> frozenset[str]:
        """Ids of the training cases of the run, where it had the same data."""
        path = self.run / "config.json"
        if TrainConfig.from_file(path).data.resolve() != config.data.resolve():
            return frozenset()
        roles = SplitDocument.read(self.run / "split.json").roles()
        return frozenset(id_ for id_, role in roles.items() if role in ("labeled", "unlabeled"))


def open_start(config: TrainConfig) -> Start | None:
    """The run that `config.start_from` names; `None` where it names none.

    Raises:
        RunFolderError: If it is not a finished run.
        SettingsError: If none is named and the method needs one.
    """
    run = config.start_from
    if run is None:
        if method_class(config.method).needs_start:
            raise SettingsError(
                f"Method {config.method} needs the segmenter of a finished run; name its folder by "
                "--start-from."
            )
        return None
    spec = read_spec(run)
    if not (run / "metrics.json").is_file():
        raise RunFolderError(
            f"{run}: this run is not finished; go on with it by `ecs-med train --resume --run "
            f"{run}`, or start from another one."
        )
    return Start(run, spec)


def write_start(start: Start, folder: Path) -> None:
    """Keep in a run folder what the run began with."""
    content = {
        "run": str(start.run),
        "spec": start.spec.model_dump(mode="json"),
        "warnings": list(start.warnings),
    }
    write_json(folder / START_FILE, content)


def reopen_start(folder: Path) -> Start | None:
    """What `write_start` kept; to resume, the run itself is not needed any more.

    Returns:
        `None` where the run began with no other one.

    Raises:
        RunFolderError: If the file is damaged.
    """
    path = folder / START_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        spec = ModelSpec.model_validate(content["spec"])
        return Start(Path(content["run"]), spec, tuple(content["warnings"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunFolderError(f"{path}: damaged ({error}); start this run anew.") from error


def fill_networks(networks: Mapping[str, nn.Module], start: Start) -> None:
    """Copy the run's weights into the segmenter, and into the corrector where both have one.

    Args:
        networks: By name, changed in place.
        start: The run.

    Raises:
        RunFolderError: If its weights are missing or damaged.
    """
    model = load_model(start.run, "cpu")
    networks["segmenter"].load_state_dict(model.segmenter.state_dict())
    if model.corrector is not None and "corrector" in networks:
        networks["corrector"].load_state_dict(model.corrector.state_dict())


def _is_open(config: TrainConfig, name: str) -> bool:
    return name not in config.model_fields_set or getattr(config, name) in ("auto", None)


def _scored(plan: DataPlan) -> list[Case]:
    return [*plan.split.validation, *plan.split.test]


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
