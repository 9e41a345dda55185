"""`ecs-med doctor`: versions, device, what is installed, and whether training works here."""

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ecs_med_cli import options
from ecs_med_cli.console import PlainTable, Terminal
from ecs_med_cli.declaration import EXTENSIONS, in_options, installed

__all__ = ["Check", "EnvironmentReport", "doctor", "examine_environment", "print_environment"]

MODULES = ("torch", "torchvision", "monai", "ignite.engine", "segmentation_models_pytorch", "timm")
"""What training loads: builds that do not fit together fail here, not in their metadata."""

MIN_FREE_GB = 2.0
"""Below this a run with its checkpoints may not fit."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        status: `error` where training will not work, `warning` where something is
            missing that some people need.
        text: The finding, and the remedy where there is one.
    """

    name: str
    status: Literal["ok", "warning", "error"]
    text: str


@dataclass(frozen=True, slots=True)
class EnvironmentReport:
    """All findings.

    Attributes:
        checks: In the order of printing.
        device: The device that was tried, such as `cuda:0`; `None` where none could be.
    """

    checks: tuple[Check, ...]
    device: str | None

    @property
    def works(self) -> bool:
        """Whether training works here."""
        return all(check.status != "error" for check in self.checks)


def doctor(
    device: Annotated[
        str, options.DEVICE.info("Device to try: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Tell what is installed and whether training works.

    Ends with 0 where training works, else with 2.
    """
    terminal = Terminal(as_json=as_json)
    with terminal.only_json():
        report = examine_environment(device)
    if as_json:
        terminal.print_json({"works": report.works, **asdict(report)})
    else:
        print_environment(report, terminal)
    if not report.works:
        raise typer.Exit(2)


def examine_environment(device: str = "auto") -> EnvironmentReport:
    """Look at packages, device, extras and folders; never raises for what it finds.

    Args:
        device: As for training; `auto` takes the first accelerator.
    """
    checks = [*_packages(), *_imports()]
    chosen = None
    if all(check.status != "error" for check in checks):
        chosen, device_checks = _device(device)
        checks += [*device_checks, _cache_folder()]
    checks += [*_extras(), *_extensions(), _free_disk(Path.cwd())]
    return EnvironmentReport(tuple(checks), chosen)


def print_environment(report: EnvironmentReport, terminal: Terminal) -> None:
    """Print the findings as a table, and the verdict under it."""
    from rich.text import Text

    marks = {"ok": Text("ok"), "warning": Text("note", "yellow"), "error": Text("FAILS", "red")}
    table = PlainTable(box=None, pad_edge=False, show_header=False)
    for check in report.checks:
        table.add_row(check.name, marks[check.status], check.text)
    terminal.show(table)
    verdict = (
        "Training works on this machine."
        if report.works
        else "Training does not work here; see what fails above."
    )
    terminal.console.print(verdict, style="bold")


def _requirements() -> Iterator[tuple[str, str | None]]:
    """Every package that ecs-med asks for, and the extra that brings it, if any."""
    for text in requires("ecs-med") or ():
        name = re.match(r"[\w.-]+", text)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", text)
        if name:
            yield name[0], extra[1] if extra else None


def _packages() -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield Check("ecs-med", "ok", version("ecs-med"))
    for name in sorted(name for name, extra in _requirements() if extra is None):
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            yield Check(name, "error", f"not installed; pip install {name}")


def _imports() -> Iterator[Check]:
    for module in MODULES:
        try:
            import_module(module)
        except Exception as error:  # a broken build raises anything, and each is a finding
            reason = str(error).strip().split("\n")[0]
            yield Check(f"import {module}", "error", f"{reason}; reinstall with make setup")


def _extras() -> Iterator[Check]:
    for name, extra in _requirements():
        if extra is None:
            continue
        try:
            yield Check(f"extra {extra}", "ok", f"{name} {version(name)}")
        except PackageNotFoundError:
            remedy = f"not installed; pip install 'ecs-med[{extra}]'"
            yield Check(f"extra {extra}", "warning", remedy)


def _extensions() -> Iterator[Check]:
    """What can be named by an option, and which package brings it where that is not this one."""
    for kind in EXTENSIONS:
        names = [
            name if package == "ecs-med" else f"{name} ({package})"
            for name, package in sorted(installed(kind).items())
        ]
        yield Check(kind, "ok", ", ".join(names) or "none")


def _device(wanted: str) -> tuple[str | None, list[Check]]:
    """Choose a device, describe it, and try it."""
    from ecs_med.devices import choose_device
    from ecs_med.errors import EcsMedError

    try:
        device = choose_device(wanted)
        step = _try_training_step(device)
    except (EcsMedError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        return None, [Check("device", "error", in_options(reason))]
    return str(device), [Check("device", "ok", _describe(device)), step]


def _describe(device: Any) -> str:
    import torch

    from ecs_med.devices import autocast_dtype

    precision = "bf16" if autocast_dtype("auto", device) is torch.bfloat16 else "fp32"
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        memory_gb = properties.total_memory / 2**30
        return f"{device}: {properties.name}, {memory_gb:.1f} GB, {precision}"
    if device.type == "mps":
        return f"mps: Apple GPU, {precision}"
    return f"cpu: {torch.get_num_threads()} threads of {os.cpu_count()} cores, {precision}"


def _try_training_step(device: Any) -> Check:
    """Forward and backward through one convolution."""
    import torch

    images = torch.ones(1, 3, 8, 8, device=device)
    layer = torch.nn.Conv2d(3, 4, 3, padding=1).to(device)
    torch.nn.functional.cross_entropy(
        layer(images), torch.zeros(1, 8, 8, dtype=torch.int64, device=device)
    ).backward()
    gradient = layer.weight.grad
    if gradient is None or not bool(torch.isfinite(gradient).all()):
        return Check("training step", "error", f"a gradient on {device} is not finite")
    return Check("training step", "ok", "a convolution learns")


def _cache_folder() -> Check:
    from ecs_med.files import cache_folder

    folder = cache_folder("prepared")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        text = f"{folder}: {error.strerror}; name another one with XDG_CACHE_HOME"
        return Check("cache folder", "warning", text)
    return Check("cache folder", "ok", str(folder))


def _free_disk(folder: Path) -> Check:
    free_gb = shutil.disk_usage(folder).free / 2**30
    if free_gb < MIN_FREE_GB:
        return Check("free disk", "warning", f"{free_gb:.1f} GB in {folder}; make room for runs")
    return Check("free disk", "ok", f"{free_gb:.0f} GB in {folder}")
