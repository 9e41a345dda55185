"""The program `ecs-med`: its commands, and what a user sees when something goes wrong.

Nothing heavy is imported here or at the top of a command module, so that
`--help` answers at once; each command imports what it needs when it runs.
"""

import contextlib
import errno
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from ecs_med.errors import EcsMedError, TrainingInterrupted
from ecs_med.names import visible
from ecs_med_cli.commands.audit import audit
from ecs_med_cli.commands.benchmark import benchmark
from ecs_med_cli.commands.budget import budget
from ecs_med_cli.commands.check import check
from ecs_med_cli.commands.compare import compare
from ecs_med_cli.commands.demo import demo
from ecs_med_cli.commands.doctor import doctor
from ecs_med_cli.commands.evaluate import evaluate
from ecs_med_cli.commands.export import export
from ecs_med_cli.commands.predict import predict
from ecs_med_cli.commands.report import report
from ecs_med_cli.commands.suggest import suggest
from ecs_med_cli.commands.train import train
from ecs_med_cli.declaration import in_options, spoken_by, with_installed
from ecs_med_cli.streams import lasting_streams

__all__ = ["app", "main"]

COMMANDS = {
    command.__name__: command
    for command in (
        *(check, train, budget, report, predict, evaluate, suggest, audit, export),
        *(benchmark, compare, demo, doctor),
    )
}
"""Every command by its name, in the order of `--help`."""

BUG = 1
WRONG_USE = 2
INTERRUPTED = 130

DISK_ERRORS = {
    **dict.fromkeys((errno.EDQUOT, errno.ENOSPC), "free some space there"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "check its permissions"),
}
"""What the file system may refuse without a defect of ours, and what helps."""

RESUMABLE = {"train", "budget", "suggest", "audit", "benchmark", "compare", "demo"}
"""Commands that go on where they were, whenever they are stopped."""


class _Group(TyperGroup):
    """Commands whose `--help` costs no import of pydantic, half of its time."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option is not None:
            # Unset, typer hands it to pydantic before it reads the command's own --help.
            option.default = False
        return option


class _Command(TyperCommand):
    """A command that says `--batch` where the engine says `batch` in backticks."""

    def invoke(self, ctx: Any) -> Any:
        with spoken_by((self, *ctx.parent.command.commands.values())):
            try:
                return super().invoke(ctx)
            except EcsMedError as error:
                error.args = (in_options(str(error)),)
                raise
            except KeyboardInterrupt:
                if self.name not in RESUMABLE:
                    raise
                raise TrainingInterrupted(
                    "Interrupted outside of training, nothing is lost; start again with the same "
                    "command."
                ) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for parameter in self.params:
            if isinstance(parameter, TyperOption):
                parameter.help = with_installed(parameter.help or "")
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=_Group,
    name="ecs-med",
    help="Segmentation of medical images from few labels and many unlabelled images.",
    epilog="Start with `ecs-med demo`; on your own images with `ecs-med check FOLDER`.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ecs-med {version('ecs-med')}")
        raise typer.Exit


@app.callback()
def _options_before_the_command(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show tracebacks; also by ECS_MED_DEBUG=1."),
    ] = False,
) -> None:
    if debug:
        os.environ["ECS_MED_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _command in COMMANDS.values():
    app.command(cls=_Command)(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with the exit code of the contract.

    Args:
        arguments: Words after `ecs-med`; those of the process when `None`.

    Raises:
        SystemExit: Always. 0 done, 1 a bug, 2 wrong use or bad input, 3 some inputs
            failed, 75 stopped but resumable, 130 interrupted with nothing to resume.
    """
    _let_threads_sleep()
    with lasting_streams(), _ended_like_ctrl_c():
        code = _run(arguments)
    # Where Ctrl-C hits inside of `exec` of a text, as in the making of a dataclass, Python notes
    # that it has to die by the signal, whatever exit code is asked for; the next one clears that.
    exec("")
    sys.exit(code)


def _let_threads_sleep() -> None:
    """Let PyTorch's threads sleep where they wait for each other, unless the user said otherwise.

    GCC's OpenMP has them spin: beside one other busy process on two cores, a training step then
    took four times as long. It reads the variable when PyTorch is loaded.
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let being asked to end, and the end of the terminal, clean up as Ctrl-C does.

    What is ignored, as SIGHUP is by `nohup`, stays so.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt

    former: dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        with contextlib.suppress(ValueError):  # in another thread than the main one
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                former[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = app(args=arguments, prog_name="ecs-med", standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        if _debugging():
            traceback.print_exc()
        return _explain(error)
    except KeyboardInterrupt:
        _say("interrupted.")
        return INTERRUPTED
    # Commands return None; typer hands a raised Exit's code back as the result, and that of Ctrl-C.
    if result == INTERRUPTED:
        _say("interrupted.")
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> int:
    """Say what happened in one sentence and return the exit code."""
    if isinstance(error, EcsMedError):
        _say(str(error))
        return error.exit_code
    if isinstance(error, typer.Abort):
        _say("interrupted.")
        return INTERRUPTED
    if hasattr(error, "format_message"):
        # Every usage error of typer has this method; their classes move between its versions.
        _say(_usage_sentence(error))
        return WRONG_USE
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        where = f"{error.filename}: " if error.filename else ""
        remedy = DISK_ERRORS[error.errno]
        _say(f"{where}{error.strerror}; {remedy}, or choose another folder.")
        return WRONG_USE
    _say(_bug_sentence(error))
    return BUG


def _usage_sentence(error: Any) -> str:
    message = " ".join(str(error.format_message()).split())
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "ecs-med"
    return f"{message} (See {command} --help.)"


def _bug_sentence(error: Exception) -> str:
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    if _debugging():
        return f"this is a bug: {summary}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="ecs-med-traceback-", suffix=".txt", encoding="utf-8", delete=False
        ) as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return f"this is a bug: {summary} (ECS_MED_DEBUG=1 shows where)"
    return f"this is a bug, please report it with {Path(file.name)}: {summary}"


def _debugging() -> bool:
    return os.environ.get("ECS_MED_DEBUG", "") not in {"", "0"}


def _say(sentence: str) -> None:
    typer.echo(f"ecs-med: {visible(sentence)}", err=True)
